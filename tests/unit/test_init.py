"""What functions do while they are imported: nothing unique, which snapshots of them would share (security.md 157)."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from gerbang.apis.fields import Body
from gerbang.core import init, log
from gerbang.http import edge

from tests.dynamodb_local import ROOT
from tests.fakes import RecordingLog
from tests.unit.test_settings import environment_of

FUNCTIONS = sorted(path.parent for path in (ROOT / "functions").rglob("app.py"))

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

from gerbang import container as runtime
ids = [runtime.new_id(), runtime.new_id(), runtime.new_number(), runtime.new_number()]
print(json.dumps({"at import": at_import, "when asked": drawn, "ids": len(set(ids))}))
"""


@pytest.mark.covers("157")
def test_nothing_unique_is_made_at_import() -> None:
    variables = environment_of("functions/mailer") | {
        "AWS_DEFAULT_REGION": "eu-west-1",
        "PATH": os.environ["PATH"],
        "POWERTOOLS_METRICS_NAMESPACE": "tests",
        "PYTHONPATH": str(ROOT / "layers" / "auth"),
    }

    run = subprocess.run(
        [sys.executable, "-c", IMPORTING_EVERY_FUNCTION, *map(str, FUNCTIONS)],
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
def notes(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    noted = RecordingLog()
    monkeypatch.setattr(log, "log", lambda: noted)
    return noted


@pytest.mark.usefixtures("on_lambda")
def test_what_is_warmed_is_done_when_init_is_over() -> None:
    done: list[str] = []

    init.preload(lambda: done.append("connected"))
    init.finish_init(print)

    assert done == ["connected"]


@pytest.mark.covers("F23")
@pytest.mark.usefixtures("on_lambda")
def test_a_failure_while_warming_up_is_noted_and_fails_no_start(notes: RecordingLog) -> None:

    def fail() -> None:
        raise OSError("no route")

    init.preload(fail)

    assert init.finish_init(print) is print
    assert [(note.event, note.fields) for note in notes.notes] == [("not_warmed", {"reason": "OSError"})]


@pytest.mark.usefixtures("on_lambda")
def test_a_rehearsal_builds_what_reading_a_request_needs_and_nobody_hears_of_its_refusal(
    notes: RecordingLog,
) -> None:
    class Greeting(Body):
        name: str

    edge.rehearse(lambda request: request.parse(Greeting))
    init.finish_init(print)

    assert Greeting.__pydantic_complete__
    assert notes.notes == []


def test_elsewhere_nothing_is_warmed() -> None:
    init.preload(lambda: pytest.fail("warmed"))

    assert init.finish_init(print) is print
