"""The API as `make run` serves it: a process of its own, on a free port, its output kept in a file."""

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
    """A server that runs."""

    port: int
    log: Path

    def output(self) -> str:
        """Everything that it has printed so far."""
        return self.log.read_text("utf-8")


class DoorStuck(Exception):
    """What was asked for by the back door raised; the text begins with the class of the error."""


@dataclass(frozen=True, slots=True)
class BackDoor:
    """The other end of `tests.wire.back_door`; for several threads."""

    door: socket.socket
    _lock: Lock = field(default_factory=Lock)

    def ask(self, service: str, what: str, argument: dict[str, Any]) -> Any:
        """Return the answer of an AWS operation, of a function (`invoke`, its logical id, the event), or mails.

        Mails are asked for by `mails` and an address.
        """
        with self._lock:
            self.door.sendall(json.dumps([service, what, argument]).encode() + b"\n")
            reply = json.loads(self._line())
        if "error" in reply:
            raise DoorStuck(reply["error"])
        return reply["answer"]

    def _line(self) -> bytes:
        received = bytearray()
        while not received.endswith(b"\n"):
            part = self.door.recv(65_536)
            assert part, "the server has ended"
            received += part
        return bytes(received)


@contextmanager
def running(folder: Path, *command: str, **settings: str) -> Iterator[Server]:
    """Run `python -m gerbang_local`, as `make run` does, with *settings* as its environment's; or another *command*."""
    with _process(folder, command or ("-m", "gerbang_local"), settings) as server:
        yield server


@contextmanager
def running_with_back_door(folder: Path, **settings: str) -> Iterator[tuple[Server, BackDoor]]:
    """Run the same, with a door for tests."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        command = ["-m", "tests.wire.back_door", str(theirs.fileno())]
        with _process(folder, command, settings, theirs.fileno()) as server:
            yield server, BackDoor(ours)


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
    """Wait until the server says where it listens; it says so when requests are answered."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if (found := _LISTENING.search(log.read_text("utf-8"))) is not None:
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log.read_text('utf-8')}")
