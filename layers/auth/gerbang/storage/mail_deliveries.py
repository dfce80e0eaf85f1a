"""Deliveries of mails: one item per mail job, so that a message that the queue delivers twice sends one mail."""

from datetime import datetime, timedelta
from enum import StrEnum

from gerbang.core.clock import to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.storage.store import Absent, AnyOf, Change, ConditionFailed, Equal, Key, Less, Store, Update


class Delivery(StrEnum):
    """The state of a mail's delivery."""

    CLAIMED = "claimed"
    """Claimed by this caller, which now sends the mail."""
    UNDER_WAY = "under_way"
    """Claimed by another caller. The claim ends by itself if that caller dies."""
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class MailDeliveryTable:
    """Deliveries, in the table of one-time codes: partition key `pk`, TTL on `expires_at`."""

    store: Store
    table: str

    def claim(self, job_id: str, nonce: str, *, at: datetime, lease: timedelta, kept: timedelta) -> Delivery:
        """Claim the delivery of a job's mail, or return that it is under way or done.

        A claim ends after *lease*. The *nonce* is the caller's own, the same for all its tries: a caller whose write
        was executed and whose answer was lost finds its own claim (faults.md, D6). The record is kept for *kept*.
        """
        outcome = self.store.write(
            Update(
                self._key(job_id),
                {
                    "state": Delivery.UNDER_WAY,
                    "nonce": nonce,
                    "claimed_until": to_epoch(at + lease),
                    "expires_at": to_epoch(at + kept),
                },
                (AnyOf((Absent("pk"), Less("claimed_until", to_epoch(at) + 1))),),
            )
        )
        if not isinstance(outcome, ConditionFailed):
            return Delivery.CLAIMED
        item = outcome.item or {}
        if item.get("state") == Delivery.SENT:
            return Delivery.SENT
        return Delivery.CLAIMED if item.get("nonce") == nonce else Delivery.UNDER_WAY

    def mark_sent(self, job_id: str, *, at: datetime, kept: timedelta) -> None:
        """Record that a job's mail was sent: it cannot be claimed again while the record is kept."""
        until = to_epoch(at + kept)
        changes: dict[str, Change] = {"state": Delivery.SENT, "claimed_until": until, "expires_at": until}
        self.store.write(Update(self._key(job_id), changes))

    def release(self, job_id: str, nonce: str, *, at: datetime) -> None:
        """End the caller's own claim, so that the next delivery of the message can send the mail at once."""
        self.store.write(Update(self._key(job_id), {"claimed_until": to_epoch(at) - 1}, (Equal("nonce", nonce),)))

    def _key(self, job_id: str) -> Key:
        return Key(self.table, f"DELIVERY#{job_id}")
