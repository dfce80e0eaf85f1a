"""Lambda's side of its Runtime API: one function, one request at a time.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. Read from the socket by hand, so that the moment a
request arrives is known and nothing between is buffered or delayed.
"""

import json
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

PATIENCE_SECONDS: Final = 120.0
"""For how long a function may be silent; sixty times as long as the slowest start on a busy machine."""

_LOOK_SECONDS: Final = 0.2
"""How often it is looked whether a function that is expected to connect is still there."""

_BLOCK: Final = 65536


class Silent(Exception):
    """The function's process does not speak to the Runtime API, or no longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request of the runtime client."""

    arrived_at_ns: int
    """Of `time.perf_counter_ns`, when its head was complete."""
    path: str
    body: bytes

    @property
    def asks_for_an_event(self) -> bool:
        """Whether it is `GET …/invocation/next`."""
        return self.path.endswith("/invocation/next")

    @property
    def is_an_answer(self) -> bool:
        """Whether it is `POST …/invocation/{id}/response`."""
        return self.path.endswith("/response")


class RuntimeApi:
    """Listens on this machine and exchanges messages with one runtime client."""

    def __init__(self) -> None:
        """Listen at a free port."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(_LOOK_SECONDS)
        self._connection: socket.socket | None = None
        self._received = b""

    @property
    def address(self) -> str:
        """What AWS_LAMBDA_RUNTIME_API says."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def receive(self, is_there: Callable[[], bool]) -> Message:
        """Return the next request of the runtime client, whose process *is_there* or has ended.

        Raises:
            Silent: there is none in time, or its process has ended.
        """
        while True:
            if self._connection is None:
                self._accept(is_there)
            try:
                return self._message()
            except ConnectionError:
                self._hang_up()

    def reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> int:
        """Answer the request received last; return when the answer left, of `time.perf_counter_ns`."""
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Content-Type: application/json"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        connection = self._connection
        if connection is None:
            raise Silent("it hung up")
        left_at_ns = time.perf_counter_ns()
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        return left_at_ns

    def hand_over(self, event: Any, number: int) -> int:
        """Answer a request for an event with one; return when it left, of `time.perf_counter_ns`."""
        headers = {
            "Lambda-Runtime-Aws-Request-Id": f"00000000-0000-0000-0000-{number:012d}",
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 30_000),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:bench",
        }
        return self.reply(200, json.dumps(event).encode(), headers)

    def close(self) -> None:
        """Hang up and stop listening."""
        self._hang_up()
        self._listener.close()

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _accept(self, is_there: Callable[[], bool]) -> None:
        connection = self._awaited(is_there)
        connection.settimeout(PATIENCE_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection, self._received = connection, b""

    def _awaited(self, is_there: Callable[[], bool]) -> socket.socket:
        until = time.monotonic() + PATIENCE_SECONDS
        while is_there() and time.monotonic() < until:
            with suppress(TimeoutError):
                return self._listener.accept()[0]
        raise Silent("its process does not ask for an event, or has ended")

    def _message(self) -> Message:
        head = self._until(b"\r\n\r\n")
        arrived_at_ns = time.perf_counter_ns()
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = self._chunks()
        else:
            body = self._exactly(int(headers.get("content-length", "0")))
        return Message(arrived_at_ns=arrived_at_ns, path=first.split(" ")[1], body=body)

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._until(b"\r\n"), 16):
            body += self._exactly(size)
            self._until(b"\r\n")
        self._until(b"\r\n")
        return body

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            self._fill()
        found, _, self._received = self._received.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            self._fill()
        found, self._received = self._received[:size], self._received[size:]
        return found

    def _fill(self) -> None:
        if self._connection is None:
            raise ConnectionError
        try:
            block = self._connection.recv(_BLOCK)
        except TimeoutError:
            raise Silent("it fell silent") from None
        if not block:
            raise ConnectionError
        self._received += block
