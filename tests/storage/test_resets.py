"""gerbang.storage.resets: the newest reset token of an account, spent once."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from gerbang.core.clock import to_epoch
from gerbang.storage.codes import Code, CodePurpose, CodeTable
from gerbang.storage.resets import Reset, ResetTable

from tests.conftest import Database
from tests.fakes import FakeClock, at_once

SECOND = timedelta(seconds=1)
ACCOUNT = "00000001-0000-4000-8000-000000000001"


@pytest.fixture
def resets(database: Database) -> ResetTable:
    return ResetTable(database.store, database.tables["OneTimeCodes"])


@pytest.fixture
def reset(clock: FakeClock) -> Reset:
    return Reset(
        token_hash="hash of a token",
        epoch=3,
        job_id="job-1",
        issued_at_ms=1_000_000,
        expires_at=clock() + timedelta(minutes=30),
    )


@pytest.fixture
def later(reset: Reset) -> Reset:
    return replace(reset, token_hash="hash of another", job_id="job-2", issued_at_ms=reset.issued_at_ms + 1)


def standing(resets: ResetTable, user_id: str = ACCOUNT) -> Reset | None:
    return resets.read(resets.store.get(resets.key(user_id)))


def spend(resets: ResetTable, reset: Reset, clock: FakeClock) -> bool:
    return resets.store.commit(resets.spending(ACCOUNT, reset, at=clock())) == ()


def test_a_reset_is_read_as_it_was_written(resets: ResetTable, reset: Reset) -> None:
    assert resets.replace(ACCOUNT, reset)

    assert standing(resets) == reset
    assert standing(resets, "another account") is None
    assert resets.read(None) is None


def test_ttl_sweeps_resets_when_they_end(resets: ResetTable, database: Database, reset: Reset) -> None:
    resets.replace(ACCOUNT, reset)

    (item,) = database.items("OneTimeCodes")
    assert item["expires_at"] == to_epoch(reset.expires_at)


def test_a_later_wish_replaces_an_earlier_one_and_not_the_other_way_round(
    resets: ResetTable, reset: Reset, later: Reset
) -> None:
    assert resets.replace(ACCOUNT, reset)
    assert resets.replace(ACCOUNT, later)
    assert not resets.replace(ACCOUNT, reset)

    assert standing(resets) == later


def test_of_wishes_of_the_same_millisecond_the_first_served_stays(resets: ResetTable, reset: Reset) -> None:
    resets.replace(ACCOUNT, reset)

    assert not resets.replace(ACCOUNT, replace(reset, job_id="job-2"))

    assert standing(resets) == reset


def test_the_same_wish_again_is_as_good_as_once(resets: ResetTable, reset: Reset) -> None:
    longer = replace(reset, expires_at=reset.expires_at + SECOND)

    assert resets.replace(ACCOUNT, reset)
    assert resets.replace(ACCOUNT, longer)

    assert standing(resets) == longer


def test_of_wishes_at_once_the_latest_is_left(resets: ResetTable, reset: Reset) -> None:
    jobs = [replace(reset, job_id=f"job-{n}", issued_at_ms=reset.issued_at_ms + n) for n in range(20)]

    at_once([partial(resets.replace, ACCOUNT, job) for job in jobs])

    assert standing(resets) == jobs[-1]


def test_a_reset_is_spent_once(resets: ResetTable, reset: Reset, clock: FakeClock) -> None:
    resets.replace(ACCOUNT, reset)

    assert spend(resets, reset, clock)
    assert not spend(resets, reset, clock)

    assert standing(resets) is None


def test_of_twenty_who_spend_a_reset_at_once_one_does(resets: ResetTable, reset: Reset, clock: FakeClock) -> None:
    resets.replace(ACCOUNT, reset)

    assert at_once([lambda: spend(resets, reset, clock)] * 20).count(True) == 1


def test_a_reset_cannot_be_spent_once_another_has_taken_its_place(
    resets: ResetTable, reset: Reset, later: Reset, clock: FakeClock
) -> None:
    resets.replace(ACCOUNT, reset)
    resets.replace(ACCOUNT, later)

    assert not spend(resets, reset, clock)

    assert standing(resets) == later


@pytest.mark.covers("F35")
def test_a_reset_that_ttl_has_not_swept_yet_cannot_be_spent(resets: ResetTable, reset: Reset, clock: FakeClock) -> None:
    resets.replace(ACCOUNT, reset)
    clock.at = reset.expires_at

    assert not spend(resets, reset, clock)

    clock.advance(-SECOND)
    assert spend(resets, reset, clock)


def test_resets_and_codes_share_a_table_and_do_not_meet(resets: ResetTable, reset: Reset, clock: FakeClock) -> None:
    codes = CodeTable(resets.store, resets.table)
    code = Code(
        code_hash="hash of a code",
        purpose=CodePurpose.SIGN_IN,
        job_id="job-1",
        issued_at_ms=reset.issued_at_ms,
        expires_at=clock() + timedelta(minutes=10),
    )

    resets.replace(ACCOUNT, reset)
    codes.replace(ACCOUNT, code)

    assert standing(resets) == reset
    assert codes.read(codes.store.get(codes.key(ACCOUNT))) == code
