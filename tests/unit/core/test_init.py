"""The init phase of functions: preloading, and no random values, which snapshots would share (security.md 157)."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from threading import Event
from time import monotonic

import pytest
from gerbang.apis import botlaunch
from gerbang.apis.fields import Body
from gerbang.core import init
from gerbang.http.endpoint import Call, Endpoint
from gerbang_local.declarations import ROOT, functions

from tests.fakes import RecordingLog

IMPORTING_EVERY_FUNCTION = """
import importlib.util, json, os, random, secrets, sys, sysconfig, uuid
import bcrypt

standard_library, third_parties = sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")
drawn = []

def watched(name, draw):
    def drawing(*arguments, **keywords):
        frame = sys._getframe(1)
        while frame.f_code.co_filename.startswith((standard_library, "<")):
            if third_parties in frame.f_code.co_filename or frame.f_back is None:
                break
            frame = frame.f_back
        if "/gerbang/" in frame.f_code.co_filename or "/functions/" in frame.f_code.co_filename:
            drawn.append(name)
        return draw(*arguments, **keywords)
    return drawing

for module, names in {
    bcrypt: ["gensalt"],
    os: ["urandom"],
    random: ["choice", "getrandbits", "randbytes", "randint", "random", "uniform"],
    secrets: ["choice", "randbelow", "randbits", "token_bytes", "token_hex", "token_urlsafe"],
    uuid: ["uuid1", "uuid4"],
}.items():
    for name in names:
        setattr(module, name, watched(name, getattr(module, name)))

for number, folder in enumerate(sys.argv[1:]):
    spec = importlib.util.spec_from_file_location(f"function_{number}", f"{folder}/app.py")
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
at_import, drawn[:] = list(drawn), []

from gerbang.container import container
ids = [container.new_id(), container.new_id(), container.new_number(), container.new_number()]
print(json.dumps({"at import": at_import, "when asked": drawn, "ids": len(set(ids))}))
"""


@pytest.mark.covers("157")
def test_no_random_value_is_drawn_at_import() -> None:
    variables = {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "layers" / "auth"),
    }
    for function in functions().values():
        variables |= function.environment()
    folders = [str(function.folder) for function in functions().values()]

    process = subprocess.run(
        [sys.executable, "-c", IMPORTING_EVERY_FUNCTION, *folders],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert process.returncode == 0, process.stderr
    draws = json.loads(process.stdout.splitlines()[-1])
    assert draws["at import"] == []
    assert {"uuid4", "randbelow"} <= set(draws["when asked"])  # the watched functions are recorded
    assert draws["ids"] == 4


@pytest.fixture
def on_lambda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make init behave as on Lambda; restore the garbage collector afterwards."""
    monkeypatch.setattr(init, "ON_LAMBDA", True)
    yield
    gc.unfreeze()
    gc.enable()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    """What is logged. Nothing is written to standard output."""
    recording = RecordingLog()
    monkeypatch.setattr("gerbang.core.log.log_event", recording)
    return recording


@pytest.mark.usefixtures("on_lambda")
def test_preloading_is_complete_when_init_ends() -> None:
    done: list[str] = []

    init.preload(lambda: done.append("connected"))
    init.finish_init(print)

    assert done == ["connected"]


@pytest.mark.covers("F23")
@pytest.mark.usefixtures("on_lambda")
def test_a_failed_preload_is_logged_and_does_not_fail_the_start(log: RecordingLog) -> None:
    def fail() -> None:
        raise OSError("no route")

    init.preload(fail)

    assert init.finish_init(print) is print
    assert [(note.event, note.fields) for note in log.notes] == [("not_warmed", {"reason": "OSError"})]


@pytest.mark.covers("F23")
@pytest.mark.usefixtures("on_lambda")
def test_a_hanging_preload_delays_the_start_for_a_limited_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "LONGEST_WAIT_SECONDS", 0.05)
    released = Event()

    init.preload(released.wait)
    started_at = monotonic()

    assert init.finish_init(print) is print
    assert monotonic() - started_at < 5
    released.set()


@pytest.mark.usefixtures("on_lambda")
def test_an_endpoint_builds_its_request_models_in_init() -> None:
    class Greeting(Body):
        name: str

    endpoint = Endpoint("/greetings")

    @endpoint.post(botlaunch.API, request=Greeting)
    def greet(_call: Call[Greeting, None]) -> None:
        raise AssertionError

    assert not Greeting.__pydantic_complete__
    endpoint.handler()

    assert Greeting.__pydantic_complete__


def test_outside_lambda_nothing_is_preloaded() -> None:
    init.preload(lambda: pytest.fail("preloaded"))

    assert init.finish_init(print) is print
