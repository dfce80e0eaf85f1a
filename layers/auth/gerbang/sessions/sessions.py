"""Sessions: one family of refresh tokens per sign-in (RFC 9700, section 4.14.2).

A family is a counter. A refresh token is a signed JWT that names its family and the generation it was issued at. The
table stores the current generation only, so nothing in it can be presented as a token.
"""

from collections.abc import Callable, Mapping
from dataclasses import field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from gerbang.core.client import Client
from gerbang.core.clock import Clock
from gerbang.core.concurrency import run_concurrently
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.core.user_agents import LONGEST_USER_AGENT
from gerbang.sessions.claims import AccessClaims, ExtraClaims, InvalidToken, Occasion, RefreshClaims, TokenPair
from gerbang.sessions.email_policy import EmailNotVerified, UnverifiedAddress
from gerbang.storage.accounts import User
from gerbang.storage.devices import with_device
from gerbang.storage.families import LATE_IN_A_ROW, Authentication, Family, FamilyTable
from gerbang.storage.records import from_item
from gerbang.storage.store import Action, Store
from gerbang.storage.users import UserTable

if TYPE_CHECKING:
    from gerbang.sessions.tokens import Tokens  # imports PyJWT: see there

type Method = Literal["password", "otp", "oauth", "anonymous"]
"""How a user authenticated, in GoTrue's terms (`amr`)."""


class SessionEnded(AuthError):
    """The family is unknown, signed out or expired, or its user is deleted or disabled."""

    code = "session_not_found"

    def __init__(self, family_id: str, user_id: str) -> None:
        """Keep the ids of the family and its user for the log."""
        super().__init__(family_id)
        self.session_id = family_id
        self.user_id = user_id


class UserDeleted(SessionEnded):
    """The session's user does not exist any more."""

    code = "user_not_found"


class UserDisabled(SessionEnded):
    """The session's user is disabled."""

    code = "user_disabled"


class RefreshTokenReused(SessionEnded):
    """A used token came back although its successor is in use, or too often: possible theft. Its family is deleted."""

    code = "refresh_token_reused"


REFRESH_ERRORS: Final = (InvalidToken, SessionEnded, UserDisabled, RefreshTokenReused)
"""The client errors of `Sessions.refresh`, if the deployment does not require a verified address."""


class SignInOvertaken(AuthError):
    """The account was disabled or its password reset while the session was being opened."""

    code = "account_changed"


class NotAPerson(AuthError):
    """A guest asked for something that needs a registered account."""

    code = "registered_account_required"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session as the client receives it."""

    user: User
    tokens: TokenPair = field(repr=False)
    family_id: str
    role: str | None = None
    """In the user's default organization, if the session was asked to read it (`Sessions.read_role`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """The account and the family of an access token, read from the tables for this request."""

    user: User
    family: Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Opens, refreshes, authenticates and closes sessions."""

    store: Store
    families: FamilyTable
    users: UserTable
    tokens: "Tokens"
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]
    lifetime: timedelta
    """The lifetime of a refresh token; every refresh starts it again."""
    longest: timedelta
    """The lifetime of a session from its sign-in; a refresh does not extend it."""
    grace: timedelta
    """How long a used refresh token is accepted again, even if its successor is in use."""
    unconfirmed_grace: timedelta
    """How long a used refresh token is accepted again while its successor is unused."""
    unverified: UnverifiedAddress
    """Whether a session is refreshed before the account's address is verified."""
    tell_of_device: Callable[[User, Client], None] = lambda _user, _client: None
    """Tells the user of a sign-in from a new device; called before the new session is written."""
    read_role: Callable[[User], str | None] | None = None
    """Reads the user's role in their default organization, for the APIs that show it with a session."""
    extra_claims: ExtraClaims
    """Called before anything is written, so that nothing is written if it fails."""

    def begin(
        self,
        user: User,
        client: Client,
        method: Method,
        *,
        guest_role: str = "authenticated",
        raised: Callable[[Family], Family] = lambda family: family,
    ) -> tuple[SignedIn, Action]:
        """Return a new session and the action that creates it, for a transaction with other actions.

        The tokens work once that action is committed. Their role is *guest_role* while the user is a guest.
        *raised* returns the family of a user who has shown a second factor (`Family.raised`).
        """
        self.tell_of_device(user, client)
        user, now = with_device(user, client), self.now()
        family = Family(
            user_id=user.user_id,
            family_id=self.new_id(),
            generation=1,
            confirmed=0,
            nonce=self.new_id(),
            epoch=user.epoch,
            rotated_at=now,
            previous_rotated_at=now,
            created_at=now,
            expires_at=self.deadline(signed_in_at=now, at=now),
            amr=(Authentication(method=method, at=now),),
            guest_role=guest_role,
            device=client.device[:LONGEST_USER_AGENT],
            address=client.address,
        )
        extra = self.extra_claims(user, family.family_id, Occasion.SIGN_IN)
        return self.signed_in(user, raised(family), now, extra), self.families.creation(raised(family))

    def open(self, user: User, client: Client, method: Method) -> SignedIn:
        """Open a session for an account whose owner has just authenticated.

        Raises:
            SignInOvertaken: the account was disabled, or its epoch raised, since it was read.
        """
        signed_in, creation = self.begin(user, client, method)
        failed, role = self.with_role(
            user, lambda: self.store.commit(creation, self.users.signing_in(user, self.now(), client))
        )
        if failed:
            raise SignInOvertaken(user.user_id)
        self.log_event("signed_in", user_id=user.user_id, session_id=signed_in.family_id, method=method)
        return replace(signed_in, role=role)

    def refresh(self, presented: str) -> SignedIn:
        """Exchange a refresh token for the tokens of its family's next generation. Two round trips.

        The tokens are signed after the write, from the item that it returned. If signing fails the answer is lost, and
        the same token may be presented again.

        Raises:
            InvalidToken: not ours, not a refresh token, or expired.
            SessionEnded: the family is closed, or its user may no longer sign in.
            EmailNotVerified: the deployment demands a verified address, and the account has none.
            RefreshTokenReused: the token was used before and is not forgiven; the family is now deleted.
        """
        now, nonce = self.now(), self.new_id()
        claims = self.tokens.read_refresh(presented, at=now)
        user = self._refreshing_user(claims, now)
        if self.unverified.refuses(user):
            raise EmailNotVerified(user.user_id)
        extra = self.extra_claims(user, claims.family_id, Occasion.REFRESH)
        family, role = self.with_role(
            user,
            lambda: self.families.advance(
                claims.user_id,
                claims.family_id,
                generation=claims.generation,
                nonce=nonce,
                at=now,
                until=self.deadline(signed_in_at=claims.signed_in_at, at=now),
            ),
        )
        if family is None or not family.is_open(now):
            raise SessionEnded(claims.family_id, claims.user_id)
        if family.epoch != user.epoch:
            user = self._refreshing_user(claims, now)  # a change of password may have carried the family over meanwhile
            if family.epoch != user.epoch:
                raise SessionEnded(claims.family_id, claims.user_id)
        advanced = family.nonce == nonce  # by this call, perhaps in a try whose answer the SDK lost
        if not advanced and not self._forgives(claims, family, now):
            self.families.remove_reused(family, at=now)
            raise RefreshTokenReused(claims.family_id, claims.user_id)
        signed_in = replace(self.signed_in(user, family, now, extra), role=role)
        event = "session_refreshed" if advanced else "refresh_forgiven"
        self.log_event(event, user_id=user.user_id, session_id=family.family_id)
        return signed_in

    def read(self, access_token: str) -> AccessClaims:
        """Return the claims of an access token; `authenticate_claims` then compares them with the tables.

        Raises:
            InvalidToken: it is not ours, not an access token, or damaged.
            TokenExpired: it has expired.
        """
        return self.tokens.read_access(access_token, at=self.now())

    def authenticate_claims(self, claims: AccessClaims) -> Authenticated:
        """Return the account and the active family of an access token, and record the first use of its generation.

        Two round trips at most: one consistent read of both, and one write the first time a generation is used.

        Raises:
            SessionEnded: signed out, or the account is deleted, disabled, or its password was reset.
        """
        active = self._active(claims.user_id, claims.family_id, generation=claims.generation)
        if active.family.confirmed < claims.generation == active.family.generation:
            self.families.confirm(active.family)
        return active

    def authenticate(self, access_token: str) -> Authenticated:
        """Return the account and the active family of an access token.

        Raises:
            InvalidToken: it is not ours, not an access token, or damaged.
            TokenExpired: it has expired.
            SessionEnded: signed out, or the account is deleted, disabled, or its password was reset.
        """
        return self.authenticate_claims(self.read(access_token))

    def authenticate_person(self, access_token: str) -> Authenticated:
        """Return the account and the active family of an access token that is not a guest's.

        Raises:
            InvalidToken, TokenExpired, SessionEnded: as `authenticate`.
            NotAPerson: it is a guest's.
        """
        authenticated = self.authenticate(access_token)
        if authenticated.user.is_anonymous:
            raise NotAPerson(authenticated.user.user_id)
        return authenticated

    def authenticate_even_if_expired(self, access_token: str) -> Authenticated:
        """Return the account and the active family of an access token, expired or not: to end sessions.

        Raises:
            InvalidToken: it is not ours, not an access token, or damaged.
            SessionEnded: as `authenticate`.
        """
        claims = self.tokens.read_access_even_if_expired(access_token, at=self.now())
        return self._active(claims.user_id, claims.family_id, generation=claims.generation)

    def read_again(self, before: Authenticated) -> Authenticated:
        """Return an account and its family as they are now: after a write that failed because they had changed.

        Raises:
            SessionEnded: as `authenticate`.
        """
        return self._active(before.user.user_id, before.family.family_id)

    def close(self, access_token: str) -> None:
        """End the session of an access token, expired or not: its tokens stop working at once.

        Raises:
            InvalidToken: it is not ours, not an access token, or damaged.
            SessionEnded: as `authenticate`; a session is not ended twice.
        """
        family = self.authenticate_even_if_expired(access_token).family
        self.families.remove(family.user_id, family.family_id)
        self.log_event("signed_out", user_id=family.user_id, session_id=family.family_id)

    def deadline(self, *, signed_in_at: datetime, at: datetime) -> datetime:
        """Return when a session ends if it is not refreshed again."""
        return min(at + self.lifetime, signed_in_at + self.longest)

    def _refreshing_user(self, claims: RefreshClaims, now: datetime) -> User:
        user = self.users.find(claims.user_id)
        if user is not None and user.is_disabled(now):
            raise UserDisabled(claims.family_id, claims.user_id)
        if user is None or not user.may_sign_in(now):
            raise SessionEnded(claims.family_id, claims.user_id)
        return user

    def _forgives(self, claims: RefreshClaims, family: Family, now: datetime) -> bool:
        if not family.forgives(claims.generation, at=now, grace=self.grace, unconfirmed_grace=self.unconfirmed_grace):
            return False
        late_returns = family.late_in_a_row(at=now, grace=self.grace)
        if late_returns > LATE_IN_A_ROW:
            return False
        if late_returns and family.late_generation != family.generation:
            self.families.record_late_return(family, late_returns)
        return True

    def _active(self, user_id: str, family_id: str, *, generation: int = 0) -> Authenticated:
        now = self.now()
        family, user = self._read_both(user_id, family_id)
        if family is not None and user is not None and family.epoch != user.epoch:
            # A change of password writes both in one transaction; a batch may read one before it and one after (D11).
            family, user = self._read_both(user_id, family_id)
        if user is None:
            raise UserDeleted(family_id, user_id)
        if user.is_disabled(now):
            raise UserDisabled(family_id, user_id)
        if family is None or family.epoch != user.epoch:
            raise SessionEnded(family_id, user_id)
        if not family.is_open(now) or generation > family.generation or not user.may_sign_in(now):
            raise SessionEnded(family_id, user_id)
        return Authenticated(user=user, family=family)

    def _read_both(self, user_id: str, family_id: str) -> tuple[Family | None, User | None]:
        family, user = self.store.get_all(self.families.key(user_id, family_id), self.users.key(user_id))
        return self.families.read(family), from_item(User, user)

    def with_role[T](self, user: User, write: Callable[[], T]) -> tuple[T, str | None]:
        """Do a write and read the user's role at the same time, so that the role costs no round trip of its own."""
        read_role = self.read_role
        if read_role is None or user.organization_id is None:
            return write(), None
        return run_concurrently(write, lambda: read_role(user))

    def signed_in(self, user: User, family: Family, at: datetime, extra: Mapping[str, object]) -> SignedIn:
        """Return a session with tokens of its family's current generation. *extra* comes from `extra_claims`."""
        tokens = self.tokens.pair(user, family, at=at, extra=extra)
        return SignedIn(user=user, tokens=tokens, family_id=family.family_id)
