"""The README's programs for Supabase's clients work as printed, except for the server's address and key."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.clients.conftest import Serve
from tests.clients.gerbang import Inbox
from tests.clients.test_javascript import JAVASCRIPT, node
from tests.wire.server import running

__all__ = ["node"]

README: Final = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


def program(language: str, url: str) -> str:
    """Return the README's program in a language that uses an official client, changed to another server."""
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    (found,) = (block for block in blocks if "supabase" in block)
    key = httpx.get(f"{url}/_local/config.json").json()["publishable_key"]
    return found.replace("http://127.0.0.1:3000", url).replace("sb_publishable_local", key)


def output_of(command: list[str], url: str, address: str, folder: Path) -> list[str]:
    """Run a program, enter the mailed code, and return the printed lines."""
    with (
        subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | {"NODE_NO_WARNINGS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as running,
        httpx.Client(base_url=url) as http,
    ):
        printed, _ = running.communicate(f"{Inbox(http=http, address=address).next_code()}\n", timeout=30)
    assert running.returncode == 0, printed
    return str(printed).partition("Code from the mail: ")[2].splitlines()


def test_the_python_program_works(serve: Serve, tmp_path: Path) -> None:
    url = serve("", running)
    written = tmp_path / "program.py"
    written.write_text(program("python", url))

    confirmed_at, theme = output_of([sys.executable, "-W", "ignore", str(written)], url, "jean@example.com", tmp_path)

    assert re.match(r"20\d\d-", confirmed_at)
    assert theme == "dark"


def test_the_javascript_program_works(serve: Serve, node: str, request: pytest.FixtureRequest) -> None:
    url = serve("", running)
    written = JAVASCRIPT / "readme-program.mjs"  # where the clients are installed
    request.addfinalizer(written.unlink)
    without_websocket = "globalThis.WebSocket ??= class {};"  # supabase-js needs one, which Node 20 does not have
    written.write_text(f"{without_websocket}\n{program('js', url)}")

    confirmed_at, theme = output_of([node, str(written)], url, "joan@example.com", JAVASCRIPT)

    assert re.match(r"20\d\d-", confirmed_at)
    assert theme == "dark"
