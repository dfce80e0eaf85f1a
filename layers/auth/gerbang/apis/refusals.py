"""The one table of refusals: what each is answered with, and what it is called in the log.

Looked up by the refusal's class name along its MRO, so that no endpoint imports the modules whose refusals it cannot
raise. A test asserts that every subclass of `AuthError` is here on purpose and that every name here exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from math import ceil
from types import MappingProxyType
from typing import Final

from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import Severity, log_event
from gerbang.http.edge import FieldError, InvalidFields, MethodNotAllowed, Request

RETRY_AFTER_SECONDS: Final = 1
"""What a 503 asks a client to wait: throttling and conflicts pass within it, and clients back off by themselves."""


@dataclass(frozen=True, slots=True)
class Wording:
    """How a kind of refusal is answered."""

    status: HTTPStatus
    title: str
    """BotLaunch's `error`."""
    message: str
    code: str
    """GoTrue's `error_code`."""
    event: str
    """The log's and the metrics' name for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One refusal, ready to be put into an envelope."""

    wording: Wording
    message: str
    details: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.wording.status.value


def _unauthorized(message: str, code: str, event: str) -> Wording:
    return Wording(HTTPStatus.UNAUTHORIZED, "Unauthorized", message, code, event)


def _invalid(message: str, event: str = "request_refused", code: str = "validation_failed") -> Wording:
    return Wording(HTTPStatus.BAD_REQUEST, "Validation Error", message, code, event)


WORDINGS: Final[Mapping[str, Wording]] = MappingProxyType(
    {
        "gerbang.http.edge.MalformedBody": _invalid("The body must be one JSON object", code="bad_json"),
        "gerbang.http.edge.InvalidFields": _invalid("Some fields are missing or invalid"),
        "gerbang.http.edge.BodyTooLarge": Wording(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "Payload Too Large",
            "The body is larger than 16 KiB",
            "request_entity_too_large",
            "request_refused",
        ),
        "gerbang.http.edge.UnsupportedMediaType": Wording(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "Unsupported Media Type",
            "The body must be sent as application/json, in UTF-8",
            "bad_json",
            "request_refused",
        ),
        "gerbang.http.edge.MethodNotAllowed": Wording(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "Method Not Allowed",
            "This path has another method",
            "validation_failed",
            "request_refused",
        ),
        "gerbang.http.edge.NoSuchPath": Wording(
            HTTPStatus.NOT_FOUND, "Not Found", "There is nothing at this path", "validation_failed", "request_refused"
        ),
        "gerbang.http.edge.MissingBearer": _unauthorized(
            "A bearer token is required", "no_authorization", "request_unauthorized"
        ),
        "gerbang.core.emails.InvalidEmail": _invalid("The e-mail address is not valid"),
        "gerbang.passwords.policy.UnacceptablePassword": _invalid(
            "The password is not acceptable", "password_refused", "weak_password"
        ),
        "gerbang.sessions.claims.InvalidToken": _unauthorized("The token is not valid", "bad_jwt", "token_refused"),
        "gerbang.sessions.claims.TokenExpired": Wording(
            HTTPStatus.UNAUTHORIZED, "Token Expired", "The access token has expired", "bad_jwt", "token_expired"
        ),
        "gerbang.sessions.sessions.SessionEnded": _unauthorized(
            "The session has ended", "session_not_found", "session_refused"
        ),
        "gerbang.sessions.sessions.RefreshTokenReused": _unauthorized(
            "The session has ended", "refresh_token_already_used", "refresh_token_reused"
        ),
        "gerbang.sessions.sessions.SignInOvertaken": Wording(
            HTTPStatus.BAD_REQUEST,
            "Invalid Credentials",
            "The account was changed meanwhile, please try again",
            "invalid_credentials",
            "sign_in_refused",
        ),
        "gerbang.accounts.sign_in.InvalidCredentials": Wording(
            HTTPStatus.BAD_REQUEST,
            "Invalid Credentials",
            "Invalid email or password",
            "invalid_credentials",
            "sign_in_refused",
        ),
        "gerbang.sessions.email_policy.EmailNotVerified": Wording(
            HTTPStatus.FORBIDDEN,
            "Forbidden",
            "The e-mail address must be verified first",
            "email_not_confirmed",
            "sign_in_refused",
        ),
        "gerbang.accounts.code_sign_in.InvalidCode": Wording(
            HTTPStatus.BAD_REQUEST,
            "Invalid Code",
            "The code is wrong or no longer valid",
            "otp_expired",
            "code_refused",
        ),
        "gerbang.accounts.password_change.InvalidResetToken": Wording(
            HTTPStatus.BAD_REQUEST,
            "Invalid Token",
            "The reset token is wrong or no longer valid",
            "otp_expired",
            "reset_refused",
        ),
        "gerbang.accounts.google.InvalidIdToken": _unauthorized(
            "The Google credential is not valid", "bad_jwt", "google_refused"
        ),
        "gerbang.accounts.identity_sign_in.LinkedToAnother": Wording(
            HTTPStatus.CONFLICT,
            "Conflict",
            "This e-mail address belongs to an account with another Google identity",
            "identity_already_exists",
            "google_refused",
        ),
        "gerbang.accounts.identity_sign_in.AccountDisabled": Wording(
            HTTPStatus.FORBIDDEN, "Forbidden", "This account cannot be used", "user_banned", "google_refused"
        ),
        "gerbang.apis.snapotp.IdentityMismatch": _unauthorized(
            "The Google credential says otherwise", "bad_jwt", "google_refused"
        ),
        "gerbang.apis.snapotp.NoProof": _unauthorized(
            "An id_token, or the secret API key, is required", "no_authorization", "google_refused"
        ),
        "gerbang.sessions.api_keys.InvalidApiKey": _unauthorized(
            "A valid API key is required", "no_authorization", "api_key_refused"
        ),
        "gerbang.apis.gotrue.UnsupportedGrant": _invalid("This grant_type is not supported"),
        "gerbang.accounts.password_change.WrongPassword": Wording(
            HTTPStatus.BAD_REQUEST,
            "Invalid Credentials",
            "The current password is wrong",
            "current_password_invalid",
            "password_change_refused",
        ),
        "gerbang.accounts.registration.EmailTaken": Wording(
            HTTPStatus.CONFLICT,
            "Conflict",
            "This e-mail address is registered already",
            "email_exists",
            "registration_refused",
        ),
        "gerbang.accounts.registration.UsernameTaken": Wording(
            HTTPStatus.CONFLICT,
            "Conflict",
            "This user name is taken",
            "user_already_exists",
            "registration_refused",
        ),
        "gerbang.accounts.organizations.NotAMember": Wording(
            HTTPStatus.FORBIDDEN,
            "Forbidden",
            "You do not belong to this organisation",
            "not_admin",
            "organization_refused",
        ),
        "gerbang.sessions.sessions.NotAPerson": Wording(
            HTTPStatus.FORBIDDEN, "Forbidden", "This needs a registered account", "not_admin", "guest_refused"
        ),
        "gerbang.limits.rate_limits.TooManyAttempts": Wording(
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too Many Requests",
            "Too many attempts, please try again later",
            "over_request_rate_limit",
            "rate_limited",
        ),
    }
)
"""Every refusal by the full name of its class."""

UNAVAILABLE: Final = Wording(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Service Unavailable",
    "The service is busy, please try again",
    "request_timeout",
    "dependency_unavailable",
)
"""Something we stand on did not answer: nothing was decided."""

UNEXPECTED: Final = Wording(
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "Internal Server Error",
    "Something went wrong on our side",
    "unexpected_failure",
    "unexpected_failure",
)
"""A bug of ours. The log has its trace, the client its request id."""

LONGEST_REASON: Final = 200
"""Characters of a refusal's evidence that go into the log."""

_EVIDENCE: Final = ("session_id", "user_id", "limit", "rule")
"""Attributes of refusals that go into the log."""


def problem_of(error: Exception, request: Request) -> Problem:
    """Return how an error is answered, having taken note of it with its evidence."""
    wording = wording_of(error)
    evidence = {name: str(getattr(error, name)) for name in _EVIDENCE if getattr(error, name, None)}
    if isinstance(error, AuthError) and str(error):
        evidence["why"] = str(error)[:LONGEST_REASON]
    severity = Severity.ERROR if wording.status >= HTTPStatus.INTERNAL_SERVER_ERROR else Severity.WARNING
    log_event(
        wording.event,
        severity,
        reason=type(error).__name__,
        status=wording.status.value,
        route=request.route,
        client=request.source_ip,
        **evidence,
    )
    return Problem(
        wording=wording, message=wording.message, details=_details(error), headers=_headers(error, wording.status)
    )


def wording_of(error: Exception) -> Wording:
    """Return the wording of the first class along the error's MRO that has one."""
    if isinstance(error, AuthError):
        for kind in type(error).__mro__:
            wording = WORDINGS.get(f"{kind.__module__}.{kind.__qualname__}")
            if wording is not None:
                return wording
    return UNAVAILABLE if isinstance(error, DependencyUnavailable) else UNEXPECTED


def _details(error: Exception) -> tuple[FieldError, ...]:
    if isinstance(error, InvalidFields):
        return error.errors
    name = type(error).__name__
    if name == "UnacceptablePassword":
        return (FieldError(str(getattr(error, "field", "password")), str(getattr(error, "reason", ""))),)
    if name == "InvalidEmail":
        return (FieldError("email", "The e-mail address is not valid"),)
    return ()


def _headers(error: Exception, status: HTTPStatus) -> Mapping[str, str]:
    if status is HTTPStatus.UNAUTHORIZED:
        return {"www-authenticate": "Bearer"}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        return {"retry-after": str(RETRY_AFTER_SECONDS)}
    if isinstance(error, MethodNotAllowed):
        return {"allow": error.allowed}
    wait = getattr(error, "retry_after", None)
    return {} if wait is None else {"retry-after": str(max(1, ceil(wait.total_seconds())))}
