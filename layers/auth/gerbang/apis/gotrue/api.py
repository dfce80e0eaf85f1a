"""How Supabase Auth's API words errors."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from gerbang.apis.errors import COMMON
from gerbang.http.errors import Api, ErrorSpec, Problem
from gerbang.http.request import Request

_ERROR_CODES: Final = {
    "unsupported_media_type": "bad_json",
    "method_not_allowed": "validation_failed",
    "not_found": "validation_failed",
    "unsupported_grant_type": "validation_failed",
    "email_address_invalid": "validation_failed",
    "invalid_api_key": "no_authorization",
    "token_expired": "bad_jwt",
    "refresh_token_reused": "refresh_token_already_used",
    "registered_account_required": "not_admin",
    "service_unavailable": "request_timeout",
}
"""GoTrue's names for errors that have another code here."""

REFRESH_ERRORS: Final = {
    code: ErrorSpec(HTTPStatus.BAD_REQUEST, COMMON[code].message)
    for code in ("bad_jwt", "session_not_found", "refresh_token_reused")
}
"""Where a refresh token is traded, a token that is worth nothing is a 400: no caller failed to authenticate."""

_REFRESH_ERROR_CODES: Final = {"bad_jwt": "refresh_token_not_found", "session_not_found": "refresh_token_not_found"}


def error_code(problem: Problem) -> str:
    """Return GoTrue's `error_code` for an error."""
    if problem.status is HTTPStatus.BAD_REQUEST and problem.code in _REFRESH_ERROR_CODES:
        return _REFRESH_ERROR_CODES[problem.code]
    return _ERROR_CODES.get(problem.code, problem.code)


def envelope(problem: Problem, _request: Request) -> Mapping[str, Any]:
    """Return the body that tells Supabase's clients of an error.

    A number as `code` next to `error_code` and `msg` is what all of them read right, whatever version of the API they
    ask for (`x-supabase-api-version`).
    """
    return {"code": problem.status.value, "error_code": error_code(problem), "msg": problem.message}


def headers(problem: Problem, _request: Request) -> Mapping[str, str]:
    """Return the headers that tell Supabase's clients of an error."""
    return {"x-sb-error-code": error_code(problem)}


API: Final = Api(name="Supabase Auth", errors=COMMON, envelope=envelope, headers=headers)
