"""The caller's sessions over HTTP: `/api/auth/sessions`, `/api/auth/logout-all`, `/auth/v1/user/sessions`."""

from typing import Any

import pytest

from tests.wire.client import Answer
from tests.wire.shapes import INSTANT, botlaunch_error
from tests.wire.world import Person, World

FIREFOX = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def sign_in(world: World, person: Person, user_agent: str = FIREFOX) -> Any:
    body = {"email": person.email, "password": person.password}
    return world.new_client().post("/api/auth/login", body, user_agent=user_agent).data


def key(world: World) -> str:
    return world.publishable_key


def listed(world: World, token: str) -> list[dict[str, Any]]:
    answer = world.client.get("/api/auth/sessions", bearer=token)
    assert answer.status == 200, answer.raw
    sessions: list[dict[str, Any]] = answer.json["data"]
    return sessions


def listed_by_supabase(world: World, token: str) -> Answer:
    return world.client.get("/auth/v1/user/sessions", bearer=token, apikey=key(world))


def test_a_user_lists_sessions_and_ends_one_immediately(world: World) -> None:
    person = world.register()
    other = sign_in(world, person)

    newest, first = sorted(listed(world, person.access_token), key=lambda each: bool(each["current"]))

    assert (newest["current"], first["current"]) == (False, True)
    assert (newest["device"], newest["browser"], newest["system"]) == ("Firefox on Ubuntu", "Firefox", "Ubuntu")
    assert (newest["method"], first["id"]) == ("password", person.session_id)
    assert [newest[name] for name in ("firstSeenAt", "lastSeenAt", "expiresAt")] == [INSTANT] * 3
    ended = world.client.delete(f"/api/auth/sessions/{newest['id']}", bearer=person.access_token)
    assert (ended.status, ended.json) == (200, {"message": "Session ended"})
    assert not world.is_signed_in(other["accessToken"])
    assert world.refresh(other["refreshToken"]).status == 401
    assert world.is_signed_in(person.access_token)
    assert [each["id"] for each in listed(world, person.access_token)] == [person.session_id]


def test_supabases_clients_list_the_same_sessions_and_end_one(world: World) -> None:
    person = world.register()
    other = sign_in(world, person)

    answer = listed_by_supabase(world, person.access_token)

    newest, first = sorted(answer.json["sessions"], key=lambda each: bool(each["current"]))
    assert first["id"] == person.session_id
    assert {name for name in newest if name.endswith("_at")} == {"first_seen_at", "last_seen_at", "expires_at"}
    path = f"/auth/v1/user/sessions/{newest['id']}"
    assert world.client.delete(path, bearer=person.access_token, apikey=key(world)).json == {}
    assert not world.is_signed_in(other["accessToken"])
    again = world.client.delete(path, bearer=person.access_token, apikey=key(world))
    assert (again.status, again.json["error_code"]) == (404, "session_not_found")


def test_the_current_session_can_be_ended(world: World) -> None:
    person = world.register()

    assert world.client.delete(f"/api/auth/sessions/{person.session_id}", bearer=person.access_token).status == 200

    assert not world.is_signed_in(person.access_token)


@pytest.mark.parametrize("session_id", ["nonsense", "00000000-0000-4000-8000-000000000000", "%2e%2e", "a" * 2000])
def test_an_unknown_session_is_404(world: World, shared_person: Person, session_id: str) -> None:
    answer = world.client.delete(f"/api/auth/sessions/{session_id}", bearer=shared_person.access_token)

    assert (answer.status, answer.json) == (404, botlaunch_error(404, "Not Found"))


def test_another_users_session_is_404_and_stays_active(world: World, shared_person: Person) -> None:
    other = world.register()

    answer = world.client.delete(f"/api/auth/sessions/{other.session_id}", bearer=shared_person.access_token)

    assert (answer.status, answer.json) == (404, botlaunch_error(404, "Not Found"))
    assert world.is_signed_in(other.access_token)


def test_logging_out_everywhere_ends_every_session(world: World) -> None:
    person = world.register()
    other = sign_in(world, person)

    assert world.client.post_without_body("/api/auth/logout-all", bearer=person.access_token).status == 200

    assert not world.is_signed_in(person.access_token)
    assert not world.is_signed_in(other["accessToken"])
    assert world.can_sign_in(person.email, person.password)


def test_a_guest_cannot_list_sessions(world: World) -> None:
    assert world.client.get("/api/auth/sessions", bearer=world.guest()).status == 403
