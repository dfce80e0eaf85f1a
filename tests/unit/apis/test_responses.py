"""gerbang.apis: the responses of each API, as its documentation shows them and as its endpoints declare them."""

from collections.abc import Callable, Mapping
from copy import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from gerbang.accounts.challenges import Challenge
from gerbang.accounts.link_generation import GeneratedLink, WantedLink
from gerbang.accounts.members import MemberPage, ShownMember
from gerbang.accounts.own_factors import Enrolled
from gerbang.apis import atourin, botlaunch, gotrue, snapotp
from gerbang.apis.api_document import OpenApiDocument
from gerbang.apis.botlaunch import organizations as botlaunch_organizations
from gerbang.apis.botlaunch import own_sessions as botlaunch_sessions
from gerbang.apis.botlaunch.responses import NO_ROLE
from gerbang.apis.discovery import Discovery, ProviderMetadata
from gerbang.apis.gotrue import factors
from gerbang.apis.gotrue import own_sessions as gotrue_sessions
from gerbang.apis.jwks import KeySet, key_set
from gerbang.core.identifiers import botlaunch_id
from gerbang.http.response import HtmlPage
from gerbang.sessions.claims import TokenPair
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Factor, Identity, User
from gerbang.storage.families import Family
from gerbang.storage.organizations import Invitation, Membership, Organization
from gerbang_local.declarations import operations
from pydantic import TypeAdapter

from tests.deployment import ISSUER, Deployment

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


def test_the_session_of_botlaunch() -> None:
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


def test_the_registration_of_botlaunch_contains_the_new_organization() -> None:
    registered = botlaunch.session(SESSION, "Registration successful", ORGANIZATION)

    assert registered["data"]["organization"] == {"id": "org_1", "name": "Acme"}
    assert registered["message"] == "Registration successful"


def test_the_organization_of_botlaunch() -> None:
    data = {"id": "org_1", "name": "Acme", "role": "CLIENT_OWNER", "createdAt": "2026-03-23T06:39:34Z"}

    assert botlaunch_organizations.organization(ORGANIZATION, "CLIENT_OWNER") == {
        "data": data,
        "message": "Organization found",
    }


def test_an_account_without_an_organization_has_the_default_role_at_botlaunch() -> None:
    user = replace(USER, organization_id=None)

    shown = botlaunch.session(replace(SESSION, user=user, role=None), "Login successful")["data"]["user"]

    assert shown["role"] == NO_ROLE
    assert "organizationId" not in shown


def test_the_session_of_snapotp() -> None:
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


def test_the_session_of_atourin() -> None:
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


def test_the_other_responses_of_atourin() -> None:
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


def test_the_session_of_gotrue_has_no_envelope() -> None:
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


def test_a_guest_at_gotrue_has_the_role_of_the_token_and_no_identity() -> None:
    session = replace(GUESTS_SESSION, tokens=replace(SESSION.tokens, role="anonymous"))

    user = gotrue.session(session)["user"]

    assert (user["role"], user["email"], user["identities"], user["app_metadata"]) == ("anonymous", "", [], {})


def test_a_user_at_gotrue_has_timestamps_and_metadata() -> None:
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
def test_email_verified_in_user_metadata_is_overwritten_with_the_real_state(
    verified_at: datetime | None, written: object
) -> None:
    account = replace(USER, email_verified_at=verified_at, user_metadata={"email_verified": written})

    shown = gotrue.user(account, audience="authenticated")["user_metadata"]

    assert shown["email_verified"] is (verified_at is not None)


def test_a_user_at_gotrue_lists_identities_of_other_providers() -> None:
    google = Identity(user_id=USER_ID, provider="google", subject="1081", email="John@gmail.com", created_at=AT)
    linked = replace(USER, password_hash=None, subjects={"google": "1081"})

    [identity] = gotrue.user(linked, [google], audience="authenticated")["identities"]

    assert (identity["provider"], identity["id"], identity["email"]) == ("google", "1081", "John@gmail.com")
    assert gotrue.user(linked, [google], audience="x")["app_metadata"] == {
        "provider": "google",
        "providers": ["google"],
    }


def test_the_settings_of_gotrue_list_every_way_to_sign_in() -> None:
    settings = gotrue.settings(guests=True, sign_ups=False, autoconfirm=True, providers=["google", "custom:shop"])

    on = {name for name, is_on in settings["external"].items() if is_on}
    assert on == {"email", "anonymous_users", "google", "custom:shop"}
    assert {"apple", "github", "phone", "zoom"} <= settings["external"].keys()
    assert (settings["disable_signup"], settings["mailer_autoconfirm"]) == (True, True)


def test_the_decoy_of_a_taken_address_is_a_user_without_identities() -> None:
    user, decoy = gotrue.user(USER, audience="authenticated"), gotrue.decoy(USER, audience="authenticated")

    assert decoy == {**user, "identities": []}


def test_a_user_at_gotrue_has_the_audience_of_the_token() -> None:
    session = replace(SESSION, tokens=replace(SESSION.tokens, audience="myapp"))

    assert gotrue.session(session)["user"]["aud"] == "myapp"


SESSIONS: Final[dict[str, Callable[[SignedIn], Mapping[str, Any]]]] = {
    "BotLaunch": lambda session: botlaunch.session(session, "Login successful", ORGANIZATION),
    "SnapOTP": snapotp.session,
    "Atourin": lambda session: atourin.session(session, "Success login"),
    "GoTrue": gotrue.session,
}


@pytest.mark.covers("130")
@pytest.mark.parametrize("render", SESSIONS.values(), ids=SESSIONS.keys())
def test_a_session_contains_no_internal_fields_of_the_account(render: Callable[[SignedIn], Mapping[str, Any]]) -> None:
    """No hash, no counters, no status of the account."""
    session = replace(SESSION, user=replace(USER, subjects={"google": "google-subject"}, epoch=3, disabled_at=AT))

    response = repr(render(session))

    for secret in ("bcrypt", "google-subject", "epoch", "disabled", "password"):
        assert secret not in response


GENERATED: Final = GeneratedLink(
    user=USER, url="https://api.example/auth/v1/verify", code="123456", token="a-token", wanted=WantedLink.MAGIC_LINK
)

FACTOR: Final = Factor(factor_id="7", friendly_name="phone", created_at=USER.created_at, updated_at=USER.updated_at)

RESPONSES: Final[list[tuple[type, Mapping[str, Any]]]] = [
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
    (
        factors.EnrolledResponse,
        factors.enrolled(Enrolled(factor=FACTOR, secret="GEZDGNBV", uri="otpauth://totp/x"), qr_code="<svg/>"),
    ),
    (factors.ChallengeResponse, factors.challenged(Challenge(challenge_id="7", expires_at=USER.created_at))),
    (factors.UnenrolledResponse, factors.UnenrolledResponse(id=FACTOR.factor_id)),
    (factors.RecoveryCodesResponse, factors.RecoveryCodesResponse(recovery_codes=("abcdef-234567",))),
    (gotrue.HealthResponse, gotrue.health("1.2.3")),
    (
        gotrue.SettingsResponse,
        gotrue.settings(guests=True, sign_ups=True, autoconfirm=False, providers=["google", "custom:shop"]),
    ),
]


@pytest.mark.parametrize(("model", "response"), RESPONSES, ids=range(len(RESPONSES)))
def test_a_response_matches_its_declared_model(model: type, response: Mapping[str, Any]) -> None:
    TypeAdapter(model).validate_python(response, strict=True, extra="forbid")


def test_the_key_set_and_the_discovery_document_match_their_declared_models(deployment_in_memory: Deployment) -> None:
    discovery = Discovery(issuer=ISSUER, url=ISSUER, algorithm="RS256")
    TypeAdapter(ProviderMetadata).validate_python(discovery.answer().body, strict=True, extra="forbid")
    TypeAdapter(KeySet).validate_python(key_set(deployment_in_memory.tokens).body, strict=True, extra="forbid")


def test_every_declared_response_model_is_in_the_list_above() -> None:
    declared = {operation.response for _, operation in operations()} - {None, HtmlPage, OpenApiDocument}

    assert declared == {model for model, _ in RESPONSES} | {KeySet, ProviderMetadata}
