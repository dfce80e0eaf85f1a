"""Sends every example request of the published API documentation, and compares the answers with the printed ones.

Placeholders such as `<token>` are filled in. Values that differ between runs are compared by their form (VARYING); all
others must be equal. An answer may have members that are not printed.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.wire.client import Answer
from tests.wire.examples import (
    ATOURIN_GUEST,
    ATOURIN_GUEST_SESSION,
    ATOURIN_GUEST_WITHOUT_BODY,
    ATOURIN_LOGIN,
    ATOURIN_LOGIN_WRONG,
    ATOURIN_LOGOUT,
    ATOURIN_OTP,
    ATOURIN_REFRESH,
    ATOURIN_REGISTER,
    ATOURIN_REGISTERED,
    ATOURIN_SESSION,
    ATOURIN_VERIFY_LEGACY_PASSWORD,
    ATOURIN_VERIFY_OTP,
    BOTLAUNCH_LOGIN,
    BOTLAUNCH_LOGIN_WRONG,
    BOTLAUNCH_LOGOUT,
    BOTLAUNCH_ORGANIZATION_FOUND,
    BOTLAUNCH_ORGANIZATION_OF_THE_CALLER,
    BOTLAUNCH_REFRESH,
    BOTLAUNCH_REFRESHED,
    BOTLAUNCH_REGISTER,
    BOTLAUNCH_REGISTER_WITHOUT_ORGANIZATION,
    BOTLAUNCH_REGISTERED,
    BOTLAUNCH_SESSION,
    GOTRUE_SESSION,
    SNAPOTP_DONE,
    SNAPOTP_FORGOT_PASSWORD,
    SNAPOTP_GOOGLE,
    SNAPOTP_GOOGLE_FROM_A_BACK_END,
    SNAPOTP_GOOGLE_SESSION,
    SNAPOTP_LOGIN,
    SNAPOTP_LOGIN_WRONG,
    SNAPOTP_ME,
    SNAPOTP_REFRESH,
    SNAPOTP_REGISTER,
    SNAPOTP_RESET_PASSWORD,
    SNAPOTP_SESSION,
    SNAPOTP_USER,
)
from tests.wire.shapes import (
    BOTLAUNCH_ORGANIZATION,
    BOTLAUNCH_USER,
    INSTANT,
    JWT,
    SENTENCE,
    SNAPOTP_NUMBER,
    UUID,
    Integer,
    claims_of,
)
from tests.wire.world import World

VARYING: Final = {
    '"eyJ…"': JWT,
    '"usr_abc123"': BOTLAUNCH_USER,
    '"org_abc123"': BOTLAUNCH_ORGANIZATION,
    '"3c662a10-d9b1-438c-bfa7-eac70051f5ac"': UUID,
    '"2026-03-23T06:39:34Z"': INSTANT,
    '"…"': SENTENCE,
    "1": SNAPOTP_NUMBER,
    "5000": Integer(0, 2**53),  # the deployment's initial credit
    "1705312800": Integer(1_705_312_800, 2**40),
}

PRINTED_NAMES: Final = (
    "EMAIL#user@example.com",
    "EMAIL#john@example.com",
    "EMAIL#info@atourin.com",
    "USERNAME#johndoe",
    "IDENTITY#google#110169484474386276334",
)


@pytest.fixture(autouse=True)
def free_names(world: World) -> Iterator[None]:
    """Free all printed addresses, user names and identities before and after each test."""
    release(world)
    yield
    release(world)


def release(world: World) -> None:
    for name in PRINTED_NAMES:
        world.remove("Users", pk=name, sk="-")


def sent(world: World, printed: str, **filled: str) -> Answer:
    """Send a printed request with its placeholders filled, from a new client."""
    for name, value in filled.items():
        assert f"<{name}>" in printed
        printed = printed.replace(f"<{name}>", value)
    assert "<" not in printed, "a placeholder was not filled"
    head, _, body = printed.partition("\n\n")
    request_line, *header_lines = head.splitlines()
    method, target = request_line.split(" ")
    headers = dict(line.split(": ", 1) for line in header_lines)
    return world.new_client().request(method, target, body=body.strip().encode() or None, headers=headers)


def assert_answered(answer: Answer, status: int, printed: str) -> None:
    """Check that an answer has the printed members, with the printed values or values of the same form."""
    expected = json.loads(printed)
    assert answer.status == status, answer.raw
    assert part_of(answer.json, expected) == shape_of(expected)


def shape_of(printed: Any) -> Any:
    if isinstance(printed, dict):
        return {name: shape_of(value) for name, value in printed.items()}
    return VARYING.get(json.dumps(printed, ensure_ascii=False), printed)


def part_of(answered: Any, printed: Any) -> Any:
    """Return an answer without the members that are not printed."""
    if isinstance(answered, dict) and isinstance(printed, dict):
        return {name: part_of(value, printed[name]) for name, value in answered.items() if name in printed}
    return answered


class TestBotLaunch:
    def test_register(self, world: World) -> None:
        assert_answered(sent(world, BOTLAUNCH_REGISTER), 201, BOTLAUNCH_REGISTERED)

    def test_register_without_an_organization_name(self, world: World) -> None:
        answer = sent(world, BOTLAUNCH_REGISTER_WITHOUT_ORGANIZATION)

        assert_answered(answer, 201, BOTLAUNCH_REGISTERED.replace('"Example"', '"User Name"'))

    def test_register_with_a_taken_address(self, world: World) -> None:
        sent(world, BOTLAUNCH_REGISTER)

        answer = sent(world, BOTLAUNCH_REGISTER)

        assert_answered(answer, 409, '{"statusCode": 409, "error": "Conflict", "message": "…"}')

    def test_login(self, world: World) -> None:
        sent(world, BOTLAUNCH_REGISTER)

        assert_answered(sent(world, BOTLAUNCH_LOGIN), 200, BOTLAUNCH_SESSION)

    def test_login_with_a_wrong_password(self, world: World) -> None:
        sent(world, BOTLAUNCH_REGISTER)

        answer = sent(world, BOTLAUNCH_LOGIN_WRONG)

        assert_answered(answer, 400, '{"statusCode": 400, "error": "Invalid Credentials", "message": "…"}')

    def test_refresh(self, world: World) -> None:
        token = sent(world, BOTLAUNCH_REGISTER).data["refreshToken"]

        answer = sent(world, BOTLAUNCH_REFRESH, refreshToken=token)

        assert_answered(answer, 200, BOTLAUNCH_REFRESHED)
        assert answer.data["refreshToken"] != token

    def test_organization(self, world: World) -> None:
        session = sent(world, BOTLAUNCH_REGISTER).data
        filled = {"accessToken": session["accessToken"], "organizationId": session["organization"]["id"]}

        answer = sent(world, BOTLAUNCH_ORGANIZATION_OF_THE_CALLER, **filled)

        assert_answered(answer, 200, BOTLAUNCH_ORGANIZATION_FOUND)

    def test_logout(self, world: World) -> None:
        token = sent(world, BOTLAUNCH_REGISTER).data["accessToken"]

        assert_answered(sent(world, BOTLAUNCH_LOGOUT, accessToken=token), 200, '{"message": "Logout successful"}')
        again = sent(world, BOTLAUNCH_LOGOUT, accessToken=token)
        assert_answered(again, 401, '{"statusCode": 401, "error": "Unauthorized", "message": "…"}')


class TestSnapOtp:
    def test_register(self, world: World) -> None:
        assert_answered(sent(world, SNAPOTP_REGISTER), 201, SNAPOTP_SESSION)

    def test_register_with_taken_names(self, world: World) -> None:
        sent(world, SNAPOTP_REGISTER)

        assert_answered(sent(world, SNAPOTP_REGISTER), 409, '{"success": false, "message": "…"}')

    def test_login(self, world: World) -> None:
        sent(world, SNAPOTP_REGISTER)

        assert_answered(sent(world, SNAPOTP_LOGIN), 200, SNAPOTP_SESSION)

    def test_login_with_an_address(self, world: World) -> None:
        sent(world, SNAPOTP_REGISTER)

        assert_answered(sent(world, SNAPOTP_LOGIN.replace("johndoe", "john@example.com")), 200, SNAPOTP_SESSION)

    def test_login_with_a_wrong_password(self, world: World) -> None:
        sent(world, SNAPOTP_REGISTER)

        assert_answered(sent(world, SNAPOTP_LOGIN_WRONG), 400, '{"success": false, "message": "…"}')

    def test_refresh(self, world: World) -> None:
        token = sent(world, SNAPOTP_REGISTER).data["refresh_token"]

        answer = sent(world, SNAPOTP_REFRESH, refresh_token=token)

        assert_answered(answer, 200, SNAPOTP_SESSION)
        assert answer.data["refresh_token"] != token

    def test_google_with_an_id_token(self, world: World) -> None:
        token = world.google_token(email="john@example.com", google_id="110169484474386276334", name="John Doe")

        answer = sent(world, SNAPOTP_GOOGLE, id_token=token)

        assert_answered(answer, 200, SNAPOTP_GOOGLE_SESSION)

    def test_google_from_a_trusted_back_end(self, world: World) -> None:
        answer = sent(world, SNAPOTP_GOOGLE_FROM_A_BACK_END, secret_key=world.secret_key)

        assert_answered(answer, 200, SNAPOTP_GOOGLE_SESSION)

    def test_forgot_and_reset_password(self, world: World) -> None:
        session = sent(world, SNAPOTP_REGISTER).data

        forgot = sent(world, SNAPOTP_FORGOT_PASSWORD)
        token = world.mail("john@example.com", having=lambda mail: mail.reset_tokens).reset_token
        reset = sent(world, SNAPOTP_RESET_PASSWORD, reset_token=token)

        assert_answered(forgot, 200, SNAPOTP_DONE)
        assert_answered(reset, 200, SNAPOTP_DONE)
        assert sent(world, SNAPOTP_ME, token=session["token"]).status == 401
        assert_answered(sent(world, SNAPOTP_LOGIN.replace("secret123", "newpassword123")), 200, SNAPOTP_SESSION)

    def test_me(self, world: World) -> None:
        token = sent(world, SNAPOTP_REGISTER).data["token"]

        assert_answered(sent(world, SNAPOTP_ME, token=token), 200, SNAPOTP_USER)


class TestAtourin:
    @pytest.fixture(autouse=True)
    def legacy_account(self, world: World) -> None:
        """The account of the examples, imported with a hash of the old system."""
        digest = hashlib.md5(b"secret123", usedforsecurity=False).hexdigest()
        world.add_legacy_account(f"md5:{digest}", email="user@example.com", name="User Name")

    def test_register(self, world: World) -> None:
        assert_answered(sent(world, ATOURIN_REGISTER), 200, ATOURIN_REGISTERED)
        assert world.mail("info@atourin.com").code

    def test_register_with_a_taken_address(self, world: World) -> None:
        answer = sent(world, ATOURIN_REGISTER.replace("info@atourin.com", "user@example.com"))

        assert_answered(answer, 409, '{"status": false, "code": 409, "info": "…", "msg": "Conflict"}')

    def test_otp_and_verify_otp(self, world: World) -> None:
        request = sent(world, ATOURIN_OTP)
        code = world.mail("user@example.com", having=lambda mail: mail.codes).code
        answer = sent(world, ATOURIN_VERIFY_OTP, code=code)

        assert_answered(request, 200, '{"info": "Success send OTP", "msg": "Ok"}')
        assert_answered(answer, 200, session_with_info("Success verify OTP"))

    def test_login(self, world: World) -> None:
        assert_answered(sent(world, ATOURIN_LOGIN), 200, session_with_info("Success login"))

    def test_login_with_a_wrong_password(self, world: World) -> None:
        answer = sent(world, ATOURIN_LOGIN_WRONG)

        assert_answered(answer, 400, '{"status": false, "code": 400, "info": "…", "msg": "Bad Request"}')

    def test_verify_legacy_password(self, world: World) -> None:
        assert_answered(sent(world, ATOURIN_VERIFY_LEGACY_PASSWORD), 200, ATOURIN_SESSION)

    @pytest.mark.parametrize("printed", [ATOURIN_GUEST, ATOURIN_GUEST_WITHOUT_BODY], ids=["null", "no body"])
    def test_login_with_anonymous(self, world: World, printed: str) -> None:
        answer = sent(world, printed)

        assert_answered(answer, 200, ATOURIN_GUEST_SESSION)
        assert claims_of(answer.data["access_token"])["role"] == "anonymous"

    def test_logout(self, world: World) -> None:
        token = sent(world, ATOURIN_LOGIN).data["access_token"]

        answer = sent(world, ATOURIN_LOGOUT, access_token=token)

        assert_answered(answer, 200, '{"code": 200, "info": "Success logout user", "msg": "Ok", "status": true}')
        assert sent(world, ATOURIN_LOGOUT, access_token=token).status == 401

    def test_refresh(self, world: World) -> None:
        token = sent(world, ATOURIN_LOGIN).data["refresh_token"]
        keys = world.api_keys()

        answer = sent(world, ATOURIN_REFRESH, publishable_key=keys["publishable_key"], refresh_token=token)

        assert_answered(answer, 200, GOTRUE_SESSION)
        assert answer.json["refresh_token"] != token


def session_with_info(info: str) -> str:
    return ATOURIN_SESSION.replace("Success verify and migrate legacy user", info)
