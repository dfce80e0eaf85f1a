"""The README's transcript works as printed, and its tables are up to date. (Names and links: test_documents.py.)"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from gerbang_bench import prices
from gerbang_docs.readme import MarkersMissing, with_tables
from gerbang_local.declarations import endpoints

from tests.wire.server import Server, running

ROOT: Final = Path(__file__).parents[1]
README: Final = (ROOT / "README.md").read_text("utf-8")
URL: Final = "http://127.0.0.1:3000"
"""The URL of the API in the README."""

ANYTHING: Final = "\u2026"
END_OF_OUTPUT: Final = "--- end of output ---"
BASH: Final = shutil.which("bash")


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a transcript, and its output. An ellipsis stands for any text within a line."""

    command: str
    output: str

    @property
    def calls_the_api(self) -> bool:
        """Say whether the command calls the API. Other commands start, build or deploy it."""
        return not self.command.startswith(("make ", "sam ", "STAGE="))


def console_blocks() -> list[list[Step]]:
    blocks = re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [list(steps_of(block)) for block in blocks]


def steps_of(block: str) -> Iterator[Step]:
    """Yield the steps of a block. `$ ` begins a command; a backslash at the end of a line continues it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        length = 1 + next(number for number, line in enumerate(lines) if not line.endswith("\\"))
        yield Step("\n".join(lines[:length]), "\n".join(lines[length:]).strip())


def matches(expected: str, printed: str) -> bool:
    pattern = ".+?".join(re.escape(part) for part in expected.split(ANYTHING))
    return re.fullmatch(pattern, printed) is not None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`make run`, with default settings."""
    with running(tmp_path_factory.mktemp("readme")) as server:
        yield server


@pytest.mark.skipif(BASH is None or shutil.which("curl") is None, reason="the transcript needs bash and curl")
def test_the_transcript_runs_as_printed(server: Server) -> None:
    steps = [step for block in console_blocks() for step in block if step.calls_the_api]
    assert len(steps) >= 10
    script = "".join(f"{step.command}\nprintf '\\n%s\\n' '{END_OF_OUTPUT}'\n" for step in steps)

    ran = subprocess.run(
        ["bash", "-eu", "-c", script.replace(URL, f"http://127.0.0.1:{server.port}")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.stderr == ""
    printed = [output.strip() for output in ran.stdout.split(END_OF_OUTPUT)]
    for step, output in zip(steps, printed, strict=False):
        assert matches(step.output, output), f"$ {step.command}\n{output}"
    assert len(printed) == len(steps) + 1


def test_the_tables_are_up_to_date() -> None:
    assert with_tables(README) == README, "run `make docs`"


def test_a_missing_table_marker_is_an_error() -> None:
    with pytest.raises(MarkersMissing, match="needs <!-- endpoints -->"):
        with_tables(README.replace("<!-- endpoints -->", ""))


def test_every_endpoint_is_in_the_table() -> None:
    for endpoint in endpoints().values():
        for path in endpoint.paths:
            assert re.search(rf"^\| `[A-Z]+ {re.escape(path)}[?`]", README, re.MULTILINE) or path == "$default"


def test_the_monthly_price_is_computed_from_the_measurements() -> None:
    bill = prices.bill(prices.USERS, prices.REGION, prices.measured())

    [printed] = re.findall(r"^<!-- bill -->\n(.*?)\n<!-- /bill -->$", README, re.MULTILINE | re.DOTALL)

    assert printed == prices.line(bill), "run `make price ARGS=--write`"
