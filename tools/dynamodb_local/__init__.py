"""Amazon's DynamoDB Local on this machine: real conditions, transactions and races, without an account.

It comes from Maven Central, with the `pom.xml` at the root, or from Docker. A server that is started here keeps its
data in memory, and ends with the process that it was started for, even if that process is killed.
"""

import fcntl
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

VERSION = "3.1.0"
"""The version of DynamoDB Local. A test compares it with `pom.xml`."""

JAVA_MAJOR_VERSION = 17
"""Required by DynamoDB Local 2.0 and later (release notes)."""

START_TIMEOUT_SECONDS = 60.0
"""A start takes 3 s; Docker may have to pull its image first."""

_ROOT = Path(__file__).parents[2]
JARS = _ROOT / ".dynamodb-local"
"""Where Maven puts DynamoDB Local."""

_MAIN_CLASS = "software.amazon.dynamodb.services.local.main.ServerRunner"
_SETTINGS = ("-inMemory", "-sharedDb", "-disableTelemetry")

# Runs "$@" for as long as process $OWNER lives.
_FOR_AS_LONG_AS_ITS_OWNER = """
"$@" & server=$!
trap 'kill "$server" 2>/dev/null' EXIT
trap 'exit 143' TERM INT
while kill -0 "$OWNER" 2>/dev/null && kill -0 "$server" 2>/dev/null; do sleep 0.3; done
"""


class Unavailable(Exception):
    """DynamoDB Local is not available or did not start; the message says what is missing and how to get it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A DynamoDB Local that answers at `endpoint`."""

    endpoint: str
    process_id: int


PORTS_TRIED: Final = 3
"""Another process can take a free port before the server opens it."""


def start(*, owner: int, log: IO[bytes], port: int | None = None, address: str = "127.0.0.1") -> Server:
    """Start a server that ends with process *owner*, and return it once it answers.

    Args:
        owner: Process id; when that process is gone, so is the server, within a second.
        log: Where the server's output goes.
        port: Any free one if not given.
        address: Where Docker publishes it; the jar listens on every address anyway.

    Raises:
        Unavailable: Neither Maven with Java nor Docker is installed, or the server did not start.
    """
    if port is not None:
        return _start(owner=owner, log=log, port=port, address=address)
    for _ in range(PORTS_TRIED - 1):
        try:
            return _start(owner=owner, log=log, port=_free_port(), address=address)
        except Unavailable:  # another process may have taken the port in the meantime
            continue
    return _start(owner=owner, log=log, port=_free_port(), address=address)


def _start(*, owner: int, log: IO[bytes], port: int, address: str) -> Server:
    # posix_spawn instead of subprocess.Popen, so that the caller need not keep a Popen object.
    process_id = os.posix_spawnp(
        "sh",
        ["sh", "-c", _FOR_AS_LONG_AS_ITS_OWNER, "dynamodb-local", *_command(port, JARS, address)],
        {**os.environ, "OWNER": str(owner)},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
            (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
        ],
        setsid=True,  # Ctrl-C must not end the server before its owner has finished
    )
    _wait_until_it_answers(port, process_id)
    return Server(endpoint=f"http://127.0.0.1:{port}", process_id=process_id)


def fetch(jars: Path = JARS) -> None:
    """Download DynamoDB Local into *jars*, unless it is there or Docker is used instead.

    Raises:
        Unavailable: Neither Maven with Java nor Docker is installed, or the download failed.
    """
    _command(8000, jars, "127.0.0.1")


def _command(port: int, jars: Path, address: str) -> list[str]:
    java = _java()
    maven = shutil.which("mvn")
    if java and (maven or _is_fetched(jars)):
        if maven:
            _fetch(maven, jars)
        # C1 only and the serial collector: it starts in half the time, and the tables of tests are small.
        tuning = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx1g"]
        place = [f"-Djava.library.path={jars}", "-cp", f"{jars}/*"]
        return [java, *tuning, *place, _MAIN_CLASS, *_SETTINGS, "-port", str(port)]
    docker = shutil.which("docker")
    if docker and _succeeds(docker, "info"):
        image = f"amazon/dynamodb-local:{VERSION}"
        place = ["run", "--rm", "--init", "--publish", f"{address}:{port}:8000", image]
        return [docker, *place, "-jar", "DynamoDBLocal.jar", *_SETTINGS]
    missing = "Maven (mvn)" if java else f"a Java runtime, version {JAVA_MAJOR_VERSION} or later, with Maven"
    message = (
        f"DynamoDB Local needs {missing}, or a running Docker: install one "
        "(Debian, Ubuntu: apt install maven default-jre-headless; macOS: brew install maven), "
        "or set DYNAMODB_ENDPOINT to a DynamoDB Local that is running"
    )
    raise Unavailable(message)


def _java() -> str | None:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if java is None:
        return None
    result = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # on stderr
    version = re.search(r'version "(\d+)', result.stderr)
    return java if version and int(version[1]) >= JAVA_MAJOR_VERSION else None


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _is_fetched(jars: Path) -> bool:
    stamp = jars / ".pom.xml"
    return stamp.is_file() and stamp.read_bytes() == (_ROOT / "pom.xml").read_bytes()


def _fetch(maven: str, jars: Path) -> None:
    jars.mkdir(exist_ok=True)
    with (jars / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _is_fetched(jars):
            return
        print(f"Fetching DynamoDB Local {VERSION} from Maven Central (50 MB, once) ...", file=sys.stderr, flush=True)
        command = [maven, "-q", "-B", "-f", str(_ROOT / "pom.xml"), "dependency:copy-dependencies"]
        command += [f"-DoutputDirectory={jars}"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
            raise Unavailable(f"Maven could not fetch DynamoDB Local {VERSION}: {lines[0]}")
        shutil.copyfile(_ROOT / "pom.xml", jars / ".pom.xml")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(port: int, process_id: int) -> None:
    give_up_at = time.monotonic() + START_TIMEOUT_SECONDS
    while time.monotonic() < give_up_at:
        if os.waitpid(process_id, os.WNOHANG) != (0, 0):
            raise Unavailable("DynamoDB Local ended while it was starting: read its log")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", "/")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    os.kill(process_id, signal.SIGTERM)
    raise Unavailable(f"DynamoDB Local did not answer within {START_TIMEOUT_SECONDS:.0f} s: read its log")
