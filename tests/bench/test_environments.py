"""An execution environment with Lambda's runtime client: init, invocations, and measurements."""

import os
import sys
from pathlib import Path

import pytest
from gerbang_bench import builds
from gerbang_bench.environments import LISTING, Deployed, Environment, Failed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Lambda's runtime client is for Linux")

ECHO = """
def handler(event, context):
    print("hello")
    return {"event": event, "in time": context.get_remaining_time_in_millis() > 0}
"""
HASHES = """
import bcrypt
def handler(event, context):
    hashes = [bcrypt.hashpw(b"x", b"$2b$08$GerbangBenchmarkSaltOO") for _ in range(event)]
    return len(hashes)
"""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return builds.installed(builds.RUNTIME, tmp_path_factory.mktemp("runtime"))


@pytest.fixture(scope="module")
def third_parties(tmp_path_factory: pytest.TempPathFactory) -> Path:
    opt = tmp_path_factory.mktemp("opt")
    builds.installed(["bcrypt"], opt / "python")
    return opt


class Start:
    """Starts functions that tests define."""

    def __init__(self, runtime: Path, opt: Path, folder: Path) -> None:
        self._runtime, self._opt, self._folder = runtime, opt, folder

    def __call__(self, source: str, variables: dict[str, str] | None = None) -> Environment:
        task = builds.written(source, self._folder)
        deployed = Deployed(name="test function", task=task, opt=self._opt, variables={"COLOUR": "violet"})
        return Environment(
            deployed, runtime=self._runtime, variables=variables or {}, core=min(os.sched_getaffinity(0))
        )


@pytest.fixture
def start(runtime: Path, third_parties: Path, tmp_path: Path) -> Start:
    return Start(runtime, third_parties, tmp_path / "task")


def test_the_handler_answers_events(start: Start) -> None:
    with start(ECHO) as environment:
        answers = [environment.invoke({"number": number}).answer for number in (1, 2)]

    assert answers == [{"event": {"number": 1}, "in time": True}, {"event": {"number": 2}, "in time": True}]


def test_starts_and_events_are_measured(start: Start) -> None:
    with start(ECHO) as environment:
        invocation = environment.invoke({})
        peak_mb = environment.peak_mb()

    assert environment.start.ms >= environment.start.cpu_ms * 0.5 > 0
    assert invocation.ms > 0
    assert invocation.cpu_ms > 0
    assert 5 < peak_mb < 200
    assert invocation.logged_bytes >= len("hello\n")


def test_the_time_of_hashes_is_measured_separately(start: Start) -> None:
    with start(HASHES) as environment:
        none, one, three = (environment.invoke(number) for number in (0, 1, 3))

    assert (none.hash_ms, none.hash_cpu_ms) == (0.0, 0.0)
    assert 0 < one.hash_ms <= one.ms
    assert 0 < one.hash_cpu_ms <= one.cpu_ms
    assert three.hash_cpu_ms > 2 * one.hash_cpu_ms


def test_the_search_path_does_not_include_this_project(start: Start) -> None:
    source = "def handler(event, context):\n    import gerbang_bench\n"

    with start(source) as environment, pytest.raises(Failed, match="No module named 'gerbang_bench'"):
        environment.invoke({})


def test_modules_imported_during_init_are_listed(start: Start) -> None:
    source = "import colorsys\ndef handler(event, context):\n    import wave\n"

    with start(source, dict(LISTING)) as environment:
        environment.invoke({})
        modules = environment.modules()

    assert {"app", "colorsys", "awslambdaric.bootstrap"} <= modules
    assert "wave" not in modules


def test_a_function_that_cannot_be_imported_is_an_error(start: Start) -> None:
    with pytest.raises(Failed, match=r"test function: .*no_such_module"):
        start("import no_such_module\n")


def test_a_process_that_exits_is_an_error_with_its_output(start: Start) -> None:
    source = "import os\ndef handler(event, context):\n    print('last output', flush=True)\n    os._exit(3)\n"

    with start(source) as environment, pytest.raises(Failed, match="last output"):
        environment.invoke({})
