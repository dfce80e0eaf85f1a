"""Lists accounts by the numbers of pages, the newest first, as Supabase's clients ask for them.

A page's number does not say where the page begins, because accounts are added and removed. So a page that a caller
reads after the previous one begins where that one ended. Together, the pages are complete. A page that is asked for in
any other order is found by counting. (docs/decisions/0029-administrators.md)
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import batched
from typing import Final

from gerbang.core.clock import Clock
from gerbang.core.concurrency import run_concurrently
from gerbang.core.dataclass import dataclass
from gerbang.storage.accounts import User
from gerbang.storage.listings import ListingTable, Place
from gerbang.storage.newest_users import LARGEST_BATCH, NewestUsers, Position
from gerbang.storage.records import from_item
from gerbang.storage.store import Key, Order, Query, Select
from gerbang.storage.users import FIRST_MONTH, NEWEST_FIRST, UserTable, month_of

MOST_COUNTED: Final = 100_000
"""The most accounts that are counted. That takes some ten calls of a megabyte each."""

REMEMBERED_FOR: Final = timedelta(minutes=15)
"""How long a caller may take from one page to the next."""

EMPTY_FOR: Final = timedelta(minutes=5)
"""How long a month without accounts is not read again. Accounts of earlier months come from an import only."""

CONCURRENT_MONTHS: Final = 8
"""Months that are read at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedPage:
    """Some accounts of a list."""

    number: int
    users: tuple[User, ...]
    total: int
    """How many accounts the list had when the caller began to read it. Counting stops soon after `MOST_COUNTED`."""
    is_last: bool


class NumberedPages:
    """Lists the accounts of a table, without guests. Remembers which months have none; thread-safe."""

    def __init__(self, users: UserTable, listings: ListingTable, now: Clock) -> None:
        """Take the table of accounts, and the table of the pages that callers read last."""
        self._users = users
        self._listings = listings
        self._now = now
        self._empty_until: dict[str, datetime] = {}
        self._with_accounts: set[str] = set()
        """Months that had accounts when they were read. Some may be empty by now, which costs a query each."""

    def page(self, number: int, *, size: int, caller: str) -> NumberedPage:
        """Return a page of *size* accounts. *number* begins at 1; *caller* identifies the reader.

        If a caller reads the pages one after the other, an account that exists the whole time is on exactly one of
        them, even if others are added or removed meanwhile. The last page may be asked for again.
        """
        now = self._now()
        months = self._months(now)
        begins, total = self._start(number, size, self._listings.find(caller, now), months)
        if begins is None:
            return NumberedPage(number=number, users=(), total=total, is_last=True)
        keys, ends = self._keys(begins, size, months)
        place = Place(
            number=number,
            begins=begins.cursor,
            ends=None if ends is None else ends.cursor,
            total=total,
            expires_at=now + REMEMBERED_FOR,
        )
        accounts, _ = run_concurrently(lambda: self._read(keys), lambda: self._listings.keep(caller, place))
        return NumberedPage(number=number, users=accounts, total=total, is_last=ends is None)

    def _read(self, keys: Sequence[Key]) -> tuple[User, ...]:
        """Return the accounts that are still there."""
        items = (
            item for some in batched(keys, LARGEST_BATCH, strict=False) for item in self._users.store.get_all(*some)
        )
        accounts = (from_item(User, item) for item in items)
        return tuple(account for account in accounts if account is not None)

    def _start(self, number: int, size: int, place: Place | None, months: Sequence[str]) -> tuple[Position | None, int]:
        """Return where a page begins, None if after the last account, and how many accounts there are."""
        newest = NewestUsers(self._users)
        if place is not None and number == place.number > 1:
            return newest.position(place.begins), place.total
        if place is not None and number == place.number + 1:
            return None if place.ends is None else newest.position(place.ends), place.total
        skipped = (number - 1) * size
        counts = self._counts(months, at_least=skipped + size)
        for month, count in counts.items():
            if skipped < count:
                return self._skip(month, skipped), sum(counts.values())
            skipped -= count
        return None, sum(counts.values())

    def _months(self, now: datetime) -> list[str]:
        """Return the months that have accounts, the newest first; always with this month and the one before."""
        position = Position(month_of(now))
        recent = [position.month, position.month_before().month]
        older, position = list[str](), position.month_before().month_before()
        while position.month >= FIRST_MONTH:
            older.append(position.month)
            position = position.month_before()
        unknown = [
            month for month in older if month not in self._with_accounts and self._empty_until.get(month, now) <= now
        ]
        for month, count in self._of_each(unknown, lambda month: self._count(month, limit=1)):
            if count:
                self._with_accounts.add(month)
            else:
                self._empty_until[month] = now + EMPTY_FOR
        return [*recent, *(month for month in older if month in self._with_accounts)]

    def _counts(self, months: Sequence[str], *, at_least: int) -> dict[str, int]:
        """Return how many accounts each month has, until there are *at_least* so many, or `MOST_COUNTED`."""
        counts: dict[str, int] = {}
        for month, count in self._of_each(months, self._count):
            counts[month] = count
            if sum(counts.values()) >= max(MOST_COUNTED, at_least):
                break
        return counts

    def _of_each(self, months: Sequence[str], count: Callable[[str], int]) -> Iterator[tuple[str, int]]:
        for some in batched(months, CONCURRENT_MONTHS, strict=False):
            yield from zip(some, run_concurrently(*(lambda month=month: count(month) for month in some)), strict=True)

    def _count(self, month: str, *, limit: int | None = None) -> int:
        """Return how many accounts a month has, *limit* at most."""
        query = replace(self._query(month), select=Select.COUNT, limit=limit)
        page = self._users.store.query(query)
        count = page.count
        while page.cursor is not None and limit is None:
            page = self._users.store.query(replace(query, after=page.cursor))
            count += page.count
        return count

    def _skip(self, month: str, skipped: int) -> Position:
        """Return the position after the first *skipped* accounts of a month."""
        position = Position(month)
        while skipped:
            query = replace(self._query(month), select=Select.COUNT, limit=skipped, after=position.after)
            page = self._users.store.query(query)
            if page.cursor is None:  # accounts were removed meanwhile
                return position.month_before()
            position, skipped = Position(month, page.cursor), skipped - page.count
        return position

    def _keys(self, begins: Position, size: int, months: Sequence[str]) -> tuple[list[Key], Position | None]:
        """Return the keys of *size* accounts and where the next page begins, None if there is none."""
        found: list[tuple[Key, Position]] = []
        positions = [begins, *(Position(month) for month in months if month < begins.month)]
        for first in positions:
            position: Position | None = first
            while position is not None and len(found) <= size:
                query = replace(self._query(position.month), limit=size + 1 - len(found), after=position.after)
                page = self._users.store.query(query)
                found += [
                    (Key(self._users.table, str(item["pk"]), str(item["sk"])), Position(position.month, item))
                    for item in page.items
                ]
                position = None if page.cursor is None else Position(position.month, page.cursor)
            if len(found) > size:
                return [key for key, _ in found[:size]], found[size - 1][1]
        return [key for key, _ in found], None

    def _query(self, month: str) -> Query:
        return Query(table=self._users.table, pk=month, index=NEWEST_FIRST, order=Order.DESCENDING)
