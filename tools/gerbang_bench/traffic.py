"""Requests a second through `make run`: one process, AWS in memory, so many callers at once."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from gerbang_bench.builds import ROOT

CALLERS: Final = (1, 8, 64)
SECONDS: Final = 5.0
"""For how long each number of callers goes on."""

_START_SECONDS: Final = 90.0
_LISTENING: Final = re.compile(r"Listening at http://127\.0\.0\.1:([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """What so many callers were served."""

    callers: int
    requests_per_second: float
    errors: int


class CannotServe(Exception):
    """`make run` did not come up; the message holds what it said."""


def measure(seconds: float = SECONDS) -> list[Throughput]:
    """Serve the API, and have its callers ask for their own account for so long.

    Raises:
        CannotServe: it did not come up.
    """
    with _serving() as port:
        token = _register(port)
        return [_callers(port, token, number, seconds) for number in CALLERS]


@contextmanager
def _serving() -> Iterator[int]:
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "POWERTOOLS_"))
        }
        environment |= {"PORT": "0", "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "gerbang_local"], cwd=ROOT, env=environment, stdout=output, stderr=output
            )
        try:
            yield _port(log, process)
        finally:
            process.terminate()
            process.wait()


def _port(log: Path, process: "subprocess.Popen[bytes]") -> int:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        if found := _LISTENING.search(log.read_text("utf-8")):
            return int(found[1])
        time.sleep(0.1)
    raise CannotServe(log.read_text("utf-8")[-2000:])


def _register(port: int) -> str:
    connection = HTTPConnection("127.0.0.1", port)
    body = {"email": "violet@example.com", "password": "Violet-tram-42", "name": "Violet Tram"}
    connection.request("POST", "/api/auth/register", json.dumps(body), {"Content-Type": "application/json"})
    said = json.loads(connection.getresponse().read())
    return str(said["data"]["accessToken"])


def _callers(port: int, token: str, number: int, seconds: float) -> Throughput:
    served, errors = [0] * number, [0] * number
    until = time.monotonic() + seconds

    def call(caller: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        while time.monotonic() < until:
            try:
                connection.request("GET", "/api/auth/me", headers={"Authorization": f"Bearer {token}"})
                answer = connection.getresponse()
                answer.read()
            except (OSError, HTTPException):
                connection.close()
                errors[caller] += 1
            else:
                served[caller] += answer.status == HTTPStatus.OK
                errors[caller] += answer.status != HTTPStatus.OK
        connection.close()

    threads = [threading.Thread(target=call, args=(caller,)) for caller in range(number)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.monotonic() - began
    return Throughput(callers=number, requests_per_second=sum(served) / elapsed, errors=sum(errors))
