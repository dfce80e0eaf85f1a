"""gerbang.limits.password_attempts: guesses are bounded, and no stranger locks an owner's known devices out."""

from copy import replace
from datetime import timedelta
from functools import partial

import pytest
from gerbang.core.clock import to_epoch
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.limits.password_attempts import PasswordAttempts
from gerbang.limits.rate_limits import KNOWN_FOR, Limit, TooManyAttempts

from tests.conftest import Database
from tests.deployment import ABROAD, HOME, Choices, Deployment
from tests.fakes import Call, FakeClock, FaultyStore, PassingStore

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
PAIR, ADDRESS, ACCOUNT = "sign_in_account_and_address", "sign_in_address", "sign_in_account"
SMALL = Choices(
    account_and_address=Limit(name=PAIR, attempts=3, window=MINUTE),
    address=Limit(name=ADDRESS, attempts=6, window=2 * MINUTE),
    account=Limit(name=ACCOUNT, attempts=4, window=3 * MINUTE),
)


class Wrong(AuthError):
    """The password is wrong."""


@pytest.fixture
def small(deployment: Deployment) -> Deployment:
    return replace(deployment, choices=SMALL)


@pytest.fixture
def attempts(small: Deployment) -> PasswordAttempts:
    return small.password_attempts


def guess(attempts: PasswordAttempts, account: str, address: str) -> None:
    """Try a wrong password."""
    with pytest.raises(Wrong), attempts.attempt(account, address):
        raise Wrong


def sign_in(attempts: PasswordAttempts, account: str, address: str) -> None:
    """Try the right password."""
    with attempts.attempt(account, address):
        pass


def guesses_left(attempts: PasswordAttempts, account: str, address: str) -> tuple[int, str]:
    """How many wrong passwords are accepted before a limit is reached, and which one it is."""
    for taken in range(100):
        try:
            guess(attempts, account, address)
        except TooManyAttempts as error:
            return taken, error.limit
    raise AssertionError("no end")


def strangers_use_up(attempts: PasswordAttempts, account: str) -> None:
    for number in range(1000):
        try:
            guess(attempts, account, f"198.51.100.{account}.{number}")
        except TooManyAttempts:
            return
    raise AssertionError("no end")


def test_guesses_at_one_account_from_one_address_are_bounded(attempts: PasswordAttempts) -> None:
    assert guesses_left(attempts, "alice", "192.0.2.1") == (3, PAIR)


@pytest.mark.covers("36")
def test_guesses_from_one_address_at_many_accounts_are_bounded(attempts: PasswordAttempts) -> None:
    """Security.md 36: spraying."""
    for number in range(6):
        guess(attempts, f"account {number}", "192.0.2.1")

    assert guesses_left(attempts, "another", "192.0.2.1") == (0, ADDRESS)
    guess(attempts, "another", "192.0.2.2")


def test_guesses_at_one_account_from_everywhere_are_bounded(attempts: PasswordAttempts) -> None:
    strangers_use_up(attempts, "alice")

    assert guesses_left(attempts, "alice", "192.0.2.99") == (0, ACCOUNT)
    guess(attempts, "bob", "192.0.2.99")


def test_windows_end_one_after_the_other(attempts: PasswordAttempts, clock: FakeClock) -> None:
    assert guesses_left(attempts, "alice", HOME.address) == (3, PAIR)
    clock.advance(MINUTE)
    assert guesses_left(attempts, "alice", HOME.address) == (1, ACCOUNT)
    clock.advance(2 * MINUTE)
    assert guesses_left(attempts, "alice", HOME.address) == (3, PAIR)


# Known addresses


@pytest.mark.covers("24")
def test_an_address_that_has_signed_in_before_is_let_through_when_strangers_have_used_up_the_account(
    attempts: PasswordAttempts,
) -> None:
    """Security.md 24: a stranger cannot lock the owner out."""
    sign_in(attempts, "alice", HOME.address)
    strangers_use_up(attempts, "alice")

    assert guesses_left(attempts, "alice", ABROAD.address) == (0, ACCOUNT)
    sign_in(attempts, "alice", HOME.address)
    assert guesses_left(attempts, "alice", HOME.address) == (3, PAIR)  # known, not trusted: limited like any other


def test_a_known_address_stays_known_while_it_guesses_wrong_and_after_the_window(
    attempts: PasswordAttempts, clock: FakeClock
) -> None:
    sign_in(attempts, "alice", HOME.address)
    guesses_left(attempts, "alice", HOME.address)
    clock.advance(3 * MINUTE)
    strangers_use_up(attempts, "alice")

    assert guesses_left(attempts, "alice", HOME.address) == (3, PAIR)


def test_an_address_is_known_to_the_accounts_it_signed_in_to_and_for_ninety_days(
    attempts: PasswordAttempts, clock: FakeClock
) -> None:
    sign_in(attempts, "alice", HOME.address)
    strangers_use_up(attempts, "bob")
    assert guesses_left(attempts, "bob", HOME.address) == (0, ACCOUNT)

    clock.advance(KNOWN_FOR - SECOND)
    strangers_use_up(attempts, "alice")
    guess(attempts, "alice", HOME.address)
    clock.advance(SECOND)

    assert guesses_left(attempts, "alice", HOME.address) == (0, ACCOUNT)


def test_the_item_of_a_known_address_outlives_the_count_in_it(
    attempts: PasswordAttempts, database: Database, clock: FakeClock
) -> None:
    """TTL must not delete a running window together with the mark."""
    sign_in(attempts, "alice", HOME.address)
    clock.advance(KNOWN_FOR - SECOND)
    guess(attempts, "alice", HOME.address)

    (pair,) = database.items("RateLimits", PAIR)
    assert int(pair["expires_at"]) >= int(pair["until"]) == to_epoch(clock() + MINUTE)


def test_the_mark_of_a_known_address_outlives_the_counts_in_its_item(
    attempts: PasswordAttempts, database: Database, clock: FakeClock
) -> None:
    sign_in(attempts, "alice", HOME.address)
    for _ in range(2):  # windows
        guess(attempts, "alice", HOME.address)
        clock.advance(MINUTE)

    (pair,) = database.items("RateLimits", PAIR)
    assert int(pair["expires_at"]) >= int(pair["known_until"])


def test_every_counter_has_an_end_for_ttl(attempts: PasswordAttempts, database: Database, clock: FakeClock) -> None:
    sign_in(attempts, "alice", HOME.address)
    guess(attempts, "bob", HOME.address)

    items = database.items("RateLimits")
    assert len(items) == 5  # two pairs, two accounts, one address
    assert all(int(item["expires_at"]) > to_epoch(clock()) for item in items)


# Right passwords


@pytest.mark.covers("26")
def test_a_right_password_clears_the_failures_of_its_account_from_its_address(attempts: PasswordAttempts) -> None:
    """Security.md 26."""
    for _ in range(2):
        for _ in range(2):
            guess(attempts, "alice", HOME.address)
        sign_in(attempts, "alice", HOME.address)

    # For the address, the 4 wrong ones stay counted, and the first right one, up to half of the limit.
    assert guesses_left(attempts, "alice", HOME.address) == (1, ADDRESS)


def test_a_right_password_gives_strangers_no_more_guesses_at_its_account(attempts: PasswordAttempts) -> None:
    """Security.md 20: an attacker need not wait until the owner signs in."""
    for number in range(3):
        guess(attempts, "alice", f"198.51.100.{number}")

    sign_in(attempts, "alice", HOME.address)

    assert guesses_left(attempts, "alice", ABROAD.address) == (1, ACCOUNT)


def test_right_passwords_alone_never_meet_the_default_limits(deployment_in_memory: Deployment) -> None:
    """They use up half of a limit at most, so a new device gets in, too. docs/decisions/0023-limits.md."""
    attempts = deployment_in_memory.password_attempts
    for _ in range(300):
        sign_in(attempts, "alice", HOME.address)
    for number in range(300):
        sign_in(attempts, "alice", f"new device {number}")

    for number in range(25):
        guess(attempts, "alice", f"stranger {number}")
    with pytest.raises(TooManyAttempts):
        attempts.attempt("alice", "another stranger")


def test_an_office_where_everybody_knows_their_password_is_never_limited(
    deployment_in_memory: Deployment,
) -> None:
    attempts = deployment_in_memory.password_attempts
    for number in range(300):
        sign_in(attempts, f"account {number}", HOME.address)

    for number in range(50):
        guess(attempts, f"account {number}", HOME.address)
    with pytest.raises(TooManyAttempts):
        attempts.attempt("account 50", HOME.address)


def test_an_owner_who_has_proved_who_they_are_otherwise_has_all_attempts_again(attempts: PasswordAttempts) -> None:
    strangers_use_up(attempts, "alice")

    attempts.forget("alice", HOME.address)

    assert guesses_left(attempts, "alice", HOME.address) == (3, PAIR)


# Calls


def test_an_attempt_makes_three_calls_and_its_success_one_and_one_for_each_counter_past_half(small: Deployment) -> None:
    watched = PassingStore(small.store)
    attempts = replace(small, store=watched).password_attempts
    calls: list[int] = []
    for _ in range(5):
        watched.calls.clear()
        sign_in(attempts, "alice", HOME.address)
        calls.append(len(watched.calls))

    assert calls == [4, 4, 5, 6, 6]  # half of the account's limit is 2 attempts, half of the address's 3


def test_a_known_address_is_let_through_without_another_call(small: Deployment) -> None:
    sign_in(small.password_attempts, "alice", HOME.address)
    strangers_use_up(small.password_attempts, "alice")
    watched = PassingStore(small.store)

    replace(small, store=watched).password_attempts.attempt("alice", HOME.address)

    assert len(watched.calls) == 3


def counts(limit: str, call: Call) -> bool:
    return call.keys[0].pk.startswith(f"{limit}#")


def test_limits_that_cannot_be_counted_are_no_pass_for_a_known_address(small: Deployment) -> None:
    """F28."""
    sign_in(small.password_attempts, "alice", HOME.address)
    for name in (PAIR, ADDRESS, ACCOUNT):
        down = FaultyStore(small.store, at=partial(counts, name))
        with pytest.raises(DependencyUnavailable):
            replace(small, store=down).password_attempts.attempt("alice", HOME.address)
