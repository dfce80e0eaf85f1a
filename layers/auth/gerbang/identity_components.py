"""The container's parts that identify users, or decide who may sign up; on top of `gerbang.mail_components`.

The modules of a part are imported in the property that makes it, as in `gerbang.container`.
"""
# ruff: noqa: PLC0415

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from gerbang.core import init
from gerbang.mail_components import MailComponents

if TYPE_CHECKING:
    from gerbang.accounts.addresses import Addresses
    from gerbang.accounts.captcha import Captcha
    from gerbang.accounts.id_tokens import IdTokens
    from gerbang.accounts.identity_sign_in import IdentitySignIn
    from gerbang.accounts.linked_identities import LinkedIdentities
    from gerbang.accounts.oidc import IdTokenVerifier
    from gerbang.accounts.oidc_provider import Provider
    from gerbang.accounts.password_check import PasswordCheck
    from gerbang.accounts.reauthentication import Reauthentication
    from gerbang.accounts.sign_up_policy import SignUpPolicy


class IdentityComponents(MailComponents):
    """Makes what identifies users, each once."""

    @cached_property
    def sign_up_policy(self) -> "SignUpPolicy":
        """Decides who may make an account."""
        from gerbang.accounts.sign_up_policy import SignUpPolicy

        return SignUpPolicy(
            takes_accounts=self.settings.takes_accounts,
            takes_guests=self.settings.takes_guests,
            autoconfirm=self.settings.autoconfirm,
            manual_linking=self.settings.lets_users_link,
        )

    @cached_property
    def google_verifier(self) -> "IdTokenVerifier":
        """Verifies Google's ID tokens. Made before `sessions`, which with HS256 hides cryptography from PyJWT."""
        from gerbang.accounts.oidc_provider import google

        made = self._verifier_of(
            google(client_ids=self.settings.google_client_ids, jwks_url=self.settings.google_certs_url)
        )
        init.preload(made.warm)
        return made

    @cached_property
    def id_tokens(self) -> "IdTokens":
        """Verifies ID tokens of every configured provider. Made before `sessions`, as `google_verifier` is.

        Keys are fetched when a token needs them, so that a provider that is down does not delay starts. The address
        need not be verified.
        """
        from gerbang.accounts.id_tokens import IdTokens

        settings = self.settings
        client_ids, certs_url, others = settings.google_client_ids, settings.google_certs_url, settings.oidc_providers
        if not client_ids and not others:
            return IdTokens({})  # without importing cryptography
        from gerbang.accounts.oidc_provider import discovered, google

        providers = [discovered(each.name, issuer=each.issuer, client_ids=each.client_ids) for each in others]
        if client_ids:
            providers.append(replace(google(client_ids=client_ids, jwks_url=certs_url), requires_verified_email=False))
        return IdTokens({provider.name: self._verifier_of(provider) for provider in providers})

    def _verifier_of(self, provider: "Provider") -> "IdTokenVerifier":
        # PyJWT is imported here first, so that it finds cryptography, which RS256 needs (docs/decisions/0013-init.md).
        from gerbang.accounts.oidc import IdTokenVerifier
        from gerbang.accounts.oidc_provider import KeyEndpoint
        from gerbang.storage.clients import trust

        return IdTokenVerifier(provider, fetch=KeyEndpoint(provider=provider, trust=trust), now=self.now)

    @cached_property
    def identity_sign_in(self) -> "IdentitySignIn":
        """Signs in by a verified identity of a provider."""
        from gerbang.accounts.identity_sign_in import IdentitySignIn

        return IdentitySignIn(
            store=self.store,
            users=self.users,
            sessions=self.sign_in_sessions,
            rate_limits=self.rate_limits,
            limit=self.limit("registration"),
            policy=self.sign_up_policy,
            initial_credit=self.settings.initial_credit_balance,
            notices=self.identity_notices,
            first_factors=self.first_factors,
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
            new_number=self.new_number,
        )

    @cached_property
    def supabase_identity_sign_in(self) -> "IdentitySignIn":
        """`identity_sign_in` for Supabase's clients, whose sessions are raised later."""
        return replace(self.identity_sign_in, first_factors=None)

    @cached_property
    def addresses(self) -> "Addresses":
        """Changes the addresses of accounts."""
        from gerbang.accounts.addresses import Addresses

        return Addresses(
            users=self.users, initial_credit=self.settings.initial_credit_balance, new_number=self.new_number
        )

    @cached_property
    def linked_identities(self) -> "LinkedIdentities":
        """Links identities to the accounts of signed-in users."""
        from gerbang.accounts.linked_identities import LinkedIdentities

        return LinkedIdentities(
            store=self.store,
            users=self.users,
            families=self.families,
            sessions=self.sessions,
            addresses=self.addresses,
            notices=self.identity_notices,
            policy=self.sign_up_policy,
            log_event=self.log_event,
            now=self.now,
        )

    @cached_property
    def password_check(self) -> "PasswordCheck":
        """Compares passwords with those of accounts."""
        from gerbang.accounts.password_check import PasswordCheck

        return PasswordCheck(self.passwords, self.log_event)

    @cached_property
    def reauthentication(self) -> "Reauthentication":
        """Checks what must be sent along with a new password."""
        from gerbang.accounts.reauthentication import Reauthentication

        return Reauthentication(
            store=self.store,
            sessions=self.sessions,
            codes=self.codes,
            maker=self.code_maker,
            password_check=self.password_check,
            password_attempts=self.password_attempts,
            rate_limits=self.rate_limits,
            tries=self.limit("code_tries"),
            address_limit=self.limit("sign_in_address"),
            needs_code=self.settings.secures_password_change,
            needs_password=self.settings.requires_current_password,
            now=self.now,
        )

    @cached_property
    def captcha(self) -> "Captcha | None":
        """Verifies CAPTCHA tokens; None: none are required, and nothing is imported."""
        chosen = self.settings.captcha
        if chosen is None:
            return None
        from gerbang.accounts.captcha import VERIFY_URLS, Captcha
        from gerbang.sessions.cached_secret import CachedSecret
        from gerbang.storage.clients import trust
        from gerbang.storage.secrets import Secret

        secret = Secret(lambda: self.client("secretsmanager"), chosen.secret)
        return Captcha(
            url=chosen.url or VERIFY_URLS[chosen.provider],
            secret=CachedSecret(secret.current, self.now),
            log_event=self.log_event,
            trust=trust,
        )
