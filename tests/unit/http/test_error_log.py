"""gerbang.http.endpoint: what is logged about errors, and that no secret or e-mail address is."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

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
from gerbang.http.errors import UNEXPECTED, Api
from gerbang.http.request import InvalidFields, MethodNotAllowed, Request
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.codes import InvalidResetToken
from gerbang.mail.service import TooMuchMail
from gerbang.passwords.policy import UnacceptablePassword
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
from tests.unit.http.error_classes import every_error

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

FAMILY_ID: Final = "0a7e7a2c-1111-4000-8000-000000000001"
FACTOR_ID: Final = "0e1d6f52-3a43-4f0e-9d0c-6a1d2b3c4d5e"
USER_ID: Final = "3c662a10-d9b1-438c-bfa7-eac70051f5ac"

ERRORS_WITH_EVIDENCE: Final[list[tuple[AuthError, dict[str, str]]]] = [
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
"""Every error as the code raises it, with the evidence in its log line."""


def test_every_error_class_is_in_the_list_above() -> None:
    assert {type(error) for error, _ in ERRORS_WITH_EVIDENCE} == every_error()


@pytest.mark.covers("166")
@pytest.mark.parametrize(
    ("error", "evidence"), ERRORS_WITH_EVIDENCE, ids=[repr(error) for error, _ in ERRORS_WITH_EVIDENCE]
)
def test_an_error_is_logged_with_its_evidence_and_nothing_else(
    endpoint_log: RecordingLog, error: AuthError, evidence: dict[str, str]
) -> None:
    log_error(error, REQUEST, HTTPStatus.BAD_REQUEST)

    (note,) = endpoint_log.notes
    assert (note.event, note.severity) == (error.code, Severity.WARNING)
    assert note.fields == {
        "reason": type(error).__name__,
        "status": 400,
        "route": "POST /api/auth/login",
        "client": "192.0.2.1",
        **evidence,
    }


def test_server_failures_are_logged_as_errors(endpoint_log: RecordingLog) -> None:
    log_error(DependencyUnavailable("ThrottlingException"), REQUEST, 503)
    log_error(RuntimeError("a bug"), REQUEST, 500)

    assert [(note.event, note.severity) for note in endpoint_log.notes] == [
        ("service_unavailable", Severity.ERROR),
        (UNEXPECTED, Severity.ERROR),
    ]


def test_under_sam_local_the_log_of_a_503_names_the_command_to_run(
    endpoint_log: RecordingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(init, "ON_SAM_LOCAL", True)

    log_error(DependencyUnavailable("EndpointConnectionError"), REQUEST, 503)
    log_error(RuntimeError("a bug"), REQUEST, 500)

    hints = [str(note.fields.get("hint", "")) for note in endpoint_log.notes]
    assert "`make sam-env`" in hints[0]
    assert hints[1] == ""


@pytest.mark.covers("167")
@of_every_api
def test_neither_log_nor_response_contains_the_request(endpoint_log: RecordingLog, api: Api) -> None:
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

    assert not re.search("secret|alice|arn:", repr(endpoint_log.notes))


def test_the_route_is_logged_instead_of_the_path(endpoint_log: RecordingLog) -> None:
    """A path may contain a token."""
    log_error(request.NoSuchPath(), replace(REQUEST, path="/auth/eyJsecret", route="$default"), 404)

    assert "eyJ" not in repr(endpoint_log.notes)
    assert endpoint_log.notes[0].fields["route"] == "$default"


def test_logged_evidence_has_a_maximum_length(endpoint_log: RecordingLog) -> None:
    log_error(InvalidFields(tuple(FieldError(f"field{number}", "x") for number in range(500))), REQUEST, 400)

    assert len(str(endpoint_log.notes[0].fields["why"])) == LONGEST_REASON


def read_bearer(call: Call[Any, None]) -> None:
    """Read the bearer token, which the endpoint itself does not read, and do nothing."""
    call.request.bearer()


def handler_that_reads(endpoint: Endpoint) -> LambdaHandler:
    """Return a handler that reads and checks a request as the endpoint does."""
    endpoint_that_reads = Endpoint(*endpoint.paths)
    endpoint_that_reads.operations.extend(
        replace(operation, caller=ANYONE, run=read_bearer) for operation in endpoint.operations
    )
    return endpoint_that_reads.handler()


HANDLERS: Final = {endpoint.paths[0]: handler_that_reads(endpoint) for endpoint in endpoints().values()}
METHODS: Final = {endpoint.paths[0]: endpoint.operations[0].method for endpoint in endpoints().values()}

ADDRESSES: Final = st.one_of(
    st.emails(),
    st.text(max_size=30).map(lambda text: f"{text}alice@example.com"),
    st.text(max_size=30).map(lambda text: f"alice@example.com{text}"),
)
"""Valid and nearly valid e-mail addresses."""

FIELDS: Final = sorted(
    {
        field.alias or name
        for endpoint in endpoints().values()
        for operation in endpoint.operations
        for name, field in getattr(operation.request, "model_fields", {}).items()
    }
)
"""The names of the fields of all request models."""


def with_addresses(path: str, text: str, sent: dict[str, str], **more: Any) -> dict[str, Any]:
    """A request with an address in every place."""
    headers = {"authorization": f"Bearer {text}", "apikey": text, "x-organization-id": text, "user-agent": text}
    return http_event(
        json.dumps(sent), path=path, headers=headers, query={"grant_type": text}, rawQueryString=text, **more
    )


def test_the_fields_of_all_request_models_are_tried() -> None:
    assert {"email", "username", "password", "refreshToken", "otp", "id_token", "organizationName"} <= {*FIELDS}


@pytest.mark.covers("167")
@pytest.mark.parametrize("path", HANDLERS)
@given(text=ADDRESSES, sent=st.dictionaries(st.sampled_from(FIELDS) | ADDRESSES, ADDRESSES))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_email_address_in_a_request_is_logged(
    endpoint_log: RecordingLog, path: str, text: str, sent: dict[str, str]
) -> None:
    endpoint_log.notes.clear()

    HANDLERS[path](with_addresses(path, text, sent, method=METHODS[path]), None)

    assert "@" not in repr(endpoint_log.notes)
    assert not any(note.severity is Severity.ERROR for note in endpoint_log.notes)


@pytest.mark.covers("167")
@given(before=st.sampled_from(["/", "/auth/", "/auth/v1/", "/api/auth/"]), text=ADDRESSES, after=st.text(max_size=9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_email_address_in_a_path_is_logged(endpoint_log: RecordingLog, before: str, text: str, after: str) -> None:
    """Mistyped links may contain an address."""
    endpoint_log.notes.clear()
    [default] = [endpoint for endpoint in endpoints().values() if endpoint.paths == ("$default",)]

    answer = default.handler()(with_addresses(f"{before}{text}{after}", text, {}, routeKey="$default"), None)

    (note,) = endpoint_log.notes
    assert answer["statusCode"] == HTTPStatus.NOT_FOUND
    assert (note.event, note.fields["reason"], note.fields["route"]) == ("not_found", "NoSuchPath", "$default")
    assert "@" not in repr(note)
