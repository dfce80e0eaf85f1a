"""What operators do with accounts: find, show, disable, enable, end sessions, set role and credit, unlink, delete.

Each change is one write or one transaction. It fails if the account's epoch, or the attribute that is changed, is not
what the operator was shown. So an operator never overwrites a change that they have not seen. Deleting takes several
steps (`gerbang.accounts.deletion`).
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final
from uuid import UUID

from gerbang.accounts.deletion import ChangedMeanwhile, Deletion, Departure
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import LONGEST_ADDRESS, InvalidEmail, canonical
from gerbang.core.identifiers import LARGEST_NUMBER, USER, read_public_id
from gerbang.sessions.own_sessions import OwnSessions
from gerbang.storage.accounts import Identity, Name, User
from gerbang.storage.families import Family
from gerbang.storage.newest_users import LARGEST_PAGE, NewestUsers, UserPage
from gerbang.storage.organizations import OrganizationTable
from gerbang.storage.records import from_item
from gerbang.storage.store import (
    Absent,
    Change,
    Condition,
    ConditionFailed,
    Equal,
    Gone,
    Plus,
    Present,
    Store,
)
from gerbang.storage.users import UserTable

ROLES: Final[Mapping[int, str]] = MappingProxyType({1: "administrator", 2: "staff", 3: "user"})
"""SnapOTP's `role_id`."""


class NoSuchAccount(Exception):
    """No account has that address, name or id."""


class AmbiguousName(Exception):
    """The text names several accounts, such as one by its user name and another by its number."""

    def __init__(self, user_ids: tuple[str, ...]) -> None:
        """Keep the ids of the accounts."""
        super().__init__(*user_ids)
        self.user_ids = user_ids


class NotLinked(Exception):
    """No identity of that provider signs in to the account."""


class OnlyWayToSignIn(Exception):
    """The account has no password, no other identity and no verified address: unlinking would lock its owner out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What an operator is shown of an account that is not in its own record."""

    identities: tuple[Identity, ...]
    role: str | None
    """In its organization, None if it does not belong to one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Finds and changes accounts for operators."""

    store: Store
    users: UserTable
    organizations: OrganizationTable
    deletion: Deletion
    own_sessions: OwnSessions
    now: Clock

    def find(self, text: str) -> User:
        """Return the account that has this e-mail address, user name, number, UUID or `usr_…` id.

        Raises:
            NoSuchAccount: no account has it.
            AmbiguousName: several accounts have it, one as its user name and another as its number or id.
        """
        named = (self.users.find(user_id) for user_id in self._user_ids(text.strip()))
        found = [user for user in named if user is not None]
        if len(found) > 1:
            raise AmbiguousName(tuple(user.user_id for user in found))
        if not found:
            raise NoSuchAccount
        return found[0]

    def list_newest(self, cursor: str | None = None, *, size: int = LARGEST_PAGE) -> UserPage:
        """Return a page of accounts without guests, the newest first.

        Raises:
            InvalidCursor, ValueError: as `NewestUsers.page`.
        """
        return NewestUsers(self.users).page(at=self.now(), size=size, cursor=cursor)

    def details(self, user: User) -> Details:
        """Return the identities of an account, and its role in its default organization."""
        person = self.users.find_person(user.user_id)
        return Details(
            identities=() if person is None else person.identities,
            role=self.organizations.default_role(user),
        )

    def disable(self, user: User) -> User:
        """Disable the account and end its sessions, at once; return the changed account.

        Raises:
            ChangedMeanwhile: it is disabled already, or was changed since it was read.
        """
        return self._change(user, {"disabled_at": to_epoch(self.now()), "epoch": Plus(1)}, Absent("disabled_at"))

    def enable(self, user: User) -> User:
        """Enable a disabled account; sessions from before stay ended. Return the changed account.

        Raises:
            ChangedMeanwhile: it is not disabled, or was changed since it was read.
        """
        return self._change(user, {"disabled_at": Gone()}, Present("disabled_at"))

    def end_sessions(self, user: User) -> User:
        """End every session of the account at once; return the changed account.

        Raises:
            ChangedMeanwhile: it was changed since it was read.
        """
        return self._change(user, {"epoch": Plus(1)})

    def set_role(self, user: User, role_id: int) -> User:
        """Give the account a role, a key of `ROLES`; return the changed account.

        Raises:
            ChangedMeanwhile: it was changed since it was read.
        """
        return self._change(user, {"role_id": role_id}, Equal("role_id", user.role_id))

    def set_credit(self, user: User, credit: int) -> User:
        """Set the account's credit; return the changed account.

        Raises:
            ChangedMeanwhile: it, or its credit, was changed since it was read.
        """
        return self._change(user, {"credit_balance": credit}, Equal("credit_balance", user.credit_balance))

    def unlink(self, user: User, provider: str) -> User:
        """Unlink a provider's identity and end the account's sessions, in one transaction; return the changed account.

        The next sign-in with an identity of the provider that has the account's address links that identity. So an
        owner who has a new account at the provider, which is another identity, can sign in again.

        Raises:
            NotLinked: no identity of the provider is linked.
            OnlyWayToSignIn: the account would have no password, no other identity and no verified address, to which a
                code or a reset token could be mailed.
            ChangedMeanwhile: it was changed since it was read.
        """
        if provider not in user.subjects:
            raise NotLinked(provider)
        others = {name: subject for name, subject in user.subjects.items() if name != provider}
        if not others and user.password_hash is None and user.email_verified_at is None:
            raise OnlyWayToSignIn(user.user_id)
        now = self.now()
        # The epoch is a condition, and every removal of a password or of the verification of the address raises it.
        changes: dict[str, Change] = {"epoch": Plus(1), "updated_at": to_epoch(now)}
        if self.store.commit(*self.users.unlinking(user, provider, changes)):
            raise ChangedMeanwhile(user.user_id)
        return replace(user, subjects=others, epoch=user.epoch + 1, updated_at=now)

    def departures(self, user: User) -> tuple[Departure, ...]:
        """Return, for each of the account's organizations, how many other members it has."""
        return self.deletion.departures(user)

    def sessions(self, user: User) -> tuple[Family, ...]:
        """Return the account's active sessions, the last used first."""
        return self.own_sessions.list(user)

    def delete(self, user: User) -> None:
        """Delete the account permanently, as `Deletion.delete` does.

        Raises:
            ChangedMeanwhile: it was changed since it was read.
            DependencyUnavailable: the database did not answer. Deleting the account again deletes what is left.
        """
        self.deletion.delete(user)

    def _change(self, user: User, changes: Mapping[str, Change], *conditions: Condition) -> User:
        outcome = self.users.change(user, {**changes, "updated_at": to_epoch(self.now())}, *conditions)
        changed = None if isinstance(outcome, ConditionFailed) else from_item(User, outcome.item)
        if changed is None:
            raise ChangedMeanwhile(user.user_id)
        return changed

    def _user_ids(self, text: str) -> tuple[str, ...]:
        """Return the ids of the accounts that *text* may name. An id may be one that no account has."""
        if "@" in text:
            try:
                return self._holders((Name.EMAIL, canonical(text)))
            except InvalidEmail:
                return ()
        names = [(Name.USERNAME, text)] if 0 < len(text) <= LONGEST_ADDRESS else []  # no user name is longer
        if text.isascii() and text.isdecimal() and len(text) <= len(str(LARGEST_NUMBER)):
            names.append((Name.NUMBER, text))
        return tuple(dict.fromkeys((*_ids_in(text), *self._holders(*names))))

    def _holders(self, *names: tuple[Name, str]) -> tuple[str, ...]:
        found = (self.users.find_id(name, value) for name, value in names)
        return tuple(user_id for user_id in found if user_id is not None)


def _ids_in(text: str) -> tuple[str, ...]:
    """Return the account id that *text* is, if it is one; a user name may look like one."""
    for read in (UUID, lambda text: read_public_id(USER, text)):
        try:
            return (str(read(text)),)
        except ValueError:
            continue
    return ()
