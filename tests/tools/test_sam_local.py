"""`make sam-local` and `make sam-env`: the environment of the containers, and the messages to the user."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pytest
from botocore.exceptions import ClientError
from gerbang_local.aws import Aws
from gerbang_local.options import Options
from sam_deploy import this_machine
from sam_local.__main__ import is_failure
from sam_local.queues import queues_read
from sam_local.sam import copy
from sam_local.stand_ins import as_seen_from_containers, stand_ins

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("endpoint", "seen"),
    [
        ("http://127.0.0.1:8000", "http://host.docker.internal:8000"),
        ("http://localhost:8000/", "http://host.docker.internal:8000/"),
        ("http://[::1]:8000", "http://host.docker.internal:8000"),
        ("http://dynamodb.internal:8000", "http://dynamodb.internal:8000"),
    ],
)
def test_endpoints_of_this_machine_are_renamed_for_containers(endpoint: str, seen: str) -> None:
    assert as_seen_from_containers(endpoint) == seen


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        ('{"statusCode": 404}', False),
        ('{"statusCode": 500}', True),
        ('{"statusCode": 503}', True),
        ('{"batchItemFailures": []}', False),
        ('{"errorType": "Unauthorized", "errorMessage": "Unauthorized"}', False),
        ('{"errorType": "Runtime.ImportModuleError", "errorMessage": "no module"}', True),
        ("", True),
    ],
)
def test_failures_are_distinguished_from_error_responses(answer: str, *, failed: bool) -> None:
    assert is_failure(answer) is failed


class Containers:
    """Replaces SAM CLI for invoking functions."""

    def __init__(self) -> None:
        self.events: list[tuple[str, list[str]]] = []
        self.invoked = threading.Event()

    def invoke(self, function: str, event: Path) -> str:
        records = json.loads(event.read_text())["Records"]
        self.events.append((function, [record["body"] for record in records]))
        self.invoked.set()
        return json.dumps({"batchItemFailures": []})


def test_the_mailer_is_invoked_with_queued_jobs(dynamodb_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    containers = Containers()
    with stand_ins(Options.from_environment({"DYNAMODB_ENDPOINT": dynamodb_endpoint}, [])) as environment:
        url = environment.environments["AtourinOtpFunction"]["MAIL_QUEUE_URL"]
        assert url.startswith("http://host.docker.internal:")
        sqs = Aws().sqs
        with queues_read(environment.stack, containers):
            with pytest.raises(
                ClientError, match="MissingParameter"
            ):  # a function's init sends this to open a connection
                sqs.send_message(QueueUrl=url.replace("host.docker.internal", "127.0.0.1"), MessageBody="")
            sqs.send_message(QueueUrl=url.replace("host.docker.internal", "127.0.0.1"), MessageBody="a job")
            containers.invoked.wait(10)

    assert containers.events == [("MailerFunction", ["a job"])]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that is not built."""
    shutil.copy(ROOT / "template.yaml", tmp_path)  # a copy, because SAM CLI would follow a link
    for name in ("functions", "layers"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def free_ports() -> int:
    """Return the first of two consecutive free ports."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


def test_a_port_in_use_is_reported_in_one_sentence(dynamodb_endpoint: str, project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = {**os.environ, "DYNAMODB_ENDPOINT": dynamodb_endpoint, "STAND_INS_PORT": str(port)}

        done = subprocess.run(
            [sys.executable, "-m", "sam_local", "env"],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 1
    assert done.stderr.startswith(f"Port {port} is in use. Stop what listens there")
    assert len(done.stderr.splitlines()) == 1


def test_sam_env_writes_the_endpoints_of_the_simulated_aws(dynamodb_endpoint: str, project: Path) -> None:
    environment = {**os.environ, "DYNAMODB_ENDPOINT": dynamodb_endpoint, "STAND_INS_PORT": str(free_ports())}
    with subprocess.Popen(
        [sys.executable, "-m", "sam_local", "env"], cwd=project, env=environment, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        lines = [running.stdout.readline() for _ in range(5)]
        file = project / ".aws-sam" / "env.json"
        environments = file.read_text() if file.exists() else "{}"
        running.send_signal(signal.SIGINT)
        status = running.wait(20)

    assert status == 0
    assert not file.exists()
    assert "sam local start-api --env-vars .aws-sam/env.json" in lines[1]
    assert f"ParameterKey=Architecture,ParameterValue={this_machine()}" in lines[1]
    assert "Publishable key:  sb_publishable_local" in lines[3]
    assert len(lines[4].split("Secret key:")[1].strip()) >= 48
    login = json.loads(environments)["ApiLoginFunction"]
    first = int(environment["STAND_INS_PORT"])
    assert login["AWS_ENDPOINT_URL_SECRETS_MANAGER"] == f"http://host.docker.internal:{first}"
    assert f"http://127.0.0.1:{first + 1}/" in lines[2]
    assert login["AWS_ENDPOINT_URL_DYNAMODB"] == as_seen_from_containers(dynamodb_endpoint)
    assert login["USERS_TABLE"]
    assert login["MASTER_SECRET"] == "gerbang-local-MasterSecret"  # an ARN would change with each start


def test_an_unreachable_dynamodb_is_reported_in_one_sentence(project: Path) -> None:
    environment = {**os.environ, "DYNAMODB_ENDPOINT": "http://127.0.0.1:9", "STAND_INS_PORT": "0"}

    done = subprocess.run(
        [sys.executable, "-m", "sam_local", "env"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (1, "DynamoDB Local does not answer at http://127.0.0.1:9.\n")


def test_output_of_sam_cli_during_its_end_is_hidden() -> None:
    ended, shown = threading.Event(), io.BytesIO()

    def lines() -> Iterator[bytes]:
        yield b"Mounting ApiLoginFunction\n"
        ended.set()
        yield b"Traceback (most recent call last):\n"

    copy(cast("IO[bytes]", lines()), shown, ended)

    assert shown.getvalue() == b"Mounting ApiLoginFunction\n"
