"""What functions in processes of their own get from AWS in memory."""

import json
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from gerbang_local.mailbox import Mailbox
from gerbang_local.memory import aws_in_memory

from tests.deploy.aws_server import served_aws


def test_a_call_that_is_tried_again_is_done_once() -> None:
    with aws_in_memory(Mailbox(partial(datetime.now, UTC))), served_aws() as variables:
        url = variables["AWS_ENDPOINT_URL_SECRETS_MANAGER"]

        first = created(url, call="call-1")
        again = created(url, call="call-1")
        another_call = created(url, call="call-2")

    assert first[0] == 200
    assert again == first
    assert another_call == (400, "ResourceExistsException")


def created(url: str, *, call: str) -> tuple[int, Any]:
    """Return the status of `CreateSecret`, and the ARN or the kind of error."""
    to = urlsplit(url)
    assert to.hostname is not None
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/secretsmanager/aws4_request",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "secretsmanager.CreateSecret",
        "amz-sdk-invocation-id": call,
    }
    connection = HTTPConnection(to.hostname, to.port, timeout=10)
    connection.request("POST", to.path, json.dumps({"Name": "one", "SecretString": "s"}), headers)
    answer = connection.getresponse()
    read = json.loads(answer.read())
    connection.close()
    return answer.status, read.get("ARN") or read["__type"]
