"""SQS' batches of mail jobs: each message succeeds or is delivered again on its own (`ReportBatchItemFailures`)."""

from typing import Any, Final

from gerbang.core import init
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import Severity, log_event, request_id
from gerbang.mail.jobs import MailJob
from gerbang.mail.mailer import AccountNotWritten, Mailer, MailUnderWay, sent_at
from gerbang.mail.queue import RedeliverySchedule

FIRST_RETRY_SECONDS: Final = 5
LONGEST_RETRY_SECONDS: Final = 180
"""A failed message is delivered again after 5, 15, 45 and 135 seconds, then every 180, the queue's visibility time-out,
until it goes to the dead-letter queue (`maxReceiveCount`). (docs/decisions/0025-mail-is-queued-first.md)"""


def handler(mailer: Mailer, schedule: RedeliverySchedule) -> init.LambdaHandler:
    """Return the Lambda handler that delivers batches of mail jobs."""

    def deliver(event: dict[str, Any], _context: object) -> dict[str, Any]:
        failed = [record for record in event["Records"] if not _is_delivered(mailer, record)]
        for record in failed:
            _schedule_retry(schedule, record)
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}

    return init.finish_init(deliver)


def _is_delivered(mailer: Mailer, record: dict[str, Any]) -> bool:
    request_id.set(str(record["messageId"]))
    try:
        job = MailJob.from_json(record["body"])
        mailer.deliver(job, queued_at=sent_at(record["attributes"]["SentTimestamp"]))
    except Exception as failure:  # noqa: BLE001 - one bad message must not delay the others; it is delivered again
        is_expected = isinstance(failure, AccountNotWritten | MailUnderWay)  # clients that race cause them
        log_event("mail_delayed", Severity.WARNING if is_expected else Severity.ERROR, reason=type(failure).__name__)
        return False
    return True


def _schedule_retry(schedule: RedeliverySchedule, record: dict[str, Any]) -> None:
    """Have a failed message delivered again soon. If that fails, it comes after the queue's visibility time-out."""
    tries = int(record["attributes"].get("ApproximateReceiveCount", 1))
    seconds = min(FIRST_RETRY_SECONDS * 3 ** (tries - 1), LONGEST_RETRY_SECONDS)
    try:
        schedule.redeliver_after(seconds, record["receiptHandle"])
    except DependencyUnavailable:
        log_event("mail_retry_not_scheduled", Severity.WARNING, message_id=record["messageId"])
