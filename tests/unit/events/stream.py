"""DynamoDB Streams and EventBridge, in memory."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final, override

from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.events.changes import Table
from gerbang.storage.dynamodb import to_wire
from gerbang.storage.store import Action, CommitOutcome, Item, Key, Outcome

from tests.fakes import FakeClock, MemoryStore

DOCUMENT: Final = (Path(__file__).parents[3] / "docs" / "events.md").read_text("utf-8")

SCHEMA: Final = next(
    json.loads(block) for block in re.findall(r"```json\n(.*?)```", DOCUMENT, re.DOTALL) if '"$schema"' in block
)

STREAM: Final = "arn:aws:dynamodb:eu-west-1:123456789012:table/{}/stream/2026-11-29T00:00:00.000"

TABLES: Final = {
    "Users": Table.USERS,
    "RefreshTokenFamilies": Table.FAMILIES,
    "Organizations": Table.ORGANIZATIONS,
}


class Streaming(MemoryStore):
    """A store that records its changes as records of DynamoDB Streams."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.records: list[dict[str, Any]] = []
        self._numbers = count(100)

    @override
    def write(self, action: Action) -> Outcome:
        return self._streaming([action.key], lambda: super(Streaming, self).write(action))

    @override
    def commit(self, *actions: Action) -> CommitOutcome:
        return self._streaming([each.key for each in actions], lambda: super(Streaming, self).commit(*actions))

    def _streaming[T](self, keys: Sequence[Key], do: Callable[[], T]) -> T:
        before = self.get_all(*keys)
        outcome = do()
        for key, old, new in zip(keys, before, self.get_all(*keys), strict=True):
            if old != new and key.table in TABLES:
                self.records.append(stream_record(key, old, new, at=to_epoch(self.clock()), number=next(self._numbers)))
        return outcome


def stream_record(
    key: Key, old: Item | None, new: Item | None, *, at: int, number: int, **more: object
) -> dict[str, Any]:
    changed: dict[str, Any] = {
        "ApproximateCreationDateTime": float(at),
        "Keys": to_wire(key.attributes),
        "SequenceNumber": f"{number}",
    }
    images = {name: to_wire(item) for name, item in (("OldImage", old), ("NewImage", new)) if item is not None}
    return {
        "eventID": f"{number:032x}",
        "eventName": "INSERT" if old is None else "REMOVE" if new is None else "MODIFY",
        "eventSource": "aws:dynamodb",
        "eventSourceARN": STREAM.format(key.table),
        "dynamodb": {**changed, **images},
        **more,
    }


@dataclass
class Bus:
    """An EventBridge client that keeps the entries, and fails where a test wants it to."""

    entries: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    fails: Callable[[dict[str, Any]], str | None] = lambda _entry: None
    is_down: bool = False

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - botocore's spelling
        assert 1 <= len(Entries) <= 10
        if self.is_down:
            raise DependencyUnavailable("EventBridge PutEvents: EndpointConnectionError")
        answers: list[dict[str, Any]] = []
        for entry in Entries:
            error = self.fails(entry)
            if error is None:
                self.entries.append(entry)
            answers.append({"EventId": "1"} if error is None else {"ErrorCode": error, "ErrorMessage": "secret"})
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

    @property
    def details(self) -> list[dict[str, Any]]:
        return [json.loads(entry["Detail"]) for entry in self.entries]


type Publish = Callable[[], dict[str, dict[str, Any]]]
"""Publishes the changes since the last call; returns the data of each event type."""
