"""The error responses of Supabase Auth's API."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from http import HTTPStatus
from typing import Any, Final, NotRequired, TypedDict

from gerbang.apis.errors import COMMON
from gerbang.core.log import request_id
from gerbang.http.errors import Api, ErrorSpec, ErrorSpecs, Problem
from gerbang.http.request import Request

VERSION_HEADER: Final = "x-supabase-api-version"

VERSION: Final = date(2024, 1, 1)
"""From this version of the API on, an error's `code` is its name instead of its status."""

_UNPROCESSABLE: Final = HTTPStatus.UNPROCESSABLE_ENTITY

_ERROR_CODES: Final = {
    "unsupported_media_type": "bad_json",
    "method_not_allowed": "validation_failed",
    "not_found": "validation_failed",
    "unsupported_grant_type": "validation_failed",
    "email_address_invalid": "validation_failed",
    "address_required": "validation_failed",
    "address_not_confirmed": "validation_failed",
    "invalid_api_key": "no_authorization",
    "token_expired": "bad_jwt",
    "invalid_code": "otp_expired",
    "user_disabled": "user_banned",
    "refresh_token_reused": "refresh_token_already_used",
    "no_such_session": "session_not_found",
    "registered_account_required": "not_admin",
    "account_changed": "conflict",
    "mfa_registered_account_required": "no_authorization",
    "mfa_challenge_not_found": "mfa_factor_not_found",
    "mfa_factor_required": "mfa_factor_not_found",
    "invalid_mfa_token": "bad_jwt",
    "service_unavailable": "request_timeout",
}
"""GoTrue's names for errors that have another code here."""

_ERRORS: Final[ErrorSpecs] = {
    **COMMON,
    # Apps look for some of these phrases: "invalid JWT" in front, "Invalid login credentials", "expired or is invalid".
    "email_address_invalid": ErrorSpec(
        HTTPStatus.BAD_REQUEST, "Unable to validate email address: it is not a valid one."
    ),
    "weak_password": ErrorSpec(_UNPROCESSABLE, "The password is not acceptable. Choose another one."),
    "bad_jwt": ErrorSpec(HTTPStatus.FORBIDDEN, "invalid JWT: the access token is not valid. Sign in again."),
    "token_expired": ErrorSpec(HTTPStatus.FORBIDDEN, "invalid JWT: the access token has expired. Refresh it."),
    "session_not_found": ErrorSpec(HTTPStatus.FORBIDDEN, "The session has ended. Sign in again."),
    "refresh_token_reused": ErrorSpec(HTTPStatus.FORBIDDEN, "The session has ended. Sign in again."),
    "user_not_found": ErrorSpec(HTTPStatus.FORBIDDEN, "The user of this token does not exist any more."),
    "user_disabled": ErrorSpec(HTTPStatus.FORBIDDEN, "This account is disabled."),
    "invalid_credentials": ErrorSpec(HTTPStatus.BAD_REQUEST, "Invalid login credentials."),
    "email_not_confirmed": ErrorSpec(
        HTTPStatus.BAD_REQUEST, "Email not confirmed. Enter the code that was mailed to it."
    ),
    "invalid_code": ErrorSpec(HTTPStatus.FORBIDDEN, "The code has expired or is invalid. Request a new one."),
    "email_exists": ErrorSpec(_UNPROCESSABLE, "This email address is already registered to another user."),
    "signup_disabled": ErrorSpec(_UNPROCESSABLE, COMMON["signup_disabled"].message),
    "anonymous_provider_disabled": ErrorSpec(_UNPROCESSABLE, COMMON["anonymous_provider_disabled"].message),
    "mfa_verification_failed": ErrorSpec(
        _UNPROCESSABLE, "Invalid TOTP code entered, or it was used. Wait for the next one of your app."
    ),
    "over_email_send_rate_limit": ErrorSpec(HTTPStatus.TOO_MANY_REQUESTS, "A mail was sent to this address lately."),
}

REFRESH_ERRORS: Final = {
    "bad_jwt": ErrorSpec(HTTPStatus.BAD_REQUEST, "Invalid Refresh Token: it is not one of ours. Sign in again."),
    "session_not_found": ErrorSpec(HTTPStatus.BAD_REQUEST, "Invalid Refresh Token: the session has ended."),
    "refresh_token_reused": ErrorSpec(HTTPStatus.BAD_REQUEST, "Invalid Refresh Token: the session has ended."),
    "email_not_confirmed": COMMON["email_not_confirmed"],
    "user_disabled": ErrorSpec(HTTPStatus.BAD_REQUEST, "Invalid Refresh Token: the account is disabled."),
}
"""Where a refresh token is exchanged, an invalid token is a 400: no caller failed to authenticate."""

VERIFY_ERRORS: Final = {"email_address_invalid": replace(_ERRORS["email_address_invalid"], status=_UNPROCESSABLE)}
"""Where a code is redeemed, an invalid address is a 422, as at Supabase Auth."""

PHONE_IS_A_BAD_REQUEST: Final = {
    "phone_provider_disabled": ErrorSpec(HTTPStatus.BAD_REQUEST, COMMON["phone_provider_disabled"].message)
}
"""At sign-up, a provider that is off is a 400; elsewhere a 422."""

ID_TOKEN_ERRORS: Final = {
    "invalid_id_token": ErrorSpec(
        HTTPStatus.BAD_REQUEST, "The ID token is not valid for this app, or the nonce does not match."
    ),
    "identity_already_exists": ErrorSpec(
        _UNPROCESSABLE, "This email address belongs to an account with another identity of the provider."
    ),
}
"""Where an ID token is exchanged, an invalid one is a 400."""

ADMIN_ERRORS: Final = {
    "user_not_found": ErrorSpec(HTTPStatus.NOT_FOUND, "No user has this id."),
    "user_already_exists": ErrorSpec(_UNPROCESSABLE, "Another user has this id."),
}
"""Where an administrator names a user, one that does not exist is a 404."""

USER_ERRORS: Final = {"insufficient_aal": replace(COMMON["insufficient_aal"], status=HTTPStatus.UNAUTHORIZED)}
"""Where a user changes the account, a session without the second factor is a 401."""

LINKING_ERRORS: Final = {
    **ID_TOKEN_ERRORS,
    **USER_ERRORS,
    "identity_already_exists": ErrorSpec(
        _UNPROCESSABLE, "This identity is linked to another account, or yours has another one of the provider."
    ),
    "email_not_confirmed": ErrorSpec(
        _UNPROCESSABLE, "Email not confirmed. Enter the code that was mailed to it before you link an identity."
    ),
}
"""Where an identity is linked to the caller's account."""

UNLINKING_ERRORS: Final = {
    **USER_ERRORS,
    "validation_failed": ErrorSpec(HTTPStatus.NOT_FOUND, "The identity's id is not a UUID. Send its identity_id."),
}
"""Where an identity is unlinked, an id that cannot be one is a 404."""

REAUTHENTICATION_ERRORS: Final = {
    "email_not_confirmed": ErrorSpec(_UNPROCESSABLE, "Email not confirmed. Enter the code that was mailed to it.")
}
"""Where a code is mailed to a signed-in user, an address that is not verified is a 422."""

UNENROLMENT_ERRORS: Final = {"insufficient_aal": replace(COMMON["insufficient_aal"], status=_UNPROCESSABLE)}
"""Where a factor is removed, a session without the second factor is a 422."""

PASSWORD_ERRORS: Final = {"user_banned": ErrorSpec(HTTPStatus.BAD_REQUEST, COMMON["user_banned"].message)}
"""Where a password is exchanged, a disabled account is a 400."""

_REFRESH_ERROR_CODES: Final = {"bad_jwt": "refresh_token_not_found", "session_not_found": "refresh_token_not_found"}

_REASONS: Final = {"length": "length", "characters": "characters", "common": "pwned", "personal": "characters"}
"""GoTrue's names for the rules of passwords (`gerbang.passwords.policy`)."""


class WeakPassword(TypedDict):
    """Which rules a password breaks."""

    reasons: list[str]


class ErrorResponse(TypedDict):
    """What is wrong. From version 2024-01-01 on, `code` is the name that `error_code` is."""

    code: int | str
    error_code: str
    msg: str
    message: NotRequired[str]
    weak_password: NotRequired[WeakPassword]
    error_id: NotRequired[str]


class OAuthErrorResponse(TypedDict):
    """An ID token that is not valid (RFC 6749, section 5.2)."""

    error: str
    error_description: str


def error_code(problem: Problem) -> str:
    """Return GoTrue's `error_code` for an error."""
    if problem.status is HTTPStatus.BAD_REQUEST and problem.code in _REFRESH_ERROR_CODES:
        return _REFRESH_ERROR_CODES[problem.code]
    return _ERROR_CODES.get(problem.code, problem.code)


def envelope(problem: Problem, request: Request) -> Mapping[str, Any]:
    """Return the body of an error response, in the version that the request asks for.

    Both versions have the members that clients of either version read.
    """
    code, message = error_code(problem), _message(problem)
    if problem.code == "invalid_id_token":  # in OAuth's format, without a code (RFC 6749, section 5.2)
        return {"error": "invalid request", "error_description": message}
    body: dict[str, Any] = {"code": problem.status.value, "error_code": code, "msg": message}
    if _names_codes(request):
        body |= {"code": code, "message": message}
    if problem.rule is not None:
        body["weak_password"] = {"reasons": [_REASONS[problem.rule]]}
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        body["error_id"] = request_id.get()
    return body


def headers(problem: Problem, request: Request) -> Mapping[str, str]:
    """Return the headers of an error response that Supabase's clients read."""
    code = {"x-sb-error-code": error_code(problem)}
    return {**code, VERSION_HEADER: VERSION.isoformat()} if _names_codes(request) else code


def _names_codes(request: Request) -> bool:
    """Return whether a request asks for the version in which an error's `code` is its name."""
    try:
        return date.fromisoformat(request.headers.get(VERSION_HEADER, "")) >= VERSION
    except ValueError:
        return False


def _message(problem: Problem) -> str:
    if problem.code == "over_email_send_rate_limit":
        return f"{problem.message} Ask for another one after {problem.headers['retry-after']} seconds."
    if problem.code == "weak_password":
        return "; ".join(error.message for error in problem.field_errors) or problem.message
    if problem.code == "validation_failed" and problem.field_errors:
        fields = "; ".join(f"{error.field}: {error.message}" for error in problem.field_errors)
        return f"{problem.message.removesuffix('.')}: {fields}"
    return problem.message


API: Final = Api(
    name="Supabase Auth",
    errors=_ERRORS,
    envelope=envelope,
    error_response=ErrorResponse | OAuthErrorResponse,
    headers=headers,
)
