"""Supabase Auth's endpoints for administrators, on both databases: who may call, and what is done."""

import json
from collections.abc import Callable, Mapping
from copy import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final

import pytest
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.apis.gotrue.durations import LONGEST, InvalidDuration, parse_duration
from gerbang.core.clock import rfc3339
from gerbang.sessions.api_keys import ApiKeys
from gerbang.sessions.sessions import SessionEnded
from gerbang.storage.accounts import Name
from gerbang_local.declarations import function_in

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, PASSWORD, Deployment, by_email
from tests.fakes import Call, MeanwhileStore
from tests.gateway_events import body_of, http_event
from tests.unit.handlers import PUBLISHABLE_KEY, SECRET_KEY, FixedSecretKey
from tests.unit.mail_fakes import MailDeployment
from tests.unit.test_legacy_passwords import ONE_OF_EACH, KnownAnswer

USERS: Final = "/auth/v1/admin/users"
NEW_PASSWORD: Final = "Battery-staple-43"
CAROL: Final = "carol@example.com"
CHOSEN_ID: Final = "3c662a10-d9b1-438c-bfa7-eac70051f5ac"
IMPORTED_HASH: Final = "$2y$05$8CXi2nJpM08aaEcGdQ0j8.aAJhrrbbPRRWdueqTju3alqDBv0sKQO"
"""Of `PASSWORD`, as PHP's bcrypt stores it."""

type Answer = tuple[int, dict[str, Any]]


class Admin:
    """Calls the endpoints with the secret key."""

    def __init__(self, base: Deployment) -> None:
        self.base = replace(base, api_keys=ApiKeys(PUBLISHABLE_KEY, FixedSecretKey(), base.clock))
        self.headers: dict[str, str | None] = {"apikey": SECRET_KEY, "authorization": f"Bearer {SECRET_KEY}"}
        self._handlers: dict[str, Any] = {}

    def ask(
        self,
        method: str,
        user_id: str | None = None,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str | None] = MappingProxyType({}),
    ) -> dict[str, Any]:
        folder = "auth/v1/admin/users" if user_id is None else "auth/v1/admin/users/one"
        if folder not in self._handlers:
            self._handlers[folder] = function_in(folder).load(self.base).handler
        sent = {name: value for name, value in (self.headers | dict(headers)).items() if value is not None}
        event = http_event(
            None if body is None else json.dumps(body),
            method=method,
            path=USERS if user_id is None else f"{USERS}/{{user_id}}",
            headers=sent | {"content-type": "application/json"},
            query=query,
            **({} if user_id is None else {"pathParameters": {"user_id": user_id}}),
        )
        answer: dict[str, Any] = self._handlers[folder](event, None)
        return answer

    def __call__(self, method: str, user_id: str | None = None, **body: Any) -> Answer:
        answer = self.ask(method, user_id, body or None)
        return answer["statusCode"], body_of(answer)

    def create(self, **body: Any) -> dict[str, Any]:
        status, user = self("POST", **body)
        assert status == 200, user
        return user


@pytest.fixture
def admin(post: MailDeployment) -> Admin:
    return Admin(post.base)


@pytest.fixture
def admin_in_memory(post_in_memory: MailDeployment) -> Admin:
    return Admin(post_in_memory.base)


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
def test_only_the_secret_key_lets_an_administrator_in(
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


def test_a_user_s_access_token_is_403(admin_in_memory: Admin, post_in_memory: MailDeployment) -> None:
    token = post_in_memory.register(ALICE).tokens.access_token

    answer = admin_in_memory.ask("GET", headers={"authorization": f"Bearer {token}"})

    assert (answer["statusCode"], body_of(answer)["error_code"]) == (403, "not_admin")


@pytest.mark.parametrize("apikey", [PUBLISHABLE_KEY, SECRET_KEY])
def test_any_key_of_the_deployment_is_an_apikey(admin_in_memory: Admin, apikey: str) -> None:
    assert admin_in_memory.ask("GET", headers={"apikey": apikey})["statusCode"] == 200


@pytest.mark.parametrize(
    "secret", ["eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl", "sb_secret_old"]
)
def test_a_key_may_have_the_shape_of_a_token_and_there_may_be_several(
    post_in_memory: MailDeployment, secret: str
) -> None:
    class Secrets:
        def current(self) -> str:
            return f"{SECRET_KEY},{secret}"

    admin = Admin(post_in_memory.base)
    admin.base = replace(admin.base, api_keys=ApiKeys(PUBLISHABLE_KEY, Secrets(), admin.base.clock))

    assert admin.ask("GET", headers={"authorization": f"Bearer {secret}"})["statusCode"] == 200


def test_every_call_is_logged_once_without_an_address(admin_in_memory: Admin) -> None:
    log = admin_in_memory.base.recorded
    user_id = admin_in_memory.create(email=CAROL)["id"]
    for method, body in (("GET", {}), ("PUT", {"email": "c@example.com"}), ("DELETE", {})):
        admin_in_memory(method, user_id, **body)
    admin_in_memory("GET")

    called = [each for each in log.notes if each.event == "admin_called"]

    assert [(each.fields["method"], each.fields.get("user_id")) for each in called] == [
        ("POST", None),
        ("GET", user_id),
        ("PUT", user_id),
        ("DELETE", user_id),
        ("GET", None),
    ]
    assert "@" not in str([each.fields for each in log.notes])


# Creation


def test_a_user_is_created_without_mail(admin: Admin, post: MailDeployment) -> None:
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
    assert post.queue.jobs == []
    admin.base.sign_in.sign_in(by_email(CAROL), HOME)
    assert admin("GET", user["id"])[1]["last_sign_in_at"] == now


def test_an_address_that_is_not_confirmed_is_unverified(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL, password=PASSWORD)

    assert "email_confirmed_at" not in user
    assert user["user_metadata"] == {}


def test_a_user_without_a_password_has_none(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL, email_confirm=True)

    stored = admin_in_memory.base.users.find(user["id"])
    assert stored is not None
    assert stored.password_hash is None
    assert [each["provider"] for each in user["identities"]] == ["email"]


def test_sign_ups_may_be_closed_and_the_password_may_be_weak(post_in_memory: MailDeployment) -> None:
    closed = replace(post_in_memory.base, choices=replace(post_in_memory.base.choices, sign_up_disabled=True))

    Admin(closed).create(email=CAROL, password="12345")

    closed.sign_in.sign_in(by_email(CAROL, "12345"), HOME)


@pytest.mark.parametrize("known", ONE_OF_EACH, ids=lambda known: known.format)
def test_a_hash_of_every_format_that_the_import_takes_signs_in(admin_in_memory: Admin, known: KnownAnswer) -> None:
    admin_in_memory.create(email=CAROL, password_hash=known.hash)

    admin_in_memory.base.sign_in.sign_in(by_email(CAROL, known.password), HOME)


def test_a_weak_hash_is_wrapped(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL, password_hash="md5:5f4dcc3b5aa765d61d8327deb882cf99")

    kept = admin_in_memory.base.users.find(user["id"])
    assert kept is not None
    assert str(kept.password_hash).startswith("$wrapped$")
    admin_in_memory.base.sign_in.sign_in(by_email(CAROL, "password"), HOME)


def test_the_id_may_be_chosen(admin: Admin) -> None:
    assert admin.create(email=CAROL, id=CHOSEN_ID.upper())["id"] == CHOSEN_ID

    taken = admin("POST", email="dan@example.com", id=CHOSEN_ID)

    assert (taken[0], taken[1]["error_code"]) == (422, "user_already_exists")
    assert admin.base.users.find_id(Name.EMAIL, "dan@example.com") is None


def test_an_address_that_is_taken_is_422(admin: Admin, post: MailDeployment) -> None:
    post.register(BOB)

    status, error = admin("POST", email=BOB.email)

    assert (status, error["error_code"]) == (422, "email_exists")


WRONG: Final[list[tuple[dict[str, Any], int, str]]] = [
    ({}, 400, "validation_failed"),
    ({"email": "x"}, 400, "validation_failed"),
    ({"email": CAROL, "phone": "628123"}, 422, "phone_provider_disabled"),
    ({"phone": "628123"}, 422, "phone_provider_disabled"),
    ({"email": CAROL, "password": PASSWORD, "password_hash": IMPORTED_HASH}, 400, "validation_failed"),
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


@pytest.mark.parametrize(("body", "status", "code"), WRONG, ids=[str(number) for number in range(len(WRONG))])
def test_what_is_wrong_creates_nobody(admin_in_memory: Admin, body: dict[str, Any], status: int, code: str) -> None:
    answered, error = admin_in_memory("POST", **body)

    assert (answered, error["error_code"]) == (status, code)
    assert admin_in_memory("GET")[1]["users"] == []


def test_role_and_audience_of_every_user_are_accepted(admin_in_memory: Admin) -> None:
    assert admin_in_memory.create(email=CAROL, role="authenticated", aud="authenticated")["role"] == "authenticated"


# Showing and changing


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    ("user_id", "code"), [("7", "validation_failed"), ("x" * 36, "validation_failed"), (CHOSEN_ID, "user_not_found")]
)
def test_a_user_who_does_not_exist_is_404(admin_in_memory: Admin, method: str, user_id: str, code: str) -> None:
    body = {"email_confirm": True} if method == "PUT" else {}

    status, error = admin_in_memory(method, user_id, **body)

    assert (status, error["error_code"]) == (404, code)


def test_metadata_is_merged_and_null_removes(admin: Admin) -> None:
    user = admin.create(email=CAROL, user_metadata={"a": 1, "b": {"c": 1}}, app_metadata={"plan": "pro", "seats": 3})

    _, changed = admin("PUT", user["id"], user_metadata={"b": {"d": 2}, "a": None}, app_metadata={"seats": None})

    assert changed["user_metadata"] == {"b": {"d": 2}}
    assert changed["app_metadata"] == {"plan": "pro", "provider": "email", "providers": ["email"]}
    assert admin("GET", user["id"])[1] == changed


def test_a_change_of_nothing_changes_nothing(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL)
    admin_in_memory.base.clock.advance(timedelta(hours=1))

    assert admin_in_memory("PUT", user["id"], email=CAROL, user_metadata={}) == (200, user)


def test_a_new_password_ends_every_session_and_mails_nothing(admin: Admin, post: MailDeployment) -> None:
    session = post.register(BOB)

    status, _ = admin("PUT", session.user.user_id, password=NEW_PASSWORD)

    assert status == 200
    with pytest.raises(SessionEnded):
        post.base.sessions.authenticate(session.tokens.access_token)
    with pytest.raises(InvalidCredentials):
        post.base.sign_in.sign_in(by_email(BOB.email), HOME)
    post.base.sign_in.sign_in(by_email(BOB.email, NEW_PASSWORD), HOME)
    assert post.queue.jobs == []


def test_a_new_password_keeps_to_the_rules(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL)

    status, error = admin_in_memory("PUT", user["id"], password="12345")

    assert (status, error["error_code"], error["weak_password"]) == (422, "weak_password", {"reasons": ["length"]})


@pytest.mark.parametrize(("wrong", "named"), [({"email": "nonsense"}, "email: "), ({"role": "postgres"}, "role: ")])
def test_a_weak_password_is_named_with_the_other_fields(
    admin_in_memory: Admin, wrong: dict[str, Any], named: str
) -> None:
    user = admin_in_memory.create(email=CAROL)

    status, error = admin_in_memory("PUT", user["id"], password="12345", **wrong)

    assert (status, error["error_code"]) == (400, "validation_failed")
    assert named in error["msg"]
    assert "password: Password must be at least 8 characters" in error["msg"]


def test_an_address_changes_at_once(admin: Admin, post: MailDeployment) -> None:
    user = admin.create(email=CAROL, password=PASSWORD, email_confirm=True)

    status, changed = admin("PUT", user["id"], email="Caroline@example.com")

    assert (status, changed["email"]) == (200, "caroline@example.com")
    assert changed["email_confirmed_at"] == user["email_confirmed_at"]
    assert admin.base.users.find_id(Name.EMAIL, CAROL) is None
    admin.base.sign_in.sign_in(by_email("caroline@example.com"), HOME)
    assert post.queue.jobs == []
    admin.create(email=CAROL)


@pytest.mark.parametrize("confirms", [True, False])
def test_a_new_address_of_an_unverified_account_is_verified_by_the_administrator_s_word(
    admin_in_memory: Admin, *, confirms: bool
) -> None:
    user = admin_in_memory.create(email=CAROL)

    changed = admin_in_memory("PUT", user["id"], email="caroline@example.com", email_confirm=confirms)[1]

    assert ("email_confirmed_at" in changed) is confirms


def test_an_address_is_confirmed(admin: Admin) -> None:
    user = admin.create(email=CAROL)

    changed = admin("PUT", user["id"], email_confirm=True)[1]

    assert changed["email_confirmed_at"] == rfc3339(admin.base.clock())
    assert admin("GET", user["id"])[1] == changed


def test_an_address_that_another_account_has_is_422_and_changes_nothing(admin: Admin, post: MailDeployment) -> None:
    post.register(BOB)
    user = admin.create(email=CAROL)

    status, error = admin("PUT", user["id"], email=BOB.email, user_metadata={"a": 1})

    assert (status, error["error_code"]) == (422, "email_exists")
    assert admin("GET", user["id"])[1] == user


def test_a_guest_who_is_given_an_address_is_registered(admin: Admin, post: MailDeployment) -> None:
    guest = post.guests.admit(HOME).user

    changed = admin("PUT", guest.user_id, email=CAROL, email_confirm=True, password=NEW_PASSWORD)[1]

    assert (changed["is_anonymous"], changed["email"]) == (False, CAROL)
    assert [user["id"] for user in admin("GET")[1]["users"]] == [guest.user_id]
    post.base.sign_in.sign_in(by_email(CAROL, NEW_PASSWORD), HOME)


@pytest.mark.parametrize(
    "body",
    [
        {"phone": "628123"},
        {"password_hash": IMPORTED_HASH},
        {"id": "3c662a10-d9b1-438c-bfa7-eac70051f5ad"},
        {"role": "postgres"},
        {"ban_duration": "soon"},
        {"user_metadata": {"x": "x" * 9000}},
    ],
)
def test_what_is_wrong_changes_nothing(admin_in_memory: Admin, body: dict[str, Any]) -> None:
    user = admin_in_memory.create(email=CAROL)

    status, _ = admin_in_memory("PUT", user["id"], **body)

    assert status in {400, 422}
    assert admin_in_memory("GET", user["id"])[1] == user


def test_a_ban_begins_and_ends(admin: Admin, post: MailDeployment) -> None:
    session = post.register(BOB)
    user_id = session.user.user_id

    banned = admin("PUT", user_id, ban_duration="1h30m")[1]

    assert banned["banned_until"] == rfc3339(post.base.clock() + timedelta(minutes=90))
    with pytest.raises(SessionEnded):
        post.base.sessions.authenticate(session.tokens.access_token)
    assert "banned_until" not in admin("PUT", user_id, ban_duration="none")[1]
    post.base.sessions.authenticate(session.tokens.access_token)


def test_a_user_may_be_created_banned(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL, password=PASSWORD, ban_duration="24h")

    assert user["banned_until"] == rfc3339(admin_in_memory.base.clock() + timedelta(hours=24))
    with pytest.raises(InvalidCredentials):
        admin_in_memory.base.sign_in.sign_in(by_email(CAROL), HOME)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("0", timedelta()),
        ("24h", timedelta(hours=24)),
        ("90m", timedelta(minutes=90)),
        ("1h30m10.5s", timedelta(hours=1, minutes=30, seconds=10.5)),
        (".5h", timedelta(minutes=30)),
        ("1.h", timedelta(hours=1)),
        ("1500ms", timedelta(seconds=1.5)),
        ("3µs", timedelta(microseconds=3)),
        ("999ns", timedelta()),
        ("876000h", timedelta(hours=876_000)),
        ("2562047h47m16.854775807s", LONGEST),
    ],
)
def test_durations_are_go_s(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "h",
        "1d",
        "-1h",
        "+1h",
        " 1h",
        "1h ",
        "1e3h",
        "1,5h",
        ".h",
        "2562048h",
        "9" * 70 + "h",
        "\u0661h",
        "1h1",
        "none",
    ],
)
def test_what_is_no_duration_is_an_error(text: str) -> None:
    with pytest.raises(InvalidDuration):
        parse_duration(text)


# Deletion


@pytest.mark.parametrize("body", [{}, {"should_soft_delete": False}])
def test_a_user_is_deleted(admin: Admin, post: MailDeployment, database: Database, body: dict[str, Any]) -> None:
    session = post.register(ALICE)

    assert admin("DELETE", session.user.user_id, **body) == (200, {})

    with pytest.raises(SessionEnded):
        post.base.sessions.authenticate(session.tokens.access_token)
    for table in ("Users", "Organizations", "RefreshTokenFamilies", "OneTimeCodes"):
        assert database.items(table) == []
    assert admin("DELETE", session.user.user_id)[0] == 404


def test_users_are_not_deleted_softly(admin_in_memory: Admin) -> None:
    user = admin_in_memory.create(email=CAROL)

    status, error = admin_in_memory("DELETE", user["id"], should_soft_delete=True)

    assert (status, error["error_code"]) == (400, "validation_failed")
    assert admin_in_memory("GET", user["id"])[0] == 200


# Two administrators


def racing(admin: Admin, rival: Callable[[], object]) -> Admin:
    """An administrator before whose write another one's is done."""

    def is_write(call: Call) -> bool:
        return call.method in {"commit", "write"} and any(key.table == admin.base.tables["Users"] for key in call.keys)

    store = MeanwhileStore(admin.base.store, before=is_write, happens=rival)
    return Admin(replace(admin.base, store=store))


def test_changes_of_different_members_by_two_administrators_are_both_kept(admin: Admin) -> None:
    user_id = admin.create(email=CAROL)["id"]
    another = racing(admin, lambda: admin("PUT", user_id, user_metadata={"a": 1}, ban_duration="1h"))

    status, changed = another("PUT", user_id, user_metadata={"b": 2}, app_metadata={"plan": "pro"})

    assert status == 200
    assert changed["user_metadata"] == {"a": 1, "b": 2}
    assert "banned_until" in changed
    assert admin("GET", user_id)[1] == changed


def test_of_two_administrators_who_change_an_address_the_later_wins(admin: Admin, database: Database) -> None:
    user_id = admin.create(email=CAROL)["id"]
    another = racing(admin, lambda: admin("PUT", user_id, email="first@example.com"))

    assert another("PUT", user_id, email="second@example.com")[1]["email"] == "second@example.com"

    assert [item["pk"] for item in database.items("Users", "EMAIL#")] == ["EMAIL#second@example.com"]


def test_of_two_administrators_who_set_a_password_the_later_wins(admin: Admin) -> None:
    user_id = admin.create(email=CAROL)["id"]
    another = racing(admin, lambda: admin("PUT", user_id, password=NEW_PASSWORD))

    assert another("PUT", user_id, password=PASSWORD)[0] == 200

    admin.base.sign_in.sign_in(by_email(CAROL), HOME)


def test_a_user_who_is_deleted_while_another_administrator_changes_them_is_gone(
    admin: Admin, database: Database
) -> None:
    user_id = admin.create(email=CAROL)["id"]
    another = racing(admin, lambda: admin("DELETE", user_id))

    assert another("PUT", user_id, email="second@example.com", password=PASSWORD)[0] == 404

    assert database.items("Users") == []


def test_an_address_that_two_administrators_give_to_two_users_is_one_s(admin: Admin) -> None:
    first, second = (admin.create(email=f"{name}@example.com")["id"] for name in ("one", "two"))
    another = racing(admin, lambda: admin("PUT", first, email=CAROL))

    status, error = another("PUT", second, email=CAROL)

    assert (status, error["error_code"]) == (422, "email_exists")
    assert admin.base.users.find_id(Name.EMAIL, CAROL) == first


# Listing


def test_users_are_listed_with_their_identities_the_newest_first(admin: Admin, post: MailDeployment) -> None:
    first = post.register(BOB).user.user_id
    post.base.clock.advance(timedelta(seconds=5))
    second = admin.create(email=CAROL)["id"]
    post.guests.admit(HOME)

    answer = admin.ask("GET")
    body = body_of(answer)

    assert body["aud"] == "authenticated"
    assert [user["id"] for user in body["users"]] == [second, first]
    assert body["users"] == [admin("GET", user_id)[1] for user_id in (second, first)]
    assert answer["headers"]["x-total-count"] == "2"
    assert answer["headers"]["link"] == '</admin/users?page=1&per_page=50>; rel="last"'


def test_links_are_as_clients_read_them(admin_in_memory: Admin) -> None:
    for number in range(7):
        admin_in_memory.base.clock.advance(timedelta(seconds=1))
        admin_in_memory.create(email=f"user-{number}@example.com")

    def page(number: int) -> tuple[list[str], str]:
        answer = admin_in_memory.ask("GET", query={"page": str(number), "per_page": "3"})
        assert answer["headers"]["x-total-count"] == "7"
        return [user["email"] for user in body_of(answer)["users"]], answer["headers"]["link"]

    assert page(1) == (
        [f"user-{number}@example.com" for number in (6, 5, 4)],
        '</admin/users?page=2&per_page=3>; rel="next", </admin/users?page=3&per_page=3>; rel="last"',
    )
    assert page(2)[1] == '</admin/users?page=3&per_page=3>; rel="next", </admin/users?page=3&per_page=3>; rel="last"'
    assert page(3) == (["user-0@example.com"], '</admin/users?page=3&per_page=3>; rel="last"')
    assert page(9) == ([], '</admin/users?page=3&per_page=3>; rel="last"')


@pytest.mark.parametrize("query", [{"page": "", "per_page": ""}, {"page": "1"}, {"per_page": "1000"}, {"sort": "x"}])
def test_what_clients_leave_out_has_a_default(admin_in_memory: Admin, query: dict[str, str]) -> None:
    admin_in_memory.create(email=CAROL)

    answer = admin_in_memory.ask("GET", query=query)

    assert len(body_of(answer)["users"]) == 1


@pytest.mark.parametrize(
    "query",
    [
        {"page": "0"},
        {"page": "-1"},
        {"page": "x"},
        {"per_page": "0"},
        {"page": "1000001"},
        {"page": "9" * 20},
        {"page": "\u0661"},
    ],
)
def test_a_page_that_cannot_be_is_400(admin_in_memory: Admin, query: dict[str, str]) -> None:
    answer = admin_in_memory.ask("GET", query=query)

    assert (answer["statusCode"], body_of(answer)["error_code"]) == (400, "validation_failed")


@pytest.mark.parametrize(
    ("text", "found"),
    [(CAROL, 1), (" Carol@EXAMPLE.com", 1), ("carol", 0), ("@example.com", 0), ("dan@example.com", 0)],
)
def test_a_complete_address_is_found(admin_in_memory: Admin, text: str, found: int) -> None:
    admin_in_memory.create(email=CAROL)

    answer = admin_in_memory.ask("GET", query={"filter": text, "page": "", "per_page": ""})

    assert [user["email"] for user in body_of(answer)["users"]] == [CAROL] * found
    assert answer["headers"]["x-total-count"] == str(found)
