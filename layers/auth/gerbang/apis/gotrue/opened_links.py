"""The answer to a browser that opened a mailed link: a redirect to the app, with a session, a code or an error."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from gerbang.accounts.email_change import HalfConfirmed
from gerbang.accounts.link_sign_in import LinkSignIn
from gerbang.accounts.pkce import AuthorizationCode
from gerbang.apis.gotrue.api import API, error_code
from gerbang.apis.gotrue.links import Links
from gerbang.apis.gotrue.requests import SLOTS
from gerbang.apis.gotrue.responses import half_confirmed
from gerbang.core.client import Client
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError, DependencyUnavailable, FieldError
from gerbang.http.endpoint import log_error
from gerbang.http.errors import problem_of
from gerbang.http.request import InvalidFields, Request
from gerbang.http.response import Response, redirect
from gerbang.mail.link_tokens import PKCE_PREFIX
from gerbang.sessions.sessions import SignedIn

_MARKER: Final = {"sb": ""}
"""In every fragment. By it, clients see that the fragment is not the app's own."""

_ERRORS: Final = {HTTPStatus.BAD_REQUEST: "invalid_request", HTTPStatus.UNAUTHORIZED: "unauthorized_client"}
"""The `error` of a status in OAuth's terms (RFC 6749, section 4.1.2.1); `access_denied` for other statuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLink:
    """A link that was opened."""

    token: str
    link_type: str
    target: str
    """Where the browser is sent."""

    @classmethod
    def read(cls, members: Mapping[str, str], links: Links, request: Request) -> "OpenedLink":
        """Return the link whose parameters are in a query or in a form.

        Raises:
            InvalidFields: the token or the type is missing, or there is no such type.
        """
        token, link_type = members.get("token", ""), members.get("type", "")
        missing = [FieldError(name, "Field required") for name in ("token", "type") if not members.get(name)]
        if missing or link_type not in SLOTS:
            raise InvalidFields(tuple(missing) or (FieldError("type", "Unknown type"),))
        target = links.target(request, members.get("redirect_to"))
        return cls(token=token, link_type=link_type, target=target)

    @property
    def uses_pkce(self) -> bool:
        """Whether the client exchanges an authorization code."""
        return self.token.startswith(PKCE_PREFIX)

    def follow(self, link_sign_in: LinkSignIn, request: Request, client: Client) -> Response:
        """Redeem the link, and return the redirect that brings the result to the app."""
        try:
            outcome = link_sign_in.follow(self.token, client, slots=SLOTS[self.link_type])
        except (AuthError, DependencyUnavailable) as error:
            return self._failed(error, request)
        match outcome:
            case SignedIn():
                return redirect(_with_fragment(self.target, _members_of(outcome) | {"type": self.link_type} | _MARKER))
            case AuthorizationCode():
                return redirect(_with_query(self.target, {"code": outcome.code}))
            case HalfConfirmed():
                return redirect(self._with_message({"message": half_confirmed()["msg"]}))

    def _failed(self, error: Exception, request: Request) -> Response:
        problem = problem_of(error, API.errors)
        log_error(error, request, problem.status)
        is_our_fault = problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        error_members = {
            "error": "server_error" if is_our_fault else _ERRORS.get(problem.status, "access_denied"),
            "error_code": error_code(problem),
            "error_description": problem.message,
        }
        return redirect(self._with_message(error_members))

    def _with_message(self, members: Mapping[str, str]) -> str:
        """Return the target with members that are not secret. Clients that use PKCE read them from the query."""
        target = _with_query(self.target, members) if self.uses_pkce else self.target
        return _with_fragment(target, {**members, **_MARKER})


def _members_of(signed_in: SignedIn) -> dict[str, str]:
    tokens = signed_in.tokens
    return {
        "access_token": tokens.access_token,
        "token_type": "bearer",
        "expires_in": str(int(tokens.expires_in.total_seconds())),
        "expires_at": str(int(tokens.expires_at.timestamp())),
        "refresh_token": tokens.refresh_token,
    }


def _with_fragment(target: str, members: Mapping[str, str]) -> str:
    return f"{target.partition('#')[0]}#{urlencode(members)}"


def _with_query(target: str, members: Mapping[str, str]) -> str:
    """Return a target with members after those that its query has already."""
    address = target.partition("#")[0]
    return f"{address}{'&' if '?' in address else '?'}{urlencode(members)}"
