"""`make sam-local` and `make sam-invoke`: the built functions in Lambda's containers. Skipped without Docker."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Final

import pytest
from gerbang_smoke.__main__ import PASSED, main
from sam_local.sam import IMAGE, image_is_here

ROOT: Final = Path(__file__).parents[2]
BUILDS: Final = ROOT / ".aws-sam"
START_SECONDS: Final = 240.0
"""Mostly for the build."""
END_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class SamLocal:
    """A running `make sam-local`."""

    url: str
    process: subprocess.Popen[bytes]


@pytest.fixture
def environment(dynamodb_endpoint: str) -> Iterator[Mapping[str, str]]:
    """The environment of `make sam-local` and `make sam-invoke`. Tests run one at a time: they share a build folder."""
    if not image_is_here():
        pytest.skip(f"no Docker, or it has no {IMAGE}")
    BUILDS.mkdir(exist_ok=True)
    with (BUILDS / "local.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield {**os.environ, "PORT": str(free_port()), "DYNAMODB_ENDPOINT": dynamodb_endpoint}


@pytest.fixture
def sam_local(environment: Mapping[str, str], tmp_path: Path) -> Iterator[SamLocal]:
    port, log = int(environment["PORT"]), tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sam_local"], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for(port, process, log)
        yield SamLocal(f"http://127.0.0.1:{port}", process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(END_SECONDS)


def containers_of(function: str) -> list[str]:
    """Return the containers of a function."""
    folder = BUILDS / "local" / function
    listed = subprocess.run(
        ["docker", "ps", "--quiet", "--filter", f"volume={folder}"], capture_output=True, text=True, check=True
    )
    return listed.stdout.split()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.2)
    pytest.fail(f"sam local did not start:\n{log.read_text(errors='replace')[-3000:]}", pytrace=False)


@pytest.mark.timeout(480)
def test_the_smoke_test_passes_with_the_built_functions(
    sam_local: SamLocal, capsys: pytest.CaptureFixture[str]
) -> None:
    """It registers, signs in, refreshes, calls an API behind the authorizer, signs out, and checks the errors."""
    status = main(["--url", sam_local.url])

    assert status == PASSED, capsys.readouterr()


@pytest.mark.timeout(480)
def test_ctrl_c_stops_the_server_and_its_containers(sam_local: SamLocal) -> None:
    api = HTTPConnection(sam_local.url.removeprefix("http://"), timeout=60)
    api.request("GET", "/nowhere")
    assert api.getresponse().status == 404
    assert containers_of("DefaultFunction")

    sam_local.process.send_signal(signal.SIGINT)

    assert sam_local.process.wait(END_SECONDS) == 0
    assert containers_of("DefaultFunction") == []


@pytest.mark.timeout(480)
def test_a_function_is_invoked_with_each_of_its_events(environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "sam_local", "invoke", "JwksFunction", "DefaultFunction"]

    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    answers = done.stdout[done.stdout.index("JwksFunction events/") :].splitlines()
    assert done.returncode == 0, done.stderr
    assert answers[::2] == [
        "JwksFunction events/jwks/key_set.json",
        "JwksFunction events/jwks/key_set_of_gotrue.json",
        "DefaultFunction events/default/unknown_path.json",
        "DefaultFunction events/default/unknown_path_of_gotrue.json",
    ]
    assert [json.loads(answer)["statusCode"] for answer in answers[1::2]] == [200, 200, 404, 404]
