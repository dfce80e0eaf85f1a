"""gerbang.apis.errors and http.errors: every error has a code, and every code has a spec in each API."""

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.id_tokens import ProviderDisabled, UnknownProvider
from gerbang.accounts.identity_sign_in import LinkedToAnother, ProviderEmailUnverified
from gerbang.accounts.invitation_acceptance import InvalidInvitation, InvitedAnother
from gerbang.accounts.organization_changes import LastOwner, NoSuchMember
from gerbang.accounts.organization_invitations import AlreadyMember, NoSuchInvitation
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.own_organizations import TooManyOrganizations
from gerbang.accounts.password_change import WrongPassword
from gerbang.accounts.provider_identity import InvalidIdToken
from gerbang.accounts.registration import EmailTaken, UsernameTaken
from gerbang.accounts.roles import InsufficientRole
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.accounts.sign_up_policy import SignUpDisabled
from gerbang.accounts.verification import AccountDisabled
from gerbang.apis import atourin, botlaunch, gotrue, snapotp
from gerbang.apis.errors import COMMON
from gerbang.apis.snapotp.google import IdentityMismatch, IdentityNotProven
from gerbang.core.emails import InvalidEmail
from gerbang.core.errors import AuthError, DependencyUnavailable, FieldError
from gerbang.http import request
from gerbang.http.cloudfront import NotThroughCloudFront
from gerbang.http.errors import UNEXPECTED, Api, code_of, problem_of
from gerbang.http.request import InvalidFields, MethodNotAllowed
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.codes import InvalidResetToken
from gerbang.passwords.policy import PasswordPolicy, UnacceptablePassword
from gerbang.sessions.api_keys import InvalidApiKey
from gerbang.sessions.claims import InvalidToken, TokenExpired
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.sessions.own_sessions import NoSuchSession
from gerbang.sessions.sessions import NotAPerson, RefreshTokenReused, SessionEnded, SignInOvertaken

from tests.unit.http.error_classes import every_error

APIS: Final = (botlaunch.API, snapotp.API, atourin.API, gotrue.API)
of_every_api = pytest.mark.parametrize("api", APIS, ids=[api.name for api in APIS])

# Codes and specs

GOTRUE_STATUSES: Final[dict[type[AuthError], int]] = {
    InvalidCode: 403,
    UnacceptablePassword: 422,
    InvalidToken: 403,
    TokenExpired: 403,
    SessionEnded: 403,
    RefreshTokenReused: 403,
    EmailNotVerified: 400,
    EmailTaken: 422,
    SignUpDisabled: 422,
}
"""The errors for which Supabase's clients expect another status than the clients of the other APIs."""


def test_every_error_has_a_code() -> None:
    assert {
        error for error in every_error() if not re.fullmatch("[a-z][a-z0-9]*(_[a-z]+)*", getattr(error, "code", ""))
    } == set()


def test_every_code_has_a_spec_and_every_spec_belongs_to_an_error() -> None:
    failures = {DependencyUnavailable.code, UNEXPECTED}

    assert {error.code for error in every_error()} | failures == COMMON.keys()


@of_every_api
def test_every_api_has_a_spec_for_every_code(api: Api) -> None:
    assert api.errors.keys() == COMMON.keys()


@of_every_api
def test_a_message_has_one_or_two_sentences(api: Api) -> None:
    for spec in api.errors.values():
        message = spec.message.removeprefix("invalid JWT: ").capitalize()  # clients look for this prefix
        assert re.fullmatch(r"[A-Z][^.]+\.( [A-Z][^.]+\.)?", message, re.IGNORECASE), spec.message


@of_every_api
def test_only_dependency_failures_and_unexpected_errors_are_5xx(api: Api) -> None:
    assert {
        code: spec.status for code, spec in api.errors.items() if spec.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    } == {
        DependencyUnavailable.code: HTTPStatus.SERVICE_UNAVAILABLE,
        UNEXPECTED: HTTPStatus.INTERNAL_SERVER_ERROR,
    }


@of_every_api
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidCredentials, 400),
        (SignInOvertaken, 400),
        (WrongPassword, 400),
        (InvalidCode, 400),
        (InvalidResetToken, 400),
        (InvalidFields, 400),
        (InvalidEmail, 400),
        (UnknownProvider, 400),
        (ProviderDisabled, 400),
        (UnacceptablePassword, 400),
        (request.MalformedBody, 400),
        (request.MissingBearer, 401),
        (InvalidToken, 401),
        (TokenExpired, 401),
        (SessionEnded, 401),
        (RefreshTokenReused, 401),
        (InvalidApiKey, 401),
        (InvalidIdToken, 401),
        (IdentityNotProven, 401),
        (IdentityMismatch, 401),
        (NotAMember, 403),
        (InsufficientRole, 403),
        (InvitedAnother, 403),
        (NoSuchMember, 404),
        (NoSuchInvitation, 404),
        (InvalidInvitation, 400),
        (LastOwner, 409),
        (AlreadyMember, 409),
        (TooManyOrganizations, 409),
        (NotAPerson, 403),
        (AccountDisabled, 403),
        (EmailNotVerified, 403),
        (request.NoSuchPath, 404),
        (NotThroughCloudFront, 403),
        (NoSuchSession, 404),
        (request.MethodNotAllowed, 405),
        (EmailTaken, 409),
        (UsernameTaken, 409),
        (LinkedToAnother, 409),
        (request.BodyTooLarge, 413),
        (request.UnsupportedMediaType, 415),
        (ProviderEmailUnverified, 422),
        (SignUpDisabled, 403),
        (TooManyAttempts, 429),
        (DependencyUnavailable, 503),
    ],
)
def test_an_error_has_the_status_that_clients_expect(api: Api, error: type[AuthError], status: int) -> None:
    expected = GOTRUE_STATUSES.get(error, status) if api is gotrue.API else status

    assert api.errors[error.code].status == expected


def test_a_subclass_of_an_error_inherits_its_code() -> None:
    class NewKind(SessionEnded):
        """An error without its own code."""

    assert code_of(NewKind("family", "user")) == "session_not_found"


def test_an_unexpected_exception_has_a_code() -> None:
    assert [code_of(error) for error in (RuntimeError("a bug"), KeyError("x"))] == [UNEXPECTED] * 2


@of_every_api
def test_a_reused_refresh_token_looks_like_an_ended_session(api: Api) -> None:
    """A thief does not learn that the theft was detected."""
    assert api.errors["refresh_token_reused"] == api.errors["session_not_found"]


# Headers


@pytest.mark.parametrize(
    ("error", "headers"),
    [
        (InvalidToken("x"), {"www-authenticate": "Bearer"}),
        (TokenExpired(), {"www-authenticate": "Bearer"}),
        (MethodNotAllowed("GET, POST"), {"allow": "GET, POST"}),
        (DependencyUnavailable("x"), {"retry-after": "1"}),
        (InvalidCredentials(None), {}),
        (NotAMember("x"), {}),
        (RuntimeError("x"), {}),
    ],
    ids=repr,
)
def test_an_error_has_the_headers_of_its_status(error: Exception, headers: dict[str, str]) -> None:
    assert problem_of(error, COMMON).headers == headers


@pytest.mark.covers("25")
@pytest.mark.parametrize(
    ("wait", "header"),
    [
        (timedelta(seconds=90), "90"),
        (timedelta(seconds=89, microseconds=1), "90"),
        (timedelta(microseconds=1), "1"),
        (timedelta(0), "1"),
        (-timedelta(seconds=5), "1"),
        (timedelta(hours=1), "3600"),
    ],
    ids=str,
)
def test_retry_after_is_the_wait_in_whole_seconds(wait: timedelta, header: str) -> None:
    assert problem_of(TooManyAttempts("address", wait), COMMON).headers == {"retry-after": header}


# Fields


def test_invalid_fields_are_named() -> None:
    errors = (FieldError("email", "Field required"), FieldError("name", "too long"))

    assert problem_of(InvalidFields(errors), COMMON).field_errors == errors
    assert [error.field for error in problem_of(InvalidEmail("domain"), COMMON).field_errors] == ["email"]
    assert problem_of(InvalidToken("x"), COMMON).field_errors == ()


@pytest.mark.covers("10")
def test_a_rejected_password_has_a_reason() -> None:
    with pytest.raises(UnacceptablePassword) as caught:
        PasswordPolicy().naming("new_password").check("Password1")

    (error,) = problem_of(caught.value, COMMON).field_errors
    assert error.field == "new_password"
    assert "common" in error.message
