"""gerbang.mail.jobs and gerbang.mail.queue: the job as it is queued, and the queue on SQS."""

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


# --- the job


@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize("locale", ["en", None])
@pytest.mark.parametrize("payload", [{}, {"link": "abc", "invited_by": "Zoë"}])
def test_a_job_survives_the_queue(kind: MailKind, locale: str | None, payload: dict[str, str]) -> None:
    sent = MailJob(job_id="job-1", kind=kind, email="jürgen@xn--bcher-kva.example", locale=locale, payload=payload)

    assert MailJob.from_json(sent.to_json()) == sent


def test_a_queued_job_carries_its_version_and_a_payload() -> None:
    assert json.loads(job().to_json()) == {
        "version": 1,
        "job_id": "job-1",
        "kind": "sign_in_code",
        "email": ANA,
        "locale": "id",
        "payload": {"link": "abc"},
    }


def test_a_job_shows_no_address_when_printed() -> None:
    assert ANA not in repr(job())  # ASVS 16.2.5


def test_fields_of_a_later_version_are_ignored() -> None:
    assert MailJob.from_json(changed(priority=1, tenant={"id": "t"})) == job()


def test_a_job_that_an_earlier_version_queued_without_a_payload_is_read() -> None:
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
def test_anything_else_in_the_queue_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(InvalidMailJob) as refused:
        MailJob.from_json(text)

    assert "@" not in str(refused.value)
    assert refused.value.__cause__ is None


# --- the queue on SQS


@pytest.fixture
def sqs() -> Iterator["SQSClient"]:
    with mock_aws():
        yield cast(
            "SQSClient",
            Session().create_client(
                "sqs", region_name="eu-south-1", aws_access_key_id="testing", aws_secret_access_key="testing"
            ),
        )


def test_a_job_enqueued_is_what_the_mailer_receives(sqs: "SQSClient") -> None:
    url = sqs.create_queue(QueueName="mail")["QueueUrl"]
    queue: MailQueue = SqsMailQueue(client=lambda: sqs, queue_url=url)

    queue.enqueue(job())

    received = sqs.receive_message(QueueUrl=url).get("Messages", [])
    assert [MailJob.from_json(message.get("Body", "")) for message in received] == [job()]


@pytest.mark.parametrize(
    "code",
    ["RequestThrottled", "AWS.SimpleQueueService.NonExistentQueue", "AccessDenied", "KmsThrottled", "InternalError"],
)
def test_a_job_that_sqs_refuses_may_be_tried_again(sqs: "SQSClient", code: str) -> None:
    queue = SqsMailQueue(client=lambda: sqs, queue_url="https://sqs.eu-south-1.amazonaws.com/123456789012/mail")

    with Stubber(sqs) as stub:
        stub.add_client_error("send_message", service_error_code=code, service_message=f"about {ANA}")
        with pytest.raises(DependencyUnavailable) as unavailable:
            queue.enqueue(job())

    assert code in str(unavailable.value)
    assert ANA not in str(unavailable.value)
    assert unavailable.value.__suppress_context__


def test_a_job_can_be_held_back(sqs: "SQSClient") -> None:
    url = sqs.create_queue(QueueName="mail")["QueueUrl"]

    SqsMailQueue(client=lambda: sqs, queue_url=url).enqueue(job(), delay_seconds=900)

    assert sqs.receive_message(QueueUrl=url).get("Messages", []) == []


def test_a_message_that_was_received_is_delivered_again_when_it_is_told_to(sqs: "SQSClient") -> None:
    url = sqs.create_queue(QueueName="mail", Attributes={"VisibilityTimeout": "180"})["QueueUrl"]
    queue = SqsMailQueue(client=lambda: sqs, queue_url=url)
    schedule: RedeliverySchedule = queue
    queue.enqueue(job())
    (received,) = sqs.receive_message(QueueUrl=url)["Messages"]
    assert sqs.receive_message(QueueUrl=url).get("Messages", []) == []

    schedule.redeliver_after(0, received.get("ReceiptHandle", ""))

    assert len(sqs.receive_message(QueueUrl=url).get("Messages", [])) == 1


def test_a_redelivery_that_sqs_refuses_is_a_dependency_that_is_unavailable(sqs: "SQSClient") -> None:
    url = sqs.create_queue(QueueName="mail")["QueueUrl"]

    with pytest.raises(DependencyUnavailable) as unavailable:
        SqsMailQueue(client=lambda: sqs, queue_url=url).redeliver_after(5, "no receipt handle")

    assert str(unavailable.value) == "SQS ChangeMessageVisibility: ReceiptHandleIsInvalid"


def test_no_client_is_made_until_something_is_queued() -> None:
    def no_client() -> "SQSClient":
        pytest.fail("a client was made")

    SqsMailQueue(client=no_client, queue_url="https://sqs.example/mail")


class SilentQueue:
    """An SQS client whose calls time out."""

    def send_message(self, **_: Any) -> None:
        raise ConnectTimeoutError(endpoint_url=f"https://sqs.example/?body={ANA}")


def test_a_job_that_sqs_never_answered_may_be_tried_again() -> None:
    queue = SqsMailQueue(client=lambda: cast("SQSClient", SilentQueue()), queue_url="https://sqs.example/mail")

    with pytest.raises(DependencyUnavailable) as unavailable:
        queue.enqueue(job())

    assert str(unavailable.value) == "SQS SendMessage: ConnectTimeoutError"
