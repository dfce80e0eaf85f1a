"""Supabase Auth's user and logout endpoints over HTTP, called as its official clients do."""

import json
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import pytest

from tests.wire.client import Answer
from tests.wire.concurrent import at_once, statuses
from tests.wire.gotrue import USER, call, get_user, set_verified
from tests.wire.shapes import INSTANT, claims_of, gotrue_error, gotrue_user
from tests.wire.world import OTHER_PASSWORD, PASSWORD, Person, World

LOGOUT: Final = "/auth/v1/logout"
VERSION: Final = {"x-supabase-api-version": "2024-01-01"}


def update(world: World, token: str, **fields: object) -> Answer:
    return call(world, "PUT", USER, token, body=json.dumps(fields).encode())


def log_out(world: World, token: str | None, scope: str | None = None) -> Answer:
    return call(world, "POST", LOGOUT if scope is None else f"{LOGOUT}?scope={scope}", token)


def sign_in(world: World, person: Person, password: str = PASSWORD) -> str:
    request = {"email": person.email, "password": password}
    answer = world.new_client().post("/api/auth/login", request)
    assert answer.status == 200, answer.raw
    return str(answer.data["accessToken"])


def change_code(world: World, email: str) -> str:
    return world.mail(email, having=lambda mail: mail.codes).code


class TestUser:
    def test_it_returns_the_account_without_an_envelope(self, world: World) -> None:
        person = world.register(name="User Name")

        answer = get_user(world, person.access_token)

        assert answer.status == 200
        assert answer.json == gotrue_user(user_id=person.user_id, email=person.email, name="User Name")

    def test_it_returns_a_guest(self, world: World) -> None:
        user = get_user(world, world.guest()).json

        assert (user["email"], user["identities"], user["app_metadata"], user["is_anonymous"]) == ("", [], {}, True)

    def test_it_includes_identities_of_other_providers(self, world: World) -> None:
        email = world.email()
        token = world.google_token(email=email, google_id="google-77")
        session = world.client.post("/api/auth/google", {"id_token": token}).data

        user = get_user(world, session["token"]).json

        assert [(each["provider"], each["id"], each["email"]) for each in user["identities"]] == [
            ("google", "google-77", email)
        ]
        assert user["app_metadata"] == {"provider": "google", "providers": ["google"]}
        assert user["user_metadata"]["email_verified"] is True

    @pytest.mark.parametrize("kind", ["publishable", "garbage", "refresh", "forged"])
    def test_an_invalid_access_token_is_403(self, world: World, shared_person: Person, kind: str) -> None:
        token = {
            "publishable": world.publishable_key,
            "garbage": "a.b.c",
            "refresh": shared_person.refresh_token,
            "forged": shared_person.access_token[:-6] + "AAAAAA",
        }[kind]

        for answer in (get_user(world, token), update(world, token, data={}), log_out(world, token)):
            assert answer.status == 403
            assert answer.json["error_code"] == "bad_jwt"
            assert answer.json["msg"].startswith("invalid JWT")

    def test_an_expired_token_is_403(self, world: World, shared_person: Person) -> None:
        answer = get_user(
            world, world.forge(shared_person.access_token, exp=claims_of(shared_person.access_token)["iat"])
        )

        assert answer.status == 403
        assert answer.json["error_code"] == "bad_jwt"

    def test_without_a_token_it_is_401(self, world: World) -> None:
        for answer in (get_user(world, None), log_out(world, None)):
            assert answer.status == 401
            assert answer.json == gotrue_error(401, "no_authorization")

    def test_an_ended_session_is_session_not_found_which_makes_clients_sign_out(self, world: World) -> None:
        person = world.register()
        assert log_out(world, person.access_token).status == 204

        answer = get_user(world, person.access_token, VERSION)

        assert answer.status == 403
        assert answer.json["code"] == "session_not_found"
        assert answer.headers["x-supabase-api-version"] == "2024-01-01"


class TestUpdate:
    def test_metadata_is_merged_and_null_removes(self, world: World) -> None:
        person = world.register(name="Ada")
        update(world, person.access_token, data={"a": 1, "b": {"c": None}})

        answer = update(world, person.access_token, data={"a": None, "d": ["x"]}, phone=None, code_challenge=None)

        assert answer.status == 200
        assert answer.json["user_metadata"] == {"name": "Ada", "b": {"c": None}, "d": ["x"]}
        assert get_user(world, person.access_token).json == answer.json

    def test_the_name_in_the_metadata_is_the_accounts_name(self, world: World) -> None:
        person = world.register_by_username()
        update(world, person.access_token, data={"name": "  Ada  Byron "})
        assert world.me(person.access_token).data["name"] == "Ada  Byron"

        update(world, person.access_token, data={"name": "x\u0000y"})
        assert world.me(person.access_token).data["name"] == "Ada  Byron"

        removed = update(world, person.access_token, data={"name": None})
        assert "name" not in removed.json["user_metadata"]
        assert world.me(person.access_token).data["name"] == ""

    def test_metadata_that_is_too_large_is_a_validation_error(self, world: World) -> None:
        person = world.register()

        answer = update(world, person.access_token, data={"a": "x" * 8200})

        assert answer.status == 400
        assert answer.json["error_code"] == "validation_failed"
        assert "data: " in answer.json["msg"]

    @pytest.mark.parametrize(
        ("fields", "status", "code"),
        [
            ({"app_metadata": {"role": "admin"}}, 403, "not_admin"),
            ({"app_metadata": {}}, 403, "not_admin"),
            ({"phone": "6281234567"}, 422, "phone_provider_disabled"),
            ({"email": "nonsense"}, 400, "validation_failed"),
            ({"password": PASSWORD}, 422, "same_password"),
            ({"data": "text"}, 400, "validation_failed"),
        ],
    )
    def test_a_rejected_update_changes_nothing(
        self, world: World, fields: Mapping[str, Any], status: int, code: str
    ) -> None:
        person = world.register()
        before = world.account(person.user_id)

        answer = update(world, person.access_token, **{"data": {"a": 1}, **fields})

        assert answer.status == status
        assert answer.json["error_code"] == code
        assert world.account(person.user_id) == before

    def test_an_invalid_address_gets_the_message_that_apps_look_for(self, world: World) -> None:
        answer = update(world, world.register().access_token, email="nonsense")

        assert "Unable to validate email address" in answer.json["msg"]

    def test_a_weak_password_is_422_with_the_reasons(self, world: World) -> None:
        answer = update(world, world.register().access_token, password="short")

        assert answer.status == 422
        assert answer.json["error_code"] == "weak_password"
        assert answer.json["weak_password"] == {"reasons": ["length"]}
        assert "at least 8 characters" in answer.json["msg"]

    def test_a_weak_password_and_other_invalid_fields_are_named_together(self, world: World) -> None:
        answer = update(world, world.register().access_token, password="short", email="nonsense", data="text")

        assert (answer.status, answer.json["error_code"]) == (400, "validation_failed")
        for named in ("email: ", "data: ", "password: Password must be at least 8 characters"):
            assert named in answer.json["msg"]

    def test_a_new_password_ends_other_sessions_and_mails_a_notice(self, world: World) -> None:
        person = world.register()
        set_verified(world, person.user_id)
        other = sign_in(world, person)

        answer = update(world, person.access_token, password=OTHER_PASSWORD, nonce="123456", current_password="x")

        assert answer.status == 200
        assert world.is_signed_in(person.access_token)
        assert not world.is_signed_in(other)
        assert sign_in(world, person, OTHER_PASSWORD)
        assert "password" in world.mail(person.email).subject.lower()

    def test_a_guest_without_an_address_cannot_set_a_password(self, world: World) -> None:
        answer = update(world, world.guest(), password=OTHER_PASSWORD)

        assert answer.status == 422
        assert answer.json == gotrue_error(422, "validation_failed")

    def test_a_new_address_is_pending_and_codes_are_mailed_to_both_addresses(self, world: World) -> None:
        person, email = world.register(), world.email()
        set_verified(world, person.user_id)

        answer = update(world, person.access_token, email=email.upper())

        assert answer.status == 200
        assert (answer.json["email"], answer.json["new_email"]) == (person.email, email)
        assert answer.json["email_change_sent_at"] == INSTANT
        assert change_code(world, email) != change_code(world, person.email)
        again = update(world, person.access_token, email=email)
        assert again.status == 429
        assert again.json["error_code"] == "over_email_send_rate_limit"
        assert "after" in again.json["msg"]
        assert int(again.headers["retry-after"]) > 0

    def test_a_guests_first_address_gets_the_only_mail(self, world: World) -> None:
        email = world.email()

        answer = update(world, world.guest(), email=email)

        assert (answer.json["email"], answer.json["new_email"], answer.json["is_anonymous"]) == ("", email, True)
        assert change_code(world, email)

    def test_a_taken_address_is_422(self, world: World, shared_person: Person) -> None:
        answer = update(world, world.register().access_token, email=shared_person.email)

        assert answer.status == 422
        assert answer.json == gotrue_error(422, "email_exists")

    def test_the_same_address_changes_nothing(self, world: World) -> None:
        person = world.register()

        answer = update(world, person.access_token, email=person.email.upper())

        assert answer.status == 200
        assert "new_email" not in answer.json

    def test_concurrent_changes_of_metadata_are_all_stored(self, world: World) -> None:
        person = world.register()

        answers = at_once([partial(update, world, person.access_token, data={name: 1}) for name in "abc"])

        assert statuses(answers) == {200: 3}
        assert get_user(world, person.access_token).json["user_metadata"].keys() >= {"a", "b", "c"}

    def test_concurrent_password_changes_leave_one_password_and_the_session(self, world: World) -> None:
        person = world.register()

        answers = at_once([partial(update, world, person.access_token, password=OTHER_PASSWORD)] * 3)

        assert statuses(answers).keys() <= {200, 422}
        assert world.is_signed_in(person.access_token)
        assert world.can_sign_in(person.email, OTHER_PASSWORD)


class TestLogout:
    @pytest.mark.parametrize(
        ("scope", "alive"),
        [
            (None, (False, False)),
            ("", (False, False)),
            ("global", (False, False)),
            ("local", (False, True)),
            ("others", (True, False)),
        ],
    )
    def test_the_sessions_of_the_scope_end(self, world: World, scope: str | None, alive: tuple[bool, bool]) -> None:
        person = world.register()
        other = sign_in(world, person)

        answer = log_out(world, person.access_token, scope)

        assert (answer.status, answer.raw) == (204, b"")
        assert (world.is_signed_in(person.access_token), world.is_signed_in(other)) == alive

    @pytest.mark.parametrize("scope", ["all", "GLOBAL", "local,global", "local%20"])
    def test_another_scope_is_400(self, world: World, shared_person: Person, scope: str) -> None:
        answer = log_out(world, shared_person.access_token, scope)

        assert answer.status == 400
        assert answer.json["error_code"] == "validation_failed"
        assert "scope: " in answer.json["msg"]
        assert world.is_signed_in(shared_person.access_token)

    def test_an_expired_token_ends_its_session(self, world: World) -> None:
        person = world.register()
        expired = world.forge(person.access_token, exp=claims_of(person.access_token)["iat"])

        assert log_out(world, expired).status == 204
        assert not world.is_signed_in(person.access_token)

    def test_an_ended_session_is_403(self, world: World) -> None:
        person = world.register()
        log_out(world, person.access_token, "local")

        for scope in ("global", "local", "others"):
            answer = log_out(world, person.access_token, scope)
            assert answer.status == 403
            assert answer.json == gotrue_error(403, "session_not_found")

    def test_concurrent_global_logouts_end_all_sessions(self, world: World) -> None:
        person = world.register()
        tokens = [person.access_token, *(sign_in(world, person) for _ in range(2))]

        answers = at_once([partial(log_out, world, token) for token in tokens])

        assert statuses(answers).keys() <= {204, 403}
        assert not any(world.is_signed_in(token) for token in tokens)
