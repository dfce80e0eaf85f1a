"""Calls every endpoint, and every branch of the code that makes different calls to AWS."""

import json
from typing import Any, Final
from unittest.mock import patch

from gerbang_local.google import LOCAL_CLIENT_ID
from gerbang_local.stack import ACCOUNT_ID, REGION
from moto.awslambda.models import LambdaBackend
from moto.secretsmanager.models import secretsmanager_backends

from tests.deploy.scenarios import own_apis, supabase
from tests.deploy.scenarios.second_factors import second_factors
from tests.deploy.scenarios.world import (
    ATTEMPTS,
    CODE,
    NEW_PASSWORD,
    PASSWORD,
    World,
    another_code,
    bearer,
    success,
)

PARAMETERS: Final = {
    "ClaimsFailure": "without",
    "ClaimsFunctionArn": f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:claims",
    "EventBusName": "default",
    "GoogleClientIds": LOCAL_CLIENT_ID,
    "LimitMailMinute": "1000/60",
    "LimitMailHour": "1000/3600",
    "LimitRegistration": "1000/3600",
    "LimitSignInAccount": f"{ATTEMPTS}/3600",
    "PasswordHashCost": "10",
    "RefreshGraceSeconds": "0",
    "SesConfigurationSet": "mail",
    "TokenAlgorithm": "ES256",
}
"""Settings for `call_everything`, in addition to `GoogleCertsUrl`. They make rare branches easy to reach."""

SCENARIOS: Final = (
    own_apis.botlaunch,
    own_apis.own_sessions,
    own_apis.organizations,
    own_apis.snapotp,
    own_apis.atourin,
    own_apis.passwords,
    own_apis.google_sign_in,
    supabase.refresh_tokens,
    supabase.user,
    supabase.email_change,
    supabase.sign_up,
    supabase.password_and_id_tokens,
    supabase.one_time_codes,
    supabase.administrators,
    supabase.identities,
    supabase.links,
    supabase.administrators_links,
    second_factors,
)


def call_everything(world: World) -> None:
    for scenario in SCENARIOS:
        scenario(world)
    assert world.api.get("/nowhere").status == 404
    success(world.api.get("/.well-known/jwks.json"))
    success(world.api.get("/openapi.json"))
    assert world.api.get("/.well-known/openid-configuration").status == 404  # `PublicUrl` is not set
    rotate_master_secret(world)
    publish_event(world)


def verify_before_sign_in(world: World) -> None:
    """Register, and verify the address before the first sign-in, which `RequireVerifiedEmail` requires."""
    mira = world.new_person()
    sign_in = world.api.post("/api/auth/login", {"email": mira["email"], "password": PASSWORD})
    assert sign_in.status == 403
    code = world.api.read_mail(mira["email"], CODE)
    success(world.api.post("/auth/verify_otp", {"email": mira["email"], "otp": code}))


def upgrade_guest_without_code(world: World) -> None:
    """Give a guest an address without verifying it, as `Autoconfirm` allows."""
    guest = success(world.api.post("/auth/login_with_anonymous", {}))["data"]
    headers = {"apikey": world.publishable_key(), "authorization": bearer(guest["access_token"])}
    user = success(world.api.put("/auth/v1/user", {"email": world.api.new_email()}, **headers))
    assert user["is_anonymous"] is False


def change_password_with_reauthentication(world: World) -> None:
    """Change a password in an old session, with the current password and a mailed code."""
    api, mira = world.api, world.new_person()
    email = mira["email"]
    success(api.post("/auth/verify_otp", {"email": email, "otp": api.read_mail(email, CODE)}))
    credentials = {"email": email, "password": PASSWORD}
    session = success(api.post("/api/auth/login", credentials))["data"]["accessToken"]
    world.backdate_session(session)
    headers = {"apikey": world.publishable_key(), "authorization": bearer(session)}
    success(api.get("/auth/v1/reauthenticate", **headers))
    request = {"password": NEW_PASSWORD, "current_password": PASSWORD, "nonce": api.read_mail(email, CODE)}
    assert api.put("/auth/v1/user", request | {"nonce": another_code(request["nonce"])}, **headers).status == 422
    assert api.put("/auth/v1/user", request | {"current_password": "wrong"}, **headers).status == 400
    success(api.put("/auth/v1/user", request | {"email": api.new_email()}, **headers))


def solve_captchas(world: World) -> None:
    """Send every request that needs a CAPTCHA: without one, with one, and with the secret key instead."""
    api, key = world.api, world.publishable_key()
    request = {"email": api.new_email(), "password": PASSWORD, "type": "signup"}
    for path in ("signup", "otp", "recover", "resend", "token?grant_type=password"):
        assert api.post(f"/auth/v1/{path}", request, apikey=key).body["error_code"] == "captcha_failed"
        solved = request | {"gotrue_meta_security": {"captcha_token": "good"}}
        assert api.post(f"/auth/v1/{path}", solved, apikey=key).body.get("error_code") != "captcha_failed"
        with_secret_key = api.post(f"/auth/v1/{path}", request, apikey=world.secret_key())
        assert with_secret_key.body.get("error_code") != "captcha_failed"


def rotate_master_secret(world: World) -> None:
    """Rotate the master secret as Secrets Manager does, with moto's rotation.

    moto's backend is called directly, because a call through botocore would hold the lock that the function's own calls
    need. moto passes the secret's name; Secrets Manager passes its ARN.
    """
    secret, results = world.stack.ids["MasterSecret"], []

    def invoke(_backend: LambdaBackend, _function: str, *, body: str, **_more: Any) -> None:
        results.append(world.functions.invoke("RotationFunction", json.loads(body) | {"SecretId": secret}))

    with patch.object(LambdaBackend, "invoke", invoke):
        secretsmanager_backends[ACCOUNT_ID][REGION].rotate_secret(
            secret, rotation_lambda_arn=world.stack.function_arn("RotationFunction")
        )

    assert results == [{}] * 4  # one for each step of a rotation


def publish_event(world: World) -> None:
    """Pass a record of a table's stream to the function that publishes events."""
    stream = f"arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{world.stack.ids['Users']}/stream/1"
    changed = {
        "ApproximateCreationDateTime": 1774248000,
        "Keys": {"pk": {"S": "USER#1"}, "sk": {"S": "ACCOUNT"}},
        "SequenceNumber": "1",
    }
    record = {"eventID": "1", "eventName": "REMOVE", "eventSourceARN": stream, "dynamodb": changed}
    assert world.functions.invoke("EventsFunction", {"Records": [record]}) == {"batchItemFailures": []}
