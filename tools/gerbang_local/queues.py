"""Lambda's polling of a queue: receive messages, invoke the function, delete the messages that it processed.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html. A message that was not processed stays in
the queue, comes back when its visibility time-out has passed, and moves to the dead-letter queue after
`maxReceiveCount` tries. SQS does that, and so does moto.
"""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from gerbang_local.functions import LoadedFunction
from gerbang_local.stack import REGION, Trigger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

# Lambda begins with five batches at a time: docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
_BATCHES_AT_ONCE: Final = 5
# The most messages of one ReceiveMessage. Lambda makes larger batches of several calls.
_LARGEST_BATCH: Final = 10
# How long to wait after an empty queue, and so the longest delay of a mail.
_PAUSE_SECONDS: Final = 0.2

log: Final = logging.getLogger(__name__)


class QueueReader:
    """Reads one queue for one function."""

    def __init__(self, trigger: Trigger, function: LoadedFunction, sqs: "SQSClient") -> None:
        """Take the queue and the function; nothing is read yet."""
        self._trigger: Final = trigger
        self._function: Final = function
        self._sqs: Final = sqs
        name = trigger.queue_arn.rpartition(":")[2]
        self._queue_url: Final = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        self._free: Final = threading.BoundedSemaphore(_BATCHES_AT_ONCE)
        self._pool: Final = ThreadPoolExecutor(_BATCHES_AT_ONCE, thread_name_prefix=trigger.function)
        self._stopped: Final = threading.Event()
        self._reader: Final = threading.Thread(target=self._read, daemon=True, name=f"{trigger.function}-queue")

    def start(self) -> None:
        """Read until `stop`, in a thread of its own."""
        self._reader.start()

    def stop(self) -> None:
        """Start no more batches; running ones are not waited for."""
        self._stopped.set()
        self._reader.join(timeout=1)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def receive(self) -> "Sequence[MessageTypeDef]":
        """Return the next messages of the queue, none if it is empty."""
        answer = self._sqs.receive_message(
            QueueUrl=self._queue_url,
            MaxNumberOfMessages=min(self._trigger.batch_size, _LARGEST_BATCH),
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return answer.get("Messages", [])

    def handle(self, messages: "Sequence[MessageTypeDef]") -> None:
        """Invoke the function with *messages*, and delete those that it processed."""
        started_at = time.monotonic()
        try:
            answer = self._function.invoke({"Records": [self._record(message) for message in messages]})
        except Exception:
            log.exception("%s failed on %d messages.", self._trigger.function, len(messages))
            return
        if time.monotonic() - started_at > (allowed := self._function.described.timeout_seconds):
            log.error("%s: task timed out after %d seconds.", self._trigger.function, allowed)
            return
        failed = self._failed(answer, messages)
        for message in messages:
            if message["MessageId"] not in failed:
                self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])

    def _read(self) -> None:
        while not self._stopped.is_set():
            self._free.acquire()
            messages = self.receive()
            if messages and not self._stopped.is_set():
                self._pool.submit(self._handle_and_free, messages)
            else:
                self._free.release()
                self._stopped.wait(_PAUSE_SECONDS)

    def _handle_and_free(self, messages: "Sequence[MessageTypeDef]") -> None:
        try:
            self.handle(messages)
        finally:
            self._free.release()

    def _record(self, message: "MessageTypeDef") -> dict[str, Any]:
        """Return a message as an event's record: docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""
        attributes: dict[str, Any] = {
            name: {
                "stringValue": attribute.get("StringValue"),
                "binaryValue": attribute.get("BinaryValue"),
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": attribute["DataType"],
            }
            for name, attribute in message.get("MessageAttributes", {}).items()
        }
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message.get("Attributes", {}),
            "messageAttributes": attributes,
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self._trigger.queue_arn,
            "awsRegion": REGION,
        }

    def _failed(self, answer: Any, messages: "Sequence[MessageTypeDef]") -> set[str]:
        """Return the ids of the messages that *answer* reports as failed; all ids if it cannot be read."""
        if not self._trigger.reports_failures:
            return set()
        match answer:
            case None | {"batchItemFailures": None | []}:
                return set()
            case dict() if "batchItemFailures" not in answer:
                return set()
            case {"batchItemFailures": list(failures)}:
                named = {failure.get("itemIdentifier") for failure in failures if isinstance(failure, dict)}
                failed = {message["MessageId"] for message in messages if message["MessageId"] in named}
                if len(failed) == len(failures):
                    return failed
            case _:
                pass
        log.error("%s reports failures that cannot be read: the whole batch stays.", self._trigger.function)
        return {message["MessageId"] for message in messages}
