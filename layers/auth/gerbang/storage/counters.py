"""Counters of attempts: one item per limit and subject, with a window that starts at the first attempt.

Each attempt has a token of its own, which is an attribute of the item until the attempt is settled. So a write that
the SDK sends again is done once (D6), an attempt whose write had no answer can be given back, and a full counter
tells how many of its attempts may still be running. (docs/decisions/0023-limits.md)
"""

from datetime import datetime, timedelta
from typing import Final

from gerbang.core.clock import from_epoch, to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.store import (
    Absent,
    AnyOf,
    Change,
    Delete,
    Equal,
    Gone,
    Greater,
    IfAbsent,
    Item,
    Key,
    Less,
    Plus,
    Present,
    Put,
    Store,
    Update,
    Value,
    Written,
)

LONGEST_RUN: Final = timedelta(seconds=20)
"""After this time an attempt is not running any more: the `Timeout` of the functions in `template.yaml`."""

_RACES: Final = 4
"""How often other requests may start a new window first, before counting fails (503)."""

_PREFIX: Final = "~"
"""The prefix of attributes that are tokens. Short, because a write is charged by the KiB of its item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A counter, as the database returned it."""

    attempts: int
    until: datetime
    """The window's end."""
    in_flight: int
    """How many of the attempts are not settled, and may still be running."""
    known: bool
    """Whether the subject was marked as known, and still is."""


class Taken(Count):
    """The attempt was counted; it is one of `attempts`."""


class Full(Count):
    """The attempt was not counted, because there were enough."""


@dataclass(frozen=True, slots=True)
class CounterTable:
    """The table of counters: partition key `pk` = limit and subject, TTL on `expires_at`."""

    store: Store
    table: str

    def take(self, subject: str, *, most: int, at: datetime, window: timedelta, token: str) -> Taken | Full:
        """Count one more attempt, under a *token* of its own, unless *most* were made in the current window.

        One atomic update, so of parallel attempts never more than *most* are counted. If the window has ended and TTL
        has not deleted its item yet, a second update starts the next window.

        Raises:
            DependencyUnavailable: The attempt could not be counted, or may have been: give it back.
        """
        key, now, until, attribute = self._key(subject), to_epoch(at), to_epoch(at + window), _PREFIX + token
        running_until = to_epoch(at + LONGEST_RUN)
        increment = Update(
            key,
            {"attempts": Plus(1), "until": IfAbsent(until), "expires_at": IfAbsent(until), attribute: running_until},
            (
                Absent(attribute),
                AnyOf((Absent("until"), Greater("until", now))),
                AnyOf((Absent("attempts"), Less("attempts", most))),
            ),
        )
        for _ in range(_RACES):
            outcome = self.store.write(increment)
            item = outcome.item
            if item is None:
                continue  # TTL deleted the item after it failed the condition
            if attribute in item:  # counted now, or in a try whose answer the SDK lost
                return _count(Taken, item, at)
            if int(item["until"]) > now:
                return _count(Full, item, at)
            changes: dict[str, Change] = {name: Gone() for name in item if name.startswith(_PREFIX)}
            expires_at = max(until, int(item["expires_at"]))  # an item that is remembered has a later one
            changes |= {"attempts": 1, "until": until, "expires_at": expires_at, attribute: running_until}
            started = self.store.write(Update(key, changes, (Equal("until", int(item["until"])),)))
            if isinstance(started, Written):
                return _count(Taken, started.item, at)
        raise DependencyUnavailable("an attempt could not be counted")

    def give_back(self, subject: str, token: str) -> None:
        """Uncount an attempt, if it was counted, has not been settled, and its window is the current one."""
        attribute = _PREFIX + token
        self.store.write(Update(self._key(subject), {"attempts": Plus(-1), attribute: Gone()}, (Present(attribute),)))

    def settle(self, subject: str, token: str) -> None:
        """Record that an attempt has ended and stays counted."""
        attribute = _PREFIX + token
        self.store.write(Update(self._key(subject), {attribute: Gone()}, (Present(attribute),)))

    def clear(self, subject: str) -> None:
        """Forget a subject's attempts."""
        self.store.write(Delete(self._key(subject)))

    def remember(self, subject: str, *, until: datetime, window: timedelta) -> None:
        """Forget a subject's attempts, and mark the subject as known until a time. *window* is the counter's."""
        item: dict[str, Value] = {"known_until": to_epoch(until), "expires_at": to_epoch(until + window)}
        self.store.write(Put(self._key(subject), item))

    def read(self, subject: str, *, at: datetime) -> Count | None:
        """Return a subject's counter; None if no window is running."""
        item = self.store.get(self._key(subject))
        if item is None or int(item.get("until", 0)) <= to_epoch(at):
            return None
        return _count(Count, item, at)

    def _key(self, subject: str) -> Key:
        return Key(self.table, subject)


def _count[C: Count](kind: type[C], item: Item, at: datetime) -> C:
    now = to_epoch(at)
    return kind(
        attempts=int(item["attempts"]),
        until=from_epoch(int(item["until"])),
        in_flight=sum(name.startswith(_PREFIX) and int(until) > now for name, until in item.items()),
        known=int(item.get("known_until", 0)) > now,
    )
