"""gerbang.mail.jobs and gerbang.mail.queue: the format of a queued job, and the queue on SQS."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.session import Session
from botocore.stub import Stubber
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.jobs import InvalidMailJob, MailJob, MailKind
from gerbang.mail.queue import MailQueue, RedeliverySchedule, SqsMailQueue
from moto import mock_aws

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

ANA = "ana@example.com"


def job() -> MailJob:
    return MailJob(job_id="job-1", kind=MailKind.SIGN_IN_CODE, email=ANA, locale="id", payload={"link": "abc"})


# The job


@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize("locale", ["en", None])
@pytest.mark.parametrize("payload", [{}, {"link": "abc", "invited_by": "Zoë"}])
def test_a_job_is_read_as_it_was_queued(kind: MailKind, locale: str | None, payload: dict[str, str]) -> None:
    sent = MailJob(job_id="job-1", kind=kind, email="jürgen@xn--bcher-kva.example", locale=locale, payload=payload)

    assert MailJob.from_json(sent.to_json()) == sent


def test_a_queued_job_has_a_version_and_a_payload() -> None:
    assert json.loads(job().to_json()) == {
        "version": 1,
        "job_id": "job-1",
        "kind": "sign_in_code",
        "email": ANA,
        "locale": "id",
        "payload": {"link": "abc"},
    }


def test_the_repr_of_a_job_has_no_address() -> None:
    assert ANA not in repr(job())  # ASVS 16.2.5


def test_unknown_fields_are_ignored() -> None:
    assert MailJob.from_json(changed(priority=1, tenant={"id": "t"})) == job()


def test_a_job_without_a_payload_is_read() -> None:
    fields = {key: value for key, value in json.loads(job().to_json()).items() if key != "payload"}

    assert MailJob.from_json(json.dumps(fields)).payload == {}


def changed(**fields: object) -> str:
    return json.dumps({**json.loads(job().to_json()), **fields})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        "{",
        '"job"',
        "[" * 100_000,
        changed(version=2),
        changed(version="1"),
        changed(version=None),
        changed(kind="invoice"),
        changed(kind=1),
        changed(kind=["sign_in_code"]),
        changed(email=None),
        changed(email=""),
        changed(email=["ana@example.com"]),
        changed(email="a" * 255),
        changed(job_id=""),
        changed(job_id="w" * 129),
        changed(job_id=7),
        changed(locale=1),
        changed(payload=None),
        changed(payload=["link"]),
        changed(payload={"link": 1}),
        job().to_json().replace("{", '{"email": "eve@example.com", ', 1),
        json.dumps({key: value for key, value in json.loads(job().to_json()).items() if key != "locale"}),
    ],
)
def test_any_other_message_is_an_error_that_does_not_quote_it(text: str) -> None:
    with pytest.raises(InvalidMailJob) as caught:
        MailJob.from_json(text)

    assert "@" not in str(caught.value)
    assert caught.value.__cause__ is None


# The queue on SQS


@pytest.fixture
def sqs() -> Iterator["SQSClient"]:
    with mock_aws():
        yield cast(
            "SQSClient",
            Session().create_client(
                "sqs", region_name="eu-south-1", aws_access_key_id="testing", aws_secret_access_key="testing"
            ),
        )


def test_the_mailer_receives_a_queued_job(sqs: "SQSClient") -> None:
    url = sqs.create_queue(QueueName="mail")["QueueUrl"]
    queue: MailQueue = SqsMailQueue(client=lambda: sqs, queue_url=url)

    queue.enqueue(job())

    received = sqs.receive_message(QueueUrl=url).get("Messages", [])
    assert [MailJob.from_json(message.get("Body", "")) for message in received] == [job()]


@pytest.mark.parametrize(
    "code",
    ["RequestThrottled", "AWS.SimpleQueueService.NonExistentQueue", "AccessDenied", "KmsThrottled", "InternalError"],
)
def test_an_error_of_sqs_is_retryable(sqs: "SQSClient", code: str) -> None:
    queue = SqsMailQueue(client=lambda: sqs, queue_url="https://sqs.eu-south-1.amazonaws.com/123456789012/mail")

    with Stubber(sqs) as stub:
        stub.add_client_error("send_message", service_error_code=code, service_message=f"about {ANA}")
        with pytest.raises(DependencyUnavailable) as unavailable:
            queue.enqueue(job())

    assert code in str(unavailable.value)
    assert ANA not in str(unavailable.value)
    assert unavailable.value.__suppress_context__


def test_a_job_can_be_delayed(sqs: "SQSClient") -> None:
    url = sqs.create_queue(QueueName="mail")["QueueUrl"]

    SqsMailQueue(client=lambda: sqs, queue_url=url).enqueue(job(), delay_seconds=900)

    assert sqs.receive_message(QueueUrl=url).get("Messages", []) == []


def test_a_received_message_can_be_made_visible_again(sqs: "SQSClient") -> None:
    url = sqs.create_queue(QueueName="mail", Attributes={"VisibilityTimeout": "180"})["QueueUrl"]
    queue = SqsMailQueue(client=lambda: sqs, queue_url=url)
    schedule: RedeliverySchedule = queue
    queue.enqueue(job())
    (received,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert sqs.receive_message(QueueUrl=url).get("Messages", []) == []

    schedule.redeliver_after(0, received.get("ReceiptHandle", ""))

    assert len(sqs.receive_message(QueueUrl=url).get("Messages", [])) == 1


def test_an_error_on_making_a_message_visible_is_retryable(sqs: "SQSClient") -> None:
    url = sqs.create_queue(QueueName="mail")["QueueUrl"]

    with pytest.raises(DependencyUnavailable) as unavailable:
        SqsMailQueue(client=lambda: sqs, queue_url=url).redeliver_after(5, "no receipt handle")

    assert str(unavailable.value) == "SQS ChangeMessageVisibility: ReceiptHandleIsInvalid"


def test_the_sqs_client_is_made_when_a_job_is_queued() -> None:
    def no_client() -> "SQSClient":
        pytest.fail("a client was made")

    SqsMailQueue(client=no_client, queue_url="https://sqs.example/mail")


class SilentQueue:
    """An SQS client whose calls time out."""

    def send_message(self, **_: Any) -> None:
        raise ConnectTimeoutError(endpoint_url=f"https://sqs.example/?body={ANA}")


def test_a_time_out_of_sqs_is_retryable() -> None:
    queue = SqsMailQueue(client=lambda: cast("SQSClient", SilentQueue()), queue_url="https://sqs.example/mail")

    with pytest.raises(DependencyUnavailable) as unavailable:
        queue.enqueue(job())

    assert str(unavailable.value) == "SQS SendMessage: ConnectTimeoutError"
