"""The BotLaunch API over HTTP: login, tokens, refresh and logout."""

import time

import pytest

from tests.wire.client import Client
from tests.wire.shapes import (
    botlaunch_error,
    botlaunch_invalid,
    botlaunch_session,
    claims_of,
)
from tests.wire.world import OTHER_PASSWORD, PASSWORD, Person, World

WRONG_CREDENTIALS = botlaunch_error(400, "Invalid Credentials")
UNAUTHORIZED = botlaunch_error(401, "Unauthorized")

INVALID_AUTHORIZATIONS = (
    "",
    "Bearer",
    "Bearer ",
    "Bearer null",
    "Bearer \u00fcber",
    "Bearer a b",
    "Basic YWRhOmFkYQ==",
    "Token {token}",
    "{token}",
    "Bearer {token}, x",
    "Bearer {token}=",
    "Bearer {token}.",
    "Bearer {refresh_token}",
)


class TestLogin:
    def test_the_right_password_answers_200_with_a_session(self, world: World) -> None:
        person = world.register()

        answer = world.client.post("/api/auth/login", {"email": person.email, "password": person.password})

        assert answer.status == 200
        assert answer.json == {"data": botlaunch_session(person.email, person.name), "message": "Login successful"}

    def test_the_documented_example_works(self, world: World) -> None:
        world.client.post(
            "/api/auth/register", {"email": "user@example.com", "password": PASSWORD, "name": "User Name"}
        )

        answer = world.client.post("/api/auth/login", {"email": "user@example.com", "password": PASSWORD})

        assert answer.status == 200
        assert answer.data["user"]["email"] == "user@example.com"

    @pytest.mark.parametrize("spelling", [str.upper, "  {}  ".format])
    def test_sign_in_accepts_other_spellings_of_the_address(self, world: World, spelling: object) -> None:
        person = world.register()
        assert callable(spelling)

        answer = world.client.post("/api/auth/login", {"email": spelling(person.email), "password": person.password})

        assert answer.status == 200

    def test_every_sign_in_opens_a_new_session(self, world: World) -> None:
        person = world.register()

        answer = world.client.post("/api/auth/login", {"email": person.email, "password": person.password})
        other = answer.data["accessToken"]

        assert claims_of(other)["session_id"] != person.session_id
        world.client.post_without_body("/api/auth/logout", bearer=other)
        assert world.is_signed_in(person.access_token)

    def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(self, world: World) -> None:
        email = world.register().email

        wrong = world.client.post("/api/auth/login", {"email": email, "password": OTHER_PASSWORD})
        unknown = world.client.post("/api/auth/login", {"email": world.email(), "password": OTHER_PASSWORD})

        assert wrong.status == unknown.status == 400
        assert wrong.json == WRONG_CREDENTIALS
        assert wrong.raw == unknown.raw
        assert wrong.stable_headers == unknown.stable_headers

    def test_a_disabled_account_gets_the_answer_of_a_wrong_password(self, world: World) -> None:
        person = world.register()
        world.set_account(person.user_id, disabled_at=int(time.time()), epoch=1)

        answer = world.client.post("/api/auth/login", {"email": person.email, "password": person.password})

        assert answer.status == 400
        assert answer.json == WRONG_CREDENTIALS
        assert not world.is_signed_in(person.access_token)
        assert world.refresh(person.refresh_token).status == 401

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({}, ["email", "password"]),
            ({"email": "user@example.com"}, ["password"]),
            ({"password": PASSWORD}, ["email"]),
            ({"email": "user@example.com", "password": ""}, ["password"]),
            ({"email": "user@example.com", "password": None}, ["password"]),
            ({"email": ["user@example.com"], "password": PASSWORD}, ["email"]),
            ({"email": "user", "password": PASSWORD}, ["email"]),
        ],
    )
    def test_missing_and_wrong_fields_are_named(self, client: Client, body: object, fields: list[str]) -> None:
        answer = client.post("/api/auth/login", body)

        assert answer.status == 400
        assert answer.json == botlaunch_invalid(*fields)

    def test_the_password_policy_is_not_applied_at_sign_in(self, world: World) -> None:
        answer = world.client.post("/api/auth/login", {"email": world.email(), "password": "x"})

        assert answer.json == WRONG_CREDENTIALS

    @pytest.mark.parametrize("name", ["admin@example.com", "root@example.com", "test@example.com"])
    def test_there_are_no_default_accounts(self, world: World, name: str) -> None:
        assert not any(world.can_sign_in(name, password) for password in ("admin", "Password1", "test1234"))

    def test_the_eleventh_wrong_password_gets_429(self, world: World) -> None:
        person = world.register()
        wrong = {"email": person.email, "password": OTHER_PASSWORD}

        answers = [world.client.post("/api/auth/login", wrong) for _ in range(11)]

        assert [answer.status for answer in answers] == [400] * 10 + [429]
        assert answers[-1].json == botlaunch_error(429, "Too Many Requests")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 900
        right = {"email": person.email, "password": person.password}
        assert world.client.post("/api/auth/login", right).status == 429
        assert world.new_client().post("/api/auth/login", right).status == 200, "the owner is not locked out"

    def test_a_right_password_resets_the_count(self, world: World) -> None:
        person = world.register()
        wrong = {"email": person.email, "password": OTHER_PASSWORD}
        right = {"email": person.email, "password": person.password}

        statuses = [world.client.post("/api/auth/login", body).status for body in ([wrong] * 6 + [right]) * 2]

        assert statuses == ([400] * 6 + [200]) * 2


class TestTokens:
    def test_an_access_token_is_valid_for_an_hour_and_a_refresh_token_for_7_days(self, shared_person: Person) -> None:
        access, refresh = claims_of(shared_person.access_token), claims_of(shared_person.refresh_token)

        assert access["exp"] - access["iat"] == 3600
        assert refresh["exp"] - refresh["iat"] == 7 * 24 * 3600

    def test_an_access_token_has_exactly_the_documented_claims(self, shared_person: Person) -> None:
        claims = claims_of(shared_person.access_token)

        assert claims.keys() == (
            {"iss", "aud", "sub", "iat", "exp", "jti", "session_id", "gen", "role", "email", "is_anonymous"}
            | {"email_verified", "token_use", "aal", "amr", "phone", "app_metadata", "user_metadata"}
        )
        assert claims["role"] == "authenticated"
        assert claims["is_anonymous"] is False
        assert claims["aud"] == "authenticated"
        assert claims["email"] == shared_person.email

    def test_an_expired_token_ends_its_own_session(self, world: World) -> None:
        person = world.register()
        expired = world.forge(person.access_token, exp=int(time.time()) - 1)

        answers = [world.client.post_without_body("/api/auth/logout", bearer=expired) for _ in range(2)]

        assert [answer.status for answer in answers] == [200, 401]
        assert answers[1].json == botlaunch_error(401, "Unauthorized")
        assert world.refresh(person.refresh_token).status == 401

    @pytest.mark.parametrize(
        "claims",
        [
            {"aud": "elsewhere"},
            {"aud": ["authenticated", "elsewhere"]},
            {"aud": None},
            {"iss": "https://elsewhere.example.com"},
            {"iss": None},
            {"exp": None},
            {"iat": None},
            {"sub": None},
            {"sub": "person@example.com"},
            {"jti": None},
            {"token_use": "refresh"},
            {"token_use": None},
            {"session_id": "00000000-0000-4000-8000-000000000000"},
            {"session_id": None},
            {"gen": 2},
            {"gen": "1"},
            {"iat": 2**40},
            {"exp": "never"},
        ],
        ids=repr,
    )
    def test_a_signed_token_with_a_wrong_claim_is_rejected(
        self, world: World, shared_person: Person, claims: dict[str, object]
    ) -> None:
        forged = world.forge(shared_person.access_token, **claims)

        answer = world.client.post_without_body("/api/auth/logout", bearer=forged)

        assert answer.status == 401
        assert answer.json == UNAUTHORIZED


class TestRefresh:
    def test_refreshing_answers_200_with_a_session_and_a_new_refresh_token(self, world: World) -> None:
        person = world.register()

        answer = world.client.post("/api/auth/refresh", {"refreshToken": person.refresh_token})

        assert answer.status == 200
        assert answer.json == {"data": botlaunch_session(person.email, person.name), "message": "Token refreshed"}
        assert answer.data["refreshToken"] != person.refresh_token
        assert answer.data["accessToken"] != person.access_token
        assert claims_of(answer.data["accessToken"])["session_id"] == person.session_id
        assert world.is_signed_in(answer.data["accessToken"])

    def test_a_refresh_can_be_repeated_after_a_lost_answer(self, world: World) -> None:
        person = world.register()
        lost = world.refresh(person.refresh_token).data["refreshToken"]

        again = world.refresh(person.refresh_token)

        assert again.status == 200
        assert again.data["refreshToken"] == lost

    def test_an_old_refresh_token_ends_the_session(self, world: World) -> None:
        first = world.register().refresh_token
        newest, access = first, ""
        for _ in range(3):
            session = world.refresh(newest).data
            newest, access = session["refreshToken"], session["accessToken"]

        theft = world.refresh(first)

        assert theft.status == 401
        assert theft.json == UNAUTHORIZED
        assert world.refresh(newest).status == 401
        assert not world.is_signed_in(access)

    @pytest.mark.parametrize("which", ["access token", "garbage", "another signature", "none", "padded", "long"])
    def test_an_invalid_refresh_token_is_401(self, world: World, shared_person: Person, which: str) -> None:
        person = shared_person
        header, payload, signature = person.refresh_token.split(".")
        sent = {
            "access token": person.access_token,
            "garbage": "not.a.token",
            "another signature": f"{header}.{payload}.{signature[::-1]}",
            "none": f"eyJhbGciOiJub25lIn0.{payload}.",
            "padded": f"{person.refresh_token}=.=",
            "long": person.refresh_token + "A" * 8000,
        }[which]

        answer = world.client.post("/api/auth/refresh", {"refreshToken": sent})

        assert answer.status == 401
        assert answer.json == UNAUTHORIZED
        assert answer.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize("body", [{}, {"refreshToken": ""}, {"refreshToken": None}, {"refreshToken": 1}])
    def test_a_missing_refresh_token_is_named(self, client: Client, body: object) -> None:
        answer = client.post("/api/auth/refresh", body)

        assert answer.status == 400
        assert answer.json == botlaunch_invalid("refreshToken")

    def test_a_refresh_token_in_the_query_is_ignored(self, client: Client, shared_person: Person) -> None:
        answer = client.post(f"/api/auth/refresh?refreshToken={shared_person.refresh_token}", {})

        assert answer.status == 400


class TestLogout:
    def test_logging_out_ends_the_session_immediately(self, world: World) -> None:
        person = world.register()

        answer = world.client.post_without_body("/api/auth/logout", bearer=person.access_token)

        assert answer.status == 200
        assert answer.json == {"message": "Logout successful"}
        assert not world.is_signed_in(person.access_token)
        assert world.refresh(person.refresh_token).status == 401
        assert world.client.post_without_body("/api/auth/logout", bearer=person.access_token).status == 401

    @pytest.mark.parametrize("body", [{}, {"refreshToken": "anything"}, {"everywhere": True}])
    def test_a_body_is_allowed(self, world: World, body: object) -> None:
        answer = world.client.post("/api/auth/logout", body, bearer=world.register().access_token)

        assert answer.status == 200

    @pytest.mark.parametrize("body", [b"null", b'""', b"[]", b" ", b"no JSON"])
    def test_the_body_is_not_read(self, world: World, body: bytes) -> None:
        person = world.register()
        headers = {"authorization": f"Bearer {person.access_token}", "content-type": "application/json"}

        answer = world.client.request("POST", "/api/auth/logout", body=body, headers=headers)

        assert (answer.status, answer.json) == (200, {"message": "Logout successful"})
        assert not world.is_signed_in(person.access_token)
        assert world.refresh(person.refresh_token).status == 401

    def test_an_older_access_token_of_the_session_ends_it_too(self, world: World) -> None:
        person = world.register()
        newer = world.refresh(person.refresh_token).data

        world.client.post_without_body("/api/auth/logout", bearer=person.access_token)

        assert not world.is_signed_in(newer["accessToken"])
        assert world.refresh(newer["refreshToken"]).status == 401

    @pytest.mark.parametrize(
        "authorization",
        INVALID_AUTHORIZATIONS,
    )
    def test_without_a_valid_token_it_is_401(self, world: World, shared_person: Person, authorization: str) -> None:
        sent = authorization.format(token=shared_person.access_token, refresh_token=shared_person.refresh_token)

        answer = world.client.post_without_body("/api/auth/logout", authorization=sent)

        assert answer.status == 401
        assert answer.json == UNAUTHORIZED
        assert answer.headers["www-authenticate"] == "Bearer"
        assert world.is_signed_in(shared_person.access_token)

    @pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  "])
    def test_the_authorization_scheme_is_case_insensitive(self, world: World, scheme: str) -> None:
        answer = world.client.post_without_body(
            "/api/auth/logout", authorization=f"{scheme} {world.register().access_token}"
        )

        assert answer.status == 200

    def test_an_api_key_is_not_accepted_as_a_token(self, world: World) -> None:
        for key in world.api_keys().values():
            assert world.client.post_without_body("/api/auth/logout", bearer=key, apikey=key).status == 401
