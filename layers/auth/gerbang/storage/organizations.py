"""Organizations, their members and their invitations.

| partition key | sort key | holds |
|---|---|---|
| `ORG#<id>` | `ORG` | the organization |
| `ORG#<id>` | `MEMBER#<user id>` | a membership: the only place where a person's role is stored |
| `ORG#<id>` | `INVITATION#<id>` | an invitation that was not accepted yet; TTL on `expires_at` |

Every change of an organization's members raises its revision. A change that depends on the other members is written
on the condition that the revision has not changed since it was read. (docs/decisions/0044-organizations.md)
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import datetime
from typing import Final

from gerbang.core.clock import to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.storage.accounts import User
from gerbang.storage.records import from_item, to_item
from gerbang.storage.store import (
    Absent,
    AnyOf,
    Change,
    Condition,
    Delete,
    Equal,
    Greater,
    Item,
    Key,
    Plus,
    Present,
    Put,
    Query,
    Store,
    Update,
    query_all,
)

_ORGANIZATION: Final = "ORG"
_MEMBER: Final = "MEMBER#"
_INVITATION: Final = "INVITATION#"


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """An organization; `organization_id` is its public id, `org_…`."""

    organization_id: str
    name: str
    created_at: datetime
    revision: int = 0
    """How often its name, its members, their roles or its invitations were changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A person's membership of an organization, with the role."""

    organization_id: str
    user_id: str
    role: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of an organization, with the role."""

    user_id: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation of an e-mail address to an organization."""

    invitation_id: str
    organization_id: str
    email: str = field(repr=False)
    """Canonical."""
    email_as_typed: str = field(repr=False)
    role: str
    invited_by: str
    """The id of the account that invited."""
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """An organization with its members and invitations, read at once."""

    organization: Organization
    members: tuple[Member, ...]
    invitations: tuple[Invitation, ...]
    """Expired ones, too, until DynamoDB deletes them."""

    def role_of(self, user_id: str) -> str | None:
        """Return a person's role, None if they do not belong to the organization."""
        return next((member.role for member in self.members if member.user_id == user_id), None)


@dataclass(frozen=True, slots=True)
class OrganizationTable:
    """The table of organizations: keys `pk` and `sk`, TTL on `expires_at` (invitations)."""

    store: Store
    table: str

    # Reading

    def find(self, organization_id: str) -> Organization | None:
        """Return the organization, None if there is none."""
        return from_item(Organization, self.store.get(self._key(organization_id, _ORGANIZATION)))

    def find_membership(self, organization_id: str, user_id: str) -> Membership | None:
        """Return a person's membership, None if they do not belong to the organization."""
        return _membership(organization_id, user_id, self.store.get(self._member_key(organization_id, user_id)))

    def find_all(self, organization_ids: Iterable[str], user_id: str) -> tuple[tuple[Organization, Membership], ...]:
        """Return which of at most 50 organizations a person belongs to, with the memberships. One call."""
        ids = tuple(organization_ids)
        if not ids:
            return ()
        keys = [key for each in ids for key in (self._key(each, _ORGANIZATION), self._member_key(each, user_id))]
        items = self.store.get_all(*keys)
        found = []
        for each, organization_item, member_item in zip(ids, items[::2], items[1::2], strict=True):
            organization = from_item(Organization, organization_item)
            membership = _membership(each, user_id, member_item)
            if organization is not None and membership is not None:
                found.append((organization, membership))
        return tuple(found)

    def find_invitation(
        self, organization_id: str, invitation_id: str
    ) -> tuple[Organization | None, Invitation | None]:
        """Return an organization and an invitation to it, None for the one that does not exist. One call."""
        organization, invitation = self.store.get_all(
            self._key(organization_id, _ORGANIZATION), self._invitation_key(organization_id, invitation_id)
        )
        return from_item(Organization, organization), from_item(Invitation, invitation)

    def default_role(self, user: User) -> str | None:
        """Return an account's role in its default organization, None if it has none or is no longer a member."""
        if user.organization_id is None:
            return None
        membership = self.find_membership(user.organization_id, user.user_id)
        return None if membership is None else membership.role

    def read_whole(self, organization_id: str) -> Whole | None:
        """Return an organization with all its members and invitations, None if there is none; one call a megabyte.

        Damaged members are listed with an empty role, so an organization is never reported empty by mistake (F45).
        """
        partition = self._key(organization_id, _ORGANIZATION).pk
        items = {str(item["sk"]): item for item in query_all(self.store, Query(table=self.table, pk=partition))}
        organization = from_item(Organization, items.get(_ORGANIZATION))
        if organization is None:
            return None
        invitations = (from_item(Invitation, item) for sk, item in items.items() if sk.startswith(_INVITATION))
        return Whole(
            organization=organization,
            members=tuple(_member(item) for sk, item in items.items() if sk.startswith(_MEMBER)),
            invitations=tuple(invitation for invitation in invitations if invitation is not None),
        )

    def list_members(
        self, organization_id: str, *, limit: int, after: str | None
    ) -> tuple[tuple[Membership, ...], str | None]:
        """Return a page of memberships by the members' ids, and the id that the next page follows; None: no more."""
        partition = self._key(organization_id, _MEMBER).pk
        start = None if after is None else self._member_key(organization_id, after).attributes
        page = self.store.query(Query(table=self.table, pk=partition, prefix=_MEMBER, limit=limit, after=start))
        found = (_membership(organization_id, _user_id(item), item) for item in page.items)
        following = None if page.cursor is None else _user_id(page.cursor)
        return tuple(membership for membership in found if membership is not None), following

    # Writing

    def creation(self, organization: Organization, owner: Membership) -> tuple[Put, Put]:
        """Return the actions that write a new organization with its first member."""
        key = self._key(organization.organization_id, _ORGANIZATION)
        return Put(key, to_item(organization), (Absent("pk"),)), self.joining(owner)

    def changing(self, organization: Organization, changes: Mapping[str, Change] | None = None) -> Update:
        """Return the action that changes an organization as it was read, and raises its revision.

        It fails if the revision has changed since: then a member, an invitation or a role is not as it was read.
        """
        key = self._key(organization.organization_id, _ORGANIZATION)
        return Update(key, {"revision": Plus(1), **(changes or {})}, _unchanged(organization))

    def deletion(self, organization: Organization) -> Delete:
        """Return the action that deletes an organization's own item. It fails if its revision has changed since."""
        return Delete(self._key(organization.organization_id, _ORGANIZATION), _unchanged(organization))

    def revising(self, organization_id: str) -> Update:
        """Return the action that raises an organization's revision, whatever it is. It fails if there is none."""
        return Update(self._key(organization_id, _ORGANIZATION), {"revision": Plus(1)}, (Present("pk"),))

    def joining(self, membership: Membership) -> Put:
        """Return the action that writes a membership. It fails if the person belongs to the organization already."""
        key = self._member_key(membership.organization_id, membership.user_id)
        return Put(key, to_item(membership), (Absent("pk"),))

    def role_change(self, organization_id: str, user_id: str, role: str) -> Update:
        """Return the action that gives a member a role. It fails if they do not belong to the organization."""
        return Update(self._member_key(organization_id, user_id), {"role": role}, (Present("pk"),))

    def membership_deletion(self, organization_id: str, user_id: str) -> Delete:
        """Return the action that ends a membership, if there is one."""
        return Delete(self._member_key(organization_id, user_id))

    def invitation_creation(self, invitation: Invitation) -> Put:
        """Return the action that writes a new invitation."""
        key = self._invitation_key(invitation.organization_id, invitation.invitation_id)
        return Put(key, to_item(invitation), (Absent("pk"),))

    def invitation_deletion(self, invitation: Invitation) -> Delete:
        """Return the action that deletes an invitation, if it is there."""
        return Delete(self._invitation_key(invitation.organization_id, invitation.invitation_id))

    def spending(self, invitation: Invitation, at: datetime) -> Delete:
        """Return the action that spends an invitation. It fails if it was accepted or revoked, or has expired."""
        key = self._invitation_key(invitation.organization_id, invitation.invitation_id)
        return Delete(key, (Equal("email", invitation.email), Greater("expires_at", to_epoch(at))))

    def _member_key(self, organization_id: str, user_id: str) -> Key:
        return self._key(organization_id, f"{_MEMBER}{user_id}")

    def _invitation_key(self, organization_id: str, invitation_id: str) -> Key:
        return self._key(organization_id, f"{_INVITATION}{invitation_id}")

    def _key(self, organization_id: str, sort_key: str) -> Key:
        return Key(self.table, f"ORG#{organization_id}", sort_key)


def _unchanged(organization: Organization) -> tuple[Condition, ...]:
    same = Equal("revision", organization.revision)
    return (Present("pk"), same if organization.revision else AnyOf((same, Absent("revision"))))


def _membership(organization_id: str, user_id: str, item: Item | None) -> Membership | None:
    """Return the membership of an item. A product's own functions may write items, too, so the key decides."""
    if item is None:
        return None
    return from_item(Membership, {**item, "organization_id": organization_id, "user_id": user_id})


def _member(item: Item) -> Member:
    return Member(user_id=_user_id(item), role=str(item.get("role", "")))


def _user_id(item: Item) -> str:
    return str(item["sk"]).removeprefix(_MEMBER)
