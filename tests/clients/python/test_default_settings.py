"""The most important client methods with default settings, on `make run` and with the built functions."""

from collections.abc import Callable

import pytest

from tests.clients.conftest import Run
from tests.clients.gerbang import OTHER_PASSWORD, PASSWORD, Client, Gerbang, fails, session_of, user_of, verify
from tests.deploy.built_server import running_built
from tests.wire.server import running


@pytest.fixture
def parameters() -> str:
    return ""


@pytest.fixture(params=[running, pytest.param(running_built, marks=pytest.mark.build)], ids=["make run", "built"])
def run(request: pytest.FixtureRequest) -> Run:
    chosen: Run = request.param
    return chosen


def test_sign_up_confirm_refresh_change_recover_sign_in_sign_out(gerbang: Gerbang) -> None:
    client, inbox, new_inbox = gerbang.new_client(), gerbang.new_inbox(), gerbang.new_inbox()

    client.sign_up({"email": inbox.address, "password": PASSWORD, "options": {"data": {"nickname": "Mira"}}})
    user = user_of(verify(client, inbox, "signup"))
    client.refresh_session()
    client.update_user({"data": {"theme": "dark"}})
    assert user_of(client.get_user()).user_metadata["theme"] == "dark"
    client.update_user({"email": new_inbox.address})
    verify(client, inbox, "email_change")
    verify(client, new_inbox, "email_change")
    client.sign_out()
    assert client.get_user() is None

    client.reset_password_for_email(new_inbox.address)
    verify(client, new_inbox, "recovery")
    client.update_user({"password": OTHER_PASSWORD})
    client.sign_out()
    assert user_of(gerbang.sign_in(new_inbox.address, OTHER_PASSWORD).get_user()).id == user.id


def test_sign_in_with_a_code(gerbang: Gerbang) -> None:
    client, inbox = gerbang.new_client(), gerbang.new_inbox()

    client.sign_in_with_otp({"email": inbox.address})
    verify(client, inbox, "email")

    assert user_of(client.get_user()).email == inbox.address


def test_a_guest_becomes_permanent(gerbang: Gerbang) -> None:
    client, inbox = gerbang.new_client(), gerbang.new_inbox()

    guest = user_of(client.sign_in_anonymously())
    client.update_user({"email": inbox.address})
    verify(client, inbox, "email_change")
    client.update_user({"password": PASSWORD})

    assert user_of(gerbang.sign_in(inbox.address).get_user()).id == guest.id


def test_sign_in_with_google(gerbang: Gerbang) -> None:
    client, address = gerbang.new_client(), gerbang.new_inbox().address

    client.sign_in_with_id_token({"provider": "google", "token": gerbang.google_token(address)})

    assert user_of(client.get_user()).email == address


def test_get_claims_requests_the_user_because_tokens_are_signed_with_hs256(gerbang: Gerbang) -> None:
    client = gerbang.new_client()
    session = session_of(client.sign_in_anonymously())

    answer = client.get_claims()
    assert answer is not None
    assert answer["headers"]["alg"] == "HS256"
    assert answer["claims"]["sub"] == session.user.id

    client.sign_out()
    with fails(403, "session_not_found"):
        client.get_claims(session.access_token)


@pytest.mark.parametrize(
    "request_mail",
    [
        lambda client, address: client.sign_in_with_otp({"email": address}),
        lambda client, address: client.reset_password_for_email(address),
    ],
    ids=["sign_in_with_otp", "reset_password_for_email"],
)
def test_known_and_unknown_addresses_get_one_mail_a_minute(
    gerbang: Gerbang, request_mail: Callable[[Client, str], object]
) -> None:
    client, address = gerbang.new_client(), gerbang.new_inbox().address
    request_mail(client, address)

    with fails(429, "over_email_send_rate_limit") as caught:
        request_mail(client, address)

    assert "seconds" in caught.value.message
