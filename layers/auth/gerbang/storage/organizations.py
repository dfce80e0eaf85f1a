"""Organisations and who belongs to them: one partition an organisation, its record and a membership a person."""

from dataclasses import dataclass
from datetime import datetime

from gerbang.core.clock import from_epoch, to_epoch
from gerbang.storage.store import Absent, Delete, Key, Put, Store

MEMBER = "MEMBER#"
"""How the sort key of a membership begins; the person's id follows."""

_RECORD = "ORGANIZATION"


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


@dataclass(frozen=True, slots=True)
class OrganizationTable:
    """The table of organisations: partition key `pk` = the organisation's id, sort key `sk` = what of it."""

    store: Store
    table: str

    def find(self, organization_id: str) -> Organization | None:
        """Return the organisation, None if there is none."""
        item = self.store.get(Key(self.table, organization_id, _RECORD))
        if item is None:
            return None
        return Organization(
            organization_id=str(item["pk"]),
            name=str(item["name"]),
            created_at=from_epoch(int(item["created_at"])),
        )

    def find_membership(self, organization_id: str, user_id: str) -> Membership | None:
        """Return a person's membership, None if they do not belong to the organisation."""
        item = self.store.get(self._membership_key(organization_id, user_id))
        if item is None:
            return None
        return Membership(
            organization_id=organization_id,
            user_id=user_id,
            role=str(item["role"]),
            since=from_epoch(int(item["since"])),
        )

    def creation(self, organization: Organization, owner: Membership) -> tuple[Put, Put]:
        """Return the actions that write a new organisation with its first member."""
        return (
            Put(
                Key(self.table, organization.organization_id, _RECORD),
                {"name": organization.name, "created_at": to_epoch(organization.created_at)},
                (Absent("pk"),),
            ),
            Put(
                self._membership_key(owner.organization_id, owner.user_id),
                {"role": owner.role, "since": to_epoch(owner.since)},
                (Absent("pk"),),
            ),
        )

    def membership_deletion(self, organization_id: str, user_id: str) -> Delete:
        """Return the action that ends a membership, if there is one."""
        return Delete(self._membership_key(organization_id, user_id))

    def organization_deletion(self, organization_id: str) -> Delete:
        """Return the action that removes an organisation's record; its members leave by `leaving`."""
        return Delete(Key(self.table, organization_id, _RECORD))

    def _membership_key(self, organization_id: str, user_id: str) -> Key:
        return Key(self.table, organization_id, f"{MEMBER}{user_id}")
