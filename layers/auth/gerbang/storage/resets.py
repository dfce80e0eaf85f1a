"""Password resets: one slot an account, holding the HMAC of the newest token. The token itself is nowhere."""

from dataclasses import dataclass
from datetime import datetime

from gerbang.core.clock import from_epoch, to_epoch
from gerbang.storage.store import Absent, AnyOf, ConditionFailed, Delete, Equal, Greater, Item, Key, Less, Put, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Reset:
    """The newest reset token of an account."""

    token_hash: str
    epoch: int
    """The account's when the token was made: any change of password since makes it worthless."""
    job_id: str
    issued_at_ms: int
    """When it was asked for, milliseconds since 1970: a later job's token replaces it, an earlier one's does not."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ResetTable:
    """Resets, in the table of one-time codes: partition key `pk`, TTL on `expires_at`."""

    store: Store
    table: str

    def key(self, user_id: str) -> Key:
        """Return the key of an account's slot."""
        return Key(self.table, f"RESET#{user_id}")

    def read(self, item: Item | None) -> Reset | None:
        """Return the reset that an item holds, None for none."""
        if item is None:
            return None
        return Reset(
            token_hash=str(item["token_hash"]),
            epoch=int(item["epoch"]),
            job_id=str(item["job_id"]),
            issued_at_ms=int(item["issued_at_ms"]),
            expires_at=from_epoch(int(item["expires_at"])),
        )

    def replace(self, user_id: str, reset: Reset) -> bool:
        """Put a token in the place of an older one; say whether it is now the newest. Twice is as good as once."""
        outcome = self.store.write(
            Put(
                self.key(user_id),
                {
                    "token_hash": reset.token_hash,
                    "epoch": reset.epoch,
                    "job_id": reset.job_id,
                    "issued_at_ms": reset.issued_at_ms,
                    "expires_at": to_epoch(reset.expires_at),
                },
                (AnyOf((Absent("pk"), Less("issued_at_ms", reset.issued_at_ms), Equal("job_id", reset.job_id))),),
            )
        )
        return not isinstance(outcome, ConditionFailed)

    def spending(self, user_id: str, reset: Reset, *, at: datetime) -> Delete:
        """Return the action that spends a token, refused when it is spent, replaced or expired."""
        return Delete(
            self.key(user_id),
            (Equal("token_hash", reset.token_hash), Greater("expires_at", to_epoch(at))),
        )
