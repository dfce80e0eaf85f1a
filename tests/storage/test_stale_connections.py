"""Requests succeed although their connections were closed while Lambda had the function frozen (faults.md F34, S6)."""

import socket
import struct
from dataclasses import dataclass, field
from threading import Barrier
from typing import Final, override

import pytest
from gerbang.core.concurrency import run_concurrently
from gerbang.storage import clients
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.store import Key

from tests.http_servers import Handler, serving

pytestmark = pytest.mark.usefixtures("new_clients")

NO_ACCOUNT: Final = Key("Users", "USER#unknown")
AT_ONCE: Final = 5
"""The number of connections that a sign-in function opens at its start (`warm_up_users`)."""

RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER of zero seconds: closing resets the connection (RFC 9293, section 3.5.2)."""


@dataclass(slots=True)
class Database:
    """A DynamoDB without items. It resets connections that were open at a freeze."""

    frozen: set[int] = field(default_factory=set[int])
    """Client ports of the connections that were open at the freeze."""
    open: set[int] = field(default_factory=set[int])
    reset: int = 0
    together: Barrier = field(default_factory=lambda: Barrier(AT_ONCE))

    def thaw(self) -> None:
        """Treat all open connections as closed."""
        self.frozen = set(self.open)


def connection_to(database: Database) -> type[Handler]:
    class Connection(Handler):
        @override
        def respond(self, body: bytes) -> None:
            port = self.client_address[1]
            if port in database.frozen:
                database.reset += 1
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
                self.close_connection = True
                return
            database.open.add(port)
            if not database.frozen:
                database.together.wait()  # so that each of the first calls opens its own connection
            self.reply(b"{}")

    return Connection


@pytest.mark.covers("F34", "S6")
def test_every_call_succeeds_after_a_freeze_closed_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database()
    with serving(connection_to(database)) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{port}")
        store = DynamoStore(clients.client("dynamodb"))
        calls = [lambda: store.get(NO_ACCOUNT)] * AT_ONCE
        run_concurrently(*calls)
        assert len(database.open) == AT_ONCE

        database.thaw()
        answers = [store.get(NO_ACCOUNT), *run_concurrently(*calls)]

    assert answers == [None] * (1 + AT_ONCE)
    assert database.reset > 0
