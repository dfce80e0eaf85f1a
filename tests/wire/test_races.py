"""Concurrent requests over HTTP: one of them succeeds, none gets a 5xx, and ended sessions stay ended."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.wire.client import Answer
from tests.wire.concurrent import at_once, statuses
from tests.wire.shapes import claims_of
from tests.wire.world import OTHER_PASSWORD, PASSWORD, World


def test_fifty_concurrent_refreshes_give_the_same_successor(world: World) -> None:
    guest = world.client.post_without_body("/auth/login_with_anonymous").data

    answers = at_once([lambda: world.refresh(guest["refresh_token"])] * 50)

    assert statuses(answers) == {200: 50}
    assert len({answer.data["refreshToken"] for answer in answers}) == 1
    assert {claims_of(answer.data["accessToken"])["gen"] for answer in answers} == {2}
    assert world.refresh(answers[-1].data["refreshToken"]).status == 200


def test_tabs_that_refresh_repeatedly_at_the_same_time_stay_signed_in(world: World) -> None:
    token = world.client.post_without_body("/auth/login_with_anonymous").data["refresh_token"]

    for _ in range(5):
        answers = at_once([partial(world.refresh, token)] * 8)
        assert statuses(answers) == {200: 8}
        token = answers[0].data["refreshToken"]


def test_concurrent_registrations_of_one_address_in_different_spellings_create_one_account(world: World) -> None:
    email = world.email()
    local, _, domain = email.partition("@")
    spellings = [email, email.upper(), f" {email}", f"{local.title()}@{domain}", f"{local}@{domain.upper()}\t"]

    def register(number: int) -> Callable[[], Answer]:
        request = {"email": spellings[number % 5], "password": PASSWORD, "name": f"The engines of {local}"}
        if number % 3 == 0:
            request["username"] = world.username()
        return partial(world.new_client().post, "/api/auth/register", request)

    answers = at_once([register(number) for number in range(20)])

    assert statuses(answers) == {201: 1, 409: 19}
    assert world.can_sign_in(email, PASSWORD)
    [owner] = [item for item in world.items("Users") if item.get("email") == email]
    founded = [
        item["pk"].removeprefix("ORG#") for item in world.items("Organizations") if item.get("name") == owner["name"]
    ]
    assert founded == ([owner["organization_id"]] if "organization_id" in owner else []), (
        "a failed registration creates no organisation"
    )


def test_concurrent_registrations_of_one_user_name_create_one_account(world: World) -> None:
    username = world.username()
    request = [
        {"username": spelling, "email": world.email(), "password": PASSWORD, "name": "Ada Lovelace"}
        for spelling in [username, username.upper()] * 10
    ]

    answers = at_once([partial(world.new_client().post, "/api/auth/register", body) for body in request])

    assert statuses(answers) == {201: 1, 409: 19}
    lost = next(body for body, answer in zip(request, answers, strict=True) if answer.status == 409)
    assert world.item("Users", pk=f"EMAIL#{lost['email']}", sk="-") is None, "a failed registration takes no address"


def test_concurrent_requests_redeem_a_code_once(world: World) -> None:
    email, mail = world.register_without_session()
    body = {"email": email, "otp": mail.code}

    answers = at_once([lambda: world.new_client().post("/auth/verify_otp", body)] * 20)

    assert set(statuses(answers)) <= {200, 400, 429}  # 429 while five others are in progress
    [winner] = [answer for answer in answers if answer.status == 200]
    assert world.is_signed_in(winner.data["access_token"])


def test_of_forty_concurrent_wrong_codes_only_five_are_checked(world: World) -> None:
    email, mail = world.register_without_session()
    wrong = [f"{(int(mail.code) + number) % 1_000_000:06d}" for number in range(1, 41)]

    answers = at_once(
        [partial(world.new_client().post, "/auth/verify_otp", {"email": email, "otp": code}) for code in wrong]
    )

    assert statuses(answers) == {400: 5, 429: 35}
    assert world.new_client().post("/auth/verify_otp", {"email": email, "otp": mail.code}).status == 429


def test_of_forty_concurrent_wrong_passwords_only_ten_are_checked(world: World) -> None:
    person = world.register()
    guess = {"email": person.email, "password": OTHER_PASSWORD}

    answers = at_once([lambda: world.client.post("/api/auth/login", guess)] * 40)

    assert statuses(answers) == {400: 10, 429: 30}


def test_one_of_several_concurrent_resets_sets_the_password(world: World) -> None:
    person = world.register()
    token = world.request_reset(person.email)
    passwords = [f"Parallel-horse-{number}0" for number in range(1, 9)]

    answers = at_once(
        [
            partial(world.new_client().post, "/api/auth/reset-password", {"token": token, "password": password})
            for password in passwords
        ]
    )

    assert statuses(answers) == {200: 1, 400: 7}
    won = [world.can_sign_in(person.email, password) for password in passwords]
    assert won == [answer.status == 200 for answer in answers]
    assert not world.can_sign_in(person.email, person.password)


@pytest.mark.parametrize("round_", range(5))
def test_a_sign_out_ends_sessions_that_are_refreshed_concurrently(world: World, round_: int) -> None:
    guest = world.client.post_without_body("/auth/login_with_anonymous").data
    access, refresh = guest["access_token"], guest["refresh_token"]
    calls: list[Callable[[], Answer]] = [lambda: world.refresh(refresh)] * 6
    calls.insert(round_, lambda: world.client.get("/auth/logout", bearer=access))

    answers = at_once(calls)

    assert answers[round_].status == 200
    refreshed = [answer for number, answer in enumerate(answers) if number != round_ and answer.status == 200]
    for answer in refreshed:
        assert world.client.get("/auth/logout", bearer=answer.data["accessToken"]).status == 401
        assert world.refresh(answer.data["refreshToken"]).status == 401
    assert world.refresh(refresh).status == 401


def test_a_reset_ends_sessions_that_are_opened_or_refreshed_concurrently(world: World) -> None:
    person = world.register()
    token = world.request_reset(person.email)
    reset = {"token": token, "password": OTHER_PASSWORD}
    old = {"email": person.email, "password": person.password}
    calls: list[Callable[[], Answer]] = [
        *[lambda: world.refresh(person.refresh_token)] * 3,
        lambda: world.new_client().post("/api/auth/reset-password", reset),
        *[lambda: world.new_client().post("/api/auth/login", old)] * 3,
    ]

    answers = at_once(calls)

    assert answers[3].status == 200
    for answer in [*answers[:3], *answers[4:]]:
        if answer.status == 200:
            assert not world.is_signed_in(answer.data["accessToken"])
            assert world.refresh(answer.data["refreshToken"]).status == 401
    assert not world.is_signed_in(person.access_token)
    assert world.can_sign_in(person.email, OTHER_PASSWORD)


def test_concurrent_first_sign_ins_with_google_create_one_account(world: World) -> None:
    email = world.email()
    token = world.google_token(email=email)

    answers = at_once([lambda: world.new_client().post("/api/auth/google", {"id_token": token})] * 10)

    assert statuses(answers) == {200: 10}
    assert len({answer.data["user"]["id"] for answer in answers}) == 1
    assert len([item for item in world.items("Users") if item.get("email") == email and item["sk"] == "ACCOUNT"]) == 1


def test_every_request_after_a_sign_out_is_401(world: World) -> None:
    person = world.register()
    world.client.post_without_body("/api/auth/logout", bearer=person.access_token)

    answers = at_once([lambda: world.me(person.access_token)] * 10)

    assert statuses(answers) == {401: 10}


def test_a_double_click_registers_once_and_mails_once(world: World) -> None:
    email = world.email()
    request = {"email": email, "password": PASSWORD, "name": "Alan Turing"}

    registrations = at_once([lambda: world.new_client().post("/auth/register", request)] * 2)
    world.mail(email)
    codes = at_once([lambda: world.new_client().post("/auth/otp", {"email": email})] * 2)
    world.mail(email, nth=2)

    assert statuses(registrations) == {200: 1, 409: 1}
    assert statuses(codes) == {200: 1, 429: 1}
    world.request_reset(email)  # mails that were queued before have arrived now
    assert len(world.mails(email)) == 3
