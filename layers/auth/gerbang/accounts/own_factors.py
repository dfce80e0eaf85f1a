"""Add and remove second factors of the caller's account, and make its recovery codes."""

from collections.abc import Callable
from dataclasses import field
from typing import Final

from gerbang.accounts import recovery_codes, totp
from gerbang.accounts.challenges import Challenge, Challenges
from gerbang.accounts.factors import (
    FactorNameTaken,
    FactorNotFound,
    Factors,
    GuestsHaveNoFactors,
    check_name,
    check_person,
    find_factor,
    is_alive,
    living_factor,
)
from gerbang.core.clock import Clock
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.sessions.assurance import InsufficientLevel, check_level
from gerbang.sessions.keys import Keys
from gerbang.sessions.sessions import Authenticated, Sessions
from gerbang.storage.accounts import Factor, User
from gerbang.storage.records import to_value

MOST_FACTORS: Final = 10
"""As at Supabase Auth."""


class TooManyFactors(AuthError):
    """The account has as many factors as it may have."""

    code = "too_many_enrolled_mfa_factors"


class NoSecondFactor(AuthError):
    """The account has no verified factor that recovery codes could replace."""

    code = "mfa_factor_required"


ENROLMENT_ERRORS: Final = (GuestsHaveNoFactors, InsufficientLevel, FactorNameTaken, TooManyFactors)
"""What `OwnFactors.enrol` raises, except `SessionEnded` and `DependencyUnavailable`."""

CHALLENGE_ERRORS: Final = (GuestsHaveNoFactors, FactorNotFound)
"""What `OwnFactors.challenge` raises, except `DependencyUnavailable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A new factor, and the secret for the app, which is shown once."""

    factor: Factor
    secret: str = field(repr=False)
    """In base 32."""
    uri: str = field(repr=False)
    """For a QR code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFactors:
    """Adds and removes factors of the caller's account."""

    factors: Factors
    sessions: Sessions
    keys: Keys
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]
    random_bytes: Callable[[int], bytes]

    def enrol(self, caller: Authenticated, *, name: str, issuer: str) -> Enrolled:
        """Add a factor to the caller's account, which is in force once its first code is accepted. One round trip.

        Factors that were not verified in time are removed.

        Raises:
            GuestsHaveNoFactors: the caller is a guest.
            InsufficientLevel: the account has a second factor, and the session has not shown it.
            FactorNameTaken, TooManyFactors: the account's other factors do not allow it.
            SessionEnded: the session ended meanwhile.
        """
        now = self.now()
        factor = Factor(factor_id=self.new_id(), friendly_name=name, created_at=now, updated_at=now)
        for _ in range(CHANGE_TRIES):
            user = caller.user
            check_person(user)
            check_level(caller)
            others = tuple(each for each in user.factors if is_alive(each, now))
            check_name(others, factor)
            if len(others) >= MOST_FACTORS:
                raise TooManyFactors(user.user_id)
            if self.factors.change(user, {"factors": to_value((*others, factor))}):
                self.factors.log("factor_enrolled", user, factor.factor_id)
                return self._enrolled(user, factor, issuer)
            caller = self.sessions.read_again(caller)
        raise KeptChanging("account")

    def challenge(self, caller: Authenticated, factor_id: str) -> Challenge:
        """Return a new challenge of one of the caller's factors.

        Raises:
            GuestsHaveNoFactors, FactorNotFound: there is no such factor.
        """
        living_factor(caller.user, factor_id, at=self.now())
        return Challenges(self.keys, self.now).make(caller.family, factor_id)

    def unenrol(self, caller: Authenticated, factor_id: str) -> Factor:
        """Remove a factor of the caller's account; sessions that it has raised return to one factor.

        The last verified factor is removed with the recovery codes. One round trip, two for a verified factor.

        Raises:
            FactorNotFound: there is none.
            InsufficientLevel: it is verified, and the session has not shown a second factor.
            SessionEnded: the session ended meanwhile.
        """
        for _ in range(CHANGE_TRIES):
            factor = find_factor(caller.user, factor_id)
            if factor is None:
                raise FactorNotFound(caller.user.user_id)
            if factor.is_verified:
                check_level(caller)
            if self.factors.remove_from(caller.user, factor):
                return factor
            caller = self.sessions.read_again(caller)
        raise KeptChanging("account")

    def replace_recovery_codes(self, caller: Authenticated) -> tuple[str, ...]:
        """Replace the recovery codes of the caller's account; return the new ones, which are shown once.

        Raises:
            InsufficientLevel: the session has not shown a second factor.
            NoSecondFactor: the account has none.
            SessionEnded: the session ended meanwhile.
        """
        codes = recovery_codes.new_codes(self.random_bytes)
        stored = recovery_codes.hashes_of(caller.user.user_id, codes)
        for _ in range(CHANGE_TRIES):
            user = caller.user
            check_level(caller)
            if not user.has_second_factor:
                raise NoSecondFactor(user.user_id)
            if self.factors.change(user, {"recovery_codes": to_value(stored)}):
                self.log_event("recovery_codes_made", user_id=user.user_id)
                return codes
            caller = self.sessions.read_again(caller)
        raise KeptChanging("account")

    def _enrolled(self, user: User, factor: Factor, issuer: str) -> Enrolled:
        secret = totp.secret_of(self.keys, user.user_id, factor.factor_id)
        uri = totp.uri(secret, issuer=issuer, account=user.email or user.user_id)
        return Enrolled(factor=factor, secret=totp.shown_secret(secret), uri=uri)
