"""The log: one JSON line per event, which carries the event's CloudWatch metric too (embedded metric format).

A line below the deployment's level is left out, but its metric is not: alarms must not depend on the level.

Fields are ids and numbers, never secrets, tokens, codes or e-mail addresses (ASVS 16.2.5).
"""

import json
import logging
import sys
from contextvars import ContextVar
from enum import Enum
from logging import LogRecord, StreamHandler
from typing import Any, Final, Protocol, TextIO, override

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the current request, from API Gateway. It is on every line."""

_FIELDS: Final = "gerbang_fields"
"""The one attribute of the log record that carries all fields: `logging` raises on names such as `name` or `args`."""


class Severity(Enum):
    """How important an event is: the log level of its line."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


_LEVELS: Final = {severity: logging.getLevelNamesMapping()[severity.name] for severity in Severity}


class LogEvent(Protocol):
    """Writes an event to the log. Never raises: a failing log does not fail a request (F48)."""

    def __call__(self, event: str, severity: Severity = Severity.INFO, /, **fields: str | float) -> None:
        """Write *event*, a name in snake_case, with its fields."""


class EventLog:
    """Writes events with Powertools' logger; level, service and namespace are its settings (`POWERTOOLS_…`)."""

    def __init__(self, stream: TextIO) -> None:
        """Write to *stream*."""
        self._stream = stream
        self._logger = Logger(logger_formatter=EventFormatter(), logger_handler=EventHandler(stream))
        self._lines_lost = 0

    def __call__(self, event: str, severity: Severity = Severity.INFO, /, **fields: str | float) -> None:
        """Write one line, with the number of lines before it that could not be written."""
        metric = _metric(event)
        if _LEVELS[severity] < self._logger.log_level:
            self._count(metric)
            return
        line: dict[str, Any] = {"event": event, **metric}
        if identifier := request_id.get():
            line["request_id"] = identifier
        if self._lines_lost:
            line["lines_lost"] = self._lines_lost
        line |= {name if name not in line else f"{name}_": value for name, value in fields.items()}
        try:
            write = getattr(self._logger, severity.value)
            write(event, extra={_FIELDS: line}, exc_info=severity is Severity.ERROR)
        except (OSError, ValueError):  # the stream is closed or full
            self._lines_lost += 1
        else:
            self._lines_lost = 0

    def _count(self, metric: dict[str, Any]) -> None:
        try:
            print(json.dumps(metric), file=self._stream, flush=True)
        except (OSError, ValueError):
            self._lines_lost += 1


class EventHandler(StreamHandler[TextIO]):
    """Raises where a line cannot be written, so that `EventLog` can count it; `logging` would print a trace instead."""

    @override
    def handleError(self, record: LogRecord) -> None:
        raise  # noqa: PLE0704 - `emit` calls this while it handles the error


class EventFormatter(LambdaPowertoolsFormatter):
    """Puts an event's fields at the top level of its line. A field never replaces a key of the line itself."""

    def __init__(self) -> None:
        """Leave out `location`, which would be this module on every line."""
        super().__init__(location=None, use_rfc3339=True)

    @override
    def serialize(self, log: Any) -> str:
        line: dict[str, Any] = dict(log)
        for name, value in line.pop(_FIELDS, {}).items():
            line[name if name not in line or line[name] == value else f"{name}_"] = value
        return super().serialize(line)


def metric_name(event: str) -> str:
    """Return the name of an event's metric: `sign_in_failed` is counted as `SignInFailed`."""
    return "".join(word.title() for word in event.split("_"))


def _metric(event: str) -> dict[str, Any]:
    """Return the members that make a log line count its event (CloudWatch embedded metric format)."""
    metrics = EphemeralMetrics()
    metrics.add_metric(name=metric_name(event), unit=MetricUnit.Count, value=1)
    return dict(metrics.serialize_metric_set())


log_event: Final[LogEvent] = EventLog(sys.stdout)
"""Writes events of this process to standard output."""
