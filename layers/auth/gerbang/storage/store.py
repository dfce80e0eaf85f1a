"""What every store guarantees: consistent reads, conditional writes, transactions, paged queries.

Conditions, changes and queries are values, not expression text. So no request can reach an expression (ASVS 1.2.4),
every table module reads the same. `tests/fakes.py` gives the same guarantees in memory, and passes the same tests.
(docs/decisions/0003-conditions-are-values.md)
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from typing import Protocol

from gerbang.core.dataclass import dataclass

type Value = str | int | bool
"""The types of attributes. Times are whole seconds since 1970, structures are JSON text."""

type Item = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Key:
    """Names one item: a table, its partition key and, where the table has one, its sort key."""

    table: str
    pk: str
    sk: str | None = None

    @property
    def attributes(self) -> dict[str, Value]:
        """The key as attributes of the item."""
        return {"pk": self.pk} if self.sk is None else {"pk": self.pk, "sk": self.sk}


# Conditions. Of the comparisons, only `Differs` holds for an absent attribute, as in DynamoDB.


@dataclass(frozen=True, slots=True)
class Absent:
    """Holds when the item has no such attribute; `Absent("pk")`: when there is no item."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Present:
    """Holds when the item has the attribute; `Present("pk")`: when there is an item."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Equal:
    """Holds when the attribute is there and equal to the value."""

    attribute: str
    value: Value


@dataclass(frozen=True, slots=True)
class Differs:
    """Holds when the attribute is absent, or is there and not equal to the value: the opposite of `Equal`."""

    attribute: str
    value: Value


@dataclass(frozen=True, slots=True)
class Less:
    """Holds when the attribute is there and below the value."""

    attribute: str
    value: int


@dataclass(frozen=True, slots=True)
class Greater:
    """Holds when the attribute is there and above the value."""

    attribute: str
    value: int


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds when at least one of the conditions does."""

    conditions: tuple["Condition", ...]


type Condition = Absent | Present | Equal | Differs | Less | Greater | AnyOf


# Changes, for `Update.changes`; a bare value sets the attribute to it.


@dataclass(frozen=True, slots=True)
class Plus:
    """Adds to a number; an absent attribute counts from 0."""

    amount: int


@dataclass(frozen=True, slots=True)
class CopyOf:
    """Copies the value that another attribute had before the update."""

    attribute: str


@dataclass(frozen=True, slots=True)
class IfAbsent:
    """Sets the attribute only if it is absent."""

    value: Value


@dataclass(frozen=True, slots=True)
class Gone:
    """Removes the attribute."""


type Change = Value | Plus | CopyOf | IfAbsent | Gone


@dataclass(frozen=True, slots=True)
class Put:
    """Writes a whole item in place of the current one, if every condition holds for the current one."""

    key: Key
    item: Item
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Update:
    """Changes attributes of an item, or creates it, if every condition holds for the current item."""

    key: Key
    changes: Mapping[str, Change]
    when: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletes an item, if every condition holds for it."""

    key: Key
    when: tuple[Condition, ...] = ()


type Action = Put | Update | Delete


@dataclass(frozen=True, slots=True)
class Written:
    """The write was done. `item` is the item after an Update, empty after a Put or Delete."""

    item: Item


@dataclass(frozen=True, slots=True)
class ConditionFailed:
    """A condition did not hold. `item` is the current item, None if there is none, so no second read is needed."""

    item: Item | None


type Outcome = Written | ConditionFailed

type CommitOutcome = tuple[ConditionFailed | None, ...]
"""Empty if all was committed. Otherwise nothing was: each action has its ConditionFailed, or None if its own conditions
did hold."""


# Queries


class Order(Enum):
    """The order in which a query returns items, by their sort keys."""

    ASCENDING = "ascending"
    DESCENDING = "descending"


class Select(Enum):
    """What a query returns of the items."""

    ITEMS = "items"
    COUNT = "count"
    """Only how many there are. It reads as much, and sends less."""


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index: its name and the attributes that are its partition and sort key.

    It holds the items that have both attributes, and of them only the keys (KEYS_ONLY).
    """

    name: str
    partition: str
    sort: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Selects items of one partition of a table, or of one of its indexes."""

    table: str
    pk: str
    prefix: str | None = None
    """How the sort key begins, None for every item. Only without an index."""
    index: Index | None = None
    order: Order = Order.ASCENDING
    limit: int | None = None
    """Items a page at most. None: as many as fit into a megabyte (DynamoDB's bound)."""
    after: Item | None = None
    """Where the page begins: a `Page.cursor`, or the keys of an item, which need not exist any more."""
    select: Select = Select.ITEMS


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the items that a query selects. A page may be empty although another one follows."""

    items: tuple[Item, ...]
    cursor: Item | None
    """The `after` of the next page's query, None if no page follows."""
    count: int
    """How many items it has; they are left out with `Select.COUNT`."""


class Store(Protocol):
    """Reads and writes items. Reads are strongly consistent, except of an index; each method is one database call.

    Every method raises `gerbang.core.errors.DependencyUnavailable` when the database did not answer, throttled, or
    stayed in conflict with other transactions. The write may or may not have been done.
    """

    def get(self, key: Key) -> Item | None:
        """Return the item, None if there is none."""
        ...

    def get_all(self, *keys: Key) -> tuple[Item | None, ...]:
        """Return the items in the order asked, None for those that do not exist. Keys may be in several tables."""
        ...

    def query(self, query: Query) -> Page:
        """Return one page of items in the order of their sort keys."""
        ...

    def write(self, action: Action) -> Outcome:
        """Do one action, atomically with its conditions."""
        ...

    def commit(self, *actions: Action) -> CommitOutcome:
        """Do all of the actions or none. At most one action an item; at most 100 (DynamoDB's bound)."""
        ...


def query_all(store: Store, query: Query) -> Iterator[Item]:
    """Yield every item that a query selects, page by page."""
    page = store.query(query)
    yield from page.items
    while page.cursor is not None:
        page = store.query(replace(query, after=page.cursor))
        yield from page.items
