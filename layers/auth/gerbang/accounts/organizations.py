"""Organizations, their members and the members' roles."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from gerbang.accounts.roles import Role
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError
from gerbang.core.identifiers import ORGANIZATION, public_id
from gerbang.storage.organizations import Membership, Organization, OrganizationTable
from gerbang.storage.store import Action

_ORGANIZATION_ID: Final = re.compile(r"org_[0-9A-Za-z]{1,40}")


class NotAMember(AuthError):
    """The user does not belong to the organization, or it does not exist. The answer is the same."""

    code = "not_a_member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Founding:
    """A new organization, and the actions that write it, for the transaction that writes its founder's account."""

    organization: Organization
    role: Role
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Organizations:
    """Founds organizations and reads memberships, from the table, at each call (ASVS 8.3.2)."""

    table: OrganizationTable
    new_id: Callable[[], str]

    def found(self, name: str, founder_id: str, *, at: datetime) -> Founding:
        """Return a new organization with its founder as owner. Nothing is written yet."""
        organization_id = public_id(ORGANIZATION, UUID(self.new_id()))
        organization = Organization(organization_id=organization_id, name=name, created_at=at)
        owner = Membership(organization_id=organization_id, user_id=founder_id, role=Role.CLIENT_OWNER, since=at)
        return Founding(
            organization=organization, role=Role.CLIENT_OWNER, actions=self.table.creation(organization, owner)
        )

    def membership(self, organization_id: str, user_id: str) -> Membership:
        """Return a user's membership of an organization. The id comes from the client: its form is checked first.

        Raises:
            NotAMember: they do not belong to it, or it does not exist.
        """
        if not _ORGANIZATION_ID.fullmatch(organization_id):
            raise NotAMember("malformed id")
        membership = self.table.find_membership(organization_id, user_id)
        if membership is None:
            raise NotAMember(organization_id)
        return membership

    def find(self, organization_id: str) -> Organization:
        """Return an organization.

        Raises:
            NotAMember: it does not exist.
        """
        organization = self.table.find(organization_id)
        if organization is None:
            raise NotAMember(organization_id)
        return organization
