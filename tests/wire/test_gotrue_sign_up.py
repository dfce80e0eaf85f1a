"""Sign-up, and sign-in with a password, as Supabase's clients do."""

import pytest
from gerbang.mail.jobs import MailKind

from tests.wire.client import Answer
from tests.wire.shapes import JWT, UUID, claims_of, gotrue_error
from tests.wire.world import World

SIGN_UP = "/auth/v1/signup"
PASSWORD_GRANT = "/auth/v1/token?grant_type=password"
PASSWORD = "Correct horse 1"


def post(world: World, path: str, body: object, **headers: str) -> Answer:
    return world.client.post(path, body, apikey=world.publishable_key, **headers)


def sign_up(world: World, email: str, **more: object) -> Answer:
    return post(world, SIGN_UP, {"email": email, "password": PASSWORD, **more})


def verify(world: World, email: str, *, mail: int = 1) -> None:
    code = world.mail(email, nth=mail).code
    answer = world.client.post("/auth/verify_otp", {"email": email, "otp": code})
    assert answer.status == 200


def test_a_sign_up_returns_the_user_and_mails_a_code(world: World) -> None:
    email = world.email()

    answer = sign_up(world, email, data={"name": "Mira", "plan": "pro"}, code_challenge=None)

    assert answer.status == 200
    user = answer.json
    assert (user["id"], user["email"], user["role"], user["aud"]) == (UUID, email, "authenticated", "authenticated")
    assert user["user_metadata"] == {"name": "Mira", "plan": "pro"}
    assert [each["provider"] for each in user["identities"]] == ["email"]
    assert "confirmation_sent_at" in user
    assert not {"email_confirmed_at", "last_sign_in_at", "access_token"} & user.keys()
    assert world.mail(email).code


def test_an_account_of_a_sign_up_works_in_every_api(world: World) -> None:
    email = world.email()
    user_id = sign_up(world, email, data={"full_name": "Mira"}).json["id"]
    verify(world, email)

    session = post(world, PASSWORD_GRANT, {"email": email, "password": PASSWORD})
    elsewhere = world.client.post("/api/auth/login", {"email": email, "password": PASSWORD})
    me = world.client.get("/api/auth/me", bearer=session.json["access_token"])

    assert (session.status, elsewhere.status) == (200, 200)
    assert session.json["user"]["id"] == user_id
    assert session.json["user"]["user_metadata"]["email_verified"] is True
    assert claims_of(session.json["access_token"])["amr"][0]["method"] == "password"
    assert me.json["data"]["name"] == "Mira"


def test_signing_up_with_a_verified_address_returns_a_fictitious_user(world: World) -> None:
    email = world.email()
    first = sign_up(world, email).json
    verify(world, email)
    world.end_cooldown(MailKind.VERIFICATION_CODE, email)

    second = sign_up(world, email, data={"name": "Other"})

    assert second.status == 200
    assert second.json["identities"] == []
    assert second.json["id"] != first["id"]
    assert second.json.keys() == first.keys()


def test_signing_up_again_with_an_unverified_address_keeps_the_first_password(world: World) -> None:
    email = world.email()
    first = sign_up(world, email).json
    assert world.mail(email).code
    world.end_cooldown(MailKind.VERIFICATION_CODE, email)

    second = post(world, SIGN_UP, {"email": email, "password": PASSWORD})

    assert (second.status, second.json["id"]) == (200, first["id"])
    verify(world, email, mail=2)
    assert post(world, PASSWORD_GRANT, {"email": email, "password": PASSWORD}).status == 200


def test_sign_ups_count_against_the_limit_of_mails(world: World) -> None:
    email = world.email()
    sign_up(world, email)

    answer = sign_up(world, email)

    assert (answer.status, answer.json) == (429, gotrue_error(429, "over_email_send_rate_limit"))
    assert "after" in answer.json["msg"]
    assert 0 < int(answer.headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "not-an-address", "password": PASSWORD}, 400, "validation_failed"),
        ({"email": "mira@example.com"}, 400, "validation_failed"),
        ({"email": "mira@example.com", "password": ""}, 400, "validation_failed"),
        ({"email": "mira@example.com", "password": PASSWORD, "phone": "+15550100"}, 400, "validation_failed"),
        ({"phone": "+15550100", "password": PASSWORD}, 400, "phone_provider_disabled"),
        ({"email": "mira@example.com", "password": PASSWORD, "data": []}, 400, "validation_failed"),
        ({"email": "mira@example.com", "password": PASSWORD, "data": {"x": "y" * 8200}}, 400, "validation_failed"),
    ],
)
def test_an_invalid_sign_up_is_400(world: World, body: dict[str, object], status: int, code: str) -> None:
    answer = post(world, SIGN_UP, body)

    assert (answer.status, answer.json) == (status, gotrue_error(status, code))


def test_a_weak_password_is_422_with_the_reasons(world: World) -> None:
    answer = post(world, SIGN_UP, {"email": world.email(), "password": "short"})

    assert answer.status == 422
    assert answer.json["error_code"] == "weak_password"
    assert answer.json["weak_password"] == {"reasons": ["length"]}
    assert "at least 8 characters" in answer.json["msg"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"email": "not-an-address"}, "email: "),
        ({"phone": "+15550100"}, "phone: "),
        ({"data": []}, "data: "),
        ({"code_challenge": "short"}, "code_challenge: "),
    ],
    ids=str,
)
def test_a_weak_password_and_other_invalid_fields_are_named_together(
    world: World, wrong: dict[str, object], named: str
) -> None:
    answer = post(world, SIGN_UP, {"email": world.email(), "password": "short", "data": {"name": "Mira"}, **wrong})

    assert (answer.status, answer.json["error_code"]) == (400, "validation_failed")
    assert named in answer.json["msg"]
    assert "password: Password must be at least 8 characters" in answer.json["msg"]


@pytest.mark.parametrize("password", [PASSWORD, "", None, 7])
def test_a_password_is_named_once_and_only_if_it_is_invalid(world: World, password: object) -> None:
    answer = post(world, SIGN_UP, {"email": "not-an-address", "password": password})

    assert answer.json["error_code"] == "validation_failed"
    assert answer.json["msg"].count("password: ") == (password != PASSWORD)


def test_an_anonymous_sign_up_returns_a_guests_session(world: World) -> None:
    answer = post(world, SIGN_UP, {"data": {"cart": 7}, "gotrue_meta_security": {}})

    assert answer.status == 200
    user, claims = answer.json["user"], claims_of(answer.json["access_token"])
    assert answer.json["refresh_token"] == JWT
    assert (user["is_anonymous"], user["role"], user["email"], user["identities"]) == (True, "authenticated", "", [])
    assert (user["app_metadata"], user["user_metadata"]) == ({}, {"cart": 7})
    assert (claims["is_anonymous"], claims["role"], claims["amr"][0]["method"]) == (True, "authenticated", "anonymous")


def test_a_refresh_keeps_a_guests_role(world: World) -> None:
    session = post(world, SIGN_UP, {}).json

    refreshed = post(world, "/auth/v1/token?grant_type=refresh_token", {"refresh_token": session["refresh_token"]})

    assert claims_of(refreshed.json["access_token"])["role"] == "authenticated"


def test_a_right_password_of_an_unverified_address_is_email_not_confirmed(world: World) -> None:
    email = world.email()
    sign_up(world, email)

    right = post(world, PASSWORD_GRANT, {"email": email, "password": PASSWORD})
    wrong = post(world, PASSWORD_GRANT, {"email": email, "password": "Another horse 1"})
    unknown = post(world, PASSWORD_GRANT, {"email": world.email(), "password": PASSWORD})

    assert (right.status, right.json) == (400, gotrue_error(400, "email_not_confirmed"))
    assert (wrong.status, wrong.json) == (400, gotrue_error(400, "invalid_credentials"))
    assert unknown.json == wrong.json
    assert "Invalid login credentials" in wrong.json["msg"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"password": PASSWORD}, 400, "validation_failed"),
        ({"email": "mira@example.com", "phone": "+15550100", "password": PASSWORD}, 400, "validation_failed"),
        ({"phone": "+15550100", "password": PASSWORD}, 422, "phone_provider_disabled"),
    ],
)
def test_a_password_grant_needs_exactly_one_email_address(
    world: World, body: dict[str, object], status: int, code: str
) -> None:
    answer = post(world, PASSWORD_GRANT, body)

    assert (answer.status, answer.json) == (status, gotrue_error(status, code))


def test_health_and_settings_describe_the_deployment(world: World) -> None:
    health = world.client.get("/auth/v1/health")
    settings = world.client.get("/auth/v1/settings", apikey=world.publishable_key)

    assert (health.status, health.json["name"]) == (200, "Gerbang")
    assert (settings.status, settings.json["disable_signup"]) == (200, False)
    assert settings.json["external"]["email"] is True
    assert settings.json["external"]["phone"] is False


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/auth/v1/user/identities/authorize", 404, "manual_linking_disabled"),
        ("POST", "/auth/v1/sso", 404, "saml_provider_disabled"),
        ("POST", "/auth/v1/passkeys/x", 404, "passkey_disabled"),
        ("GET", "/auth/v1/admin/audit", 404, "validation_failed"),
        ("GET", "/auth/v1/factorsx", 404, "validation_failed"),
        ("POST", "/auth/v1/token?grant_type=web3", 422, "web3_provider_disabled"),
    ],
)
def test_unsupported_features_have_their_own_error(
    world: World, method: str, path: str, status: int, code: str
) -> None:
    answer = world.client.request(method, path, headers={"apikey": world.publishable_key})

    assert (answer.status, answer.json) == (status, gotrue_error(status, code))
