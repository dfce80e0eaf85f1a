"""All APIs share accounts, sessions and rate limits."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pytest

from tests.wire.client import Answer, Client
from tests.wire.shapes import atourin_error, botlaunch_error, claims_of, gotrue_error, snapotp_error
from tests.wire.world import OTHER_PASSWORD, PASSWORD, Person, World

type Refresh = Callable[[World, str], Answer]


def by_botlaunch(client: Client, person: Person, password: str) -> Answer:
    return client.post("/api/auth/login", {"email": person.email, "password": password})


def by_username(client: Client, person: Person, password: str) -> Answer:
    return client.post("/api/auth/login", {"username": person.username or person.email, "password": password})


def by_email_as_username(client: Client, person: Person, password: str) -> Answer:
    return client.post("/api/auth/login", {"username": person.email, "password": password})


def by_atourin(client: Client, person: Person, password: str) -> Answer:
    return client.post("/auth/login_with_email_password", {"email": person.email, "password": password})


def by_legacy_password(client: Client, person: Person, password: str) -> Answer:
    return client.post("/auth/verify_legacy_password", {"email": person.email, "password": password})


SIGN_INS: Final = (by_botlaunch, by_username, by_email_as_username, by_atourin, by_legacy_password)


def access_token_of(answer: Answer) -> str:
    """Return the access token of a session in any API's format."""
    session: Mapping[str, Any] = answer.json.get("data") or answer.json
    return str(next(session[name] for name in ("accessToken", "token", "access_token") if name in session))


def refresh_token_of(answer: Answer) -> str:
    session: Mapping[str, Any] = answer.json.get("data") or answer.json
    return str(next(session[name] for name in ("refreshToken", "refresh_token") if name in session))


def at_botlaunch(world: World, token: str) -> Answer:
    return world.client.post("/api/auth/refresh", {"refreshToken": token})


def at_snapotp(world: World, token: str) -> Answer:
    return world.client.post("/api/auth/refresh", {"refresh_token": token})


def at_gotrue(world: World, token: str) -> Answer:
    key = world.publishable_key
    return world.client.post("/auth/v1/token?grant_type=refresh_token", {"refresh_token": token}, apikey=key)


REFRESHES: Final = (at_botlaunch, at_snapotp, at_gotrue)


class TestSharedAccount:
    @pytest.mark.parametrize("registered_at", ["BotLaunch", "SnapOTP", "Atourin"])
    def test_an_account_of_one_api_can_sign_in_to_every_api(self, world: World, registered_at: str) -> None:
        match registered_at:
            case "BotLaunch":
                person = world.register()
            case "SnapOTP":
                person = world.register_by_username()
            case _:
                email, _ = world.register_without_session()
                person = Person(email=email, password=PASSWORD, name="Alan Turing", access_token="", refresh_token="")

        answers = [sign_in(world.client, person, person.password) for sign_in in SIGN_INS]

        assert [answer.status for answer in answers] == [200] * len(SIGN_INS)
        assert len({claims_of(access_token_of(answer))["sub"] for answer in answers}) == 1
        assert all(world.is_signed_in(access_token_of(answer)) for answer in answers)

    def test_each_api_always_returns_the_same_user(self, world: World) -> None:
        person = world.register_by_username()
        body = {"email": person.email, "password": person.password}

        of_botlaunch = [world.client.post("/api/auth/login", body).data["user"] for _ in range(2)]
        of_snapotp = [by_username(world.client, person, person.password).data["user"] for _ in range(2)]
        of_atourin = [by_atourin(world.client, person, person.password).data["user"] for _ in range(2)]

        assert of_botlaunch[0] == of_botlaunch[1]
        assert of_snapotp[0] == of_snapotp[1]
        assert of_atourin[0] == of_atourin[1]
        assert of_atourin[0]["id"] == person.user_id

    def test_a_password_reset_applies_to_every_api(self, world: World) -> None:
        person = world.register_by_username()

        token = world.request_reset(person.email)
        world.client.post("/api/auth/reset-password", {"token": token, "password": OTHER_PASSWORD})

        for sign_in in SIGN_INS:
            assert sign_in(world.client, person, person.password).status == 400
            assert sign_in(world.client, person, OTHER_PASSWORD).status == 200


class TestSharedSession:
    @pytest.mark.parametrize("first", REFRESHES)
    @pytest.mark.parametrize("second", REFRESHES)
    def test_every_api_refreshes_the_same_session(self, world: World, first: Refresh, second: Refresh) -> None:
        guest = world.client.post_without_body("/auth/login_with_anonymous")
        session_id = claims_of(access_token_of(guest))["session_id"]

        one = first(world, refresh_token_of(guest))
        again = second(world, refresh_token_of(guest))
        two = second(world, refresh_token_of(one))

        assert (one.status, again.status, two.status) == (200, 200, 200)
        assert refresh_token_of(again) == refresh_token_of(one), (
            "a token used twice has the same successor in both APIs"
        )
        assert {claims_of(access_token_of(answer))["session_id"] for answer in (one, again, two)} == {session_id}
        assert claims_of(access_token_of(two))["gen"] == 3

    @pytest.mark.parametrize("thief", REFRESHES)
    def test_a_reused_token_ends_the_session_in_every_api(self, world: World, thief: Refresh) -> None:
        first = newest = refresh_token_of(world.client.post_without_body("/auth/login_with_anonymous"))
        for refresh in REFRESHES:
            newest = refresh_token_of(refresh(world, newest))

        assert thief(world, first).status in {400, 401}
        assert [refresh(world, newest).status for refresh in REFRESHES] == [401, 401, 400]

    @pytest.mark.parametrize("contract", ["BotLaunch", "Atourin"])
    @pytest.mark.parametrize("sign_in", [by_botlaunch, by_username, by_atourin])
    def test_signing_out_of_one_api_signs_out_of_all(
        self, world: World, contract: str, sign_in: Callable[[Client, Person, str], Answer]
    ) -> None:
        person = world.register()
        session = sign_in(world.client, person, person.password)
        token = access_token_of(session)

        if contract == "BotLaunch":
            assert world.client.post_without_body("/api/auth/logout", bearer=token).status == 200
        else:
            assert world.client.get("/auth/logout", bearer=token).status == 200

        assert not world.is_signed_in(token)
        assert world.client.get("/auth/logout", bearer=token).status == 401
        assert world.client.post_without_body("/api/auth/logout", bearer=token).status == 401
        assert [refresh(world, refresh_token_of(session)).status for refresh in REFRESHES] == [401, 401, 400]
        assert world.is_signed_in(person.access_token), "the account's other session stays active"


class TestSharedLimits:
    def test_wrong_passwords_of_all_apis_count_together(self, world: World) -> None:
        person = world.register_by_username()

        answers = [SIGN_INS[number % len(SIGN_INS)](world.client, person, OTHER_PASSWORD) for number in range(10)]
        over = [sign_in(world.client, person, person.password) for sign_in in SIGN_INS]

        assert [answer.status for answer in answers] == [400] * 10
        assert [answer.status for answer in over] == [429] * len(SIGN_INS)
        assert all(1 <= int(answer.headers["retry-after"]) <= 900 for answer in over)
        assert over[0].json == botlaunch_error(429, "Too Many Requests")
        assert over[1].json == over[2].json == snapotp_error()
        assert over[3].json == over[4].json == atourin_error(429)

    def test_password_changes_share_the_limit_of_sign_ins(self, world: World) -> None:
        person = world.register()
        guess = {"current_password": "not-this-one", "new_password": OTHER_PASSWORD}

        guesses = [
            world.client.post("/api/auth/change-password", guess, bearer=person.access_token).status for _ in range(11)
        ]

        assert guesses == [400] * 10 + [429]
        assert by_botlaunch(world.client, person, person.password).status == 429

    def test_unknown_addresses_have_the_same_limit(self, world: World) -> None:
        unknown = Person(email=world.email(), password="", name="", access_token="", refresh_token="")

        statuses = [by_botlaunch(world.client, unknown, OTHER_PASSWORD).status for _ in range(12)]

        assert statuses == [400] * 10 + [429] * 2

    def test_address_headers_do_not_affect_limits(self, world: World) -> None:
        person = world.register()
        names = ("x_forwarded_for", "forwarded", "x_real_ip", "client_ip", "true_client_ip", "cf_connecting_ip")
        more = ("x_client_ip", "x_originating_ip", "x_remote_ip", "x_cluster_client_ip", "via", "x_forwarded_host")

        def guess(number: int) -> int:
            headers = dict.fromkeys((*names, *more), f"198.51.100.{number}")
            body = {"email": person.email, "password": OTHER_PASSWORD}
            return world.client.post("/api/auth/login", body, **headers).status

        assert [guess(number) for number in range(12)] == [400] * 10 + [429] * 2

    def test_wrong_passwords_of_strangers_do_not_lock_the_owner_out(self, world: World) -> None:
        person, other = world.register(), world.register()
        home = world.new_client()
        assert by_botlaunch(home, person, person.password).status == 200

        strangers = [world.new_client() for _ in range(6)]
        guesses = [by_atourin(stranger, person, OTHER_PASSWORD).status for stranger in strangers[:5] for _ in range(10)]

        assert guesses == [400] * 49 + [429]  # the right password counts as well
        assert by_atourin(strangers[5], person, person.password).status == 429
        assert by_botlaunch(home, person, person.password).status == 200, "a known address can still sign in"
        assert world.is_signed_in(person.access_token)
        assert by_botlaunch(strangers[0], other, other.password).status == 200
        token = world.request_reset(person.email)
        reset = world.client.post("/api/auth/reset-password", {"token": token, "password": OTHER_PASSWORD})
        assert reset.status == 200
        assert by_botlaunch(world.new_client(), person, OTHER_PASSWORD).status == 200

    def test_password_spraying_reaches_the_limit_of_the_client_address(self, world: World) -> None:
        statuses = [
            world.client.post("/auth/verify_otp", {"email": world.email(), "otp": "123456"}).status for _ in range(101)
        ]

        assert statuses == [400] * 100 + [429]
        person = world.register()
        assert by_botlaunch(world.client, person, person.password).status == 429

    def test_registrations_and_guests_share_a_limit(self, world: World) -> None:
        request = {"username": world.username(), "email": world.email(), "password": PASSWORD, "name": "Ada Lovelace"}
        botlaunch = {name: value for name, value in request.items() if name != "username"}
        google = {"google_id": "limit", "email": world.email(), "name": "Ada Lovelace"}

        assert world.client.post("/api/auth/register", request).status == 201
        guests = [world.client.post_without_body("/auth/login_with_anonymous").status for _ in range(29)]
        over = [
            world.client.post("/api/auth/register", {**request, "email": world.email()}),
            world.client.post("/api/auth/register", {**botlaunch, "email": world.email()}),
            world.client.post("/auth/register", {**botlaunch, "email": world.email()}),
            world.client.post_without_body("/auth/login_with_anonymous"),
            world.client.post("/api/auth/google", google, apikey=world.secret_key),
        ]

        assert guests == [200] * 29
        assert [answer.status for answer in over] == [429] * 5
        assert all(1 <= int(answer.headers["retry-after"]) <= 3600 for answer in over)

    def test_mails_of_all_kinds_share_the_limit_of_the_client_address(self, world: World) -> None:
        kinds = ("/auth/otp", "/api/auth/forgot-password")

        statuses = [world.client.post(kinds[number % 2], {"email": world.email()}).status for number in range(31)]

        assert statuses == [200] * 30 + [429]

    def test_refreshes_are_not_limited(self, world: World) -> None:
        token = refresh_token_of(world.client.post_without_body("/auth/login_with_anonymous"))

        for number in range(40):
            answer = REFRESHES[number % 3](world, token)
            assert answer.status == 200
            token = refresh_token_of(answer)


def test_each_api_has_its_own_error_for_an_invalid_token(world: World, shared_person: Person) -> None:
    invalid = world.forge(shared_person.access_token, aud="elsewhere")

    botlaunch = world.client.post_without_body("/api/auth/logout", bearer=invalid)
    snapotp = world.me(invalid)
    atourin = world.client.get("/auth/logout", bearer=invalid)
    gotrue = at_gotrue(world, invalid)

    assert botlaunch.json == botlaunch_error(401, "Unauthorized")
    assert snapotp.json == snapotp_error()
    assert atourin.json == atourin_error(401)
    assert gotrue.json == gotrue_error(400, "refresh_token_not_found")
