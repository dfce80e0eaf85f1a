"""The second factor: the methods of `mfa`, and sign-ins of the other APIs."""

import time
from base64 import b32decode
from urllib.parse import unquote

import httpx
import pytest
from gerbang.accounts import totp

from tests.clients.gerbang import PASSWORD, Client, Gerbang, SignedIn, fails, session_of


def code_of(secret: str, steps: int = 0) -> str:
    """Return the code of an authenticator app, now or some steps later. It stays valid for at least five seconds."""
    left = 30 - time.time() % 30
    time.sleep(left if left < 5 else 0)
    return totp.code_of(b32decode(secret), int(time.time()) // 30 + steps)


def level_of(client: Client) -> tuple[str | None, str | None]:
    level = client.mfa.get_authenticator_assurance_level()
    return level.current_level, level.next_level


def enrol_app(owner: SignedIn) -> tuple[str, str]:
    """Enrol an app, and verify its first code a step early. Return the factor's id and secret."""
    factor = owner.client.mfa.enroll({"factor_type": "totp", "friendly_name": "phone"})
    assert factor.totp is not None
    owner.client.mfa.challenge_and_verify({"factor_id": factor.id, "code": code_of(factor.totp.secret, -1)})
    return factor.id, factor.totp.secret


def error_of(answer: httpx.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    body: dict[str, object] = answer.json()
    return body


def test_enrolling_an_app_raises_the_session_to_two_factors(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()
    assert level_of(owner.client) == ("aal1", "aal1")

    factor = owner.client.mfa.enroll({"factor_type": "totp", "friendly_name": "phone", "issuer": "Toko"})
    assert factor.totp is not None
    image = unquote(factor.totp.qr_code.removeprefix("data:image/svg+xml;utf-8,"))
    assert image.startswith("<svg ")
    assert image.endswith("</svg>")
    assert not {"#", "%"} & {*image}
    assert factor.totp.uri.startswith("otpauth://totp/Toko:")
    assert f"secret={factor.totp.secret}" in factor.totp.uri
    assert owner.client.mfa.list_factors().totp == []

    challenge = owner.client.mfa.challenge({"factor_id": factor.id})
    assert 290 < challenge.expires_at - time.time() <= 300
    verification = {"factor_id": factor.id, "challenge_id": challenge.id, "code": code_of(factor.totp.secret)}
    owner.client.mfa.verify(verification)  # type: ignore[arg-type]

    assert level_of(owner.client) == ("aal2", "aal2")
    assert [factor.friendly_name for factor in owner.client.mfa.list_factors().totp] == ["phone"]
    session_of(owner.client.refresh_session())
    assert level_of(owner.client) == ("aal2", "aal2")


def test_a_code_raises_a_new_session_to_two_factors(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()
    factor_id, secret = enrol_app(owner)
    client = gerbang.sign_in(owner.inbox.address)
    assert level_of(client) == ("aal1", "aal2")

    with fails(401, "insufficient_aal"):
        client.update_user({"password": "Amber-ferry-43"})
    with fails(403, "insufficient_aal"):
        client.mfa.enroll({"factor_type": "totp"})
    with fails(422, "insufficient_aal"):
        client.mfa.unenroll({"factor_id": factor_id})
    with fails(422, "mfa_verification_failed"):
        client.mfa.challenge_and_verify({"factor_id": factor_id, "code": "000000"})
    code = code_of(secret)
    client.mfa.challenge_and_verify({"factor_id": factor_id, "code": code})
    with fails(422, "mfa_verification_failed"):
        client.mfa.challenge_and_verify({"factor_id": factor_id, "code": code})

    assert level_of(client) == ("aal2", "aal2")


def test_an_app_is_unenrolled(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()
    factor_id, _ = enrol_app(owner)

    assert owner.client.mfa.unenroll({"factor_id": factor_id}).id == factor_id

    owner.client.refresh_session()
    assert level_of(owner.client) == ("aal1", "aal1")
    with fails(404, "mfa_factor_not_found"):
        owner.client.mfa.challenge({"factor_id": factor_id})


def test_an_administrator_lists_and_removes_factors(gerbang: Gerbang) -> None:
    owner, admin = gerbang.sign_up(), gerbang.new_admin()
    factor_id, _ = enrol_app(owner)

    listed = admin.mfa.list_factors({"user_id": owner.id})
    assert [(factor.id, factor.status) for factor in listed] == [(factor_id, "verified")]
    assert admin.mfa.delete_factor({"user_id": owner.id, "id": factor_id}).id == factor_id

    assert owner.client.mfa.list_factors().all == []


def test_other_apis_require_the_second_factor_at_sign_in(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()
    _, secret = enrol_app(owner)
    right = {"email": owner.inbox.address, "password": PASSWORD}

    botlaunch = error_of(gerbang.http.post("/api/auth/login", json=right), 403)
    assert botlaunch["code"] == "second_factor_required"
    waits = {"mfaToken": botlaunch["mfaToken"]}
    error_of(gerbang.http.post("/api/auth/mfa/verify", json=waits | {"code": "000000"}), 400)
    session = gerbang.post("/api/auth/mfa/verify", waits | {"code": code_of(secret)})["data"]
    assert session["user"]["email"] == owner.inbox.address
    gerbang.get("/api/auth/me", bearer=session["accessToken"])

    snapotp = error_of(
        gerbang.http.post("/api/auth/login", json={"username": owner.inbox.address, "password": PASSWORD}), 403
    )
    assert (snapotp["success"], snapotp["code"]) == (False, "second_factor_required")
    answer = gerbang.post("/api/auth/mfa/verify", {"mfa_token": snapotp["mfa_token"], "code": code_of(secret, 1)})
    assert answer["data"]["user"]["email"] == owner.inbox.address


def test_a_recovery_code_replaces_a_lost_app(gerbang: Gerbang) -> None:
    owner = gerbang.sign_up()
    lost, _ = enrol_app(owner)
    session = owner.client.get_session()
    assert session is not None
    answer = gerbang.http.post(
        "/auth/v1/factors/recovery-codes",
        headers={"apikey": gerbang.key, "authorization": f"Bearer {session.access_token}"},
    ).raise_for_status()
    codes = answer.json()["recovery_codes"]
    assert len(set(codes)) == 10

    right = {"email": owner.inbox.address, "password": PASSWORD}
    atourin = error_of(gerbang.http.post("/auth/login_with_email_password", json=right), 403)
    assert atourin["error_code"] == "second_factor_required"
    verification = {**atourin["data"], "code": codes[0].upper()}  # type: ignore[dict-item]
    assert gerbang.post("/auth/mfa/verify", verification)["data"]["access_token"]

    client = gerbang.sign_in(owner.inbox.address)
    client.mfa.challenge_and_verify({"factor_id": lost, "code": codes[1]})
    client.mfa.unenroll({"factor_id": lost})
    client.refresh_session()
    factor = client.mfa.enroll({"factor_type": "totp", "friendly_name": "new phone"})
    assert factor.totp is not None
    client.mfa.challenge_and_verify({"factor_id": factor.id, "code": code_of(factor.totp.secret)})
    assert [factor.friendly_name for factor in client.mfa.list_factors().totp] == ["new phone"]


@pytest.mark.parametrize(
    ("kind", "code"), [("phone", "mfa_phone_enroll_not_enabled"), ("webauthn", "mfa_webauthn_enroll_not_enabled")]
)
def test_other_types_of_factors_are_not_supported(gerbang: Gerbang, kind: str, code: str) -> None:
    with fails(422, code):
        gerbang.sign_up().client.mfa.enroll({"factor_type": kind})  # type: ignore[typeddict-item]


def test_a_guest_cannot_enrol_a_factor(gerbang: Gerbang) -> None:
    client = gerbang.new_client()
    client.sign_in_anonymously()

    with fails(403, "no_authorization"):
        client.mfa.enroll({"factor_type": "totp"})
