"""The answers of BotLaunch's API about organizations, members and invitations. Times are RFC 3339."""

from typing import TYPE_CHECKING, NotRequired, TypedDict

from gerbang.core.clock import rfc3339
from gerbang.core.identifiers import USER, botlaunch_id, read_public_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gerbang.accounts.members import MemberPage
    from gerbang.storage.organizations import Invitation, Membership, Organization


class OrganizationData(TypedDict):
    """An organization and the caller's role in it."""

    id: str
    name: str
    role: str
    createdAt: str


class OrganizationResponse(TypedDict):
    """An organization and what was done."""

    data: OrganizationData
    message: str


class OrganizationsResponse(TypedDict):
    """The organizations of the caller and what was done."""

    data: list[OrganizationData]
    message: str


class MemberData(TypedDict):
    """A member of an organization."""

    userId: str
    name: str
    email: str
    role: str
    joinedAt: str


class MembersResponse(TypedDict):
    """Members of an organization and what was done; `next` is the `after` of the next page, if there is one."""

    data: list[MemberData]
    message: str
    next: NotRequired[str]


class InvitationData(TypedDict):
    """An open invitation. Its token is in the mail only."""

    id: str
    email: str
    role: str
    invitedBy: str
    createdAt: str
    expiresAt: str


class InvitationResponse(TypedDict):
    """An invitation and what was done."""

    data: InvitationData
    message: str


class InvitationsResponse(TypedDict):
    """The open invitations of an organization, the newest first, and what was done."""

    data: list[InvitationData]
    message: str


def organization(found: "Organization", role: str, message: str = "Organization found") -> OrganizationResponse:
    """Return the answer with an organization and the caller's role in it."""
    return OrganizationResponse(data=_organization(found, role), message=message)


def organizations(found: "Iterable[tuple[Organization, Membership]]") -> OrganizationsResponse:
    """Return the answer with the caller's organizations."""
    data = [_organization(each, membership.role) for each, membership in found]
    return OrganizationsResponse(data=data, message="Organizations found")


def members(page: "MemberPage") -> MembersResponse:
    """Return the answer with a page of members."""
    data = [
        MemberData(
            userId=botlaunch_id(member.user_id),
            name=member.name,
            email=member.email or "",
            role=member.role,
            joinedAt=rfc3339(member.since),
        )
        for member in page.members
    ]
    answer = MembersResponse(data=data, message="Members found")
    if page.following is not None:
        answer["next"] = botlaunch_id(page.following)
    return answer


def invitation(created: "Invitation") -> InvitationResponse:
    """Return the answer with an invitation that was made."""
    return InvitationResponse(data=_invitation(created), message="Invitation sent")


def invitations(found: "Iterable[Invitation]") -> InvitationsResponse:
    """Return the answer with open invitations."""
    return InvitationsResponse(data=[_invitation(each) for each in found], message="Invitations found")


def user_id_in(text: str) -> str | None:
    """Return the id of the account that a `usr_…` id names, None if it is not one."""
    try:
        return str(read_public_id(USER, text))
    except ValueError:
        return None


def _organization(found: "Organization", role: str) -> OrganizationData:
    return OrganizationData(id=found.organization_id, name=found.name, role=role, createdAt=rfc3339(found.created_at))


def _invitation(found: "Invitation") -> InvitationData:
    return InvitationData(
        id=found.invitation_id,
        email=found.email_as_typed,
        role=found.role,
        invitedBy=botlaunch_id(found.invited_by),
        createdAt=rfc3339(found.created_at),
        expiresAt=rfc3339(found.expires_at),
    )
