"""Calls to a service that does not answer end before the function's own time-out (faults.md F29; security.md 162)."""

import socket
import time
from collections.abc import Iterator
from typing import Final

import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.storage import clients
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.store import Key
from gerbang_local.declarations import template

ROUND_TRIPS: Final = 3
"""Consecutive round trips of a sign-in (`BUDGETS` of gerbang_bench.reports)."""

HASH_SECONDS: Final = 2.0
"""Allowed for a hash of the highest cost and all other computation."""

LONGEST_PAUSE: Final = 1.0
"""Pause between two tries: botocore's standard mode waits 0 to 1 s before the second one."""

pytestmark = pytest.mark.usefixtures("new_clients")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoStore]:
    """A database that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{listener.getsockname()[1]}")
        yield DynamoStore(clients.client("dynamodb"))


@pytest.mark.covers("F29", "162")
def test_a_request_without_any_answer_fails_before_the_function_times_out(silent: DynamoStore) -> None:
    started = time.monotonic()

    with pytest.raises(DependencyUnavailable):
        silent.get(Key("Users", "USER#unknown"))

    took = time.monotonic() - started
    asking_for_claims = clients.TRIES * clients.READ_SECONDS_OF["lambda"] + LONGEST_PAUSE
    assert ROUND_TRIPS * took + HASH_SECONDS + asking_for_claims < template().globals["Function"]["Timeout"]
