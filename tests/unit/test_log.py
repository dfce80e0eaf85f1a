"""gerbang.core.log: an event is one line of JSON that carries its metric, and no request fails because of it."""

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

numbers = count()


LAYER: Final = Path(gerbang.__file__).parent
LOG_EVENTS: Final = Path(__file__).parents[2] / "docs" / "log-events.md"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `template.yaml` sets. Loggers of one service are one logger, so each test has its own."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Gerbang")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"gerbang-{next(numbers)}")


@pytest.fixture
def lines() -> io.StringIO:
    return io.StringIO()


def logging_to(stream: TextIO) -> LogEvent:
    return EventLog(stream)


@pytest.fixture
def log_event(lines: io.StringIO) -> LogEvent:
    return logging_to(lines)


def written(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_an_event_is_one_line_of_json_with_its_fields(log_event: LogEvent, lines: io.StringIO) -> None:
    log_event("signed_in", user_id="u-1", session_id="s-1", attempts=3)

    (line,) = written(lines)
    assert line["event"] == line["message"] == "signed_in"
    assert (line["level"], line["user_id"], line["session_id"], line["attempts"]) == ("INFO", "u-1", "s-1", 3)
    assert "timestamp" in line


@pytest.mark.parametrize(
    ("severity", "level"),
    [(Severity.INFO, "INFO"), (Severity.WARNING, "WARNING"), (Severity.ERROR, "ERROR")],
)
def test_severity_is_the_lines_level(log_event: LogEvent, lines: io.StringIO, severity: Severity, level: str) -> None:
    log_event("happened", severity)

    assert written(lines)[0]["level"] == level


@pytest.mark.covers("169")
def test_every_line_names_its_request(log_event: LogEvent, lines: io.StringIO) -> None:
    for identifier in ("request-1", ""):
        token = request_id.set(identifier)
        log_event("signed_in")
        request_id.reset(token)

    assert [line.get("request_id") for line in written(lines)] == ["request-1", None]


def test_the_same_line_counts_the_event_as_a_metric(log_event: LogEvent, lines: io.StringIO) -> None:
    log_event("refresh_token_reused", Severity.WARNING, session_id="s-1")

    (line,) = written(lines)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert (line["event"], line["session_id"]) == ("refresh_token_reused", "s-1")
    assert (directive["Namespace"], directive["Metrics"][0]["Name"]) == ("Gerbang", "RefreshTokenReused")
    assert line["RefreshTokenReused"] == [1.0]
    assert line["service"].startswith("gerbang-")
    # Ids are no dimension: each would be a metric of its own, and be paid for.
    assert directive["Dimensions"] == [["service"]]


def test_a_line_says_nothing_of_where_in_the_code_it_was_written(log_event: LogEvent, lines: io.StringIO) -> None:
    log_event("signed_in")

    assert "location" not in written(lines)[0]


LOGGINGS_OWN: Final = [*vars(logging.makeLogRecord({})), "message", "asctime"]
"""Attributes of log records: `logging` raises where a field has the name of one."""


@pytest.mark.parametrize("name", [*LOGGINGS_OWN, "level", "timestamp", "service", "event", "_aws", "location", "extra"])
def test_a_field_may_have_any_name_and_replaces_nothing(log_event: LogEvent, lines: io.StringIO, name: str) -> None:
    log_event("signed_in")
    fields: dict[str, Any] = {name: "mine"}

    log_event("signed_in", **fields)

    plain, line = written(lines)
    assert "mine" in line.values()
    assert plain["_aws"]["CloudWatchMetrics"] == line["_aws"]["CloudWatchMetrics"]
    assert all(line[key] == plain[key] for key in plain.keys() - {"timestamp", "_aws"})


def test_metrics_are_named_after_events() -> None:
    assert metric_name("invalid_credentials") == "InvalidCredentials"


@pytest.mark.covers("168")
@pytest.mark.parametrize("hostile", ["a\r\nb", "\x1b[31mred", '","event":"signed_in', "\0\x7f"], ids=ascii)
def test_whatever_a_field_holds_it_stays_one_line(log_event: LogEvent, lines: io.StringIO, hostile: str) -> None:
    log_event("invalid_credentials", Severity.WARNING, path=hostile)

    (line,) = lines.getvalue().splitlines()
    assert json.loads(line)["event"] == "invalid_credentials"
    assert not any(ord(character) < 32 for character in line)


def test_text_that_cannot_be_written_fails_nothing() -> None:
    """A lone surrogate is no UTF-8."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    log_event = logging_to(stream)

    log_event("invalid_credentials", path="\ud800")
    log_event("signed_in")

    stream.seek(0)
    assert [json.loads(line)["event"] for line in stream] == ["signed_in"]


def test_a_failure_is_noted_with_its_trace(log_event: LogEvent, lines: io.StringIO) -> None:
    try:
        raise RuntimeError("deep down")  # noqa: TRY301 - something that went wrong
    except RuntimeError:
        log_event("unexpected_failure", Severity.ERROR)

    assert "deep down" in written(lines)[0]["exception"]


# A stream that is closed or full


class Pipe(io.StringIO):
    """A stream that may break."""

    failure: Exception | None = None

    @override
    def write(self, text: str) -> int:
        if self.failure is not None:
            raise self.failure
        return super().write(text)


@pytest.mark.covers("F48")
@pytest.mark.parametrize("failure", [BrokenPipeError(), OSError(28, "no space"), ValueError("closed")], ids=repr)
def test_lines_that_cannot_be_written_fail_nothing_and_are_counted(failure: Exception) -> None:
    pipe = Pipe()
    log_event = logging_to(pipe)
    pipe.failure = failure
    for _ in range(3):
        log_event("signed_in")
    pipe.failure = None

    log_event("signed_out")
    log_event("signed_in")

    assert [line.get("lines_lost") for line in written(pipe)] == [3, None]


def test_a_process_without_output_goes_on() -> None:
    program = """
import os
from gerbang.core.log import Severity, log_event
os.close(1)
os.close(2)
for severity in Severity:
    log_event("signed_in", severity, user_id="u-1")
os._exit(7)  # without Python's own last flush, which fails
"""
    environment = {"POWERTOOLS_METRICS_NAMESPACE": "Gerbang", "POWERTOOLS_SERVICE_NAME": "gerbang"}

    ended = subprocess.run([sys.executable, "-c", program], env=environment, check=False, timeout=60)

    assert ended.returncode == 7


def test_the_fake_keeps_what_was_noted() -> None:
    fake = RecordingLog()
    taken: LogEvent = fake

    taken("signed_in", user_id="u-1")
    taken("invalid_credentials", Severity.WARNING)

    assert fake.events == ["signed_in", "invalid_credentials"]
    assert fake.notes[0].fields == {"user_id": "u-1"}


# What operators are told of events


def explained_events() -> set[str]:
    """The events in the tables of docs/log-events.md whose first column is called `event`."""
    tables = "".join(re.findall(r"^\| event \|.*\n(?:\|.*\n)+", LOG_EVENTS.read_text("utf-8"), re.MULTILINE))
    rows = re.findall(r"^\| (`[a-z0-9_]+`(?:, `[a-z0-9_]+`)*) \|", tables, re.MULTILINE)
    return {event for row in rows for event in re.findall(r"[a-z0-9_]+", row)}


def source_of_the_layer() -> str:
    return "\n".join(module.read_text("utf-8") for module in sorted(LAYER.rglob("*.py")))


def test_every_event_is_explained_to_operators() -> None:
    logged = set(re.findall(r"log_event\(\s*\"([a-z_]+)\"", source_of_the_layer()))

    assert logged
    assert (logged | COMMON.keys()) - explained_events() == set()


def test_every_event_that_is_explained_can_happen() -> None:
    source = source_of_the_layer()

    assert {event for event in explained_events() if f'"{event}"' not in source} == set()
