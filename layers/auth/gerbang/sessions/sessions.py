"""Sessions: one family of refresh tokens per sign-in (RFC 9700, section 4.14.2).

A family is a counter. A refresh token is a signed JWT naming its family and the generation it was issued at; the
table keeps only the current generation, so nothing stored can be presented.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from gerbang.core.clock import Clock, to_epoch
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.sessions.tokens import AccessClaims, RefreshClaims, TokenPair, Tokens
from gerbang.storage.families import Family, FamilyTable
from gerbang.storage.store import Action, Store
from gerbang.storage.users import User, UserTable, from_item

LONGEST_DEVICE: Final = 200
"""Characters of a User-Agent that are kept."""

LATE_IN_A_ROW: Final = 3
"""For how many generations in a row the parent may come back after the grace: a network loses an answer now and then,
and who seems to lose each of them is two. (docs/decisions/0018-late-returns-in-a-row.md)"""


class SessionEnded(AuthError):
    """The family is unknown, signed out or past its lifetime, or its user is gone or disabled."""

    def __init__(self, family_id: str, user_id: str) -> None:
        """Keep which family it was, and whose, for the log."""
        super().__init__(family_id)
        self.session_id = family_id
        self.user_id = user_id


class RefreshTokenReused(SessionEnded):
    """A token already traded came back although its successor is in use, or too often: a thief. Its family is gone."""


class SignInOvertaken(AuthError):
    """While the session was being opened, the account was disabled or its password reset: what was shown is void."""


class NotAPerson(AuthError):
    """A guest asked for what needs a registered account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who is calling, as far as API Gateway knows: kept with the session, counted by the limits."""

    address: str
    device: str = ""
    locale: str | None = None
    """The language that the request asks for, of those that mails are written in; None if it asks for none of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """A session as it is handed to a client."""

    user: User
    tokens: TokenPair = field(repr=False)
    family_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated:
    """Who presented an access token, read from the tables at this very request."""

    user: User
    family: Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Sessions:
    """Opens, refreshes, recognises and closes sessions."""

    store: Store
    families: FamilyTable
    users: UserTable
    tokens: Tokens
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]
    lifetime: timedelta
    """Of a refresh token; every trade starts it afresh."""
    longest: timedelta
    """Of a session, from its sign-in; no trade moves it."""
    grace: timedelta
    """For how long after a trade the token traded may come back, whoever uses its successor."""
    unconfirmed_grace: timedelta
    """For how long it may come back while nobody uses its successor."""

    def deadline(self, *, signed_in_at: datetime, at: datetime) -> datetime:
        """Return when a session ends that is used now and not again."""
        return min(at + self.lifetime, signed_in_at + self.longest)

    def begin(self, user: User, client: Client, method: str) -> tuple[SignedIn, Action]:
        """Return a new session and the action that makes it real, for the transaction of a larger step.

        The tokens are worth nothing until that action is committed.
        """
        now = self.now()
        family = Family(
            family_id=self.new_id(),
            user_id=user.user_id,
            generation=1,
            confirmed=0,
            nonce=self.new_id(),
            epoch=user.epoch,
            rotated_at=now,
            previous_rotated_at=now,
            created_at=now,
            expires_at=self.deadline(signed_in_at=now, at=now),
            method=method,
            device=client.device[:LONGEST_DEVICE],
            address=client.address,
        )
        tokens = self.tokens.pair(user, family, at=now)
        return SignedIn(user=user, tokens=tokens, family_id=family.family_id), self.families.creation(family)

    def open(self, user: User, client: Client, method: str) -> SignedIn:
        """Open a session for an account whose owner has just shown who they are.

        Raises:
            SignInOvertaken: the account was disabled, or its epoch raised, since it was read.
        """
        signed_in, creation = self.begin(user, client, method)
        if self.store.commit(creation, self.users.signing_in(user, self.now(), client.locale)):
            raise SignInOvertaken(user.user_id)
        self.log_event("signed_in", user_id=user.user_id, session_id=signed_in.family_id, method=method)
        return signed_in

    def refresh(self, presented: str) -> SignedIn:
        """Trade a refresh token for the next session of its family.

        Raises:
            InvalidToken: not ours, not a refresh token, or expired.
            SessionEnded: the family is closed, or its user may no longer sign in.
            RefreshTokenReused: the token was traded before and is not forgiven; the family is now gone.
        """
        now, nonce = self.now(), self.new_id()
        held = self.tokens.read_refresh(presented, at=now)
        user = self.users.find(held.user_id)
        if user is None or not user.may_sign_in(now):
            raise SessionEnded(held.family_id, held.user_id)

        # Signed before the write: failing to sign must not burn the token presented.
        until = self.deadline(signed_in_at=held.signed_in_at, at=now)
        successor = self._signed_in(user, _traded(held, user, nonce=nonce, at=now, until=until), now)
        family = self.families.advance(held.family_id, held.generation, nonce=nonce, at=now, until=until)
        if family is None or not family.is_open(now) or family.user_id != user.user_id:
            raise SessionEnded(held.family_id, held.user_id)
        if family.epoch != user.epoch:  # outdated; or a change of password carried the family over since we looked
            user = self.users.find(held.user_id)
            if user is None or family.epoch != user.epoch or not user.may_sign_in(now):
                raise SessionEnded(held.family_id, held.user_id)
        if family.nonce == nonce:  # moved by us, perhaps in a try whose answer the SDK lost
            self._prolong(user, until)
            self.log_event("session_refreshed", user_id=user.user_id, session_id=held.family_id)
            return successor
        if self._forgives(held, family, now):
            self.log_event("refresh_forgiven", user_id=user.user_id, session_id=held.family_id)
            return self._signed_in(user, family, now)
        self.families.remove(held.family_id)
        raise RefreshTokenReused(held.family_id, held.user_id)

    def _forgives(self, held: RefreshClaims, family: Family, now: datetime) -> bool:
        if not family.forgives(held.generation, at=now, grace=self.grace, unconfirmed_grace=self.unconfirmed_grace):
            return False
        run = family.late_in_a_row(at=now, grace=self.grace)
        if run > LATE_IN_A_ROW:
            return False
        if run and family.late_generation != family.generation:
            self.families.note_late(family, run)
        return True

    def read(self, access_token: str) -> AccessClaims:
        """Return what an access token says, which `authenticate_claims` must still compare with what stands.

        Raises:
            InvalidToken: it is not ours, not an access token, or damaged.
            TokenExpired: its time is over.
        """
        return self.tokens.read_access(access_token, at=self.now())

    def authenticate_claims(self, claims: AccessClaims) -> Authenticated:
        """Return whose token it is, if account and family stand at this moment; note that the generation is in use.

        Two round trips at most: one consistent read of both, and one write the first time a generation is used.

        Raises:
            SessionEnded: signed out, or the account is gone, disabled or past a password reset.
        """
        standing = self._standing(claims)
        family = standing.family
        if family.confirmed < claims.generation == family.generation:
            self.families.confirm(family.family_id, family.generation)
        return standing

    def authenticate(self, access_token: str) -> Authenticated:
        """Return whose access token it is, if their session stands at this moment.

        Raises:
            InvalidToken: it is not ours, not an access token, or damaged.
            TokenExpired: its time is over.
            SessionEnded: signed out, or the account is gone, disabled or past a password reset.
        """
        return self.authenticate_claims(self.read(access_token))

    def authenticate_person(self, access_token: str) -> Authenticated:
        """Return whose access token it is, as `authenticate` does, and refuse guests.

        Raises:
            InvalidToken, TokenExpired, SessionEnded: as `authenticate`.
            NotAPerson: it is a guest's.
        """
        authenticated = self.authenticate(access_token)
        if authenticated.user.is_anonymous:
            raise NotAPerson(authenticated.user.user_id)
        return authenticated

    def close(self, access_token: str) -> None:
        """End the session of an access token: it and its refresh tokens are dead from the next call on.

        Raises:
            InvalidToken, TokenExpired, SessionEnded: as `authenticate`; a session is not ended twice.
        """
        standing = self._standing(self.read(access_token))
        self.families.remove(standing.family.family_id)
        self.log_event("signed_out", user_id=standing.user.user_id, session_id=standing.family.family_id)

    def _standing(self, claims: AccessClaims) -> Authenticated:
        now = self.now()
        family, user = self._read_both(claims)
        if family is not None and user is not None and family.epoch != user.epoch:
            # A change of password moves both in one transaction; a batch may read one before it and one after.
            family, user = self._read_both(claims)
        if family is None or user is None or family.user_id != user.user_id or family.epoch != user.epoch:
            raise SessionEnded(claims.family_id, claims.user_id)
        if not family.is_open(now) or claims.generation > family.generation or not user.may_sign_in(now):
            raise SessionEnded(claims.family_id, claims.user_id)
        return Authenticated(user=user, family=family)

    def _read_both(self, claims: AccessClaims) -> tuple[Family | None, User | None]:
        family, user = self.store.get_all(self.families.key(claims.family_id), self.users.key(claims.user_id))
        return self.families.read(family), from_item(user)

    def _prolong(self, user: User, until: datetime) -> None:
        """Let a guest live as long as its session can be refreshed; people stay anyway."""
        if user.is_anonymous:
            self.users.change(user, {"expires_at": to_epoch(until)})

    def _signed_in(self, user: User, family: Family, at: datetime) -> SignedIn:
        return SignedIn(user=user, tokens=self.tokens.pair(user, family, at=at), family_id=family.family_id)


def _traded(held: RefreshClaims, user: User, *, nonce: str, at: datetime, until: datetime) -> Family:
    """Return the family as it will stand when the token held is traded, without what its tokens do not say."""
    return Family(
        family_id=held.family_id,
        user_id=held.user_id,
        generation=held.generation + 1,
        confirmed=held.generation,
        nonce=nonce,
        epoch=user.epoch,
        rotated_at=at,
        previous_rotated_at=at,
        created_at=held.signed_in_at,
        expires_at=until,
        method="",
        device="",
        address="",
    )
