"""Simulates DynamoDB failures at the last step before the network, so that botocore's retries and parsing still run."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import botocore.endpoint
import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ReadTimeoutError

from tests.dynamodb_local import create_client

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Step = Callable[[AWSPreparedRequest], AWSResponse | None]
"""What happens to one request: it returns a response, raises an exception, or returns None to send the request."""


def reply(status: int = 200, /, **body: Any) -> Step:
    """Return a step that responds with *body*."""

    def step(request: AWSPreparedRequest) -> AWSResponse:
        return AWSResponse(request.url, status, HTTPHeaders(), cast("Any", _Raw(json.dumps(body).encode())))

    return step


def error(code: str, /, status: int = 400, **more: Any) -> Step:
    """Return a step that responds with a DynamoDB error."""
    return reply(status, __type=f"com.amazonaws.dynamodb.v20120810#{code}", message="simulated", **more)


def cancelled(*codes: str | dict[str, Any]) -> Step:
    """Return a step that cancels a transaction, with one reason for each action."""
    reasons = [{"Code": code} if isinstance(code, str) else code for code in codes]
    return error("TransactionCanceledException", CancellationReasons=reasons)


def failing(failure: Exception) -> Step:
    """Return a step that raises *failure*, such as botocore's form of a urllib3 error."""

    def step(_request: AWSPreparedRequest) -> None:
        raise failure

    return step


def let_through(_request: AWSPreparedRequest) -> None:
    """Send the request."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as it was sent."""

    operation: str
    body: dict[str, Any]


@dataclass(slots=True)
class Wire:
    """Handles each request with the next step of a script. The last step repeats."""

    client: "DynamoDBClient"
    script: list[Step] = field(default_factory=lambda: list[Step]([let_through]))
    sent: list[Sent] = field(default_factory=list[Sent])

    def __call__(self, request: AWSPreparedRequest, **_: object) -> AWSResponse | None:
        target: Any = request.headers["X-Amz-Target"]
        body: Any = request.body
        text = target.decode() if isinstance(target, bytes) else str(target)
        self.sent.append(Sent(text.partition(".")[2], json.loads(body)))
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return step(request)

    def answer_lost(self, request: AWSPreparedRequest) -> None:
        """Send the request, wait for the response, and lose it (faults.md, D6)."""
        endpoint: Any = self.client._endpoint  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        answer = endpoint.http_session.send(request)
        assert answer.content is not None  # read to its end
        raise ReadTimeoutError(endpoint_url=request.url)


@pytest.fixture
def sleepless(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses, in seconds, that botocore would make between its tries. None of them is made."""
    pauses: list[float] = []
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=pauses.append))
    return pauses


@pytest.fixture(scope="session")
def botocore_session() -> botocore.session.Session:
    """One session for all clients, because reading the service models is slow."""
    return botocore.session.Session()


@pytest.fixture
def wire(botocore_session: botocore.session.Session, sleepless: list[float]) -> Iterator[Wire]:
    """A client that reaches only the script. Each test has a new one, because a client has a retry quota."""
    del sleepless
    with scripted(create_client(botocore_session, "http://dynamodb.invalid")) as wire:
        yield wire


@contextmanager
def scripted(client: "DynamoDBClient") -> Iterator[Wire]:
    """Handle the client's requests with a script until the block ends."""
    wire = Wire(client)
    handler: Any = wire
    client.meta.events.register("before-send.dynamodb", handler)
    try:
        yield wire
    finally:
        client.meta.events.unregister("before-send.dynamodb", handler)


class _Raw(BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()
