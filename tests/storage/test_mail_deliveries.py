"""gerbang.storage.mail_deliveries: one caller at a time claims a mail job, and the mail is sent once."""

from datetime import timedelta
from uuid import uuid4

import pytest
from gerbang.core.clock import from_epoch
from gerbang.storage.mail_deliveries import Delivery, MailDeliveryTable
from gerbang.storage.one_time_codes import OneTimeCodeTable, Slot

from tests.conftest import Database
from tests.fakes import FakeClock, Fault, FaultyStore, at_once

SECOND = timedelta(seconds=1)
LEASE = timedelta(minutes=1)
KEPT = timedelta(days=15)


@pytest.fixture
def deliveries(database: Database) -> MailDeliveryTable:
    return MailDeliveryTable(database.store, database.tables["OneTimeCodes"])


def claim(deliveries: MailDeliveryTable, clock: FakeClock, job_id: str = "job-1", nonce: str | None = None) -> Delivery:
    return deliveries.claim(job_id, nonce or str(uuid4()), at=clock(), lease=LEASE, kept=KEPT)


def test_a_claimed_job_is_under_way_for_other_callers(deliveries: MailDeliveryTable, clock: FakeClock) -> None:
    assert claim(deliveries, clock) is Delivery.CLAIMED
    assert claim(deliveries, clock) is Delivery.UNDER_WAY
    assert claim(deliveries, clock, "job-2") is Delivery.CLAIMED


@pytest.mark.parametrize("given_up", [False, True], ids=["new", "given up"])
def test_exactly_one_of_twenty_concurrent_claims_succeeds(
    deliveries: MailDeliveryTable, clock: FakeClock, *, given_up: bool
) -> None:
    if given_up:
        claim(deliveries, clock, nonce="mine")
        deliveries.release("job-1", "mine", at=clock())

    outcomes = at_once([lambda: claim(deliveries, clock)] * 20)

    assert sorted(map(str, outcomes)) == ["claimed", *["under_way"] * 19]


def test_a_claim_expires_with_its_lease(deliveries: MailDeliveryTable, clock: FakeClock) -> None:
    claim(deliveries, clock)
    clock.advance(LEASE - SECOND)
    assert claim(deliveries, clock) is Delivery.UNDER_WAY

    clock.advance(SECOND)

    assert claim(deliveries, clock) is Delivery.CLAIMED
    assert claim(deliveries, clock) is Delivery.UNDER_WAY


def test_a_released_job_can_be_claimed_immediately(deliveries: MailDeliveryTable, clock: FakeClock) -> None:
    claim(deliveries, clock, nonce="mine")

    deliveries.release("job-1", "mine", at=clock())

    assert claim(deliveries, clock) is Delivery.CLAIMED


def test_a_sent_job_is_never_claimed_again(deliveries: MailDeliveryTable, clock: FakeClock) -> None:
    claim(deliveries, clock)
    deliveries.mark_sent("job-1", at=clock(), kept=KEPT)

    for _ in range(3):
        assert claim(deliveries, clock) is Delivery.SENT
        clock.advance(timedelta(days=4))  # longer than the queue keeps a message


def test_deliveries_expire_after_the_given_time(
    deliveries: MailDeliveryTable, database: Database, clock: FakeClock
) -> None:
    claim(deliveries, clock)
    (under_way,) = database.items("OneTimeCodes")
    clock.advance(SECOND)
    deliveries.mark_sent("job-1", at=clock(), kept=KEPT)
    (sent,) = database.items("OneTimeCodes")

    assert from_epoch(int(under_way["expires_at"])) == clock() - SECOND + KEPT
    assert from_epoch(int(sent["expires_at"])) == clock() + KEPT


def test_a_caller_cannot_release_the_claim_of_another(
    deliveries: MailDeliveryTable, database: Database, clock: FakeClock
) -> None:
    deliveries.release("job-1", "mine", at=clock())
    assert database.items("OneTimeCodes") == []
    claim(deliveries, clock, nonce="another's")

    deliveries.release("job-1", "mine", at=clock())

    assert claim(deliveries, clock) is Delivery.UNDER_WAY


def test_a_caller_can_repeat_its_own_claim(deliveries: MailDeliveryTable, clock: FakeClock) -> None:
    assert claim(deliveries, clock, nonce="mine") is Delivery.CLAIMED
    assert claim(deliveries, clock, nonce="mine") is Delivery.CLAIMED
    assert claim(deliveries, clock, nonce="another's") is Delivery.UNDER_WAY


@pytest.mark.covers("D6")
def test_a_claim_that_the_sdk_sends_twice_succeeds(deliveries: MailDeliveryTable, clock: FakeClock) -> None:
    twice = FaultyStore(deliveries.store, at=lambda call: call.nth == 0, fault=Fault.RETRIED)

    assert claim(MailDeliveryTable(twice, deliveries.table), clock) is Delivery.CLAIMED


def test_a_job_that_the_same_caller_has_sent_is_not_claimed_again(
    deliveries: MailDeliveryTable, clock: FakeClock
) -> None:
    claim(deliveries, clock, nonce="mine")
    deliveries.mark_sent("job-1", at=clock(), kept=KEPT)

    assert claim(deliveries, clock, nonce="mine") is Delivery.SENT


def test_deliveries_and_codes_do_not_collide_in_their_shared_table(
    deliveries: MailDeliveryTable, clock: FakeClock
) -> None:
    codes = OneTimeCodeTable(deliveries.store, deliveries.table)
    claim(deliveries, clock, "a")

    for slot in Slot:
        assert codes.read(codes.store.get(codes.key(slot, "a"))) is None
