"""DynamoDB's bad days, played at the last step before the network: botocore's own retries and parsing stay in play."""

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

from tests.dynamodb_local import a_client

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Step = Callable[[AWSPreparedRequest], AWSResponse | None]
"""What becomes of one request: an answer, an exception raised, or None to let it through to the network."""


def reply(status: int = 200, /, **body: Any) -> Step:
    """Answer so."""

    def step(request: AWSPreparedRequest) -> AWSResponse:
        return AWSResponse(request.url, status, HTTPHeaders(), cast("Any", _Raw(json.dumps(body).encode())))

    return step


def error(code: str, /, status: int = 400, **more: Any) -> Step:
    """Answer with an error of DynamoDB's."""
    return reply(status, __type=f"com.amazonaws.dynamodb.v20120810#{code}", message="played", **more)


def cancelled(*codes: str | dict[str, Any]) -> Step:
    """Answer that the transaction was cancelled, a reason an action."""
    reasons = [{"Code": code} if isinstance(code, str) else code for code in codes]
    return error("TransactionCanceledException", CancellationReasons=reasons)


def failing(failure: Exception) -> Step:
    """Raise what urllib3's failures become in botocore."""

    def step(_request: AWSPreparedRequest) -> None:
        raise failure

    return step


def let_through(_request: AWSPreparedRequest) -> None:
    """Send it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as it went out."""

    operation: str
    body: dict[str, Any]


@dataclass(slots=True)
class Wire:
    """Plays a script, a step a request; when it has ended, its last step again and again."""

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
        """Send the request, wait until it is done, and lose the answer (faults.md, D6)."""
        endpoint: Any = self.client._endpoint  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        answer = endpoint.http_session.send(request)
        assert answer.content is not None  # read to its end
        raise ReadTimeoutError(endpoint_url=request.url)


@pytest.fixture
def sleepless(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that botocore would have made between its tries."""
    pauses: list[float] = []
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=pauses.append))
    return pauses


@pytest.fixture(scope="session")
def botocore_session() -> botocore.session.Session:
    """One for all clients: what takes long is to read the model."""
    return botocore.session.Session()


@pytest.fixture
def wire(botocore_session: botocore.session.Session, sleepless: list[float]) -> Iterator[Wire]:
    """A client that reaches nothing but the script; a new one each time, because tries are rationed by the client."""
    del sleepless
    with on_the_wire_of(a_client(botocore_session, "http://dynamodb.invalid")) as wire:
        yield wire


@contextmanager
def on_the_wire_of(client: "DynamoDBClient") -> Iterator[Wire]:
    """What plays between a client and its database, while it plays."""
    wire = Wire(client)
    play: Any = wire
    client.meta.events.register("before-send.dynamodb", play)
    try:
        yield wire
    finally:
        client.meta.events.unregister("before-send.dynamodb", play)


class _Raw(BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        yield self.read()
