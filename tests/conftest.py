"""Fixtures for every test: all services with fakes for clock, ids and secrets, in memory and on DynamoDB Local."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import batched
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import bcrypt
import botocore.session
import hypothesis
import pytest
from gerbang.storage.dynamodb import DynamoStore, from_wire, to_wire
from gerbang.storage.store import Action, CommitOutcome, Item, Key, Outcome, Page, Query, Store

from tests.deployment import TABLES, Deployment
from tests.fakes import FakeClock, FakeSecret, MemoryStore, Numbers, RecordingLog, SequenceIds

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytest_plugins = ["tests.not_run", "tests.bench.timed", "tests.dynamodb_local", "tests.wire_faults"]

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")


@pytest.fixture(scope="session", autouse=True)
def models_are_read_once() -> Iterator[None]:
    """Share one botocore loader between sessions, so that megabytes of service models are read only once."""
    with patch.object(botocore.session, "create_loader", cache(botocore.session.create_loader)):
        yield


@dataclass(frozen=True, slots=True)
class Database:
    """A store with empty tables, and a way to look at everything in them."""

    store: Store
    tables: Mapping[str, str]
    contents: Callable[[str], list[Item]]

    def items(self, logical_id: str, prefix: str = "") -> list[Item]:
        """Return every item of a table whose partition key begins with *prefix*."""
        return [item for item in self.contents(self.tables[logical_id]) if str(item["pk"]).startswith(prefix)]


def in_memory() -> Database:
    store = MemoryStore()
    return Database(store, TABLES, store.items)


class CleanupStore:
    """A `DynamoStore` that remembers the keys it wrote and can delete them. This is faster than emptying the tables."""

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client
        self._store = DynamoStore(client)
        self._written: set[Key] = set()

    def get(self, key: Key) -> Item | None:
        return self._store.get(key)

    def get_all(self, *keys: Key) -> tuple[Item | None, ...]:
        return self._store.get_all(*keys)

    def query(self, query: Query) -> Page:
        return self._store.query(query)

    def write(self, action: Action) -> Outcome:
        outcome = self._store.write(action)
        self._written.add(action.key)
        return outcome

    def commit(self, *actions: Action) -> CommitOutcome:
        outcome = self._store.commit(*actions)
        self._written |= {action.key for action in actions}
        return outcome

    def items(self, table: str) -> list[Item]:
        """Return every item of a table."""
        pages: Any = self._client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [from_wire(item) for page in pages for item in page["Items"]]

    def delete_written(self) -> None:
        """Delete every item that was written through this store."""
        requests = [(key.table, {"DeleteRequest": {"Key": to_wire(key.attributes)}}) for key in self._written]
        for batch in batched(requests, 25, strict=False):  # limit of BatchWriteItem
            by_table: Any = {table: [request for of, request in batch if of == table] for table, _ in batch}
            while by_table:
                by_table = self._client.batch_write_item(RequestItems=by_table).get("UnprocessedItems")


@pytest.fixture(params=["memory", pytest.param("dynamodb", marks=pytest.mark.storage)])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """Empty tables: in memory, and on DynamoDB Local."""
    if request.param == "memory":
        yield in_memory()
        return
    store = CleanupStore(request.getfixturevalue("dynamodb_client"))
    yield Database(store, request.getfixturevalue("dynamodb_tables"), store.items)
    store.delete_written()


@pytest.fixture
def store(database: Database) -> Store:
    return database.store


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log() -> RecordingLog:
    return RecordingLog()


@pytest.fixture
def secret() -> FakeSecret:
    return FakeSecret()


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The cost of every bcrypt hash that is computed, in order."""
    costs: list[int] = []
    compute = bcrypt.hashpw

    def counted(password: bytes, salt: bytes) -> bytes:
        costs.append(int(salt.split(b"$")[2]))
        return compute(password, salt)

    monkeypatch.setattr(bcrypt, "hashpw", counted)
    return costs


@pytest.fixture
def deployment(database: Database, clock: FakeClock, log: RecordingLog, secret: FakeSecret) -> Deployment:
    """Every service: each test runs once in memory and once on DynamoDB Local."""
    return deployed_on(database, clock=clock, log_event=log, secret=secret)


@pytest.fixture
def deployment_in_memory(clock: FakeClock, log: RecordingLog, secret: FakeSecret) -> Deployment:
    """Every service, in memory only: for tests that do not depend on the database."""
    return deployed_on(in_memory(), clock=clock, log_event=log, secret=secret)


def deployed_on(database: Database, *, clock: FakeClock, log_event: RecordingLog, secret: FakeSecret) -> Deployment:
    return Deployment(
        store=database.store,
        tables=database.tables,
        clock=clock,
        new_id=SequenceIds(),
        new_number=Numbers(),
        log_event=log_event,
        secret=secret,
    )
