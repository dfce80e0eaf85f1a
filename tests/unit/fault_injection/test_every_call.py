"""Each call that a request makes to the database or to the mail queue fails in each way, for every endpoint.

The handlers are those of `functions/`. With any fault, a client gets the documented answer or 503. The same request,
sent again after the fault is over, succeeds. A request that was answered 503 is not counted at any limit.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import pytest
from gerbang_local.declarations import ROOT

from tests.gateway_events import body_of
from tests.unit.fault_injection.case import RequestCase
from tests.unit.fault_injection.cases import (
    administration,
    codes,
    identities,
    links,
    organizations,
    passwords,
    second_factor,
    sessions,
    sign_in,
    users,
)
from tests.unit.fault_injection.faults import (
    LASTING_FAULTS,
    CallFault,
    FaultPlan,
    environment_with_faults,
    is_unavailable,
)
from tests.unit.fault_injection.outcomes import is_queued
from tests.unit.faulty_runs import NthCall, nth_calls
from tests.unit.handlers import LOW_LIMIT, LOWEST_LIMITS, Answer, Event, attempts_by_limit, operation, operations
from tests.unit.mail_deployment import MailDeployment

CASES: Final[Mapping[str, RequestCase]] = {
    **sign_in.CASES,
    **sessions.CASES,
    **identities.CASES,
    **codes.CASES,
    **links.CASES,
    **passwords.CASES,
    **users.CASES,
    **second_factor.CASES,
    **administration.CASES,
    **organizations.CASES,
}

REPEATS: Final = LOW_LIMIT + 2
"""How often a request is sent to go beyond every limit."""


MOST_CALLS_OF_A_SHAPE: Final = 8
"""Of the calls of one shape, only the first few fail. A list of users reads 300 months, each in the same way."""


WITHOUT_CASES: Final = {
    "auth/v1/health": "makes no call",
    "auth/v1/settings": "makes no call to the database",
    "authorizer": "raises an error for the gateway instead of answering: test_every_action.py lets its calls fail",
    "default": "makes no call",
    "docs": "makes no call",
    "jwks": "makes no call",
    "openid-configuration": "makes no call",
    "events": "makes one call: tests/unit/events/test_publishing.py lets it fail",
    "mailer": "answers no client: tests/unit/mail/test_mailer_redelivery.py lets its calls fail",
    "rotation": "answers no client and has no database: tests/unit/rotation/test_steps.py",
}


OPERATIONS_WITHOUT_CASES: Final = {
    ("auth/v1/token", "other_grant"): "makes no call",
    ("auth/v1/user/identities/one", "link_by_redirect"): "makes no call",
    ("auth/v1/verify", "show_that_link_exists"): "makes no call",
    ("auth/v1/verify", "confirm_link"): "makes the calls of `open_link`, which has cases",
}


@dataclass(frozen=True, slots=True)
class UndisturbedRun:
    """The calls of a request without faults, and the attempts that it counts."""

    calls: tuple[NthCall, ...]
    attempts_by_limit: Mapping[str, int]


@cache
def undisturbed_run(name: str) -> UndisturbedRun:
    case, plan = CASES[name], FaultPlan()
    app = case.deploy()
    event = case.prepare(app)
    answer = environment_with_faults(case.function, app, plan)(event)
    assert answer["statusCode"] == case.status, answer
    attempts = attempts_by_limit(app)
    assert case.has_effect(app, event, answer)
    calls = nth_calls(sorted(plan.calls))
    return UndisturbedRun(tuple(call for call in calls if call.nth < MOST_CALLS_OF_A_SHAPE), attempts)


@pytest.fixture(autouse=True)
def no_log_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log nothing: a trace for each of some thousand requests would take a third of the time."""
    monkeypatch.setattr("gerbang.http.endpoint.log_event", lambda *_, **__: None)


def check_answer(case: RequestCase, answer: Answer) -> None:
    """Check that a request with a fault got the documented answer, or 503 in the format of its API."""
    if is_unavailable(answer):
        assert case.error_members <= body_of(answer).keys()
        assert answer["headers"]["retry-after"] == "1"
    else:
        assert answer["statusCode"] == case.status, answer


def check_repeat(
    case: RequestCase, event: Event, app: MailDeployment, answer: Answer, expected: Mapping[str, int]
) -> None:
    """Check the answer to a request that was sent again after the fault was over."""
    on_repeat = case.on_repeat
    if answer["statusCode"] == case.status:
        more = {limit for limit, attempts in attempts_by_limit(app).items() if attempts > expected.get(limit, 0)}
        assert more <= case.counted_on_repeat
        assert case.mail is None or is_queued(case.mail, app, event)
        assert case.has_effect(app, event, answer)
    else:
        assert on_repeat is not None, answer
        assert answer["statusCode"] == on_repeat.status, answer
        assert on_repeat.recovers(app, event)


def check_single_fault(name: str, fault: CallFault, call: NthCall) -> None:
    """Check a request of which one call fails, and the same request sent again."""
    case = CASES[name]
    app = case.deploy()
    event = case.prepare(app)
    plan = FaultPlan(failing_call=call, fault=fault)
    first = environment_with_faults(case.function, app, plan)
    answer = first(event)
    assert plan.times_met == 1
    check_answer(case, answer)
    if not is_unavailable(answer):
        if fault is CallFault.EXECUTED_TWICE:
            assert attempts_by_limit(app) == undisturbed_run(name).attempts_by_limit
        assert case.has_effect(app, event, answer)
        return
    assert fault is not CallFault.EXECUTED_TWICE, "the call does not recognise that the SDK sent it twice"
    plan.is_over = True
    was_done = case.on_repeat is not None and case.on_repeat.is_done(app, event)
    # Another environment serves the request, unless the first one still has to give back the attempts it counted.
    answer = (first if fault in LASTING_FAULTS else environment_with_faults(case.function, app))(event)
    assert not (was_done and answer["statusCode"] == case.status), "the request was executed twice"
    assert was_done or answer["statusCode"] == case.status, answer
    check_repeat(case, event, app, answer, undisturbed_run(name).attempts_by_limit)


def check_conflict(name: str, call: NthCall) -> None:
    """Check a request during one of whose calls another environment serves the same request."""
    case, rivals = CASES[name], list[Answer]()
    app = case.deploy()
    event = case.prepare(app)
    elsewhere = environment_with_faults(case.function, app)
    plan = FaultPlan(failing_call=call, fault=CallFault.CONFLICT, meanwhile=lambda: rivals.append(elsewhere(event)))
    answer = environment_with_faults(case.function, app, plan)(event)
    (rival,) = rivals
    allowed = {case.status} | case.concurrent_statuses | case.repeat_statuses
    statuses = {rival["statusCode"], answer["statusCode"]}
    assert case.status in statuses <= allowed, (rival, answer)
    for each in (rival, answer):
        if each["statusCode"] == case.status:
            assert case.has_effect(app, event, each)


def check_repeated_fault(name: str, fault: CallFault, call: NthCall) -> None:
    """Check a request that is sent again and again while the same call fails, up to the limit and beyond."""
    case = CASES[name]
    app = case.deploy(LOWEST_LIMITS)
    event = case.prepare(app)
    plan = FaultPlan(failing_call=call, fault=fault)
    serve = environment_with_faults(case.function, app, plan)
    is_answered = False
    for _ in range(REPEATS):
        was_done = case.on_repeat is not None and case.on_repeat.is_done(app, event)
        answer = serve(event)
        if was_done and not is_unavailable(answer):
            check_repeat(case, event, app, answer, {})
            return
        check_answer(case, answer)
        if not is_unavailable(answer):
            assert case.has_effect(app, event, answer)
            if case.status >= 400 or case.on_repeat is not None:
                return  # only these requests are limited
            is_answered = True
    assert plan.times_met
    plan.is_over = True
    answer = serve(event)
    if is_answered:
        assert answer["statusCode"] == case.status, answer
    else:
        check_repeat(case, event, app, answer, undisturbed_run(name).attempts_by_limit)


def check_repeated_double_execution(name: str, _fault: CallFault, call: NthCall) -> None:
    """Check that requests with a call that is executed twice are answered and counted as others are."""
    plan = FaultPlan(failing_call=call, fault=CallFault.EXECUTED_TWICE)
    assert run_repeatedly(name, plan, REPEATS) == undisturbed_repeats(name, REPEATS)


def check_repeated_conflict(name: str, _fault: CallFault, call: NthCall) -> None:
    """Check pairs of identical concurrent requests, up to the limits and beyond.

    They are answered as if they had been sent in sequence. Together they count at most one attempt more: the later
    request may be counted after the earlier one has cleared the counter, or as a second request for the same thing.
    """
    case, rivals = CASES[name], list[Answer]()
    app = case.deploy(LOWEST_LIMITS)
    event = case.prepare(app)
    elsewhere = environment_with_faults(case.function, app)
    plan = FaultPlan(failing_call=call, fault=CallFault.CONFLICT, meanwhile=lambda: rivals.append(elsewhere(event)))
    serve = environment_with_faults(case.function, app, plan)
    answers = [serve(event) for _ in range(REPEATS)] + rivals
    in_sequence, most = undisturbed_repeats(name, 2 * REPEATS)
    allowed = {case.status, *in_sequence} | case.concurrent_statuses | case.repeat_statuses
    assert {answer["statusCode"] for answer in answers} <= allowed
    more = {limit for limit, attempts in attempts_by_limit(app).items() if attempts > most.get(limit, 0) + 1}
    assert more <= case.counted_on_repeat


def run_repeatedly(name: str, plan: FaultPlan, times: int) -> tuple[list[int], Mapping[str, int]]:
    """Send a request several times; return the statuses, and the attempts that are counted in the end."""
    case = CASES[name]
    app = case.deploy(LOWEST_LIMITS)
    event = case.prepare(app)
    serve = environment_with_faults(case.function, app, plan)
    return [serve(event)["statusCode"] for _ in range(times)], attempts_by_limit(app)


@cache
def undisturbed_repeats(name: str, times: int) -> tuple[list[int], Mapping[str, int]]:
    """Send a request several times without faults."""
    return run_repeatedly(name, FaultPlan(), times)


def check_every_call(
    check: Callable[[str, CallFault, NthCall], None], name: str, fault: CallFault, calls: tuple[NthCall, ...]
) -> None:
    for call in calls:
        check(name, fault, call)


@pytest.mark.covers("F3", "F7", "F9", "F27", "F28", "F32", "D6")
@pytest.mark.parametrize("fault", [fault for fault in CallFault if fault is not CallFault.CONFLICT])
@pytest.mark.parametrize("name", CASES)
def test_after_any_failed_call_the_request_can_be_sent_again(name: str, fault: CallFault) -> None:
    check_every_call(check_single_fault, name, fault, undisturbed_run(name).calls)


@pytest.mark.covers("F30", "F42")
@pytest.mark.parametrize("name", CASES)
def test_one_of_two_identical_concurrent_requests_succeeds(name: str) -> None:
    for call in undisturbed_run(name).calls:
        check_conflict(name, call)


@pytest.mark.covers("D6")
@pytest.mark.parametrize("name", CASES)
def test_a_call_executed_twice_has_the_effect_of_one(name: str) -> None:
    check_every_call(check_repeated_double_execution, name, CallFault.EXECUTED_TWICE, undisturbed_run(name).calls)


@pytest.mark.covers("F30", "F42")
@pytest.mark.parametrize("name", CASES)
def test_repeated_concurrent_requests_are_answered_as_if_sent_in_sequence(name: str) -> None:
    check_every_call(check_repeated_conflict, name, CallFault.CONFLICT, undisturbed_run(name).calls)


@pytest.mark.covers("F27", "F28")
@pytest.mark.parametrize("fault", [CallFault.THROTTLED, CallFault.ANSWER_LOST, *LASTING_FAULTS])
@pytest.mark.parametrize("name", CASES)
def test_after_repeated_failures_the_next_request_succeeds(name: str, fault: CallFault) -> None:
    check_every_call(check_repeated_fault, name, fault, undisturbed_run(name).calls)


def test_every_function_has_a_case_or_a_stated_reason_to_have_none() -> None:
    folders = {str(app.parent.relative_to(ROOT / "functions")) for app in (ROOT / "functions").rglob("app.py")}
    with_cases = {case.function for case in CASES.values()}

    tested = {(case.function, operation(case.function, case.prepare(case.deploy()))) for case in CASES.values()}
    declared = {(folder, each) for folder in with_cases for each in operations(folder)}

    assert declared - tested == OPERATIONS_WITHOUT_CASES.keys()
    assert with_cases.isdisjoint(WITHOUT_CASES)
    assert with_cases | WITHOUT_CASES.keys() == folders
    assert all(undisturbed_run(name).calls for name in CASES)


@pytest.mark.parametrize(
    ("method", "name", "fault"),
    [
        ("limits.rate_limits.RateLimits.give_back", "BotLaunch login", CallFault.THROTTLED),
        ("limits.rate_limits.RateLimits._repay", "otp", CallFault.OUTAGE),
        ("sessions.sessions.Sessions._forgives", "SnapOTP refresh", CallFault.ANSWER_LOST),
        ("accounts.password_change.PasswordChange._is_repeated", "change-password", CallFault.ANSWER_LOST),
    ],
)
def test_the_checks_fail_when_a_safeguard_is_removed(
    monkeypatch: pytest.MonkeyPatch, method: str, name: str, fault: CallFault
) -> None:
    calls = undisturbed_run(name).calls
    monkeypatch.setattr(f"gerbang.{method}", lambda *_: None)

    for check in (check_single_fault, check_repeated_fault):
        with pytest.raises(AssertionError):
            check_every_call(check, name, fault, calls)
