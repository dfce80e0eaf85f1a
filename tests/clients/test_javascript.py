"""Runs the tests in `tests/clients/javascript` with Node.js."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.clients.conftest import NO_LIMITS, Serve
from tests.deploy.built_server import running_built
from tests.not_run import not_run
from tests.wire.server import running

JAVASCRIPT: Final = Path(__file__).with_name("javascript")
FILES: Final = sorted(path.name for path in JAVASCRIPT.glob("*.test.js"))
WITH_DEFAULT_SETTINGS: Final = frozenset({"default_settings.test.js", "refresh.test.js"})
WITH_CAPTCHA: Final = frozenset({"captcha.test.js"})
OLDEST_NODE: Final = 20
GET_NODE: Final = f"Install Node.js {OLDEST_NODE} or later (https://nodejs.org)."


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node.js. The test is skipped if Node.js or the clients are not installed."""
    what = "test files of the JavaScript clients"
    path = shutil.which("node")
    if path is None:
        not_run(what, f"Node.js is missing. {GET_NODE}")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < OLDEST_NODE:
        not_run(what, f"Node.js {version} is too old. {GET_NODE}")
    if not (JAVASCRIPT / "node_modules").is_dir():
        not_run(what, "the clients are not installed. Run tools/bootstrap/javascript-clients.")
    return path


@pytest.mark.parametrize("file", FILES)
def test_javascript(file: str, node: str, serve: Serve) -> None:
    captcha = " CaptchaProvider=hcaptcha" if file in WITH_CAPTCHA else ""
    passes(file, node, serve("" if file in WITH_DEFAULT_SETTINGS else f"{NO_LIMITS}{captcha}", running))


@pytest.mark.build
def test_javascript_with_built_functions(node: str, serve: Serve) -> None:
    passes("default_settings.test.js", node, serve("", running_built))


def passes(file: str, node: str, url: str) -> None:
    """Run a test file with a server. If it fails, fail with its output."""
    ran = subprocess.run(
        [node, "--test", "--test-reporter=spec", file],
        cwd=JAVASCRIPT,
        env={**os.environ, "GERBANG_URL": url},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
        check=False,
    )

    if ran.returncode != 0:
        pytest.fail(ran.stdout.partition("failing tests:")[2] or ran.stdout, pytrace=False)
    assert re.search(r"^. pass [1-9]", ran.stdout, re.MULTILINE), f"{file} has no tests"
