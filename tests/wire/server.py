"""Runs the server of `make run` in its own process, on a free port. A file receives its output."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 60.0
_LISTENING: Final = re.compile(r"^Listening at http://127\.0\.0\.1:([0-9]+),", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server."""

    port: int
    log: Path

    def output(self) -> str:
        """Return everything that the server has printed."""
        return self.log.read_text("utf-8")


class CallFailed(Exception):
    """A call over the control connection raised an exception. The text begins with its class."""


@dataclass(frozen=True, slots=True)
class ServerControl:
    """The test's end of the control connection of `tests.wire.controlled_server`. Safe for use by several threads."""

    connection: socket.socket
    _lock: Lock = field(default_factory=Lock)

    def call(self, service: str, what: str, argument: dict[str, Any]) -> Any:
        """Call an AWS operation, a function (`invoke`, its logical id, the event) or `mails` with an address.

        Raises:
            CallFailed: the call raised an exception.
        """
        with self._lock:
            self.connection.sendall(json.dumps([service, what, argument]).encode() + b"\n")
            reply = json.loads(self._line())
        if "error" in reply:
            raise CallFailed(reply["error"])
        return reply["answer"]

    def _line(self) -> bytes:
        received = bytearray()
        while not received.endswith(b"\n"):
            part = self.connection.recv(65_536)
            assert part, "the server has ended"
            received += part
        return bytes(received)


@contextmanager
def running(folder: Path, *command: str, **settings: str) -> Iterator[Server]:
    """Run `python -m gerbang_local`, as `make run` does, or another *command*, with *settings* in its environment."""
    with _process(folder, command or ("-m", "gerbang_local"), settings) as server:
        yield server


@contextmanager
def running_with_control(folder: Path, **settings: str) -> Iterator[tuple[Server, ServerControl]]:
    """Run the same server with a control connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = ["-m", "tests.wire.controlled_server", str(theirs.fileno())]
        with _process(folder, command, settings, theirs.fileno()) as server:
            yield server, ServerControl(ours)


@contextmanager
def _process(folder: Path, command: Sequence[str], settings: dict[str, str], *inherited: int) -> Iterator[Server]:
    log = folder / "server.log"
    environment = {name: value for name, value in os.environ.items() if name not in {"HOST", "DYNAMODB_ENDPOINT"}}
    environment |= {"PORT": "0", "PARAMETERS": "", "PYTHONUNBUFFERED": "1", **settings}
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=environment, stdout=output, stderr=output, pass_fds=inherited
        ) as process,
    ):
        try:
            yield Server(port=_port(process, log), log=log)
        finally:
            process.kill()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """Wait until the server prints its address, and return the port."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if (found := _LISTENING.search(log.read_text("utf-8"))) is not None:
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log.read_text('utf-8')}")
