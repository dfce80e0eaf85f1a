"""What `make sam-local` and `make sam-env` tell containers, and their user."""

import json
import os
import threading
from pathlib import Path

import pytest
from gerbang_local.aws import Aws
from gerbang_local.options import Options
from sam_local.__main__ import is_failure
from sam_local.queues import queues_read
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
def test_this_machine_has_another_name_in_a_container(endpoint: str, seen: str) -> None:
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
def test_a_function_that_fails_is_told_from_one_that_refuses(answer: str, *, failed: bool) -> None:
    assert is_failure(answer) is failed


class Containers:
    """What invokes functions, in the place of SAM CLI."""

    def __init__(self) -> None:
        self.events: list[tuple[str, list[str]]] = []
        self.invoked = threading.Event()

    def invoke(self, function: str, event: Path) -> str:
        records = json.loads(event.read_text())["Records"]
        self.events.append((function, [record["body"] for record in records]))
        self.invoked.set()
        return json.dumps({"batchItemFailures": []})


def test_the_mailer_is_invoked_with_what_functions_queue(
    dynamodb_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    containers = Containers()
    with stand_ins(Options.from_environment({"DYNAMODB_ENDPOINT": dynamodb_endpoint}, [])) as made:
        url = made.environments["AtourinOtpFunction"]["MAIL_QUEUE_URL"]
        assert url.startswith("http://host.docker.internal:")
        sqs = Aws().sqs
        with queues_read(made.stack, containers):
            sqs.send_message(QueueUrl=url.replace("host.docker.internal", "127.0.0.1"), MessageBody="a job")
            containers.invoked.wait(10)

    assert containers.events == [("MailerFunction", ["a job"])]
