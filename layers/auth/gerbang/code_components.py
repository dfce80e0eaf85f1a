"""The container's parts for sign-in by mailed codes and links, on top of `gerbang.identity_components`.

The modules of a part are imported in the property that makes it, as in `gerbang.container`.
"""
# ruff: noqa: PLC0415

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from gerbang.identity_components import IdentityComponents
from gerbang.provider_settings import InvalidSettings

if TYPE_CHECKING:
    from gerbang.accounts.code_sign_in import CodeSignIn
    from gerbang.accounts.code_sign_up import CodeSignUp
    from gerbang.accounts.email_change import EmailChange
    from gerbang.accounts.link_sign_in import LinkSignIn
    from gerbang.accounts.pkce import PkceFlows
    from gerbang.accounts.redirects import RedirectTargets


class CodeComponents(IdentityComponents):
    """Makes what redeems codes and links, each once."""

    @cached_property
    def code_sign_in(self) -> "CodeSignIn":
        """Signs in by a mailed code."""
        from gerbang.accounts.code_sign_in import CodeSignIn

        return CodeSignIn(
            store=self.store,
            users=self.users,
            codes=self.codes,
            maker=self.code_maker,
            sessions=self.sign_in_sessions,
            rate_limits=self.rate_limits,
            tries=self.limit("code_tries"),
            address_limit=self.limit("sign_in_address"),
            sign_up=None,
            mail_service=self.mail_service,
            first_factors=self.first_factors,
            log_event=self.log_event,
            now=self.now,
        )

    @cached_property
    def code_sign_in_with_sign_up(self) -> "CodeSignIn":
        """`code_sign_in` for Supabase's clients: a code may also make an account, and a session is raised later."""
        return replace(self.code_sign_in, sign_up=self.code_sign_up, first_factors=None)

    @cached_property
    def code_sign_up(self) -> "CodeSignUp":
        """Makes accounts by a mailed code."""
        from gerbang.accounts.code_sign_up import CodeSignUp

        return CodeSignUp(
            store=self.store,
            users=self.users,
            rate_limits=self.rate_limits,
            limit=self.limit("registration"),
            policy=self.sign_up_policy,
            initial_credit=self.settings.initial_credit_balance,
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
            new_number=self.new_number,
        )

    @cached_property
    def email_change(self) -> "EmailChange":
        """Confirms changes of addresses."""
        from gerbang.accounts.email_change import EmailChange

        return EmailChange(
            store=self.store,
            users=self.users,
            codes=self.codes,
            maker=self.code_maker,
            addresses=self.addresses,
            sessions=self.sign_in_sessions,
            rate_limits=self.rate_limits,
            tries=self.limit("code_tries"),
            address_limit=self.limit("sign_in_address"),
            log_event=self.log_event,
            now=self.now,
        )

    @cached_property
    def redirect_targets(self) -> "RedirectTargets":
        """Decides where mailed links may lead."""
        from gerbang.accounts.redirects import RedirectTargets

        try:
            return RedirectTargets(self.settings.site_url, self.settings.redirect_urls)
        except ValueError as error:
            raise InvalidSettings(f"LINKS: {error}") from None

    @cached_property
    def pkce_flows(self) -> "PkceFlows":
        """Makes and exchanges the authorization codes of clients that use PKCE."""
        from gerbang.accounts.pkce import PkceFlows
        from gerbang.storage.flow_states import FlowStateTable

        return PkceFlows(
            store=self.store,
            users=self.users,
            flow_states=FlowStateTable(self.store, self.settings.codes_table),
            sessions=self.sign_in_sessions,
            rate_limits=self.rate_limits,
            address_limit=self.limit("sign_in_address"),
            log_event=self.log_event,
            now=self.now,
            new_id=self.new_id,
        )

    @cached_property
    def link_sign_in(self) -> "LinkSignIn":
        """Signs in by mailed links."""
        from gerbang.accounts.link_sign_in import LinkSignIn

        return LinkSignIn(
            tokens=self.link_tokens,
            sign_in=self.code_sign_in_with_sign_up,
            email_change=self.email_change,
            flows=self.pkce_flows,
            log_event=self.log_event,
        )
