"""The error responses of SnapOTP's API."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, Literal, NotRequired, TypedDict

from gerbang.apis.errors import COMMON
from gerbang.http.errors import Api, ErrorSpec, Problem
from gerbang.http.request import Request


class InvalidField(TypedDict):
    """A field of the request, and what is wrong with it."""

    field: str
    message: str


class ErrorResponse(TypedDict):
    """What is wrong; `errors` names the fields that are."""

    success: Literal[False]
    message: str
    errors: NotRequired[list[InvalidField]]


def envelope(problem: Problem, _request: Request) -> Mapping[str, Any]:
    """Return the body of an error response."""
    body: dict[str, Any] = {"success": False, "message": problem.message}
    if problem.field_errors:
        body["errors"] = [{"field": error.field, "message": error.message} for error in problem.field_errors]
    if problem.mfa_token is not None:
        body |= {"code": problem.code, "mfa_token": problem.mfa_token}
    return body


API: Final = Api(
    name="SnapOTP",
    errors={
        **COMMON,
        "invalid_credentials": ErrorSpec(HTTPStatus.BAD_REQUEST, "Invalid username or password."),
    },
    envelope=envelope,
    error_response=ErrorResponse,
)
