"""Roles in an organization, and who may do what (ASVS 8.1.1). The table is in docs/organizations.md."""

from collections.abc import Mapping
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError


class Role(StrEnum):
    """The role of a person in an organization."""

    CLIENT_OWNER = "CLIENT_OWNER"
    CLIENT_ADMIN = "CLIENT_ADMIN"
    CLIENT_MEMBER = "CLIENT_MEMBER"


class Permission(Enum):
    """What a role may allow. Every member may see the organization and its members, and leave it."""

    RENAME = "rename the organization"
    DELETE = "delete the organization"
    MANAGE = "invite, list and revoke invitations, change roles, remove members"


class InsufficientRole(AuthError):
    """The caller belongs to the organization, and their role does not allow this."""

    code = "insufficient_role"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What a role allows."""

    permissions: frozenset[Permission]
    manages: frozenset[str] | None
    """The roles that it may give, take away and invite to, and whose members it may remove. None: every role, including
    those that a product has defined itself."""

    def demand(self, permission: Permission, *roles: str) -> None:
        """Check that the role has a permission, for members with these roles.

        Raises:
            InsufficientRole: it is not.
        """
        manages_all = self.manages is None or self.manages.issuperset(roles)
        if permission not in self.permissions or not manages_all:
            raise InsufficientRole(permission.name)


_NO_RIGHTS: Final = Rights(permissions=frozenset(), manages=frozenset())

RIGHTS: Final[Mapping[str, Rights]] = MappingProxyType(
    {
        Role.CLIENT_OWNER: Rights(permissions=frozenset(Permission), manages=None),
        Role.CLIENT_ADMIN: Rights(
            permissions=frozenset({Permission.RENAME, Permission.MANAGE}),
            manages=frozenset({Role.CLIENT_ADMIN, Role.CLIENT_MEMBER}),
        ),
        Role.CLIENT_MEMBER: _NO_RIGHTS,
    }
)
"""No role may give, take away or remove a higher one."""


def rights_of(role: str) -> Rights:
    """Return what a role allows. A role that a product has defined itself allows nothing."""
    return RIGHTS.get(role, _NO_RIGHTS)
