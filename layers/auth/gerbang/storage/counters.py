"""Counters of attempts: an item a subject and limit, counting within a window that starts at the first attempt.

Every write carries a nonce, its *nonce*, and is refused where that is the last there was: so what the SDK sends again
after a lost answer is done once (D6), as long as nobody else counts in between.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gerbang.core.clock import from_epoch, to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.store import (
    Absent,
    AnyOf,
    Change,
    Delete,
    Differs,
    Equal,
    Greater,
    IfAbsent,
    Item,
    Key,
    Less,
    Plus,
    Put,
    Store,
    Update,
    Written,
)

_RACES: Final = 4
"""How often an ended window is found to have been started afresh by others, before we give up counting (503)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Attempts within a span that began with the first of them."""

    attempts: int
    until: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """The attempt was counted, under *nonce*; the window as it now stands."""

    window: Window
    nonce: str


@dataclass(frozen=True, slots=True)
class Full:
    """The attempt was not counted, there had been enough; the window as it stands."""

    window: Window


@dataclass(frozen=True, slots=True)
class CounterTable:
    """The table of counters: partition key `pk` = limit and subject, TTL on `expires_at`."""

    store: Store
    table: str

    def take(self, subject: str, *, most: int, at: datetime, window: timedelta, nonce: str) -> Taken | Full:
        """Count one more attempt, under a *nonce* of its own, unless *most* were made in the window that is running.

        One atomic update, so of attempts in parallel never more than *most* are taken. Only where a window has ended
        whose item TTL has not swept yet, a second update starts the next one.

        Raises:
            DependencyUnavailable: it could not be counted; a limit that cannot be counted is not a pass.
        """
        key, now, until = Key(self.table, subject), to_epoch(at), to_epoch(at + window)
        another = Update(
            key,
            {"attempts": Plus(1), "expires_at": IfAbsent(until), "nonce": nonce},
            (
                Differs("nonce", nonce),
                AnyOf((Absent("pk"), Greater("expires_at", now))),
                AnyOf((Absent("pk"), Less("attempts", most))),
            ),
        )
        for _ in range(_RACES):
            outcome = self.store.write(another)
            if isinstance(outcome, Written):
                return Taken(_window(outcome.item), nonce)
            if outcome.item is None:
                continue  # swept between the refusal and its report
            standing = _window(outcome.item)
            if outcome.item.get("nonce") == nonce:  # our own, in a try whose answer the SDK lost
                return Taken(standing, nonce)
            if standing.until > from_epoch(now):
                return Full(standing)
            ended = Equal("expires_at", to_epoch(standing.until))
            afresh = self.store.write(Update(key, {"attempts": 1, "expires_at": until, "nonce": nonce}, (ended,)))
            if isinstance(afresh, Written):
                return Taken(_window(afresh.item), nonce)
        raise DependencyUnavailable("an attempt could not be counted")

    def give_back(self, subject: str, taken: Taken) -> None:
        """Take an attempt out of its window again, if it is still that window."""
        nonce = f"{taken.nonce} given back"
        same_window = Equal("expires_at", to_epoch(taken.window.until))
        changes: dict[str, Change] = {"attempts": Plus(-1), "nonce": nonce}
        when = (same_window, Greater("attempts", 0), Differs("nonce", nonce))
        self.store.write(Update(Key(self.table, subject), changes, when))

    def clear(self, subject: str) -> None:
        """Forget a subject's attempts."""
        self.store.write(Delete(Key(self.table, subject)))

    def remember(self, subject: str, *, until: datetime) -> None:
        """Keep a mark for a subject until a time."""
        self.store.write(Put(Key(self.table, subject), {"expires_at": to_epoch(until)}))

    def remembers(self, subject: str, *, at: datetime) -> bool:
        """Say whether a subject's mark stands."""
        item = self.store.get(Key(self.table, subject))
        return item is not None and int(item["expires_at"]) > to_epoch(at)


def _window(item: Item) -> Window:
    return Window(attempts=int(item["attempts"]), until=from_epoch(int(item["expires_at"])))
