"""Delete an organisation, in steps that can be repeated: whatever fails, the next deletion ends what is left.

First its invitations go, then its members, the owners last, and the organisation itself with the last of them. So it
can be deleted again until nothing is left. A small one goes at once. Whoever joins meanwhile raises the revision, which
is in the last step's condition: then the new member goes, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Final

from gerbang.accounts.organization_changes import leaving_actions
from gerbang.accounts.organizations import RACES, NotAMember
from gerbang.accounts.roles import Permission, Role, rights_of
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import LogEvent
from gerbang.storage.accounts import User
from gerbang.storage.organizations import Member, OrganizationTable, Whole
from gerbang.storage.records import from_item
from gerbang.storage.store import Action, Store
from gerbang.storage.users import UserTable

MOST_ACTIONS: Final = 100
"""Actions of one transaction (DynamoDB, API reference, TransactWriteItems)."""

_MEMBERS_AT_ONCE: Final = 30
"""Three actions each, and one for the organisation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationDeletion:
    """Deletes organisations."""

    store: Store
    users: UserTable
    table: OrganizationTable
    log_event: LogEvent

    def delete(self, organization_id: str, caller_id: str) -> None:
        """Delete an organisation with its memberships and invitations, for a member who may.

        Raises:
            NotAMember: the caller does not belong to it.
            InsufficientRole: the caller may not delete it.
            DependencyUnavailable: the database did not answer, or others kept changing the organisation. The same call,
                made again, deletes what is left.
        """
        whole = self.table.read_whole(organization_id)
        role = None if whole is None else whole.role_of(caller_id)
        if whole is None or role is None:
            raise NotAMember(organization_id)
        rights_of(role).demand(Permission.DELETE)
        for _ in range(RACES):
            if whole is None:  # deleted by another owner meanwhile
                return
            if self._delete(whole, caller_id):
                self.log_event("organization_deleted", organization_id=organization_id, user_id=caller_id)
                return
            whole = self.table.read_whole(organization_id)
        raise DependencyUnavailable("others kept changing the organization")

    def _delete(self, whole: Whole, caller_id: str) -> bool:
        """Delete an organisation as it was read; return False if something has changed meanwhile."""
        organization_id = whole.organization.organization_id
        delete_invitations(self.store, self.table, whole)

        def last_of_all(member: Member) -> tuple[bool, bool]:
            return member.role == Role.CLIENT_OWNER, member.user_id == caller_id

        members = sorted(whole.members, key=last_of_all)
        first, last = members[:-_MEMBERS_AT_ONCE], members[-_MEMBERS_AT_ONCE:]
        for some in batched(first, _MEMBERS_AT_ONCE, strict=False):
            if self.store.commit(*self._leaving(organization_id, some)):
                return False
        return not self.store.commit(self.table.deletion(whole.organization), *self._leaving(organization_id, last))

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


def delete_invitations(store: Store, table: OrganizationTable, whole: Whole) -> None:
    """Delete the invitations to an organisation.

    Raises:
        DependencyUnavailable: the database did not answer.
    """
    for some in batched(whole.invitations, MOST_ACTIONS, strict=False):
        store.commit(*map(table.invitation_deletion, some))
