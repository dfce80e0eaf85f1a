"""What functions do while they are imported: nothing unique, which snapshots of them would share (security.md 157)."""

import json
import os
import subprocess
import sys

from tests.dynamodb_local import ROOT
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

from gerbang import runtime
ids = [runtime.new_id(), runtime.new_id(), runtime.new_number(), runtime.new_number()]
print(json.dumps({"at import": at_import, "when asked": drawn, "ids": len(set(ids))}))
"""


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
