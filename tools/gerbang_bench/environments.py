"""One execution environment, as Lambda keeps them: a process, its init, its invocations.

INIT is from the start of the process to its first request for an event, as Lambda's own Init Duration. The process has
a core to itself; the stand-ins for Lambda and AWS are on the others.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from gerbang_bench.runtime_api import Message, RuntimeApi, Silent

_NANOSECONDS_PER_MS: Final = 1e6

_PYTHON: Final[str] = getattr(sys, "_base_executable", sys.executable)
"""Not the virtual environment's, which has this project on its path."""

# What /var/runtime/bootstrap does: the search path of Lambda's Python, then its runtime client. When that asks for its
# first event, init is over. The modules that init imported are noted if BENCH_MODULES asks for it, and bcrypt is made
# to note how long each hash takes: on the wall and on its thread's CPU.
_BOOTSTRAP: Final = """
import os, site, sys, time
task, opt, runtime = (os.environ.pop(name) for name in ("BENCH_TASK", "BENCH_OPT", "BENCH_RUNTIME"))
notes, lists = int(os.environ.pop("BENCH_NOTES")), os.environ.pop("BENCH_MODULES", "")
sys.path[:0] = [task, opt + "/python/lib/python3.13/site-packages", opt + "/python", runtime]
for folder in sys.path[:3]:
    site.addsitedir(folder)
def note(*words):
    os.write(notes, " ".join(map(str, words)).encode() + b"\\n")
from awslambdaric.__main__ import main, LambdaRuntimeClient
asks = LambdaRuntimeClient.wait_next_invocation
def asks_first(client):
    LambdaRuntimeClient.wait_next_invocation = asks
    if lists:
        note("modules", *[name for name, module in list(sys.modules.items()) if module])
    if bcrypt := sys.modules.get("bcrypt"):
        bcrypt.hashpw = noting(bcrypt.hashpw)
    return client.wait_next_invocation()
def noting(hashpw):
    def hashes(password, salt):
        began, began_cpu = time.perf_counter_ns(), time.thread_time_ns()
        try:
            return hashpw(password, salt)
        finally:
            spent, spent_cpu = time.perf_counter_ns() - began, time.thread_time_ns() - began_cpu
            note("hash", spent, spent_cpu)
    return hashes
LambdaRuntimeClient.wait_next_invocation = asks_first
main(["awslambdaric", os.environ["_HANDLER"]])
"""

LISTING: Final[Mapping[str, str]] = {"BENCH_MODULES": "yes"}
"""Variables of an environment that is started for `Environment.modules`."""

_END_OF_LOG_BYTES: Final = 4000


class Failed(Exception):
    """A function's process ended, or its handler raised; the message holds what it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What is run: code, layers, handler, settings."""

    name: str
    task: Path
    opt: Path
    handler: str = "app.handler"
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A start: what Lambda calls INIT."""

    ms: float
    cpu_ms: float
    """Of all threads, by the first request for an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One event and its answer."""

    ms: float
    """From handing the event over to the arrival of its answer."""
    cpu_ms: float
    """Of all threads, until the next request for an event: the runtime client's own share is in it."""
    hash_ms: float
    """How long bcrypt took of `ms`, 0 if nothing was hashed."""
    hash_cpu_ms: float
    """How much of `cpu_ms` is bcrypt's."""
    logged_bytes: int
    """What the function wrote to its log meanwhile."""
    answer: Any

    @property
    def answered_bytes(self) -> int:
        """How long the answer is as JSON: body, headers and status."""
        return len(json.dumps(self.answer).encode())


class Environment:
    """A running execution environment; a context manager, at whose end the process is gone."""

    def __init__(self, deployed: Deployed, *, runtime: Path, variables: Mapping[str, str], core: int) -> None:
        """Start the process on one *core*; *runtime* holds Lambda's runtime client, *variables* point at AWS.

        Raises:
            Failed: it ended, or its handler could not be imported.
        """
        self._deployed, self._served = deployed, 0
        self._api = RuntimeApi()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the environment
        self._notes = tempfile.TemporaryFile()  # noqa: SIM115
        environment = _lambdas_own(deployed, self._api.address) | dict(deployed.variables) | dict(variables)
        environment |= {"BENCH_TASK": str(deployed.task), "BENCH_OPT": str(deployed.opt), "BENCH_RUNTIME": str(runtime)}
        environment["BENCH_NOTES"] = str(self._notes.fileno())
        started_at_ns, self._process = self._spawn(environment, core)
        try:
            self.start: Final = Start(ms=(self._next() - started_at_ns) / _NANOSECONDS_PER_MS, cpu_ms=self._cpu_ms())
        except Failed:
            self.__exit__()
            raise

    def invoke(self, event: Any) -> Invocation:
        """Hand over an event and return what came of it.

        Raises:
            Failed: the handler raised, or the process ended.
        """
        hashes_before, logged_before = len(self._noted("hash")), self._logged_bytes()
        cpu_before_ms = self._cpu_ms()
        left_at_ns = self._api.hand_over(event, self._served)
        self._served += 1
        message = self._receive()
        self._api.reply(202)
        if not message.is_an_answer:
            raise Failed(f"{self._deployed.name}: {message.body.decode(errors='replace')[:2000]}{self.said()}")
        self._next()
        cpu_ms = self._cpu_ms() - cpu_before_ms
        hashes = self._noted("hash")[hashes_before:]
        return Invocation(
            ms=(message.arrived_at_ns - left_at_ns) / _NANOSECONDS_PER_MS,
            cpu_ms=cpu_ms,
            hash_ms=sum(int(on_the_wall) for on_the_wall, _ in hashes) / _NANOSECONDS_PER_MS,
            hash_cpu_ms=sum(int(on_its_thread) for _, on_its_thread in hashes) / _NANOSECONDS_PER_MS,
            logged_bytes=self._logged_bytes() - logged_before,
            answer=json.loads(message.body),
        )

    def modules(self) -> frozenset[str]:
        """Return the modules that init imported, if the environment was started with `LISTING`."""
        [imported] = self._noted("modules")
        return frozenset(imported)

    def peak_mb(self) -> float:
        """Return the most memory that the process has had resident, in MB (2^20 bytes), as Lambda reports it."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._api.close()
        self._log.close()
        self._notes.close()

    def _spawn(self, environment: Mapping[str, str], core: int) -> tuple[int, subprocess.Popen[bytes]]:
        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {core})  # of this thread, and what it starts
        try:
            started_at_ns = time.perf_counter_ns()
            process = subprocess.Popen(
                [_PYTHON, "-I", "-S", "-c", _BOOTSTRAP],
                env=environment,
                cwd=self._deployed.task,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                pass_fds=[self._notes.fileno()],
                start_new_session=True,
            )
        finally:
            os.sched_setaffinity(0, own)
        return started_at_ns, process

    def _next(self) -> int:
        message = self._receive()
        if not message.asks_for_an_event:
            raise Failed(f"{self._deployed.name}: {message.body.decode(errors='replace')[:2000]}{self.said()}")
        return message.arrived_at_ns

    def _receive(self) -> Message:
        try:
            return self._api.receive(lambda: self._process.poll() is None)
        except Silent as silence:
            raise Failed(f"{self._deployed.name}: {silence}{self.said()}") from silence

    def said(self) -> str:
        """Return the end of what the process has written to its log."""
        start = max(0, self._logged_bytes() - _END_OF_LOG_BYTES)
        return "\n" + os.pread(self._log.fileno(), _END_OF_LOG_BYTES, start).decode(errors="replace")

    def _logged_bytes(self) -> int:
        return os.fstat(self._log.fileno()).st_size

    def _noted(self, what: str) -> list[list[str]]:
        notes = self._notes.fileno()
        lines = os.pread(notes, os.fstat(notes).st_size, 0).decode().splitlines()
        return [words for subject, *words in map(str.split, lines) if subject == what]

    def _cpu_ms(self) -> float:
        """Return what the process has computed, threads that are gone included (clock_getcpuclockid(3))."""
        clock_of_process = (~self._process.pid << 3) | 2
        return time.clock_gettime_ns(clock_of_process) / _NANOSECONDS_PER_MS


def _lambdas_own(deployed: Deployed, api: str) -> dict[str, str]:
    """Return the variables that Lambda sets by itself."""
    return {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_FUNCTION_NAME": deployed.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",  # as template.yaml has it
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{deployed.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        "AWS_LAMBDA_RUNTIME_API": api,
        "AWS_REGION": "eu-west-1",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_SESSION_TOKEN": "bench",
        "HOME": "/tmp",  # noqa: S108 - as on Lambda
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": str(deployed.task),
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
        "_HANDLER": deployed.handler,
    }
