"""gerbang.core.log: an event is logged as one line of JSON with its metric, and logging never raises."""

import io
import json
import logging
import re
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any, Final, TextIO, override

import gerbang
import pytest
from gerbang.apis.errors import COMMON
from gerbang.core.log import EventLog, LogEvent, Severity, metric_name, request_id

from tests.fakes import RecordingLog

service_numbers = count()


LAYER: Final = Path(gerbang.__file__).parent
OPERATIONS: Final = Path(__file__).parents[3] / "docs" / "operations.md"


@pytest.fixture(autouse=True)
def log_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set what `template.yaml` sets. Each test has its own service, because a service has one logger."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Gerbang")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"gerbang-{next(service_numbers)}")


@pytest.fixture
def lines() -> io.StringIO:
    return io.StringIO()


def log_to(stream: TextIO) -> LogEvent:
    return EventLog(stream)


@pytest.fixture
def log_event(lines: io.StringIO) -> LogEvent:
    return log_to(lines)


def lines_written(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_an_event_is_one_line_of_json_with_its_fields(log_event: LogEvent, lines: io.StringIO) -> None:
    log_event("signed_in", user_id="u-1", session_id="s-1", attempts=3)

    (line,) = lines_written(lines)
    assert line["event"] == line["message"] == "signed_in"
    assert (line["level"], line["user_id"], line["session_id"], line["attempts"]) == ("INFO", "u-1", "s-1", 3)
    assert "timestamp" in line


@pytest.mark.parametrize(
    ("severity", "level"),
    [(Severity.INFO, "INFO"), (Severity.WARNING, "WARNING"), (Severity.ERROR, "ERROR")],
)
def test_the_severity_is_the_level_of_the_line(
    log_event: LogEvent, lines: io.StringIO, severity: Severity, level: str
) -> None:
    log_event("happened", severity)

    assert lines_written(lines)[0]["level"] == level


@pytest.mark.covers("169")
def test_every_line_contains_the_request_id(log_event: LogEvent, lines: io.StringIO) -> None:
    for identifier in ("request-1", ""):
        token = request_id.set(identifier)
        log_event("signed_in")
        request_id.reset(token)

    assert [line.get("request_id") for line in lines_written(lines)] == ["request-1", None]


def test_the_line_of_an_event_is_also_its_metric(log_event: LogEvent, lines: io.StringIO) -> None:
    log_event("refresh_token_reused", Severity.WARNING, session_id="s-1")

    (line,) = lines_written(lines)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (line["event"], line["session_id"]) == ("refresh_token_reused", "s-1")
    assert (directive["Namespace"], directive["Metrics"][0]["Name"]) == ("Gerbang", "RefreshTokenReused")
    assert line["RefreshTokenReused"] == [1.0]
    assert line["service"].startswith("gerbang-")
    # Ids are not a dimension: each value would be another metric, with its own cost.
    assert directive["Dimensions"] == [["service"]]


def test_a_line_contains_no_code_location(log_event: LogEvent, lines: io.StringIO) -> None:
    log_event("signed_in")

    assert "location" not in lines_written(lines)[0]


RECORD_ATTRIBUTES: Final = [*vars(logging.makeLogRecord({})), "message", "asctime"]
"""The attributes of log records. `logging` raises an error for a field with such a name."""


@pytest.mark.parametrize(
    "name", [*RECORD_ATTRIBUTES, "level", "timestamp", "service", "event", "_aws", "location", "extra"]
)
def test_a_field_can_have_any_name_and_overwrites_nothing(log_event: LogEvent, lines: io.StringIO, name: str) -> None:
    log_event("signed_in")
    fields: dict[str, Any] = {name: "mine"}

    log_event("signed_in", **fields)

    plain_line, line = lines_written(lines)
    assert "mine" in line.values()
    assert plain_line["_aws"]["CloudWatchMetrics"] == line["_aws"]["CloudWatchMetrics"]
    assert all(line[key] == plain_line[key] for key in plain_line.keys() - {"timestamp", "_aws"})


def test_metrics_are_named_after_events() -> None:
    assert metric_name("invalid_credentials") == "InvalidCredentials"


@pytest.mark.covers("168")
@pytest.mark.parametrize("text", ["a\r\nb", "\x1b[31mred", '","event":"signed_in', "\0\x7f"], ids=ascii)
def test_an_event_with_any_text_is_one_line(log_event: LogEvent, lines: io.StringIO, text: str) -> None:
    log_event("invalid_credentials", Severity.WARNING, path=text)

    (line,) = lines.getvalue().splitlines()
    assert json.loads(line)["event"] == "invalid_credentials"
    assert not any(ord(character) < 32 for character in line)


def test_text_that_cannot_be_encoded_does_not_raise() -> None:
    """A lone surrogate cannot be encoded in UTF-8."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    log_event = log_to(stream)

    log_event("invalid_credentials", path="\ud800")
    log_event("signed_in")

    stream.seek(0)
    assert [json.loads(line)["event"] for line in stream] == ["signed_in"]


def test_an_exception_is_logged_with_its_traceback(log_event: LogEvent, lines: io.StringIO) -> None:
    try:
        raise RuntimeError("deep down")  # noqa: TRY301 - the test needs an exception
    except RuntimeError:
        log_event("unexpected_failure", Severity.ERROR)

    assert "deep down" in lines_written(lines)[0]["exception"]


# Streams that are closed or full


class BreakableStream(io.StringIO):
    """A stream whose writes fail as long as a test says."""

    failure: Exception | None = None

    @override
    def write(self, text: str) -> int:
        if self.failure is not None:
            raise self.failure
        return super().write(text)


@pytest.mark.covers("F48")
@pytest.mark.parametrize("failure", [BrokenPipeError(), OSError(28, "no space"), ValueError("closed")], ids=repr)
def test_lines_that_cannot_be_written_do_not_raise_and_are_counted(failure: Exception) -> None:
    stream = BreakableStream()
    log_event = log_to(stream)
    stream.failure = failure
    for _ in range(3):
        log_event("signed_in")
    stream.failure = None

    log_event("signed_out")
    log_event("signed_in")

    assert [line.get("lines_lost") for line in lines_written(stream)] == [3, None]


def test_a_process_with_closed_output_continues() -> None:
    program = """
import os
from gerbang.core.log import Severity, log_event
os.close(1)
os.close(2)
for severity in Severity:
    log_event("signed_in", severity, user_id="u-1")
os._exit(7)  # skips Python's last flush, which fails
"""
    log_environment = {"POWERTOOLS_METRICS_NAMESPACE": "Gerbang", "POWERTOOLS_SERVICE_NAME": "gerbang"}

    process = subprocess.run([sys.executable, "-c", program], env=log_environment, check=False, timeout=60)

    assert process.returncode == 7


def test_the_recording_log_keeps_events() -> None:
    recording = RecordingLog()
    log_event: LogEvent = recording

    log_event("signed_in", user_id="u-1")
    log_event("invalid_credentials", Severity.WARNING)

    assert recording.events == ["signed_in", "invalid_credentials"]
    assert recording.notes[0].fields == {"user_id": "u-1"}


# Documentation of events


def documented_events() -> set[str]:
    """The events in the table of docs/operations.md whose first column is called `event`."""
    table = OPERATIONS.read_text("utf-8").partition("\n| event | when |\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| (`[a-z0-9_]+`(?:, `[a-z0-9_]+`)*) \|", table, re.MULTILINE)
    return {event for row in rows for event in re.findall(r"[a-z0-9_]+", row)}


def source_of_the_layer() -> str:
    return "\n".join(module.read_text("utf-8") for module in sorted(LAYER.rglob("*.py")))


def test_every_event_is_documented() -> None:
    logged = set(re.findall(r"log_event\(\s*\"([a-z_]+)\"", source_of_the_layer()))

    assert logged
    assert (logged | COMMON.keys()) - documented_events() == set()


def test_every_documented_event_exists() -> None:
    source = source_of_the_layer()

    assert {event for event in documented_events() if f'"{event}"' not in source} == set()
