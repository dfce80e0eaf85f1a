"""SQS' batches of jobs: each message alone succeeds or comes again (`ReportBatchItemFailures`)."""

from typing import Any

from gerbang.core import init
from gerbang.core.log import Severity, log_event, request_id
from gerbang.mail.jobs import MailJob
from gerbang.mail.mailer import Mailer, sent_at


def handler(mailer: Mailer) -> init.LambdaHandler:
    """Return the Lambda handler that delivers batches of jobs."""

    def deliver(event: dict[str, Any], _context: object) -> dict[str, Any]:
        failed = [record["messageId"] for record in event["Records"] if not _is_delivered(mailer, record)]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    return init.finish_init(deliver)


def _is_delivered(mailer: Mailer, record: dict[str, Any]) -> bool:
    request_id.set(str(record["messageId"]))
    try:
        job = MailJob.from_json(record["body"])
        mailer.deliver(job, queued_at=sent_at(record["attributes"]["SentTimestamp"]))
    except Exception as failure:  # noqa: BLE001 - one bad message must not hold up the others; it comes again
        log_event("mail_delayed", Severity.ERROR, reason=type(failure).__name__)
        return False
    return True
