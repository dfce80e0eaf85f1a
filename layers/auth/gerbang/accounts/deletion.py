"""Delete an account permanently, in steps that can be repeated: after a failure, the next deletion does the rest.

First the account is disabled and its epoch raised. From then on it opens no session, links no identity, joins no
organization and is sent no mail. Then its sessions are deleted, then its memberships, then everything else. The account
and its names are deleted last, in one transaction: until then the account can be found, and the deletion repeated.
(docs/decisions/0029-administrators.md)
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import batched

from gerbang.accounts.organization_deletion import MOST_ACTIONS
from gerbang.accounts.roles import Role
from gerbang.core.clock import Clock
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import digest
from gerbang.storage.accounts import Person, User
from gerbang.storage.families import FamilyTable
from gerbang.storage.one_time_codes import OneTimeCodeTable, Slot
from gerbang.storage.organizations import OrganizationTable, Whole
from gerbang.storage.records import from_item
from gerbang.storage.removal import removal, retiring
from gerbang.storage.store import Action, ConditionFailed, Delete, Present, Store
from gerbang.storage.users import UserTable, organizations_of


class ChangedMeanwhile(Exception):
    """The account was changed or deleted since it was read. Read it again, and decide again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """What remains of one of an account's organizations when the account is deleted."""

    organization_id: str
    others: int
    """The number of other members. If there are none, the organization is deleted with the account."""
    other_owners: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Deletes accounts."""

    store: Store
    users: UserTable
    families: FamilyTable
    organizations: OrganizationTable
    codes: OneTimeCodeTable
    log_event: LogEvent
    now: Clock

    def departures(self, user: User) -> tuple[Departure, ...]:
        """Return, for each of the account's organizations, how many other members it has."""
        found = map(self.organizations.read_whole, self.users.organization_ids(user))
        return tuple(
            _departure(whole, user) for whole in found if whole is not None and whole.role_of(user.user_id) is not None
        )

    def delete_by_id(self, user_id: str) -> bool:
        """Delete the account that has an id, even if it is changed meanwhile; return whether there was one.

        Raises:
            DependencyUnavailable: others kept changing the account, or the database did not answer. The same call,
                made again, deletes what is left.
        """
        for number_of_try in range(CHANGE_TRIES):
            user = self.users.find(user_id)
            if user is None:
                return number_of_try > 0  # another request has deleted it meanwhile
            try:
                self.delete(user)
            except ChangedMeanwhile:
                continue
            return True
        raise KeptChanging("account")

    def delete(self, user: User) -> None:
        """Delete an account as it was read, with its sessions, codes, memberships, identities and names.

        Its names are free afterwards. An organization is deleted if it has no other members, and not if another user
        joins it meanwhile.

        Raises:
            ChangedMeanwhile: it was changed or deleted since it was read. It may be disabled already.
            DependencyUnavailable: the database did not answer.
        """
        retired = self._retire(user)
        for some in batched(self.families.keys(user.user_id), MOST_ACTIONS, strict=False):
            self.store.commit(*map(Delete, some))
        if user.new_email is not None:
            self.store.write(self.codes.deletion_for(Slot.EMAIL_CHANGE_NEW, digest(user.new_email), user.user_id))
        person = self.users.find_person(user.user_id)
        if person is None:
            raise ChangedMeanwhile(user.user_id)
        for organization_id in organizations_of(user, (str(key.sk) for key in person.keys)):
            self._leave(organization_id, user)
        self._remove(replace(person, user=retired))
        self.log_event("user_deleted", user_id=user.user_id)

    def _retire(self, user: User) -> User:
        """Disable the account and raise its epoch; return the changed account."""
        outcome = self.store.write(retiring(self.users, user, self.now()))
        retired = None if isinstance(outcome, ConditionFailed) else from_item(User, outcome.item)
        if retired is None:
            raise ChangedMeanwhile(user.user_id)
        return retired

    def _remove(self, person: Person) -> None:
        """Remove the account and everything that is stored of it, in one transaction if the items fit into one."""
        user = person.user
        account, *others = removal(self.users, person, Present("disabled_at"))
        last: list[Action] = [account, *self._codes(user)]
        surplus = max(0, len(others) + len(last) - MOST_ACTIONS)
        for some in batched(others[:surplus], MOST_ACTIONS, strict=False):
            self._commit(user, some)
        self._commit(user, [*last, *others[surplus:]])

    def _codes(self, user: User) -> list[Action]:
        subjects = [(Slot.PASSWORD_RESET, user.user_id)]
        if user.email is not None:
            own = (Slot.EMAIL, Slot.RECOVERY, Slot.EMAIL_CHANGE_CURRENT, Slot.REAUTHENTICATION)
            subjects += [(slot, digest(user.email)) for slot in own]
        return [Delete(self.codes.key(slot, subject)) for slot, subject in subjects]

    def _leave(self, organization_id: str, user: User) -> None:
        """End a membership, and delete the organization if it has no other members. The account is disabled by now.

        The organization's revision is a condition: if another user joins it meanwhile, it is read and decided again.
        """
        ending = self.organizations.membership_deletion(organization_id, user.user_id)
        for _ in range(CHANGE_TRIES):
            whole = self.organizations.read_whole(organization_id)
            if whole is None:
                self.store.write(ending)
                return
            if whole.role_of(user.user_id) is None:
                return
            if _departure(whole, user).others:
                rest: Action = self.organizations.changing(whole.organization)
            else:
                for some in batched(whole.invitations, MOST_ACTIONS, strict=False):
                    self.store.commit(*map(self.organizations.invitation_deletion, some))
                rest = self.organizations.deletion(whole.organization)
            if not self.store.commit(ending, rest):
                return
        raise KeptChanging("organization")

    def _commit(self, user: User, actions: Sequence[Action]) -> None:
        if self.store.commit(*actions):
            raise ChangedMeanwhile(user.user_id)


def _departure(whole: Whole, user: User) -> Departure:
    """Return how many other members an organization of an account has."""
    others = [member for member in whole.members if member.user_id != user.user_id]
    owners = [member for member in others if member.role == Role.CLIENT_OWNER]
    return Departure(organization_id=whole.organization.organization_id, others=len(others), other_owners=len(owners))
