"""Supabase Auth's refresh endpoint over HTTP, called as Atourin's clients and the official ones do."""

import pytest

from tests.wire.client import Answer
from tests.wire.shapes import claims_of, gotrue_error, gotrue_session, gotrue_user
from tests.wire.world import Person, World

PATH = "/auth/v1/token?grant_type=refresh_token"


def refresh(world: World, refresh_token: object, *, path: str = PATH, key: str = "publishable_key") -> Answer:
    return world.client.post(path, {"refresh_token": refresh_token}, apikey=world.api_keys()[key])


@pytest.mark.parametrize("key", ["publishable_key", "secret_key"])
def test_refreshing_returns_a_session_without_an_envelope(world: World, key: str) -> None:
    person = world.register(name="User Name")

    answer = refresh(world, person.refresh_token, key=key)

    assert answer.status == 200
    user = gotrue_user(user_id=person.user_id, email=person.email, name="User Name")
    assert answer.json == gotrue_session(user)
    assert answer.json["refresh_token"] != person.refresh_token
    assert claims_of(answer.json["access_token"])["session_id"] == person.session_id
    assert world.is_signed_in(answer.json["access_token"])


def test_additional_fields_and_headers_of_the_official_clients_are_ignored(world: World) -> None:
    person = world.register()
    keys = world.api_keys()

    answer = world.client.request(
        "POST",
        PATH,
        body=b'{"refresh_token": "%s", "gotrue_meta_security": {"captcha_token": null}}'
        % person.refresh_token.encode(),
        headers={
            "apikey": keys["publishable_key"],
            "authorization": f"Bearer {keys['publishable_key']}",
            "content-type": "application/json;charset=UTF-8",
            "x-client-info": "supabase-js-web/2.50.0",
            "x-supabase-api-version": "2024-01-01",
        },
    )

    assert answer.status == 200


@pytest.mark.parametrize("apikey", [None, "", "guess", "sb_publishable_", "ключ"])
def test_without_a_valid_api_key_it_is_401(world: World, shared_person: Person, apikey: str | None) -> None:
    headers = {} if apikey is None else {"apikey": apikey.encode().decode("latin-1")}

    answer = world.client.post(PATH, {"refresh_token": shared_person.refresh_token}, **headers)

    assert answer.status == 401
    assert answer.json == gotrue_error(401, "no_authorization")
    assert answer.headers["x-sb-error-code"] == "no_authorization"


def test_an_api_key_in_the_query_or_the_body_is_ignored(world: World, shared_person: Person) -> None:
    key = world.publishable_key

    answer = world.client.post(f"{PATH}&apikey={key}", {"refresh_token": shared_person.refresh_token, "apikey": key})

    assert answer.status == 401


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?grant_type=",
        "?grant_type=REFRESH_TOKEN",
        "?grant_type=refresh_token&grant_type=password",
        "?GRANT_TYPE=refresh_token",
    ],
)
def test_unknown_grant_types_are_400(world: World, shared_person: Person, query: str) -> None:
    body = {
        "refresh_token": shared_person.refresh_token,
        "email": shared_person.email,
        "password": shared_person.password,
    }

    answer = world.client.post(f"/auth/v1/token{query}", body, apikey=world.publishable_key)

    assert answer.status == 400
    assert answer.json == gotrue_error(400, "validation_failed")
    assert "Use password, refresh_token, id_token or pkce." in answer.json["msg"]


@pytest.mark.parametrize("refresh_token", [None, "", 7, ["x"], {}])
def test_a_missing_token_is_400(world: World, refresh_token: object) -> None:
    answer = refresh(world, refresh_token)

    assert answer.status == 400
    assert answer.json == gotrue_error(400, "validation_failed")


@pytest.mark.parametrize("which", ["garbage", "an access token", "another signature", "signed out"])
def test_an_invalid_token_is_refresh_token_not_found(world: World, shared_person: Person, which: str) -> None:
    guest = world.client.post_without_body("/auth/login_with_anonymous").data
    world.client.get("/auth/logout", bearer=guest["access_token"])
    token = {
        "garbage": "not-a-token",
        "an access token": shared_person.access_token,
        "another signature": shared_person.refresh_token[:-8] + "AAAAAAAA",
        "signed out": guest["refresh_token"],
    }[which]

    answer = refresh(world, token)

    assert answer.status == 400
    assert answer.json == gotrue_error(400, "refresh_token_not_found")
    assert answer.headers["x-sb-error-code"] == "refresh_token_not_found"


def test_a_reused_token_is_refresh_token_already_used(world: World) -> None:
    guest = world.client.post_without_body("/auth/login_with_anonymous").data
    newest = guest["refresh_token"]
    for _ in range(3):
        newest = refresh(world, newest).json["refresh_token"]

    answer = refresh(world, guest["refresh_token"])

    assert answer.status == 400
    assert answer.json == gotrue_error(400, "refresh_token_already_used")
    assert refresh(world, newest).json == gotrue_error(400, "refresh_token_not_found")


def test_a_guests_refresh_token_works_here_too(world: World) -> None:
    guest = world.client.post_without_body("/auth/login_with_anonymous").data

    answer = refresh(world, guest["refresh_token"])

    assert answer.status == 200
    assert (answer.json["user"]["email"], answer.json["user"]["is_anonymous"]) == ("", True)
    assert claims_of(answer.json["access_token"])["role"] == "anonymous"


@pytest.mark.parametrize("path", ["/auth/v1/nothing", "/auth/v1/", "/auth/v1", "/auth/v1/token/"])
def test_unknown_paths_are_404_in_this_apis_format(world: World, path: str) -> None:
    answer = world.client.post(path, {}, apikey=world.publishable_key)

    assert answer.status == 404
    assert answer.json == gotrue_error(404, "validation_failed")
