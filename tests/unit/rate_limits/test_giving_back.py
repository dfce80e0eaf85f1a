"""gerbang.limits.rate_limits: attempts are given back, and writes that the SDK retries count once (D6)."""

from collections.abc import Callable

import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Counted, Limit, RateLimits
from gerbang.storage.counters import CounterTable
from gerbang.storage.store import Action, Outcome

from tests.conftest import Database
from tests.deployment import MINUTE, Deployment
from tests.fakes import FakeClock, Fault, FaultyStore, PassingStore
from tests.unit.rate_limits.attempts import FIVE, THREE, attempts_left, fail, on, succeed_and_stay_counted


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


# A response is lost and the SDK retries


@pytest.fixture
def with_retries(deployment: Deployment) -> RateLimits:
    """The same limits; every write succeeds, its response is lost, and the SDK retries it."""
    retrying = FaultyStore(deployment.store, at=lambda call: call.method == "write", fault=Fault.RETRIED)
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
