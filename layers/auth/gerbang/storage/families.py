"""Refresh-token families: one item a sign-in, a counter that only moves on. No token is stored."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from gerbang.core.clock import from_epoch, to_epoch
from gerbang.storage.store import Absent, CopyOf, Delete, Equal, Greater, Item, Key, Less, Put, Store, Update, Written


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A sign-in and how far its refresh tokens have been traded."""

    family_id: str
    user_id: str
    generation: int
    confirmed: int
    """The newest generation that somebody was seen to use."""
    nonce: str
    """Nonce of the last trade: tells our own write, whose answer was lost, from somebody else's."""
    epoch: int
    """The account's epoch at sign-in; once the account's has moved on, the family is dead."""
    rotated_at: datetime
    previous_rotated_at: datetime
    created_at: datetime
    expires_at: datetime
    method: str
    """How the person signed in: `password`, `otp`, `oauth`, `anonymous` (the `amr` words of the clients)."""
    device: str
    """The User-Agent that signed in, cut to 200 characters."""
    address: str
    """The client address that signed in, as API Gateway saw it."""
    late_generation: int = 0
    """The newest generation that was handed out again although its parent came back late."""
    late_run: int = 0
    """How many generations in a row, up to that one, were."""

    def is_open(self, at: datetime) -> bool:
        """Say whether the family may still be used: DynamoDB may delete expired items days late."""
        return at < self.expires_at

    def forgives(self, generation: int, *, at: datetime, grace: timedelta, unconfirmed_grace: timedelta) -> bool:
        """Say whether a token already traded may have the current generation again.

        Yes while its own trade is younger than *grace* (tabs racing, a double click), two steps behind at most; and
        for the parent also while nobody has used its successor, at most for *unconfirmed_grace*: then the answer was
        lost. (docs/decisions/0002-forgive-until-used.md)
        """
        if generation == self.generation - 1:
            unused = self.confirmed < self.generation and at < self.rotated_at + unconfirmed_grace
            return unused or at < self.rotated_at + grace
        return generation == self.generation - 2 and at < self.previous_rotated_at + grace

    def late_in_a_row(self, *, at: datetime, grace: timedelta) -> int:
        """Return for how many generations in a row, with the current one, the parent has come back after the *grace*.

        To be asked of a token that is forgiven: after the grace that is the parent. 0 within it, since tabs may race at
        every trade.
        (docs/decisions/0018-late-returns-in-a-row.md)
        """
        if at < self.rotated_at + grace:
            return 0
        if self.late_generation == self.generation:
            return self.late_run
        return self.late_run + 1 if self.late_generation == self.generation - 1 else 1


@dataclass(frozen=True, slots=True)
class FamilyTable:
    """The table of families: partition key `pk` = the family's id, TTL on `expires_at`."""

    store: Store
    table: str

    def key(self, family_id: str) -> Key:
        """Return the key of a family."""
        return Key(self.table, family_id)

    def read(self, item: Item | None) -> Family | None:
        """Return the family that an item holds, None for none or for an item that holds no family."""
        if item is None or "generation" not in item:
            return None
        return Family(
            family_id=str(item["pk"]),
            user_id=str(item["user_id"]),
            generation=int(item["generation"]),
            confirmed=int(item["confirmed"]),
            nonce=str(item["nonce"]),
            epoch=int(item["epoch"]),
            rotated_at=from_epoch(int(item["rotated_at"])),
            previous_rotated_at=from_epoch(int(item["previous_rotated_at"])),
            created_at=from_epoch(int(item["created_at"])),
            expires_at=from_epoch(int(item["expires_at"])),
            method=str(item.get("method", "password")),
            device=str(item.get("device", "")),
            address=str(item.get("address", "")),
            late_generation=int(item.get("late_generation", 0)),
            late_run=int(item.get("late_run", 0)),
        )

    def creation(self, family: Family) -> Put:
        """Return the action that writes a new family, for the transaction that opens a session."""
        return Put(
            self.key(family.family_id),
            {
                "user_id": family.user_id,
                "generation": family.generation,
                "confirmed": family.confirmed,
                "nonce": family.nonce,
                "epoch": family.epoch,
                "rotated_at": to_epoch(family.rotated_at),
                "previous_rotated_at": to_epoch(family.previous_rotated_at),
                "created_at": to_epoch(family.created_at),
                "expires_at": to_epoch(family.expires_at),
                "method": family.method,
                "device": family.device,
                "address": family.address,
            },
            (Absent("pk"),),
        )

    def advance(self, family_id: str, held: int, *, nonce: str, at: datetime, until: datetime) -> Family | None:
        """Move the family on from the generation *held*; return it as it now stands, None if unknown.

        Of callers holding the same generation exactly one moves it and finds its own *nonce* in the answer. Expiry is
        in the condition because DynamoDB may delete expired items days late. One call, whatever happens: a refused
        condition carries the item that refused it.
        """
        outcome = self.store.write(
            Update(
                self.key(family_id),
                {
                    "generation": held + 1,
                    "nonce": nonce,
                    "previous_rotated_at": CopyOf("rotated_at"),
                    "rotated_at": to_epoch(at),
                    "expires_at": to_epoch(until),
                },
                (Equal("generation", held), Greater("expires_at", to_epoch(at))),
            )
        )
        return self.read(outcome.item)

    def confirm(self, family_id: str, generation: int) -> bool:
        """Record that the *current* generation was used; say whether that was news. At most one write a generation."""
        outcome = self.store.write(
            Update(
                self.key(family_id),
                {"confirmed": generation},
                (Equal("generation", generation), Less("confirmed", generation)),
            )
        )
        return isinstance(outcome, Written)

    def note_late(self, family: Family, run: int) -> None:
        """Record that the parent of the current generation came back late, as so many before it in a row."""
        self.store.write(
            Update(
                self.key(family.family_id),
                {"late_generation": family.generation, "late_run": run},
                (Equal("generation", family.generation),),
            )
        )

    def carry_over(self, family: Family, *, epoch: int) -> Update:
        """Return the action that carries a family over to another epoch of its account, refused when it has ended."""
        return Update(self.key(family.family_id), {"epoch": epoch}, (Equal("epoch", family.epoch),))

    def remove(self, family_id: str) -> None:
        """End the family: none of its tokens, issued or in flight, is worth anything from here on."""
        self.store.write(Delete(self.key(family_id)))
