"""BotLaunch: camelCase, `{data, message}`; errors `{statusCode, error, message, details?}`."""

from typing import TYPE_CHECKING, Any, Final

from pydantic import Field

from gerbang.apis.fields import Body, Name, Typed, instant
from gerbang.apis.refusals import problem_of
from gerbang.core.emails import canonical
from gerbang.core.identifiers import botlaunch_id
from gerbang.http import edge
from gerbang.storage.users import Name as UniqueName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gerbang.accounts.registration import NewAccount, Registered
    from gerbang.accounts.sign_in import Credentials
    from gerbang.passwords.policy import Requirement
    from gerbang.sessions.sessions import SignedIn
    from gerbang.storage.organizations import Organization

NO_ROLE: Final = "CLIENT_USER"
"""The role of a person who belongs to no organisation, such as one who registered through another API."""


class LoginRequest(Body):
    """`POST /api/auth/login`."""

    email: Typed
    password: Typed


class RegisterRequest(Body):
    """`POST /api/auth/register`."""

    email: Typed
    password: Typed
    name: Name
    organization_name: Name | None = Field(default=None, alias="organizationName")


class RefreshRequest(Body):
    """`POST /api/auth/refresh`."""

    refresh_token: Typed = Field(alias="refreshToken")


def render(error: Exception, request: edge.Request) -> edge.Response:
    """Word a refusal for BotLaunch's clients."""
    problem = problem_of(error, request)
    body: dict[str, Any] = {
        "statusCode": problem.status,
        "error": problem.wording.title,
        "message": problem.message,
    }
    if problem.details:
        body["details"] = [{"field": detail.field, "message": detail.message} for detail in problem.details]
    return edge.Response(problem.status, body, problem.headers)


get = edge.endpoint("GET", render)
"""Makes a handler of GET in this contract."""

post = edge.endpoint("POST", render)
"""Makes a handler of POST in this contract."""


def credentials(request: edge.Request) -> "Credentials":
    """Return what a sign-in shows."""
    from gerbang.accounts.sign_in import Credentials

    body = request.parse(LoginRequest)
    return Credentials(name=UniqueName.EMAIL, value=canonical(body.email), password=body.password)


def password_requirements() -> "Sequence[Requirement]":
    """Return what the contract asks of a password beyond its length."""
    from gerbang.passwords.policy import ONE_DIGIT, ONE_UPPER_CASE_LETTER

    return ONE_UPPER_CASE_LETTER, ONE_DIGIT


def new_account(request: edge.Request) -> "NewAccount":
    """Return the account that a registration asks for: it founds an organisation, named after the person if unnamed."""
    from gerbang.accounts.registration import NewAccount
    from gerbang.apis.languages import locale_of

    body = request.parse(RegisterRequest)
    return NewAccount(
        email=body.email,
        password=body.password,
        name=body.name,
        founds=body.organization_name or body.name,
        locale=locale_of(request),
    )


def signed_in(session: "SignedIn") -> edge.Response:
    """Return 200 with a session."""
    return edge.ok({"data": _session(session), "message": "Login successful"})


def registered(made: "Registered") -> edge.Response:
    """Return 201 with the new account's first session and its organisation."""
    data = _session(made.signed_in)
    if made.organization is not None:
        data["organization"] = {"id": made.organization.organization_id, "name": made.organization.name}
    return edge.created({"data": data, "message": "Registration successful"})


def refresh_token_of(request: edge.Request) -> str:
    """Return the refresh token that a request wants to trade."""
    return request.parse(RefreshRequest).refresh_token


def refreshed(session: "SignedIn") -> edge.Response:
    """Return 200 with the next session."""
    return edge.ok({"data": _session(session), "message": "Token refreshed"})


def signed_out() -> edge.Response:
    """Return 200: the session is gone."""
    return edge.ok({"message": "Logout successful"})


def organization(found: "Organization", role: str) -> edge.Response:
    """Return 200 with an organisation and what the caller is in it."""
    data = {
        "id": found.organization_id,
        "name": found.name,
        "role": role,
        "createdAt": instant(found.created_at),
    }
    return edge.ok({"data": data, "message": "Organization found"})


def _session(session: "SignedIn") -> dict[str, Any]:
    return {
        "accessToken": session.tokens.access_token,
        "refreshToken": session.tokens.refresh_token,
        "expiresIn": int(session.tokens.expires_in.total_seconds()),
        "user": _user(session),
    }


def _user(session: "SignedIn") -> dict[str, Any]:
    user = session.user
    shown: dict[str, Any] = {
        "id": botlaunch_id(user.user_id),
        "email": user.email or "",
        "role": session.role or NO_ROLE,
        "name": user.name,
    }
    if user.organization_id is not None:
        shown["organizationId"] = user.organization_id
    return shown
