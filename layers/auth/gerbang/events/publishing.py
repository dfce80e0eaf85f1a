"""Publishes the events of stream records on the event bus, in order and at least once.

Lambda delivers a failed record again, with all records after it, until the function succeeds
(`ReportBatchItemFailures`). So no event is lost while the bus or this function fails, for the 24 hours that a stream
keeps its records. Events after a failed one may be published twice. (docs/decisions/0039-events.md)
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import batched
from typing import Any

from gerbang.core import init
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import LogEvent, Severity, request_id
from gerbang.events.changes import Event, Table, change_of, events_of
from gerbang.storage.dynamodb import from_wire
from gerbang.storage.event_bus import MOST_ENTRIES, Entry, EventBus


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Publishes the events of stream records."""

    bus: EventBus
    source: str
    """The `source` of the events on the bus."""
    tables: Mapping[str, Table]
    """The tables by their names."""
    log_event: LogEvent

    def publish(self, records: Sequence[Mapping[str, Any]]) -> str | None:
        """Publish the events of *records*; return the sequence number of the first that failed, if any."""
        events = list(self._events(records))
        for batch in batched(events, MOST_ENTRIES, strict=False):
            entries = [Entry(self.source, event.type, json.dumps(event.detail()), event.at) for _, event in batch]
            try:
                errors = self.bus.put(entries)
            except DependencyUnavailable as failure:
                return self._delayed(batch[0][0], str(failure))
            for (sequence_number, _), error in zip(batch, errors, strict=True):
                if error is not None:
                    return self._delayed(sequence_number, error)
        if events:
            self.log_event("events_published", count=len(events))
        return None

    def _events(self, records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Event]]:
        """Yield the events of the records, each with its record's sequence number."""
        for record in records:
            changed = record["dynamodb"]
            table = self.tables[record["eventSourceARN"].split("/")[1]]
            old, new = from_wire(changed.get("OldImage", {})), from_wire(changed.get("NewImage", {}))
            for event in events_of(change_of(record, table=table, old=old, new=new)):
                yield str(changed["SequenceNumber"]), event

    def _delayed(self, sequence_number: str, reason: str) -> str:
        self.log_event("events_delayed", Severity.ERROR, sequence_number=sequence_number, reason=reason)
        return sequence_number


def handler(publisher: Publisher) -> init.LambdaHandler:
    """Return the Lambda handler that publishes batches of stream records."""

    def publish(event: dict[str, Any], context: Any) -> dict[str, Any]:
        request_id.set(str(getattr(context, "aws_request_id", "")))
        failed = publisher.publish(event["Records"])
        return {"batchItemFailures": [] if failed is None else [{"itemIdentifier": failed}]}

    return init.finish_init(publish)
