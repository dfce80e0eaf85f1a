"""Refresh-token families: one item per sign-in, a counter that only moves forward. No token is stored."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gerbang.core.clock import to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.storage.records import from_item, to_item, to_value
from gerbang.storage.store import (
    Absent,
    AnyOf,
    CopyOf,
    Delete,
    Equal,
    Greater,
    Item,
    Key,
    Less,
    Present,
    Put,
    Query,
    Store,
    Update,
    query_all,
)

AAL1: Final = "aal1"
"""One factor: the authenticator assurance level in GoTrue's terms."""
AAL2: Final = "aal2"
"""Two factors."""

SECOND_FACTORS: Final = ("totp", "recovery_code")
"""The methods of authentication that raise a session to `AAL2`."""

_NO_EPOCH: Final = -1
"""An epoch that no account has: a family with it has ended."""


LATE_IN_A_ROW: Final = 3
"""For how many generations in a row the parent may come back after the grace. Networks lose an answer now and then, but
a client that seems to lose every answer is two clients. (docs/decisions/0018-late-returns-in-a-row.md)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authentication:
    """One way in which the user authenticated: an entry of `amr`, in GoTrue's terms."""

    method: str
    """`password`, `otp`, `oauth` or `anonymous`; of a second factor `totp` or `recovery_code`."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A sign-in, and the current generation of its refresh tokens. Every field is stored."""

    user_id: str
    family_id: str
    generation: int
    confirmed: int
    """The newest generation that has been used."""
    nonce: str
    """Random, written by each refresh. It tells a write of ours whose answer was lost from another caller's write."""
    epoch: int
    """The account's epoch at sign-in; when the account's epoch is raised, the family has ended."""
    rotated_at: datetime
    previous_rotated_at: datetime
    created_at: datetime
    expires_at: datetime
    amr: tuple[Authentication, ...] = ()
    """Authentication methods references: how and when the user authenticated in this session."""
    aal: str = AAL1
    """Authenticator assurance level: `AAL1` or `AAL2`."""
    factor_id: str = ""
    """The second factor that raised it to `AAL2`; empty for a recovery code."""
    guest_role: str = "authenticated"
    """The `role` of the session's tokens while its user is a guest, as the API that opened the session promises it."""
    password_set_at: datetime | None = None
    """When the account's password was last set in this session."""
    device: str = ""
    """The User-Agent that signed in, cut to 200 characters."""
    address: str = ""
    """The client address that signed in, as API Gateway reported it."""
    late_generation: int = 0
    """The newest generation that was returned again because its parent came back late."""
    late_run: int = 0
    """How many generations in a row, up to `late_generation`, were returned again."""
    reused_at: datetime | None = None
    """When a reuse of its tokens was found, possibly by a thief: the family has ended, and is deleted next."""

    @property
    def method(self) -> str:
        """How the user signed in: the first method that is no second factor. Empty: the family is older than `amr`."""
        return next((each.method for each in self.amr if each.method not in SECOND_FACTORS), "")

    def raised(self, by: Authentication, *, factor_id: str) -> "Family":
        """Return the family of a user who has shown a second factor, too."""
        others = tuple(each for each in self.amr if each.method != by.method)
        return replace(self, aal=AAL2, amr=(*others, by), factor_id=factor_id)

    def is_open(self, at: datetime) -> bool:
        """Return whether the family has not expired. DynamoDB may delete expired items days late."""
        return at < self.expires_at

    def forgives(self, generation: int, *, at: datetime, grace: timedelta, unconfirmed_grace: timedelta) -> bool:
        """Return whether a used token may be exchanged for the current generation again.

        Yes while its own exchange is younger than *grace* (two tabs, a double click), two generations behind at most;
        and for the parent also while its successor is unused, at most for *unconfirmed_grace*: then the answer was
        lost. (docs/decisions/0002-forgive-until-used.md)
        """
        if generation == self.generation - 1:
            unused = self.confirmed < self.generation and at < self.rotated_at + unconfirmed_grace
            return unused or at < self.rotated_at + grace
        return generation == self.generation - 2 and at < self.previous_rotated_at + grace

    def late_in_a_row(self, *, at: datetime, grace: timedelta) -> int:
        """Return for how many generations in a row, including the current one, the parent came back after the *grace*.

        Call it for a token that is forgiven: after the grace that is the parent. 0 within the grace, because tabs
        may race at every refresh. (docs/decisions/0018-late-returns-in-a-row.md)
        """
        if at < self.rotated_at + grace:
            return 0
        if self.late_generation == self.generation:
            return self.late_run
        return self.late_run + 1 if self.late_generation == self.generation - 1 else 1


@dataclass(frozen=True, slots=True)
class FamilyTable:
    """The table of families: partition key `pk` = user id, sort key `sk` = family id, TTL on `expires_at`."""

    store: Store
    table: str

    def key(self, user_id: str, family_id: str) -> Key:
        """Return the key of a family."""
        return Key(self.table, user_id, family_id)

    def read(self, item: Item | None) -> Family | None:
        """Return the family in an item, None if there is no item or it is not a complete family."""
        return from_item(Family, item)

    def find(self, user_id: str, family_id: str) -> Family | None:
        """Return a user's family, None if there is none."""
        return self.read(self.store.get(self.key(user_id, family_id)))

    def list(self, user_id: str) -> tuple[Family, ...]:
        """Return the user's families, expired ones too until DynamoDB deletes them. One call per megabyte."""
        found = (self.read(item) for item in query_all(self.store, Query(table=self.table, pk=user_id)))
        return tuple(family for family in found if family is not None)

    def keys(self, user_id: str) -> tuple[Key, ...]:
        """Return the keys of the user's families, expired and damaged ones too. One call per megabyte."""
        found = query_all(self.store, Query(table=self.table, pk=user_id))
        return tuple(self.key(user_id, str(item["sk"])) for item in found)

    def creation(self, family: Family) -> Put:
        """Return the action that writes a new family, for the transaction that opens a session."""
        return Put(self._key_of(family), to_item(family), (Absent("pk"),))

    def advance(
        self, user_id: str, family_id: str, *, generation: int, nonce: str, at: datetime, until: datetime
    ) -> Family | None:
        """Advance the family from a *generation* to the next one; return its current state, None if there is none.

        Of callers with the same generation exactly one advances it and finds its own *nonce* in the result. Expiry is
        in the condition because DynamoDB may delete expired items days late. Always one call: a failed condition
        returns the item that failed it.
        """
        outcome = self.store.write(
            Update(
                self.key(user_id, family_id),
                {
                    "generation": generation + 1,
                    "nonce": nonce,
                    "previous_rotated_at": CopyOf("rotated_at"),
                    "rotated_at": to_epoch(at),
                    "expires_at": to_epoch(until),
                },
                (Equal("generation", generation), Greater("expires_at", to_epoch(at))),
            )
        )
        return self.read(outcome.item)

    def confirm(self, family: Family) -> None:
        """Record that the family's generation was used, if it is still the current one and this is its first use."""
        self.store.write(
            Update(
                self._key_of(family),
                {"confirmed": family.generation},
                (Equal("generation", family.generation), Less("confirmed", family.generation)),
            )
        )

    def record_late_return(self, family: Family, run: int) -> None:
        """Record that the parent of the current generation came back late, the *run*-th in a row to do so."""
        self.store.write(
            Update(
                self._key_of(family),
                {"late_generation": family.generation, "late_run": run},
                (Equal("generation", family.generation),),
            )
        )

    def carry_over(self, family: Family, *, epoch: int, password_set_at: datetime | None = None) -> Update:
        """Return the action that carries a family over to another epoch of its account; it fails if it has ended.

        *password_set_at*: when a password was set, if that raised the epoch.
        """
        set_at = {} if password_set_at is None else {"password_set_at": to_epoch(password_set_at)}
        return Update(self._key_of(family), {"epoch": epoch, **set_at}, (Equal("epoch", family.epoch),))

    def reauthenticate(self, family: Family, method: str, *, at: datetime) -> tuple[Family, Update]:
        """Return a family whose user has authenticated in another way, too, and the action that records it.

        The action fails if the session has ended.
        """
        others = tuple(each for each in family.amr if each.method != method)
        amr = (*others, Authentication(method=method, at=at))
        still_open = Equal("epoch", family.epoch), Greater("expires_at", to_epoch(at))
        return replace(family, amr=amr), Update(self._key_of(family), {"amr": to_value(amr)}, still_open)

    def raising(
        self, family: Family, by: Authentication, *, factor_id: str, nonce: str, epoch: int, until: datetime
    ) -> tuple[Family, Update]:
        """Return a family raised to `AAL2` and advanced, at another *epoch* of its account, and the action for it.

        The action fails if the family was advanced or has ended since it was read.
        """
        advanced = replace(
            family.raised(by, factor_id=factor_id),
            generation=family.generation + 1,
            nonce=nonce,
            epoch=epoch,
            previous_rotated_at=family.rotated_at,
            rotated_at=by.at,
            expires_at=until,
        )
        as_read, as_raised = to_item(family), to_item(advanced)
        changes = {name: value for name, value in as_raised.items() if as_read.get(name) != value}
        still_open = Equal("epoch", family.epoch), Greater("expires_at", to_epoch(by.at))
        return advanced, Update(self._key_of(family), changes, (Equal("generation", family.generation), *still_open))

    def lowering(self, family: Family) -> Update:
        """Return the action that lowers a family to `AAL1`. It fails if its level was raised again or it has ended."""
        amr = tuple(each for each in family.amr if each.method not in SECOND_FACTORS)
        changes = {"aal": AAL1, "factor_id": "", "amr": to_value(amr)}
        return Update(self._key_of(family), changes, (Equal("amr", to_value(family.amr)),))

    def ending_at_aal1(self, family: Family) -> Delete:
        """Return the action that ends a family of the level `AAL1`. It fails if the family has been raised since."""
        return Delete(self._key_of(family), (AnyOf((Absent("pk"), Equal("aal", AAL1))),))

    def remove(self, user_id: str, family_id: str) -> None:
        """Delete the family: from now on none of its tokens works, whether already issued or being issued."""
        self.store.write(Delete(self.key(user_id, family_id)))

    def remove_reused(self, family: Family, *, at: datetime) -> None:
        """End a family whose tokens may be stolen, and delete it. Two calls; the first one ends it.

        A deletion has no reason. So the reason is written into the item first, for the readers of the table's stream
        (docs/decisions/0039-events.md).
        """
        end = {"reused_at": to_epoch(at), "epoch": _NO_EPOCH}
        self.store.write(Update(self._key_of(family), end, (Present("pk"),)))
        self.remove(family.user_id, family.family_id)

    def _key_of(self, family: Family) -> Key:
        return self.key(family.user_id, family.family_id)
