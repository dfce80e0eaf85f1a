"""AWS's stand-ins: they answer over TLS as their API references say, count every call, and hold it when asked to."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from gerbang_bench.stand_ins import StandIns, round_trips


class Database(BaseHTTPRequestHandler):
    """Says what it was asked, as a DynamoDB that consumed two units."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = json.dumps({"asked": asked, "ConsumedCapacity": {"CapacityUnits": 2.0}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: Any) -> None:  # type: ignore[explicit-override]
        """Say nothing."""


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Database)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def stand_ins(database: str, tmp_path: Path) -> Iterator[StandIns]:
    with StandIns(dynamodb_endpoint=database, secrets={"Master": "text"}, scratch=tmp_path) as stand_ins:
        yield stand_ins


class Client:
    """Calls the stand-ins as an SDK would: trusting whom the environment names."""

    def __init__(self, stand_ins: StandIns) -> None:
        self._variables = stand_ins.variables

    def call(self, target: str, body: dict[str, Any], path: str = "/") -> tuple[int, dict[str, Any]]:
        address = urlsplit(self._variables["AWS_ENDPOINT_URL_DYNAMODB"])
        trust = ssl.create_default_context(cafile=self._variables["AWS_CA_BUNDLE"])
        connection = HTTPSConnection(address.hostname or "", address.port, context=trust)
        connection.request("POST", path, json.dumps(body), {"X-Amz-Target": target} if target else {})
        response = connection.getresponse()
        said = json.loads(response.read())
        connection.close()
        return response.status, said


def test_every_service_answers_over_tls_at_an_address_of_this_machine(stand_ins: StandIns) -> None:
    services = ("DYNAMODB", "SECRETS_MANAGER", "SESV2", "SQS")

    addresses = {urlsplit(stand_ins.variables[f"AWS_ENDPOINT_URL_{service}"]) for service in services}

    assert {(address.scheme, address.hostname) for address in addresses} == {("https", "127.0.0.1")}


def test_dynamodb_is_asked_what_each_call_consumed(stand_ins: StandIns) -> None:
    with stand_ins.ledger.counting() as calls:
        status, said = Client(stand_ins).call("DynamoDB_20120810.GetItem", {"Key": {}})

    assert status == 200
    assert said["asked"] == {"Key": {}, "ReturnConsumedCapacity": "TOTAL"}
    assert [(call.operation, call.read_units, call.write_units) for call in calls] == [("GetItem", 2.0, 0.0)]


def test_a_secret_has_one_version(stand_ins: StandIns) -> None:
    client = Client(stand_ins)

    status, current = client.call("secretsmanager.GetSecretValue", {"SecretId": "Master"})
    previous = client.call("secretsmanager.GetSecretValue", {"SecretId": "Master", "VersionStage": "AWSPREVIOUS"})
    unknown = client.call("secretsmanager.GetSecretValue", {"SecretId": "Other"})

    assert (status, current["SecretString"]) == (200, "text")
    assert (previous[0], previous[1]["__type"]) == (400, "ResourceNotFoundException")
    assert (unknown[0], unknown[1]["__type"]) == (400, "ResourceNotFoundException")


def test_a_message_is_queued_and_a_mail_kept(stand_ins: StandIns) -> None:
    client = Client(stand_ins)

    queued = client.call("AmazonSQS.SendMessage", {"MessageBody": "job"})
    mailed = client.call("", {"Content": "text"}, "/v2/email/outbound-emails")

    assert queued[0] == mailed[0] == 200
    assert stand_ins.mails == [{"Content": "text"}]


def test_what_nobody_should_call_is_refused(stand_ins: StandIns) -> None:
    status, said = Client(stand_ins).call("AmazonSQS.PurgeQueue", {})

    assert (status, said["__type"]) == (400, "ResourceNotFoundException")


def test_calls_that_are_held_tell_beside_from_after(stand_ins: StandIns) -> None:
    client = Client(stand_ins)

    def call() -> None:
        client.call("DynamoDB_20120810.GetItem", {})

    with stand_ins.ledger.counting(delay_seconds=1) as beside:
        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with stand_ins.ledger.counting(delay_seconds=0.01) as after:
        call()
        call()

    assert (len(beside), round_trips(beside)) == (3, 1)
    assert (len(after), round_trips(after)) == (2, 2)


def test_a_held_call_is_answered_late(stand_ins: StandIns) -> None:
    began = time.monotonic()

    with stand_ins.ledger.counting(delay_seconds=0.1):
        Client(stand_ins).call("DynamoDB_20120810.GetItem", {})

    assert time.monotonic() - began >= 0.1


def test_connections_are_counted(stand_ins: StandIns) -> None:
    before = stand_ins.ledger.connections

    Client(stand_ins).call("DynamoDB_20120810.GetItem", {})

    assert stand_ins.ledger.connections == before + 1
