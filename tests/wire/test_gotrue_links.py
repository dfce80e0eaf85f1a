"""Links in mails, as users, mail programs and Supabase's clients follow them."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from gerbang.mail.jobs import MailKind

from tests.wire.client import Answer
from tests.wire.gotrue import SITE, follow, fragment_of, new_link, new_user, post, query_of, request_mail, verify
from tests.wire.shapes import claims_of, gotrue_error
from tests.wire.world import PASSWORD, World

VERIFIER = "a" * 50
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
"""The fields of a client that uses PKCE."""


def target_of(answer: Answer) -> str:
    return answer.headers["location"].partition("#")[0]


# Sessions


def test_a_link_signs_in_and_redirects_to_the_app(world: World) -> None:
    email, link = new_link(world)

    answer = follow(world, link)

    assert target_of(answer) == SITE
    session = fragment_of(answer)
    assert session.keys() == {
        *("access_token", "token_type", "expires_in", "expires_at", "refresh_token", "type", "sb")
    }
    assert (session["type"], session["sb"], session["token_type"]) == ("signup", "", "bearer")
    assert claims_of(session["access_token"])["email"] == email
    assert world.is_signed_in(session["access_token"])
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.raw == b""


def test_following_a_link_spends_the_link_and_its_code(world: World) -> None:
    email, link = new_link(world)
    code = world.mail(email).code
    assert "access_token" in fragment_of(follow(world, link))

    assert fragment_of(follow(world, link)) == {
        "error": "access_denied",
        "error_code": "otp_expired",
        "error_description": "The code has expired or is invalid. Request a new one.",
        "sb": "",
    }
    assert verify(world, email, code).json == gotrue_error(403, "otp_expired")


@pytest.mark.parametrize(
    ("name", "more", "kind"),
    [("recover", {}, "recovery"), ("otp", {}, "magiclink"), ("resend", {"type": "signup"}, "signup")],
)
def test_the_type_names_the_purpose_of_the_link(world: World, name: str, more: dict[str, object], kind: str) -> None:
    if kind == "signup":
        email, _ = world.register_without_session()
    else:
        email, _ = new_user(world)
        world.end_cooldown(MailKind.SIGN_IN_CODE, email)
    request_mail(world, name, email, **more)

    answer = follow(world, world.mail(email, nth=2).link)

    assert fragment_of(answer)["type"] == kind


def test_the_link_of_a_sign_up_keeps_its_password_and_target(world: World) -> None:
    email = world.email()
    post(
        world,
        "signup?redirect_to=http%3A%2F%2Flocalhost%3A5173%2Fin%3Fa%3Db%26c",
        {"email": email, "password": PASSWORD},
    )

    answer = follow(world, world.mail(email).link)

    assert target_of(answer) == "http://localhost:5173/in?a=b&c"
    assert fragment_of(answer)["type"] == "signup"
    assert world.can_sign_in(email, PASSWORD)


def test_links_confirm_a_change_of_address(world: World) -> None:
    email, session = new_user(world)
    new = world.email()
    key = world.publishable_key
    request = world.new_client().request(
        "PUT",
        "/auth/v1/user",
        body=f'{{"email": "{new}"}}'.encode(),
        headers={
            "apikey": key,
            "authorization": f"Bearer {session.json['access_token']}",
            "content-type": "application/json",
        },
    )
    assert request.status == 200, request.raw

    first = follow(world, world.mail(new).link)
    second = follow(world, world.mail(email, nth=2).link)

    assert fragment_of(first).keys() == {"message", "sb"}
    assert claims_of(fragment_of(second)["access_token"])["email"] == new
    assert fragment_of(second)["type"] == "email_change"


# The target of a link


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "javascript:alert(1)", "http://localhost@evil.example", "x", ""],
)
def test_a_target_that_is_not_allowed_is_replaced_by_the_site(world: World, target: str) -> None:
    _, link = new_link(world)
    forged = f"{link.partition('&redirect_to')[0]}&{urlencode({'redirect_to': target})}"

    answer = follow(world, forged)

    assert target_of(answer) == SITE
    assert "access_token" in fragment_of(answer)


def test_the_mail_contains_the_site_url_instead_of_a_target_that_is_not_allowed(world: World) -> None:
    email = world.email()
    post(world, "otp?redirect_to=https%3A%2F%2Fevil.example", {"email": email})

    assert parse_qs(urlsplit(world.mail(email).link).query)["redirect_to"] == [SITE]


def test_the_referer_header_can_set_the_target(world: World) -> None:
    email = world.email()
    post(world, "otp", {"email": email}, referer="http://127.0.0.1:4000/login")

    assert parse_qs(urlsplit(world.mail(email).link).query)["redirect_to"] == ["http://127.0.0.1:4000/login"]


# Errors


@pytest.mark.parametrize("query", ["", "?token=x", "?type=signup", "?token=&type=", "?token=x&type=y"])
def test_a_link_without_token_or_type_is_400(world: World, query: str) -> None:
    answer = follow(world, f"/auth/v1/verify{query}")

    assert (answer.status, answer.json) == (400, gotrue_error(400, "validation_failed"))


def test_a_link_with_the_wrong_type_is_otp_expired_and_stays_valid(world: World) -> None:
    _, link = new_link(world)

    wrong = follow(world, link.replace("type=signup", "type=recovery"))

    assert fragment_of(wrong)["error_code"] == "otp_expired"
    assert "access_token" in fragment_of(follow(world, link))


def test_a_disabled_account_is_reported_to_the_app(world: World) -> None:
    email, answer = new_user(world)
    request_mail(world, "recover", email)
    link = world.mail(email, nth=2).link
    world.set_account(answer.json["user"]["id"], disabled_at=1)

    error = fragment_of(follow(world, link))

    assert (error["error"], error["error_code"]) == ("access_denied", "user_banned")


def test_a_head_request_does_not_spend_a_link(world: World) -> None:
    _, link = new_link(world)

    for _ in range(3):
        answer = follow(world, link, "HEAD")
        assert (answer.status, answer.raw) == (204, b"")
    assert follow(world, "/auth/v1/verify", "HEAD").status == 204

    assert "access_token" in fragment_of(follow(world, link))


def test_a_form_is_not_accepted_if_the_confirmation_page_is_off(world: World) -> None:
    _, link = new_link(world)
    headers = {"content-type": "application/x-www-form-urlencoded"}

    answer = world.client.request("POST", "/auth/v1/verify", body=urlsplit(link).query.encode(), headers=headers)

    assert answer.status == 415


# token_hash


def test_the_token_of_a_link_is_a_token_hash(world: World) -> None:
    email = world.email()
    request_mail(world, "otp", email)
    body = {"type": "signup", "token_hash": world.mail(email).link_token, "gotrue_meta_security": {}}

    answer = post(world, "verify", body)

    assert answer.json["user"]["email"] == email
    assert post(world, "verify", body).json == gotrue_error(403, "otp_expired")


@pytest.mark.parametrize("token", ["x", "a" * 76, f"pkce_{'a' * 76}", "\u00fc", "a" * 5000])
@pytest.mark.parametrize("kind", ["email", "signup", "invite", "recovery", "magiclink", "email_change"])
def test_an_invalid_token_hash_is_otp_expired(world: World, kind: str, token: str) -> None:
    answer = post(world, "verify", {"type": kind, "token_hash": token})

    assert (answer.status, answer.json) == (403, gotrue_error(403, "otp_expired"))


# PKCE


def exchange(world: World, code: str, verifier: str = VERIFIER) -> Answer:
    return post(world, "token?grant_type=pkce", {"auth_code": code, "code_verifier": verifier})


@pytest.mark.parametrize("name", ["otp", "recover", "signup"])
def test_a_client_with_pkce_exchanges_a_code_for_the_session(world: World, name: str) -> None:
    if name == "recover":
        email, _ = new_user(world)
        request_mail(world, name, email, **PKCE)
        link = world.mail(email, nth=2).link
    else:
        email = world.email()
        post(world, name, {"email": email, "password": PASSWORD, **PKCE})
        link = world.mail(email).link
    assert "token=pkce_" in link

    answer = follow(world, f"{link}")

    assert "#" not in answer.headers["location"]
    code = query_of(answer)["code"]
    wrong = exchange(world, code, "b" * 50)
    assert wrong.json == gotrue_error(400, "bad_code_verifier")
    session = exchange(world, code)
    assert session.status == 200, session.raw
    assert session.json["user"]["email"] == email
    assert claims_of(session.json["access_token"])["amr"][0]["method"] == "otp"
    assert exchange(world, code).json == gotrue_error(404, "flow_state_not_found")


def test_with_pkce_an_error_is_also_in_the_query(world: World) -> None:
    _, link = new_link(world, **PKCE)
    follow(world, link)

    again = follow(world, link)

    assert query_of(again)["error_code"] == fragment_of(again)["error_code"] == "otp_expired"


def test_an_expired_code_is_flow_state_expired(world: World) -> None:
    _, link = new_link(world, **PKCE)
    code = query_of(follow(world, link))["code"]
    [item] = [item for item in world.items("OneTimeCodes") if item["pk"] == f"FLOW#{sha256(code.encode()).hexdigest()}"]
    world.set("OneTimeCodes", {"pk": item["pk"]}, valid_until=1)

    assert exchange(world, code).json == gotrue_error(422, "flow_state_expired")


@pytest.mark.parametrize(
    "more",
    [
        {"code_challenge": CHALLENGE},
        {"code_challenge_method": "s256"},
        {"code_challenge": "short", "code_challenge_method": "s256"},
        {"code_challenge": "a" * 129, "code_challenge_method": "s256"},
        {"code_challenge": "a" * 42 + "+", "code_challenge_method": "s256"},
        {"code_challenge": CHALLENGE, "code_challenge_method": "md5"},
    ],
    ids=str,
)
@pytest.mark.parametrize("name", ["otp", "recover", "signup"])
def test_an_invalid_code_challenge_is_a_validation_error(world: World, name: str, more: dict[str, str]) -> None:
    answer = post(world, name, {"email": world.email(), "password": PASSWORD, **more})

    assert (answer.status, answer.json) == (400, gotrue_error(400, "validation_failed"))


@pytest.mark.parametrize("body", [{}, {"auth_code": "x"}, {"code_verifier": "x"}])
def test_an_exchange_without_code_or_verifier_is_a_validation_error(world: World, body: dict[str, str]) -> None:
    assert post(world, "token?grant_type=pkce", body).json == gotrue_error(400, "validation_failed")


def test_an_unknown_code_is_flow_state_not_found(world: World) -> None:
    assert exchange(world, "00000000-0000-4000-8000-000000000000").json == gotrue_error(404, "flow_state_not_found")
