"""What stands in for the world in tests: a store in memory, a clock that is held, ids in a row, a log read back.

`MemoryStore` passes the same suite as `gerbang.storage.dynamodb.DynamoStore` (tests/storage/test_store.py).
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from itertools import count
from threading import Barrier, Lock
from typing import Final, override

from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import Severity
from gerbang.sessions.keys import MasterKey, version_text
from gerbang.sessions.rsa_pair import new_key_pair
from gerbang.storage.secrets import SecretVersions
from gerbang.storage.store import (
    Absent,
    Action,
    AnyOf,
    Change,
    CommitOutcome,
    Condition,
    ConditionFailed,
    CopyOf,
    Delete,
    Differs,
    Equal,
    Gone,
    Greater,
    IfAbsent,
    Item,
    Key,
    Less,
    Order,
    Outcome,
    Page,
    Plus,
    Present,
    Put,
    Query,
    Select,
    Store,
    Update,
    Value,
    Written,
)

LONGEST_PARTITION_KEY: Final = 2048
LONGEST_SORT_KEY: Final = 1024
MOST_ACTIONS: Final = 100
"""DynamoDB's bounds: octets, octets, actions of a transaction (faults.md, D7, D18)."""


class MemoryStore:
    """Keeps the promises of `gerbang.storage.store.Store` in memory, for any number of threads.

    What DynamoDB calls a ValidationException, a bug of ours, is a ValueError here.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._items: dict[Key, dict[str, Value]] = {}

    def get(self, key: Key) -> Item | None:
        return self.get_all(key)[0]

    def get_all(self, *keys: Key) -> tuple[Item | None, ...]:
        for key in keys:
            _demand_key(key)
        with self._lock:
            return tuple(self._copy(key) for key in keys)

    def query(self, query: Query) -> Page:
        partition, sort = ("pk", "sk") if query.index is None else (query.index.partition, query.index.sort)
        if query.pk == "" or (query.limit is not None and query.limit < 1) or (query.prefix and query.index):
            raise ValueError("an empty partition key, a limit below 1, or a prefix in an index")

        def position(item: Item) -> tuple[Value, ...]:
            """Where the item is in its partition: by sort key and, in an index, which may have it twice, by key."""
            return item[sort], item["pk"], item["sk"]

        with self._lock:
            found = [
                dict(item) if query.index is None else {name: item[name] for name in {"pk", "sk", partition, sort}}
                for key, item in self._items.items()
                if key.table == query.table and item.get(partition) == query.pk and sort in item
                if str(item[sort]).startswith(query.prefix or "")
            ]
        found.sort(key=position, reverse=query.order is Order.DESCENDING)
        if query.after is not None:
            after = position(query.after)
            found = [
                item
                for item in found
                if (position(item) > after if query.order is Order.ASCENDING else position(item) < after)
            ]
        page = found[: query.limit]
        keys = {"pk", "sk", partition, sort}
        more = query.limit is not None and len(page) == query.limit  # as DynamoDB, which does not look further
        cursor = {name: page[-1][name] for name in keys} if more else None
        return Page(tuple(page) if query.select is Select.ITEMS else (), cursor, len(page))

    def write(self, action: Action) -> Outcome:
        _demand_key(action.key)
        with self._lock:
            refusal = self._refusal(action)
            if refusal is not None:
                return refusal
            self._keep(action.key, self._after(action))
            return Written((self._copy(action.key) or {}) if isinstance(action, Update) else {})

    def commit(self, *actions: Action) -> CommitOutcome:
        keys = [action.key for action in actions]
        for key in keys:
            _demand_key(key)
        if not 1 <= len(keys) <= MOST_ACTIONS or len(set(keys)) < len(keys):
            raise ValueError("one action an item, at most 100")
        with self._lock:
            refusals = tuple(self._refusal(action) for action in actions)
            if any(refusal is not None for refusal in refusals):
                return refusals
            for key, item in [(action.key, self._after(action)) for action in actions]:
                self._keep(key, item)
            return ()

    def items(self, table: str) -> list[Item]:
        """Every item of a table."""
        with self._lock:
            return [dict(item) for key, item in self._items.items() if key.table == table]

    def _copy(self, key: Key) -> Item | None:
        item = self._items.get(key)
        return None if item is None else dict(item)

    def _refusal(self, action: Action) -> ConditionFailed | None:
        standing = self._items.get(action.key, {})
        if all(_holds(condition, standing) for condition in action.when):
            return None
        return ConditionFailed(self._copy(action.key))

    def _after(self, action: Action) -> dict[str, Value] | None:
        match action:
            case Put(key, item):
                return {name: _plain(value) for name, value in {**item, **key.attributes}.items()}
            case Delete():
                return None
            case Update(key, changes):
                return _changed(self._items.get(key), key, changes)

    def _keep(self, key: Key, item: dict[str, Value] | None) -> None:
        if item is None:
            self._items.pop(key, None)
        else:
            self._items[key] = item


def _demand_key(key: Key) -> None:
    sort_key = "-" if key.sk is None else key.sk
    if not 1 <= len(key.pk.encode()) <= LONGEST_PARTITION_KEY or not 1 <= len(sort_key.encode()) <= LONGEST_SORT_KEY:
        raise ValueError("a key that is empty or too long")


def _holds(condition: Condition, item: Item) -> bool:
    match condition:
        case Absent(attribute):
            return attribute not in item
        case Present(attribute):
            return attribute in item
        case Equal(attribute, value) | Differs(attribute, value):
            held = item.get(attribute)
            is_equal = type(held) is type(_plain(value)) and held == value
            return is_equal is isinstance(condition, Equal)
        case Less(attribute, value):
            held = item.get(attribute)
            return _is_number(held) and int(held or 0) < value
        case Greater(attribute, value):
            held = item.get(attribute)
            return _is_number(held) and int(held or 0) > value
        case AnyOf(conditions):
            return any(_holds(each, item) for each in conditions)


def _changed(item: Item | None, key: Key, changes: Mapping[str, Change]) -> dict[str, Value]:
    if not changes or not changes.keys().isdisjoint(key.attributes):
        raise ValueError("an update that changes nothing, or the key")
    before: Item = {} if item is None else item
    after: dict[str, Value] = {**before, **key.attributes}
    for attribute, change in changes.items():
        match change:
            case Plus(amount):
                held = before.get(attribute, 0)
                if not _is_number(held):
                    raise ValueError(f"{attribute} is no number")
                after[attribute] = int(held) + amount
            case CopyOf(source):
                if source not in before:
                    raise ValueError(f"there is no {source} to copy")
                after[attribute] = before[source]
            case IfAbsent(value):
                after[attribute] = before.get(attribute, _plain(value))
            case Gone():
                after.pop(attribute, None)
            case value:
                after[attribute] = _plain(value)
    return after


def _plain(value: Value) -> Value:
    """The value as it comes out of the database again: a member of a StrEnum is a text there."""
    if isinstance(value, bool):
        return value
    return int(value) if isinstance(value, int) else str(value)


def _is_number(value: Value | None) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


class Fault(Enum):
    """What goes wrong with one call to the database."""

    NOT_DONE = "refused before it was done"
    ANSWER_LOST = "done, and its answer lost"
    ASKED_AGAIN = "done, its answer lost, and asked for once more by the SDK (faults.md, D6)"


@dataclass(frozen=True, slots=True)
class Call:
    """One call to the store: which, of what, and the how-manieth of its like."""

    method: str
    keys: tuple[Key, ...]
    nth: int


class PassingStore:
    """Hands every call on to another store and keeps a list of them."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self.calls: list[Call] = []

    def get(self, key: Key) -> Item | None:
        return self._call("get", (key,), lambda: self._store.get(key))

    def get_all(self, *keys: Key) -> tuple[Item | None, ...]:
        return self._call("get_all", keys, lambda: self._store.get_all(*keys))

    def query(self, query: Query) -> Page:
        return self._call("query", (Key(query.table, query.pk, query.prefix),), lambda: self._store.query(query))

    def write(self, action: Action) -> Outcome:
        return self._call("write", (action.key,), lambda: self._store.write(action))

    def commit(self, *actions: Action) -> CommitOutcome:
        keys = tuple(action.key for action in actions)
        return self._call("commit", keys, lambda: self._store.commit(*actions))

    def _call[T](self, method: str, keys: tuple[Key, ...], do: Callable[[], T]) -> T:
        with self._lock:
            nth = sum(1 for call in self.calls if (call.method, call.keys) == (method, keys))
            call = Call(method, keys, nth)
            self.calls.append(call)
        return self._pass(call, do)

    def _pass[T](self, call: Call, do: Callable[[], T]) -> T:
        """Do the call, in whatever way a subclass knows."""
        del call
        return do()


class FaultyStore(PassingStore):
    """Hands every call on, except that some go wrong."""

    def __init__(self, store: Store, *, at: Callable[[Call], bool], fault: Fault = Fault.NOT_DONE) -> None:
        super().__init__(store)
        self._at = at
        self._fault = fault

    @override
    def _pass[T](self, call: Call, do: Callable[[], T]) -> T:
        if not self._at(call):
            return do()
        if self._fault is Fault.NOT_DONE:
            raise DependencyUnavailable(self._fault.value)
        answer = do()
        if self._fault is Fault.ANSWER_LOST:
            raise DependencyUnavailable(self._fault.value)
        # A transaction sent again carries its client token and is answered as the first time (D8).
        return answer if call.method == "commit" else do()


class MeanwhileStore(PassingStore):
    """Hands every call on; just before one of them, once, something else happens."""

    def __init__(self, store: Store, *, before: Callable[[Call], bool], happens: Callable[[], object]) -> None:
        super().__init__(store)
        self._before = before
        self._happens: Callable[[], object] | None = happens

    @override
    def _pass[T](self, call: Call, do: Callable[[], T]) -> T:
        if self._happens is not None and self._before(call):
            happens, self._happens = self._happens, None
            happens()
        return do()


class FakeClock:
    """Shows the time that a test sets."""

    def __init__(self, at: datetime = datetime(2026, 1, 15, 12, tzinfo=UTC)) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def advance(self, span: timedelta) -> None:
        """Let time go by; a negative span sets the clock back."""
        self.at += span


class SequenceIds:
    """Hands out UUIDs in a row, the same in every run."""

    def __init__(self, series: int = 1) -> None:
        self._series = series
        self._numbers = count(1)

    def __call__(self) -> str:
        return f"{next(self._numbers):08x}-0000-4000-8000-{self._series:012x}"


class Numbers:
    """Hands out the numbers it was given, and after them others in a row."""

    def __init__(self, *first: int) -> None:
        self._first = list(first)
        self._numbers = count(1_000_001)

    def __call__(self) -> int:
        return self._first.pop(0) if self._first else next(self._numbers)


@dataclass(frozen=True, slots=True)
class Note:
    """One event as it was noted."""

    event: str
    severity: Severity
    fields: Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class RecordingLog:
    """Keeps what was noted."""

    notes: list[Note] = field(default_factory=list[Note])

    def __call__(self, event: str, severity: Severity = Severity.INFO, /, **fields: str | float) -> None:
        self.notes.append(Note(event, severity, fields))

    @property
    def events(self) -> list[str]:
        """The names of the events, in their order."""
        return [note.event for note in self.notes]


@cache
def with_key_pair(secret: str) -> str:
    """The text of a version that the rotation function made; always the same for one secret."""
    return version_text(secret, new_key_pair(), lasting=MasterKey.from_secret(secret).lasting)


class FakeSecret:
    """A master secret that a test rotates, and makes unreadable. Each version has a key pair, unless it is `bare`."""

    def __init__(self, current: str = "first secret, 32 random bytes or so") -> None:
        self.versions = SecretVersions(current)
        self.bare: set[str] = set()
        self.reads = 0
        self._broken = False

    def read(self) -> SecretVersions:
        self.reads += 1
        if self._broken:
            raise DependencyUnavailable("secret")
        current, previous = self.versions.current, self.versions.previous
        return replace(
            self.versions, current=self._text(current), previous=None if previous is None else self._text(previous)
        )

    def _text(self, secret: str) -> str:
        return secret if secret in self.bare else with_key_pair(secret)

    def rotate(self, current: str) -> None:
        """Make a new version current; the one before it stays readable."""
        self.versions = SecretVersions(current, self.versions.current)

    def become_unreadable(self) -> None:
        """Fail every read from now on."""
        self._broken = True

    def become_readable(self) -> None:
        """Answer again."""
        self._broken = False


@dataclass
class FakeSecretText:
    """A secret text that a test changes, and makes unreadable."""

    text: str
    is_unreadable: bool = False
    reads: int = 0

    def current(self) -> str:
        self.reads += 1
        if self.is_unreadable:
            raise DependencyUnavailable("secret")
        return self.text


def at_once[T](calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """What each call returned or raised, all of them started together, each in a thread of its own."""
    start = Barrier(len(calls))

    def outcome(call: Callable[[], T]) -> T | Exception:
        start.wait()
        try:
            return call()
        except Exception as failure:  # noqa: BLE001 - the test looks at it
            return failure

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(outcome, calls))
