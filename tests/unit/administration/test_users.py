"""Supabase Auth's endpoints for administrators, on both databases: who may call them, and what they do."""

from copy import replace
from datetime import timedelta
from typing import Any, Final

import pytest
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.clock import rfc3339
from gerbang.sessions.api_keys import ApiKeys
from gerbang.sessions.sessions import SessionEnded
from gerbang.storage.accounts import Name

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, PASSWORD, by_email
from tests.fakes import FakeSecretText
from tests.gateway_events import body_of
from tests.unit.administration.client import CAROL, Admin
from tests.unit.handlers import PUBLISHABLE_KEY, SECRET_KEY
from tests.unit.mail_deployment import MailDeployment
from tests.unit.migration.legacy_hashes import ONE_OF_EACH, PHP_BCRYPT, KnownAnswer

NEW_PASSWORD: Final = "Battery-staple-43"
CHOSEN_ID: Final = "3c662a10-d9b1-438c-bfa7-eac70051f5ac"
# Who may call


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"apikey": None}, 401, "no_authorization"),
        ({"apikey": "unknown"}, 401, "no_authorization"),
        ({"authorization": None}, 401, "no_authorization"),
        ({"authorization": "Basic x"}, 401, "no_authorization"),
        ({"authorization": f"Bearer {PUBLISHABLE_KEY}"}, 403, "not_admin"),
        ({"authorization": "Bearer eyJh.eyJy.c2ln"}, 403, "not_admin"),
        ({"authorization": "Bearer garbage"}, 403, "bad_jwt"),
        ({"authorization": "Bearer sb_secret_guess"}, 403, "bad_jwt"),
    ],
)
@pytest.mark.parametrize(
    ("method", "user_id"),
    [("GET", None), ("POST", None), ("GET", CHOSEN_ID), ("PUT", CHOSEN_ID), ("DELETE", CHOSEN_ID)],
)
def test_any_other_credential_than_the_secret_key_is_rejected(
    admin_in_memory: Admin,
    *,
    method: str,
    user_id: str | None,
    headers: dict[str, Any],
    status: int,
    code: str,
) -> None:
    body = None if method == "GET" else {"email": CAROL}

    answer = admin_in_memory.ask(method, user_id, body, headers=headers)

    assert (answer["statusCode"], body_of(answer)["error_code"]) == (status, code)
    assert admin_in_memory.base.users.find_id(Name.EMAIL, CAROL) is None


def test_an_access_token_of_a_user_is_rejected_with_403(admin_in_memory: Admin, app_in_memory: MailDeployment) -> None:
    token = app_in_memory.register(ALICE).tokens.access_token

    answer = admin_in_memory.ask("GET", headers={"authorization": f"Bearer {token}"})

    assert (answer["statusCode"], body_of(answer)["error_code"]) == (403, "not_admin")


@pytest.mark.parametrize("apikey", [PUBLISHABLE_KEY, SECRET_KEY])
def test_the_apikey_header_may_hold_either_key(admin_in_memory: Admin, apikey: str) -> None:
    assert admin_in_memory.ask("GET", headers={"apikey": apikey})["statusCode"] == 200


@pytest.mark.parametrize(
    "secret", ["eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl", "sb_secret_old"]
)
def test_a_second_secret_key_and_a_jwt_as_secret_key_are_accepted(app_in_memory: MailDeployment, secret: str) -> None:
    admin = Admin(app_in_memory.base)
    admin.base = replace(
        admin.base, api_keys=ApiKeys(PUBLISHABLE_KEY, FakeSecretText(f"{SECRET_KEY},{secret}"), admin.base.clock)
    )

    assert admin.ask("GET", headers={"authorization": f"Bearer {secret}"})["statusCode"] == 200


def test_each_admin_call_is_logged_once_without_an_email_address(admin_in_memory: Admin) -> None:
    log = admin_in_memory.base.recorded
    user_id = admin_in_memory.create(email=CAROL)["id"]
    for method, body in (("GET", {}), ("PUT", {"email": "c@example.com"}), ("DELETE", {})):
        admin_in_memory(method, user_id, **body)
    admin_in_memory("GET")

    admin_calls = [each for each in log.notes if each.event == "admin_called"]

    assert [(each.fields["method"], each.fields.get("user_id")) for each in admin_calls] == [
        ("POST", None),
        ("GET", user_id),
        ("PUT", user_id),
        ("DELETE", user_id),
        ("GET", None),
    ]
    assert "@" not in str([each.fields for each in log.notes])


# Creation


def test_creating_a_user_sends_no_mail(admin: Admin, app: MailDeployment) -> None:
    user = admin.create(
        email="Carol@Example.com",
        password=PASSWORD,
        email_confirm=True,
        user_metadata={"name": "Carol", "left out": None},
        app_metadata={"plan": "pro", "provider": "x"},
    )

    now = rfc3339(admin.base.clock())
    assert user["email"] == CAROL
    assert (user["email_confirmed_at"], user["created_at"]) == (now, now)
    assert user["app_metadata"] == {"plan": "pro", "provider": "email", "providers": ["email"]}
    assert user["user_metadata"] == {"name": "Carol", "email_verified": True}
    assert [each["provider"] for each in user["identities"]] == ["email"]
    assert "last_sign_in_at" not in user
    stored = admin.base.users.find(user["id"])
    assert stored is not None
    assert (stored.name, stored.email_as_typed, stored.app_metadata) == ("Carol", "Carol@Example.com", {"plan": "pro"})
    assert stored.number is not None
    assert app.queue.jobs == []
    admin.base.sign_in.sign_in(by_email(CAROL), HOME)
    assert admin("GET", user["id"])[1]["last_sign_in_at"] == now


def test_a_created_address_is_unverified_without_email_confirm(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL, password=PASSWORD)

    assert "email_confirmed_at" not in user
    assert user["user_metadata"] == {}


def test_a_user_can_be_created_without_a_password(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL, email_confirm=True)

    stored = admin_in_memory.base.users.find(user["id"])
    assert stored is not None
    assert stored.password_hash is None
    assert [each["provider"] for each in user["identities"]] == ["email"]


def test_creating_a_user_ignores_closed_sign_ups_and_the_password_policy(app_in_memory: MailDeployment) -> None:
    closed = replace(app_in_memory.base, choices=replace(app_in_memory.base.choices, sign_up_disabled=True))

    Admin(closed).create(email=CAROL, password="12345")

    closed.sign_in.sign_in(by_email(CAROL, "12345"), HOME)


@pytest.mark.parametrize("known", ONE_OF_EACH, ids=lambda known: known.format)
def test_a_password_hash_of_each_supported_format_signs_in(admin_in_memory: Admin, known: KnownAnswer) -> None:
    admin_in_memory.create(email=CAROL, password_hash=known.hash)

    admin_in_memory.base.sign_in.sign_in(by_email(CAROL, known.password), HOME)


def test_a_weak_password_hash_is_stored_wrapped(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL, password_hash="md5:5f4dcc3b5aa765d61d8327deb882cf99")

    stored = admin_in_memory.base.users.find(user["id"])
    assert stored is not None
    assert str(stored.password_hash).startswith("$wrapped$")
    admin_in_memory.base.sign_in.sign_in(by_email(CAROL, "password"), HOME)


def test_a_user_id_can_be_chosen_once(admin: Admin) -> None:
    assert admin.create(email=CAROL, id=CHOSEN_ID.upper())["id"] == CHOSEN_ID

    answer = admin("POST", email="dan@example.com", id=CHOSEN_ID)

    assert (answer[0], answer[1]["error_code"]) == (422, "user_already_exists")
    assert admin.base.users.find_id(Name.EMAIL, "dan@example.com") is None


def test_creating_a_user_with_a_taken_address_is_422(admin: Admin, app: MailDeployment) -> None:
    app.register(BOB)

    status, error = admin("POST", email=BOB.email)

    assert (status, error["error_code"]) == (422, "email_exists")


INVALID_BODIES: Final[list[tuple[dict[str, Any], int, str]]] = [
    ({}, 400, "validation_failed"),
    ({"email": "x"}, 400, "validation_failed"),
    ({"email": CAROL, "phone": "628123"}, 422, "phone_provider_disabled"),
    ({"phone": "628123"}, 422, "phone_provider_disabled"),
    ({"email": CAROL, "password": PASSWORD, "password_hash": PHP_BCRYPT}, 400, "validation_failed"),
    ({"email": CAROL, "password_hash": "plain"}, 400, "validation_failed"),
    (
        {"email": CAROL, "password_hash": "$2y$31$8CXi2nJpM08aaEcGdQ0j8.aAJhrrbbPRRWdueqTju3alqDBv0sKQO"},
        400,
        "validation_failed",
    ),
    ({"email": CAROL, "role": "postgres"}, 400, "validation_failed"),
    ({"email": CAROL, "aud": "others"}, 400, "validation_failed"),
    ({"email": CAROL, "ban_duration": "1 day"}, 400, "validation_failed"),
    ({"email": CAROL, "ban_duration": "-1h"}, 400, "validation_failed"),
    ({"email": CAROL, "id": "7"}, 400, "validation_failed"),
    ({"email": CAROL, "user_metadata": {"x": "x" * 9000}}, 400, "validation_failed"),
    ({"email": CAROL, "app_metadata": {"x": "x" * 3000}}, 400, "validation_failed"),
]


@pytest.mark.parametrize(
    ("body", "status", "code"), INVALID_BODIES, ids=[str(number) for number in range(len(INVALID_BODIES))]
)
def test_an_invalid_body_creates_no_user(admin_in_memory: Admin, body: dict[str, Any], status: int, code: str) -> None:
    answered, error = admin_in_memory("POST", **body)

    assert (answered, error["error_code"]) == (status, code)
    assert admin_in_memory("GET")[1]["users"] == []


def test_the_default_role_and_audience_are_accepted(admin_in_memory: Admin) -> None:
    assert admin_in_memory.create(email=CAROL, role="authenticated", aud="authenticated")["role"] == "authenticated"


# Showing and changing


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("user_id", "code"), [("7", "validation_failed"), ("x" * 36, "validation_failed"), (CHOSEN_ID, "user_not_found")]
)
def test_an_unknown_user_is_404(admin_in_memory: Admin, method: str, user_id: str, code: str) -> None:
    body = {"email_confirm": True} if method == "PUT" else {}

    status, error = admin_in_memory(method, user_id, **body)

    assert (status, error["error_code"]) == (404, code)


def test_metadata_is_merged_and_null_removes_a_key(admin: Admin) -> None:
    user = admin.create(email=CAROL, user_metadata={"a": 1, "b": {"c": 1}}, app_metadata={"plan": "pro", "seats": 3})

    _, changed = admin("PUT", user["id"], user_metadata={"b": {"d": 2}, "a": None}, app_metadata={"seats": None})

    assert changed["user_metadata"] == {"b": {"d": 2}}
    assert changed["app_metadata"] == {"plan": "pro", "provider": "email", "providers": ["email"]}
    assert admin("GET", user["id"])[1] == changed


def test_an_update_with_the_current_values_changes_nothing(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL)
    admin_in_memory.base.clock.advance(timedelta(hours=1))

    assert admin_in_memory("PUT", user["id"], email=CAROL, user_metadata={}) == (200, user)


def test_setting_a_password_ends_every_session_and_sends_no_mail(admin: Admin, app: MailDeployment) -> None:
    session = app.register(BOB)

    status, _ = admin("PUT", session.user.user_id, password=NEW_PASSWORD)

    assert status == 200
    with pytest.raises(SessionEnded):
        app.base.sessions.authenticate(session.tokens.access_token)
    with pytest.raises(InvalidCredentials):
        app.base.sign_in.sign_in(by_email(BOB.email), HOME)
    app.base.sign_in.sign_in(by_email(BOB.email, NEW_PASSWORD), HOME)
    assert app.queue.jobs == []


def test_setting_a_password_checks_the_password_policy(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL)

    status, error = admin_in_memory("PUT", user["id"], password="12345")

    assert (status, error["error_code"], error["weak_password"]) == (422, "weak_password", {"reasons": ["length"]})


@pytest.mark.parametrize(("wrong", "named"), [({"email": "nonsense"}, "email: "), ({"role": "postgres"}, "role: ")])
def test_a_weak_password_is_reported_with_the_other_invalid_fields(
    admin_in_memory: Admin, wrong: dict[str, Any], named: str
) -> None:
    user = admin_in_memory.create(email=CAROL)

    status, error = admin_in_memory("PUT", user["id"], password="12345", **wrong)

    assert (status, error["error_code"]) == (400, "validation_failed")
    assert named in error["msg"]
    assert "password: Password must be at least 8 characters" in error["msg"]


def test_changing_an_address_takes_effect_immediately(admin: Admin, app: MailDeployment) -> None:
    user = admin.create(email=CAROL, password=PASSWORD, email_confirm=True)

    status, changed = admin("PUT", user["id"], email="Caroline@example.com")

    assert (status, changed["email"]) == (200, "caroline@example.com")
    assert changed["email_confirmed_at"] == user["email_confirmed_at"]
    assert admin.base.users.find_id(Name.EMAIL, CAROL) is None
    admin.base.sign_in.sign_in(by_email("caroline@example.com"), HOME)
    assert app.queue.jobs == []
    admin.create(email=CAROL)


@pytest.mark.parametrize("confirms", [True, False])
def test_a_new_address_of_an_unverified_account_is_verified_only_with_email_confirm(
    admin_in_memory: Admin, *, confirms: bool
) -> None:
    user = admin_in_memory.create(email=CAROL)

    changed = admin_in_memory("PUT", user["id"], email="caroline@example.com", email_confirm=confirms)[1]

    assert ("email_confirmed_at" in changed) is confirms


def test_email_confirm_verifies_the_current_address(admin: Admin) -> None:
    user = admin.create(email=CAROL)

    changed = admin("PUT", user["id"], email_confirm=True)[1]

    assert changed["email_confirmed_at"] == rfc3339(admin.base.clock())
    assert admin("GET", user["id"])[1] == changed


def test_changing_to_a_taken_address_is_422_and_changes_nothing(admin: Admin, app: MailDeployment) -> None:
    app.register(BOB)
    user = admin.create(email=CAROL)

    status, error = admin("PUT", user["id"], email=BOB.email, user_metadata={"a": 1})

    assert (status, error["error_code"]) == (422, "email_exists")
    assert admin("GET", user["id"])[1] == user


def test_a_guest_who_gets_an_address_becomes_a_registered_user(admin: Admin, app: MailDeployment) -> None:
    guest = app.guests.admit(HOME).user

    changed = admin("PUT", guest.user_id, email=CAROL, email_confirm=True, password=NEW_PASSWORD)[1]

    assert (changed["is_anonymous"], changed["email"]) == (False, CAROL)
    assert [user["id"] for user in admin("GET")[1]["users"]] == [guest.user_id]
    app.base.sign_in.sign_in(by_email(CAROL, NEW_PASSWORD), HOME)


@pytest.mark.parametrize(
    "body",
    [
        {"phone": "628123"},
        {"password_hash": PHP_BCRYPT},
        {"id": "3c662a10-d9b1-438c-bfa7-eac70051f5ad"},
        {"role": "postgres"},
        {"ban_duration": "soon"},
        {"user_metadata": {"x": "x" * 9000}},
    ],
)
def test_an_invalid_update_changes_nothing(admin_in_memory: Admin, body: dict[str, Any]) -> None:
    user = admin_in_memory.create(email=CAROL)

    status, _ = admin_in_memory("PUT", user["id"], **body)

    assert status in {400, 422}
    assert admin_in_memory("GET", user["id"])[1] == user


def test_a_ban_can_be_set_and_lifted(admin: Admin, app: MailDeployment) -> None:
    session = app.register(BOB)
    user_id = session.user.user_id

    banned = admin("PUT", user_id, ban_duration="1h30m")[1]

    assert banned["banned_until"] == rfc3339(app.base.clock() + timedelta(minutes=90))
    with pytest.raises(SessionEnded):
        app.base.sessions.authenticate(session.tokens.access_token)
    assert "banned_until" not in admin("PUT", user_id, ban_duration="none")[1]
    app.base.sessions.authenticate(session.tokens.access_token)


def test_a_user_can_be_created_with_a_ban(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL, password=PASSWORD, ban_duration="24h")

    assert user["banned_until"] == rfc3339(admin_in_memory.base.clock() + timedelta(hours=24))
    with pytest.raises(InvalidCredentials):
        admin_in_memory.base.sign_in.sign_in(by_email(CAROL), HOME)


# Deletion


@pytest.mark.parametrize("body", [{}, {"should_soft_delete": False}])
def test_a_user_is_deleted(admin: Admin, app: MailDeployment, database: Database, body: dict[str, Any]) -> None:
    session = app.register(ALICE)

    assert admin("DELETE", session.user.user_id, **body) == (200, {})

    with pytest.raises(SessionEnded):
        app.base.sessions.authenticate(session.tokens.access_token)
    for table in ("Users", "Organizations", "RefreshTokenFamilies", "OneTimeCodes"):
        assert database.items(table) == []
    assert admin("DELETE", session.user.user_id)[0] == 404


def test_soft_deletion_is_rejected(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL)

    status, error = admin_in_memory("DELETE", user["id"], should_soft_delete=True)

    assert (status, error["error_code"]) == (400, "validation_failed")
    assert admin_in_memory("GET", user["id"])[0] == 200
