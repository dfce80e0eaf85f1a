"""A stack on moto, and a way to run `gerbang-admin` with it."""

import io
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import boto3
import pytest
from gerbang.storage.accounts import Identity, User
from gerbang.storage.dynamodb import DynamoStore, from_wire
from gerbang.storage.store import Item
from gerbang_admin.__main__ import main
from gerbang_local import declarations
from moto import mock_aws

from tests.conftest import Database, deployed_on
from tests.deployment import Deployment
from tests.fakes import FakeClock, FakeSecret, RecordingLog

STACK: Final = "gerbang-production"
REGION: Final = "ap-southeast-3"
SESSION: Final = boto3.Session()


def template(*tables: str) -> dict[str, Any]:
    """Return a template with some of the tables of `template.yaml`, and their outputs."""

    def table(name: str) -> dict[str, Any]:
        shape = {"AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema"}
        properties = declarations.template().resources[name].properties
        return {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {key: value for key, value in properties.items() if key in shape},
        }

    outputs = {f"{name}Table": {"Value": {"Ref": name}} for name in tables}
    return {"Resources": {name: table(name) for name in tables}, "Outputs": outputs}


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a run."""

    status: int
    out: str
    error: str

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


@dataclass(frozen=True, slots=True)
class Admin:
    """Runs the tool."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, stack: str = STACK, region: str = REGION) -> Answer:
        self.capsys.readouterr()
        status = main([*arguments, "--stack", stack, "--region", region])
        printed = self.capsys.readouterr()
        return Answer(status, printed.out, printed.err)


@pytest.fixture
def admin(capsys: pytest.CaptureFixture[str]) -> Admin:
    return Admin(capsys)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, str]]:
    """A stack that exists only in REGION: table names by logical id."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        tables = ("Users", "Organizations", "RefreshTokenFamilies", "OneTimeCodes", "RateLimits")
        outputs = created(STACK, template(*tables))
        yield {name: outputs[f"{name}Table"] for name in tables}


def created(name: str, of_template: dict[str, Any]) -> dict[str, str]:
    cloudformation: Any = SESSION.client("cloudformation", region_name=REGION)
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(of_template))
    [stack] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@pytest.fixture
def database(stack: Mapping[str, str]) -> Database:
    client: Any = SESSION.client("dynamodb", region_name=REGION)

    def contents(table: str) -> list[Item]:
        return [from_wire(item) for item in client.scan(TableName=table)["Items"]]

    return Database(DynamoStore(client), stack, contents)


@pytest.fixture
def deployment(database: Database, clock: FakeClock, log: RecordingLog, secret: FakeSecret) -> Deployment:
    return deployed_on(database, clock=clock, log_event=log, secret=secret)


@pytest.fixture
def alice(deployment: Deployment) -> User:
    return deployment.register()


def type_answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Make the terminal's user type *text*."""
    keyboard = io.StringIO(text)
    monkeypatch.setattr(keyboard, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", keyboard)


def link(deployment: Deployment, user: User, subject: str = "1081") -> None:
    identity = Identity(
        user_id=user.user_id,
        provider="google",
        subject=subject,
        email="Alice@googlemail.com",
        created_at=deployment.clock(),
    )
    assert deployment.store.commit(*deployment.users.linking(user, identity, {})) == ()
