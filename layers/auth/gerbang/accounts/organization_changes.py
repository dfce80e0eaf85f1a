"""Changes that members make to their organization: its name, its roles and its members.

Each change is decided on one read of the organization with all its members, and written on the condition that nothing
has changed since. So of two owners who leave at the same time one stays, and a removed member changes nothing more.
(docs/decisions/0044-organizations.md)
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.roles import Permission, Rights, Role, rights_of
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.storage.accounts import User
from gerbang.storage.organizations import Organization, OrganizationTable, Whole
from gerbang.storage.store import Action, Change, Delete, Equal, Gone, Present, Store, Update
from gerbang.storage.users import UserTable


class NoSuchMember(AuthError):
    """The organization has no member with that id."""

    code = "member_not_found"


class LastOwner(AuthError):
    """The organization would be left without an owner."""

    code = "last_owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a change writes in addition to the organization's revision."""

    actions: tuple[Action, ...] = ()
    changes: Mapping[str, Change] | None = None
    """Of the organization's own item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationChanges:
    """Changes organizations for their members."""

    store: Store
    users: UserTable
    table: OrganizationTable
    log_event: LogEvent

    def attempt(
        self, organization_id: str, caller_id: str, decide: Callable[[Whole, Rights], Decision | None]
    ) -> Organization:
        """Write what *decide* decides for an organization; return the organization as it was before.

        *decide* is called with the organization and what the caller's role allows. It returns None if there is nothing
        to write, and is called again if the organization was changed meanwhile.

        Raises:
            NotAMember: the caller does not belong to it (any more).
            DependencyUnavailable: the database did not answer, or others kept changing the organization.
        """
        for _ in range(CHANGE_TRIES):
            whole = self.table.read_whole(organization_id)
            role = None if whole is None else whole.role_of(caller_id)
            if whole is None or role is None:
                raise NotAMember(organization_id)
            decision = decide(whole, rights_of(role))
            if decision is None:
                return whole.organization
            revised = self.table.changing(whole.organization, decision.changes)
            if not self.store.commit(revised, *decision.actions):
                return whole.organization
        raise KeptChanging("organization")

    def rename(self, organization_id: str, caller_id: str, name: str) -> Organization:
        """Give an organization another name, and return it.

        Raises:
            InsufficientRole: the caller may not.
            NotAMember, DependencyUnavailable: as `attempt`.
        """

        def decide(_whole: Whole, rights: Rights) -> Decision:
            rights.demand(Permission.RENAME)
            return Decision(changes={"name": name})

        before = self.attempt(organization_id, caller_id, decide)
        self.log_event("organization_renamed", organization_id=organization_id, user_id=caller_id)
        return replace(before, name=name, revision=before.revision + 1)

    def change_role(self, organization_id: str, caller_id: str, user_id: str, role: Role) -> None:
        """Give a member another role.

        Raises:
            NoSuchMember: the organization has no member with this id.
            InsufficientRole: the caller may not take the member's role away, or not give the other one.
            LastOwner: it would take the role of the last owner away.
            NotAMember, DependencyUnavailable: as `attempt`.
        """

        def decide(whole: Whole, rights: Rights) -> Decision | None:
            current_role = _role_of(whole, user_id)
            rights.demand(Permission.MANAGE, current_role, role)
            if current_role == role:
                return None
            _check_owners(whole, without=user_id)
            return Decision(actions=(self.table.role_change(organization_id, user_id, role),))

        self.attempt(organization_id, caller_id, decide)
        self.log_event("member_role_changed", organization_id=organization_id, user_id=user_id, by=caller_id)

    def remove(self, organization_id: str, caller_id: str, user_id: str) -> None:
        """End a membership: another member's, or the caller's own, which is allowed to all but the last owner.

        Raises:
            NoSuchMember, InsufficientRole, LastOwner, NotAMember, DependencyUnavailable: as `change_role`.
        """

        def decide(whole: Whole, rights: Rights) -> Decision:
            member_role = _role_of(whole, user_id)
            if user_id != caller_id:
                rights.demand(Permission.MANAGE, member_role)
            _check_owners(whole, without=user_id)
            user = self.users.find(user_id)
            return Decision(actions=leaving_actions(self.table, self.users, organization_id, user_id, user))

        self.attempt(organization_id, caller_id, decide)
        self.log_event("member_removed", organization_id=organization_id, user_id=user_id, by=caller_id)


def leaving_actions(
    table: OrganizationTable, users: UserTable, organization_id: str, user_id: str, user: User | None
) -> tuple[Action, ...]:
    """Return the actions that end a membership. *user* is the account as it was read, None if it does not exist.

    They fail if the organization was the account's default one when it was read, and is not any more.
    """
    ending: tuple[Action, ...] = (
        table.membership_deletion(organization_id, user_id),
        Delete(users.organization_key(user_id, organization_id)),
    )
    if user is None or user.organization_id != organization_id:
        return ending
    is_default = Present("pk"), Equal("organization_id", organization_id)
    return (*ending, Update(users.key(user_id), {"organization_id": Gone()}, is_default))


def _role_of(whole: Whole, user_id: str) -> str:
    role = whole.role_of(user_id)
    if role is None:
        raise NoSuchMember(user_id)
    return role


def _check_owners(whole: Whole, *, without: str) -> None:
    """Check that an organization has an owner without a member.

    Raises:
        LastOwner: the member is the only owner.
    """
    owners = {member.user_id for member in whole.members if member.role == Role.CLIENT_OWNER}
    if owners == {without}:
        raise LastOwner(whole.organization.organization_id)
