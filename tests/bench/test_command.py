"""The commands `make bench` and `make price`: their options and error messages."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.build.artefacts import ROOT

TEMPLATE = """
Parameters: {Architecture: {Type: String, Default: arm64}, GoogleClientIds: {Type: String, Default: ""}}
Globals: {Function: {Runtime: python3.13, Handler: app.handler, MemorySize: 512, Environment: {Variables: {A: b}}}}
Resources:
  UnderLayer: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: UnderLayer}}
  ApiMeFunction: {Type: AWS::Serverless::Function, Properties: {CodeUri: ApiMeFunction, Layers: [!Ref UnderLayer]}}
"""


@dataclass(frozen=True, slots=True)
class Run:
    status: int
    out: str
    error: str


def run(*arguments: str | Path, module: str = "gerbang_bench", **environment: str) -> Run:
    ran = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return Run(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture
def build(tmp_path: Path) -> Path:
    folder = tmp_path / "build"
    (folder / "UnderLayer").mkdir(parents=True)
    (folder / "template.yaml").write_text(TEMPLATE)
    return folder


def test_without_a_build_it_says_what_to_run(tmp_path: Path) -> None:
    ran = run("--build", tmp_path / "nowhere" / "build")

    assert ran.status == 1
    assert ran.error.splitlines() == [
        f"There is no build in {tmp_path / 'nowhere' / 'build'}: run `make bench`, which makes one."
    ]


def test_an_unknown_case_is_an_error_that_lists_all_cases(build: Path) -> None:
    ran = run("--build", build, "--case", "api/auth/you")

    assert ran.status == 2
    assert ran.error.splitlines()[-1].endswith("--case: No function is api/auth/you; there are api/auth/me.")


def test_without_java_or_docker_it_says_what_to_install(build: Path, tmp_path: Path) -> None:
    ran = run("--build", build, PATH=str(tmp_path), JAVA_HOME="")

    assert ran.status == 1
    assert "apt install maven default-jre-headless" in ran.error.splitlines()[-1]


@pytest.mark.parametrize("module", ["gerbang_bench", "gerbang_bench.bill"])
def test_help_describes_the_options(module: str) -> None:
    ran = run("--help", module=module)

    assert ran.status == 0
    assert "default" in ran.out


@pytest.mark.parametrize(
    ("module", "arguments", "sentence"),
    [
        ("gerbang_bench", ["--rounds", "0"], "argument --rounds: '0' is not a whole number above 0"),
        ("gerbang_bench", ["--rounds", "many"], "argument --rounds: 'many' is not a whole number above 0"),
        ("gerbang_bench", ["--json", "/no/such/folder/file"], "argument --json: there is no folder /no/such/folder"),
        ("gerbang_bench.bill", ["--mau", "-5"], "argument --mau: '-5' is not a whole number above 0"),
        ("gerbang_bench.bill", ["--region", "moon-1"], "invalid choice: 'moon-1'"),
    ],
    ids=["no rounds", "not a number", "no folder", "no users", "no region"],
)
def test_invalid_arguments_are_errors(module: str, arguments: list[str], sentence: str) -> None:
    ran = run(*arguments, module=module)

    assert ran.status == 2
    assert sentence in ran.error.splitlines()[-1]


def test_the_price_is_printed_as_a_table_and_a_line() -> None:
    ran = run("--mau", "100000", module="gerbang_bench.bill")

    assert ran.status == 0
    assert "| total |" in ran.out
    assert ran.out.splitlines()[-1].startswith("100,000 active users cost about $")
