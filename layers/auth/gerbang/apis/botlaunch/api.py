"""The error responses of BotLaunch's API."""

from collections.abc import Mapping
from typing import Any, Final, NotRequired, TypedDict

from gerbang.apis.errors import COMMON
from gerbang.http.errors import Api, Problem
from gerbang.http.request import Request

_TITLES: Final = {
    "invalid_credentials": "Invalid Credentials",
    "account_changed": "Invalid Credentials",
    "current_password_invalid": "Invalid Credentials",
    "invalid_code": "Invalid Code",
    "invalid_reset_token": "Invalid Token",
    "mfa_verification_failed": "Invalid Code",
    "second_factor_required": "Second Factor Required",
    "invalid_invitation": "Invalid Invitation",
    "token_expired": "Token Expired",
    "bad_json": "Validation Error",
    "validation_failed": "Validation Error",
    "email_address_invalid": "Validation Error",
    "weak_password": "Validation Error",
}
"""The member `error` by the error's code; for other errors it is the status's phrase."""


class InvalidField(TypedDict):
    """A field of the request, and what is wrong with it."""

    field: str
    message: str


class ErrorResponse(TypedDict):
    """What is wrong; `details` names the fields that are."""

    statusCode: int
    error: str
    message: str
    details: NotRequired[list[InvalidField]]


def envelope(problem: Problem, _request: Request) -> Mapping[str, Any]:
    """Return the body of an error response."""
    body: dict[str, Any] = {
        "statusCode": problem.status.value,
        "error": _TITLES.get(problem.code, problem.status.phrase),
        "message": problem.message,
    }
    if problem.field_errors:
        body["details"] = [{"field": error.field, "message": error.message} for error in problem.field_errors]
    if problem.mfa_token is not None:
        body |= {"code": problem.code, "mfaToken": problem.mfa_token}
    return body


API: Final = Api(name="BotLaunch", errors=COMMON, envelope=envelope, error_response=ErrorResponse)
