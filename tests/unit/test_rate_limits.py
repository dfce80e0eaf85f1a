"""gerbang.limits.rate_limits and its counters: counted before the outcome is known, exactly, and never for ever."""

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
"""A limit whose half is as many attempts as are ever left unsettled."""

in_memory_only = pytest.mark.parametrize("database", ["memory"], indirect=True)
"""For tests that count to a hundred; what DynamoDB does about a condition, others ask."""


class Wrong(AuthError):
    """A wrong answer."""


@pytest.fixture
def limits(deployment: Deployment) -> RateLimits:
    return deployment.rate_limits


def fail(limits: RateLimits, *counted: Counted) -> None:
    """Make an attempt with a wrong answer."""
    with pytest.raises(Wrong), limits.attempt(*counted):
        raise Wrong


def spend(limits: RateLimits, limit: Limit, subject: str) -> None:
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
    """The same limits, as another environment sees them, through another store."""
    return replace(deployment, store=store).rate_limits


# One counter


def test_as_many_attempts_are_taken_as_the_limit_says(limits: RateLimits) -> None:
    assert attempts_left(limits, THREE, "subject") == 3
    assert attempts_left(limits, THREE, "subject") == 0


def test_the_error_names_the_limit_and_the_wait_to_the_second(limits: RateLimits, clock: FakeClock) -> None:
    """Security.md 25."""
    attempts_left(limits, THREE, "subject")
    clock.advance(timedelta(seconds=20))

    error = too_many(limits, Counted(THREE, "subject"))

    assert (error.limit, error.retry_after) == ("three", timedelta(seconds=40))


def test_the_window_begins_with_the_first_attempt_and_ends_for_good(limits: RateLimits, clock: FakeClock) -> None:
    fail(limits, Counted(THREE, "subject"))
    clock.advance(MINUTE - SECOND)
    assert attempts_left(limits, THREE, "subject") == 2

    clock.advance(SECOND)

    assert attempts_left(limits, THREE, "subject") == 3


def test_attempts_over_the_limit_do_not_lengthen_the_window(limits: RateLimits, clock: FakeClock) -> None:
    """Security.md 24: no lock is for good."""
    attempts_left(limits, THREE, "subject")
    for _ in range(4):
        clock.advance(timedelta(seconds=14))
        too_many(limits, Counted(THREE, "subject"))

    clock.advance(timedelta(seconds=4))

    fail(limits, Counted(THREE, "subject"))


@in_memory_only
def test_a_window_whose_item_ttl_has_not_deleted_is_over_all_the_same(
    limits: RateLimits, clock: FakeClock, database: Database
) -> None:
    """F35."""
    attempts_left(limits, MANY, "subject")
    clock.advance(timedelta(days=2))

    assert attempts_left(limits, MANY, "subject") == 100
    (item,) = database.items("RateLimits")
    assert item["expires_at"] == to_epoch(clock() + MANY.window)
    assert sum(name.startswith("~") for name in item) == 50  # the tokens of this window, and none of the last one


def test_subjects_and_limits_are_counted_apart(limits: RateLimits) -> None:
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


def test_a_window_that_others_have_started_again_and_filled_meanwhile_is_full(
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
def test_a_clock_that_jumps_back_neither_opens_nor_locks_for_ever(limits: RateLimits, clock: FakeClock) -> None:
    """F21: locked for the window and the jump at most."""
    attempts_left(limits, THREE, "subject")
    clock.advance(-timedelta(hours=1))

    error = too_many(limits, Counted(THREE, "subject"))

    assert error.retry_after == timedelta(hours=1) + MINUTE
    clock.advance(timedelta(hours=1) + MINUTE)
    fail(limits, Counted(THREE, "subject"))


@pytest.mark.covers("F28")
def test_what_cannot_be_counted_is_not_let_through(deployment: Deployment) -> None:
    """F28."""
    unreachable = on(deployment, FaultyStore(deployment.store, at=lambda _: True))

    with pytest.raises(DependencyUnavailable):
        unreachable.attempt(Counted(THREE, "subject"))


def test_a_counter_that_others_start_again_and_again_is_given_up_as_unavailable(clock: FakeClock) -> None:
    class Restless(MemoryStore):
        def write(self, action: Action) -> Outcome:  # type: ignore[explicit-override]
            del action
            return ConditionFailed(None)

    store: Store = Restless()

    with pytest.raises(DependencyUnavailable):
        CounterTable(store, "RateLimits").take("subject", most=3, at=clock(), window=MINUTE, token="token")


@pytest.mark.covers("D18")
@pytest.mark.parametrize("subject", ["", "a b", "x" * 100_000, "\0", "\ud800", "é#USER"], ids=ascii)
def test_any_subject_makes_a_short_key(subject: str) -> None:
    """D18: a key that is too long would be our bug, and a 500."""
    key = Counted(THREE, subject).key

    assert key.isascii()
    assert len(key) <= 60
    assert digest(subject) != digest(subject + "x")


def test_no_subject_can_be_read_in_the_table(limits: RateLimits, database: Database) -> None:
    fail(limits, Counted(THREE, "alice@example.com"))

    assert "alice" not in repr(database.items("RateLimits"))


def test_a_full_counter_is_returned_with_its_window(deployment: Deployment, clock: FakeClock) -> None:
    for token in ("one", "two"):
        taken = deployment.counters.take("subject", most=2, at=clock(), window=MINUTE, token=token)
        assert isinstance(taken, Taken)

    full = deployment.counters.take("subject", most=2, at=clock(), window=MINUTE, token="three")

    assert isinstance(full, Full)
    assert (full.attempts, full.until, full.in_flight, full.known) == (2, clock() + MINUTE, 2, False)


# What becomes of an attempt


@in_memory_only
@pytest.mark.parametrize(("most", "left"), [(1, 1), (3, 2), (5, 3), (50, 25), (100, 50), (150, 100)])
def test_however_many_successes_there_are_half_of_a_limit_is_left_for_wrong_answers(
    limits: RateLimits, most: int, left: int
) -> None:
    limit = replace(THREE, attempts=most)
    for _ in range(2 * most):
        with limits.attempt(Counted(limit, "subject"), Counted(FIVE, "subject", OnSuccess.CLEARED)):
            pass

    assert attempts_left(limits, limit, "subject") == left
    assert attempts_left(limits, FIVE, "subject") == 5


def test_a_success_clears_the_counter_that_it_is_to_clear(limits: RateLimits) -> None:
    for _ in range(2):
        fail(limits, Counted(THREE, "subject"))

    with limits.attempt(Counted(THREE, "subject", OnSuccess.CLEARED)):
        pass

    assert attempts_left(limits, THREE, "subject") == 3


def test_a_success_stays_counted_where_the_limit_is_on_successes(limits: RateLimits) -> None:
    for _ in range(3):
        spend(limits, THREE, "subject")

    error = too_many(limits, Counted(THREE, "subject", OnSuccess.STAYS))

    assert error.retry_after == MINUTE  # at once: a success is not in flight


@in_memory_only
def test_a_success_costs_no_call_up_to_half_of_the_limit_and_is_given_back_beyond(deployment: Deployment) -> None:
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


def test_a_success_gives_back_to_every_counter_past_half_of_its_limit_and_to_no_other(deployment: Deployment) -> None:
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
def test_any_outcome_but_an_answer_gives_back(
    limits: RateLimits, limit: Limit, on_success: OnSuccess, error: type[BaseException]
) -> None:
    for _ in range(limit.attempts + 1):
        with pytest.raises(error), limits.attempt(Counted(limit, "subject", on_success), Counted(FIVE, "subject")):
            raise error

    assert attempts_left(limits, limit, "subject") == limit.attempts
    assert attempts_left(limits, FIVE, "subject") == 5


def test_a_failure_after_a_success_gives_back_what_the_success_has_not(limits: RateLimits) -> None:
    for _ in range(2):  # so that a success gives back to this one
        fail(limits, Counted(FIVE, "subject"))
    for _ in range(11):
        attempt = limits.attempt(Counted(TEN, "subject"), Counted(FIVE, "subject"))
        attempt.succeed()
        with pytest.raises(DependencyUnavailable), attempt:
            raise DependencyUnavailable

    assert (attempts_left(limits, TEN, "subject"), attempts_left(limits, FIVE, "subject")) == (10, 3)


def test_an_attempt_that_others_overtook_is_given_back_by_hand(limits: RateLimits) -> None:
    for _ in range(10):
        attempt = limits.attempt(Counted(THREE, "subject"))
        attempt.give_back()
        with pytest.raises(Wrong), attempt:
            raise Wrong

    assert attempts_left(limits, THREE, "subject") == 3


def test_what_runs_alongside_is_handed_over_and_its_failure_gives_back(limits: RateLimits) -> None:
    def unavailable() -> str:
        raise DependencyUnavailable

    for _ in range(10):
        with pytest.raises(DependencyUnavailable):
            limits.attempt(Counted(THREE, "subject"), alongside=unavailable)
    assert attempts_left(limits, THREE, "subject") == 3

    with limits.attempt(Counted(FIVE, "subject"), alongside=lambda: "read") as attempt:
        assert attempt.alongside == "read"


def test_an_attempt_whose_function_dies_stays_counted(limits: RateLimits) -> None:
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
def test_where_one_of_several_counters_fails_none_is_counted(deployment: Deployment, nth: int, fault: Fault) -> None:
    """With an answer lost, the counter has been written."""
    counted = [Counted(FIVE, "first"), Counted(THREE, "second", OnSuccess.STAYS), Counted(TEN, "third")]

    def takes_the_nth(call: Call) -> bool:
        return call.keys[0].pk == counted[nth].key and call.nth % 2 == 0  # each take is followed by its give-back

    faulty = on(deployment, FaultyStore(deployment.store, at=takes_the_nth, fault=fault))
    for _ in range(21):
        with pytest.raises(DependencyUnavailable):
            faulty.attempt(*counted)

    limits = deployment.rate_limits
    assert [attempts_left(limits, each.limit, each.subject) for each in counted] == [5, 3, 10]


def test_of_several_limits_reached_the_one_with_the_longest_wait_is_named(limits: RateLimits, clock: FakeClock) -> None:
    attempts_left(limits, FIVE, "subject")
    clock.advance(MINUTE)
    attempts_left(limits, THREE, "subject")

    error = too_many(limits, Counted(THREE, "subject"), Counted(FIVE, "subject"))

    assert (error.limit, error.retry_after) == ("five", timedelta(minutes=59))


# The wait


def test_while_attempts_in_flight_fill_a_limit_the_wait_is_one_second(limits: RateLimits) -> None:
    counted = Counted(FIVE, "subject")
    fail(limits, counted)
    in_flight = [limits.attempt(counted) for _ in range(4)]
    assert too_many(limits, counted).retry_after == SECOND

    for attempt in in_flight:
        with attempt:
            pass

    fail(limits, counted)


def test_once_they_have_all_been_wrong_the_wait_is_the_windows_end(limits: RateLimits) -> None:
    counted = Counted(FIVE, "subject")
    for attempt in [limits.attempt(counted) for _ in range(5)]:
        assert too_many(limits, counted).retry_after == SECOND
        with pytest.raises(Wrong), attempt:
            raise Wrong

    assert too_many(limits, counted).retry_after == FIVE.window


def test_the_attempts_of_functions_that_died_are_in_flight_no_longer_than_a_function_can_run(
    limits: RateLimits, clock: FakeClock
) -> None:
    for _ in range(5):
        limits.attempt(Counted(FIVE, "subject"))
    assert too_many(limits, Counted(FIVE, "subject")).retry_after == SECOND

    clock.advance(LONGEST_RUN)

    assert too_many(limits, Counted(FIVE, "subject")).retry_after == FIVE.window - LONGEST_RUN


@in_memory_only
def test_many_parallel_successes_fill_a_large_limit_for_a_second(limits: RateLimits) -> None:
    counted = Counted(MANY, "subject")
    in_flight = [limits.attempt(counted) for _ in range(100)]
    assert too_many(limits, counted).retry_after == SECOND

    for attempt in in_flight:
        with attempt:
            pass

    assert attempts_left(limits, MANY, "subject") == 50


@in_memory_only
def test_a_large_limit_used_up_by_wrong_answers_is_full_until_its_window_ends(limits: RateLimits) -> None:
    attempts_left(limits, MANY, "subject")

    assert too_many(limits, Counted(MANY, "subject")).retry_after == MANY.window


def test_a_wrong_answer_that_cannot_be_settled_stays_counted(deployment: Deployment) -> None:
    counted = Counted(THREE, "subject", OnSuccess.CLEARED)  # each wrong answer is settled
    forgetful = on(deployment, FaultyStore(deployment.store, at=lambda call: call.nth % 2 == 1))
    for _ in range(3):
        fail(forgetful, counted)

    too_many(deployment.rate_limits, counted)


# Without counting


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


# Give-backs


def test_an_attempt_given_back_after_its_window_takes_nothing_from_the_next(
    limits: RateLimits, clock: FakeClock
) -> None:
    attempt = limits.attempt(Counted(THREE, "subject"))
    clock.advance(MINUTE)
    fail(limits, Counted(THREE, "subject"))

    attempt.give_back()

    assert attempts_left(limits, THREE, "subject") == 2


def test_an_attempt_given_back_twice_is_given_back_once(limits: RateLimits) -> None:
    fail(limits, Counted(THREE, "subject"))
    attempt = limits.attempt(Counted(THREE, "subject"))
    for _ in range(2):
        limits.give_back((Counted(THREE, "subject").key, attempt.token))

    assert attempts_left(limits, THREE, "subject") == 2


@pytest.mark.parametrize("end", [CounterTable.give_back, CounterTable.settle])
def test_ending_what_was_never_counted_makes_nothing(
    deployment: Deployment, database: Database, end: Callable[[CounterTable, str, str], None]
) -> None:
    end(deployment.counters, "subject", "token")

    assert database.items("RateLimits") == []


def test_what_cannot_be_given_back_is_at_most_that_attempt(deployment: Deployment) -> None:
    down = FaultyStore(deployment.store, at=lambda call: call.nth > 0)  # since the attempt was counted
    with pytest.raises(DependencyUnavailable), on(deployment, down).attempt(Counted(THREE, "subject")):
        raise DependencyUnavailable

    assert attempts_left(deployment.rate_limits, THREE, "subject") == 2
    assert "attempt_not_given_back" in deployment.recorded.events


def test_an_environment_gives_back_before_its_next_count_what_it_could_not_before(deployment: Deployment) -> None:
    """An attempt that was answered 503 is not counted once the store answers again."""
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


# Where an answer is lost and the SDK asks again: faults.md, D6


@pytest.fixture
def asked_again(deployment: Deployment) -> RateLimits:
    """The same limits, where every write is done, its answer lost, and sent again."""
    twice = FaultyStore(deployment.store, at=lambda call: call.method == "write", fault=Fault.ASKED_AGAIN)
    return on(deployment, twice)


def test_an_attempt_is_not_over_the_limit_because_of_itself(asked_again: RateLimits, clock: FakeClock) -> None:
    """As the one mail a minute would be."""
    once = Limit(name="once", attempts=1, window=MINUTE)

    for _ in range(3):
        spend(asked_again, once, "subject")  # the first there is, then those that find a window ended
        clock.advance(MINUTE)


def test_an_attempt_is_counted_once_when_another_is_counted_in_between(
    deployment: Deployment, limits: RateLimits
) -> None:
    class Interrupted(PassingStore):
        """Does each write, lets another attempt be counted, and does it again."""

        def write(self, action: Action) -> Outcome:  # type: ignore[explicit-override]
            self._store.write(action)
            fail(limits, Counted(FIVE, "subject"))
            return self._store.write(action)

    on(deployment, Interrupted(deployment.store)).attempt(Counted(FIVE, "subject"))

    assert attempts_left(limits, FIVE, "subject") == 3


def test_an_attempt_is_given_back_once(asked_again: RateLimits, limits: RateLimits) -> None:
    for _ in range(2):
        fail(limits, Counted(FIVE, "subject"))

    asked_again.attempt(Counted(FIVE, "subject")).give_back()

    assert attempts_left(limits, FIVE, "subject") == 3
