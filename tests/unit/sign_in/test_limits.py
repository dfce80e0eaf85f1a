"""gerbang.accounts.sign_in: limits of wrong passwords (security.md 20 to 26, 29, 36), and their faults."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta

import bcrypt
import pytest
from gerbang.accounts.sign_in import Credentials, InvalidCredentials
from gerbang.core.client import Client
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Limit, TooManyAttempts
from gerbang.storage.accounts import Name, User

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, HOME, MINUTE, PASSWORD, Choices, Deployment, by_email
from tests.fakes import Call, FakeClock, FaultyStore, PassingStore, RecordingLog, at_once
from tests.unit.sign_in.steps import UNKNOWN, fail_to_sign_in, sign_in


@pytest.mark.covers("20", "29")
@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize("email", [ALICE.email, UNKNOWN], ids=["known", "unknown"])
def test_ten_wrong_passwords_reach_the_limit_of_known_and_unknown_addresses(
    deployment: Deployment, clock: FakeClock, hashes: list[int], email: str
) -> None:
    """Else the limit would reveal who has an account."""
    for _ in range(10):
        fail_to_sign_in(deployment, email)
    clock.advance(MINUTE)
    hashes.clear()

    with pytest.raises(TooManyAttempts) as caught:
        sign_in(deployment, by_email(email))  # with the right password

    assert caught.value.retry_after == timedelta(minutes=14)
    assert hashes == []
    clock.advance(timedelta(minutes=14))
    fail_to_sign_in(deployment, email)


@pytest.mark.covers("24")
def test_the_owner_can_sign_in_after_the_window(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    for _ in range(10):
        fail_to_sign_in(deployment)
    clock.advance(timedelta(minutes=15))

    assert sign_in(deployment).user.user_id == alice.user_id


@pytest.mark.covers("F15", "21")
@pytest.mark.usefixtures("alice")
def test_concurrent_wrong_passwords_are_limited_too(deployment: Deployment, hashes: list[int]) -> None:
    """Each attempt is counted before the hash is computed."""
    hashes.clear()

    outcomes = at_once([lambda: sign_in(deployment, by_email(password="wrong"))] * 40)

    assert sum(type(outcome) is InvalidCredentials for outcome in outcomes) == len(hashes) == 10
    assert sum(type(outcome) is TooManyAttempts for outcome in outcomes) == 30


@pytest.mark.covers("26")
@pytest.mark.usefixtures("alice")
def test_a_right_password_clears_the_wrong_ones(deployment: Deployment) -> None:
    for _ in range(3):
        for _ in range(9):
            fail_to_sign_in(deployment)
        sign_in(deployment)


def test_wrong_passwords_from_one_address_do_not_limit_another(deployment: Deployment, alice: User) -> None:
    for _ in range(10):
        fail_to_sign_in(deployment)

    assert sign_in(deployment, client=ABROAD).user.user_id == alice.user_id


@pytest.mark.covers("24")
def test_open_sessions_can_refresh_while_sign_ins_are_limited(deployment: Deployment, alice: User) -> None:
    session = deployment.sessions.open(alice, HOME, "password")
    for _ in range(10):
        fail_to_sign_in(deployment)

    assert deployment.sessions.refresh(session.tokens.refresh_token).user.user_id == alice.user_id


@pytest.mark.covers("36")
@pytest.mark.usefixtures("alice")
def test_one_address_that_tries_many_accounts_is_limited(deployment: Deployment) -> None:
    """Password spraying. Only that address is limited."""
    few = Limit(name="address", attempts=6, window=15 * MINUTE)
    limited = replace(deployment, choices=Choices(address=few))
    for number in range(6):
        fail_to_sign_in(limited, f"a{number}@example.com")

    with pytest.raises(TooManyAttempts):
        sign_in(limited)
    sign_in(limited, client=ABROAD)


def test_a_known_device_can_sign_in_when_the_account_limit_is_reached(deployment: Deployment, alice: User) -> None:
    few = Limit(name="account", attempts=5, window=60 * MINUTE)
    limited = replace(deployment, choices=Choices(account=few))
    sign_in(limited, client=HOME)
    for number in range(4):
        fail_to_sign_in(limited, client=Client(address=f"203.0.113.{number}"))

    with pytest.raises(TooManyAttempts) as caught:
        sign_in(limited, client=ABROAD)

    assert caught.value.limit == "sign_in_account"
    assert sign_in(limited, client=HOME).user.user_id == alice.user_id


@pytest.mark.covers("33")
def test_attempts_by_address_and_by_user_name_are_counted_together(deployment: Deployment, alice: User) -> None:
    """One limit per account."""
    by_name = Credentials(name=Name.USERNAME, value="alice", password="wrong")
    for number in range(10):
        with pytest.raises(InvalidCredentials):
            sign_in(deployment, by_name if number % 2 else by_email(password="wrong"))

    with pytest.raises(TooManyAttempts):
        sign_in(deployment)
    assert deployment.users.find(alice.user_id) is not None


@pytest.mark.covers("F21")
@pytest.mark.usefixtures("alice")
def test_a_clock_that_jumps_back_extends_the_wait_by_the_jump_at_most(deployment: Deployment, clock: FakeClock) -> None:
    for _ in range(10):
        fail_to_sign_in(deployment)
    clock.advance(-timedelta(hours=1))

    with pytest.raises(TooManyAttempts) as caught:
        sign_in(deployment)

    assert caught.value.retry_after == timedelta(hours=1, minutes=15)
    clock.advance(timedelta(hours=1, minutes=15))
    sign_in(deployment)


# Faults


def counts_attempts(deployment: Deployment) -> Callable[[Call], bool]:
    table = deployment.tables["RateLimits"]
    return lambda call: call.method == "write" and call.keys[0].table == table


@pytest.mark.covers("F28")
@pytest.mark.usefixtures("alice")
def test_no_password_is_compared_when_attempts_cannot_be_counted(deployment: Deployment, hashes: list[int]) -> None:
    """Not even with the right password."""
    faulty = FaultyStore(deployment.store, at=counts_attempts(deployment))
    hashes.clear()

    for password in ("wrong", PASSWORD) * 5:
        with pytest.raises(DependencyUnavailable):
            sign_in(replace(deployment, store=faulty), by_email(password=password))

    assert hashes == []


def test_a_sign_in_succeeds_when_its_attempt_cannot_be_given_back(
    deployment: Deployment, alice: User, log: RecordingLog
) -> None:
    watched = PassingStore(deployment.store)
    replace(deployment, store=watched).password_attempts.attempt(alice.user_id, HOME.address)
    counters = {call.keys for call in watched.calls}
    faulty = FaultyStore(
        deployment.store,
        at=lambda call: counts_attempts(deployment)(call) and not (call.keys in counters and call.nth == 0),
    )

    signed_in = sign_in(replace(deployment, store=faulty))

    assert deployment.sessions.authenticate(signed_in.tokens.access_token).user.user_id == alice.user_id
    assert "attempt_not_given_back" in log.events


@pytest.mark.covers("F33")
def test_a_function_killed_while_hashing_has_written_only_the_counted_attempt(
    deployment: Deployment, alice: User, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {table: database.contents(table) for table in database.tables.values()}

    is_killed = False
    store = FaultyStore(deployment.store, at=lambda _: is_killed)

    def kill(_password: bytes, _salt: bytes) -> bytes:
        nonlocal is_killed
        is_killed = True
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(bcrypt, "hashpw", kill)
        with pytest.raises(SystemExit):
            sign_in(replace(deployment, store=store))

    limits = database.tables["RateLimits"]
    assert all(database.contents(table) == items for table, items in before.items() if table != limits)
    counted = [item for item in database.contents(limits) if item not in before[limits]]
    assert [item["attempts"] for item in counted] == [1, 1, 1]
    assert sign_in(deployment).user.user_id == alice.user_id
