"""Reading queues like Lambda: docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from gerbang_local.aws import Aws
from gerbang_local.queues import QueueReader
from gerbang_local.stack import Trigger

from tests.local.gateway_service import loaded

type Handler = Callable[[Any, Any], Any]

TRIES = 2


@pytest.fixture
def queue(aws: Aws) -> str:
    """A queue without a visibility timeout. After two tries a message goes to the queue `dead`."""
    dead = aws.sqs.create_queue(QueueName="dead")["QueueUrl"]
    arn = aws.sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": {TRIES}}}'
    attributes: Any = {"VisibilityTimeout": "0", "RedrivePolicy": redrive}
    return aws.sqs.create_queue(QueueName="mails", Attributes=attributes)["QueueUrl"]


def reader(aws: Aws, handler: Handler, *, trigger: Trigger | None = None, timeout_seconds: int = 5) -> QueueReader:
    reporting = Trigger(
        function="mailer",
        queue_arn="arn:aws:sqs:us-east-1:123456789012:mails",
        batch_size=10,
        reports_failures=True,
    )
    return QueueReader(trigger or reporting, loaded("mailer", handler, timeout_seconds), aws.sqs)


def bodies(aws: Aws, name: str) -> list[str]:
    """Return the messages of a queue without deleting them."""
    url = aws.sqs.get_queue_url(QueueName=name)["QueueUrl"]
    messages = aws.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0).get("Messages", [])
    return sorted(message["Body"] for message in messages)


def send(aws: Aws, queue: str, *texts: str) -> None:
    for text in texts:
        aws.sqs.send_message(QueueUrl=queue, MessageBody=text)


def failing(*texts: str) -> Handler:
    """Return a handler that reports the messages of these texts as failed."""

    def handler(event: Any, _context: Any) -> Any:
        failed = [record["messageId"] for record in event["Records"] if record["body"] in texts]
        return {"batchItemFailures": [{"itemIdentifier": one} for one in failed]}

    return handler


def test_a_function_receives_a_batch_in_lambdas_format(aws: Aws, queue: str) -> None:
    records: list[Any] = []
    attribute: Any = {"kind": {"DataType": "String", "StringValue": "code"}}
    aws.sqs.send_message(QueueUrl=queue, MessageBody="{}", MessageAttributes=attribute)
    queue_reader = reader(aws, lambda event, _context: records.extend(event["Records"]))

    queue_reader.handle(queue_reader.receive())

    [record] = records
    assert record["body"] == "{}"
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == "arn:aws:sqs:us-east-1:123456789012:mails"
    assert record["awsRegion"] == "us-east-1"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"]["kind"]["stringValue"] == "code"
    assert record.keys() >= {"messageId", "receiptHandle", "md5OfBody"}
    assert bodies(aws, "mails") == []


def test_only_messages_that_are_reported_as_failed_are_delivered_again(aws: Aws, queue: str) -> None:
    send(aws, queue, "good", "bad", "fine")
    queue_reader = reader(aws, failing("bad"))

    queue_reader.handle(queue_reader.receive())

    assert [message["Body"] for message in queue_reader.receive()] == ["bad"]


def test_a_message_that_fails_too_often_goes_to_the_dead_letter_queue(aws: Aws, queue: str) -> None:
    send(aws, queue, "good", "bad")
    queue_reader = reader(aws, failing("bad"))

    for _ in range(TRIES + 1):
        queue_reader.handle(queue_reader.receive())

    assert queue_reader.receive() == []
    assert bodies(aws, "dead") == ["bad"]


def raising(_event: Any, _context: Any) -> Any:
    raise RuntimeError("boom")


@pytest.mark.parametrize(
    "handler",
    [
        pytest.param(raising, id="it raises"),
        pytest.param(lambda _event, _context: {"batchItemFailures": [{"itemIdentifier": ""}]}, id="an empty id"),
        pytest.param(lambda _event, _context: {"batchItemFailures": [{"itemIdentifier": "other"}]}, id="an unknown id"),
        pytest.param(lambda _event, _context: {"batchItemFailures": [{"wrong": "key"}]}, id="no id"),
        pytest.param(lambda _event, _context: {"batchItemFailures": "all"}, id="no list"),
        pytest.param(lambda _event, _context: "done", id="no object"),
        pytest.param(lambda _event, _context: {1, 2}, id="not JSON"),
    ],
)
def test_a_batch_that_fails_or_has_an_invalid_report_stays_in_the_queue(aws: Aws, queue: str, handler: Handler) -> None:
    send(aws, queue, "a", "b")
    queue_reader = reader(aws, handler)

    queue_reader.handle(queue_reader.receive())

    assert bodies(aws, "mails") == ["a", "b"]


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_a_batch_without_reported_failures_is_deleted(aws: Aws, queue: str, answer: object) -> None:
    send(aws, queue, "a", "b")
    queue_reader = reader(aws, lambda _event, _context: answer)

    queue_reader.handle(queue_reader.receive())

    assert bodies(aws, "mails") == []


def test_reports_are_ignored_unless_the_template_enables_them(aws: Aws, queue: str) -> None:
    send(aws, queue, "a")
    trigger = Trigger(
        function="mailer", queue_arn="arn:aws:sqs:us-east-1:123456789012:mails", batch_size=1, reports_failures=False
    )
    queue_reader = reader(aws, failing("a"), trigger=trigger)

    queue_reader.handle(queue_reader.receive())

    assert bodies(aws, "mails") == []


def test_a_batch_that_exceeds_the_functions_timeout_stays_in_the_queue(aws: Aws, queue: str) -> None:
    send(aws, queue, "slow")
    queue_reader = reader(aws, lambda _event, _context: time.sleep(0.01), timeout_seconds=0)

    queue_reader.handle(queue_reader.receive())

    assert bodies(aws, "mails") == ["slow"]


def test_a_reader_handles_messages_within_a_second_until_it_is_stopped(aws: Aws, queue: str) -> None:
    aws.sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "30"})
    handled: list[str] = []
    queue_reader = reader(aws, lambda event, _context: handled.extend(record["body"] for record in event["Records"]))
    queue_reader.start()

    send(aws, queue, *(f"{number:02}" for number in range(25)))
    deadline = time.monotonic() + 1
    while len(handled) < 25 and time.monotonic() < deadline:
        time.sleep(0.01)
    queue_reader.stop()
    send(aws, queue, "too late")

    assert sorted(handled) == [f"{number:02}" for number in range(25)]
    assert bodies(aws, "mails") == ["too late"]
