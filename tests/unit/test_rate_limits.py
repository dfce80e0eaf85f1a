"""gerbang.limits.rate_limits and its counters: counted before it is worth anything, exactly, and never for ever."""

from dataclasses import replace
from datetime import timedelta

import pytest
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Limit, RateLimits, SignInGuard, TooManyAttempts, digest
from gerbang.storage.counters import CounterTable, Full, Taken
from gerbang.storage.store import Action, ConditionFailed, Outcome, Store

from tests.conftest import Database
from tests.deployment import ABROAD, HOME, Choices, Deployment
from tests.fakes import FakeClock, Fault, FaultyStore, MeanwhileStore, MemoryStore, at_once

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
THREE = Limit(name="three", attempts=3, window=MINUTE)
FIVE = Limit(name="five", attempts=5, window=timedelta(hours=1))


@pytest.fixture
def limits(deployment: Deployment) -> RateLimits:
    return deployment.rate_limits


def attempts_left(limits: RateLimits, limit: Limit, subject: str) -> int:
    """How many attempts are taken before the limit says no."""
    for taken in range(100):
        try:
            limits.take(limit, subject)
        except TooManyAttempts:
            return taken
    raise AssertionError("no end")


def refusal(limits: RateLimits, limit: Limit, subject: str) -> TooManyAttempts:
    with pytest.raises(TooManyAttempts) as caught:
        limits.take(limit, subject)
    return caught.value


# One counter


def test_as_many_attempts_are_taken_as_the_limit_says(limits: RateLimits) -> None:
    assert attempts_left(limits, THREE, "subject") == 3
    assert attempts_left(limits, THREE, "subject") == 0


@pytest.mark.covers("25")
def test_the_refusal_says_which_limit_and_for_how_long_to_the_second(limits: RateLimits, clock: FakeClock) -> None:
    attempts_left(limits, THREE, "subject")
    clock.advance(timedelta(seconds=20))

    refused = refusal(limits, THREE, "subject")

    assert (refused.limit, refused.retry_after) == ("three", timedelta(seconds=40))


def test_the_window_begins_with_the_first_attempt_and_ends_for_good(limits: RateLimits, clock: FakeClock) -> None:
    limits.take(THREE, "subject")
    clock.advance(MINUTE - SECOND)
    assert attempts_left(limits, THREE, "subject") == 2

    clock.advance(SECOND)

    assert attempts_left(limits, THREE, "subject") == 3


@pytest.mark.covers("24")
def test_refused_attempts_do_not_lengthen_the_window(limits: RateLimits, clock: FakeClock) -> None:
    """Nobody is locked out for good."""
    attempts_left(limits, THREE, "subject")
    for _ in range(4):
        clock.advance(timedelta(seconds=14))
        refusal(limits, THREE, "subject")

    clock.advance(timedelta(seconds=4))

    limits.take(THREE, "subject")


@pytest.mark.covers("F35")
def test_a_window_that_ttl_has_not_swept_is_over_all_the_same(
    limits: RateLimits, clock: FakeClock, database: Database
) -> None:
    attempts_left(limits, THREE, "subject")
    clock.advance(timedelta(days=2))

    assert attempts_left(limits, THREE, "subject") == 3
    (item,) = database.items("RateLimits")
    assert item["expires_at"] == to_epoch(clock() + MINUTE)


def test_subjects_and_limits_are_counted_apart(limits: RateLimits) -> None:
    attempts_left(limits, THREE, "one")

    assert attempts_left(limits, THREE, "other") == 3
    assert attempts_left(limits, FIVE, "one") == 5


@pytest.mark.covers("F15", "21")
def test_parallel_attempts_never_exceed_the_limit(limits: RateLimits) -> None:
    outcomes = at_once([lambda: limits.take(FIVE, "subject")] * 50)

    assert outcomes.count(None) == 5
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 45


def test_parallel_attempts_never_exceed_the_limit_when_a_window_has_just_ended(
    limits: RateLimits, clock: FakeClock
) -> None:
    attempts_left(limits, FIVE, "subject")
    clock.advance(FIVE.window)

    outcomes = at_once([lambda: limits.take(FIVE, "subject")] * 50)

    assert outcomes.count(None) == 5
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 45


def test_a_window_that_others_have_started_afresh_and_filled_meanwhile_is_full(
    deployment: Deployment, limits: RateLimits, clock: FakeClock
) -> None:
    attempts_left(limits, THREE, "subject")
    clock.advance(MINUTE)
    meanwhile = MeanwhileStore(
        deployment.store,
        before=lambda call: call.nth == 1,  # having found the window ended
        happens=lambda: attempts_left(limits, THREE, "subject"),
    )

    assert attempts_left(replace(deployment, store=meanwhile).rate_limits, THREE, "subject") == 0
    assert attempts_left(limits, THREE, "subject") == 0


@pytest.mark.covers("F21")
def test_a_clock_that_jumps_back_neither_opens_nor_locks_for_ever(limits: RateLimits, clock: FakeClock) -> None:
    """Locked for the window and the jump at most."""
    attempts_left(limits, THREE, "subject")
    clock.advance(-timedelta(hours=1))

    refused = refusal(limits, THREE, "subject")

    assert refused.retry_after == timedelta(hours=1) + MINUTE
    clock.advance(timedelta(hours=1) + MINUTE)
    limits.take(THREE, "subject")


@pytest.mark.covers("F28")
def test_what_cannot_be_counted_is_not_let_through(deployment: Deployment) -> None:
    unreachable = replace(deployment, store=FaultyStore(deployment.store, at=lambda _: True))

    with pytest.raises(DependencyUnavailable):
        unreachable.rate_limits.take(THREE, "subject")


def test_a_counter_that_others_start_afresh_again_and_again_is_given_up_as_unavailable(clock: FakeClock) -> None:
    class Restless(MemoryStore):
        def write(self, action: Action) -> Outcome:  # type: ignore[explicit-override]
            del action
            return ConditionFailed(None)

    store: Store = Restless()

    with pytest.raises(DependencyUnavailable):
        CounterTable(store, "RateLimits").take("subject", most=3, at=clock(), window=MINUTE, nonce="nonce")


@pytest.mark.covers("D18")
@pytest.mark.parametrize("subject", ["", "a b", "x" * 100_000, "\0", "\ud800", "é#USER"], ids=ascii)
def test_any_subject_makes_a_short_key(subject: str) -> None:
    """A key that were too long would be our bug, and a 500."""
    key = RateLimits.key(THREE, subject)

    assert key.isascii()
    assert len(key) <= 60
    assert digest(subject) != digest(subject + "x")


def test_no_subject_can_be_read_in_the_table(limits: RateLimits, database: Database) -> None:
    limits.take(THREE, "alice@example.com")

    assert "alice" not in repr(database.items("RateLimits"))


def test_every_counter_has_an_end_for_ttl(deployment: Deployment, database: Database) -> None:
    attempt = deployment.guard.reserve("account", HOME.address)
    deployment.guard.succeeded(attempt)

    assert all(int(item["expires_at"]) > to_epoch(deployment.clock()) for item in database.items("RateLimits"))


# Several counters together


def test_several_limits_are_counted_together_or_not_at_all(limits: RateLimits) -> None:
    attempts_left(limits, THREE, "full")

    for _ in range(10):
        with pytest.raises(TooManyAttempts):
            limits.reserve((FIVE, "other"), (THREE, "full"), (FIVE, "third"))

    assert attempts_left(limits, FIVE, "other") == 5
    assert attempts_left(limits, FIVE, "third") == 5


def test_of_several_limits_reached_the_one_that_takes_longest_is_named(limits: RateLimits, clock: FakeClock) -> None:
    attempts_left(limits, FIVE, "subject")
    clock.advance(MINUTE)
    attempts_left(limits, THREE, "subject")

    with pytest.raises(TooManyAttempts) as caught:
        limits.reserve((THREE, "subject"), (FIVE, "subject"))

    assert (caught.value.limit, caught.value.retry_after) == ("five", timedelta(minutes=59))


def test_an_attempt_that_is_given_back_can_be_made_again(limits: RateLimits) -> None:
    for _ in range(10):
        limits.give_back(limits.reserve((THREE, "subject"), (FIVE, "subject")))

    assert attempts_left(limits, THREE, "subject") == 3


def test_an_attempt_given_back_after_its_window_takes_nothing_from_the_next(
    limits: RateLimits, clock: FakeClock
) -> None:
    reservation = limits.reserve((THREE, "subject"))
    clock.advance(MINUTE)
    limits.take(THREE, "subject")

    limits.give_back(reservation)

    assert attempts_left(limits, THREE, "subject") == 2


def test_an_attempt_given_back_twice_makes_no_more_than_none(deployment: Deployment, limits: RateLimits) -> None:
    reservation = limits.reserve((THREE, "subject"))
    limits.give_back(reservation)
    limits.give_back(reservation)

    outcome = deployment.counters.take(
        RateLimits.key(THREE, "subject"), most=3, at=deployment.clock(), window=THREE.window, nonce="another"
    )

    assert isinstance(outcome, Taken)
    assert outcome.window.attempts == 1


def test_giving_back_where_there_is_nothing_makes_nothing(limits: RateLimits, database: Database) -> None:
    reservation = limits.reserve((THREE, "subject"))
    limits.counters.clear(RateLimits.key(THREE, "subject"))

    limits.give_back(reservation)

    assert database.items("RateLimits") == []


def test_a_full_window_says_how_it_stands(deployment: Deployment, clock: FakeClock) -> None:
    for nonce in ("one", "two"):
        deployment.counters.take("subject", most=2, at=clock(), window=MINUTE, nonce=nonce)

    outcome = deployment.counters.take("subject", most=2, at=clock(), window=MINUTE, nonce="three")

    assert isinstance(outcome, Full)
    assert (outcome.window.attempts, outcome.window.until) == (2, clock() + MINUTE)


# Where an answer is lost and the SDK asks again: faults.md, D6


@pytest.fixture
def asked_again(deployment: Deployment) -> RateLimits:
    """The same limits, where every write is done, its answer lost, and sent again."""
    twice = FaultyStore(deployment.store, at=lambda call: call.method == "write", fault=Fault.ASKED_AGAIN)
    return replace(deployment, store=twice).rate_limits


def test_an_attempt_is_not_refused_because_of_itself(asked_again: RateLimits, clock: FakeClock) -> None:
    """As the one mail a minute would be."""
    once = Limit(name="once", attempts=1, window=MINUTE)

    for _ in range(3):
        asked_again.take(once, "subject")  # the first there is, then those that find a window ended
        clock.advance(MINUTE)


@pytest.mark.covers("D6")
def test_an_attempt_is_counted_once(asked_again: RateLimits, limits: RateLimits) -> None:
    asked_again.take(FIVE, "subject")

    assert attempts_left(limits, FIVE, "subject") == 4


def test_an_attempt_is_given_back_once(asked_again: RateLimits, limits: RateLimits) -> None:
    limits.take(FIVE, "subject")
    limits.take(FIVE, "subject")

    asked_again.give_back(limits.reserve((FIVE, "subject")))

    assert attempts_left(limits, FIVE, "subject") == 3


# Marks


def test_a_mark_is_remembered_until_its_time(deployment: Deployment, clock: FakeClock) -> None:
    counters = deployment.counters
    assert not counters.remembers("subject", at=clock())

    counters.remember("subject", until=clock() + MINUTE)

    assert counters.remembers("subject", at=clock() + MINUTE - SECOND)
    assert not counters.remembers("subject", at=clock() + MINUTE)
    counters.remember("subject", until=clock() + 2 * MINUTE)
    assert counters.remembers("subject", at=clock() + MINUTE)


# The guard of every door with a password

SMALL = Choices(
    account_and_address=Limit(name="pair", attempts=3, window=MINUTE),
    address=Limit(name="address", attempts=6, window=2 * MINUTE),
    account=Limit(name="account", attempts=4, window=3 * MINUTE),
)


@pytest.fixture
def guard(deployment: Deployment) -> SignInGuard:
    return replace(deployment, choices=SMALL).guard


def guesses_left(guard: SignInGuard, account: str, address: str) -> tuple[int, str]:
    """How many attempts are taken before a limit says no, and which one it is."""
    for taken in range(100):
        try:
            guard.reserve(account, address)
        except TooManyAttempts as refused:
            return taken, refused.limit
    raise AssertionError("no end")


def test_guesses_at_one_account_from_one_address_are_bounded(guard: SignInGuard) -> None:
    assert guesses_left(guard, "alice", "192.0.2.1") == (3, "pair")


@pytest.mark.covers("36")
def test_guesses_from_one_address_at_many_accounts_are_bounded(guard: SignInGuard) -> None:
    """Spraying."""
    for number in range(6):
        guard.reserve(f"account {number}", "192.0.2.1")

    assert guesses_left(guard, "another", "192.0.2.1") == (0, "address")
    guard.reserve("another", "192.0.2.2")


def test_guesses_at_one_account_from_everywhere_are_bounded(guard: SignInGuard) -> None:
    for number in range(4):
        guard.reserve("alice", f"192.0.2.{number}")

    assert guesses_left(guard, "alice", "192.0.2.99") == (0, "account")
    guard.reserve("bob", "192.0.2.99")


@pytest.mark.covers("24")
def test_an_address_that_has_signed_in_before_is_let_through_when_strangers_have_used_up_the_account(
    guard: SignInGuard,
) -> None:
    """A stranger cannot lock the owner out."""
    guard.succeeded(guard.reserve("alice", HOME.address))
    for number in range(4):
        guard.reserve("alice", f"198.51.100.{number}")

    assert guesses_left(guard, "alice", ABROAD.address) == (0, "account")
    assert guesses_left(guard, "alice", HOME.address) == (3, "pair")  # known, not trusted: bounded as everybody


def test_an_address_is_known_to_the_accounts_it_signed_in_to_and_for_ninety_days(
    guard: SignInGuard, clock: FakeClock
) -> None:
    guard.succeeded(guard.reserve("alice", HOME.address))
    for account in ("alice", "bob"):
        for number in range(4):
            guard.reserve(account, f"198.51.100.{account}.{number}")
    assert guesses_left(guard, "bob", HOME.address) == (0, "account")

    clock.advance(timedelta(days=90))
    for number in range(4):
        guard.reserve("alice", f"198.51.100.{number}")

    assert guesses_left(guard, "alice", HOME.address) == (0, "account")


@pytest.mark.covers("26")
def test_a_right_password_clears_the_failures_of_its_account_from_its_address(guard: SignInGuard) -> None:
    for _ in range(2):
        for _ in range(2):
            guard.reserve("alice", HOME.address)
        guard.succeeded(guard.reserve("alice", HOME.address))

    assert guesses_left(guard, "alice", HOME.address) == (2, "address")  # 4 wrong ones stay counted there


@pytest.mark.covers("20")
def test_a_right_password_buys_strangers_no_more_guesses_at_its_account(guard: SignInGuard) -> None:
    """Whoever guesses need not wait until the owner signs in."""
    for number in range(3):
        guard.reserve("alice", f"198.51.100.{number}")

    guard.succeeded(guard.reserve("alice", HOME.address))

    assert guesses_left(guard, "alice", ABROAD.address) == (1, "account")


def test_right_passwords_are_not_counted_anywhere(guard: SignInGuard) -> None:
    for _ in range(8):
        guard.succeeded(guard.reserve("alice", HOME.address))


def test_an_account_that_is_reopened_has_all_its_attempts_again(guard: SignInGuard) -> None:
    for number in range(4):
        guard.reserve("alice", f"198.51.100.{number}")

    guard.reopen("alice", HOME.address)

    assert guesses_left(guard, "alice", HOME.address) == (3, "pair")


def test_windows_end_one_after_the_other(guard: SignInGuard, clock: FakeClock) -> None:
    assert guesses_left(guard, "alice", HOME.address) == (3, "pair")
    clock.advance(MINUTE)
    assert guesses_left(guard, "alice", HOME.address) == (1, "account")
    clock.advance(2 * MINUTE)
    assert guesses_left(guard, "alice", HOME.address) == (3, "pair")
