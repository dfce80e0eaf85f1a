"""gerbang.apis.errors, http.errors: every error has a code, every code a spec in each API, and logs hold no secrets."""

import importlib
import json
import pkgutil
import re
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import gerbang
import pytest
from gerbang.accounts.captcha import CaptchaFailed
from gerbang.accounts.challenges import ChallengeExpired, ChallengeNotFound
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.factors import FactorNameTaken, FactorNotFound, GuestsHaveNoFactors
from gerbang.accounts.id_tokens import ProviderDisabled, UnknownProvider
from gerbang.accounts.identity_sign_in import LinkedToAnother, ProviderEmailUnverified
from gerbang.accounts.invitation_acceptance import InvalidInvitation, InvitedAnother
from gerbang.accounts.link_generation import AddressNotConfirmed
from gerbang.accounts.linked_identities import IdentityNotFound, LastIdentity
from gerbang.accounts.organization_changes import LastOwner, NoSuchMember
from gerbang.accounts.organization_invitations import AlreadyMember, NoSuchInvitation
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.own_factors import NoSecondFactor, TooManyFactors
from gerbang.accounts.own_organizations import TooManyOrganizations
from gerbang.accounts.password_change import WrongPassword
from gerbang.accounts.pkce import BadCodeVerifier, FlowStateExpired, FlowStateNotFound
from gerbang.accounts.provider_identity import IdTokenFlaw, InvalidIdToken
from gerbang.accounts.reauthentication import (
    CurrentPasswordRequired,
    InvalidReauthenticationCode,
    ReauthenticationNeeded,
)
from gerbang.accounts.registration import EmailTaken, UsernameTaken
from gerbang.accounts.roles import InsufficientRole
from gerbang.accounts.second_factor import WrongCode
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.accounts.sign_up import UserAlreadyExists
from gerbang.accounts.sign_up_policy import AnonymousSignInsDisabled, ManualLinkingDisabled, SignUpDisabled
from gerbang.accounts.user_creation import UserIdTaken
from gerbang.accounts.user_edit import NoSuchUser
from gerbang.accounts.user_update import AddressRequired, SamePassword
from gerbang.accounts.verification import AccountDisabled
from gerbang.apis import atourin, botlaunch, gotrue, snapotp
from gerbang.apis.errors import COMMON
from gerbang.apis.gotrue.requests import NotAdmin, PhoneProviderDisabled, UnsupportedGrantType
from gerbang.apis.gotrue.unavailable import (
    PasskeysDisabled,
    PhoneFactorsDisabled,
    SamlDisabled,
    SecurityKeysDisabled,
    Web3Disabled,
)
from gerbang.apis.snapotp.google import IdentityMismatch, IdentityNotProven
from gerbang.core import init
from gerbang.core.emails import InvalidEmail
from gerbang.core.errors import AuthError, DependencyUnavailable, FieldError
from gerbang.core.init import LambdaHandler
from gerbang.core.log import Severity
from gerbang.http import request
from gerbang.http.callers import ANYONE, SecretKeyRequired, UnknownBearer
from gerbang.http.cloudfront import NotThroughCloudFront
from gerbang.http.endpoint import LONGEST_REASON, Call, Endpoint, log_error
from gerbang.http.errors import UNEXPECTED, Api, code_of, problem_of
from gerbang.http.request import InvalidFields, MethodNotAllowed, Request
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.codes import InvalidResetToken
from gerbang.mail.service import TooMuchMail
from gerbang.passwords.policy import PasswordPolicy, UnacceptablePassword
from gerbang.sessions.api_keys import InvalidApiKey
from gerbang.sessions.assurance import InsufficientLevel
from gerbang.sessions.claims import InvalidToken, TokenExpired
from gerbang.sessions.email_policy import EmailNotVerified
from gerbang.sessions.first_factor import InvalidFirstFactorToken, SecondFactorRequired
from gerbang.sessions.own_sessions import NoSuchSession
from gerbang.sessions.sessions import (
    NotAPerson,
    RefreshTokenReused,
    SessionEnded,
    SignInOvertaken,
    UserDeleted,
    UserDisabled,
)
from gerbang_local.declarations import endpoints
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes import RecordingLog
from tests.gateway_events import http_event

APIS: Final = (botlaunch.API, snapotp.API, atourin.API, gotrue.API)
of_every_api = pytest.mark.parametrize("api", APIS, ids=[api.name for api in APIS])

REQUEST: Final = Request(
    method="POST",
    path="/api/auth/login",
    headers={"authorization": "Bearer secret-token"},
    source_ip="192.0.2.1",
    route="POST /api/auth/login",
    raw_body=json.dumps({"password": "secret-password", "email": "alice@example.com"}),
)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    """What endpoints log, instead of standard output."""
    recorded = RecordingLog()
    monkeypatch.setattr("gerbang.http.endpoint.log_event", recorded)
    return recorded


def every_error() -> set[type[AuthError]]:
    """Every subclass of AuthError in the package."""
    for module in pkgutil.walk_packages(gerbang.__path__, "gerbang."):
        importlib.import_module(module.name)
    found: set[type[AuthError]] = set()
    waiting: list[type[AuthError]] = [AuthError]
    while waiting:
        for error in waiting.pop().__subclasses__():
            waiting.append(error)
            if error.__module__.startswith("gerbang."):
                found.add(error)
    return found


# Codes and specs

SUPABASES_STATUSES: Final[dict[type[AuthError], int]] = {
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
"""Where Supabase's clients know another status than those of the other APIs."""


def test_every_error_has_a_code() -> None:
    assert {
        error for error in every_error() if not re.fullmatch("[a-z][a-z0-9]*(_[a-z]+)*", getattr(error, "code", ""))
    } == set()


def test_every_code_has_a_spec_and_every_spec_an_error() -> None:
    ours = {DependencyUnavailable.code, UNEXPECTED}

    assert {error.code for error in every_error()} | ours == COMMON.keys()


@of_every_api
def test_every_api_words_every_code(api: Api) -> None:
    assert api.errors.keys() == COMMON.keys()


@of_every_api
def test_a_message_is_a_sentence_or_two(api: Api) -> None:
    for spec in api.errors.values():
        message = spec.message.removeprefix("invalid JWT: ").capitalize()  # apps look for that prefix
        assert re.fullmatch(r"[A-Z][^.]+\.( [A-Z][^.]+\.)?", message, re.IGNORECASE), spec.message


@of_every_api
def test_an_error_of_the_clients_is_4xx(api: Api) -> None:
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
def test_statuses_are_those_that_clients_know(api: Api, error: type[AuthError], status: int) -> None:
    expected = SUPABASES_STATUSES.get(error, status) if api is gotrue.API else status

    assert api.errors[error.code].status == expected


def test_a_new_kind_of_an_error_has_the_code_of_the_wider_one() -> None:
    class NewKind(SessionEnded):
        """Declares no code of its own."""

    assert code_of(NewKind("family", "user")) == "session_not_found"


def test_what_we_did_not_expect_has_a_code_too() -> None:
    assert [code_of(error) for error in (RuntimeError("a bug"), KeyError("x"))] == [UNEXPECTED] * 2


@of_every_api
def test_reuse_of_a_refresh_token_reads_like_any_ended_session(api: Api) -> None:
    """A thief is not told that they were found out."""
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
def test_the_right_header_goes_with_each_status(error: Exception, headers: dict[str, str]) -> None:
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
def test_a_client_over_a_limit_is_told_how_many_whole_seconds_to_wait(wait: timedelta, header: str) -> None:
    assert problem_of(TooManyAttempts("address", wait), COMMON).headers == {"retry-after": header}


# Fields


def test_fields_that_are_wrong_are_named() -> None:
    errors = (FieldError("email", "Field required"), FieldError("name", "too long"))

    assert problem_of(InvalidFields(errors), COMMON).field_errors == errors
    assert [error.field for error in problem_of(InvalidEmail("domain"), COMMON).field_errors] == ["email"]
    assert problem_of(InvalidToken("x"), COMMON).field_errors == ()


@pytest.mark.covers("10")
def test_a_password_is_refused_with_the_reason() -> None:
    with pytest.raises(UnacceptablePassword) as caught:
        PasswordPolicy().naming("new_password").check("Password1")

    (error,) = problem_of(caught.value, COMMON).field_errors
    assert error.field == "new_password"
    assert "common" in error.message


# The log

FAMILY_ID: Final = "0a7e7a2c-1111-4000-8000-000000000001"
FACTOR_ID: Final = "0e1d6f52-3a43-4f0e-9d0c-6a1d2b3c4d5e"
USER_ID: Final = "3c662a10-d9b1-438c-bfa7-eac70051f5ac"

AS_RAISED: Final[list[tuple[AuthError, dict[str, str]]]] = [
    (request.MalformedBody("not an object"), {"why": "not an object"}),
    (InvalidFields((FieldError("email", "x"), FieldError("name", "x"))), {"why": "email, name"}),
    (request.BodyTooLarge(), {}),
    (request.UnsupportedMediaType(), {}),
    (MethodNotAllowed("POST"), {"why": "POST"}),
    (request.NoSuchPath(), {}),
    (NotThroughCloudFront(), {}),
    (request.MissingBearer(), {}),
    (InvalidEmail("domain"), {"why": "domain"}),
    (UnacceptablePassword("length", "Too short", "password"), {"rule": "length", "why": "length"}),
    (InvalidToken("unknown key"), {"why": "unknown key"}),
    (TokenExpired(), {}),
    (SessionEnded(FAMILY_ID, USER_ID), {"session_id": FAMILY_ID, "user_id": USER_ID, "why": FAMILY_ID}),
    (RefreshTokenReused(FAMILY_ID, USER_ID), {"session_id": FAMILY_ID, "user_id": USER_ID, "why": FAMILY_ID}),
    (SignInOvertaken(USER_ID), {"why": USER_ID}),
    (NoSuchSession("malformed id"), {"why": "malformed id"}),
    (NotAPerson(USER_ID), {"why": USER_ID}),
    (InvalidCredentials(USER_ID), {"user_id": USER_ID, "why": USER_ID}),
    (InvalidCredentials(None), {"why": "unknown"}),
    (WrongPassword(USER_ID), {"user_id": USER_ID, "why": USER_ID}),
    (EmailNotVerified(USER_ID), {"user_id": USER_ID, "why": USER_ID}),
    (InvalidCode("no tries left"), {"why": "no tries left"}),
    (InvalidResetToken("outlived"), {"why": "outlived"}),
    (InvalidIdToken(IdTokenFlaw.SIGNATURE), {"why": IdTokenFlaw.SIGNATURE.value}),
    (UnknownProvider("issuer", "Unknown issuer"), {"why": "issuer"}),
    (ProviderDisabled("apple"), {"why": "apple"}),
    (ProviderEmailUnverified(), {}),
    (SignUpDisabled(), {}),
    (LinkedToAnother(), {}),
    (AddressNotConfirmed(), {}),
    (FlowStateNotFound("unknown"), {"why": "unknown"}),
    (FlowStateExpired(), {}),
    (BadCodeVerifier(), {}),
    (AccountDisabled(USER_ID), {"user_id": USER_ID, "why": USER_ID}),
    (IdentityMismatch(), {}),
    (IdentityNotProven(), {}),
    (InvalidApiKey("unknown"), {"why": "unknown"}),
    (UnsupportedGrantType(), {}),
    (NotAdmin(), {}),
    (SamePassword(), {}),
    (AddressRequired(), {}),
    (IdentityNotFound(), {}),
    (LastIdentity(), {}),
    (ReauthenticationNeeded(), {}),
    (InvalidReauthenticationCode("none, or wrong"), {"why": "none, or wrong"}),
    (CurrentPasswordRequired(), {}),
    (CaptchaFailed("no token"), {"why": "no token"}),
    (EmailTaken(), {}),
    (UsernameTaken(), {}),
    (NotAMember("org_4fTq9"), {"why": "org_4fTq9"}),
    (InsufficientRole("MANAGE"), {"why": "MANAGE"}),
    (NoSuchMember(USER_ID), {"why": USER_ID}),
    (LastOwner("org_4fTq9"), {"why": "org_4fTq9"}),
    (TooManyOrganizations(), {}),
    (NoSuchInvitation(), {}),
    (AlreadyMember(), {}),
    (InvalidInvitation("spent meanwhile"), {"why": "spent meanwhile"}),
    (InvitedAnother(), {}),
    (TooManyAttempts("address", timedelta(seconds=9)), {"limit": "address", "why": "address"}),
    (TooMuchMail("mail_minute", timedelta(seconds=9)), {"limit": "mail_minute", "why": "mail_minute"}),
    (UserDeleted(FAMILY_ID, USER_ID), {"session_id": FAMILY_ID, "user_id": USER_ID, "why": FAMILY_ID}),
    (UserDisabled(FAMILY_ID, USER_ID), {"session_id": FAMILY_ID, "user_id": USER_ID, "why": FAMILY_ID}),
    (AnonymousSignInsDisabled(), {}),
    (UserAlreadyExists(), {}),
    (ManualLinkingDisabled(), {}),
    (PasskeysDisabled(), {}),
    (SamlDisabled(), {}),
    (PhoneFactorsDisabled(), {}),
    (SecurityKeysDisabled(), {}),
    (SecondFactorRequired(USER_ID, "secret-token"), {"user_id": USER_ID, "why": USER_ID}),
    (InvalidFirstFactorToken("expired"), {"why": "expired"}),
    (InsufficientLevel(USER_ID), {"why": USER_ID}),
    (GuestsHaveNoFactors(USER_ID), {"why": USER_ID}),
    (FactorNotFound(USER_ID), {"why": USER_ID}),
    (FactorNameTaken(FACTOR_ID), {"why": FACTOR_ID}),
    (TooManyFactors(USER_ID), {"why": USER_ID}),
    (NoSecondFactor(USER_ID), {"why": USER_ID}),
    (ChallengeNotFound("malformed"), {"why": "malformed"}),
    (ChallengeExpired(), {}),
    (WrongCode(USER_ID), {"why": USER_ID}),
    (Web3Disabled(), {}),
    (PhoneProviderDisabled(), {}),
    (SecretKeyRequired(), {}),
    (UnknownBearer(), {}),
    (UserIdTaken(), {}),
    (NoSuchUser(USER_ID), {"why": USER_ID}),
]
"""Every error as the code raises it, and what of it is evidence."""


def test_every_error_is_in_the_list_above() -> None:
    assert {type(error) for error, _ in AS_RAISED} == every_error()


@pytest.mark.covers("166")
@pytest.mark.parametrize(("error", "evidence"), AS_RAISED, ids=[repr(error) for error, _ in AS_RAISED])
def test_an_error_is_logged_with_its_evidence_and_nothing_else(
    log: RecordingLog, error: AuthError, evidence: dict[str, str]
) -> None:
    log_error(error, REQUEST, HTTPStatus.BAD_REQUEST)

    (note,) = log.notes
    assert (note.event, note.severity) == (error.code, Severity.WARNING)
    assert note.fields == {
        "reason": type(error).__name__,
        "status": 400,
        "route": "POST /api/auth/login",
        "client": "192.0.2.1",
        **evidence,
    }


def test_failures_of_ours_are_logged_as_such(log: RecordingLog) -> None:
    log_error(DependencyUnavailable("ThrottlingException"), REQUEST, 503)
    log_error(RuntimeError("a bug"), REQUEST, 500)

    assert [(note.event, note.severity) for note in log.notes] == [
        ("service_unavailable", Severity.ERROR),
        (UNEXPECTED, Severity.ERROR),
    ]


def test_under_sam_local_a_503_says_what_to_start(log: RecordingLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "ON_SAM_LOCAL", True)

    log_error(DependencyUnavailable("EndpointConnectionError"), REQUEST, 503)
    log_error(RuntimeError("a bug"), REQUEST, 500)

    hints = [str(note.fields.get("hint", "")) for note in log.notes]
    assert "`make sam-env`" in hints[0]
    assert hints[1] == ""


@pytest.mark.covers("167")
@of_every_api
def test_neither_log_nor_answer_holds_what_was_sent(log: RecordingLog, api: Api) -> None:
    for error in (
        InvalidCredentials(None),
        InvalidEmail("domain"),
        request.MalformedBody("not an object"),
        InvalidFields((FieldError("email", "Field required"),)),
        DependencyUnavailable("arn:aws:dynamodb:eu-west-1:1:table/secret-table"),
        RuntimeError("secret-trace"),
    ):
        answer = api.render(error, REQUEST, {})
        log_error(error, REQUEST, answer.status)
        assert not re.search("secret|alice|arn:", f"{answer.body} {answer.headers}")

    assert not re.search("secret|alice|arn:", repr(log.notes))


def test_the_route_is_logged_and_not_the_path(log: RecordingLog) -> None:
    """A token in a path does not get into the log."""
    log_error(request.NoSuchPath(), replace(REQUEST, path="/auth/eyJsecret", route="$default"), 404)

    assert "eyJ" not in repr(log.notes)
    assert log.notes[0].fields["route"] == "$default"


def test_evidence_stays_short(log: RecordingLog) -> None:
    log_error(InvalidFields(tuple(FieldError(f"field{number}", "x") for number in range(500))), REQUEST, 400)

    assert len(str(log.notes[0].fields["why"])) == LONGEST_REASON


def read_token(call: Call[Any, None]) -> None:
    """Read the one thing that the frame has not read, and do nothing."""
    call.request.bearer()


def reader_of(endpoint: Endpoint) -> LambdaHandler:
    """Return a handler that reads and checks a request as a real endpoint does."""
    reader = Endpoint(*endpoint.paths)
    reader.operations.extend(replace(operation, caller=ANYONE, run=read_token) for operation in endpoint.operations)
    return reader.handler()


READERS: Final = {endpoint.paths[0]: reader_of(endpoint) for endpoint in endpoints().values()}
METHODS: Final = {endpoint.paths[0]: endpoint.operations[0].method for endpoint in endpoints().values()}

TEXTS: Final = st.one_of(
    st.emails(),
    st.text(max_size=30).map(lambda text: f"{text}alice@example.com"),
    st.text(max_size=30).map(lambda text: f"alice@example.com{text}"),
)
"""Addresses, and what is not quite one."""

MEMBERS: Final = sorted(
    {
        field.alias or name
        for endpoint in endpoints().values()
        for operation in endpoint.operations
        for name, field in getattr(operation.request, "model_fields", {}).items()
    }
)
"""The names of the fields of every request."""


def with_addresses(path: str, text: str, sent: dict[str, str], **more: Any) -> dict[str, Any]:
    """A request that has an address wherever one can be put."""
    headers = {"authorization": f"Bearer {text}", "apikey": text, "x-organization-id": text, "user-agent": text}
    return http_event(
        json.dumps(sent), path=path, headers=headers, query={"grant_type": text}, rawQueryString=text, **more
    )


def test_requests_with_every_field_are_tried() -> None:
    assert {"email", "username", "password", "refreshToken", "otp", "id_token", "organizationName"} <= {*MEMBERS}


@pytest.mark.covers("167")
@pytest.mark.parametrize("path", READERS)
@given(text=TEXTS, sent=st.dictionaries(st.sampled_from(MEMBERS) | TEXTS, TEXTS))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_address_is_logged_wherever_in_a_request_it_is(
    log: RecordingLog, path: str, text: str, sent: dict[str, str]
) -> None:
    log.notes.clear()

    READERS[path](with_addresses(path, text, sent, method=METHODS[path]), None)

    assert "@" not in repr(log.notes)
    assert not any(note.severity is Severity.ERROR for note in log.notes)


@pytest.mark.covers("167")
@given(before=st.sampled_from(["/", "/auth/", "/auth/v1/", "/api/auth/"]), text=TEXTS, after=st.text(max_size=9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_address_in_a_path_is_logged(log: RecordingLog, before: str, text: str, after: str) -> None:
    """Links are shortened, mistyped and pasted; what was in them is not to be kept."""
    log.notes.clear()
    [default] = [endpoint for endpoint in endpoints().values() if endpoint.paths == ("$default",)]

    answer = default.handler()(with_addresses(f"{before}{text}{after}", text, {}, routeKey="$default"), None)

    (note,) = log.notes
    assert answer["statusCode"] == HTTPStatus.NOT_FOUND
    assert (note.event, note.fields["reason"], note.fields["route"]) == ("not_found", "NoSuchPath", "$default")
    assert "@" not in repr(note)
