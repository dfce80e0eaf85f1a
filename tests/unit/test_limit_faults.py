"""A request that fails is not counted: each call of each way in fails again and again, up to the limit and beyond."""

from collections.abc import Callable
from contextlib import suppress
from copy import replace
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from gerbang.accounts.identity_sign_in import VerifiedIdentity
from gerbang.accounts.registration import NewAccount
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name
from gerbang_local.declarations import function_in

from tests.deployment import BOB, HOME, PASSWORD, REGISTRATIONS, RESETS, Choices, by_email
from tests.fakes import Call, Fault, FaultyStore
from tests.gateway_events import SOURCE_IP, json_event
from tests.unit.faulty_runs import CallShape, calls_of, shape_of
from tests.unit.mail_fakes import MailDeployment, mailing_in_memory

NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Way:
    """One kind of request that is counted."""

    prepare: Callable[[MailDeployment], object]
    """Makes what the request needs, without faults, each time: a code, a token."""
    act: Callable[[MailDeployment, object], object]
    limit: int
    """The smallest of its limits."""


def nothing(_: MailDeployment) -> None:
    return None


def code(post: MailDeployment) -> str:
    return post.mailed_code()


def token(post: MailDeployment) -> str:
    return post.mailed_token()


def fresh(kind: str) -> str:
    return f"{kind}-{next(NUMBERS)}"


def register(post: MailDeployment) -> object:
    new = NewAccount(email=EmailAddress(f"{fresh('carol')}@example.com"), password=PASSWORD, name="Carol")
    return post.base.registration.register(new, HOME)


def google(post: MailDeployment) -> object:
    subject = fresh("subject")
    return post.google.sign_in(
        VerifiedIdentity(provider="google", subject=subject, email=f"{subject}@example.com", name="Dan"), HOME
    )


def reset(post: MailDeployment, shown: object) -> None:
    post.password_reset.reset(str(shown), PASSWORD, client=HOME, policy=PasswordPolicy())


def session(post: MailDeployment) -> SignedIn:
    return post.base.sessions.open(post.user(str(post.base.users.find_id(Name.EMAIL, BOB.email))), HOME, "password")


def change(post: MailDeployment, held: object) -> None:
    assert isinstance(held, SignedIn)
    post.password_change.change(
        held.tokens.access_token, current=PASSWORD, new=PASSWORD, client=HOME, policy=PasswordPolicy()
    )


def ask(kind: MailKind) -> Way:
    return Way(nothing, lambda post, _: post.mail_service.ask(kind, BOB.email, None, HOME.address), 1)


WAYS = {
    "sign-in": Way(nothing, lambda post, _: post.base.sign_in.sign_in(by_email(BOB.email), HOME), 10),
    "code": Way(code, lambda post, shown: post.code_sign_in.sign_in(BOB.email, str(shown), HOME), 5),
    "reset": Way(token, reset, 3),
    "change": Way(session, change, 10),
    "asking for a code": ask(MailKind.SIGN_IN_CODE),
    "asking for a reset": ask(MailKind.PASSWORD_RESET),
    "registration": Way(nothing, lambda post, _: register(post), 3),
    "guest": Way(nothing, lambda post, _: post.guests.admit(HOME), 3),
    "google": Way(nothing, lambda post, _: google(post), 3),
}
"""Limits of 30 are lowered to 3 here."""


def world() -> MailDeployment:
    post = mailing_in_memory()
    choices = Choices(registration=replace(REGISTRATIONS, attempts=3), reset=replace(RESETS, attempts=3))
    post = replace(post, base=replace(post.base, choices=choices))
    post.register()
    return post


class Mishap:
    """Picks the nth call of a shape, in each request anew; until it is over."""

    def __init__(self, shape: CallShape, nth: int) -> None:
        self._shape = shape
        self._nth = nth
        self._seen = 0
        self.is_over = False

    def new_request(self) -> None:
        self._seen = 0

    def __call__(self, call: Call) -> bool:
        if self.is_over or shape_of(call) != self._shape:
            return False
        self._seen += 1
        return self._seen == self._nth + 1


def calls_of_one(way: Way) -> list[tuple[CallShape, int]]:
    post = world()
    prepared = way.prepare(post)
    shapes = calls_of(post, lambda watched: way.act(watched, prepared))
    return [(shape, shapes[:index].count(shape)) for index, shape in enumerate(shapes)]


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.ANSWER_LOST])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_whichever_call_fails_however_often_the_next_request_is_let_through(way: Way, fault: Fault) -> None:
    calls = calls_of_one(way)
    assert len(calls) > 1
    for shape, nth in calls:
        post, mishap = world(), Mishap(shape, nth)
        faulty = post.on(FaultyStore(post.base.store, at=mishap, fault=fault))
        for _ in range(way.limit + 1):
            prepared = way.prepare(post)
            mishap.new_request()
            with suppress(DependencyUnavailable):
                way.act(faulty, prepared)

        mishap.is_over = True
        way.act(faulty, way.prepare(post))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_after_an_outage_that_began_once_attempts_were_counted_the_next_request_is_let_through(way: Way) -> None:
    """Not even giving back works meanwhile: the environment does it later."""
    post, counted, is_over = world(), set[str](), False
    post.queue.is_down = True

    def fails(call: Call) -> bool:
        """All but the first write of each counter, in each request."""
        limit = shape_of(call)[1][0]
        if is_over or (
            call.method == "write" and limit[0] == post.base.tables["RateLimits"] and limit[1] not in counted
        ):
            counted.add(limit[1])
            return False
        return bool(counted)

    faulty = post.on(FaultyStore(post.base.store, at=fails))
    for _ in range(way.limit):
        prepared = way.prepare(post)
        counted.clear()
        with suppress(DependencyUnavailable):
            way.act(faulty, prepared)

    is_over, post.queue.is_down = True, False
    way.act(faulty, way.prepare(post))


# Handlers: what clients are told


def asked(folder: str, post: MailDeployment, document: object) -> dict[str, Any]:
    """What a function's real handler answers."""
    answer: dict[str, Any] = function_in(folder).load(post.base).handler(json_event(document), None)
    return answer


def test_a_code_works_after_more_failed_tries_than_it_has() -> None:
    needed = 0
    for shape, nth in calls_of_one(WAYS["code"]):
        post, mishap = world(), Mishap(shape, nth)
        shown = {"email": BOB.email, "otp": post.mailed_code()}
        faulty = post.on(FaultyStore(post.base.store, at=mishap, fault=Fault.NOT_DONE))
        if asked("auth/verify_otp", faulty, shown)["statusCode"] == 200:  # a call whose failure is no matter
            continue
        needed += 1
        for _ in range(5):
            mishap.new_request()
            assert asked("auth/verify_otp", faulty, shown)["statusCode"] == 503
        mishap.is_over = True
        assert asked("auth/verify_otp", faulty, shown)["statusCode"] == 200, shape
    assert needed > 3


def test_while_right_passwords_are_being_checked_another_waits_one_second() -> None:
    post = world()
    bob = str(post.base.users.find_id(Name.EMAIL, BOB.email))
    shown = {"email": BOB.email, "password": PASSWORD}
    in_flight = [post.base.password_attempts.attempt(bob, SOURCE_IP) for _ in range(10)]

    refused = asked("api/auth/login", post, shown)
    for attempt in in_flight:
        with attempt:
            pass

    assert (refused["statusCode"], refused["headers"]["retry-after"]) == (429, "1")
    assert asked("api/auth/login", post, shown)["statusCode"] == 200


def test_while_the_queue_is_down_a_registration_is_503_and_the_repeat_is_mailed() -> None:
    post = world()
    new = {"email": "carol@example.com", "password": PASSWORD, "name": "Carol"}
    post.queue.is_down = True

    refused = asked("auth/register", post, new)
    post.queue.is_down = False
    answer = asked("auth/register", post, new)

    assert (refused["statusCode"], answer["statusCode"]) == (503, 200)
    assert [job.email for job in post.queue.jobs] == ["carol@example.com"]
