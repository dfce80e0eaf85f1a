"""Lambda's polling of a table's stream: read the records in order, and repeat those that failed.

https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html. Filters are not applied: the function ignores records
that it does not publish.
"""

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from gerbang_local.functions import LoadedFunction
from gerbang_local.stack import REGION, StreamTrigger

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

# How long to wait between two reads.
_PAUSE_SECONDS: Final = 0.2

log: Final = logging.getLogger(__name__)


class StreamReader:
    """Reads one stream for one function. Streams on this machine have one shard."""

    def __init__(self, trigger: StreamTrigger, function: LoadedFunction, streams: "DynamoDBStreamsClient") -> None:
        """Take the stream and the function; nothing is read yet."""
        self._trigger: Final = trigger
        self._function: Final = function
        self._streams: Final = streams
        self._stopped: Final = threading.Event()
        self._reader: Final = threading.Thread(target=self._read, daemon=True, name=f"{trigger.function}-stream")

    def start(self) -> None:
        """Read until `stop`, in a thread of its own."""
        self._reader.start()

    def stop(self) -> None:
        """Start no more batches."""
        self._stopped.set()
        self._reader.join(timeout=1)

    def handle(self, records: Sequence[Any]) -> int:
        """Invoke the function with *records*; return how many of them, from the first on, it processed."""
        try:
            answer = self._function.invoke({"Records": [self._record(record) for record in records]})
        except Exception:
            log.exception("%s failed on %d records.", self._trigger.function, len(records))
            return 0
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        return min((numbers.index(number) for number in failed), default=len(records))

    def _read(self) -> None:
        described = self._streams.describe_stream(StreamArn=self._trigger.stream_arn)["StreamDescription"]
        [shard] = described["Shards"]
        iterator = self._streams.get_shard_iterator(
            StreamArn=self._trigger.stream_arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        waiting: list[Any] = []
        while iterator and not self._stopped.is_set():
            answer = self._streams.get_records(ShardIterator=iterator)
            waiting += answer["Records"]
            iterator = answer.get("NextShardIterator", "")
            processed = self.handle(waiting) if waiting else 0
            del waiting[:processed]
            self._stopped.wait(_PAUSE_SECONDS)

    def _record(self, record: Any) -> dict[str, Any]:
        """Return a record as Lambda passes it on: with its stream's ARN, and its time as a number."""
        changed = dict(record["dynamodb"])
        changed["ApproximateCreationDateTime"] = changed["ApproximateCreationDateTime"].timestamp()
        return {**record, "dynamodb": changed, "eventSourceARN": self._trigger.stream_arn, "awsRegion": REGION}
