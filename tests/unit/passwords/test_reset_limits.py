"""Wrong reset tokens are limited and get one answer (security.md 59); a reset clears other limits (24, C5)."""

from copy import replace
from datetime import timedelta
from functools import partial

import pytest
from gerbang.accounts.password_reset import REPEATABLE_FOR
from gerbang.apis import snapotp
from gerbang.core.errors import DependencyUnavailable
from gerbang.http.request import Request
from gerbang.http.response import Response
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.mail.codes import RESET_LIFETIME, InvalidResetToken
from gerbang.storage.accounts import User

from tests.deployment import ABROAD, HOME, PASSWORD, SECOND, Choices
from tests.fakes import Call, FakeClock, FaultyStore, PassingStore, at_once
from tests.unit.access import password_works
from tests.unit.faulty_runs import calls_of
from tests.unit.mail_deployment import MailDeployment, in_memory_only
from tests.unit.passwords.resets import NEW, assert_rejected, client_number, reset, unknown_token


@pytest.mark.covers("59")
@in_memory_only
def test_wrong_tokens_are_limited_per_client_address(app: MailDeployment) -> None:
    bob = app.register().user
    token = app.mailed_token()
    for _ in range(30):
        assert_rejected(app, unknown_token(app, bob))

    with pytest.raises(TooManyAttempts) as caught:
        reset(app, token)

    assert (caught.value.limit, caught.value.retry_after) == ("reset", timedelta(hours=1))
    reset(app, token, client=ABROAD)  # the token is still valid
    assert password_works(app, NEW)


@pytest.mark.covers("59")
def test_a_malformed_token_counts_as_a_wrong_one(app_in_memory: MailDeployment) -> None:
    for _ in range(30):
        assert_rejected(app_in_memory, "x")

    with pytest.raises(TooManyAttempts):
        reset(app_in_memory, "x")


def test_thirty_of_sixty_concurrent_tokens_are_compared(app: MailDeployment) -> None:
    bob = app.register().user
    watched = PassingStore(app.base.store)
    here = app.on(watched)

    outcomes = at_once([partial(reset, here, unknown_token(app, bob))] * 60)

    assert sum(isinstance(outcome, InvalidResetToken) for outcome in outcomes) == 30
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 30
    assert sum(call.method == "get_all" for call in watched.calls) == 30


@pytest.mark.covers("F28")
@in_memory_only
def test_a_token_is_not_compared_when_it_cannot_be_counted(app: MailDeployment) -> None:
    app.register()
    token = app.mailed_token()
    failing = FaultyStore(app.base.store, at=lambda call: call.keys[0].table == app.base.tables["RateLimits"])

    with pytest.raises(DependencyUnavailable):
        reset(app.on(failing), token)

    assert password_works(app, PASSWORD)
    reset(app, token)


@in_memory_only
def test_right_tokens_are_not_counted(app: MailDeployment) -> None:
    limit = Limit(name="reset", attempts=1, window=timedelta(hours=1))
    app = app.with_choices(Choices(reset=limit))
    app.register()

    for number in range(3):
        reset(app, app.mailed_token(), f"Horse number {number}")

    assert password_works(app, "Horse number 2")


@in_memory_only
def test_guesses_with_a_used_token_are_limited(app: MailDeployment) -> None:
    app.register()
    token = app.mailed_token()
    reset(app, token)
    for number in range(10):
        with pytest.raises(InvalidResetToken):
            reset(app, token, f"A guess {number}")

    with pytest.raises(TooManyAttempts) as caught:
        reset(app, token)
    with pytest.raises(TooManyAttempts):
        password_works(app, NEW, HOME)

    assert caught.value.limit == "sign_in_account_and_address"
    assert password_works(app, NEW, ABROAD)


# Every error has the same answer


def answer_to(app: MailDeployment, token: str) -> Response:
    with pytest.raises(InvalidResetToken) as caught:
        reset(app, token)
    return snapotp.API.render(caught.value, Request(method="POST", path="/api/auth/reset-password"), {})


def test_every_invalid_token_gets_the_same_answer(app_in_memory: MailDeployment, bob: User, clock: FakeClock) -> None:
    replaced, used = app_in_memory.mailed_token(), app_in_memory.mailed_token()
    reset(app_in_memory, used)
    clock.advance(REPEATABLE_FOR + SECOND)
    answers = [answer_to(app_in_memory, token) for token in (replaced, used, unknown_token(app_in_memory, bob), "x")]
    expired = app_in_memory.mailed_token()
    clock.advance(RESET_LIFETIME)
    answers += [answer_to(app_in_memory, expired)]
    of_earlier_epoch = app_in_memory.mailed_token()
    app_in_memory.end_sessions(bob)
    answers += [answer_to(app_in_memory, of_earlier_epoch)]
    disabled = app_in_memory.mailed_token()
    app_in_memory.change(bob, disabled_at=1)
    answers += [answer_to(app_in_memory, disabled)]
    of_no_account = app_in_memory.reset_tokens.token(
        "job-1", replace(bob, user_id="ffffffff-0000-4000-8000-000000000001")
    )
    answers += [answer_to(app_in_memory, of_no_account)]

    assert all(answer == answers[0] for answer in answers)
    assert answers[0].status == 400


def test_a_token_of_an_unknown_account_makes_the_same_calls_as_a_wrong_one(
    app_in_memory: MailDeployment, bob: User
) -> None:
    app_in_memory.mailed_token()
    no_account = replace(bob, user_id="ffffffff-0000-4000-8000-000000000001")

    wrong = calls_of(app_in_memory, lambda app: assert_rejected(app, unknown_token(app, bob)))

    assert calls_of(app_in_memory, lambda app: assert_rejected(app, unknown_token(app, no_account))) == wrong


# A reset clears the counts of wrong passwords


@pytest.mark.covers("24", "C5")
def test_a_reset_clears_the_limit_of_the_account(app_in_memory: MailDeployment) -> None:
    app = app_in_memory.with_choices(Choices(account=Limit(name="account", attempts=3, window=timedelta(hours=1))))
    app.register()
    for number in range(3):
        assert not password_works(app, "a guess", client_number(number))
    with pytest.raises(TooManyAttempts):
        password_works(app, PASSWORD)

    reset(app, app.mailed_token())

    assert password_works(app, NEW)


def test_a_reset_clears_the_wrong_passwords_of_its_own_client_address_only(app_in_memory: MailDeployment) -> None:
    app = app_in_memory
    app.register()
    for client in (HOME, ABROAD):
        for _ in range(10):
            assert not password_works(app, "a guess", client)

    reset(app, app.mailed_token())

    assert password_works(app, NEW, HOME)
    with pytest.raises(TooManyAttempts):
        password_works(app, NEW, ABROAD)


@in_memory_only
def test_a_reset_succeeds_when_the_counts_cannot_be_cleared(app: MailDeployment) -> None:
    app.register()
    token = app.mailed_token()
    counters = app.base.tables["RateLimits"]
    calls: list[Call] = []

    def after_the_first(call: Call) -> bool:
        calls.append(call)
        return call.keys[0].table == counters and calls[0] != call

    reset(app.on(FaultyStore(app.base.store, at=after_the_first)), token)

    assert password_works(app, NEW)
    assert "attempts_not_forgotten" in app.base.recorded.events
