"""gerbang.limits.rate_limits and storage.counters: attempts are counted before their outcome is known."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta

import pytest
from gerbang.core.clock import to_epoch
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.limits.rate_limits import Attempt, Counted, Limit, OnSuccess, RateLimits, TooManyAttempts, digest
from gerbang.storage.counters import LONGEST_RUN, CounterTable, Full, Taken
from gerbang.storage.store import Action, ConditionFailed, Outcome, Store

from tests.conftest import Database
from tests.deployment import Deployment
from tests.fakes import Call, FakeClock, Fault, FaultyStore, MeanwhileStore, MemoryStore, PassingStore, at_once

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
THREE = Limit(name="three", attempts=3, window=MINUTE)
FIVE = Limit(name="five", attempts=5, window=timedelta(hours=1))
TEN = Limit(name="ten", attempts=10, window=timedelta(hours=1))
MANY = Limit(name="many", attempts=100, window=timedelta(hours=1))
"""Half of this limit is the largest number of attempts that stay unsettled."""

in_memory_only = pytest.mark.parametrize("database", ["memory"], indirect=True)
"""For tests that make hundreds of calls; other tests check the conditions on DynamoDB."""


class Wrong(AuthError):
    """A wrong answer."""


@pytest.fixture
def limits(deployment: Deployment) -> RateLimits:
    return deployment.rate_limits


def fail(limits: RateLimits, *counted: Counted) -> None:
    """Make an attempt with a wrong answer."""
    with pytest.raises(Wrong), limits.attempt(*counted):
        raise Wrong


def succeed_and_stay_counted(limits: RateLimits, limit: Limit, subject: str) -> None:
    """Make an attempt that stays counted when it succeeds."""
    with limits.attempt(Counted(limit, subject, OnSuccess.STAYS)):
        pass


def attempts_left(limits: RateLimits, limit: Limit, subject: str) -> int:
    """How many wrong answers are accepted before the limit is reached."""
    for taken in range(1000):
        try:
            fail(limits, Counted(limit, subject))
        except TooManyAttempts:
            return taken
    raise AssertionError("no end")


def too_many(limits: RateLimits, *counted: Counted) -> TooManyAttempts:
    with pytest.raises(TooManyAttempts) as caught:
        limits.attempt(*counted)
    return caught.value


def on(deployment: Deployment, store: Store) -> RateLimits:
    """The same limits in another environment, with another store."""
    return replace(deployment, store=store).rate_limits


# One counter


def test_the_limit_is_the_number_of_attempts(limits: RateLimits) -> None:
    assert attempts_left(limits, THREE, "subject") == 3
    assert attempts_left(limits, THREE, "subject") == 0


def test_the_error_has_the_limit_and_the_wait(limits: RateLimits, clock: FakeClock) -> None:
    """Security.md 25."""
    attempts_left(limits, THREE, "subject")
    clock.advance(timedelta(seconds=20))

    error = too_many(limits, Counted(THREE, "subject"))

    assert (error.limit, error.retry_after) == ("three", timedelta(seconds=40))


def test_the_window_begins_with_the_first_attempt(limits: RateLimits, clock: FakeClock) -> None:
    fail(limits, Counted(THREE, "subject"))
    clock.advance(MINUTE - SECOND)
    assert attempts_left(limits, THREE, "subject") == 2

    clock.advance(SECOND)

    assert attempts_left(limits, THREE, "subject") == 3


def test_rejected_attempts_do_not_extend_the_window(limits: RateLimits, clock: FakeClock) -> None:
    """Security.md 24: no account is locked permanently."""
    attempts_left(limits, THREE, "subject")
    for _ in range(4):
        clock.advance(timedelta(seconds=14))
        too_many(limits, Counted(THREE, "subject"))

    clock.advance(timedelta(seconds=4))

    fail(limits, Counted(THREE, "subject"))


@in_memory_only
def test_an_ended_window_does_not_count_before_ttl_deletes_it(
    limits: RateLimits, clock: FakeClock, database: Database
) -> None:
    """F35."""
    attempts_left(limits, MANY, "subject")
    clock.advance(timedelta(days=2))

    assert attempts_left(limits, MANY, "subject") == 100
    (item,) = database.items("RateLimits")
    assert item["expires_at"] == to_epoch(clock() + MANY.window)
    assert sum(name.startswith("~") for name in item) == 50  # the tokens of this window only


def test_subjects_and_limits_are_counted_separately(limits: RateLimits) -> None:
    attempts_left(limits, THREE, "one")

    assert attempts_left(limits, THREE, "other") == 3
    assert attempts_left(limits, FIVE, "one") == 5


@pytest.mark.covers("21", "F15")
@pytest.mark.parametrize("window", ["first", "ended"])
def test_parallel_attempts_never_exceed_the_limit(limits: RateLimits, clock: FakeClock, window: str) -> None:
    """Security.md 21, F15."""
    if window == "ended":
        attempts_left(limits, FIVE, "subject")
        clock.advance(FIVE.window)

    outcomes = at_once([lambda: limits.attempt(Counted(FIVE, "subject"))] * 50)

    assert sum(isinstance(outcome, Attempt) for outcome in outcomes) == 5
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 45


def test_a_window_that_others_restarted_and_filled_meanwhile_is_full(
    deployment: Deployment, limits: RateLimits, clock: FakeClock
) -> None:
    attempts_left(limits, THREE, "subject")
    clock.advance(MINUTE)
    meanwhile = MeanwhileStore(
        deployment.store,
        before=lambda call: call.nth == 1,  # after the first write has found the window ended
        happens=lambda: attempts_left(limits, THREE, "subject"),
    )

    assert attempts_left(on(deployment, meanwhile), THREE, "subject") == 0
    assert attempts_left(limits, THREE, "subject") == 0


@pytest.mark.covers("F21")
def test_a_clock_that_jumps_back_extends_the_wait_by_the_jump_at_most(limits: RateLimits, clock: FakeClock) -> None:
    """F21: the wait is at most the window and the jump."""
    attempts_left(limits, THREE, "subject")
    clock.advance(-timedelta(hours=1))

    error = too_many(limits, Counted(THREE, "subject"))

    assert error.retry_after == timedelta(hours=1) + MINUTE
    clock.advance(timedelta(hours=1) + MINUTE)
    fail(limits, Counted(THREE, "subject"))


@pytest.mark.covers("F28")
def test_an_attempt_that_cannot_be_counted_is_an_error(deployment: Deployment) -> None:
    """F28."""
    unreachable = on(deployment, FaultyStore(deployment.store, at=lambda _: True))

    with pytest.raises(DependencyUnavailable):
        unreachable.attempt(Counted(THREE, "subject"))


def test_a_counter_that_others_keep_restarting_is_unavailable(clock: FakeClock) -> None:
    class FailingConditions(MemoryStore):
        def write(self, action: Action) -> Outcome:  # type: ignore[explicit-override]
            del action
            return ConditionFailed(None)

    store: Store = FailingConditions()

    with pytest.raises(DependencyUnavailable):
        CounterTable(store, "RateLimits").take("subject", most=3, at=clock(), window=MINUTE, token="token")


@pytest.mark.covers("D18")
@pytest.mark.parametrize("subject", ["", "a b", "x" * 100_000, "\0", "\ud800", "é#USER"], ids=ascii)
def test_the_key_of_any_subject_is_short(subject: str) -> None:
    """D18: a key that is too long would be a 500."""
    key = Counted(THREE, subject).key

    assert key.isascii()
    assert len(key) <= 60
    assert digest(subject) != digest(subject + "x")


def test_no_subject_is_stored_in_plain_text(limits: RateLimits, database: Database) -> None:
    fail(limits, Counted(THREE, "alice@example.com"))

    assert "alice" not in repr(database.items("RateLimits"))


def test_a_full_counter_is_returned_with_its_window(deployment: Deployment, clock: FakeClock) -> None:
    for token in ("one", "two"):
        taken = deployment.counters.take("subject", most=2, at=clock(), window=MINUTE, token=token)
        assert isinstance(taken, Taken)

    full = deployment.counters.take("subject", most=2, at=clock(), window=MINUTE, token="three")

    assert isinstance(full, Full)
    assert (full.attempts, full.until, full.in_flight, full.known) == (2, clock() + MINUTE, 2, False)


# How an attempt ends


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


# Several counters together


def test_several_limits_are_counted_together_or_not_at_all(limits: RateLimits) -> None:
    attempts_left(limits, THREE, "full")

    for _ in range(10):
        too_many(limits, Counted(FIVE, "other"), Counted(THREE, "full"), Counted(FIVE, "third"))

    assert attempts_left(limits, FIVE, "other") == 5
    assert attempts_left(limits, FIVE, "third") == 5


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.ANSWER_LOST])
@pytest.mark.parametrize("nth", range(3))
def test_when_one_of_several_counters_fails_none_is_counted(deployment: Deployment, nth: int, fault: Fault) -> None:
    """With a lost response, the counter has been written."""
    counted = [Counted(FIVE, "first"), Counted(THREE, "second", OnSuccess.STAYS), Counted(TEN, "third")]

    def takes_the_nth(call: Call) -> bool:
        return call.keys[0].pk == counted[nth].key and call.nth % 2 == 0  # each attempt is followed by its give-back

    faulty = on(deployment, FaultyStore(deployment.store, at=takes_the_nth, fault=fault))
    for _ in range(21):
        with pytest.raises(DependencyUnavailable):
            faulty.attempt(*counted)

    limits = deployment.rate_limits
    assert [attempts_left(limits, each.limit, each.subject) for each in counted] == [5, 3, 10]


def test_the_error_names_the_limit_with_the_longest_wait(limits: RateLimits, clock: FakeClock) -> None:
    attempts_left(limits, FIVE, "subject")
    clock.advance(MINUTE)
    attempts_left(limits, THREE, "subject")

    error = too_many(limits, Counted(THREE, "subject"), Counted(FIVE, "subject"))

    assert (error.limit, error.retry_after) == ("five", timedelta(minutes=59))


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


# Checking without counting


def test_a_limit_can_be_checked_without_counting(limits: RateLimits, clock: FakeClock) -> None:
    counted = Counted(THREE, "subject", OnSuccess.CLEARED)
    for _ in range(2):
        fail(limits, counted)
    for _ in range(10):
        limits.check(THREE, "subject")
    fail(limits, counted)

    with pytest.raises(TooManyAttempts) as caught:
        limits.check(THREE, "subject")

    assert (caught.value.limit, caught.value.retry_after) == ("three", MINUTE)
    clock.advance(MINUTE)
    limits.check(THREE, "subject")


# Giving back


def test_giving_back_after_the_window_does_not_change_the_next_one(limits: RateLimits, clock: FakeClock) -> None:
    attempt = limits.attempt(Counted(THREE, "subject"))
    clock.advance(MINUTE)
    fail(limits, Counted(THREE, "subject"))

    attempt.give_back()

    assert attempts_left(limits, THREE, "subject") == 2


def test_giving_back_twice_counts_once(limits: RateLimits) -> None:
    fail(limits, Counted(THREE, "subject"))
    attempt = limits.attempt(Counted(THREE, "subject"))
    for _ in range(2):
        limits.give_back((Counted(THREE, "subject").key, attempt.token))

    assert attempts_left(limits, THREE, "subject") == 2


@pytest.mark.parametrize("end", [CounterTable.give_back, CounterTable.settle])
def test_ending_an_uncounted_attempt_creates_no_item(
    deployment: Deployment, database: Database, end: Callable[[CounterTable, str, str], None]
) -> None:
    end(deployment.counters, "subject", "token")

    assert database.items("RateLimits") == []


def test_an_attempt_that_cannot_be_given_back_stays_counted_and_is_logged(deployment: Deployment) -> None:
    down = FaultyStore(deployment.store, at=lambda call: call.nth > 0)  # since the attempt was counted
    with pytest.raises(DependencyUnavailable), on(deployment, down).attempt(Counted(THREE, "subject")):
        raise DependencyUnavailable

    assert attempts_left(deployment.rate_limits, THREE, "subject") == 2
    assert "attempt_not_given_back" in deployment.recorded.events


def test_an_environment_gives_back_later_what_it_could_not_before(deployment: Deployment) -> None:
    """An attempt that ended with a 503 does not stay counted."""
    is_down = False
    limits = on(deployment, FaultyStore(deployment.store, at=lambda _: is_down))
    for _ in range(3):
        attempt = limits.attempt(Counted(THREE, "subject"), Counted(FIVE, "other"))
        is_down = True
        with pytest.raises(DependencyUnavailable), attempt:
            raise DependencyUnavailable
        with pytest.raises(DependencyUnavailable):
            limits.attempt(Counted(THREE, "subject"))
        is_down = False

    assert attempts_left(limits, THREE, "subject") == 3
    assert attempts_left(deployment.rate_limits, FIVE, "other") == 5


# A response is lost and the SDK retries: faults.md, D6


@pytest.fixture
def with_retries(deployment: Deployment) -> RateLimits:
    """The same limits; every write succeeds, its response is lost, and the SDK retries it."""
    retrying = FaultyStore(deployment.store, at=lambda call: call.method == "write", fault=Fault.ASKED_AGAIN)
    return on(deployment, retrying)


def test_a_retried_write_does_not_reach_the_limit_by_itself(with_retries: RateLimits, clock: FakeClock) -> None:
    """Else the one mail a minute would be rejected."""
    once = Limit(name="once", attempts=1, window=MINUTE)

    for _ in range(3):
        succeed_and_stay_counted(with_retries, once, "subject")  # a new counter, then ended windows
        clock.advance(MINUTE)


def test_a_retried_write_counts_once_even_after_another_attempt(deployment: Deployment, limits: RateLimits) -> None:
    class Interrupted(PassingStore):
        """Writes, lets another attempt be counted, and repeats the write."""

        def write(self, action: Action) -> Outcome:  # type: ignore[explicit-override]
            self._store.write(action)
            fail(limits, Counted(FIVE, "subject"))
            return self._store.write(action)

    on(deployment, Interrupted(deployment.store)).attempt(Counted(FIVE, "subject"))

    assert attempts_left(limits, FIVE, "subject") == 3


def test_a_retried_give_back_counts_once(with_retries: RateLimits, limits: RateLimits) -> None:
    for _ in range(2):
        fail(limits, Counted(FIVE, "subject"))

    with_retries.attempt(Counted(FIVE, "subject")).give_back()

    assert attempts_left(limits, FIVE, "subject") == 3
