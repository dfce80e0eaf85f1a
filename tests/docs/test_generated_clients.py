"""Clients that are generated from the OpenAPI document work with `make run`."""

import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from gerbang_docs.openapi import FILE

from tests.clients.test_javascript import JAVASCRIPT, node
from tests.wire.server import running

__all__ = ["node"]

APP: Final = Path(__file__).with_name("generated.ts")
TOOLS: Final = JAVASCRIPT / "node_modules/.bin"
COMPILER: Final = ("--strict", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext")
ENDED: Final = "The session has ended. Sign in again."


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("server"), PARAMETERS="PasswordHashCost=10") as server:
        yield f"http://127.0.0.1:{server.port}"


def ran(*command: str | Path, cwd: Path) -> str:
    """Run a command, and return its output. If it fails, fail with the output."""
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_typescript_client_works(node: str, url: str, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(JAVASCRIPT / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}', "utf-8")
    (tmp_path / "process.d.ts").write_text("declare const process: { argv: string[] };", "utf-8")
    shutil.copy(APP, tmp_path / "app.ts")

    ran(node, TOOLS / "openapi-typescript", FILE, "--output", "api.ts", cwd=tmp_path)
    ran(node, TOOLS / "tsc", *COMPILER, "app.ts", "process.d.ts", cwd=tmp_path)

    assert json.loads(ran(node, "app.js", url, "mira", cwd=tmp_path)) == ["mira", "Logout successful", 401, ENDED]


def test_a_python_client_works(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = shutil.which("openapi-python-client", path=str(Path(sys.executable).parent))
    assert generator is not None
    ran(generator, "generate", "--path", FILE, "--meta", "none", "--output-path", "generated_client", cwd=tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def module(name: str) -> Any:
        return importlib.import_module(f"generated_client.{name}")

    body = module("models").BotLaunchRegisterRequest(email="lea@example.com", password="Violet-tram-42", name="Lea")
    with module("client").Client(url) as client:
        registered = module("api.snap_otp.post_api_auth_register").sync(client=client, body=body)
    with module("client").AuthenticatedClient(url, token=registered.data.access_token) as client:
        user = module("api.snap_otp.get_api_auth_me").sync(client=client)
        signed_out = module("api.bot_launch.post_api_auth_logout").sync(client=client)
        error = module("api.snap_otp.get_api_auth_me").sync(client=client)

    assert (user.data.email, signed_out.message, error.message) == ("lea@example.com", "Logout successful", ENDED)
