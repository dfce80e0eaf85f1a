"""What happened, for operators: one structured line and one count an event. Ids, never secrets or addresses of mail."""

from contextvars import ContextVar
from enum import Enum
from functools import cache
from typing import Any, Protocol

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that is being answered, as API Gateway gave it; on every line."""


class Severity(Enum):
    """How much an event wants attention."""

    ORDINARY = "info"
    REFUSAL = "warning"
    FAILURE = "error"


class Journal(Protocol):
    """Takes note of events. Never fails: a request's outcome does not hang on its log line (F48)."""

    def note(self, event: str, severity: Severity = Severity.ORDINARY, /, **fields: str | float) -> None:
        """Take note of an event, `snake_case`, with ids and numbers that tell it from others."""


class PowertoolsJournal:
    """Writes JSON lines with Powertools' logger, and a count of each event as an embedded metric (EMF)."""

    def __init__(self, logger: "Logger") -> None:
        """Take the logger; service and namespace are Powertools' own settings (`POWERTOOLS_…`)."""
        self._logger = logger
        self._lines_lost = 0

    def note(self, event: str, severity: Severity = Severity.ORDINARY, /, **fields: str | float) -> None:
        """Write the line and the count; lines that could not be written are counted on the next that can."""
        extra: dict[str, Any] = {"event": event, **fields}
        if identifier := request_id.get():
            extra["request_id"] = identifier
        if self._lines_lost:
            extra["lines_lost"] = self._lines_lost
        try:
            getattr(self._logger, severity.value)(event, extra=extra, exc_info=severity is Severity.FAILURE)
            self._count(event)
        except (OSError, ValueError):  # a closed or full stream
            self._lines_lost += 1
        else:
            self._lines_lost = 0

    def _count(self, event: str) -> None:
        metrics = EphemeralMetrics()
        metrics.add_metric(name=metric_name(event), unit=MetricUnit.Count, value=1)
        metrics.flush_metrics()


def metric_name(event: str) -> str:
    """Return the name that an event is counted under: `sign_in_refused` is `SignInRefused`."""
    return "".join(word.title() for word in event.split("_"))


@cache
def journal() -> Journal:
    """Return this process's journal, on standard output."""
    return PowertoolsJournal(Logger())
