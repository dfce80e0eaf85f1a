from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.clients.gerbang import PASSWORD, Gerbang, fails, session_of, user_of

APP = "http://localhost:3000/welcome?from=mail"


def fragment_of(location: str) -> Mapping[str, str]:
    return dict(parse_qsl(urlsplit(location).fragment))


def test_a_link_redirects_to_the_app_with_a_session_in_the_fragment(gerbang: Gerbang) -> None:
    client, inbox = gerbang.new_client(), gerbang.new_inbox()
    client.sign_in_with_otp({"email": inbox.address, "options": {"email_redirect_to": APP}})

    location = gerbang.follow(inbox.next_link())

    assert location.partition("#")[0] == APP
    fragment = fragment_of(location)
    session = session_of(client.set_session(fragment["access_token"], fragment["refresh_token"]))
    assert session.user.email == inbox.address


def test_verify_otp_accepts_the_token_of_a_link_as_token_hash(gerbang: Gerbang) -> None:
    client, inbox = gerbang.new_client(), gerbang.new_inbox()
    client.sign_in_with_otp({"email": inbox.address})
    token = dict(parse_qsl(urlsplit(inbox.next_link()).query))["token"]

    user = user_of(client.verify_otp({"token_hash": token, "type": "signup"}))

    assert user.email == inbox.address
    with fails(403, "otp_expired"):
        client.verify_otp({"token_hash": token, "type": "signup"})


def test_a_client_that_uses_pkce_exchanges_the_code_of_a_link(gerbang: Gerbang) -> None:
    client, inbox = gerbang.new_pkce_client(), gerbang.new_inbox()
    client.sign_up({"email": inbox.address, "password": PASSWORD})

    code = dict(parse_qsl(urlsplit(gerbang.follow(inbox.next_link())).query))["code"]
    exchanged = client.exchange_code_for_session({"auth_code": code, "code_verifier": "", "redirect_to": ""})

    assert session_of(exchanged).user.email == inbox.address


def test_an_administrator_invites_a_user_by_mail(gerbang: Gerbang) -> None:
    admin, inbox = gerbang.new_admin(), gerbang.new_inbox()

    user = user_of(admin.invite_user_by_email(inbox.address, {"data": {"nickname": "Mira"}}))
    fragment = fragment_of(gerbang.follow(inbox.next_link()))

    assert user.invited_at is not None
    assert fragment["type"] == "invite"
    with fails(422, "email_exists"):
        admin.invite_user_by_email(inbox.address)


@pytest.mark.parametrize("kind", ["signup", "invite", "magiclink", "recovery"])
def test_an_administrator_generates_a_link(gerbang: Gerbang, kind: str) -> None:
    email = gerbang.sign_up().inbox.address if kind == "recovery" else gerbang.new_inbox().address
    parameters: Any = {"type": kind, "email": email, "password": PASSWORD, "options": {"redirect_to": APP}}

    generated = gerbang.new_admin().generate_link(parameters)

    assert generated.user.email == email
    assert generated.properties.redirect_to == APP
    assert "access_token" in fragment_of(gerbang.follow(generated.properties.action_link))
