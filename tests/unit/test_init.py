"""What functions do while they are imported: nothing unique, which snapshots of them would share (security.md 157)."""

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
def test_nothing_unique_is_made_at_import() -> None:
    variables = {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "layers" / "auth"),
    }
    for function in functions().values():
        variables |= function.environment()
    folders = [str(function.folder) for function in functions().values()]

    run = subprocess.run(
        [sys.executable, "-c", IMPORTING_EVERY_FUNCTION, *folders],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert run.returncode == 0, run.stderr
    drawn = json.loads(run.stdout.splitlines()[-1])
    assert drawn["at import"] == []
    assert {"uuid4", "randbelow"} <= set(drawn["when asked"])  # so the watch works
    assert drawn["ids"] == 4


@pytest.fixture
def on_lambda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have init do what it does on Lambda; collecting garbage is as it was in the end."""
    monkeypatch.setattr(init, "ON_LAMBDA", True)
    yield
    gc.unfreeze()
    gc.enable()


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    """What is logged, instead of standard output."""
    recording = RecordingLog()
    monkeypatch.setattr("gerbang.core.log.log_event", recording)
    return recording


@pytest.mark.usefixtures("on_lambda")
def test_what_is_preloaded_is_done_when_init_ends() -> None:
    done: list[str] = []

    init.preload(lambda: done.append("connected"))
    init.finish_init(print)

    assert done == ["connected"]


@pytest.mark.covers("F23")
@pytest.mark.usefixtures("on_lambda")
def test_a_failure_while_preloading_is_logged_and_fails_no_start(recorded: RecordingLog) -> None:
    def fail() -> None:
        raise OSError("no route")

    init.preload(fail)

    assert init.finish_init(print) is print
    assert [(note.event, note.fields) for note in recorded.notes] == [("not_warmed", {"reason": "OSError"})]


@pytest.mark.covers("F23")
@pytest.mark.usefixtures("on_lambda")
def test_what_hangs_while_preloading_holds_up_a_start_for_seconds_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init, "LONGEST_WAIT_SECONDS", 0.05)
    released = Event()

    init.preload(released.wait)
    started_at = monotonic()

    assert init.finish_init(print) is print
    assert monotonic() - started_at < 5
    released.set()


@pytest.mark.usefixtures("on_lambda")
def test_an_endpoint_builds_in_init_what_reading_a_request_needs() -> None:
    class Greeting(Body):
        name: str

    endpoint = Endpoint("/greetings")

    @endpoint.post(botlaunch.API, request=Greeting)
    def greet(_call: Call[Greeting, None]) -> None:
        raise AssertionError

    assert not Greeting.__pydantic_complete__
    endpoint.handler()

    assert Greeting.__pydantic_complete__


def test_elsewhere_nothing_is_preloaded() -> None:
    init.preload(lambda: pytest.fail("preloaded"))

    assert init.finish_init(print) is print
