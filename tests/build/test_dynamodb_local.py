"""Tests of the fixtures in `tests/dynamodb_local.py`."""

import concurrent.futures
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dynamodb_local
import pytest

from tests.dynamodb_local import ROOT, create_tables, empty

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TEMPLATE = """
Resources:
  Items:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      KeySchema: [{AttributeName: pk, KeyType: HASH}, {AttributeName: sk, KeyType: RANGE}]
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}, {AttributeName: sk, AttributeType: N}]
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: !Ref Recovery}
  Function:
    Type: AWS::Serverless::Function
    Properties: {Role: !GetAtt Role.Arn}
"""


@pytest.fixture
def items(dynamodb_client: "DynamoDBClient") -> Iterator[str]:
    tables = create_tables(dynamodb_client, template=TEMPLATE, prefix=f"{uuid.uuid4().hex}-")
    assert list(tables) == ["Items"]
    yield tables["Items"]
    dynamodb_client.delete_table(TableName=tables["Items"])


@pytest.mark.storage
def test_exactly_one_of_concurrent_conditional_puts_succeeds(dynamodb_client: "DynamoDBClient", items: str) -> None:
    def put(writer: int) -> str:
        try:
            dynamodb_client.put_item(
                TableName=items,
                Item={"pk": {"S": "one"}, "sk": {"N": "1"}, "writer": {"N": str(writer)}},
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except dynamodb_client.exceptions.ConditionalCheckFailedException as failed:
            response: Any = failed.response
            return "failed, with the item" if "writer" in response["Item"] else "failed"
        return "written"

    with concurrent.futures.ThreadPoolExecutor(20) as writers:
        outcomes = Counter(writers.map(put, range(20)))

    assert outcomes == {"written": 1, "failed, with the item": 19}


@pytest.mark.storage
def test_a_table_with_more_items_than_a_batch_is_emptied(dynamodb_client: "DynamoDBClient", items: str) -> None:
    for number in range(60):
        dynamodb_client.put_item(TableName=items, Item={"pk": {"S": "one"}, "sk": {"N": str(number)}})

    empty(dynamodb_client, items)

    assert dynamodb_client.scan(TableName=items)["Items"] == []


def test_the_documented_version_is_the_version_that_is_downloaded() -> None:
    fetched = re.search(
        r"<artifactId>DynamoDBLocal</artifactId>\s*<version>(.*)</version>", (ROOT / "pom.xml").read_text()
    )

    assert fetched is not None
    assert fetched[1] == dynamodb_local.VERSION


@pytest.mark.parametrize(
    ("present", "missing"),
    [({}, "a Java runtime, version 17 or later, with Maven"), ({"java": 17}, "Maven (mvn)"), ({"java": 11}, "a Java")],
    ids=["nothing", "java without maven", "java too old"],
)
def test_the_error_without_java_or_maven_says_what_to_install(
    present: dict[str, int], missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for program, version in present.items():
        (tmp_path / program).write_text(f"#!/bin/sh\necho 'openjdk version \"{version}.0.1\"' >&2\n")
        (tmp_path / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    with pytest.raises(dynamodb_local.Unavailable, match=r"apt install .*DYNAMODB_ENDPOINT") as error:
        dynamodb_local.fetch(tmp_path / "jars")

    assert f"needs {missing}" in str(error.value)
