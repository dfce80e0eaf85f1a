"""Requests that fail are not counted: each call of each request fails again and again, beyond the limit."""

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

from tests.deployment import BOB, HOME, PASSWORD, REGISTRATIONS, RESETS, Choices, by_email
from tests.fakes import Call, Fault, FaultyStore
from tests.gateway_events import SOURCE_IP, json_event
from tests.unit.faulty_runs import CallShape, calls_of, nth_calls, shape_of
from tests.unit.handlers import handler_of
from tests.unit.mail_deployment import MailDeployment, new_app

NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class CountedRequest:
    """A kind of request that is counted at a limit."""

    prepare: Callable[[MailDeployment], object]
    """Creates what each request needs, without faults: a code, a token."""
    act: Callable[[MailDeployment, object], object]
    limit: int
    """The smallest limit of the request."""


def prepare_nothing(_: MailDeployment) -> None:
    return None


def mail_code(app: MailDeployment) -> str:
    return app.mailed_code()


def mail_token(app: MailDeployment) -> str:
    return app.mailed_token()


def unique(kind: str) -> str:
    return f"{kind}-{next(NUMBERS)}"


def register(app: MailDeployment) -> object:
    new = NewAccount(email=EmailAddress(f"{unique('carol')}@example.com"), password=PASSWORD, name="Carol")
    return app.base.registration.register(new, HOME)


def sign_in_with_google(app: MailDeployment) -> object:
    subject = unique("subject")
    return app.google.sign_in(
        VerifiedIdentity(provider="google", subject=subject, email=f"{subject}@example.com", name="Dan"), HOME
    )


def reset_password(app: MailDeployment, token: object) -> None:
    app.password_reset.reset(str(token), PASSWORD, client=HOME, policy=PasswordPolicy())


def open_session(app: MailDeployment) -> SignedIn:
    return app.base.sessions.open(app.user(str(app.base.users.find_id(Name.EMAIL, BOB.email))), HOME, "password")


def change_password(app: MailDeployment, session: object) -> None:
    assert isinstance(session, SignedIn)
    app.password_change.change(
        session.tokens.access_token, current=PASSWORD, new=PASSWORD, client=HOME, policy=PasswordPolicy()
    )


def request_mail(kind: MailKind) -> CountedRequest:
    return CountedRequest(prepare_nothing, lambda app, _: app.mail_service.ask(kind, BOB.email, None, HOME.address), 1)


REQUESTS = {
    "sign-in": CountedRequest(prepare_nothing, lambda app, _: app.base.sign_in.sign_in(by_email(BOB.email), HOME), 10),
    "code": CountedRequest(mail_code, lambda app, code: app.code_sign_in.sign_in(BOB.email, str(code), HOME), 5),
    "reset": CountedRequest(mail_token, reset_password, 3),
    "change": CountedRequest(open_session, change_password, 10),
    "code by mail": request_mail(MailKind.SIGN_IN_CODE),
    "reset by mail": request_mail(MailKind.PASSWORD_RESET),
    "registration": CountedRequest(prepare_nothing, lambda app, _: register(app), 3),
    "guest": CountedRequest(prepare_nothing, lambda app, _: app.guests.admit(HOME), 3),
    "google": CountedRequest(prepare_nothing, lambda app, _: sign_in_with_google(app), 3),
}
"""The requests by name. Limits of 30 are lowered to 3 in these tests."""


def deployment_with_bob() -> MailDeployment:
    app = new_app()
    choices = Choices(registration=replace(REGISTRATIONS, attempts=3), reset=replace(RESETS, attempts=3))
    app = app.with_choices(choices)
    app.register()
    return app


class NthCallOfRequest:
    """Recognises the nth call of a shape in each request, until it is over."""

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


def calls_of_request(request: CountedRequest) -> list[tuple[CallShape, int]]:
    app = deployment_with_bob()
    prepared = request.prepare(app)
    shapes = calls_of(app, lambda watched: request.act(watched, prepared))
    return [(call.shape, call.nth) for call in nth_calls(shapes)]


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.ANSWER_LOST])
@pytest.mark.parametrize("counted", REQUESTS.values(), ids=REQUESTS.keys())
def test_after_repeated_failures_of_any_call_the_next_request_is_allowed(counted: CountedRequest, fault: Fault) -> None:
    calls = calls_of_request(counted)
    assert len(calls) > 1
    for shape, nth in calls:
        app, failing_call = deployment_with_bob(), NthCallOfRequest(shape, nth)
        faulty = app.on(FaultyStore(app.base.store, at=failing_call, fault=fault))
        for _ in range(counted.limit + 1):
            prepared = counted.prepare(app)
            failing_call.new_request()
            with suppress(DependencyUnavailable):
                counted.act(faulty, prepared)

        failing_call.is_over = True
        counted.act(faulty, counted.prepare(app))


@pytest.mark.parametrize("counted", REQUESTS.values(), ids=REQUESTS.keys())
def test_after_an_outage_that_starts_after_counting_the_next_request_is_allowed(counted: CountedRequest) -> None:
    """During the outage no attempt can be given back either: the environment does so later."""
    app, counted_limits, is_over = deployment_with_bob(), set[str](), False
    app.queue.is_down = True

    def fails_after_counting(call: Call) -> bool:
        """Return whether a call fails: all do, except the first write of each counter in each request."""
        limit = shape_of(call)[1][0]
        if is_over or (
            call.method == "write" and limit[0] == app.base.tables["RateLimits"] and limit[1] not in counted_limits
        ):
            counted_limits.add(limit[1])
            return False
        return bool(counted_limits)

    faulty = app.on(FaultyStore(app.base.store, at=fails_after_counting))
    for _ in range(counted.limit):
        prepared = counted.prepare(app)
        counted_limits.clear()
        with suppress(DependencyUnavailable):
            counted.act(faulty, prepared)

    is_over, app.queue.is_down = True, False
    counted.act(faulty, counted.prepare(app))


# Handlers


def response(folder: str, app: MailDeployment, document: object) -> dict[str, Any]:
    """The response of a function's handler."""
    answer: dict[str, Any] = handler_of(folder, app.base)(json_event(document), None)
    return answer


def test_tries_that_fail_with_503_are_not_counted_against_a_code() -> None:
    necessary_calls = 0
    for shape, nth in calls_of_request(REQUESTS["code"]):
        app, failing_call = deployment_with_bob(), NthCallOfRequest(shape, nth)
        body = {"email": BOB.email, "otp": app.mailed_code()}
        faulty = app.on(FaultyStore(app.base.store, at=failing_call, fault=Fault.NOT_DONE))
        if response("auth/verify_otp", faulty, body)["statusCode"] == 200:  # a call that is not necessary
            continue
        necessary_calls += 1
        for _ in range(5):
            failing_call.new_request()
            assert response("auth/verify_otp", faulty, body)["statusCode"] == 503
        failing_call.is_over = True
        assert response("auth/verify_otp", faulty, body)["statusCode"] == 200, shape
    assert necessary_calls > 3


def test_while_attempts_are_in_progress_another_one_waits_one_second() -> None:
    app = deployment_with_bob()
    bob = str(app.base.users.find_id(Name.EMAIL, BOB.email))
    body = {"email": BOB.email, "password": PASSWORD}
    in_flight = [app.base.password_attempts.attempt(bob, SOURCE_IP) for _ in range(10)]

    rejected = response("api/auth/login", app, body)
    for attempt in in_flight:
        with attempt:
            pass

    assert (rejected["statusCode"], rejected["headers"]["retry-after"]) == (429, "1")
    assert response("api/auth/login", app, body)["statusCode"] == 200


def test_while_the_queue_is_down_a_registration_is_503_and_can_be_repeated() -> None:
    app = deployment_with_bob()
    new = {"email": "carol@example.com", "password": PASSWORD, "name": "Carol"}
    app.queue.is_down = True

    rejected = response("auth/register", app, new)
    app.queue.is_down = False
    answer = response("auth/register", app, new)

    assert (rejected["statusCode"], answer["statusCode"]) == (503, 200)
    assert [job.email for job in app.queue.jobs] == ["carol@example.com"]
