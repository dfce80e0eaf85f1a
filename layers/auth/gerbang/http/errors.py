"""Renders errors as responses. Each API has a table of statuses and messages by the error's code."""

from collections.abc import Callable, Mapping
from dataclasses import field
from http import HTTPStatus
from math import ceil
from typing import Any, Final

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError, DependencyUnavailable, FieldError
from gerbang.http.request import MethodNotAllowed, Request
from gerbang.http.response import Response

RETRY_AFTER_SECONDS: Final = 1
"""The wait that a 503 asks for: throttling and conflicts usually end within it, and clients back off themselves."""

UNEXPECTED: Final = "unexpected_failure"
"""The code of an error that we did not expect: a bug. The log has its trace."""


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """The status and message of an error in one API."""

    status: HTTPStatus
    message: str


type ErrorSpecs = Mapping[str, ErrorSpec]
"""Error specs by the error's code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One error, ready to be put into an API's envelope."""

    code: str
    status: HTTPStatus
    message: str
    field_errors: tuple[FieldError, ...] = ()
    rule: str | None = None
    """The rule that a new password breaks (`UnacceptablePassword.rule`)."""
    mfa_token: str | None = field(default=None, repr=False)
    """What a client needs to complete a sign-in (`SecondFactorRequired.mfa_token`)."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One product's API: its name in the documentation, its error messages and the envelope of its errors."""

    name: str
    errors: ErrorSpecs
    envelope: Callable[[Problem, Request], Mapping[str, Any]]
    """Returns the body of an error response."""
    error_response: Any
    """The type of that body, for the documentation: a `TypedDict`, or a union of several."""
    headers: Callable[[Problem, Request], Mapping[str, str]] = lambda _problem, _request: {}
    """Returns the headers of an error response that only this API has."""

    def render(self, error: Exception, request: Request, overrides: ErrorSpecs) -> Response:
        """Return the response for an error. *overrides* are the operation's own specs."""
        problem = problem_of(error, {**self.errors, **overrides})
        headers = {**problem.headers, **self.headers(problem, request)}
        return Response(problem.status, self.envelope(problem, request), headers)


def code_of(error: Exception) -> str:
    """Return the stable code of an error."""
    return error.code if isinstance(error, AuthError | DependencyUnavailable) else UNEXPECTED


def problem_of(error: Exception, specs: ErrorSpecs) -> Problem:
    """Return an error with the status and message that an API has for it."""
    code = code_of(error)
    spec = specs[code]
    return Problem(
        code=code,
        status=spec.status,
        message=spec.message,
        field_errors=error.field_errors if isinstance(error, AuthError) else (),
        rule=getattr(error, "rule", None),
        mfa_token=getattr(error, "mfa_token", None),
        headers=_headers(error, spec.status),
    )


def _headers(error: Exception, status: HTTPStatus) -> dict[str, str]:
    if status is HTTPStatus.UNAUTHORIZED:
        return {"www-authenticate": "Bearer"}
    if isinstance(error, MethodNotAllowed):
        return {"allow": error.allowed}
    if isinstance(error, AuthError) and error.retry_after is not None:
        return {"retry-after": str(max(1, ceil(error.retry_after.total_seconds())))}
    return {"retry-after": str(RETRY_AFTER_SECONDS)} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
