"""Second factors in every API: enrol, verify, recover, remove."""

import time
from base64 import b32decode
from typing import Any

from gerbang.accounts import totp

from tests.deploy.api import Response
from tests.deploy.scenarios.world import PASSWORD, World, bearer, success, verified_email


def second_factors(world: World) -> None:
    """Enrol an authenticator app, verify codes and recovery codes in every API, and remove the app."""
    api, email, factors = world.api, verified_email(world), "/auth/v1/factors"
    credentials = {"email": email, "password": PASSWORD}
    token = success(api.post("/api/auth/login", credentials))["data"]["accessToken"]
    headers = {"apikey": world.publishable_key(), "authorization": bearer(token)}
    enrolled: Any = success(api.post(factors, {"factor_type": "totp", "friendly_name": "phone"}, **headers))
    secret, of_factor = b32decode(enrolled["totp"]["secret"]), f"{factors}/{enrolled['id']}"

    def code(step: int) -> str:
        return totp.code_of(secret, int(time.time()) // totp.STEP_SECONDS + step)

    def verify(entered: str, **headers: str) -> Response:
        challenge = success(api.post(f"{of_factor}/challenge", {}, **headers))
        return api.post(f"{of_factor}/verify", {"challenge_id": challenge["id"], "code": entered}, **headers)

    assert verify("000000", **headers).status == 422
    verified = headers | {"authorization": bearer(success(verify(code(-1), **headers))["access_token"])}
    codes = success(api.post(f"{factors}/recovery-codes", {}, **verified | {"apikey": world.secret_key()}))
    recovery_codes = iter(codes["recovery_codes"])

    session = dict[str, Any]()
    for path, field, mfa_path in (
        ("/api/auth/login", "mfaToken", "/api/auth/mfa/verify"),
        ("/auth/login_with_email_password", "mfa_token", "/auth/mfa/verify"),
    ):
        response = api.post(path, credentials)
        assert response.status == 403
        mfa_token = {field: response.body.get(field) or response.body["data"][field]}
        assert api.post(mfa_path, mfa_token | {"code": "000000"}).status == 400
        success(api.post(mfa_path, mfa_token | {"code": next(recovery_codes)}, user_agent=f"New device of {mfa_path}"))
        session = success(api.post(mfa_path, mfa_token | {"code": code(0 if "api" in mfa_path else 1)}))["data"]
    assert api.authorize(authorization=bearer(session["access_token"]))

    google = world.issuer.id_token({"email": api.new_email(), "name": "Mira", "google_id": "4001"})
    request = {"id_token": google, "provider": "google"}
    first = success(api.post("/auth/v1/token?grant_type=id_token", request, **headers))["access_token"]
    google_headers = headers | {"authorization": bearer(first), "apikey": world.secret_key()}
    assert api.post(f"{factors}/recovery-codes", {}, **google_headers).status == 422
    enrolled = success(api.post(factors, {"factor_type": "totp"}, **google_headers))
    of_factor, secret = f"{factors}/{enrolled['id']}", b32decode(enrolled["totp"]["secret"])
    verified_session = success(verify(code(0), **google_headers))
    assert [each["status"] for each in verified_session["user"]["factors"]] == ["verified"]
    unverified_token, other_token = (
        success(api.post("/auth/v1/token?grant_type=id_token", request, **headers))["access_token"] for _ in range(2)
    )
    assert verify(code(1), **headers | {"authorization": bearer(other_token)}).status == 200
    assert (
        api.get("/auth/v1/user", **headers | {"authorization": bearer(unverified_token)}).status == 403
    )  # enabling the factor ended it
    success(api.delete(of_factor, **google_headers | {"authorization": bearer(verified_session["access_token"])}))

    admin = {"apikey": world.secret_key(), "authorization": bearer(world.secret_key())}
    enrolled = success(api.post(factors, {"factor_type": "totp"}, **google_headers))
    of_user = f"/auth/v1/admin/users/{verified_session['user']['id']}/factors"
    listed: Any = success(api.get(of_user, **admin))
    assert [each["id"] for each in listed] == [enrolled["id"]]
    of_factor, secret = f"{factors}/{enrolled['id']}", b32decode(enrolled["totp"]["secret"])
    success(verify(code(0), **google_headers))
    success(api.put(f"{of_user}/{enrolled['id']}", {"friendly_name": "tablet"}, **admin))
    success(api.delete(f"{of_user}/{enrolled['id']}", **admin))
