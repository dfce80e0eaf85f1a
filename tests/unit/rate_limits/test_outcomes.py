"""gerbang.limits.rate_limits: what a success, a wrong answer and an error do to a counted attempt."""

from copy import replace

import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Counted, Limit, OnSuccess, RateLimits
from gerbang.storage.counters import LONGEST_RUN

from tests.deployment import MINUTE, SECOND, Deployment
from tests.fakes import FakeClock, FaultyStore, PassingStore
from tests.unit.mail_deployment import in_memory_only
from tests.unit.rate_limits.attempts import (
    FIVE,
    MANY,
    TEN,
    THREE,
    Wrong,
    attempts_left,
    fail,
    on,
    succeed_and_stay_counted,
    too_many,
)


@in_memory_only
@pytest.mark.parametrize(("most", "left"), [(1, 1), (3, 2), (5, 3), (50, 25), (100, 50), (150, 100)])
def test_successes_use_at_most_half_of_a_limit(limits: RateLimits, most: int, left: int) -> None:
    limit = replace(THREE, attempts=most)
    for _ in range(2 * most):
        with limits.attempt(Counted(limit, "subject"), Counted(FIVE, "subject", OnSuccess.CLEARED)):
            pass

    assert attempts_left(limits, limit, "subject") == left
    assert attempts_left(limits, FIVE, "subject") == 5


def test_a_success_can_clear_a_counter(limits: RateLimits) -> None:
    for _ in range(2):
        fail(limits, Counted(THREE, "subject"))

    with limits.attempt(Counted(THREE, "subject", OnSuccess.CLEARED)):
        pass

    assert attempts_left(limits, THREE, "subject") == 3


def test_a_success_can_stay_counted(limits: RateLimits) -> None:
    for _ in range(3):
        succeed_and_stay_counted(limits, THREE, "subject")

    error = too_many(limits, Counted(THREE, "subject", OnSuccess.STAYS))

    assert error.retry_after == MINUTE  # a success is not in flight


@in_memory_only
def test_a_success_makes_no_call_up_to_half_of_the_limit(deployment: Deployment) -> None:
    watched = PassingStore(deployment.store)
    limits = on(deployment, watched)
    for _ in range(50):
        with limits.attempt(Counted(MANY, "subject")):
            pass
    assert len(watched.calls) == 50

    for _ in range(60):
        with limits.attempt(Counted(MANY, "subject")):
            pass

    assert len(watched.calls) == 50 + 2 * 60
    assert attempts_left(limits, MANY, "subject") == 50


def test_a_success_is_given_back_only_to_counters_above_half_of_their_limit(deployment: Deployment) -> None:
    limits = deployment.rate_limits
    fail(limits, Counted(THREE, "near"))
    fail(limits, Counted(FIVE, "far"))
    for _ in range(2):
        fail(limits, Counted(FIVE, "near"))
    counted = [Counted(THREE, "near"), Counted(FIVE, "near"), Counted(FIVE, "far")]
    watched = PassingStore(deployment.store)

    with on(deployment, watched).attempt(*counted):
        pass

    assert sorted(call.keys[0].pk for call in watched.calls[3:]) == sorted(each.key for each in counted[:2])
    assert [attempts_left(limits, each.limit, each.subject) for each in counted] == [2, 3, 3]


@in_memory_only
@pytest.mark.parametrize("limit", [THREE, MANY], ids=["small", "large"])
@pytest.mark.parametrize("on_success", OnSuccess)
@pytest.mark.parametrize("error", [DependencyUnavailable, KeyboardInterrupt])
def test_an_attempt_that_ends_with_another_error_is_given_back(
    limits: RateLimits, limit: Limit, on_success: OnSuccess, error: type[BaseException]
) -> None:
    for _ in range(limit.attempts + 1):
        with pytest.raises(error), limits.attempt(Counted(limit, "subject", on_success), Counted(FIVE, "subject")):
            raise error

    assert attempts_left(limits, limit, "subject") == limit.attempts
    assert attempts_left(limits, FIVE, "subject") == 5


def test_an_error_after_a_success_gives_back_the_rest(limits: RateLimits) -> None:
    for _ in range(2):  # so that this counter is above half of its limit
        fail(limits, Counted(FIVE, "subject"))
    for _ in range(11):
        attempt = limits.attempt(Counted(TEN, "subject"), Counted(FIVE, "subject"))
        attempt.succeed()
        with pytest.raises(DependencyUnavailable), attempt:
            raise DependencyUnavailable

    assert (attempts_left(limits, TEN, "subject"), attempts_left(limits, FIVE, "subject")) == (10, 3)


def test_an_attempt_can_be_given_back_explicitly(limits: RateLimits) -> None:
    for _ in range(10):
        attempt = limits.attempt(Counted(THREE, "subject"))
        attempt.give_back()
        with pytest.raises(Wrong), attempt:
            raise Wrong

    assert attempts_left(limits, THREE, "subject") == 3


def test_the_result_of_a_parallel_call_is_returned_and_its_error_gives_back(limits: RateLimits) -> None:
    def unavailable() -> str:
        raise DependencyUnavailable

    for _ in range(10):
        with pytest.raises(DependencyUnavailable):
            limits.attempt(Counted(THREE, "subject"), alongside=unavailable)
    assert attempts_left(limits, THREE, "subject") == 3

    with limits.attempt(Counted(FIVE, "subject"), alongside=lambda: "read") as attempt:
        assert attempt.alongside == "read"


def test_an_attempt_whose_function_is_killed_stays_counted(limits: RateLimits) -> None:
    """F33: a password may have been hashed. docs/decisions/0023-limits.md."""
    for _ in range(3):
        limits.attempt(Counted(THREE, "subject"))

    assert attempts_left(limits, THREE, "subject") == 0


# The wait


def test_the_wait_is_one_second_while_attempts_in_flight_fill_the_limit(limits: RateLimits) -> None:
    counted = Counted(FIVE, "subject")
    fail(limits, counted)
    in_flight = [limits.attempt(counted) for _ in range(4)]
    assert too_many(limits, counted).retry_after == SECOND

    for attempt in in_flight:
        with attempt:
            pass

    fail(limits, counted)


def test_the_wait_is_until_the_end_of_the_window_once_all_were_wrong(limits: RateLimits) -> None:
    counted = Counted(FIVE, "subject")
    for attempt in [limits.attempt(counted) for _ in range(5)]:
        assert too_many(limits, counted).retry_after == SECOND
        with pytest.raises(Wrong), attempt:
            raise Wrong

    assert too_many(limits, counted).retry_after == FIVE.window


def test_attempts_of_killed_functions_are_in_flight_for_the_longest_run(limits: RateLimits, clock: FakeClock) -> None:
    for _ in range(5):
        limits.attempt(Counted(FIVE, "subject"))
    assert too_many(limits, Counted(FIVE, "subject")).retry_after == SECOND

    clock.advance(LONGEST_RUN)

    assert too_many(limits, Counted(FIVE, "subject")).retry_after == FIVE.window - LONGEST_RUN


@in_memory_only
def test_many_concurrent_successes_fill_a_large_limit_for_a_second(limits: RateLimits) -> None:
    counted = Counted(MANY, "subject")
    in_flight = [limits.attempt(counted) for _ in range(100)]
    assert too_many(limits, counted).retry_after == SECOND

    for attempt in in_flight:
        with attempt:
            pass

    assert attempts_left(limits, MANY, "subject") == 50


@in_memory_only
def test_a_large_limit_filled_by_wrong_answers_is_full_until_its_window_ends(limits: RateLimits) -> None:
    attempts_left(limits, MANY, "subject")

    assert too_many(limits, Counted(MANY, "subject")).retry_after == MANY.window


def test_a_wrong_answer_that_could_not_be_settled_stays_counted(deployment: Deployment) -> None:
    counted = Counted(THREE, "subject", OnSuccess.CLEARED)  # each wrong answer is settled
    failing = on(deployment, FaultyStore(deployment.store, at=lambda call: call.nth % 2 == 1))
    for _ in range(3):
        fail(failing, counted)

    too_many(deployment.rate_limits, counted)
