"""AWS, as far as the functions call it, over TLS on this machine: every call is counted.

DynamoDB is DynamoDB Local, asked on the way what each call consumed. Secrets Manager, SQS and SES answer as their API
references say, without keeping anything. Answers can be delayed, which tells concurrent calls from those that are made
one after the other.
"""

import asyncio
import contextlib
import http
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, Self
from urllib.parse import urlsplit
from uuid import uuid4

import botocore.httpsession

from gerbang_bench.builds import ROOT
from gerbang_bench.certificates import self_signed

_READS: Final = frozenset({"BatchGetItem", "GetItem", "Query", "TransactGetItems"})
_DYNAMODB: Final = "DynamoDB_20120810"
_SECRETS: Final = "secretsmanager"
_QUEUE: Final = "AmazonSQS"
_MAIL: Final = "/v2/email/outbound-emails"  # sesv2's SendEmail
_GOOGLE_KEYS: Final = "/oauth2/v3/certs"
_PATIENCE_SECONDS: Final = 30.0
"""For how long DynamoDB Local may think; a thousand times as long as it does on a busy machine."""

_JSON: Final = "application/x-amz-json-1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call that a function made, and what DynamoDB says it consumed."""

    service: str
    operation: str
    began: float
    """Of time.perf_counter()."""
    ended: float
    read_units: float = 0.0
    write_units: float = 0.0


def round_trips(calls: Sequence[Call]) -> int:
    """Return how many calls were made one after the other: the longest chain of which none overlaps the next."""
    trips, until = 0, float("-inf")
    for call in sorted(calls, key=lambda call: call.ended):
        if call.began >= until:
            trips, until = trips + 1, call.ended
    return trips


def waited_seconds(calls: Sequence[Call]) -> float:
    """Return for how long at least one call was under way."""
    waited, until = 0.0, float("-inf")
    for call in sorted(calls, key=lambda call: call.began):
        waited += max(0.0, call.ended - max(call.began, until))
        until = max(until, call.ended)
    return waited


@dataclass(slots=True)
class Ledger:
    """The calls made, and how long each is delayed."""

    calls: list[Call] = field(default_factory=list)
    connections: int = 0
    delay_seconds: float = 0.0

    @contextmanager
    def counting(self, *, delay_seconds: float = 0.0) -> Iterator[list[Call]]:
        """Yield the calls made from here on, until the block ends; each is delayed that long."""
        self.calls, self.delay_seconds = [], delay_seconds
        yield self.calls
        self.delay_seconds = 0.0


class StandIns:
    """The services; a context manager. `variables` are what makes a function's AWS calls come here."""

    def __init__(self, *, dynamodb_endpoint: str, secrets: Mapping[str, str], scratch: Path) -> None:
        """Take where DynamoDB Local answers, the secrets' texts by id, and a folder for a certificate."""
        self.ledger: Final = Ledger()
        self.mails: Final[list[dict[str, Any]]] = []
        self.google_keys: dict[str, Any] = {"keys": []}
        self._secrets, self._scratch = secrets, scratch
        address = urlsplit(dynamodb_endpoint)
        self._database: Final = _Database(address.hostname or "", address.port or 80)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="stand-ins", daemon=True)
        self._server: asyncio.Server | None = None

    @property
    def variables(self) -> dict[str, str]:
        """What a function's environment says: endpoints, and the trusted certificates."""
        if self._server is None:
            raise RuntimeError("nothing listens yet")
        url = f"https://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        services = ("DYNAMODB", "SECRETS_MANAGER", "SESV2", "SQS")
        return {
            **{f"AWS_ENDPOINT_URL_{service}": url for service in services},
            "AWS_CA_BUNDLE": str(self._scratch / "authorities.pem"),
            "GOOGLE_CERTS_URL": f"{url}{_GOOGLE_KEYS}",
            "MAIL_QUEUE_URL": f"{url}/123456789012/mail",
        }

    def __enter__(self) -> Self:
        """Make a certificate and listen."""
        chain = _make_certificate(self._scratch)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        self._thread.start()
        listening = asyncio.start_server(self._converse, "127.0.0.1", 0, ssl=context)
        self._server = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up and stop listening."""
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        self._database.close()

    async def _hang_up(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server.abort_clients()
        await _end_the_others()
        await asyncio.sleep(0)  # the loop closes aborted connections in its next turn

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.ledger.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                began = time.perf_counter()
                lines = head.split("\r\n")
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                status, answer = await self._answer(lines[0].split(" ")[1], headers, body, began)
                phrase = http.HTTPStatus(status).phrase
                top = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {_JSON}\r\nContent-Length: {len(answer)}\r\n"
                writer.write(f"{top}x-amzn-RequestId: {uuid4()}\r\n\r\n".encode() + answer)
                await writer.drain()
        writer.close()

    async def _answer(self, path: str, headers: Mapping[str, str], body: bytes, began: float) -> tuple[int, bytes]:
        service, _, operation = headers.get("x-amz-target", path).partition(".")
        units = (0.0, 0.0)
        if service == _DYNAMODB:
            asked = json.loads(body) | {"ReturnConsumedCapacity": "TOTAL"}
            status, answer = await self._loop.run_in_executor(None, self._database.ask, operation, asked)
            units = consumed(operation, asked, status, answer)
        elif path == _GOOGLE_KEYS:
            status, answer = 200, json.dumps(self.google_keys).encode()
        else:
            status, said = self._made_up(service, operation, json.loads(body))
            answer = json.dumps(said).encode()
        if self.ledger.delay_seconds:
            await asyncio.sleep(self.ledger.delay_seconds)
        self.ledger.calls.append(
            Call(
                service=service,
                operation=operation,
                began=began,
                ended=time.perf_counter(),
                read_units=units[0],
                write_units=units[1],
            )
        )
        return status, answer

    def _made_up(self, service: str, operation: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if service == _MAIL:
            self.mails.append(asked)
            return 200, {"MessageId": str(uuid4())}
        if service == _QUEUE and operation == "SendMessage":
            if not asked["MessageBody"]:
                return 400, {"__type": "com.amazonaws.sqs#MissingParameter", "message": "MessageBody is missing"}
            return 200, {"MessageId": str(uuid4()), "MD5OfMessageBody": "0" * 32}
        if service == _SECRETS and operation == "GetSecretValue":
            text = self._secrets.get(asked["SecretId"])
            if text is not None and asked.get("VersionStage", "AWSCURRENT") == "AWSCURRENT":
                secret = {"Name": asked["SecretId"], "SecretString": text, "VersionStages": ["AWSCURRENT"]}
                return 200, secret | {"VersionId": "1", "CreatedDate": 1_774_247_974.0}
        return 400, {"__type": "ResourceNotFoundException", "message": f"{service} has no such thing here"}


async def _end_the_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class _Database:
    """DynamoDB Local, asked over connections that are kept."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: SimpleQueue[HTTPConnection] = SimpleQueue()

    def ask(self, operation: str, asked: Mapping[str, Any]) -> tuple[int, bytes]:
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = HTTPConnection(self._host, self._port, timeout=_PATIENCE_SECONDS)
        # DynamoDB Local with -sharedDb looks at no signature; it wants one that has the form.
        headers = {
            "Authorization": "AWS4-HMAC-SHA256 Credential=bench/20260101/eu-west-1/dynamodb/aws4_request, "
            "SignedHeaders=host, Signature=0",
            "Content-Type": _JSON,
            "X-Amz-Target": f"{_DYNAMODB}.{operation}",
        }
        connection.request("POST", "/", json.dumps(asked), headers)
        response = connection.getresponse()
        answer = response.read()
        self._idle.put(connection)
        return response.status, answer

    def close(self) -> None:
        while not self._idle.empty():
            self._idle.get().close()


def consumed(operation: str, asked: Mapping[str, Any], status: int, answer: bytes) -> tuple[float, float]:
    """Return the read and write units of a call. A write whose condition failed is billed as if it were done.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html: one unit for an item of
    up to 1 KB, two in a transaction. Other errors consume nothing.
    """
    said = json.loads(answer)
    if status == http.HTTPStatus.OK:
        listed = said.get("ConsumedCapacity", [])
        units = sum(float(one["CapacityUnits"]) for one in (listed if isinstance(listed, list) else [listed]))
        return (units, 0.0) if operation in _READS else (0.0, units)
    match str(said.get("__type", "")).rpartition("#")[2]:
        case "ConditionalCheckFailedException":
            return 0.0, 1.0
        case "TransactionCanceledException" if operation not in _READS:
            return 0.0, 2.0 * len(asked["TransactItems"])
        case _:
            return 0.0, 0.0


def _make_certificate(scratch: Path) -> Path:
    """Write botocore's authorities and one of this machine's own, as the layer has them; return the latter's file."""
    scratch.mkdir(parents=True, exist_ok=True)
    certificate, chain = self_signed(scratch)
    authorities = Path(botocore.httpsession.DEFAULT_CA_BUNDLE).read_bytes()
    bundle = scratch / "authorities.pem"
    bundle.write_bytes(authorities + b"\n" + certificate.encode())
    subprocess.run([sys.executable, ROOT / "layers" / "dependencies" / "authorities.py", bundle], check=True)
    return chain
