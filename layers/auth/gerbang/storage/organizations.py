"""Organisations and who belongs to them.

| partition key | sort key | holds |
|---|---|---|
| `ORG#<id>` | `ORG` | the organisation |
| `ORG#<id>` | `MEMBER#<user id>` | a membership: the only place that says which role a person has |
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gerbang.storage.accounts import User
from gerbang.storage.records import from_item, to_item
from gerbang.storage.store import Absent, Delete, Key, Put, Query, Store, query_all

_ORGANIZATION: Final = "ORG"
_MEMBER: Final = "MEMBER#"


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """An organisation; `organization_id` is its public id, `org_…`."""

    organization_id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """That a person belongs to an organisation, and as what."""

    organization_id: str
    user_id: str
    role: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A person who belongs to an organisation, and as what."""

    user_id: str
    role: str


@dataclass(frozen=True, slots=True)
class OrganizationTable:
    """The table of organisations: keys `pk` and `sk`."""

    store: Store
    table: str

    def find(self, organization_id: str) -> Organization | None:
        """Return the organisation, None if there is none."""
        return from_item(Organization, self.store.get(self._key(organization_id, _ORGANIZATION)))

    def find_membership(self, organization_id: str, user_id: str) -> Membership | None:
        """Return a person's membership, None if they do not belong to the organisation."""
        item = self.store.get(self._key(organization_id, f"{_MEMBER}{user_id}"))
        if item is None:
            return None
        # A product's own functions write memberships, too: the key is what counts.
        return from_item(Membership, {**item, "organization_id": organization_id, "user_id": user_id})

    def default_role(self, user: User) -> str | None:
        """Return an account's role in its default organisation, None if it has none or is not a member any more."""
        if user.organization_id is None:
            return None
        membership = self.find_membership(user.organization_id, user.user_id)
        return None if membership is None else membership.role

    def members(self, organization_id: str) -> tuple[Member, ...]:
        """Return every member of an organisation; one call a megabyte.

        Damaged members are listed with an empty role, so an organisation is never reported empty by mistake (F45).
        """
        partition = self._key(organization_id, _MEMBER).pk
        items = query_all(self.store, Query(table=self.table, pk=partition, prefix=_MEMBER))
        return tuple(
            Member(user_id=str(item["sk"]).removeprefix(_MEMBER), role=str(item.get("role", ""))) for item in items
        )

    def creation(self, organization: Organization, owner: Membership) -> tuple[Put, Put]:
        """Return the actions that write a new organisation with its first member."""
        organization_id = organization.organization_id
        return (
            Put(self._key(organization_id, _ORGANIZATION), to_item(organization), (Absent("pk"),)),
            Put(self._key(organization_id, f"{_MEMBER}{owner.user_id}"), to_item(owner), (Absent("pk"),)),
        )

    def membership_deletion(self, organization_id: str, user_id: str) -> Delete:
        """Return the action that ends a membership, if there is one."""
        return Delete(self._key(organization_id, f"{_MEMBER}{user_id}"))

    def organization_deletion(self, organization_id: str) -> Delete:
        """Return the action that removes an organisation's record; `membership_deletion` removes its members."""
        return Delete(self._key(organization_id, _ORGANIZATION))

    def _key(self, organization_id: str, sort_key: str) -> Key:
        return Key(self.table, f"ORG#{organization_id}", sort_key)
