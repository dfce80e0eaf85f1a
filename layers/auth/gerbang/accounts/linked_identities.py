"""Linking identities of providers to the account of a signed-in user, and unlinking them.

A linked identity can sign in to the account, so the owner is notified by mail (ASVS 6.3.7). Rules and reasons:
docs/decisions/0031-linked-identities.md.
"""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from gerbang.accounts.addresses import Addresses
from gerbang.accounts.changes import set_fields
from gerbang.accounts.identity_sign_in import LinkedToAnother, VerifiedIdentity
from gerbang.accounts.sign_up_policy import ManualLinkingDisabled, SignUpPolicy
from gerbang.accounts.verification import EarlierCredentials, verify_email
from gerbang.core.client import Client
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.concurrency import run_concurrently
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import InvalidEmail, canonical
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.mail.identity_notices import IdentityNotices
from gerbang.sessions.assurance import InsufficientLevel, check_level
from gerbang.sessions.claims import Occasion
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.sessions.sessions import Authenticated, Sessions, SignedIn
from gerbang.storage.accounts import Name, User, identity_name
from gerbang.storage.families import FamilyTable
from gerbang.storage.profiles import EMAIL, providers_of
from gerbang.storage.store import Action, Change, CommitOutcome, Gone, Store
from gerbang.storage.users import UserTable, learned_locale, not_disabled, unchanged

_DECIDING: Final = ("email", "email_verified_at", "is_anonymous")
"""The attributes of an account that decide what linking an identity changes."""

_ADDRESS: Final = 3
"""The position of the address's marker in the transaction, after the account and the identity with its marker."""


class IdentityNotFound(AuthError):
    """The account has no such identity."""

    code = "identity_not_found"


class LastIdentity(AuthError):
    """The identity is the only one of its account."""

    code = "single_identity_not_deletable"


LINKING_ERRORS: Final = (ManualLinkingDisabled, InsufficientLevel, LinkedToAnother, EmailNotVerified)
"""What `LinkedIdentities.link` raises, except `SessionEnded` and `DependencyUnavailable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedIdentities:
    """Links identities to accounts, and unlinks them."""

    store: Store
    users: UserTable
    families: FamilyTable
    sessions: Sessions
    addresses: Addresses
    notices: IdentityNotices
    policy: SignUpPolicy
    log_event: LogEvent
    now: Clock

    def link(self, caller: Authenticated, identity: VerifiedIdentity, client: Client) -> SignedIn:
        """Link a verified identity to the caller's account, and return the caller's session, which continues.

        An account without an address gets the identity's, if the provider has verified it and no account has it. A
        guest becomes a registered account. An identity that is linked already is linked again without a change.

        Raises:
            ManualLinkingDisabled: the deployment does not allow it.
            InsufficientLevel: the account has a second factor, and the session has not shown it.
            LinkedToAnother: the identity signs in to another account, or another one of the provider to this account.
            EmailNotVerified: the account has another address, which its owner has not verified. A stranger who owns
                the address could verify it later, and would share the account with this identity.
            SessionEnded: the session ended meanwhile.
        """
        self.policy.check_linking()
        takes_address = True
        for _ in range(CHANGE_TRIES):
            check_level(caller)
            user = caller.user
            is_linked = user.subjects.get(identity.provider) == identity.subject
            holder = self.users.find_id(Name.IDENTITY, identity_name(identity.provider, identity.subject))
            if is_linked and holder == user.user_id:
                return self._continued(caller)
            if holder not in {None, user.user_id} or (identity.provider in user.subjects and not is_linked):
                raise LinkedToAnother
            if holder is None and not is_linked:  # else it was linked or unlinked between the two reads
                draft = self._draft(user, identity, client, takes_address=takes_address)
                linked = self._commit(caller, draft, identity, client)
                if isinstance(linked, SignedIn):
                    return linked
                if draft.claims_address and linked[_ADDRESS] is not None:
                    takes_address = False  # another account has it: the identity is linked without it
            caller = self.sessions.read_again(caller)
        raise KeptChanging("account")

    def unlink(self, caller: Authenticated, provider: str | None, client: Client) -> None:
        """Unlink a provider's identity from the caller's account. *provider* None: the account has no such identity.

        Unlinking `email` removes the password: the address stays, and codes that are mailed to it sign in.

        Raises:
            ManualLinkingDisabled: the deployment does not allow it.
            InsufficientLevel: the account has a second factor, and the session has not shown it.
            IdentityNotFound: the account has no identity of the provider.
            LastIdentity: the account has no other one.
            SessionEnded: the session ended meanwhile.
        """
        self.policy.check_linking()
        for _ in range(CHANGE_TRIES):
            check_level(caller)
            user, now = caller.user, self.now()
            providers = providers_of(user)
            if provider is None or provider not in providers:
                raise IdentityNotFound
            if len(providers) == 1:
                raise LastIdentity
            actions = self._unlinking(user, provider, at=now)
            notices = self.notices.unlinking(user, provider, locale=client.locale)
            failed, *_ = run_concurrently(partial(self.store.commit, *actions), *notices)
            if not failed:
                self._log("identity_unlinked", caller)
                return
            caller = self.sessions.read_again(caller)
        raise KeptChanging("account")

    def _commit(
        self, caller: Authenticated, draft: "_Draft", identity: VerifiedIdentity, client: Client
    ) -> SignedIn | CommitOutcome:
        """Link the identity and return the session, or what failed because the account was changed meanwhile."""
        before = caller.user
        family, recording = self.families.reauthenticate(caller.family, "oauth", at=self.now())
        notices = self.notices.linking(before, draft.user, identity.provider, locale=client.locale)
        failed, *_ = run_concurrently(partial(self.store.commit, *draft.actions, recording), *notices)
        if failed:
            return failed
        self._log("identity_linked", caller, is_registered=before.is_anonymous)
        return self._continued(Authenticated(user=draft.user, family=family))

    def _draft(self, user: User, identity: VerifiedIdentity, client: Client, *, takes_address: bool) -> "_Draft":
        """Return the account with the identity, and the actions that write it.

        Raises:
            EmailNotVerified: the account has an address that is not verified, and it is not the identity's.
        """
        now, email = self.now(), _address(identity)
        if user.email is not None and user.email_verified_at is None and user.email != email:
            raise EmailNotVerified(user.user_id)
        changes: dict[str, Change] = {"last_sign_in_at": to_epoch(now), **learned_locale(user, client.locale)}
        signed_in = replace(user, last_sign_in_at=now, locale=user.locale or client.locale)
        if user.email is not None:
            verified, changes = verify_email(user, EarlierCredentials.KEPT, at=now, locale=client.locale)
            move = self.addresses.register_guest(verified)
        elif email is not None and takes_address:
            move = self.addresses.move(signed_in, email, as_typed=identity.email, at=now, verified_at=now)
        else:
            move = self.addresses.register_guest(signed_in)
        named, naming = set_fields(move.user, name=user.name or identity.name, updated_at=now)
        linked = replace(named, subjects={**user.subjects, identity.provider: identity.subject})
        conditions = [unchanged(attribute, user) for attribute in _DECIDING]
        linking = self.users.linking(user, identity.linked_to(linked), changes | move.changes | naming, *conditions)
        return _Draft(
            user=linked,
            actions=(*linking, *move.markers.values(), *move.releases),
            claims_address=Name.EMAIL in move.markers,
        )

    def _unlinking(self, user: User, provider: str, *, at: datetime) -> tuple[Action, ...]:
        """Return the actions that unlink an identity; they fail if a way to sign in was added or removed since."""
        changes: dict[str, Change] = {"updated_at": to_epoch(at)}
        conditions = unchanged("password_hash", user), unchanged("email", user), *not_disabled(at)
        if provider == EMAIL:
            removal = changes | {"password_hash": Gone()}
            return (self.users.changing(user, removal, unchanged("subjects", user), *conditions),)
        return self.users.unlinking(user, provider, changes, *conditions)

    def _continued(self, caller: Authenticated) -> SignedIn:
        """Return the caller's session with tokens of its current generation."""
        user, family = caller.user, caller.family
        extra = self.sessions.extra_claims(user, family.family_id, Occasion.REFRESH)
        return self.sessions.signed_in(user, family, self.now(), extra)

    def _log(self, event: str, caller: Authenticated, *, is_registered: bool = False) -> None:
        ids = {"user_id": caller.user.user_id, "session_id": caller.family.family_id}
        if is_registered:
            self.log_event("registered", **ids, method="oauth")
        self.log_event(event, **ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """An account with another identity, and the actions that write it."""

    user: User
    actions: tuple[Action, ...]
    claims_address: bool
    """Whether the identity's address becomes the account's."""


def _address(identity: VerifiedIdentity) -> str | None:
    """Return the address that the provider has verified, canonical; None if there is none, or it is invalid."""
    if not identity.email_verified:
        return None
    try:
        return canonical(identity.email)
    except InvalidEmail:
        return None
