"""Fixtures for tests that need DynamoDB's own conditions, transactions and races.

One server serves a whole run, however many processes pytest-xdist makes of it; each process has tables of its own,
made from `template.yaml`, and a test finds them empty. The server is `DYNAMODB_ENDPOINT` if that is set, else one that
`dynamodb_local` starts at the first test that asks. Where there is none to be had, these tests are skipped by name and
the run says so at its end; with `CI=true` they fail instead.
"""

import fcntl
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import botocore.session
import dynamodb_local
import pytest
from botocore.config import Config
from gerbang_local.template import Template

from tests.not_run import not_run

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT: Final = Path(__file__).parents[1]

TRIES: Final = 3
"""How often the SDK makes a call of `a_client` before it gives up."""

_BATCH_LIMIT = 25  # BatchWriteItem, API reference


@dataclass(frozen=True, slots=True)
class Run:
    """What all processes of one pytest run share."""

    folder: Path
    owner: int  # process id of the one that started the others


_RUN = pytest.StashKey[Run]()


def pytest_configure(config: pytest.Config) -> None:
    handed_over: dict[str, Any] | None = getattr(config, "workerinput", None)
    if handed_over is None:
        config.stash[_RUN] = Run(Path(tempfile.mkdtemp(prefix="dynamodb-local-")), os.getpid())
    else:
        config.stash[_RUN] = Run(Path(handed_over["dynamodb_local_folder"]), handed_over["dynamodb_local_owner"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    run = node.config.stash[_RUN]
    node.workerinput.update(dynamodb_local_folder=str(run.folder), dynamodb_local_owner=run.owner)


def pytest_unconfigure(config: pytest.Config) -> None:
    run = config.stash[_RUN]
    if run.owner == os.getpid():
        shutil.rmtree(run.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def dynamodb_endpoint(pytestconfig: pytest.Config) -> str:
    """Where a DynamoDB answers, such as `http://127.0.0.1:8000`."""
    given = os.environ.get("DYNAMODB_ENDPOINT")
    if given:
        return given
    try:
        return _endpoint_of(pytestconfig.stash[_RUN])
    except dynamodb_local.Unavailable as missing:
        not_run("tests of races, conditions and transactions", f"no DynamoDB Local: {missing}")


def _endpoint_of(run: Run) -> str:
    state = run.folder / "server.json"
    with (run.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not state.exists():
            log = run.folder / "log"
            try:
                with log.open("wb") as output:
                    server = dynamodb_local.start(owner=run.owner, log=output)
                found = {"endpoint": server.endpoint}
            except dynamodb_local.Unavailable as missing:
                said = log.read_text(errors="replace")[-500:]
                found = {"missing": f"{missing}\n{said}".strip()}
            state.write_text(json.dumps(found))
    found = json.loads(state.read_text())
    if "missing" in found:
        raise dynamodb_local.Unavailable(found["missing"])
    return str(found["endpoint"])


@pytest.fixture(scope="session")
def dynamodb_client(dynamodb_endpoint: str) -> "DynamoDBClient":
    """A client of DynamoDB Local, for any number of threads."""
    return a_client(botocore.session.Session(), dynamodb_endpoint)


def a_client(session: botocore.session.Session, endpoint_url: str, *, seconds: float = 2.0) -> "DynamoDBClient":
    """A botocore client as the functions make theirs: short time-outs, standard retries."""
    client: Any = session.create_client(
        "dynamodb",
        region_name="eu-west-1",
        endpoint_url=endpoint_url,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(
            connect_timeout=seconds,
            read_timeout=seconds,
            retries={"mode": "standard", "total_max_attempts": TRIES},
            max_pool_connections=64,
        ),
    )
    return client  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def dynamodb_tables(dynamodb_client: "DynamoDBClient") -> Iterator[Mapping[str, str]]:
    """Every table of `template.yaml`, made once for this process: logical id to name. They fill as tests write."""
    prefix = f"test-{uuid.uuid4().hex[:12]}-"
    tables = create_tables(dynamodb_client, template=(ROOT / "template.yaml").read_text(), prefix=prefix)
    yield tables
    for name in tables.values():
        dynamodb_client.delete_table(TableName=name)


@pytest.fixture
def tables(dynamodb_client: "DynamoDBClient", dynamodb_tables: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """Every table of `template.yaml`, empty: logical id to name."""
    yield dynamodb_tables
    for name in dynamodb_tables.values():
        empty(dynamodb_client, name)


def create_tables(client: "DynamoDBClient", *, template: str, prefix: str) -> dict[str, str]:
    """Create the tables that *template* (its text) declares; return logical id to name.

    Their keys and indexes are the template's; TTL is left off, so that a test may hold the clock at any time.
    """
    names = {}
    for resource in Template.parse(template).resources.values():
        if resource.type == "AWS::DynamoDB::Table":
            names[resource.logical_id] = f"{prefix}{resource.logical_id}"
            shape: dict[str, Any] = {
                name: resource.properties[name]
                for name in ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes")
                if name in resource.properties
            }
            client.create_table(TableName=names[resource.logical_id], BillingMode="PAY_PER_REQUEST", **shape)
    return names


def empty(client: "DynamoDBClient", table: str) -> None:
    """Delete every item of *table*."""
    keys = [schema["AttributeName"] for schema in client.describe_table(TableName=table)["Table"]["KeySchema"]]
    names = {f"#{index}": key for index, key in enumerate(keys)}
    pages = client.get_paginator("scan").paginate(
        TableName=table, ProjectionExpression=",".join(names), ExpressionAttributeNames=names, ConsistentRead=True
    )
    found = [item for page in pages for item in page["Items"]]
    for start in range(0, len(found), _BATCH_LIMIT):
        batch: Any = {table: [{"DeleteRequest": {"Key": key}} for key in found[start : start + _BATCH_LIMIT]]}
        while batch:
            batch = client.batch_write_item(RequestItems=batch).get("UnprocessedItems")
