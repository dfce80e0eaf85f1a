"""Fixtures for tests of storage: new AWS clients, and keys of items."""

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from gerbang.storage import clients
from gerbang.storage.store import (
    Key,
    Value,
)

from tests.conftest import Database
from tests.storage.scripted import ScriptedStore
from tests.wire_faults import Wire


@pytest.fixture
def new_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clear the cached clients before and after the test."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    caches = (clients._made, clients._session, clients._shared_trust)  # pyright: ignore[reportPrivateUsage]
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


INVALID = (ValueError, ClientError, ParamValidationError)
"""Errors of a request that can never succeed, which is a bug in the caller. It is not repeated."""

NUMBERED: dict[str, Value] = {"text": "seven", "number": 7, "flag": True}


@pytest.fixture
def key(database: Database) -> Key:
    return Key(database.tables["RateLimits"], "USER#1")


@pytest.fixture
def other(database: Database) -> Key:
    return Key(database.tables["RateLimits"], "USER#2")


@pytest.fixture
def with_sort_key(database: Database) -> Key:
    """A key of another table, with a sort key."""
    return Key(database.tables["Organizations"], "org_1", "MEMBER#1")


@pytest.fixture
def scripted(wire: Wire) -> ScriptedStore:
    return ScriptedStore(wire)
