"""The walk through the built functions in Lambda's containers. Skipped where there is no Docker with the image."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from gerbang_smoke.__main__ import PASSED, main
from sam_local.sam import IMAGE, image_is_here

ROOT: Final = Path(__file__).parents[2]
START_SECONDS: Final = 240.0
"""Building takes most of it."""
END_SECONDS: Final = 60.0


@pytest.fixture
def sam_local(dynamodb_endpoint: str, tmp_path: Path) -> Iterator[str]:
    """`make sam-local`; yields its URL."""
    if not image_is_here():
        pytest.skip(f"no Docker, or it has no {IMAGE}")
    port, log = free_port(), tmp_path / "log"
    environment = {**os.environ, "PORT": str(port), "DYNAMODB_ENDPOINT": dynamodb_endpoint}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "sam_local"], cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_for(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(END_SECONDS)


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
def test_a_person_s_day_goes_through_the_built_functions(sam_local: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Register, sign in, refresh, me, behind the authorizer, sign out, and every refusal on the way."""
    status = main(["--url", sam_local])

    assert status == PASSED, capsys.readouterr()
