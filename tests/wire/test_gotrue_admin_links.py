"""Invitations and generated links, as an administrator's back end requests them."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from gerbang.mail.jobs import MailKind

from tests.wire.client import Answer
from tests.wire.gotrue import SITE, follow, fragment_of, new_user, post, verify
from tests.wire.shapes import UUID, claims_of, gotrue_error
from tests.wire.world import PASSWORD, World


def as_admin(world: World, name: str, body: object) -> Answer:
    key = world.secret_key
    return world.client.post(f"/auth/v1/{name}", body, bearer=key, apikey=key)


def generate(world: World, kind: str, email: str, **more: Any) -> Answer:
    return as_admin(world, "admin/generate_link", {"type": kind, "email": email, **more})


# Invitations


def test_an_invitation_creates_an_account_and_mails_a_link_and_a_code(world: World) -> None:
    email = world.email()

    answer = as_admin(
        world, "invite?redirect_to=http%3A%2F%2Flocalhost%3A5173%2F", {"email": email, "data": {"full_name": "Mira"}}
    )

    assert answer.status == 200, answer.raw
    assert answer.json["id"] == UUID
    assert answer.json["invited_at"]
    assert "email_confirmed_at" not in answer.json
    assert answer.json["user_metadata"] == {"name": "Mira", "full_name": "Mira"}
    mail = world.mail(email)
    assert mail.subject == "You are invited to Gerbang"
    session = fragment_of(follow(world, mail.link))
    assert session["type"] == "invite"
    assert claims_of(session["access_token"])["sub"] == answer.json["id"]
    assert verify(world, email, mail.code, "invite").status == 403


def test_the_code_of_an_invitation_signs_in(world: World) -> None:
    email = world.email()
    invited = as_admin(world, "invite", {"email": email})

    answer = verify(world, email, world.mail(email).code, "invite")

    assert answer.json["user"]["id"] == invited.json["id"]
    assert answer.json["user"]["email_confirmed_at"]


def test_a_repeated_invitation_replaces_the_first_one(world: World) -> None:
    email = world.email()
    first = as_admin(world, "invite", {"email": email})
    link = world.mail(email).link
    second = as_admin(world, "invite", {"email": email})
    newer = world.mail(email, nth=2).link

    assert first.json["id"] == second.json["id"]
    assert fragment_of(follow(world, link))["error_code"] == "otp_expired"
    assert "access_token" in fragment_of(follow(world, newer))


def test_an_invitation_of_a_verified_address_is_email_exists(world: World) -> None:
    email, _ = new_user(world)

    assert as_admin(world, "invite", {"email": email}).json == gotrue_error(422, "email_exists")


def test_accepting_an_invitation_removes_a_strangers_password_and_sessions(world: World) -> None:
    person = world.register()
    invited = as_admin(world, "invite", {"email": person.email})
    assert invited.json["id"] == person.user_id

    follow(world, world.mail(person.email).link)

    assert not world.can_sign_in(person.email, PASSWORD)
    assert not world.is_signed_in(person.access_token)


# Generated links


@pytest.mark.parametrize("kind", ["signup", "invite", "magiclink"])
def test_a_link_for_an_unknown_address_creates_the_account(world: World, kind: str) -> None:
    email = world.email()
    answer = generate(world, kind, email, password=PASSWORD, data={"plan": "pro"}, redirect_to="http://localhost:1/x")

    assert answer.status == 200, answer.raw
    generated = answer.json
    assert (generated["email"], generated["user_metadata"]) == (email, {"plan": "pro"})
    assert generated["verification_type"] == ("signup" if kind == "magiclink" else kind)
    assert generated["redirect_to"] == "http://localhost:1/x"
    parts = urlsplit(generated["action_link"])
    query = parse_qs(parts.query)
    assert query == {
        "token": [generated["hashed_token"]],
        "type": [generated["verification_type"]],
        "redirect_to": ["http://localhost:1/x"],
    }
    assert len(generated["email_otp"]) == 6
    assert world.mails(email) == []

    session = fragment_of(follow(world, f"{parts.path}?{parts.query}"))

    assert claims_of(session["access_token"])["sub"] == generated["id"]
    assert world.can_sign_in(email, PASSWORD) == (kind == "signup")


@pytest.mark.parametrize("kind", ["magiclink", "recovery"])
def test_a_link_for_a_known_address_signs_in(world: World, kind: str) -> None:
    email, session = new_user(world)
    generated = generate(world, kind, email).json

    assert generated["id"] == session.json["user"]["id"]
    assert generated["verification_type"] == kind
    answer = post(world, "verify", {"type": kind, "token_hash": generated["hashed_token"]})
    assert answer.json["user"]["id"] == generated["id"]
    assert verify(world, email, generated["email_otp"], kind).status == 403, "following the link spends the code, too"


def test_the_code_of_a_generated_link_signs_in(world: World) -> None:
    email, _ = new_user(world)
    generated = generate(world, "recovery", email).json

    assert verify(world, email, generated["email_otp"], "recovery").status == 200


def test_two_generated_links_change_an_address(world: World) -> None:
    email, _ = new_user(world)
    new = world.email()
    generated = [
        generate(world, kind, email, new_email=new).json for kind in ("email_change_current", "email_change_new")
    ]
    assert [each["verification_type"] for each in generated] == ["email_change_current", "email_change_new"]
    assert generated[0]["new_email"] == new

    answers = [
        post(world, "verify", {"type": "email_change", "token_hash": each["hashed_token"]}) for each in generated
    ]

    assert answers[0].json["code"] == "200"
    assert answers[1].json["user"]["email"] == new


@pytest.mark.parametrize("kind", ["recovery", "email_change_current", "email_change_new"])
def test_links_to_recover_or_change_an_unknown_address_are_user_not_found(world: World, kind: str) -> None:
    answer = generate(world, kind, world.email(), new_email=world.email())

    assert answer.json == gotrue_error(404, "user_not_found")


@pytest.mark.parametrize("kind", ["signup", "invite"])
def test_a_verified_address_is_email_exists(world: World, kind: str) -> None:
    email, _ = new_user(world)

    assert generate(world, kind, email, password=PASSWORD).json == gotrue_error(422, "email_exists")


def test_a_taken_address_is_email_exists(world: World) -> None:
    (email, _), (other, _) = new_user(world), new_user(world)

    answer = generate(world, "email_change_new", email, new_email=other)

    assert answer.json == gotrue_error(422, "email_exists")


def test_an_unverified_current_address_cannot_confirm_a_change(world: World) -> None:
    email = world.register().email

    answer = generate(world, "email_change_current", email, new_email=world.email())

    assert answer.json == gotrue_error(400, "validation_failed")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "signup"},
        {"type": "other", "email": "a@example.com"},
        {"type": "signup", "email": "a@example.com"},
        {"type": "email_change_new", "email": "a@example.com"},
        {"type": "magiclink", "email": "not-an-address"},
    ],
    ids=str,
)
def test_an_invalid_body_is_a_validation_error(world: World, body: dict[str, object]) -> None:
    assert as_admin(world, "admin/generate_link", body).json == gotrue_error(400, "validation_failed")


def test_a_target_that_is_not_allowed_is_replaced_by_the_site_url(world: World) -> None:
    generated = generate(world, "magiclink", world.email(), redirect_to="https://evil.example").json

    assert generated["redirect_to"] == SITE


@pytest.mark.parametrize("name", ["invite", "admin/generate_link"])
def test_the_secret_key_is_required(world: World, name: str) -> None:
    body, keys, email = {"type": "magiclink", "email": world.email()}, world.api_keys(), world.email()
    _, session = new_user(world)
    path, key = f"/auth/v1/{name}", keys["publishable_key"]

    assert world.client.post(path, body, apikey=key).json == gotrue_error(401, "no_authorization")
    for bearer, code in ((key, "not_admin"), (session.json["access_token"], "not_admin"), ("x", "bad_jwt")):
        answer = world.client.post(path, body, apikey=key, bearer=bearer)
        assert (answer.status, answer.json["error_code"]) == (403, code)
    assert world.mails(email) == []


def test_invitations_are_not_rate_limited(world: World) -> None:
    emails = [world.email() for _ in range(3)]
    for email in emails * 2:
        assert as_admin(world, "invite", {"email": email}).status == 200
    world.end_cooldown(MailKind.INVITE, emails[0])

    assert as_admin(world, "invite", {"email": emails[0]}).status == 200
