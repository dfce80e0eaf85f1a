"""gerbang.mail.sqs_events: each message of a batch is delivered, or reported and delivered again."""

from datetime import timedelta
from typing import Any

import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import request_id
from gerbang.mail import sqs_events
from gerbang.mail.jobs import REGISTERED, MailJob, MailKind

from tests.deployment import ALICE, BOB, Deployment
from tests.fakes import Fault, FaultyStore
from tests.unit.mail_deployment import MailDeployment, with_mail
from tests.unit.mail_fakes import Fate, code_in

UNKNOWN = "unknown@example.com"


@pytest.fixture
def app(deployment_in_memory: Deployment) -> MailDeployment:
    app = with_mail(deployment_in_memory)
    app.register()
    app.register(ALICE)
    return app


def record(body: str, number: int = 1, *, sent_timestamp: str = "1768478400123", received: int = 1) -> dict[str, Any]:
    """A message in Lambda's event (AWS Lambda developer guide, "Using Lambda with Amazon SQS")."""
    return {
        "messageId": f"059f36b4-87a3-44ab-83d2-66197597{number:04d}",
        "receiptHandle": f"handle {number}",
        "body": body,
        "attributes": {
            "ApproximateReceiveCount": str(received),
            "SentTimestamp": sent_timestamp,
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": sent_timestamp,
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:mail",
        "awsRegion": "eu-west-1",
    }


def job(job_id: str, email: str = BOB.email, kind: MailKind = MailKind.SIGN_IN_CODE) -> str:
    return MailJob(job_id=job_id, kind=kind, email=email, locale=None).to_json()


class Schedule:
    """Records which messages are to be delivered again, and after how many seconds; or is down."""

    def __init__(self) -> None:
        self.retries: list[tuple[str, int]] = []
        self.is_down = False

    def redeliver_after(self, seconds: int, receipt_handle: str) -> None:
        if self.is_down:
            raise DependencyUnavailable("queue")
        self.retries.append((receipt_handle, seconds))


def handle(app: MailDeployment, *records: dict[str, Any], schedule: Schedule | None = None) -> list[str]:
    """The ids of the messages that are to be delivered again."""
    answer = sqs_events.handler(app.mailer, schedule or Schedule())({"Records": list(records)}, None)
    assert answer.keys() == {"batchItemFailures"}
    failures = answer["batchItemFailures"]
    assert all(failure.keys() == {"itemIdentifier"} for failure in failures)
    return [failure["itemIdentifier"] for failure in failures]


def test_a_delivered_batch_reports_no_failures(app: MailDeployment) -> None:
    assert handle(app, record(job("w-1"), 1), record(job("w-2", ALICE.email), 2)) == []

    assert [message.to for message in app.outbox.sent] == [BOB.email, ALICE.email]


def test_an_empty_batch_reports_no_failures(app: MailDeployment) -> None:
    assert handle(app) == []


def test_only_failed_messages_are_reported(app: MailDeployment) -> None:
    records = [
        record(job("w-1"), 1),
        record("no JSON", 2),
        record(job("w-3", ALICE.email), 3),
        record(job("w-4", UNKNOWN), 4),
        record(job("w-5", ALICE.email, MailKind.PASSWORD_RESET), 5),
    ]
    app.outbox.fates = [Fate.NOT_SENT, Fate.ACCEPTED, Fate.ANSWER_LOST]

    assert handle(app, *records) == [records[0]["messageId"], records[1]["messageId"], records[4]["messageId"]]

    assert [message.kind for message in app.outbox.sent] == ["sign_in_code", "password_reset"]


def test_a_message_that_is_delivered_again_is_sent(app: MailDeployment) -> None:
    message = record(job("w-1"), 1)
    app.outbox.fates = [Fate.NOT_SENT]
    assert handle(app, message) == [message["messageId"]]

    assert handle(app, message) == []

    assert app.outbox.codes == [app.maker.code("w-1", BOB.email, epoch=0)]


def test_a_message_twice_in_a_batch_sends_one_mail(app: MailDeployment) -> None:
    assert handle(app, record(job("w-1"), 1), record(job("w-1"), 2)) == []

    assert len(app.outbox.sent) == 1


def test_a_mail_that_ses_rejects_is_not_reported(app: MailDeployment) -> None:
    app.outbox.fates = [Fate.REJECTED]

    assert handle(app, record(job("w-1"))) == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "null",
        "[" * 7000,
        job("w-1").replace('"version": 1', '"version": 2'),
        job("w-1").replace("sign_in_code", "newsletter"),
        job("w-1").replace("job_id", "id"),
    ],
    ids=["empty", "no fields", "null", "deep", "of a later version", "of an unknown kind", "without its id"],
)
def test_a_message_that_is_not_a_job_is_reported(app: MailDeployment, body: str) -> None:
    good = record(job("w-2"), 2)

    assert handle(app, record(body, 1), good) == [record(body, 1)["messageId"]]

    assert len(app.outbox.sent) == 1


def test_a_message_without_a_timestamp_is_reported(app: MailDeployment) -> None:
    without_timestamp = record(job("w-1"))
    without_timestamp["attributes"] = {}

    assert handle(app, without_timestamp, record(job("w-2"), 2, sent_timestamp="soon")) == [
        without_timestamp["messageId"],
        record("", 2)["messageId"],
    ]


def test_an_unexpected_exception_fails_only_its_message(app: MailDeployment) -> None:
    def fail() -> None:
        app.outbox.while_sending = lambda: None
        raise ZeroDivisionError

    app.outbox.while_sending = fail

    assert handle(app, record(job("w-1"), 1), record(job("w-2", ALICE.email), 2)) == [record("", 1)["messageId"]]

    assert [message.to for message in app.outbox.sent] == [ALICE.email]


def test_the_timestamp_tells_the_newest_job_of_a_batch(app: MailDeployment) -> None:
    older = record(job("w-1"), 1, sent_timestamp="1768478400123")
    newer = record(job("w-2"), 2, sent_timestamp="1768478400124")

    assert handle(app, newer, older) == []

    assert [code_in(message) for message in app.outbox.sent] == [app.maker.code("w-2", BOB.email, epoch=0)]


def test_log_lines_of_a_message_have_its_id(app: MailDeployment) -> None:
    seen: list[str] = []
    app.outbox.while_sending = lambda: seen.append(request_id.get())

    handle(app, record(job("w-1"), 1), record(job("w-2", ALICE.email), 2))

    assert seen == [record("", 1)["messageId"], record("", 2)["messageId"]]


def test_the_log_of_a_failure_has_no_address_and_no_code(app: MailDeployment, caplog: pytest.LogCaptureFixture) -> None:
    app.outbox.fates = [Fate.NOT_SENT, Fate.ANSWER_LOST]
    invalid = job("w-3").replace("job_id", "123456")

    handle(app, record(job("w-1"), 1), record(job("w-2", ALICE.email), 2), record(invalid, 3))

    lines = [line for line in caplog.records if line.message == "mail_delayed"]
    reasons = [vars(line)["gerbang_fields"]["reason"] for line in lines]
    assert reasons == ["DependencyUnavailable", "DependencyUnavailable", "InvalidMailJob"]
    for secret in (BOB.email, ALICE.email, "123456", *app.outbox.codes):
        assert secret not in caplog.text
        assert not any(secret in str(vars(line)) for line in caplog.records)


def test_a_mail_that_waits_for_its_account_is_logged_as_a_warning(
    app: MailDeployment, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = MailJob(
        job_id="w-1",
        kind=MailKind.VERIFICATION_CODE,
        email=UNKNOWN,
        locale=None,
        payload={REGISTERED: "a5e2f0f2-0f8b-4a57-8d3e-6a1f0a4f5b11"},
    )
    now = str(int(app.base.clock().timestamp() * 1000))

    assert handle(app, record(waiting.to_json(), sent_timestamp=now)) == [record("")["messageId"]]

    [line] = [line for line in caplog.records if line.message == "mail_delayed"]
    assert line.levelname == "WARNING"
    assert not line.exc_info


def test_a_message_that_another_delivery_is_sending_is_reported(app: MailDeployment) -> None:
    minute, day = timedelta(minutes=1), timedelta(days=1)
    app.deliveries.claim("w-1", "another's", at=app.base.clock(), lease=minute, kept=day)

    assert handle(app, record(job("w-1"))) == [record("")["messageId"]]

    assert app.outbox.sent == []


# When a failed message is delivered again


def test_a_failed_message_is_delivered_again_at_growing_intervals(
    app: MailDeployment,
) -> None:
    schedule = Schedule()
    app.outbox.fates = [Fate.NOT_SENT] * 7

    for received in (1, 2, 3, 4, 5, 6, 100):
        handle(app, record(job("w-1"), received=received), schedule=schedule)

    assert [seconds for _, seconds in schedule.retries] == [5, 15, 45, 135, 180, 180, 180]


def test_only_failed_messages_are_scheduled(app: MailDeployment) -> None:
    schedule = Schedule()
    app.outbox.fates = [Fate.NOT_SENT]

    handle(app, record(job("w-1"), 1), record(job("w-2", ALICE.email), 2), record("no JSON", 3), schedule=schedule)

    assert schedule.retries == [("handle 1", 5), ("handle 3", 5)]


def test_messages_that_cannot_be_scheduled_are_still_reported(
    app: MailDeployment, caplog: pytest.LogCaptureFixture
) -> None:
    schedule = Schedule()
    schedule.is_down = True
    records = [record("no JSON", 1), record("no JSON", 2)]

    assert handle(app, *records, schedule=schedule) == [each["messageId"] for each in records]

    assert [line.message for line in caplog.records].count("mail_retry_not_scheduled") == 2


def test_the_claim_of_a_failed_delivery_does_not_block_the_next(app: MailDeployment) -> None:
    claim_lost = FaultyStore(
        app.base.store, at=lambda call: "DELIVERY#" in call.keys[0].pk and call.nth == 0, fault=Fault.ANSWER_LOST
    )
    message = record(job("w-1"))
    assert handle(app.on(claim_lost), message) == [message["messageId"]]

    assert handle(app, message) == []

    assert len(app.outbox.sent) == 1
