"""Runs built functions, each in its own process of Lambda's runtime interface client, with the layers below `/opt`.

The process is a bare interpreter. Its search path is the function's folder, `/opt` and the client: it has no access to
this project's environment and sources. This module implements the Runtime API for it:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
"""

import json
import queue
import shutil
import site
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, override

from gerbang_local.declarations import template
from gerbang_local.stack import REGION, Function

from tests.build.artefacts import Build

_INIT_SECONDS: Final = 60
"""Lambda allows 10. A test machine may be slower."""

_POLL_SECONDS: Final = 0.05
"""How often a server checks whether it must stop. The default, half a second, would delay every stop."""

_CLIENT: Final = ("awslambdaric", "simplejson", "snapshot_restore_py.py", "runtime_client.*.so")
"""The runtime interface client and its dependencies, in this environment's site-packages."""

# Like the start of Lambda's image: python3.13 -m awslambdaric, with three folders in the search path.
_BOOT: Final = """\
import os, sys
sys.path[:0] = os.environ.pop("SEARCH_PATH").split(os.pathsep)
from awslambdaric.__main__ import main
main(["awslambdaric", os.environ["_HANDLER"]])
"""


def variables_of_logging() -> dict[str, str]:
    """Return the variables that Lambda sets for the template's `LoggingConfig`. With JSON, it always sets a level.

    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
    """
    config: Mapping[str, str] = template().globals["Function"]["LoggingConfig"]
    level = {"AWS_LAMBDA_LOG_LEVEL": config.get("ApplicationLogLevel", "INFO")}
    return {"AWS_LAMBDA_LOG_FORMAT": config["LogFormat"], **(level if config["LogFormat"] == "JSON" else {})}


class FunctionFailed(Exception):
    """The function could not start, or raised an exception. The text is the exception's."""


@dataclass(frozen=True, slots=True)
class Mounts:
    """The folders that replace `/opt` and `/var/runtime`."""

    opt: Path
    runtime: Path

    @classmethod
    def of(cls, build: Build, folder: Path) -> "Mounts":
        """Copy the layers into one folder, in their order, and link the runtime client into another."""
        opt, runtime = folder / "opt", folder / "runtime"
        for layer in build.layers.values():
            shutil.copytree(layer, opt, dirs_exist_ok=True)
        runtime.mkdir()
        packages = Path(site.getsitepackages()[0])
        for pattern in _CLIENT:
            [found] = packages.glob(pattern)
            (runtime / found.name).symlink_to(found)
        return cls(opt, runtime)

    def search_path(self, task: Path) -> str:
        """Return the folders before the standard library, for a function in the folder *task*."""
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        opt = self.opt / "python"
        return ":".join(map(str, (task, opt / "lib" / version / "site-packages", opt, self.runtime)))


class RunningFunction:
    """A running process of one function."""

    def __init__(self, mounts: Mounts, function: Function, more: Mapping[str, str]) -> None:
        """Start the process. *more* are variables in addition to the function's own.

        Raises:
            FunctionFailed: the module cannot be imported, or init took too long.
        """
        self._name: Final = function.name
        self._timeout_seconds: Final = function.timeout_seconds
        self._events: Final[queue.SimpleQueue[bytes]] = queue.SimpleQueue()
        self._answers: Final[queue.SimpleQueue[Any]] = queue.SimpleQueue()
        self._ready: Final = threading.Event()
        self._api: Final = ThreadingHTTPServer(("127.0.0.1", 0), partial(_RuntimeApi, self))
        self._api.daemon_threads = True
        threading.Thread(target=self._api.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()
        self._process: Final = subprocess.Popen(
            [sys._base_executable, "-I", "-S", "-B", "-c", _BOOT],  # type: ignore[attr-defined]
            cwd=function.folder,
            env={
                "SEARCH_PATH": mounts.search_path(function.folder),
                "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._api.server_port}",
                "AWS_LAMBDA_FUNCTION_NAME": self._name,
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
                "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
                **variables_of_logging(),
                "AWS_LAMBDA_LOG_GROUP_NAME": "Logs",
                "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/01/[$LATEST]0",
                "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
                "AWS_ACCESS_KEY_ID": "local",
                "AWS_SECRET_ACCESS_KEY": "local",
                "AWS_SESSION_TOKEN": "local",
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "LAMBDA_TASK_ROOT": str(function.folder),
                "LAMBDA_RUNTIME_DIR": str(mounts.runtime),
                "_HANDLER": function.handler,
                "LANG": "en_US.UTF-8",
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "TZ": ":UTC",
                **function.environment,
                **more,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._printed: Final[list[bytes]] = []
        self._reading: Final = threading.Thread(target=self._read, daemon=True)
        self._reading.start()
        if not self._ready.wait(_INIT_SECONDS) or not self._answers.empty():
            self.end()
            raise FunctionFailed(f"{self._name} did not start: {self._output()}")

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Return the function's result.

        Raises:
            FunctionFailed: the function raised an exception, ended or timed out.
        """
        self._events.put(json.dumps(event).encode())
        try:
            answer = self._answers.get(timeout=self._timeout_seconds)
        except queue.Empty:
            raise FunctionFailed(f"{self._name} gave no answer: {self._output()}") from None
        if isinstance(answer, FunctionFailed):
            raise answer
        return answer

    def end(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.wait()
        self._api.shutdown()
        self._api.server_close()

    def ended(self) -> list[str]:
        """Kill the process, and return the lines that it printed."""
        self.end()
        self._reading.join()
        return b"".join(self._printed).decode().splitlines()

    # Called by the Runtime API.

    def next_event(self) -> bytes:
        """Wait for the next event, and return it."""
        self._ready.set()
        return self._events.get()

    def take(self, what: str, body: bytes) -> None:
        """Accept a report of the process: a `response`, or an `error` of an invocation or of init."""
        report = json.loads(body)
        self._answers.put(report if what == "response" else FunctionFailed(report["errorMessage"]))
        self._ready.set()

    def deadline(self) -> int:
        """Return the deadline of an invocation that starts now, in milliseconds since 1970."""
        return int((time.time() + self._timeout_seconds) * 1000)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as printed:
            self._printed.extend(printed)
        self._ready.set()

    def _output(self) -> str:
        return b"".join(self._printed)[-3000:].decode(errors="replace")


class BuiltFunctions:
    """The functions of a stack. Each has one process, started at its first event. Safe for use by several threads."""

    def __init__(self, functions: Mapping[str, Function], mounts: Mounts, aws: Mapping[str, str]) -> None:
        """Take the functions by logical id, with the folders of the build, and the variables of the AWS endpoints."""
        self._functions: Final = functions
        self._mounts: Final = mounts
        self._aws: Final = aws
        self._free: Final = {name: threading.Lock() for name in functions}
        self.running: Final[dict[str, RunningFunction]] = {}

    def invoke(self, name: str, event: Mapping[str, Any]) -> Any:
        """Return a function's result. Simultaneous events are handled one after the other, unlike on Lambda."""
        with self._free[name]:
            return self._started(name).invoke(event)

    def start(self, name: str) -> None:
        """Start the function's process, unless it is running.

        Raises:
            FunctionFailed: the function cannot start.
        """
        with self._free[name]:
            self._started(name)

    def end(self) -> None:
        """End all processes."""
        for function in self.running.values():
            function.end()

    def _started(self, name: str) -> RunningFunction:
        if name not in self.running:
            self.running[name] = RunningFunction(self._mounts, self._functions[name], self._aws)
        return self.running[name]


class _RuntimeApi(BaseHTTPRequestHandler):
    """The Runtime API of one process."""

    protocol_version = "HTTP/1.1"

    def __init__(self, function: RunningFunction, *args: Any) -> None:
        self._function = function
        super().__init__(*args)

    def do_GET(self) -> None:
        event = self._function.next_event()
        self._answer(
            200,
            event,
            {
                "Lambda-Runtime-Aws-Request-Id": str(uuid.uuid4()),
                "Lambda-Runtime-Deadline-Ms": str(self._function.deadline()),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:local",
                "Lambda-Runtime-Trace-Id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0",
            },
        )

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(self._chunks())
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self._function.take(self.path.rpartition("/")[2], body)
        self._answer(202, b"{}", {})

    def _chunks(self) -> Any:
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass
