"""The second factors of accounts: apps that show codes. They are added, renamed and removed here, and used in
`gerbang.accounts.second_factor`.

Factors are a part of the account's item, so whoever reads the account knows them, and one conditional write decides
between changes at the same time. (docs/decisions/0041-second-factor.md)
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from gerbang.accounts import recovery_codes, totp
from gerbang.accounts.user_edit import NoSuchUser
from gerbang.core.clock import Clock
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import LogEvent
from gerbang.sessions.assurance import InsufficientLevel, check_level
from gerbang.sessions.keys import Keys
from gerbang.sessions.sessions import Authenticated, Sessions
from gerbang.storage.accounts import Factor, User
from gerbang.storage.families import AAL2, Family, FamilyTable
from gerbang.storage.records import to_value
from gerbang.storage.store import Action, Change, Condition, Store
from gerbang.storage.users import UserTable, unchanged

MOST_FACTORS: Final = 10
"""As at Supabase Auth."""

UNVERIFIED_FOR: Final = timedelta(minutes=5)
"""How long a new factor waits for its first code, as at Supabase Auth."""

RACES: Final = 4
"""How often a change is tried, since the account or its sessions may be changed meanwhile."""

MOST_SESSIONS: Final = 80
"""Sessions that are changed in one transaction, which has at most 100 actions. Any beyond are changed before it."""


class GuestsHaveNoFactors(AuthError):
    """A guest asked for a second factor."""

    code = "mfa_registered_account_required"


class FactorNotFound(AuthError):
    """The account has no such factor, or it was not verified in time."""

    code = "mfa_factor_not_found"


class FactorNameTaken(AuthError):
    """Another factor of the account has the name."""

    code = "mfa_factor_name_conflict"


class TooManyFactors(AuthError):
    """The account has as many factors as it may have."""

    code = "too_many_enrolled_mfa_factors"


class NoSecondFactor(AuthError):
    """The account has no verified factor that recovery codes could stand in for."""

    code = "mfa_factor_required"


ENROLMENT_ERRORS: Final = (GuestsHaveNoFactors, InsufficientLevel, FactorNameTaken, TooManyFactors)
"""What `Factors.enrol` raises, but for failures of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """A new factor, and the secret that its owner gives to the app: shown once."""

    factor: Factor
    secret: str = field(repr=False)
    """In base 32."""
    uri: str = field(repr=False)
    """For a QR code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """Adds, renames and removes factors."""

    store: Store
    users: UserTable
    families: FamilyTable
    sessions: Sessions
    keys: Keys
    default_issuer: str
    """The name that apps show, where the client gives none."""
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]
    random_bytes: Callable[[int], bytes]

    def enrol(self, caller: Authenticated, *, name: str, issuer: str | None) -> Enrolled:
        """Add a factor to the caller's account, which counts once its first code was accepted. Two round trips.

        Factors that were not verified in time are removed.

        Raises:
            GuestsHaveNoFactors: the caller is a guest.
            InsufficientLevel: the account has a second factor, and the session has not shown it.
            FactorNameTaken, TooManyFactors: the account's other factors do not allow it.
            SessionEnded: the session ended meanwhile.
        """
        now = self.now()
        factor = Factor(factor_id=self.new_id(), friendly_name=name, created_at=now, updated_at=now)
        for _ in range(RACES):
            user = caller.user
            if find(user, factor.factor_id) is None:  # else it was added by a write whose answer the SDK lost
                check_person(user)
                check_level(caller)
                others = tuple(each for each in user.factors if is_alive(each, now))
                self._check_name(others, factor)
                if len(others) >= MOST_FACTORS:
                    raise TooManyFactors(user.user_id)
                if self._changed(user, {"factors": to_value((*others, factor))}):
                    caller = self.sessions.read_again(caller)
                    continue
            self._log("factor_enrolled", caller.user, factor.factor_id)
            secret = totp.secret_of(self.keys, user.user_id, factor.factor_id)
            uri = totp.uri(secret, issuer=issuer or self.default_issuer, account=user.email or user.user_id)
            return Enrolled(factor=factor, secret=totp.shown_secret(secret), uri=uri)
        raise DependencyUnavailable("others kept changing the account")

    def unenrol(self, caller: Authenticated, factor_id: str) -> Factor:
        """Remove a factor of the caller's account; sessions that it has raised go back to one factor.

        With the last verified factor, the recovery codes are removed, too. Three round trips for a verified factor.

        Raises:
            FactorNotFound: there is none.
            InsufficientLevel: it is verified, and the session has not shown a second factor.
            SessionEnded: the session ended meanwhile.
        """
        for _ in range(RACES):
            factor = find(caller.user, factor_id)
            if factor is None:
                raise FactorNotFound(caller.user.user_id)
            if factor.is_verified:
                check_level(caller)
            if self._remove(caller.user, factor):
                return factor
            caller = self.sessions.read_again(caller)
        raise DependencyUnavailable("others kept changing the account")

    def remove(self, user_id: str, factor_id: str) -> Factor:
        """Remove a factor of any account, for an administrator.

        Raises:
            NoSuchUser, FactorNotFound: there is none.
        """
        for _ in range(RACES):
            user, factor = self._find(user_id, factor_id)
            if self._remove(user, factor):
                return factor
        raise DependencyUnavailable("others kept changing the account")

    def rename(self, user_id: str, factor_id: str, name: str) -> Factor:
        """Give a factor of any account another name, for an administrator.

        Raises:
            NoSuchUser, FactorNotFound: there is none.
            FactorNameTaken: another factor of the account has the name.
        """
        for _ in range(RACES):
            user, factor = self._find(user_id, factor_id)
            if factor.friendly_name == name:
                return factor
            renamed = replace(factor, friendly_name=name, updated_at=self.now())
            self._check_name(others_than(factor, user.factors), renamed)
            factors = tuple(renamed if each == factor else each for each in user.factors)
            if not self._changed(user, {"factors": to_value(factors)}):
                self._log("factor_renamed", user, factor_id)
                return renamed
        raise DependencyUnavailable("others kept changing the account")

    def replace_recovery_codes(self, caller: Authenticated) -> tuple[str, ...]:
        """Give the caller's account new recovery codes in place of all others, and return them: they are shown once.

        Raises:
            InsufficientLevel: the session has not shown a second factor.
            NoSecondFactor: the account has none.
            SessionEnded: the session ended meanwhile.
        """
        codes = recovery_codes.new_codes(self.random_bytes)
        stored = recovery_codes.hashes_of(caller.user.user_id, codes)
        for _ in range(RACES):
            user = caller.user
            check_level(caller)
            if not user.has_second_factor:
                raise NoSecondFactor(user.user_id)
            if user.recovery_codes == stored or not self._changed(user, {"recovery_codes": to_value(stored)}):
                self.log_event("recovery_codes_made", user_id=user.user_id)
                return codes
            caller = self.sessions.read_again(caller)
        raise DependencyUnavailable("others kept changing the account")

    def _find(self, user_id: str, factor_id: str) -> tuple[User, Factor]:
        user = self.users.find(user_id)
        if user is None:
            raise NoSuchUser
        factor = find(user, factor_id)
        if factor is None:
            raise FactorNotFound(user_id)
        return user, factor

    def _changed(self, user: User, changes: dict[str, Change]) -> bool:
        """Change factors or recovery codes; return whether the account was changed meanwhile instead."""
        return bool(self.store.commit(self.users.changing(user, changes, *as_read(user))))

    def _remove(self, user: User, factor: Factor) -> bool:
        """Remove a factor, and return whether that was done: not if account or sessions were changed meanwhile."""
        changed = replace(user, factors=others_than(factor, user.factors))
        changes: dict[str, Change] = {"factors": to_value(changed.factors)}
        lowered: tuple[Family, ...] = ()
        if factor.is_verified:
            raised = (family for family in self.families.list(user.user_id) if family.aal == AAL2)
            is_last = not changed.has_second_factor
            lowered = tuple(family for family in raised if is_last or family.factor_id == factor.factor_id)
            changes |= {"recovery_codes": to_value(())} if is_last else {}
        lowering = bounded(self.store, [self.families.lowering(family) for family in lowered])
        if self.store.commit(self.users.changing(user, changes, *as_read(user)), *lowering):
            return False
        self._log("factor_removed", user, factor.factor_id)
        return True

    def _check_name(self, others: Iterable[Factor], factor: Factor) -> None:
        if factor.friendly_name and any(each.friendly_name == factor.friendly_name for each in others):
            raise FactorNameTaken(factor.factor_id)

    def _log(self, event: str, user: User, factor_id: str) -> None:
        self.log_event(event, user_id=user.user_id, factor_id=factor_id)


def check_person(user: User) -> None:
    """Return if an account may have a second factor.

    Raises:
        GuestsHaveNoFactors: it is a guest's.
    """
    if user.is_anonymous:
        raise GuestsHaveNoFactors(user.user_id)


def find(user: User, factor_id: str) -> Factor | None:
    """Return an account's factor, None if it has none with this id."""
    return next((factor for factor in user.factors if factor.factor_id == factor_id), None)


def is_alive(factor: Factor, at: datetime) -> bool:
    """Return whether a factor is verified, or may still be."""
    return factor.is_verified or at < factor.created_at + UNVERIFIED_FOR


def others_than(factor: Factor, factors: Iterable[Factor]) -> tuple[Factor, ...]:
    """Return the factors but one."""
    return tuple(each for each in factors if each.factor_id != factor.factor_id)


def as_read(user: User) -> tuple[Condition, Condition]:
    """Return the conditions that an account has the factors and recovery codes that were read."""
    return unchanged("factors", user), unchanged("recovery_codes", user)


def bounded(store: Store, actions: Sequence[Action]) -> Sequence[Action]:
    """Return the actions on sessions that fit into one transaction; do the others now."""
    for action in actions[MOST_SESSIONS:]:
        store.write(action)
    return actions[:MOST_SESSIONS]
