"""gerbang.limits.rate_limits and storage.counters: attempts are counted before their outcome is known."""

from datetime import timedelta

import pytest
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Attempt, Counted, OnSuccess, RateLimits, TooManyAttempts, digest
from gerbang.storage.counters import CounterTable, Full, Taken
from gerbang.storage.store import Action, ConditionFailed, Outcome, Store

from tests.conftest import Database
from tests.deployment import MINUTE, SECOND, Deployment
from tests.fakes import Call, FakeClock, Fault, FaultyStore, MeanwhileStore, MemoryStore, at_once
from tests.unit.mail_deployment import in_memory_only
from tests.unit.rate_limits.attempts import FIVE, MANY, TEN, THREE, attempts_left, fail, on, too_many


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
