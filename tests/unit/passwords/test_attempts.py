"""gerbang.limits.password_attempts: wrong passwords are limited, but not at the expense of known addresses."""

from copy import replace
from functools import partial

import pytest
from gerbang.core.clock import to_epoch
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.limits.password_attempts import PasswordAttempts
from gerbang.limits.rate_limits import KNOWN_FOR, Limit, TooManyAttempts

from tests.conftest import Database
from tests.deployment import ABROAD, HOME, MINUTE, SECOND, Choices, Deployment
from tests.fakes import Call, FakeClock, FaultyStore, PassingStore

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


def reach_account_limit(attempts: PasswordAttempts, account: str) -> None:
    """Try wrong passwords from many addresses."""
    for number in range(1000):
        try:
            guess(attempts, account, f"198.51.100.{account}.{number}")
        except TooManyAttempts:
            return
    raise AssertionError("no end")


def test_wrong_passwords_for_one_account_from_one_address_are_limited(attempts: PasswordAttempts) -> None:
    assert guesses_left(attempts, "alice", "192.0.2.1") == (3, PAIR)


@pytest.mark.covers("36")
def test_wrong_passwords_from_one_address_for_many_accounts_are_limited(attempts: PasswordAttempts) -> None:
    """Security.md 36: password spraying."""
    for number in range(6):
        guess(attempts, f"account {number}", "192.0.2.1")

    assert guesses_left(attempts, "another", "192.0.2.1") == (0, ADDRESS)
    guess(attempts, "another", "192.0.2.2")


def test_wrong_passwords_for_one_account_from_many_addresses_are_limited(attempts: PasswordAttempts) -> None:
    reach_account_limit(attempts, "alice")

    assert guesses_left(attempts, "alice", "192.0.2.99") == (0, ACCOUNT)
    guess(attempts, "bob", "192.0.2.99")


def test_each_limit_has_its_own_window(attempts: PasswordAttempts, clock: FakeClock) -> None:
    assert guesses_left(attempts, "alice", HOME.address) == (3, PAIR)
    clock.advance(MINUTE)
    assert guesses_left(attempts, "alice", HOME.address) == (1, ACCOUNT)
    clock.advance(2 * MINUTE)
    assert guesses_left(attempts, "alice", HOME.address) == (3, PAIR)


# Known addresses


@pytest.mark.covers("24")
def test_a_known_address_can_sign_in_when_the_account_limit_is_reached(
    attempts: PasswordAttempts,
) -> None:
    """Security.md 24: a stranger cannot lock the owner out."""
    sign_in(attempts, "alice", HOME.address)
    reach_account_limit(attempts, "alice")

    assert guesses_left(attempts, "alice", ABROAD.address) == (0, ACCOUNT)
    sign_in(attempts, "alice", HOME.address)
    assert guesses_left(attempts, "alice", HOME.address) == (3, PAIR)  # its own limits still apply


def test_a_known_address_stays_known_after_wrong_passwords(attempts: PasswordAttempts, clock: FakeClock) -> None:
    sign_in(attempts, "alice", HOME.address)
    guesses_left(attempts, "alice", HOME.address)
    clock.advance(3 * MINUTE)
    reach_account_limit(attempts, "alice")

    assert guesses_left(attempts, "alice", HOME.address) == (3, PAIR)


def test_an_address_is_known_for_ninety_days_to_the_accounts_it_signed_in_to(
    attempts: PasswordAttempts, clock: FakeClock
) -> None:
    sign_in(attempts, "alice", HOME.address)
    reach_account_limit(attempts, "bob")
    assert guesses_left(attempts, "bob", HOME.address) == (0, ACCOUNT)

    clock.advance(KNOWN_FOR - SECOND)
    reach_account_limit(attempts, "alice")
    guess(attempts, "alice", HOME.address)
    clock.advance(SECOND)

    assert guesses_left(attempts, "alice", HOME.address) == (0, ACCOUNT)


def test_the_item_of_a_known_address_expires_after_its_window(
    attempts: PasswordAttempts, database: Database, clock: FakeClock
) -> None:
    """TTL must not delete a running window along with the mark."""
    sign_in(attempts, "alice", HOME.address)
    clock.advance(KNOWN_FOR - SECOND)
    guess(attempts, "alice", HOME.address)

    (pair,) = database.items("RateLimits", PAIR)
    assert int(pair["expires_at"]) >= int(pair["until"]) == to_epoch(clock() + MINUTE)


def test_the_item_of_a_known_address_expires_after_its_mark(
    attempts: PasswordAttempts, database: Database, clock: FakeClock
) -> None:
    sign_in(attempts, "alice", HOME.address)
    for _ in range(2):  # windows
        guess(attempts, "alice", HOME.address)
        clock.advance(MINUTE)

    (pair,) = database.items("RateLimits", PAIR)
    assert int(pair["expires_at"]) >= int(pair["known_until"])


def test_every_counter_has_an_expiry_for_ttl(attempts: PasswordAttempts, database: Database, clock: FakeClock) -> None:
    sign_in(attempts, "alice", HOME.address)
    guess(attempts, "bob", HOME.address)

    items = database.items("RateLimits")
    assert len(items) == 5  # two pairs, two accounts, one address
    assert all(int(item["expires_at"]) > to_epoch(clock()) for item in items)


# Right passwords


@pytest.mark.covers("26")
def test_a_right_password_clears_the_wrong_ones_of_its_account_and_address(attempts: PasswordAttempts) -> None:
    """Security.md 26."""
    for _ in range(2):
        for _ in range(2):
            guess(attempts, "alice", HOME.address)
        sign_in(attempts, "alice", HOME.address)

    # For the address, the 4 wrong ones stay counted, and the first right one, up to half of the limit.
    assert guesses_left(attempts, "alice", HOME.address) == (1, ADDRESS)


def test_a_right_password_does_not_clear_the_count_of_other_addresses(attempts: PasswordAttempts) -> None:
    """Security.md 20: else an attacker would only wait for the owner to sign in."""
    for number in range(3):
        guess(attempts, "alice", f"198.51.100.{number}")

    sign_in(attempts, "alice", HOME.address)

    assert guesses_left(attempts, "alice", ABROAD.address) == (1, ACCOUNT)


def test_right_passwords_alone_never_reach_the_default_limits(deployment_in_memory: Deployment) -> None:
    """Right passwords use at most half of a limit (docs/decisions/0023-limits.md)."""
    attempts = deployment_in_memory.password_attempts
    for _ in range(300):
        sign_in(attempts, "alice", HOME.address)
    for number in range(300):
        sign_in(attempts, "alice", f"new device {number}")

    for number in range(25):
        guess(attempts, "alice", f"stranger {number}")
    with pytest.raises(TooManyAttempts):
        attempts.attempt("alice", "another stranger")


def test_right_passwords_for_many_accounts_from_one_address_are_never_limited(
    deployment_in_memory: Deployment,
) -> None:
    attempts = deployment_in_memory.password_attempts
    for number in range(300):
        sign_in(attempts, f"account {number}", HOME.address)

    for number in range(50):
        guess(attempts, f"account {number}", HOME.address)
    with pytest.raises(TooManyAttempts):
        attempts.attempt("account 50", HOME.address)


def test_forget_resets_the_attempts_of_an_account_and_address(attempts: PasswordAttempts) -> None:
    reach_account_limit(attempts, "alice")

    attempts.forget("alice", HOME.address)

    assert guesses_left(attempts, "alice", HOME.address) == (3, PAIR)


# Calls


def test_an_attempt_makes_three_calls_and_a_success_at_most_three_more(small: Deployment) -> None:
    watched = PassingStore(small.store)
    attempts = replace(small, store=watched).password_attempts
    calls: list[int] = []
    for _ in range(5):
        watched.calls.clear()
        sign_in(attempts, "alice", HOME.address)
        calls.append(len(watched.calls))

    assert calls == [4, 4, 5, 6, 6]  # half of the account's limit is 2 attempts, half of the address's 3


def test_a_known_address_makes_no_further_call(small: Deployment) -> None:
    sign_in(small.password_attempts, "alice", HOME.address)
    reach_account_limit(small.password_attempts, "alice")
    watched = PassingStore(small.store)

    replace(small, store=watched).password_attempts.attempt("alice", HOME.address)

    assert len(watched.calls) == 3


def counts(limit: str, call: Call) -> bool:
    return call.keys[0].pk.startswith(f"{limit}#")


def test_a_known_address_is_rejected_when_attempts_cannot_be_counted(small: Deployment) -> None:
    """F28."""
    sign_in(small.password_attempts, "alice", HOME.address)
    for name in (PAIR, ADDRESS, ACCOUNT):
        down = FaultyStore(small.store, at=partial(counts, name))
        with pytest.raises(DependencyUnavailable):
            replace(small, store=down).password_attempts.attempt("alice", HOME.address)
