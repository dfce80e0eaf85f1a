"""gerbang.storage.codes: the newest code of an address, spent once, and mails that are sent once."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from gerbang.core.clock import from_epoch, to_epoch
from gerbang.storage.codes import Code, CodePurpose, CodeTable, Delivery
from gerbang.storage.store import ConditionFailed

from tests.conftest import Database
from tests.fakes import FakeClock, Fault, FaultyStore, at_once

SECOND = timedelta(seconds=1)
LEASE = timedelta(minutes=1)
KEPT = timedelta(days=15)


@pytest.fixture
def codes(database: Database) -> CodeTable:
    return CodeTable(database.store, database.tables["OneTimeCodes"])


@pytest.fixture
def code(clock: FakeClock) -> Code:
    return Code(
        code_hash="hash of 123456",
        purpose=CodePurpose.SIGN_IN,
        job_id="job-1",
        issued_at_ms=1_000_000,
        expires_at=clock() + timedelta(minutes=10),
    )


def standing(codes: CodeTable, address: str = "address") -> Code | None:
    return codes.read(codes.store.get(codes.key(address)))


def spend(codes: CodeTable, code: Code, clock: FakeClock) -> bool:
    return codes.store.commit(codes.spending("address", code, at=clock(), kept=KEPT)) == ()


# The newest code


@pytest.mark.parametrize("purpose", CodePurpose)
def test_a_code_is_read_as_it_was_written(codes: CodeTable, code: Code, purpose: CodePurpose) -> None:
    code = replace(code, purpose=purpose)

    assert codes.replace("address", code)

    assert standing(codes) == code
    assert standing(codes, "another address") is None
    assert codes.read(None) is None


def test_ttl_sweeps_codes_when_they_end(codes: CodeTable, database: Database, code: Code) -> None:
    codes.replace("address", code)

    (item,) = database.items("OneTimeCodes")
    assert item["expires_at"] == to_epoch(code.expires_at)


def test_a_later_wish_replaces_an_earlier_one_and_not_the_other_way_round(codes: CodeTable, code: Code) -> None:
    later = replace(code, code_hash="hash of 654321", job_id="job-2", issued_at_ms=code.issued_at_ms + 1)

    assert codes.replace("address", code)
    assert codes.replace("address", later)
    assert not codes.replace("address", code)

    assert standing(codes) == later


def test_of_wishes_of_the_same_millisecond_the_first_served_stays(codes: CodeTable, code: Code) -> None:
    codes.replace("address", code)

    assert not codes.replace("address", replace(code, job_id="job-2"))

    assert standing(codes) == code


def test_the_same_wish_again_is_as_good_as_once(codes: CodeTable, code: Code) -> None:
    longer = replace(code, expires_at=code.expires_at + LEASE)

    assert codes.replace("address", code)
    assert codes.replace("address", longer)

    assert standing(codes) == longer


def test_of_wishes_at_once_the_latest_is_left(codes: CodeTable, code: Code) -> None:
    jobs = [replace(code, job_id=f"job-{n}", issued_at_ms=code.issued_at_ms + n) for n in range(20)]

    at_once([partial(codes.replace, "address", job) for job in jobs])

    assert standing(codes) == jobs[-1]


# Spending: F13, F35


def test_a_code_is_spent_once(codes: CodeTable, code: Code, clock: FakeClock) -> None:
    codes.replace("address", code)

    assert spend(codes, code, clock)
    assert not spend(codes, code, clock)

    assert standing(codes) is None


@pytest.mark.covers("F13")
def test_of_twenty_who_spend_a_code_at_once_one_does(codes: CodeTable, code: Code, clock: FakeClock) -> None:
    codes.replace("address", code)

    assert at_once([lambda: spend(codes, code, clock)] * 20).count(True) == 1


def test_a_code_that_was_spent_stays_spent_whichever_wish_comes_again(
    codes: CodeTable, code: Code, clock: FakeClock
) -> None:
    earlier = replace(code, job_id="job-0", issued_at_ms=code.issued_at_ms - 1)
    codes.replace("address", code)
    spend(codes, code, clock)

    for job in (code, replace(code, expires_at=code.expires_at + LEASE), earlier):
        assert not codes.replace("address", job)
        assert not spend(codes, job, clock)

    assert standing(codes) is None


def test_a_later_wish_takes_the_place_of_a_code_that_was_spent(codes: CodeTable, code: Code, clock: FakeClock) -> None:
    later = replace(code, code_hash="hash of 654321", job_id="job-2", issued_at_ms=code.issued_at_ms + 1)
    codes.replace("address", code)
    spend(codes, code, clock)

    assert codes.replace("address", later)

    assert standing(codes) == later
    assert spend(codes, later, clock)


def test_a_spent_code_is_remembered_for_as_long_as_was_asked(
    codes: CodeTable, database: Database, code: Code, clock: FakeClock
) -> None:
    codes.replace("address", code)
    spend(codes, code, clock)

    (item,) = database.items("OneTimeCodes")
    assert item["expires_at"] == to_epoch(clock() + KEPT)


def test_a_code_cannot_be_spent_once_another_has_taken_its_place(
    codes: CodeTable, code: Code, clock: FakeClock
) -> None:
    later = replace(code, code_hash="hash of 654321", job_id="job-2", issued_at_ms=code.issued_at_ms + 1)
    codes.replace("address", code)
    codes.replace("address", later)

    assert not spend(codes, code, clock)

    assert standing(codes) == later


@pytest.mark.covers("F35")
def test_a_code_that_ttl_has_not_swept_yet_cannot_be_spent(codes: CodeTable, code: Code, clock: FakeClock) -> None:
    codes.replace("address", code)
    clock.at = code.expires_at

    assert not spend(codes, code, clock)

    clock.advance(-SECOND)
    assert spend(codes, code, clock)


# Sending once


def claim(codes: CodeTable, clock: FakeClock, job_id: str = "job-1") -> Delivery:
    return codes.claim_delivery(job_id, at=clock(), lease=LEASE, kept=KEPT)


def test_a_wish_is_claimed_by_one_and_under_way_for_the_others(codes: CodeTable, clock: FakeClock) -> None:
    assert claim(codes, clock) is Delivery.OURS
    assert claim(codes, clock) is Delivery.UNDER_WAY
    assert claim(codes, clock, "job-2") is Delivery.OURS


@pytest.mark.parametrize("given_up", [False, True], ids=["new", "given up"])
def test_of_twenty_who_claim_a_wish_at_once_one_does(codes: CodeTable, clock: FakeClock, *, given_up: bool) -> None:
    if given_up:
        claim(codes, clock)
        codes.give_up_claim("job-1", at=clock())

    outcomes = at_once([lambda: claim(codes, clock)] * 20)

    assert sorted(map(str, outcomes)) == ["ours", *["under_way"] * 19]


def test_the_claim_of_a_mailer_that_died_ends_by_itself(codes: CodeTable, clock: FakeClock) -> None:
    claim(codes, clock)
    clock.advance(LEASE - SECOND)
    assert claim(codes, clock) is Delivery.UNDER_WAY

    clock.advance(SECOND)

    assert claim(codes, clock) is Delivery.OURS
    assert claim(codes, clock) is Delivery.UNDER_WAY


def test_a_claim_that_was_given_up_is_free_at_once(codes: CodeTable, clock: FakeClock) -> None:
    claim(codes, clock)

    codes.give_up_claim("job-1", at=clock())

    assert claim(codes, clock) is Delivery.OURS


def test_what_was_sent_is_never_claimed_again(codes: CodeTable, clock: FakeClock) -> None:
    claim(codes, clock)
    codes.mark_sent("job-1", at=clock(), kept=KEPT)

    for _ in range(3):
        assert claim(codes, clock) is Delivery.SENT
        clock.advance(timedelta(days=4))  # longer than the queue keeps a message


def test_notes_of_deliveries_are_kept_as_long_as_was_asked(
    codes: CodeTable, database: Database, clock: FakeClock
) -> None:
    claim(codes, clock)
    (under_way,) = database.items("OneTimeCodes")
    clock.advance(SECOND)
    codes.mark_sent("job-1", at=clock(), kept=KEPT)
    (sent,) = database.items("OneTimeCodes")

    assert from_epoch(int(under_way["expires_at"])) == clock() - SECOND + KEPT
    assert from_epoch(int(sent["expires_at"])) == clock() + KEPT


@pytest.mark.covers("D6")
def test_a_claim_that_the_sdk_asked_for_twice_is_looked_at_again_after_its_lease(
    codes: CodeTable, clock: FakeClock
) -> None:
    twice = FaultyStore(codes.store, at=lambda call: call.nth == 0, fault=Fault.ASKED_AGAIN)

    assert claim(CodeTable(twice, codes.table), clock) is Delivery.UNDER_WAY

    clock.advance(LEASE)
    assert claim(codes, clock) is Delivery.OURS


def test_deliveries_and_codes_do_not_meet(codes: CodeTable, code: Code, clock: FakeClock) -> None:
    codes.replace("job-1", code)

    assert claim(codes, clock, "job-1") is Delivery.OURS
    assert standing(codes, "job-1") == code


def test_a_refusal_to_spend_says_what_stands(codes: CodeTable, code: Code, clock: FakeClock) -> None:
    codes.replace("address", code)

    another = replace(code, code_hash="another")

    (refusal,) = codes.store.commit(codes.spending("address", another, at=clock(), kept=KEPT))

    assert isinstance(refusal, ConditionFailed)
    assert codes.read(refusal.item) == code
