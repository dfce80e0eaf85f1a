"""gerbang.apis: the errors of each API, in its format."""

from copy import replace
from datetime import timedelta
from typing import Final

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.apis import atourin, botlaunch, gotrue, snapotp
from gerbang.core.errors import DependencyUnavailable, FieldError
from gerbang.core.log import request_id
from gerbang.http.errors import Api
from gerbang.http.request import InvalidFields, MalformedBody, MethodNotAllowed, MissingBearer, NoSuchPath, Request
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.service import TooMuchMail
from gerbang.passwords.policy import UnacceptablePassword
from gerbang.sessions.claims import InvalidToken, TokenExpired
from gerbang.sessions.sessions import RefreshTokenReused, SessionEnded, UserDeleted, UserDisabled

ANY_REQUEST: Final = Request(method="POST", path="/")

APIS: Final = (botlaunch.API, snapotp.API, atourin.API, gotrue.API)
of_every_api = pytest.mark.parametrize("api", APIS, ids=[api.name for api in APIS])

INVALID: Final = InvalidFields((FieldError("email", "Field required"), FieldError("name", "String too long")))


def test_the_errors_of_botlaunch() -> None:
    wrong = botlaunch.API.render(InvalidCredentials(None), ANY_REQUEST, {})
    invalid = botlaunch.API.render(INVALID, ANY_REQUEST, {})

    assert wrong.body == {"statusCode": 400, "error": "Invalid Credentials", "message": "Invalid email or password."}
    assert invalid.body == {
        "statusCode": 400,
        "error": "Validation Error",
        "message": "Some fields are missing or invalid.",
        "details": [
            {"field": "email", "message": "Field required"},
            {"field": "name", "message": "String too long"},
        ],
    }


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (InvalidCredentials(None), 400, "Invalid Credentials"),
        (INVALID, 400, "Validation Error"),
        (MalformedBody("x"), 400, "Validation Error"),
        (MissingBearer(), 401, "Unauthorized"),
        (SessionEnded("family", "user"), 401, "Unauthorized"),
        (TokenExpired(), 401, "Token Expired"),
        (NoSuchPath(), 404, "Not Found"),
        (EmailTaken(), 409, "Conflict"),
        (TooManyAttempts("x", timedelta(seconds=1)), 429, "Too Many Requests"),
    ],
    ids=repr,
)
def test_the_error_titles_of_botlaunch(error: Exception, status: int, title: str) -> None:
    answer = botlaunch.API.render(error, ANY_REQUEST, {})

    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["statusCode"], answer.body["error"]) == (status, status, title)


def test_the_errors_of_snapotp() -> None:
    wrong = snapotp.API.render(InvalidCredentials(None), ANY_REQUEST, {})
    invalid = snapotp.API.render(INVALID, ANY_REQUEST, {})

    assert wrong.body == {"success": False, "message": "Invalid username or password."}
    assert invalid.body == {
        "success": False,
        "message": "Some fields are missing or invalid.",
        "errors": [
            {"field": "email", "message": "Field required"},
            {"field": "name", "message": "String too long"},
        ],
    }


def test_the_errors_of_atourin() -> None:
    wrong = atourin.API.render(InvalidCredentials(None), ANY_REQUEST, {})
    invalid = atourin.API.render(INVALID, ANY_REQUEST, {})
    expired = atourin.API.render(TokenExpired(), ANY_REQUEST, {})

    assert wrong.body == {"status": False, "code": 400, "info": "Invalid email or password.", "msg": "Bad Request"}
    assert isinstance(invalid.body, dict)
    assert invalid.body["info"] == "email: Field required; name: String too long"
    assert isinstance(expired.body, dict)
    assert (expired.body["code"], expired.body["msg"]) == (401, "Unauthorized")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidToken("x"), 400, "refresh_token_not_found"),
        (SessionEnded("family", "user"), 400, "refresh_token_not_found"),
        (RefreshTokenReused("family", "user"), 400, "refresh_token_already_used"),
        (MalformedBody(), 400, "bad_json"),
        (INVALID, 400, "validation_failed"),
        (TooManyAttempts("x", timedelta(seconds=3)), 429, "over_request_rate_limit"),
        (DependencyUnavailable("x"), 503, "request_timeout"),
        (RuntimeError("x"), 500, "unexpected_failure"),
    ],
    ids=repr,
)
def test_the_errors_of_gotrue_for_refresh_tokens(error: Exception, status: int, code: str) -> None:
    answer = gotrue.API.render(error, ANY_REQUEST, gotrue.REFRESH_ERRORS)

    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["code"], answer.body["error_code"]) == (status, status, code)
    assert answer.body.keys() - {"error_id"} == {"code", "error_code", "msg"}
    assert answer.headers["x-sb-error-code"] == code
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (MissingBearer(), 401, "no_authorization"),
        (InvalidToken("x"), 403, "bad_jwt"),
        (TokenExpired(), 403, "bad_jwt"),
        (SessionEnded("family", "user"), 403, "session_not_found"),
        (UserDeleted("family", "user"), 403, "user_not_found"),
        (UserDisabled("family", "user"), 403, "user_banned"),
    ],
    ids=repr,
)
def test_the_errors_of_gotrue_for_access_tokens(error: Exception, status: int, code: str) -> None:
    answer = gotrue.API.render(error, ANY_REQUEST, {})

    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["error_code"]) == (status, code)


VERSIONED: Final = replace(ANY_REQUEST, headers={"x-supabase-api-version": "2024-01-01"})


@pytest.mark.parametrize("version", ["", "2023-12-31", "yesterday", "2024-13-01"])
def test_errors_of_older_gotrue_api_versions_have_the_status_as_code(version: str) -> None:
    answer = gotrue.API.render(
        InvalidCode("wrong"), replace(VERSIONED, headers={"x-supabase-api-version": version}), {}
    )

    assert answer.body == {"code": 403, "error_code": "otp_expired", "msg": gotrue.API.errors["invalid_code"].message}
    assert "x-supabase-api-version" not in answer.headers


def test_errors_of_the_gotrue_api_version_2024_01_01_have_their_name_as_code() -> None:
    answer = gotrue.API.render(InvalidCode("wrong"), VERSIONED, {})

    words = gotrue.API.errors["invalid_code"].message
    assert answer.body == {"code": "otp_expired", "error_code": "otp_expired", "msg": words, "message": words}
    assert answer.headers["x-supabase-api-version"] == "2024-01-01"


@pytest.mark.parametrize(
    ("rule", "reason"),
    [("length", "length"), ("characters", "characters"), ("common", "pwned"), ("personal", "characters")],
)
def test_an_error_of_gotrue_contains_the_reasons_why_a_password_is_weak(rule: str, reason: str) -> None:
    answer = gotrue.API.render(
        UnacceptablePassword(rule, "Password must be at least 8 characters long", "x"), VERSIONED, {}
    )

    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["code"]) == (422, "weak_password")
    assert answer.body["weak_password"] == {"reasons": [reason]}
    assert "at least 8 characters" in answer.body["msg"]


def test_an_error_of_gotrue_contains_the_wait_until_the_next_mail() -> None:
    answer = gotrue.API.render(TooMuchMail("mail_minute", timedelta(seconds=42)), VERSIONED, {})

    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["code"]) == (429, "over_email_send_rate_limit")
    assert "after 42 seconds" in answer.body["msg"]


def test_a_server_error_of_gotrue_contains_the_request_id() -> None:
    request_id.set("nxKjf4meeWZzZ7g=")

    answer = gotrue.API.render(DependencyUnavailable("x"), VERSIONED, {})

    assert isinstance(answer.body, dict)
    assert answer.body["error_id"] == "nxKjf4meeWZzZ7g="


@of_every_api
@pytest.mark.parametrize(
    ("error", "status", "header"),
    [
        (TooManyAttempts("x", timedelta(seconds=2)), 429, ("retry-after", "2")),
        (DependencyUnavailable("x"), 503, ("retry-after", "1")),
        (MethodNotAllowed("POST"), 405, ("allow", "POST")),
        (MissingBearer(), 401, ("www-authenticate", "Bearer")),
        (RuntimeError("a bug"), 500, None),
    ],
    ids=["429", "503", "405", "401", "500"],
)
def test_every_api_answers_an_error_with_its_status_and_header(
    api: Api, error: Exception, status: int, header: tuple[str, str] | None
) -> None:
    answer = api.render(error, ANY_REQUEST, {})

    assert answer.status == status
    assert header is None or answer.headers[header[0]] == header[1]
    assert "a bug" not in repr(answer.body)


@pytest.mark.covers("27")
@of_every_api
def test_invalid_credentials_look_the_same_for_unknown_wrong_and_disabled_accounts(api: Api) -> None:
    answers = [api.render(InvalidCredentials(evidence), ANY_REQUEST, {}) for evidence in (None, "user-1", "x")]

    assert answers[0] == answers[1] == answers[2]
