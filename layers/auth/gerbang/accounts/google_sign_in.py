"""Signing in with Google: whose account a verified identity is, found, linked or made in one transaction.

The identity is Google's `sub`, never the address (ASVS 6.8.1, 10.5.2). An address links to an account that has it
already because Google vouches for it; what somebody had set up there before the address was verified is dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from gerbang.accounts.verification import EarlierCredentials, verify_email
from gerbang.core.clock import Clock
from gerbang.core.emails import canonical
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Counted, Limit, OnSuccess, RateLimits
from gerbang.sessions.sessions import Client, Sessions, SignedIn, SignInOvertaken
from gerbang.storage.store import Absent, Action, Store
from gerbang.storage.users import Name, User, UserTable

RACES: Final = 4
"""How often an account is looked for, since others may make, link or change it meanwhile, or take the number drawn."""


class LinkedToAnother(AuthError):
    """The address belongs to an account that another Google identity signs in to."""

    code = "identity_already_exists"


class AccountDisabled(AuthError):
    """The identity is verified and its account may not be used."""

    code = "user_banned"

    def __init__(self, user_id: str) -> None:
        """Keep whose, for the log."""
        super().__init__(user_id)
        self.user_id = user_id


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedIdentity:
    """Who somebody is to Google, verified by Google's signature or vouched for by the deployment's own back end."""

    subject: str
    email: str = field(repr=False)
    """As Google spells it; Google vouches for it."""
    name: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleSignIn:
    """Signs in whoever verified a Google identity; makes the account at first use."""

    store: Store
    users: UserTable
    sessions: Sessions
    rate_limits: RateLimits
    limit: Limit
    """Of registrations and guests, a client address: first uses count."""
    initial_credit: int
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]
    new_number: Callable[[], int]

    def sign_in(self, identity: VerifiedIdentity, client: Client) -> SignedIn:
        """Return a session of the identity's account, which is found, linked by its address, or made.

        Raises:
            InvalidEmail: the identity is new here, and its address none that we could keep.
            LinkedToAnother: the address is that of another Google identity's account.
            AccountDisabled: the account may not be used.
            TooManyAttempts: this client address has made too many accounts.
        """
        for _ in range(RACES):
            holder = self._holder(identity)
            if holder is None:
                with self.rate_limits.attempt(Counted(self.limit, client.address, OnSuccess.STAYS)) as attempt:
                    signed_in = self._make(identity, client)
                    if signed_in is None:
                        attempt.give_back()
            elif holder.google_subject == identity.subject:
                signed_in = self._open(holder, client)
            else:
                signed_in = self._link(holder, identity, client)
            if signed_in is not None:
                return signed_in
        raise DependencyUnavailable("others kept making or changing the account")

    def _holder(self, identity: VerifiedIdentity) -> User | None:
        """Return the account that the identity signs in to or, if there is none yet, the one that has its address."""
        known = self._account_of(Name.GOOGLE, identity.subject)
        return known or self._account_of(Name.EMAIL, canonical(identity.email))

    def _account_of(self, name: Name, value: str) -> User | None:
        user_id = self.users.find_id(name, value)
        return None if user_id is None else self.users.find(user_id)

    def _open(self, user: User, client: Client) -> SignedIn | None:
        """Open a session; None when the account was disabled, or its password reset, since it was read."""
        if user.disabled_at is not None:
            raise AccountDisabled(user.user_id)
        try:
            return self.sessions.open(user, client, "oauth")
        except SignInOvertaken:
            return None

    def _link(self, holder: User, identity: VerifiedIdentity, client: Client) -> SignedIn | None:
        if holder.disabled_at is not None:
            raise AccountDisabled(holder.user_id)
        if holder.google_subject is not None:
            raise LinkedToAnother
        verified, changes = verify_email(holder, EarlierCredentials.DROPPED, at=self.now())
        linked = replace(verified, google_subject=identity.subject)
        update = self.users.changing(
            holder, {**changes, "google_subject": identity.subject}, Absent("disabled_at"), Absent("google_subject")
        )
        claim = self.users.claim(Name.GOOGLE, identity.subject, holder.user_id)
        return self._commit(linked, client, "google_linked", update, claim)

    def _make(self, identity: VerifiedIdentity, client: Client) -> SignedIn | None:
        now, email = self.now(), canonical(identity.email)
        user = User(
            user_id=self.new_id(),
            number=self.new_number(),
            name=identity.name or email.partition("@")[0],
            email=email,
            email_as_typed=identity.email,
            email_verified_at=now,
            google_subject=identity.subject,
            credit_balance=self.initial_credit,
            created_at=now,
            updated_at=now,
            last_sign_in_at=now,
        )
        return self._commit(user, client, "registered", *self.users.creation(user).values())

    def _commit(self, user: User, client: Client, event: str, *actions: Action) -> SignedIn | None:
        """Write the account and its session; None when somebody else was first."""
        signed_in, opening = self.sessions.begin(user, client, "oauth")
        if self.store.commit(*actions, opening):
            return None
        self.log_event(event, user_id=user.user_id, session_id=signed_in.family_id, method="oauth")
        return signed_in
