"""Lists accounts, the newest first, page by page, month by month through an index."""

import re
from collections.abc import Iterable
from datetime import datetime
from itertools import batched
from typing import Final, Self

from gerbang.core.dataclass import dataclass
from gerbang.storage.accounts import Identity, User, identity_name
from gerbang.storage.records import from_item
from gerbang.storage.store import Item, Key, Order, Query, Value
from gerbang.storage.users import FIRST_MONTH, NEWEST_FIRST, UserTable, month_of

LARGEST_BATCH: Final = 100
"""Items that one call reads at most (DynamoDB, API reference, BatchGetItem)."""

LARGEST_PAGE: Final = LARGEST_BATCH
"""Accounts a page at most: as many items as one BatchGetItem reads."""

MONTHS_PER_PAGE: Final = 36
"""The most months that one page reads, one query each. A query takes some 5 ms, so a page takes some 0.2 s even if no
month has accounts."""

_CURSOR: Final = re.compile(r"(\d{4}-(?:0[1-9]|1[0-2]))(?:\.(-?\d{1,12})\.([0-9a-f-]{36}))?", re.ASCII)
"""A month, and optionally the account of it to go on after: its time of creation and id."""


class InvalidCursor(ValueError):
    """The text is not a cursor of this list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPage:
    """Some accounts of a list. A page may be short, or empty, although another one follows."""

    users: tuple[User, ...]
    cursor: str | None
    """Where the next page begins; None: this is the last one. Letters, digits, `.` and `-`; it holds an account id."""


@dataclass(frozen=True, slots=True)
class NewestUsers:
    """Lists the accounts of a table. Guests are not listed: they expire by themselves, and bots make many."""

    users: UserTable

    def page(self, *, at: datetime, size: int, cursor: str | None = None) -> UserPage:
        """Return a page of accounts, the newest first, from the month of *at* on or from a cursor.

        An account that exists the whole time is on exactly one page, even if others are added or removed meanwhile. An
        account made within the last second or so may be missing, because DynamoDB updates an index after the table.
        *size* is 1 to `LARGEST_PAGE` accounts. One query for each month, and one read of all accounts.

        Raises:
            InvalidCursor: the cursor is not one of ours.
            ValueError: *size* is out of range.
        """
        if not 1 <= size <= LARGEST_PAGE:
            raise ValueError(f"a page has 1 to {LARGEST_PAGE} accounts, not {size}")
        store, position = self.users.store, Position(month_of(at)) if cursor is None else self.position(cursor)
        keys: list[Key] = []
        for _ in range(MONTHS_PER_PAGE):
            if len(keys) == size or position.month < FIRST_MONTH:
                break
            found = store.query(
                Query(
                    table=self.users.table,
                    pk=position.month,
                    index=NEWEST_FIRST,
                    order=Order.DESCENDING,
                    limit=size - len(keys),
                    after=position.after,
                )
            )
            keys += [Key(self.users.table, str(item["pk"]), str(item["sk"])) for item in found.items]
            position = position.month_before() if found.cursor is None else Position(position.month, found.cursor)
        accounts = [from_item(User, item) for item in (store.get_all(*keys) if keys else ())]
        return UserPage(
            users=tuple(account for account in accounts if account is not None),
            cursor=None if position.month < FIRST_MONTH else position.cursor,
        )

    def position(self, cursor: str) -> "Position":
        """Return the position that a cursor names.

        Raises:
            InvalidCursor: it is not one of ours.
        """
        match = _CURSOR.fullmatch(cursor)
        if match is None:
            raise InvalidCursor(cursor)
        month, created_at, user_id = match.groups()
        if created_at is None:
            return Position(month)
        after: dict[str, Value] = dict(self.users.key(user_id).attributes)
        return Position(month, after | {NEWEST_FIRST.partition: month, NEWEST_FIRST.sort: int(created_at)})


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: in a month, after an account of it; None: at its newest account."""

    month: str
    after: Item | None = None
    """The keys of the account in table and index, which need not exist any more."""

    @property
    def cursor(self) -> str:
        """The position as a text: letters, digits, `.` and `-`; it holds an account's id."""
        if self.after is None:
            return self.month
        user_id = str(self.after["pk"]).partition("#")[2]
        return f"{self.month}.{self.after[NEWEST_FIRST.sort]}.{user_id}"

    def month_before(self) -> Self:
        """Return the position of the newest account of the month before."""
        year, month = map(int, self.month.split("-"))
        return type(self)(f"{year - 1:04}-12" if month == 1 else f"{year:04}-{month - 1:02}")


def identities_of_each(users: UserTable, accounts: Iterable[User]) -> dict[str, tuple[Identity, ...]]:
    """Return the identities of several accounts by the account's id; no entry for an account without any.

    One call for each 100 identities.
    """
    keys = [
        users.identity_key(user.user_id, identity_name(provider, subject))
        for user in accounts
        for provider, subject in user.subjects.items()
    ]
    found: dict[str, tuple[Identity, ...]] = {}
    for some in batched(keys, LARGEST_BATCH, strict=False):
        for item in users.store.get_all(*some):
            identity = from_item(Identity, item)
            if identity is not None:
                found[identity.user_id] = (*found.get(identity.user_id, ()), identity)
    return found
