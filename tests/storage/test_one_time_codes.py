"""gerbang.storage.one_time_codes: the newest code of a subject is valid and can be spent once, in each slot."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from gerbang.core.clock import to_epoch
from gerbang.storage.one_time_codes import CodePurpose, OneTimeCode, OneTimeCodeTable, Slot
from gerbang.storage.store import ConditionFailed, Key

from tests.conftest import Database
from tests.fakes import FakeClock, at_once

SECOND = timedelta(seconds=1)
LEASE = timedelta(minutes=1)
KEPT = timedelta(days=15)


@pytest.fixture
def codes(database: Database) -> OneTimeCodeTable:
    return OneTimeCodeTable(database.store, database.tables["OneTimeCodes"])


@pytest.fixture
def code(clock: FakeClock) -> OneTimeCode:
    return OneTimeCode(
        secret_hash="hash of 123456",
        purpose=CodePurpose.SIGN_IN,
        epoch=3,
        job_id="job-1",
        issued_at_ms=1_000_000,
        expires_at=clock() + timedelta(minutes=10),
    )


@pytest.fixture(params=Slot)
def key(request: pytest.FixtureRequest, codes: OneTimeCodeTable) -> Key:
    slot: Slot = request.param
    return codes.key(slot, "subject")


def stored(codes: OneTimeCodeTable, key: Key) -> OneTimeCode | None:
    return codes.read(codes.store.get(key))


def spend(codes: OneTimeCodeTable, key: Key, code: OneTimeCode, clock: FakeClock) -> bool:
    return codes.store.commit(codes.spending(key, code, at=clock(), kept=KEPT)) == ()


# The newest code


@pytest.mark.parametrize("purpose", CodePurpose)
def test_a_code_is_read_as_it_was_written(
    codes: OneTimeCodeTable, key: Key, code: OneTimeCode, purpose: CodePurpose
) -> None:
    code = replace(code, purpose=purpose)

    assert codes.replace(key, code)

    assert stored(codes, key) == code
    assert stored(codes, codes.key(Slot.EMAIL, "another")) is None
    assert codes.read(None) is None


def test_the_ttl_of_a_code_is_its_expiry(
    codes: OneTimeCodeTable, key: Key, database: Database, code: OneTimeCode
) -> None:
    codes.replace(key, code)

    (item,) = database.items("OneTimeCodes")
    assert item["expires_at"] == to_epoch(code.expires_at)


def test_a_later_mail_job_replaces_the_code_and_an_earlier_one_does_not(
    codes: OneTimeCodeTable, key: Key, code: OneTimeCode
) -> None:
    later = replace(code, secret_hash="hash of 654321", job_id="job-2", issued_at_ms=code.issued_at_ms + 1)

    assert codes.replace(key, code)
    assert codes.replace(key, later)
    assert not codes.replace(key, code)

    assert stored(codes, key) == later


def test_the_first_of_two_mail_jobs_of_the_same_millisecond_wins(
    codes: OneTimeCodeTable, key: Key, code: OneTimeCode
) -> None:
    codes.replace(key, code)

    assert not codes.replace(key, replace(code, job_id="job-2"))

    assert stored(codes, key) == code


def test_the_same_mail_job_can_store_its_code_again(codes: OneTimeCodeTable, key: Key, code: OneTimeCode) -> None:
    longer = replace(code, expires_at=code.expires_at + LEASE)

    assert codes.replace(key, code)
    assert codes.replace(key, longer)

    assert stored(codes, key) == longer


def test_the_latest_of_concurrent_mail_jobs_wins(codes: OneTimeCodeTable, key: Key, code: OneTimeCode) -> None:
    jobs = [replace(code, job_id=f"job-{n}", issued_at_ms=code.issued_at_ms + n) for n in range(20)]

    at_once([partial(codes.replace, key, job) for job in jobs])

    assert stored(codes, key) == jobs[-1]


# Spending: F13, F35


def test_a_code_is_spent_once(codes: OneTimeCodeTable, key: Key, code: OneTimeCode, clock: FakeClock) -> None:
    codes.replace(key, code)

    assert spend(codes, key, code, clock)
    assert not spend(codes, key, code, clock)

    assert stored(codes, key) == replace(code, spent_at=clock(), expires_at=clock() + KEPT)


@pytest.mark.covers("F13")
def test_exactly_one_of_twenty_concurrent_attempts_spends_a_code(
    codes: OneTimeCodeTable, key: Key, code: OneTimeCode, clock: FakeClock
) -> None:
    codes.replace(key, code)

    assert at_once([lambda: spend(codes, key, code, clock)] * 20).count(True) == 1


def test_a_spent_code_stays_spent_when_its_mail_job_or_an_earlier_one_is_repeated(
    codes: OneTimeCodeTable, key: Key, code: OneTimeCode, clock: FakeClock
) -> None:
    earlier = replace(code, job_id="job-0", issued_at_ms=code.issued_at_ms - 1)
    codes.replace(key, code)
    spend(codes, key, code, clock)

    for job in (code, replace(code, expires_at=code.expires_at + LEASE), earlier):
        assert not codes.replace(key, job)
        assert not spend(codes, key, job, clock)

    spent = stored(codes, key)
    assert spent is not None
    assert spent.spent_at == clock()


def test_a_later_mail_job_replaces_a_spent_code(
    codes: OneTimeCodeTable, key: Key, code: OneTimeCode, clock: FakeClock
) -> None:
    later = replace(code, secret_hash="hash of 654321", job_id="job-2", issued_at_ms=code.issued_at_ms + 1)
    codes.replace(key, code)
    spend(codes, key, code, clock)

    assert codes.replace(key, later)

    assert stored(codes, key) == later
    assert spend(codes, key, later, clock)


def test_a_spent_code_expires_after_the_given_time(
    codes: OneTimeCodeTable, key: Key, database: Database, code: OneTimeCode, clock: FakeClock
) -> None:
    codes.replace(key, code)
    spend(codes, key, code, clock)

    (item,) = database.items("OneTimeCodes")
    assert item["expires_at"] == to_epoch(clock() + KEPT)


def test_a_replaced_code_cannot_be_spent(
    codes: OneTimeCodeTable, key: Key, code: OneTimeCode, clock: FakeClock
) -> None:
    later = replace(code, secret_hash="hash of 654321", job_id="job-2", issued_at_ms=code.issued_at_ms + 1)
    codes.replace(key, code)
    codes.replace(key, later)

    assert not spend(codes, key, code, clock)

    assert stored(codes, key) == later


@pytest.mark.covers("F35")
def test_an_expired_code_that_ttl_has_not_deleted_cannot_be_spent(
    codes: OneTimeCodeTable, key: Key, code: OneTimeCode, clock: FakeClock
) -> None:
    codes.replace(key, code)
    clock.at = code.expires_at

    assert not spend(codes, key, code, clock)

    clock.advance(-SECOND)
    assert spend(codes, key, code, clock)


def test_a_failed_attempt_returns_the_stored_code(
    codes: OneTimeCodeTable, key: Key, code: OneTimeCode, clock: FakeClock
) -> None:
    codes.replace(key, code)

    another = replace(code, secret_hash="another")

    (failure,) = codes.store.commit(codes.spending(key, another, at=clock(), kept=KEPT))

    assert isinstance(failure, ConditionFailed)
    assert codes.read(failure.item) == code


def test_codes_of_different_slots_and_subjects_are_separate(codes: OneTimeCodeTable, code: OneTimeCode) -> None:
    reset = replace(code, purpose=CodePurpose.PASSWORD_RESET)
    codes.replace(codes.key(Slot.EMAIL, "a"), code)
    codes.replace(codes.key(Slot.PASSWORD_RESET, "a"), reset)

    assert stored(codes, codes.key(Slot.EMAIL, "a")) == code
    assert stored(codes, codes.key(Slot.PASSWORD_RESET, "a")) == reset
    assert stored(codes, codes.key(Slot.EMAIL, "b")) is None
