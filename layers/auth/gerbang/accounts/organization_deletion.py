"""Delete an organization, in steps that can be repeated: after a failure, the next deletion does the rest.

First its invitations are deleted, then its members. The owners are the last, and the organization itself is deleted
with the last of them, so an owner can repeat the deletion until nothing is left. Each step raises the revision, on the
condition that it is the one that was read. If it is not, everything is read and decided again: a new member is removed,
too, and a caller who is no owner any more deletes nothing more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import batched
from typing import Final

from gerbang.accounts.organization_changes import leaving_actions
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.roles import Permission, Role, rights_of
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.log import LogEvent
from gerbang.storage.accounts import User
from gerbang.storage.organizations import Member, OrganizationTable, Whole
from gerbang.storage.records import from_item
from gerbang.storage.store import Action, Store
from gerbang.storage.users import UserTable

MOST_ACTIONS: Final = 100
"""Actions of one transaction (DynamoDB, API reference, TransactWriteItems)."""

_MEMBERS_AT_ONCE: Final = 30
"""Three actions each, and one for the organization."""

_INVITATIONS_AT_ONCE: Final = MOST_ACTIONS - 1
"""One action each, and one for the organization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationDeletion:
    """Deletes organizations."""

    store: Store
    users: UserTable
    table: OrganizationTable
    log_event: LogEvent

    def delete(self, organization_id: str, caller_id: str) -> None:
        """Delete an organization with its memberships and invitations, for a member who may.

        Raises:
            NotAMember: the caller does not belong to it.
            InsufficientRole: the caller may not delete it.
            DependencyUnavailable: the database did not answer, or others kept changing the organization. The same call,
                made again, deletes what is left.
        """
        for number_of_try in range(CHANGE_TRIES):
            whole = self.table.read_whole(organization_id)
            if whole is None and number_of_try:  # deleted by another owner meanwhile
                return
            role = None if whole is None else whole.role_of(caller_id)
            if whole is None or role is None:
                raise NotAMember(organization_id)
            rights_of(role).demand(Permission.DELETE)
            if self._delete(whole, caller_id):
                self.log_event("organization_deleted", organization_id=organization_id, user_id=caller_id)
                return
        raise KeptChanging("organization")

    def _delete(self, whole: Whole, caller_id: str) -> bool:
        """Delete an organization as it was read; return False if it was changed meanwhile."""
        organization = whole.organization

        def order(member: Member) -> tuple[bool, bool]:
            return member.role == Role.CLIENT_OWNER, member.user_id == caller_id

        members = sorted(whole.members, key=order)
        first, last = members[:-_MEMBERS_AT_ONCE], members[-_MEMBERS_AT_ONCE:]
        for actions in self._first_steps(whole, first):
            if self.store.commit(self.table.changing(organization), *actions):
                return False
            organization = replace(organization, revision=organization.revision + 1)
        leaving = self._leaving(organization.organization_id, last)
        return not self.store.commit(self.table.deletion(organization), *leaving)

    def _first_steps(self, whole: Whole, members: Sequence[Member]) -> Iterator[Sequence[Action]]:
        """Return the actions of each step but the last: they delete the invitations, then end memberships."""
        for invitations in batched(whole.invitations, _INVITATIONS_AT_ONCE, strict=False):
            yield tuple(map(self.table.invitation_deletion, invitations))
        for some in batched(members, _MEMBERS_AT_ONCE, strict=False):
            yield self._leaving(whole.organization.organization_id, some)

    def _leaving(self, organization_id: str, members: Sequence[Member]) -> list[Action]:
        """Return the actions that end memberships."""
        if not members:
            return []
        items = self.store.get_all(*(self.users.key(member.user_id) for member in members))
        actions: list[Action] = []
        for member, item in zip(members, items, strict=True):
            user = from_item(User, item)
            actions += leaving_actions(self.table, self.users, organization_id, member.user_id, user)
        return actions
