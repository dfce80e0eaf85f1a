"""gerbang.apis: each API's envelope and answers, on the same accounts and errors."""

from collections.abc import Callable, Mapping
from copy import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from gerbang.accounts.challenges import Challenge
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.link_generation import GeneratedLink, WantedLink
from gerbang.accounts.members import MemberPage, ShownMember
from gerbang.accounts.own_factors import Enrolled
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.apis import atourin, botlaunch, by_path, gotrue, snapotp
from gerbang.apis.api_document import OpenApiDocument
from gerbang.apis.botlaunch import organizations as botlaunch_organizations
from gerbang.apis.botlaunch import own_sessions as botlaunch_sessions
from gerbang.apis.botlaunch.responses import NO_ROLE
from gerbang.apis.discovery import Discovery, ProviderMetadata
from gerbang.apis.gotrue import factors
from gerbang.apis.gotrue import own_sessions as gotrue_sessions
from gerbang.apis.jwks import KeySet, key_set
from gerbang.core.errors import DependencyUnavailable, FieldError
from gerbang.core.identifiers import botlaunch_id
from gerbang.core.log import request_id
from gerbang.http.errors import Api
from gerbang.http.request import InvalidFields, MalformedBody, MethodNotAllowed, MissingBearer, NoSuchPath, Request
from gerbang.http.response import HtmlPage
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.service import TooMuchMail
from gerbang.passwords.policy import UnacceptablePassword
from gerbang.sessions.claims import InvalidToken, TokenExpired, TokenPair
from gerbang.sessions.sessions import RefreshTokenReused, SessionEnded, SignedIn, UserDeleted, UserDisabled
from gerbang.storage.accounts import Factor, Identity, User
from gerbang.storage.families import Family
from gerbang.storage.organizations import Invitation, Membership, Organization
from gerbang_local.declarations import endpoints, operations
from pydantic import TypeAdapter

from tests.deployment import ISSUER, Deployment
from tests.gateway_events import json_event

AT: Final = datetime(2026, 3, 23, 6, 39, 34, 999_999, tzinfo=UTC)
USER_ID: Final = "3c662a10-d9b1-438c-bfa7-eac70051f5ac"

USER: Final = User(
    user_id=USER_ID,
    name="John Doe",
    created_at=AT,
    updated_at=AT + timedelta(days=1),
    number=7,
    email="john@example.com",
    username="JohnDoe",
    password_hash="$bcrypt-sha256$secret",
    credit_balance=5000,
    organization_id="org_1",
)
GUEST: Final = User(user_id=USER_ID, name="", created_at=AT, updated_at=AT, is_anonymous=True)
SESSION: Final = SignedIn(
    user=USER,
    tokens=TokenPair(
        access_token="eyJ.access",
        refresh_token="eyJ.refresh",
        audience="authenticated",
        role="authenticated",
        expires_at=datetime(2024, 1, 15, 8, 0, tzinfo=UTC),
        expires_in=timedelta(hours=1),
    ),
    family_id="family",
    role="CLIENT_OWNER",
)
GUESTS_SESSION: Final = replace(SESSION, user=GUEST, role=None)
ORGANIZATION: Final = Organization(organization_id="org_1", name="Acme", created_at=AT)
MEMBERSHIP: Final = Membership(organization_id="org_1", user_id=USER_ID, role="CLIENT_OWNER", since=AT)
MEMBER_PAGE: Final = MemberPage(
    members=(ShownMember(user_id=USER_ID, role="CLIENT_OWNER", since=AT, name="John Doe", email="john@example.com"),),
    following=None,
)
INVITATION: Final = Invitation(
    invitation_id="inv_1",
    organization_id="org_1",
    email="mira@example.com",
    email_as_typed="Mira@example.com",
    role="CLIENT_MEMBER",
    invited_by=USER_ID,
    created_at=AT,
    expires_at=AT + timedelta(days=7),
)
FAMILY: Final = Family(
    user_id=USER_ID,
    family_id="family",
    generation=1,
    confirmed=0,
    nonce="n",
    epoch=0,
    rotated_at=AT,
    previous_rotated_at=AT,
    created_at=AT,
    expires_at=AT + timedelta(days=7),
)
ANY_REQUEST: Final = Request(method="POST", path="/")

APIS: Final = (botlaunch.API, snapotp.API, atourin.API, gotrue.API)
of_every_api = pytest.mark.parametrize("api", APIS, ids=[api.name for api in APIS])


# Answers, as the clients' documentation prints them


def test_botlaunchs_session() -> None:
    assert botlaunch.session(SESSION, "Login successful") == {
        "data": {
            "accessToken": "eyJ.access",
            "refreshToken": "eyJ.refresh",
            "expiresIn": 3600,
            "user": {
                "id": botlaunch_id(USER_ID),
                "email": "john@example.com",
                "role": "CLIENT_OWNER",
                "name": "John Doe",
                "organizationId": "org_1",
            },
        },
        "message": "Login successful",
    }


def test_botlaunchs_registration_has_the_organization_that_was_founded() -> None:
    registered = botlaunch.session(SESSION, "Registration successful", ORGANIZATION)

    assert registered["data"]["organization"] == {"id": "org_1", "name": "Acme"}
    assert registered["message"] == "Registration successful"


def test_botlaunchs_organization() -> None:
    data = {"id": "org_1", "name": "Acme", "role": "CLIENT_OWNER", "createdAt": "2026-03-23T06:39:34Z"}

    assert botlaunch_organizations.organization(ORGANIZATION, "CLIENT_OWNER") == {
        "data": data,
        "message": "Organization found",
    }


def test_an_account_of_another_api_has_a_role_at_botlaunch_and_no_organization() -> None:
    user = replace(USER, organization_id=None)

    shown = botlaunch.session(replace(SESSION, user=user, role=None), "Login successful")["data"]["user"]

    assert shown["role"] == NO_ROLE
    assert "organizationId" not in shown


def test_snapotps_session() -> None:
    user = {
        "id": 7,
        "username": "JohnDoe",
        "name": "John Doe",
        "email": "john@example.com",
        "credit_balance": 5000,
        "role_id": 3,
    }

    assert snapotp.session(SESSION) == {
        "success": True,
        "data": {"token": "eyJ.access", "refresh_token": "eyJ.refresh", "expires_in": 3600, "user": user},
    }
    assert snapotp.user(USER) == {"success": True, "data": user}


def test_atourins_session() -> None:
    assert atourin.session(SESSION, "Success verify and migrate legacy user") == {
        "status": True,
        "code": 200,
        "info": "Success verify and migrate legacy user",
        "msg": "Ok",
        "data": {
            "access_token": "eyJ.access",
            "token_type": "bearer",
            "expires_in": 3600,
            "expires_at": 1705305600,
            "refresh_token": "eyJ.refresh",
            "user": {"id": USER_ID, "email": "john@example.com", "user_metadata": {"name": "John Doe"}},
        },
    }


def test_atourins_other_answers_word_for_word() -> None:
    words = "Pendaftaran berhasil, silakan cek email untuk verifikasi"

    assert atourin.registered(USER) == {
        "code": 200,
        "status": True,
        "msg": "Ok",
        "info": words,
        "data": {"id": USER_ID, "email": "john@example.com", "created_at": "2026-03-23T06:39:34Z", "info": words},
    }
    assert atourin.code_sent() == {"info": "Success send OTP", "msg": "Ok"}
    assert atourin.signed_out() == {"code": 200, "info": "Success logout user", "msg": "Ok", "status": True}


def test_gotrues_session_is_bare() -> None:
    assert gotrue.session(SESSION) == {
        "access_token": "eyJ.access",
        "token_type": "bearer",
        "expires_in": 3600,
        "expires_at": 1705305600,
        "refresh_token": "eyJ.refresh",
        "user": {
            "id": USER_ID,
            "aud": "authenticated",
            "role": "authenticated",
            "email": "john@example.com",
            "phone": "",
            "is_anonymous": False,
            "app_metadata": {"provider": "email", "providers": ["email"]},
            "user_metadata": {"name": "John Doe"},
            "identities": [
                {
                    "identity_id": "938123ec-47c7-5c60-981e-5c1db21b20cb",
                    "id": USER_ID,
                    "user_id": USER_ID,
                    "identity_data": {
                        "sub": USER_ID,
                        "email": "john@example.com",
                        "email_verified": False,
                        "phone_verified": False,
                    },
                    "provider": "email",
                    "last_sign_in_at": "2026-03-23T06:39:34Z",
                    "created_at": "2026-03-23T06:39:34Z",
                    "updated_at": "2026-03-23T06:39:34Z",
                    "email": "john@example.com",
                }
            ],
            "created_at": "2026-03-23T06:39:34Z",
            "updated_at": "2026-03-24T06:39:34Z",
        },
    }


def test_gotrues_guest_has_the_role_of_the_token_and_no_identity() -> None:
    session = replace(GUESTS_SESSION, tokens=replace(SESSION.tokens, role="anonymous"))

    user = gotrue.session(session)["user"]

    assert (user["role"], user["email"], user["identities"], user["app_metadata"]) == ("anonymous", "", [], {})


def test_gotrues_user_shows_what_has_happened() -> None:
    verified = replace(
        USER,
        email_verified_at=AT,
        confirmation_sent_at=AT,
        last_sign_in_at=AT,
        new_email="john@new.example",
        email_change_sent_at=AT,
        user_metadata={"nickname": "Jo"},
        app_metadata={"plan": "pro"},
    )

    user = gotrue.user(verified, audience="authenticated")

    times = ("email_confirmed_at", "confirmed_at", "confirmation_sent_at", "last_sign_in_at", "email_change_sent_at")
    assert {user.get(name) for name in times} == {"2026-03-23T06:39:34Z"}
    assert user.get("new_email") == "john@new.example"
    assert user["user_metadata"] == {"name": "John Doe", "nickname": "Jo", "email_verified": True}
    assert user["app_metadata"] == {"plan": "pro", "provider": "email", "providers": ["email"]}


@pytest.mark.parametrize("verified_at", [None, AT])
@pytest.mark.parametrize("written", [True, False, "yes"])
def test_nobody_verifies_an_address_by_writing_so_into_the_metadata(
    verified_at: datetime | None, written: object
) -> None:
    account = replace(USER, email_verified_at=verified_at, user_metadata={"email_verified": written})

    shown = gotrue.user(account, audience="authenticated")["user_metadata"]

    assert shown["email_verified"] is (verified_at is not None)


def test_gotrues_user_lists_identities_at_other_providers() -> None:
    google = Identity(user_id=USER_ID, provider="google", subject="1081", email="John@gmail.com", created_at=AT)
    linked = replace(USER, password_hash=None, subjects={"google": "1081"})

    [identity] = gotrue.user(linked, [google], audience="authenticated")["identities"]

    assert (identity["provider"], identity["id"], identity["email"]) == ("google", "1081", "John@gmail.com")
    assert gotrue.user(linked, [google], audience="x")["app_metadata"] == {
        "provider": "google",
        "providers": ["google"],
    }


def test_gotrues_settings_name_every_way_to_sign_in() -> None:
    settings = gotrue.settings(guests=True, sign_ups=False, autoconfirm=True, providers=["google", "custom:shop"])

    on = {name for name, is_on in settings["external"].items() if is_on}
    assert on == {"email", "anonymous_users", "google", "custom:shop"}
    assert {"apple", "github", "phone", "zoom"} <= settings["external"].keys()
    assert (settings["disable_signup"], settings["mailer_autoconfirm"]) == (True, True)


def test_gotrues_decoy_looks_like_a_new_user_without_identities() -> None:
    user, decoy = gotrue.user(USER, audience="authenticated"), gotrue.decoy(USER, audience="authenticated")

    assert decoy == {**user, "identities": []}


def test_gotrues_user_has_the_audience_that_the_token_has() -> None:
    session = replace(SESSION, tokens=replace(SESSION.tokens, audience="myapp"))

    assert gotrue.session(session)["user"]["aud"] == "myapp"


type Answer = Callable[[SignedIn], Mapping[str, Any]]

SESSIONS: Final[dict[str, Answer]] = {
    "BotLaunch": lambda session: botlaunch.session(session, "Login successful", ORGANIZATION),
    "SnapOTP": snapotp.session,
    "Atourin": lambda session: atourin.session(session, "Success login"),
    "GoTrue": gotrue.session,
}


@pytest.mark.covers("130")
@pytest.mark.parametrize("answer", SESSIONS.values(), ids=SESSIONS.keys())
def test_only_listed_fields_leave(answer: Answer) -> None:
    """No hash, no counters, no state of the account."""
    session = replace(SESSION, user=replace(USER, subjects={"google": "google-subject"}, epoch=3, disabled_at=AT))

    shown = repr(answer(session))

    for secret in ("bcrypt", "google-subject", "epoch", "disabled", "password"):
        assert secret not in shown


GENERATED: Final = GeneratedLink(
    user=USER, url="https://api.example/auth/v1/verify", code="123456", token="a-token", wanted=WantedLink.MAGIC_LINK
)

FACTOR: Final = Factor(factor_id="7", friendly_name="phone", created_at=USER.created_at, updated_at=USER.updated_at)

ANSWERS: Final[list[tuple[type, Mapping[str, Any]]]] = [
    (botlaunch.SessionResponse, botlaunch.session(SESSION, "Login successful")),
    (botlaunch.SessionResponse, botlaunch.session(SESSION, "Registration successful", ORGANIZATION)),
    (botlaunch.SessionResponse, botlaunch.session(replace(SESSION, user=replace(USER, organization_id=None)), "x")),
    (botlaunch_organizations.OrganizationResponse, botlaunch_organizations.organization(ORGANIZATION, "CLIENT_OWNER")),
    (
        botlaunch_organizations.OrganizationsResponse,
        botlaunch_organizations.organizations([(ORGANIZATION, MEMBERSHIP)]),
    ),
    (botlaunch_organizations.MembersResponse, botlaunch_organizations.members(MEMBER_PAGE)),
    (
        botlaunch_organizations.MembersResponse,
        botlaunch_organizations.members(replace(MEMBER_PAGE, following=USER.user_id)),
    ),
    (botlaunch_organizations.InvitationResponse, botlaunch_organizations.invitation(INVITATION)),
    (botlaunch_organizations.InvitationsResponse, botlaunch_organizations.invitations([INVITATION])),
    (botlaunch_sessions.SessionsResponse, botlaunch_sessions.own_sessions([FAMILY], FAMILY)),
    (gotrue_sessions.SessionsResponse, gotrue_sessions.own_sessions([FAMILY], FAMILY)),
    (botlaunch.MessageResponse, botlaunch.MessageResponse(message="Logout successful")),
    (snapotp.SessionResponse, snapotp.session(SESSION)),
    (snapotp.SessionResponse, snapotp.session(GUESTS_SESSION)),
    (snapotp.UserResponse, snapotp.user(USER)),
    (snapotp.MessageResponse, snapotp.message("The password was changed.")),
    (atourin.SessionResponse, atourin.session(SESSION, "Success login")),
    (atourin.SessionResponse, atourin.session(GUESTS_SESSION, "Success login anonymous")),
    (atourin.RegistrationResponse, atourin.registered(USER)),
    (atourin.CodeSentResponse, atourin.code_sent()),
    (atourin.SignedOutResponse, atourin.signed_out()),
    (gotrue.SessionResponse, gotrue.session(SESSION)),
    (gotrue.SessionResponse, gotrue.session(GUESTS_SESSION)),
    (gotrue.User, gotrue.user(USER, audience="authenticated")),
    (gotrue.GeneratedLinkResponse, gotrue.generated_link(GENERATED, redirect_to="https://x.example", audience="x")),
    (gotrue.UsersResponse, gotrue.UsersResponse(users=[gotrue.user(USER, audience="x")], aud="x")),
    (gotrue.EmptyResponse, gotrue.EmptyResponse()),
    (gotrue.Factor, gotrue.factor(FACTOR)),
    (gotrue.User, gotrue.user(replace(USER, factors=(FACTOR,)), audience="authenticated")),
    (factors.EnrolledResponse, factors.enrolled(Enrolled(factor=FACTOR, secret="GEZDGNBV", uri="otpauth://totp/x"))),
    (factors.ChallengeResponse, factors.challenged(Challenge(challenge_id="7", expires_at=USER.created_at))),
    (factors.UnenrolledResponse, factors.UnenrolledResponse(id=FACTOR.factor_id)),
    (factors.RecoveryCodesResponse, factors.RecoveryCodesResponse(recovery_codes=("abcdef-234567",))),
    (gotrue.HealthResponse, gotrue.health("1.2.3")),
    (
        gotrue.SettingsResponse,
        gotrue.settings(guests=True, sign_ups=True, autoconfirm=False, providers=["google", "custom:shop"]),
    ),
]


@pytest.mark.parametrize(("response", "answer"), ANSWERS, ids=range(len(ANSWERS)))
def test_an_answer_is_what_its_endpoint_declares(response: type, answer: Mapping[str, Any]) -> None:
    TypeAdapter(response).validate_python(answer, strict=True, extra="forbid")


def test_the_key_set_is_what_its_endpoint_declares(deployment_in_memory: Deployment) -> None:
    discovery = Discovery(issuer=ISSUER, url=ISSUER, algorithm="RS256")
    TypeAdapter(ProviderMetadata).validate_python(discovery.answer().body, strict=True, extra="forbid")
    TypeAdapter(KeySet).validate_python(key_set(deployment_in_memory.tokens).body, strict=True, extra="forbid")


def test_every_response_that_an_endpoint_declares_is_in_the_list_above() -> None:
    declared = {operation.response for _, operation in operations()} - {None, HtmlPage, OpenApiDocument}

    assert declared == {response for response, _ in ANSWERS} | {KeySet, ProviderMetadata}


# Errors, in each envelope

INVALID: Final = InvalidFields((FieldError("email", "Field required"), FieldError("name", "String too long")))


def test_botlaunchs_errors() -> None:
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
def test_botlaunchs_titles(error: Exception, status: int, title: str) -> None:
    answer = botlaunch.API.render(error, ANY_REQUEST, {})

    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["statusCode"], answer.body["error"]) == (status, status, title)


def test_snapotps_errors() -> None:
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


def test_atourins_errors() -> None:
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
def test_gotrues_errors_where_a_refresh_token_is_traded(error: Exception, status: int, code: str) -> None:
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
def test_gotrues_errors_where_an_access_token_is_shown(error: Exception, status: int, code: str) -> None:
    answer = gotrue.API.render(error, ANY_REQUEST, {})

    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["error_code"]) == (status, code)


VERSIONED: Final = replace(ANY_REQUEST, headers={"x-supabase-api-version": "2024-01-01"})


@pytest.mark.parametrize("version", ["", "2023-12-31", "yesterday", "2024-13-01"])
def test_gotrues_older_errors_have_the_status_as_code(version: str) -> None:
    answer = gotrue.API.render(
        InvalidCode("wrong"), replace(VERSIONED, headers={"x-supabase-api-version": version}), {}
    )

    assert answer.body == {"code": 403, "error_code": "otp_expired", "msg": gotrue.API.errors["invalid_code"].message}
    assert "x-supabase-api-version" not in answer.headers


def test_gotrues_newer_errors_have_their_name_as_code_and_say_which_version_they_are() -> None:
    answer = gotrue.API.render(InvalidCode("wrong"), VERSIONED, {})

    words = gotrue.API.errors["invalid_code"].message
    assert answer.body == {"code": "otp_expired", "error_code": "otp_expired", "msg": words, "message": words}
    assert answer.headers["x-supabase-api-version"] == "2024-01-01"


@pytest.mark.parametrize(
    ("rule", "reason"),
    [("length", "length"), ("characters", "characters"), ("common", "pwned"), ("personal", "characters")],
)
def test_gotrues_clients_are_told_why_a_password_is_weak(rule: str, reason: str) -> None:
    answer = gotrue.API.render(
        UnacceptablePassword(rule, "Password must be at least 8 characters long", "x"), VERSIONED, {}
    )

    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["code"]) == (422, "weak_password")
    assert answer.body["weak_password"] == {"reasons": [reason]}
    assert "at least 8 characters" in answer.body["msg"]


def test_gotrues_clients_are_told_how_long_to_wait_for_another_mail() -> None:
    answer = gotrue.API.render(TooMuchMail("mail_minute", timedelta(seconds=42)), VERSIONED, {})

    assert isinstance(answer.body, dict)
    assert (answer.status, answer.body["code"]) == (429, "over_email_send_rate_limit")
    assert "after 42 seconds" in answer.body["msg"]


def test_gotrues_failures_have_the_requests_id() -> None:
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
def test_every_api_answers_with_the_status_and_its_header(
    api: Api, error: Exception, status: int, header: tuple[str, str] | None
) -> None:
    answer = api.render(error, ANY_REQUEST, {})

    assert answer.status == status
    assert header is None or answer.headers[header[0]] == header[1]
    assert "a bug" not in repr(answer.body)


@pytest.mark.covers("27")
@of_every_api
def test_unknown_wrong_and_disabled_read_the_same(api: Api) -> None:
    answers = [api.render(InvalidCredentials(evidence), ANY_REQUEST, {}) for evidence in (None, USER_ID, "x")]

    assert answers[0] == answers[1] == answers[2]


# Which API a request speaks


def api_spoken(path: str, body: object) -> Api:
    """Return the API of the operation that a body asks for."""
    [endpoint] = [endpoint for endpoint in endpoints().values() if endpoint.paths == (path,)]
    operation = endpoint.find(Request.from_event(json_event(body, path=path)))
    assert isinstance(operation.api, Api)
    return operation.api


@pytest.mark.parametrize(
    ("path", "body", "api"),
    [
        ("/api/auth/login", {"email": "a@example.com", "password": "x"}, botlaunch.API),
        ("/api/auth/login", {"username": "a", "password": "x"}, snapotp.API),
        ("/api/auth/login", {"username": "a", "email": "a@example.com"}, snapotp.API),
        ("/api/auth/login", {"username": None}, snapotp.API),
        ("/api/auth/login", {}, botlaunch.API),
        ("/api/auth/register", {"username": "a"}, snapotp.API),
        ("/api/auth/register", {"refresh_token": "x"}, botlaunch.API),
        ("/api/auth/refresh", {"refresh_token": "x"}, snapotp.API),
        ("/api/auth/refresh", {"refreshToken": "x"}, botlaunch.API),
        ("/api/auth/refresh", {"refresh_token": "x", "refreshToken": "x"}, botlaunch.API),
        ("/api/auth/refresh", {"username": "a"}, botlaunch.API),
        ("/api/auth/refresh", {}, botlaunch.API),
    ],
    ids=range(12),
)
def test_the_body_says_which_api_it_speaks(path: str, body: object, api: Api) -> None:
    assert api_spoken(path, body) is api


CHOOSING: Final = {
    "/api/auth/login": ("username",),
    "/api/auth/register": ("username",),
    "/api/auth/refresh": ("refresh_token", "refreshToken"),
}
"""At each path that serves two APIs, the members that may say which; the first is SnapOTP's."""

MEMBERS: Final = sorted(
    {
        field.alias or name
        for _, operation in operations()
        for name, field in getattr(operation.request, "model_fields", {}).items()
    }
    | {"nothing"}
)
"""Members of the bodies of every API, and one of none."""


@pytest.mark.parametrize("path", CHOOSING)
@pytest.mark.parametrize("value", ["x", None, 7, ["x"]], ids=repr)
def test_a_member_that_belongs_elsewhere_does_not_choose_the_api(path: str, value: object) -> None:
    """A field that a path does not know is ignored, so it changes no envelope."""
    for member in {*MEMBERS} - {*CHOOSING[path]}:
        assert api_spoken(path, {member: value}) is botlaunch.API
        assert api_spoken(path, {member: value, CHOOSING[path][0]: "x"}) is snapotp.API


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/auth/v1/nothing", gotrue.API),
        ("/auth/v1", gotrue.API),
        ("/auth/v1x", atourin.API),
        ("/auth/nothing", atourin.API),
        ("/auth", atourin.API),
        ("/api/auth/nothing", botlaunch.API),
        ("/api/nothing", botlaunch.API),
        ("/", botlaunch.API),
        ("", botlaunch.API),
        ("/authentic", botlaunch.API),
    ],
    ids=range(10),
)
def test_an_unknown_path_belongs_to_the_api_that_it_lies_under(path: str, api: Api) -> None:
    assert by_path.api_of(replace(ANY_REQUEST, path=path)) is api
