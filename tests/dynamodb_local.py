"""Fixtures that run DynamoDB Local, for tests of conditions, transactions and races.

One server serves a whole pytest run, including all pytest-xdist workers. Each worker has its own tables, created from
`template.yaml`, and each test finds them empty. The server is the one at `DYNAMODB_ENDPOINT` if that is set; otherwise
the first test that needs one starts it. If no server is available, these tests are skipped and the end of the run says
so; with `CI=true` they fail instead.
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
"""How many times the SDK sends a request of `create_client` before it gives up."""

_BATCH_LIMIT = 25  # BatchWriteItem, API reference


@dataclass(frozen=True, slots=True)
class Run:
    """What all workers of one pytest run share."""

    folder: Path
    owner: int  # process id of the main pytest process


_RUN = pytest.StashKey[Run]()


def pytest_configure(config: pytest.Config) -> None:
    worker_input: dict[str, Any] | None = getattr(config, "workerinput", None)
    if worker_input is None:
        config.stash[_RUN] = Run(Path(tempfile.mkdtemp(prefix="dynamodb-local-")), os.getpid())
    else:
        config.stash[_RUN] = Run(Path(worker_input["dynamodb_local_folder"]), worker_input["dynamodb_local_owner"])


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
    """The URL of a DynamoDB server, such as `http://127.0.0.1:8000`."""
    configured = os.environ.get("DYNAMODB_ENDPOINT")
    if configured:
        return configured
    try:
        return _endpoint_of(pytestconfig.stash[_RUN])
    except dynamodb_local.Unavailable as error:
        not_run("tests of races, conditions and transactions", f"no DynamoDB Local: {error}")


def _endpoint_of(run: Run) -> str:
    state = run.folder / "server.json"
    with (run.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not state.exists():
            log = run.folder / "log"
            try:
                with log.open("wb") as output:
                    server = dynamodb_local.start(owner=run.owner, log=output)
                outcome = {"endpoint": server.endpoint}
            except dynamodb_local.Unavailable as error:
                output_end = log.read_text(errors="replace")[-500:]
                outcome = {"error": f"{error}\n{output_end}".strip()}
            state.write_text(json.dumps(outcome))
    outcome = json.loads(state.read_text())
    if "error" in outcome:
        raise dynamodb_local.Unavailable(outcome["error"])
    return str(outcome["endpoint"])


@pytest.fixture(scope="session")
def dynamodb_client(dynamodb_endpoint: str) -> "DynamoDBClient":
    """A client of DynamoDB Local. It is safe for use by several threads."""
    return create_client(botocore.session.Session(), dynamodb_endpoint)


def create_client(session: botocore.session.Session, endpoint_url: str, *, seconds: float = 2.0) -> "DynamoDBClient":
    """Return a botocore client configured like the functions' clients: short time-outs, standard retries."""
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
    """Every table of `template.yaml`, created once for this worker: logical id to name. Tests leave items in them."""
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
    """Create the tables that *template* (its text) declares. Return logical id to name.

    Keys and indexes are the template's. TTL is off, because the clock of a test may show any time.
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
