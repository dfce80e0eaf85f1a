"""The stand-ins for AWS: they answer over TLS, count every call, and can delay calls."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any, override
from urllib.parse import urlsplit

import pytest
from gerbang_bench.stand_ins import StandIns, round_trips

from tests.http_servers import Handler, serving


class Database(Handler):
    """Repeats each request, as a DynamoDB that consumed two units."""

    @override
    def respond(self, body: bytes) -> None:
        request = json.loads(body)
        self.reply(json.dumps({"request": request, "ConsumedCapacity": {"CapacityUnits": 2.0}}).encode())


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with serving(Database) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def stand_ins(database: str, tmp_path: Path) -> Iterator[StandIns]:
    with StandIns(dynamodb_endpoint=database, secrets={"Master": "text"}, scratch=tmp_path) as stand_ins:
        yield stand_ins


class Client:
    """Calls the stand-ins like an SDK. It trusts the certificate that the environment names."""

    def __init__(self, stand_ins: StandIns) -> None:
        self._variables = stand_ins.variables

    def call(self, target: str, body: dict[str, Any], path: str = "/") -> tuple[int, dict[str, Any]]:
        address = urlsplit(self._variables["AWS_ENDPOINT_URL_DYNAMODB"])
        trust = ssl.create_default_context(cafile=self._variables["AWS_CA_BUNDLE"])
        connection = HTTPSConnection(address.hostname or "", address.port, context=trust)
        connection.request("POST", path, json.dumps(body), {"X-Amz-Target": target} if target else {})
        response = connection.getresponse()
        body = json.loads(response.read())
        connection.close()
        return response.status, body


def test_every_service_has_a_tls_endpoint_on_this_machine(stand_ins: StandIns) -> None:
    services = ("DYNAMODB", "SECRETS_MANAGER", "SESV2", "SQS")

    addresses = {urlsplit(stand_ins.variables[f"AWS_ENDPOINT_URL_{service}"]) for service in services}

    assert {(address.scheme, address.hostname) for address in addresses} == {("https", "127.0.0.1")}


def test_dynamodb_calls_request_their_consumed_capacity(stand_ins: StandIns) -> None:
    with stand_ins.ledger.counting() as calls:
        status, body = Client(stand_ins).call("DynamoDB_20120810.GetItem", {"Key": {}})

    assert status == 200
    assert body["request"] == {"Key": {}, "ReturnConsumedCapacity": "TOTAL"}
    assert [(call.operation, call.read_units, call.write_units) for call in calls] == [("GetItem", 2.0, 0.0)]


def test_a_secret_has_one_version(stand_ins: StandIns) -> None:
    client = Client(stand_ins)

    status, current = client.call("secretsmanager.GetSecretValue", {"SecretId": "Master"})
    previous = client.call("secretsmanager.GetSecretValue", {"SecretId": "Master", "VersionStage": "AWSPREVIOUS"})
    unknown = client.call("secretsmanager.GetSecretValue", {"SecretId": "Other"})

    assert (status, current["SecretString"]) == (200, "text")
    assert (previous[0], previous[1]["__type"]) == (400, "ResourceNotFoundException")
    assert (unknown[0], unknown[1]["__type"]) == (400, "ResourceNotFoundException")


def test_messages_and_mails_are_accepted(stand_ins: StandIns) -> None:
    client = Client(stand_ins)

    queued = client.call("AmazonSQS.SendMessage", {"MessageBody": "job"})
    mailed = client.call("", {"Content": "text"}, "/v2/email/outbound-emails")

    assert queued[0] == mailed[0] == 200
    assert stand_ins.mails == [{"Content": "text"}]


def test_unexpected_operations_are_errors(stand_ins: StandIns) -> None:
    status, body = Client(stand_ins).call("AmazonSQS.PurgeQueue", {})

    assert (status, body["__type"]) == (400, "ResourceNotFoundException")


def test_delaying_calls_distinguishes_concurrent_from_consecutive_ones(stand_ins: StandIns) -> None:
    client = Client(stand_ins)

    def call() -> None:
        client.call("DynamoDB_20120810.GetItem", {})

    with stand_ins.ledger.counting(delay_seconds=1) as concurrent:
        threads = [threading.Thread(target=call) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with stand_ins.ledger.counting(delay_seconds=0.01) as consecutive:
        call()
        call()

    assert (len(concurrent), round_trips(concurrent)) == (3, 1)
    assert (len(consecutive), round_trips(consecutive)) == (2, 2)


def test_a_delayed_call_is_answered_later(stand_ins: StandIns) -> None:
    began = time.monotonic()

    with stand_ins.ledger.counting(delay_seconds=0.1):
        Client(stand_ins).call("DynamoDB_20120810.GetItem", {})

    assert time.monotonic() - began >= 0.1


def test_connections_are_counted(stand_ins: StandIns) -> None:
    before = stand_ins.ledger.connections

    Client(stand_ins).call("DynamoDB_20120810.GetItem", {})

    assert stand_ins.ledger.connections == before + 1
