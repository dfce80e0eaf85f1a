"""Small stacks for the tests of `gerbang_local`."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from gerbang_local.aws import Aws, behave_as_in_lambda
from gerbang_local.mailbox import Mailbox
from gerbang_local.memory import aws_in_memory

NOON: Final = datetime(2026, 3, 23, 12, 0, 0, 250_000, tzinfo=UTC)
START_SECONDS: Final = 40.0
END_SECONDS: Final = 10.0
OPTIONS: Final = frozenset({"DYNAMODB_ENDPOINT", "HOST", "LAMBDA_ENDPOINT", "PARAMETERS", "PORT"})


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox(now=lambda: NOON)


@pytest.fixture
def aws(mailbox: Mailbox) -> Iterator[Aws]:
    """AWS in memory, empty."""
    before = dict(os.environ)
    behave_as_in_lambda(dynamodb_endpoint=None)
    try:
        with aws_in_memory(mailbox):
            yield Aws()
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(slots=True)
class Served:
    """A process that serves a template."""

    process: subprocess.Popen[str]
    url: str = ""
    printed: list[str] = field(default_factory=list)
    _started: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def end(self, how: signal.Signals) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(how)
        return self.process.wait(END_SECONDS)

    def output(self) -> str:
        return "".join(self.printed)

    def read(self) -> None:
        """Read the output of the process until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line)
            if line.startswith("Listening at "):
                self.url = line.split()[2].rstrip(",")
            if line.startswith(("  AWS runs in memory", "  DynamoDB is")):  # the last line that is always there
                self._started.set()
        self._started.set()

    def wait_until_started(self) -> None:
        assert self._started.wait(START_SECONDS), self.output()
        assert self.url, self.output()


def start(template: Path, **environment: str) -> subprocess.Popen[str]:
    """Start `python -m gerbang_local` on a free port. Options of `make run` in the environment are ignored."""
    inherited = {name: value for name, value in os.environ.items() if name not in OPTIONS}
    return subprocess.Popen(
        [sys.executable, "-m", "gerbang_local", str(template)],
        env={**inherited, "PORT": "0", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextmanager
def served(template: Path, **environment: str) -> Iterator[Served]:
    """Serve a template until the block ends."""
    running = Served(start(template, **environment))
    reading = threading.Thread(target=running.read)
    reading.start()
    try:
        running.wait_until_started()
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        reading.join()
        if running.process.stdout is not None:
            running.process.stdout.close()


def write_stack(folder: Path, template: str, files: Mapping[str, str]) -> Path:
    """Write a template and the files of its functions. Return the template's path."""
    for path, text in {"template.yaml": template, **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(textwrap.dedent(text))
    return folder / "template.yaml"


TINY = """
    Resources:
      F:
        Type: AWS::Serverless::Function
        Properties:
          CodeUri: f
          Handler: app.handler
          Events: { E: { Type: HttpApi, Properties: { Method: POST, Path: /api/auth/register } } }
    """


def tiny(folder: Path, code: str = "def handler(event, context): return 'tiny'") -> Path:
    return write_stack(folder, TINY, {"f/app.py": code})
