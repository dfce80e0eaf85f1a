"""The EventBridge event bus, which takes events for other services."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable

if TYPE_CHECKING:
    from mypy_boto3_events.client import EventBridgeClient

MOST_ENTRIES: Final = 10
"""Events of one PutEvents (API reference)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as the bus takes it."""

    source: str
    detail_type: str
    detail: str
    """JSON text of an object."""
    at: datetime


@dataclass(frozen=True, slots=True)
class EventBus:
    """Puts events onto one bus. The client is created at the first call."""

    client: Callable[[], "EventBridgeClient"]
    name: str

    def put(self, entries: Sequence[Entry]) -> tuple[str | None, ...]:
        """Put at most `MOST_ENTRIES` events; return the code of each one's error, None for those that were taken.

        Raises:
            DependencyUnavailable: the call failed. Events may or may not have been taken.
        """
        try:
            answer = self.client().put_events(
                Entries=[
                    {
                        "EventBusName": self.name,
                        "Source": entry.source,
                        "DetailType": entry.detail_type,
                        "Detail": entry.detail,
                        "Time": entry.at,
                    }
                    for entry in entries
                ]
            )
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "unnamed")
            raise DependencyUnavailable(f"EventBridge PutEvents: {code}") from None
        except BotoCoreError as error:  # its text can hold the request
            raise DependencyUnavailable(f"EventBridge PutEvents: {type(error).__name__}") from None
        return tuple(taken.get("ErrorCode") for taken in answer["Entries"])
