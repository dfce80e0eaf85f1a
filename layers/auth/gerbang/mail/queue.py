"""The queue of mail jobs, on SQS."""

from typing import TYPE_CHECKING, Protocol

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.jobs import MailJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_sqs import SQSClient


class MailQueue(Protocol):
    """Takes mail jobs."""

    def enqueue(self, job: MailJob, *, delay_seconds: int = 0) -> None:
        """Queue the job durably, to be delivered after *delay_seconds*.

        Raises:
            DependencyUnavailable: it may or may not be queued. A caller that tries again may cause a second mail.
        """


class RedeliverySchedule(Protocol):
    """Decides when the queue delivers a message again."""

    def redeliver_after(self, seconds: int, receipt_handle: str) -> None:
        """Have the message with this receipt handle delivered again after *seconds*, and not before.

        Raises:
            DependencyUnavailable: it may come again as late as the queue's visibility time-out says.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SqsMailQueue:
    """A `MailQueue` and `RedeliverySchedule` on a standard SQS queue: at least once, in no particular order."""

    client: "Callable[[], SQSClient]"
    """Returns the client. It is called at each use, so a function that rarely queues creates none in its init."""
    queue_url: str

    def enqueue(self, job: MailJob, *, delay_seconds: int = 0) -> None:
        """Send the job to the queue: one SendMessage, its time-outs and retries those of the client.

        Raises:
            DependencyUnavailable: SQS answered with an error, throttled or did not answer.
        """
        self._call(
            "SendMessage",
            lambda client: client.send_message(
                QueueUrl=self.queue_url, MessageBody=job.to_json(), DelaySeconds=delay_seconds
            ),
        )

    def redeliver_after(self, seconds: int, receipt_handle: str) -> None:
        """Set the message's visibility time-out: one ChangeMessageVisibility.

        Raises:
            DependencyUnavailable: SQS answered with an error, throttled or did not answer.
        """
        self._call(
            "ChangeMessageVisibility",
            lambda client: client.change_message_visibility(
                QueueUrl=self.queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
            ),
        )

    def _call(self, action: str, do: "Callable[[SQSClient], object]") -> None:
        # Imported here, so that importing this module does not import botocore. A caller with a client has it already.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            do(self.client())
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unnamed")
            raise DependencyUnavailable(f"SQS {action}: {code}") from None
        except BotoCoreError as error:  # its text can hold the request, and so the address
            raise DependencyUnavailable(f"SQS {action}: {type(error).__name__}") from None
