"""One-time codes and what was mailed: an item an address with its newest code, an item a job with its delivery."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gerbang.core.clock import from_epoch, to_epoch
from gerbang.storage.store import (
    Absent,
    AnyOf,
    Change,
    ConditionFailed,
    Equal,
    Greater,
    Item,
    Key,
    Less,
    Put,
    Store,
    Update,
)


class CodePurpose(StrEnum):
    """What a code was mailed for."""

    SIGN_IN = "sign_in"
    """Asked for by somebody who wants to sign in, or to prove an address, without saying more."""
    VERIFICATION = "verification"
    """Mailed by the registration of the account that stands: redeeming it vouches for that registration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The newest code of an address. The digits are not stored, only their HMAC."""

    code_hash: str
    purpose: CodePurpose
    job_id: str
    issued_at_ms: int
    """When it was asked for, milliseconds since 1970: a later job's code replaces it, an earlier one's does not."""
    expires_at: datetime


class Delivery(StrEnum):
    """How far a mail has got."""

    OURS = "ours"
    """Claimed just now: whoever claimed it sends it."""
    UNDER_WAY = "under_way"
    """Somebody else is sending it; if they die, the claim ends by itself."""
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class CodeTable:
    """The table of one-time codes: partition key `pk`, TTL on `expires_at`."""

    store: Store
    table: str

    def key(self, address_digest: str) -> Key:
        """Return the key of an address's code."""
        return Key(self.table, f"CODE#{address_digest}")

    def read(self, item: Item | None) -> Code | None:
        """Return the code that an item holds, None for none or one that is spent."""
        if item is None or "spent" in item:
            return None
        return Code(
            code_hash=str(item["code_hash"]),
            purpose=CodePurpose(str(item["purpose"])),
            job_id=str(item["job_id"]),
            issued_at_ms=int(item["issued_at_ms"]),
            expires_at=from_epoch(int(item["expires_at"])),
        )

    def replace(self, address_digest: str, code: Code) -> bool:
        """Put a code in the place of an older one; say whether it is now the newest. Twice is as good as once."""
        outcome = self.store.write(
            Put(
                self.key(address_digest),
                {
                    "code_hash": code.code_hash,
                    "purpose": code.purpose,
                    "job_id": code.job_id,
                    "issued_at_ms": code.issued_at_ms,
                    "expires_at": to_epoch(code.expires_at),
                },
                (
                    AnyOf((Absent("pk"), Less("issued_at_ms", code.issued_at_ms), Equal("job_id", code.job_id))),
                    AnyOf((Absent("spent"), Less("issued_at_ms", code.issued_at_ms))),
                ),
            )
        )
        return not isinstance(outcome, ConditionFailed)

    def spending(self, address_digest: str, code: Code, *, at: datetime, kept: timedelta) -> Update:
        """Return the action that spends a code, refused when it is spent, replaced or expired.

        The item stays for *kept*, marked: a message that is delivered once more cannot bring its code back to life.
        """
        return Update(
            self.key(address_digest),
            {"spent": True, "expires_at": to_epoch(at + kept)},
            (Equal("code_hash", code.code_hash), Greater("expires_at", to_epoch(at)), Absent("spent")),
        )

    def claim_delivery(self, job_id: str, *, at: datetime, lease: timedelta, kept: timedelta) -> Delivery:
        """Claim the sending of a job's mail, or say that it is under way or done.

        A claim ends after *lease*, so that a mailer that died does not keep the mail; the note that it was sent is
        kept for *kept*, longer than a queue delivers.
        """
        key, now = self._delivery(job_id), to_epoch(at)
        outcome = self.store.write(
            Update(
                key,
                {"state": Delivery.UNDER_WAY, "claimed_until": to_epoch(at + lease), "expires_at": to_epoch(at + kept)},
                (AnyOf((Absent("pk"), Less("claimed_until", now + 1))),),
            )
        )
        if not isinstance(outcome, ConditionFailed):
            return Delivery.OURS
        sent = outcome.item is not None and outcome.item["state"] == Delivery.SENT
        return Delivery.SENT if sent else Delivery.UNDER_WAY

    def mark_sent(self, job_id: str, *, at: datetime, kept: timedelta) -> None:
        """Note that a job's mail was sent: nobody can claim it again."""
        forever = to_epoch(at + kept)
        changes: dict[str, Change] = {"state": Delivery.SENT, "claimed_until": forever, "expires_at": forever}
        self.store.write(Update(self._delivery(job_id), changes))

    def give_up_claim(self, job_id: str, *, at: datetime) -> None:
        """Let the next delivery of the message send the mail at once."""
        self.store.write(Update(self._delivery(job_id), {"claimed_until": to_epoch(at) - 1}))

    def _delivery(self, job_id: str) -> Key:
        return Key(self.table, f"DELIVERY#{job_id}")
