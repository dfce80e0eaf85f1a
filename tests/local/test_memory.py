"""AWS in memory, used by many threads: it behaves like DynamoDB."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from gerbang_local.aws import Aws
from gerbang_local.mailbox import Mailbox

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "items"
THREADS = 50


@pytest.fixture
def dynamodb(aws: Aws) -> "DynamoDBClient":
    aws.dynamodb.create_table(
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return aws.dynamodb


def all_at_once(call: Callable[[int], str]) -> Counter[str]:
    """Make *call* in fifty threads at the same moment. Count the results."""
    ready = threading.Barrier(THREADS)
    outcomes: list[str] = []

    def run(number: int) -> None:
        ready.wait()
        try:
            outcomes.append(call(number))
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(outcomes)


def item(dynamodb: "DynamoDBClient", key: str) -> dict[str, Any]:
    return dict(dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": key}}, ConsistentRead=True).get("Item", {}))


def test_exactly_one_of_fifty_conditional_updates_succeeds_and_the_others_get_the_item(
    dynamodb: "DynamoDBClient",
) -> None:
    dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": "family"}, "generation": {"N": "1"}})
    returned = []

    def advance(number: int) -> str:
        try:
            dynamodb.update_item(
                TableName=TABLE,
                Key={"pk": {"S": "family"}},
                UpdateExpression="SET generation = :next, nonce = :nonce",
                ConditionExpression="generation = :current",
                ExpressionAttributeValues={":current": {"N": "1"}, ":next": {"N": "2"}, ":nonce": {"N": str(number)}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            returned.append(error.response["Item"])  # type: ignore[typeddict-item] # requested above
            return "failed"
        return "written"

    outcomes = all_at_once(advance)

    assert outcomes == {"written": 1, "failed": THREADS - 1}
    assert returned == [item(dynamodb, "family")] * (THREADS - 1)


def test_exactly_one_of_fifty_transactions_succeeds_and_the_others_write_nothing(dynamodb: "DynamoDBClient") -> None:
    def register(number: int) -> str:
        puts: list[Any] = [
            {"Put": {"TableName": TABLE, "Item": {"pk": {"S": f"user-{number}"}}}},
            {
                "Put": {
                    "TableName": TABLE,
                    "Item": {"pk": {"S": "address"}, "user": {"N": str(number)}},
                    "ConditionExpression": "attribute_not_exists(pk)",
                }
            },
        ]
        dynamodb.transact_write_items(TransactItems=puts)
        return "written"

    outcomes = all_at_once(register)

    assert outcomes == {"written": 1, "TransactionCanceledException": THREADS - 1}
    winner = item(dynamodb, "address")["user"]["N"]
    keys = {one["pk"]["S"] for one in dynamodb.scan(TableName=TABLE)["Items"]}
    assert keys == {"address", f"user-{winner}"}


def test_a_cancelled_transaction_restores_updated_and_deleted_items(dynamodb: "DynamoDBClient") -> None:
    keys = ("updated", "deleted", "kept")
    before: list[dict[str, Any]] = [{"pk": {"S": key}, "count": {"N": "1"}, "names": {"SS": ["a"]}} for key in keys]
    for one in before:
        dynamodb.put_item(TableName=TABLE, Item=one)
    changes: list[Any] = [
        {
            "Update": {
                "TableName": TABLE,
                "Key": {"pk": {"S": "updated"}},
                "UpdateExpression": "SET #c = :two ADD #n :b",
                "ExpressionAttributeNames": {"#c": "count", "#n": "names"},
                "ExpressionAttributeValues": {":two": {"N": "2"}, ":b": {"SS": ["b"]}},
            }
        },
        {"Delete": {"TableName": TABLE, "Key": {"pk": {"S": "deleted"}}}},
        {
            "ConditionCheck": {
                "TableName": TABLE,
                "Key": {"pk": {"S": "kept"}},
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        },
    ]

    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        dynamodb.transact_write_items(TransactItems=changes)

    assert [item(dynamodb, key) for key in keys] == before


def test_an_item_read_before_an_update_does_not_change_with_it(dynamodb: "DynamoDBClient") -> None:
    dynamodb.put_item(TableName=TABLE, Item={"pk": {"S": "a"}, "count": {"N": "1"}})

    answer = dynamodb.update_item(
        TableName=TABLE,
        Key={"pk": {"S": "a"}},
        UpdateExpression="ADD #c :one",
        ExpressionAttributeNames={"#c": "count"},
        ExpressionAttributeValues={":one": {"N": "1"}},
        ReturnValues="ALL_NEW",
    )

    assert answer["Attributes"]["count"] == {"N": "2"} == item(dynamodb, "a")["count"]


def test_attributes_of_every_type_are_returned_unchanged(dynamodb: "DynamoDBClient") -> None:
    written: dict[str, Any] = {
        "pk": {"S": "all"},
        "number": {"N": "3.14"},
        "bytes": {"B": b"\x00\xff"},
        "truth": {"BOOL": True},
        "nothing": {"NULL": True},
        "texts": {"SS": ["a", "b"]},
        "numbers": {"NS": ["1", "2"]},
        "blobs": {"BS": [b"\xff"]},
        "list": {"L": [{"S": "a"}, {"M": {"B": {"B": b"\xfe"}, "S": {"N": "1"}}}]},
        "map": {"M": {"S": {"S": "a member called as a type is"}, "N": {"L": []}}},
        "empty": {"M": {}},
    }

    dynamodb.put_item(TableName=TABLE, Item=written)

    assert item(dynamodb, "all") == written


def simple(**parts: str) -> Any:
    return {
        "Simple": {
            "Subject": {"Data": "Your code: 123456"},
            "Body": {name: {"Data": text, "Charset": "UTF-8"} for name, text in parts.items()},
        }
    }


def ses() -> Any:
    """Return a client configured like the functions' clients."""
    config = Config(connect_timeout=1, read_timeout=1.5, retries={"mode": "standard", "total_max_attempts": 2})
    return botocore.session.get_session().create_client("sesv2", config=config)


@pytest.mark.usefixtures("aws")
def test_a_mail_arrives_with_text_and_html(mailbox: Mailbox) -> None:
    answer = ses().send_email(
        FromEmailAddress="Gerbang <no-reply@example.com>",
        Destination={"ToAddresses": ["ada@example.com"]},
        Content=simple(Text="It is 123456 è", Html="<p>It is 123456</p>"),
        EmailTags=[{"Name": "kind", "Value": "code"}],
    )

    assert answer["MessageId"]
    assert [mail.to_json() for mail in mailbox.mails()] == [
        {
            "to": "ada@example.com",
            "subject": "Your code: 123456",
            "text": "It is 123456 è",
            "html": "<p>It is 123456</p>",
            "at": "2026-03-23T12:00:00.250Z",
        }
    ]


@pytest.mark.usefixtures("aws")
def test_a_mail_without_html_and_a_raw_mail_arrive(mailbox: Mailbox) -> None:
    raw = b"From: a@example.com\r\nTo: b@example.com\r\nSubject: =?utf-8?q?Caff=C3=A8?=\r\n\r\nHello\r\n"

    ses().send_email(Destination={"ToAddresses": ["ada@example.com"]}, Content=simple(Text="only"))
    ses().send_email(Content={"Raw": {"Data": raw}})

    assert [(mail.to, mail.subject, mail.text.strip(), mail.html) for mail in mailbox.mails()] == [
        ("ada@example.com", "Your code: 123456", "only", ""),
        ("b@example.com", "Caffè", "Hello", ""),
    ]


@pytest.mark.usefixtures("aws")
def test_a_mail_from_a_stored_template_is_an_error() -> None:
    with pytest.raises(ClientError, match="neither Simple nor Raw"):
        ses().send_email(Content={"Template": {"TemplateName": "x"}})


@pytest.mark.usefixtures("aws")
def test_the_mailbox_keeps_the_newest_thousand(mailbox: Mailbox) -> None:
    for number in range(1_001):
        mailbox.receive({"Destination": {"ToAddresses": [str(number)]}, "Content": simple(Text="x")})

    assert [mail.to for mail in mailbox.mails()] == [str(number) for number in range(1, 1_001)]
