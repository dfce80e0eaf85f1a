"""Fakes: a store in memory, a clock that a test sets, ids in sequence, a log that a test reads.

`MemoryStore` passes the same suite as `gerbang.storage.dynamodb.DynamoStore` (tests/storage/test_store_*.py).
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
"""DynamoDB's limits: bytes, bytes, actions of a transaction (faults.md, D7, D18)."""


class MemoryStore:
    """Implements `gerbang.storage.store.Store` in memory. It is safe for use by several threads.

    Where DynamoDB raises a ValidationException, which is a bug in the caller, this store raises a ValueError.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._items: dict[Key, dict[str, Value]] = {}

    def get(self, key: Key) -> Item | None:
        return self.get_all(key)[0]

    def get_all(self, *keys: Key) -> tuple[Item | None, ...]:
        for key in keys:
            _check_key(key)
        with self._lock:
            return tuple(self._copy(key) for key in keys)

    def query(self, query: Query) -> Page:
        partition, sort = ("pk", "sk") if query.index is None else (query.index.partition, query.index.sort)
        if query.pk == "" or (query.limit is not None and query.limit < 1) or (query.prefix and query.index):
            raise ValueError("an empty partition key, a limit below 1, or a prefix in an index")

        def position(item: Item) -> tuple[Value, ...]:
            """Return the sort order: by sort key, then by primary key, because an index may repeat a sort key."""
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
        # Like DynamoDB, which does not check whether more items follow.
        more = query.limit is not None and len(page) == query.limit
        cursor = {name: page[-1][name] for name in keys} if more else None
        return Page(tuple(page) if query.select is Select.ITEMS else (), cursor, len(page))

    def write(self, action: Action) -> Outcome:
        _check_key(action.key)
        with self._lock:
            failure = self._failed_condition(action)
            if failure is not None:
                return failure
            self._set(action.key, self._result(action))
            return Written((self._copy(action.key) or {}) if isinstance(action, Update) else {})

    def commit(self, *actions: Action) -> CommitOutcome:
        keys = [action.key for action in actions]
        for key in keys:
            _check_key(key)
        if not 1 <= len(keys) <= MOST_ACTIONS or len(set(keys)) < len(keys):
            raise ValueError("a transaction takes 1 to 100 actions, at most one for each item")
        with self._lock:
            failures = tuple(self._failed_condition(action) for action in actions)
            if any(failure is not None for failure in failures):
                return failures
            for key, item in [(action.key, self._result(action)) for action in actions]:
                self._set(key, item)
            return ()

    def items(self, table: str) -> list[Item]:
        """Return every item of a table."""
        with self._lock:
            return [dict(item) for key, item in self._items.items() if key.table == table]

    def _copy(self, key: Key) -> Item | None:
        item = self._items.get(key)
        return None if item is None else dict(item)

    def _failed_condition(self, action: Action) -> ConditionFailed | None:
        stored = self._items.get(action.key, {})
        if all(_holds(condition, stored) for condition in action.when):
            return None
        return ConditionFailed(self._copy(action.key))

    def _result(self, action: Action) -> dict[str, Value] | None:
        """Return the item that the action leaves, or None."""
        match action:
            case Put(key, item):
                return {name: _plain(value) for name, value in {**item, **key.attributes}.items()}
            case Delete():
                return None
            case Update(key, changes):
                return _updated(self._items.get(key), key, changes)

    def _set(self, key: Key, item: dict[str, Value] | None) -> None:
        if item is None:
            self._items.pop(key, None)
        else:
            self._items[key] = item


def _check_key(key: Key) -> None:
    sort_key = "-" if key.sk is None else key.sk
    if not 1 <= len(key.pk.encode()) <= LONGEST_PARTITION_KEY or not 1 <= len(sort_key.encode()) <= LONGEST_SORT_KEY:
        raise ValueError("the key is empty or too long")


def _holds(condition: Condition, item: Item) -> bool:
    match condition:
        case Absent(attribute):
            return attribute not in item
        case Present(attribute):
            return attribute in item
        case Equal(attribute, value) | Differs(attribute, value):
            stored = item.get(attribute)
            is_equal = type(stored) is type(_plain(value)) and stored == value
            return is_equal is isinstance(condition, Equal)
        case Less(attribute, value):
            stored = item.get(attribute)
            return _is_number(stored) and int(stored or 0) < value
        case Greater(attribute, value):
            stored = item.get(attribute)
            return _is_number(stored) and int(stored or 0) > value
        case AnyOf(conditions):
            return any(_holds(each, item) for each in conditions)


def _updated(item: Item | None, key: Key, changes: Mapping[str, Change]) -> dict[str, Value]:
    if not changes or not changes.keys().isdisjoint(key.attributes):
        raise ValueError("the update has no changes, or changes the key")
    before: Item = {} if item is None else item
    after: dict[str, Value] = {**before, **key.attributes}
    for attribute, change in changes.items():
        match change:
            case Plus(amount):
                stored = before.get(attribute, 0)
                if not _is_number(stored):
                    raise ValueError(f"{attribute} is not a number")
                after[attribute] = int(stored) + amount
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
    """Return the value as the database returns it: a member of a StrEnum becomes a str."""
    if isinstance(value, bool):
        return value
    return int(value) if isinstance(value, int) else str(value)


def _is_number(value: Value | None) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


class Fault(Enum):
    """What goes wrong in one call to the database."""

    NOT_DONE = "the call fails and is not done"
    ANSWER_LOST = "the call is done, and its response is lost"
    RETRIED = "the call is done, its response is lost, and the SDK sends it again (faults.md, D6)"


@dataclass(frozen=True, slots=True)
class Call:
    """One call to the store: its method and keys. `nth` counts equal calls before it, from 0."""

    method: str
    keys: tuple[Key, ...]
    nth: int


class PassingStore:
    """Passes every call on to another store, and records it."""

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
        """Do the call. Subclasses add their faults here."""
        del call
        return do()


class FaultyStore(PassingStore):
    """Passes calls on to another store. The calls that *at* selects go wrong."""

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
        # A repeated transaction has the same client token, so DynamoDB repeats its first response (D8).
        return answer if call.method == "commit" else do()


class MeanwhileStore(PassingStore):
    """Passes calls on to another store. Before the first call that *before* selects, *happens* is called once."""

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
    """A clock that shows the time a test sets."""

    def __init__(self, at: datetime = datetime(2026, 1, 15, 12, tzinfo=UTC)) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def advance(self, span: timedelta) -> None:
        """Move the clock forward; a negative span moves it back."""
        self.at += span


class SequenceIds:
    """Returns UUIDs in sequence, the same in every run."""

    def __init__(self, series: int = 1) -> None:
        self._series = series
        self._numbers = count(1)

    def __call__(self) -> str:
        return f"{next(self._numbers):08x}-0000-4000-8000-{self._series:012x}"


class Numbers:
    """Returns the numbers it was given, and then others in sequence."""

    def __init__(self, *first: int) -> None:
        self._first = list(first)
        self._numbers = count(1_000_001)

    def __call__(self) -> int:
        return self._first.pop(0) if self._first else next(self._numbers)


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One call to the log."""

    event: str
    severity: Severity
    fields: Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class RecordingLog:
    """A log that records its events."""

    notes: list[LoggedEvent] = field(default_factory=list[LoggedEvent])

    def __call__(self, event: str, severity: Severity = Severity.INFO, /, **fields: str | float) -> None:
        self.notes.append(LoggedEvent(event, severity, fields))

    @property
    def events(self) -> list[str]:
        """The names of the events, in order."""
        return [note.event for note in self.notes]


@cache
def with_key_pair(secret: str) -> str:
    """Return the text of a secret version as the rotation function writes it. It is the same in every call."""
    return version_text(secret, new_key_pair(), lasting=MasterKey.from_secret(secret).lasting)


class FakeSecret:
    """A master secret that a test can rotate and make unreadable. Every version outside `bare` has a key pair."""

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
        """Make a new version current. The version before it stays readable."""
        self.versions = SecretVersions(current, self.versions.current)

    def become_unreadable(self) -> None:
        """Fail every read from now on."""
        self._broken = True

    def become_readable(self) -> None:
        """Let reads succeed again."""
        self._broken = False


@dataclass
class FakeSecretText:
    """A secret text that a test can change and make unreadable."""

    text: str
    is_unreadable: bool = False
    reads: int = 0

    def current(self) -> str:
        self.reads += 1
        if self.is_unreadable:
            raise DependencyUnavailable("secret")
        return self.text


def at_once[T](calls: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Start all calls at the same moment, each in its own thread. Return what each returned or raised."""
    start = Barrier(len(calls))

    def outcome(call: Callable[[], T]) -> T | Exception:
        start.wait()
        try:
            return call()
        except Exception as failure:  # noqa: BLE001 - the test looks at it
            return failure

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(outcome, calls))
