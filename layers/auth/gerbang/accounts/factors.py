"""The second factors of accounts: apps that show codes.

Owners add factors in `gerbang.accounts.own_factors` and use them in `gerbang.accounts.second_factor`.

Factors are a part of the account's item, so every read of the account includes them, and one conditional write decides
between changes at the same time. (docs/decisions/0041-second-factor.md)
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gerbang.accounts.user_edit import NoSuchUser
from gerbang.core.clock import Clock
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.storage.accounts import Factor, User
from gerbang.storage.families import AAL2, Family, FamilyTable
from gerbang.storage.records import to_value
from gerbang.storage.store import Action, Change, Condition, Store
from gerbang.storage.users import UserTable, unchanged

UNVERIFIED_FOR: Final = timedelta(minutes=5)
"""How long a new factor waits for its first code, as at Supabase Auth."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """Renames and removes factors."""

    store: Store
    users: UserTable
    families: FamilyTable
    log_event: LogEvent
    now: Clock

    def remove(self, user_id: str, factor_id: str) -> Factor:
        """Remove a factor of any account, for an administrator.

        Raises:
            NoSuchUser, FactorNotFound: there is none.
        """
        for _ in range(CHANGE_TRIES):
            user, factor = self._find(user_id, factor_id)
            if self.remove_from(user, factor):
                return factor
        raise KeptChanging("account")

    def rename(self, user_id: str, factor_id: str, name: str) -> Factor:
        """Give a factor of any account another name, for an administrator.

        Raises:
            NoSuchUser, FactorNotFound: there is none.
            FactorNameTaken: another factor of the account has the name.
        """
        for _ in range(CHANGE_TRIES):
            user, factor = self._find(user_id, factor_id)
            if factor.friendly_name == name:
                return factor
            renamed = replace(factor, friendly_name=name, updated_at=self.now())
            check_name(others_than(factor, user.factors), renamed)
            factors = tuple(renamed if each == factor else each for each in user.factors)
            if self.change(user, {"factors": to_value(factors)}):
                self.log("factor_renamed", user, factor_id)
                return renamed
        raise KeptChanging("account")

    def _find(self, user_id: str, factor_id: str) -> tuple[User, Factor]:
        user = self.users.find(user_id)
        if user is None:
            raise NoSuchUser
        factor = find_factor(user, factor_id)
        if factor is None:
            raise FactorNotFound(user_id)
        return user, factor

    def change(self, user: User, changes: dict[str, Change]) -> bool:
        """Change factors or recovery codes; return False, with nothing changed, if they were changed meanwhile.

        One action in a transaction: the SDK may send it twice, and it is done once (faults.md, D8).
        """
        return not self.store.commit(self.users.changing(user, changes, *as_read(user)))

    def remove_from(self, user: User, factor: Factor) -> bool:
        """Remove a factor; return False, with nothing removed, if account or sessions were changed meanwhile."""
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
        self.log("factor_removed", user, factor.factor_id)
        return True

    def log(self, event: str, user: User, factor_id: str) -> None:
        """Log an event of a factor."""
        self.log_event(event, user_id=user.user_id, factor_id=factor_id)


def check_person(user: User) -> None:
    """Check that an account may have a second factor.

    Raises:
        GuestsHaveNoFactors: it is a guest's.
    """
    if user.is_anonymous:
        raise GuestsHaveNoFactors(user.user_id)


def find_factor(user: User, factor_id: str) -> Factor | None:
    """Return an account's factor, None if it has none with this id."""
    return next((factor for factor in user.factors if factor.factor_id == factor_id), None)


def is_alive(factor: Factor, at: datetime) -> bool:
    """Return whether a factor is verified, or may still be verified."""
    return factor.is_verified or at < factor.created_at + UNVERIFIED_FOR


def living_factor(user: User, factor_id: str, *, at: datetime) -> Factor:
    """Return the factor that a code of an account may belong to.

    Raises:
        GuestsHaveNoFactors: it is a guest's account.
        FactorNotFound: there is none, or it was not verified in time.
    """
    check_person(user)
    factor = find_factor(user, factor_id)
    if factor is None or not is_alive(factor, at):
        raise FactorNotFound(user.user_id)
    return factor


def others_than(factor: Factor, factors: Iterable[Factor]) -> tuple[Factor, ...]:
    """Return the other factors."""
    return tuple(each for each in factors if each.factor_id != factor.factor_id)


def check_name(others: Iterable[Factor], factor: Factor) -> None:
    """Check that no other factor has a factor's name.

    Raises:
        FactorNameTaken: one has it.
    """
    if factor.friendly_name and any(each.friendly_name == factor.friendly_name for each in others):
        raise FactorNameTaken(factor.factor_id)


def as_read(user: User) -> tuple[Condition, Condition]:
    """Return the conditions that an account still has the factors and recovery codes that were read."""
    return unchanged("factors", user), unchanged("recovery_codes", user)


def bounded(store: Store, actions: Sequence[Action]) -> Sequence[Action]:
    """Return the actions on sessions that fit into one transaction; write the others now."""
    for action in actions[MOST_SESSIONS:]:
        store.write(action)
    return actions[:MOST_SESSIONS]
