"""SQS' batches of wishes: each message alone succeeds or comes again (`ReportBatchItemFailures`)."""

from typing import Any

from gerbang import edge, init
from gerbang.journal import Severity, journal, request_id
from gerbang.mail_queue import MailWish
from gerbang.mailer import Mailer, sent_at


def handler(mailer: Mailer) -> edge.Lambda:
    """Return the Lambda handler that delivers batches of wishes."""

    def deliver(event: dict[str, Any], _context: object) -> dict[str, Any]:
        failed = [record["messageId"] for record in event["Records"] if not _is_delivered(mailer, record)]
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    return init.over(deliver)


def _is_delivered(mailer: Mailer, record: dict[str, Any]) -> bool:
    request_id.set(str(record["messageId"]))
    try:
        wish = MailWish.from_json(record["body"])
        mailer.deliver(wish, wished_at=sent_at(record["attributes"]["SentTimestamp"]))
    except Exception as failure:  # noqa: BLE001 - one bad message must not hold up the others; it comes again
        journal().note("mail_delayed", Severity.FAILURE, reason=type(failure).__name__)
        return False
    return True
