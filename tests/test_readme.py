"""The README is true: its transcript runs, and its tables list what there is. (Names and links: test_documents.py.)"""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from gerbang_bench import prices

from tests.endpoints import DEFAULT_PATH, endpoints, template
from tests.wire.server import Server, running

ROOT: Final = Path(__file__).parents[1]
README: Final = (ROOT / "README.md").read_text("utf-8")
URL: Final = "http://127.0.0.1:3000"
"""Where the README says that the API is."""

ANYTHING: Final = "\u2026"
END_OF_OUTPUT: Final = "--- end of output ---"
BASH: Final = shutil.which("bash")


@dataclass(frozen=True, slots=True)
class Step:
    """A command of a transcript, and what it prints; an ellipsis stands for anything on its line."""

    command: str
    output: str

    @property
    def is_a_curl_away(self) -> bool:
        """Say whether it talks to the API; the others start, build or deploy it."""
        return not self.command.startswith(("make ", "sam ", "STAGE="))


def console_blocks() -> list[list[Step]]:
    blocks = re.findall(r"^```console\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [list(steps_of(block)) for block in blocks]


def steps_of(block: str) -> Iterator[Step]:
    """The steps of a block: `$ ` begins a command, a line that ends in a backslash goes on."""
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
    steps = [step for block in console_blocks() for step in block if step.is_a_curl_away]
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


def table_after(heading: str) -> list[list[str]]:
    """The rows of the first table after a line that begins so; cells without their back ticks."""
    text = README[README.index(heading) :]
    rows = re.findall(r"^\| (.*) \|$", text[: text.index("\n\n", text.index("|---|"))], re.MULTILINE)
    return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", row)] for row in rows]


def test_the_table_of_endpoints_lists_every_route_and_nothing_else() -> None:
    listed = [row[0] for row in table_after("| method and path |")[1:]]

    declared = {
        f"{operation.method} {endpoint.paths[0]}"
        for endpoint in endpoints().values()
        for operation in endpoint.operations
        if endpoint.paths[0] != DEFAULT_PATH
    }
    assert sorted(listed) == sorted(declared)


def test_the_table_of_settings_lists_every_parameter_with_its_default() -> None:
    [listed] = re.findall(r"^<!-- settings -->\n(.*?)^<!-- /settings -->$", README, re.MULTILINE | re.DOTALL)

    table = "".join(f"{line}\n" for line in _settings())

    assert listed == table, f"README.md, between the settings comments, should be:\n\n{table}"


def _settings() -> Iterator[str]:
    yield "| parameter | default | |"
    yield "|---|---|---|"
    for name, parameter in template().parameters.items():
        default = f"`{parameter['Default']}`" if str(parameter["Default"]) else ""
        yield f"| `{name}` | {default} | {parameter['Description']} |"


def test_the_bill_is_the_one_that_the_measurements_make() -> None:
    made = prices.bill(prices.USERS, prices.REGION, prices.measured())

    [said] = re.findall(r"^<!-- bill -->\n(.*?)\n<!-- /bill -->$", README, re.MULTILINE | re.DOTALL)

    assert said == prices.line(made), "`make price ARGS=--write` writes it"
