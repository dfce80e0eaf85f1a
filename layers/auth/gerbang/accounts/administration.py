"""What operators do with accounts: find, disable, enable, end sessions, set role and credit, delete for good.

Every change is one write, or one transaction, of the account as it was shown to the operator: refused when its epoch
has moved since, or what is being changed. So nobody overwrites what they have not seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Protocol
from uuid import UUID

from gerbang.accounts.organizations import Role
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.emails import LONGEST_ADDRESS, InvalidEmail, canonical
from gerbang.core.identifiers import LARGEST_NUMBER, USER, read_public_id
from gerbang.limits.rate_limits import digest
from gerbang.storage.members import Member
from gerbang.storage.one_time_codes import OneTimeCodeTable, Slot
from gerbang.storage.organizations import OrganizationTable
from gerbang.storage.store import (
    Absent,
    Action,
    Change,
    Condition,
    ConditionFailed,
    Delete,
    Equal,
    Gone,
    Plus,
    Present,
    Store,
)
from gerbang.storage.users import Name, User, UserTable, from_item

ROLES: Final[Mapping[int, str]] = MappingProxyType({1: "administrator", 2: "staff", 3: "user"})
"""SnapOTP's `role_id`."""


class NoSuchAccount(Exception):
    """Nobody has that address, name or id."""


class AmbiguousName(Exception):
    """One account has the text as its user name, another as its number. `user_ids` are both."""

    def __init__(self, user_ids: tuple[str, ...]) -> None:
        """Keep whose it is."""
        super().__init__(*user_ids)
        self.user_ids = user_ids


class ChangedMeanwhile(Exception):
    """The account is not as it was read any more, or is gone: look again, then decide again."""


class Members(Protocol):
    """Lists who belongs to an organisation."""

    def of(self, organization_id: str) -> tuple[Member, ...]:
        """Return everybody who belongs to it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """What is left of an account's organisation without it."""

    organization_id: str
    others: int
    """How many other people belong to it; without any, it goes with the account."""
    other_owners: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Finds and changes accounts for operators."""

    store: Store
    users: UserTable
    organizations: OrganizationTable
    members: Members
    codes: OneTimeCodeTable
    now: Clock

    def find(self, text: str) -> User:
        """Return the account that has this e-mail address, user name, number, UUID or `usr_…` id.

        Raises:
            NoSuchAccount: nobody has.
            AmbiguousName: it is one account's user name and another's number.
        """
        user_ids = self._user_ids(text.strip())
        if len(user_ids) > 1:
            raise AmbiguousName(user_ids)
        user = self.users.find(user_ids[0]) if user_ids else None
        if user is None:
            raise NoSuchAccount
        return user

    def disable(self, user: User) -> User:
        """Let nobody use the account and end its sessions, at once; return it as it now stands.

        Raises:
            ChangedMeanwhile: it is disabled already, or not as it was read.
        """
        return self._change(user, {"disabled_at": to_epoch(self.now()), "epoch": Plus(1)}, Absent("disabled_at"))

    def enable(self, user: User) -> User:
        """Let the account be used again; sessions from before stay ended. Return it as it now stands.

        Raises:
            ChangedMeanwhile: it is not disabled, or not as it was read.
        """
        return self._change(user, {"disabled_at": Gone()}, Present("disabled_at"))

    def end_sessions(self, user: User) -> User:
        """End every session of the account at once, wherever it was opened; return it as it now stands.

        Raises:
            ChangedMeanwhile: it is not as it was read.
        """
        return self._change(user, {"epoch": Plus(1)})

    def set_role(self, user: User, role_id: int) -> User:
        """Give the account a role, a key of `ROLES`; return it as it now stands.

        Raises:
            ChangedMeanwhile: it is not as it was read.
        """
        return self._change(user, {"role_id": role_id}, Equal("role_id", user.role_id))

    def set_credit(self, user: User, credit: int) -> User:
        """Set what the account has to spend; return it as it now stands.

        Raises:
            ChangedMeanwhile: it is not as it was read, the credit among it.
        """
        return self._change(user, {"credit_balance": credit}, Equal("credit_balance", user.credit_balance))

    def departure(self, user: User) -> Departure | None:
        """Return what deleting the account would leave of its organisation, None if it has none."""
        if user.organization_id is None:
            return None
        others = [member for member in self.members.of(user.organization_id) if member.user_id != user.user_id]
        owners = [member for member in others if member.role == Role.CLIENT_OWNER]
        return Departure(organization_id=user.organization_id, others=len(others), other_owners=len(owners))

    def delete(self, user: User) -> None:
        """Remove the account for good: one transaction, all or nothing.

        With it go its names, which anybody may take from then on, its one-time code and reset token, its membership,
        and its organisation where nobody else belongs to that. Its sessions are dead without it; their records, which
        hold client addresses, expire as they would have. (docs/operations.md, "Deleting a person's data")
        Nothing here adds members to organisations; whoever does must not while it is being removed.

        Raises:
            ChangedMeanwhile: it is not as it was read.
        """
        removal: list[Action] = [*self.users.removal(user), Delete(self.codes.key(Slot.PASSWORD_RESET, user.user_id))]
        if user.email is not None:
            removal.append(Delete(self.codes.key(Slot.EMAIL, digest(user.email))))
        departure = self.departure(user)
        if departure is not None:
            removal.append(self.organizations.membership_deletion(departure.organization_id, user.user_id))
            if not departure.others:
                removal.append(self.organizations.organization_deletion(departure.organization_id))
        if self.store.commit(*removal):
            raise ChangedMeanwhile(user.user_id)

    def _change(self, user: User, changes: Mapping[str, Change], *conditions: Condition) -> User:
        outcome = self.users.change(user, {**changes, "updated_at": to_epoch(self.now())}, *conditions)
        changed = None if isinstance(outcome, ConditionFailed) else from_item(outcome.item)
        if changed is None:
            raise ChangedMeanwhile(user.user_id)
        return changed

    def _user_ids(self, text: str) -> tuple[str, ...]:
        """Return the ids of the accounts that *text* may mean; whether there are such is another question."""
        for read in (UUID, lambda text: read_public_id(USER, text)):
            try:
                return (str(read(text)),)
            except ValueError:
                continue
        if "@" in text:
            try:
                return self._bearers((Name.EMAIL, canonical(text)))
            except InvalidEmail:
                return ()
        names = [(Name.USERNAME, text)] if 0 < len(text) <= LONGEST_ADDRESS else []  # no name is longer than those
        if text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST_NUMBER)):
            names.append((Name.NUMBER, text))
        return self._bearers(*names)

    def _bearers(self, *names: tuple[Name, str]) -> tuple[str, ...]:
        found = (self.users.find_id(name, value) for name, value in names)
        return tuple(dict.fromkeys(user_id for user_id in found if user_id is not None))
