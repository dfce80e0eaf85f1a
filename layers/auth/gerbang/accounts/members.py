"""The members of an organization, as other members see them."""

from datetime import datetime
from typing import Final

from gerbang.core.dataclass import dataclass
from gerbang.storage.accounts import User
from gerbang.storage.organizations import OrganizationTable
from gerbang.storage.records import from_item
from gerbang.storage.store import Store
from gerbang.storage.users import UserTable

PAGE: Final = 100
"""Members of a page: the most accounts that one call reads (DynamoDB, BatchGetItem)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownMember:
    """A member, with what other members see of the account."""

    user_id: str
    role: str
    since: datetime
    name: str
    email: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPage:
    """A page of members, in the order of their ids."""

    members: tuple[ShownMember, ...]
    following: str | None
    """The id after which the next page begins; None on the last page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Lists members."""

    store: Store
    users: UserTable
    table: OrganizationTable

    def list(self, organization_id: str, after: str | None = None) -> MemberPage:
        """Return a page of an organization's members; *after* is the id that the last page ended with. Two calls."""
        memberships, following = self.table.list_members(organization_id, limit=PAGE, after=after)
        if not memberships:
            return MemberPage(members=(), following=following)
        items = self.store.get_all(*(self.users.key(each.user_id) for each in memberships))
        return MemberPage(
            members=tuple(
                ShownMember(
                    user_id=membership.user_id,
                    role=membership.role,
                    since=membership.since,
                    name=user.name,
                    email=user.email,
                )
                for membership, item in zip(memberships, items, strict=True)
                if (user := from_item(User, item)) is not None
            ),
            following=following,
        )
