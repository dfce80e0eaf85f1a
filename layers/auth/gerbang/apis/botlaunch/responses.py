"""The answers of BotLaunch's API."""

from typing import TYPE_CHECKING, Final, NotRequired, TypedDict

from gerbang.core.identifiers import botlaunch_id

if TYPE_CHECKING:
    from gerbang.sessions.sessions import SignedIn
    from gerbang.storage.organizations import Organization

NO_ROLE: Final = "CLIENT_USER"
"""The role of an account without an organization, such as one registered through another API."""


class User(TypedDict):
    """An account as BotLaunch's clients read it."""

    id: str
    email: str
    role: str
    name: str
    organizationId: NotRequired[str]


class FoundedOrganization(TypedDict):
    """The organization that a registration made."""

    id: str
    name: str


class Session(TypedDict):
    """A session; `expiresIn` is in seconds."""

    accessToken: str
    refreshToken: str
    expiresIn: int
    user: User
    organization: NotRequired[FoundedOrganization]


class SessionResponse(TypedDict):
    """A session and what was done."""

    data: Session
    message: str


class MessageResponse(TypedDict):
    """What was done."""

    message: str


def session(signed_in: "SignedIn", message: str, founded: "Organization | None" = None) -> SessionResponse:
    """Return the answer with a session, and with the organization that was founded with the account."""
    data = Session(
        accessToken=signed_in.tokens.access_token,
        refreshToken=signed_in.tokens.refresh_token,
        expiresIn=int(signed_in.tokens.expires_in.total_seconds()),
        user=_user(signed_in),
    )
    if founded is not None:
        data["organization"] = FoundedOrganization(id=founded.organization_id, name=founded.name)
    return SessionResponse(data=data, message=message)


def _user(signed_in: "SignedIn") -> User:
    account = signed_in.user
    user = User(
        id=botlaunch_id(account.user_id),
        email=account.email or "",
        role=signed_in.role or NO_ROLE,
        name=account.name,
    )
    if account.organization_id is not None:
        user["organizationId"] = account.organization_id
    return user
