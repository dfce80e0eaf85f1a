"""The effect of settings, tested on a second deployment with other settings than the defaults."""

import shlex
from collections.abc import Callable, Iterator

import jwt
import pytest

from tests.wire.client import new_clients
from tests.wire.server import running_with_control
from tests.wire.shapes import atourin_error, botlaunch_error, claims_of, gotrue_error, snapotp_error, snapotp_invalid
from tests.wire.world import OTHER_PASSWORD, World

SETTINGS = {
    "PasswordHashCost": "10",
    "ProductName": "Tram",
    "CorsAllowOrigins": "https://app.example.com,https://admin.example.com",
    "PublicUrl": "https://auth.example.com",
    "TokenAudience": "tram-clients",
    "TokenAlgorithm": "ES256",
    "AccessTokenSeconds": "600",
    "RefreshTokenSeconds": "7200",
    "PasswordMinLength": "12",
    "RequireVerifiedEmail": "true",
    "InitialCreditBalance": "5000",
    "PublishableKey": "sb_publishable_chosen",
    "GoogleClientIds": "one.apps.example,two.apps.example",
    "PasswordResetUrl": "https://app.example.com/reset?lang=id#/{token}",
    "MailSenderName": "The tram",
    "DefaultLocale": "id",
    "LimitSignInAccountAndAddress": "3/60",
    "LimitRegistration": "4/3600",
    "LimitMailMinute": "2/60",
}
PASSWORD = "Correct-horse-42"


@pytest.fixture(scope="module")
def other_deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], World]]:
    """Creates worlds of a deployment with these settings, each with a new client."""
    parameters = shlex.join(f"{name}={value}" for name, value in SETTINGS.items())
    with running_with_control(tmp_path_factory.mktemp("settings"), PARAMETERS=parameters) as (server, control):
        new_client = new_clients(server.port, network=99)
        yield lambda: World(server=server, control=control, client=new_client(), new_client=new_client)


@pytest.fixture
def world(other_deployment: Callable[[], World]) -> World:
    return other_deployment()


def test_tokens_are_signed_with_a_key_of_the_key_set(world: World) -> None:
    person = world.register()

    key_set = world.client.get("/.well-known/jwks.json")
    same = world.client.get("/auth/v1/.well-known/jwks.json")

    assert key_set.status == 200
    assert key_set.headers["cache-control"] == "public, max-age=600"
    assert key_set.headers["vary"] == "Origin"
    assert key_set.raw == same.raw
    header = jwt.get_unverified_header(person.access_token)
    newest, key = key_set.json["keys"]  # a new key signs only after clients could fetch it
    assert newest["kid"] != header["kid"]
    assert key.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    assert (header["alg"], header["kid"]) == ("ES256", key["kid"])
    claims = jwt.decode(
        person.access_token,
        jwt.PyJWK(key).key,
        algorithms=["ES256"],
        audience="tram-clients",
        issuer="https://auth.example.com",
    )
    assert claims["sub"] == person.user_id
    assert world.is_signed_in(person.access_token)


def test_a_token_with_another_algorithm_is_rejected(world: World) -> None:
    person = world.register()

    assert not world.is_signed_in(world.forge(person.access_token))


def test_token_lifetimes_follow_the_settings(world: World) -> None:
    person = world.register()
    access, refresh = claims_of(person.access_token), claims_of(person.refresh_token)
    world.client.post("/auth/verify_otp", {"email": person.email, "otp": world.mail(person.email).code})

    answer = world.refresh(person.refresh_token)

    assert access["exp"] - access["iat"] == 600
    assert refresh["exp"] - refresh["iat"] == 7200
    assert answer.data["expiresIn"] == 600


def test_the_hash_cost_follows_the_settings(world: World) -> None:
    person = world.register()

    assert world.account(person.user_id)["password_hash"].startswith("$bcrypt-sha256$v=2,t=2b,r=10$")


def test_the_minimum_password_length_follows_the_settings(world: World) -> None:
    request = {"username": world.username(), "email": world.email(), "name": "Ada Lovelace"}

    eleven = world.client.post("/api/auth/register", {**request, "password": "eleven chr."})
    twelve = world.client.post("/api/auth/register", {**request, "password": "twelve chars"})

    assert (eleven.status, twelve.status) == (400, 201)
    assert eleven.json == snapotp_invalid("password")


def test_sign_in_is_403_until_the_address_is_verified(world: World) -> None:
    email, mail = world.register_without_session()
    body = {"email": email, "password": PASSWORD}

    before = world.client.post("/auth/login_with_email_password", body)
    wrong = world.client.post("/auth/login_with_email_password", {"email": email, "password": OTHER_PASSWORD})
    verified = world.client.post("/auth/verify_otp", {"email": email, "otp": mail.code})
    after = world.client.post("/auth/login_with_email_password", body)

    assert before.status == 403
    assert before.json == atourin_error(403)
    assert wrong.status == 400
    assert (verified.status, after.status) == (200, 200)


def test_the_session_of_a_registration_cannot_be_refreshed_before_the_address_is_verified(world: World) -> None:
    person, by_username = world.register(), world.register_by_username()
    at_gotrue, body = "/auth/v1/token?grant_type=refresh_token", {"refresh_token": person.refresh_token}

    before = world.refresh(person.refresh_token)
    before_at_snapotp = world.client.post("/api/auth/refresh", {"refresh_token": by_username.refresh_token})
    before_at_gotrue = world.client.post(at_gotrue, body, apikey="sb_publishable_chosen")
    world.client.post("/auth/verify_otp", {"email": person.email, "otp": world.mail(person.email).code})
    after = world.client.post(at_gotrue, body, apikey="sb_publishable_chosen")

    assert (before.status, before.json) == (403, botlaunch_error(403, "Forbidden"))
    assert (before_at_snapotp.status, before_at_snapotp.json) == (403, snapotp_error())
    assert (before_at_gotrue.status, before_at_gotrue.json) == (403, gotrue_error(403, "email_not_confirmed"))
    assert after.status == 200
    assert after.json["user"]["aud"] == claims_of(after.json["access_token"])["aud"] == "tram-clients"


def test_every_registration_mails_a_verification_code(world: World) -> None:
    person, other = world.register(), world.register_by_username()

    for email in (person.email, other.email):
        mail = world.mail(email)
        assert mail.subject == "Konfirmasi alamat email Anda untuk Tram"
        assert world.client.post("/auth/verify_otp", {"email": email, "otp": mail.code}).status == 200
        assert world.can_sign_in(email, PASSWORD)
    assert world.is_signed_in(person.access_token)


def test_the_initial_credit_follows_the_settings(world: World) -> None:
    by_google = {"google_id": "g", "email": world.email(), "name": "Ada Lovelace"}

    person = world.register_by_username()
    google = world.client.post("/api/auth/google", by_google, apikey=world.secret_key)

    assert world.me(person.access_token).data["credit_balance"] == 5000
    assert google.data["user"]["credit_balance"] == 5000


@pytest.mark.parametrize(("audience", "status"), [("one.apps.example", 200), ("two.apps.example", 200), ("x", 401)])
def test_google_tokens_are_accepted_for_the_configured_apps(world: World, audience: str, status: int) -> None:
    token = world.google_token(email=world.email(), claims={"aud": audience, "azp": audience})

    assert world.client.post("/api/auth/google", {"id_token": token}).status == status


def test_only_the_configured_publishable_key_is_accepted(world: World) -> None:
    guest = world.client.post_without_body("/auth/login_with_anonymous").data
    body, path = {"refresh_token": guest["refresh_token"]}, "/auth/v1/token?grant_type=refresh_token"

    assert world.client.post(path, body, apikey="sb_publishable_local").status == 401
    assert world.client.post(path, body, apikey="sb_publishable_chosen").status == 200


def test_the_link_and_language_of_a_reset_mail_follow_the_settings(world: World) -> None:
    email = world.email()
    by_google = {"google_id": email, "email": email, "name": "Ada Lovelace"}
    world.client.post("/api/auth/google", by_google, apikey=world.secret_key)

    world.client.post("/api/auth/forgot-password", {"email": email}, host="evil.example.com")

    mail = world.mail(email)
    assert mail.subject == "Atur ulang kata sandi Tram Anda"
    [link] = [line for line in mail.text.splitlines() if line.startswith("https://")]
    assert link.startswith("https://app.example.com/reset?lang=id#/")
    token = link.rpartition("/")[2]
    reset = {"token": token, "password": "Battery-staple-43"}
    assert world.client.post("/api/auth/reset-password", reset).status == 200


def test_rate_limits_follow_the_settings(world: World) -> None:
    wrong = {"email": world.email(), "password": OTHER_PASSWORD}
    email = world.email()

    guesses = [world.client.post("/api/auth/login", wrong).status for _ in range(4)]
    guests = [world.client.post_without_body("/auth/login_with_anonymous").status for _ in range(5)]
    codes = [world.client.post("/auth/otp", {"email": email}).status for _ in range(3)]

    assert guesses == [400] * 3 + [429]
    assert guests == [200] * 4 + [429]
    assert codes == [200] * 2 + [429]


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://app.example.com", True),
        ("https://admin.example.com", True),
        ("https://evil.example.com", False),
        ("https://app.example.com.evil.example", False),
        ("http://app.example.com", False),
        ("null", False),
    ],
)
def test_cors_allows_only_the_configured_origins(world: World, origin: str, allowed: bool) -> None:  # noqa: FBT001
    answer = world.client.get("/api/auth/me", origin=origin)

    assert answer.headers.get("access-control-allow-origin") == (origin if allowed else None)
    assert "access-control-allow-credentials" not in answer.headers
