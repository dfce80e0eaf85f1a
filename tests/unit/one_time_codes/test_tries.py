"""Five tries an hour for each address (security.md 42, 43), the same whether or not it has an account (27)."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.apis import atourin
from gerbang.core.errors import DependencyUnavailable
from gerbang.http.request import Request
from gerbang.http.response import Response
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.mail.jobs import MailKind

from tests.deployment import ALICE, BOB, HOME, HOUR, SECOND, Choices, by_email
from tests.fakes import FakeClock, FaultyStore, PassingStore, at_once
from tests.unit.access import session_works
from tests.unit.faulty_runs import calls_of
from tests.unit.mail_deployment import MailDeployment, in_memory_only
from tests.unit.mail_fakes import code_in, wrong_code
from tests.unit.one_time_codes.codes import UNKNOWN, assert_rejected, redeem, use_wrong_codes


@in_memory_only
def test_after_four_wrong_codes_the_right_code_works(app: MailDeployment) -> None:
    app.register()
    code = app.mailed_code()

    use_wrong_codes(app, code, times=4)

    assert session_works(app, redeem(app, code))


@pytest.mark.covers("42")
@in_memory_only
@pytest.mark.parametrize("email", [BOB.email, UNKNOWN], ids=["known", "unknown"])
def test_after_five_wrong_codes_the_right_code_is_rejected_too(
    app: MailDeployment, clock: FakeClock, email: str
) -> None:
    app.register()
    code = app.mailed_code()
    use_wrong_codes(app, code, email, times=5)
    clock.advance(timedelta(minutes=1))

    for each in (code, wrong_code(code)):
        assert limit_reached(partial(redeem, app, each, email)) == ("code_tries", timedelta(minutes=59))


@in_memory_only
@pytest.mark.parametrize("email", [BOB.email, UNKNOWN], ids=["known", "unknown"])
def test_no_code_is_mailed_while_none_can_be_used(app: MailDeployment, clock: FakeClock, email: str) -> None:
    app.register()
    use_wrong_codes(app, "123456", email, times=5)
    clock.advance(timedelta(minutes=1))

    for _ in range(7):  # not counted as mails either
        limit = limit_reached(lambda: app.mail_service.request_code(email, None, HOME.address))
        assert limit == ("code_tries", timedelta(minutes=59))
    assert app.queue.jobs == []
    app.mail_service.request_reset(email, None, HOME.address)  # reset tokens are not codes

    clock.advance(timedelta(minutes=59))
    app.mail_service.request_code(email, None, HOME.address)
    assert [job.kind for job in app.queue.jobs] == [MailKind.PASSWORD_RESET, MailKind.SIGN_IN_CODE]


@in_memory_only
def test_wrong_codes_before_a_registration_do_not_count(app: MailDeployment) -> None:
    use_wrong_codes(app, "123456", BOB.email, times=5)
    app.registration.register_without_session(BOB, HOME)

    app.deliver(app.queue.jobs[-1])

    assert session_works(app, redeem(app, code_in(app.outbox.last)))


def limit_reached(call: Callable[[], object]) -> tuple[str, timedelta | None]:
    """Return the limit that a call has reached, and how long to wait."""
    with pytest.raises(TooManyAttempts) as caught:
        call()
    return caught.value.limit, caught.value.retry_after


@pytest.mark.covers("43")
@in_memory_only
def test_a_new_code_does_not_reset_the_tries(app: MailDeployment) -> None:
    app.register()
    use_wrong_codes(app, app.mailed_code(), times=3)
    use_wrong_codes(app, app.mailed_code(), times=2)

    with pytest.raises(TooManyAttempts):
        redeem(app, app.mailed_code())


@in_memory_only
def test_the_tries_are_reset_one_hour_after_the_first_one(app: MailDeployment, clock: FakeClock) -> None:
    app.register()
    first = clock() + SECOND
    use_wrong_codes(app, app.mailed_code(), times=5)
    clock.at = first + HOUR - 2 * SECOND
    with pytest.raises(TooManyAttempts):
        redeem(app, app.mailed_code())

    assert session_works(app, redeem(app, app.mailed_code()))


@in_memory_only
def test_a_right_code_resets_the_tries(app: MailDeployment) -> None:
    app.register()
    for _ in range(3):
        code = app.mailed_code()
        use_wrong_codes(app, code, times=4)
        assert session_works(app, redeem(app, code))


@pytest.mark.covers("F15", "42")
@pytest.mark.parametrize("mailed", [True, False], ids=["with a code", "without one"])
def test_five_of_forty_concurrent_codes_are_compared(app: MailDeployment, *, mailed: bool) -> None:
    app.register()
    code = app.mailed_code() if mailed else "123456"
    watched = PassingStore(app.base.store)

    outcomes = at_once([partial(redeem, app.on(watched), wrong_code(code))] * 40)

    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == 5
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 35
    assert sum(call.method == "get_all" for call in watched.calls) == 5


@pytest.mark.covers("48")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "12345",
        "1234567",
        "0123456",
        " 12345",
        "123456 ",
        "123456\n",
        "12345a",
        "1e5000",
        "-12345",
        "0x1234",
        "12345\0",
        "\N{FULLWIDTH DIGIT ONE}23456",
        "\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT TWO}3456",
        "1" * 10_000,
    ],
    ids=lambda text: repr(text)[:12],
)
def test_a_malformed_code_is_rejected_without_a_call(app_in_memory: MailDeployment, text: str) -> None:
    assert calls_of(app_in_memory, lambda app: assert_rejected(app, text)) == []


@pytest.mark.covers("33", "36")
def test_codes_and_passwords_share_the_limit_of_a_client_address(
    app_in_memory: MailDeployment,
) -> None:
    limit = Limit(name="sign_in_address", attempts=6, window=timedelta(minutes=15))
    app = app_in_memory.with_choices(Choices(address=limit))
    for number in range(3):
        assert_rejected(app, "123456", f"victim-{number}@example.com")
    for number in range(3):
        with pytest.raises(InvalidCredentials):
            app.base.sign_in.sign_in(by_email(f"victim-{number}@example.com"), HOME)

    with pytest.raises(TooManyAttempts) as at_the_code:
        redeem(app, "123456", "victim-9@example.com")
    with pytest.raises(TooManyAttempts) as at_the_password:
        app.base.sign_in.sign_in(by_email("victim-9@example.com"), HOME)

    assert {at_the_code.value.limit, at_the_password.value.limit} == {"sign_in_address"}
    assert at_the_code.value.retry_after == timedelta(minutes=15)


@in_memory_only
def test_right_codes_do_not_count_for_the_client_address(app: MailDeployment) -> None:
    app = app.with_choices(Choices(address=Limit(name="sign_in_address", attempts=2, window=HOUR)))
    app.register()

    for _ in range(5):
        assert session_works(app, redeem(app, app.mailed_code()))


@pytest.mark.covers("F28")
@in_memory_only
def test_a_code_is_not_compared_when_it_cannot_be_counted(app: MailDeployment) -> None:
    app.register()
    code = app.mailed_code()
    failing = FaultyStore(app.base.store, at=lambda call: call.keys[0].table == app.base.tables["RateLimits"])

    for _ in range(10):
        with pytest.raises(DependencyUnavailable):
            redeem(app.on(failing), wrong_code(code))

    assert not [call for call in failing.calls if call.method == "get_all"]
    assert session_works(app, redeem(app, code))


@in_memory_only
def test_a_right_code_signs_in_when_its_tries_cannot_be_reset(app: MailDeployment) -> None:
    app.register()
    code = app.mailed_code()
    failing = FaultyStore(
        app.base.store,
        at=lambda call: call.keys[0].table == app.base.tables["RateLimits"] and call.nth > 0,
    )

    session = redeem(app.on(failing), code)

    assert session_works(app, session)
    assert "attempt_not_given_back" in app.base.recorded.events


# The answers do not tell who has an account: security.md 27


def answer_to(app: MailDeployment, code: str, email: str = BOB.email) -> Response:
    """The API's answer to a wrong code."""
    with pytest.raises(InvalidCode) as caught:
        redeem(app, code, email)
    return atourin.API.render(caught.value, Request(method="POST", path="/auth/verify_otp"), {})


def test_an_unknown_address_gets_the_answer_of_a_wrong_code(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    code = app_in_memory.mailed_code()

    assert answer_to(app_in_memory, "123456", UNKNOWN) == answer_to(app_in_memory, wrong_code(code))


def test_an_unknown_address_makes_the_same_calls_as_a_wrong_code(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    app_in_memory.register(ALICE)
    code = app_in_memory.mailed_code(ALICE.email)

    expected = calls_of(app_in_memory, lambda app: assert_rejected(app, wrong_code(code), ALICE.email))

    assert calls_of(app_in_memory, lambda app: assert_rejected(app, code, BOB.email)) == expected  # was sent none
    assert calls_of(app_in_memory, lambda app: assert_rejected(app, code, UNKNOWN)) == expected


@pytest.mark.covers("29")
@in_memory_only
def test_an_unknown_address_runs_out_of_tries_with_the_same_calls(app: MailDeployment) -> None:
    app.register()
    code = app.mailed_code()
    use_wrong_codes(app, "123456", UNKNOWN, times=5)
    use_wrong_codes(app, code, times=5)

    def reach_the_limit(here: MailDeployment, code: str, email: str) -> None:
        with pytest.raises(TooManyAttempts):
            redeem(here, code, email)

    unknown = calls_of(app, lambda here: reach_the_limit(here, "123456", UNKNOWN))

    assert unknown == calls_of(app, lambda here: reach_the_limit(here, code, BOB.email))


@in_memory_only
def test_the_code_of_a_disabled_account_gets_the_answer_of_a_wrong_code(app: MailDeployment) -> None:
    bob = app.register().user
    code = app.mailed_code()
    wrong_answer = answer_to(app, wrong_code(code))
    app.disable(bob)

    assert answer_to(app, code) == wrong_answer
