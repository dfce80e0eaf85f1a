"""gerbang.core.log: one line and one count an event, and never a request that fails for it (F48)."""

import io
import json
import re
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any, Final

import gerbang
import pytest
from aws_lambda_powertools import Logger
from gerbang.apis.refusals import UNAVAILABLE, UNEXPECTED, WORDINGS
from gerbang.core.log import EventFormatter, EventLog, LogEvent, Severity, metric_name, request_id

from tests.fakes import RecordingLog

numbers = count()


LAYER: Final = Path(gerbang.__file__).parent
OPERATIONS: Final = Path(__file__).parents[2] / "docs" / "operations.md"


@pytest.fixture(autouse=True)
def namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Gerbang")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "gerbang")


@pytest.fixture
def lines() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def log_event(lines: io.StringIO) -> LogEvent:
    return EventLog(Logger(service=f"gerbang-{next(numbers)}", stream=lines, logger_formatter=EventFormatter()))


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


def test_an_event_is_counted_as_a_metric(log_event: LogEvent, lines: io.StringIO) -> None:
    log_event("refresh_token_reused", Severity.WARNING, session_id="s-1")

    (metric,) = written(lines)
    (directive,) = metric["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], directive["Metrics"][0]["Name"]) == ("Gerbang", "RefreshTokenReused")
    assert metric["RefreshTokenReused"] == [1.0]
    assert directive["Dimensions"] == [
        ["service"]
    ]  # ids are no dimension: each would be a metric of its own, and paid for


def test_metrics_are_named_after_events() -> None:
    assert metric_name("sign_in_refused") == "SignInRefused"


@pytest.mark.covers("168")
@pytest.mark.parametrize("hostile", ["a\r\nb", "\x1b[31mred", '","event":"signed_in', "\0\x7f"], ids=ascii)
def test_whatever_a_field_holds_it_stays_one_line(log_event: LogEvent, lines: io.StringIO, hostile: str) -> None:
    log_event("sign_in_refused", Severity.WARNING, path=hostile)

    (line,) = lines.getvalue().splitlines()
    assert json.loads(line)["event"] == "sign_in_refused"
    assert not any(ord(character) < 32 for character in line)


def test_text_that_cannot_be_written_fails_nothing() -> None:
    """A lone surrogate is no UTF-8."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    log_event = EventLog(Logger(service=f"gerbang-{next(numbers)}", stream=stream, logger_formatter=EventFormatter()))

    log_event("sign_in_refused", path="\ud800")
    log_event("signed_in")

    stream.seek(0)
    assert [json.loads(line)["event"] for line in stream] == ["signed_in"]


def test_a_failure_is_noted_with_its_trace(log_event: LogEvent, lines: io.StringIO) -> None:
    try:
        raise RuntimeError("deep down")  # noqa: TRY301 - something that went wrong
    except RuntimeError:
        log_event("unexpected_failure", Severity.ERROR)

    assert "deep down" in written(lines)[0]["exception"]


# A stream that is closed or full: F48


@pytest.mark.covers("F48")
def test_a_closed_stream_fails_nothing_and_the_lines_lost_are_counted(
    log_event: LogEvent, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = io.StringIO()
    closed.close()
    with monkeypatch.context() as without_output:
        without_output.setattr(sys, "stdout", closed)
        for _ in range(3):
            log_event("signed_in")

    log_event("signed_out")
    log_event("signed_in")

    assert [line.get("lines_lost") for line in written(lines)[-2:]] == [3, None]


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
    taken("sign_in_refused", Severity.WARNING)

    assert fake.events == ["signed_in", "sign_in_refused"]
    assert fake.notes[0].fields == {"user_id": "u-1"}


# What operators are told of events


def explained_events() -> set[str]:
    """The events in the table of docs/operations.md."""
    rows = re.findall(r"^\| (`[a-z_]+`(?:, `[a-z_]+`)*) \|", OPERATIONS.read_text("utf-8"), re.MULTILINE)
    return {event for row in rows for event in re.findall(r"[a-z_]+", row)}


def source_of_the_layer() -> str:
    return "\n".join(module.read_text("utf-8") for module in sorted(LAYER.rglob("*.py")))


def test_every_event_is_explained_to_operators() -> None:
    noted = set(re.findall(r"log_event\(\s*\"([a-z_]+)\"", source_of_the_layer()))
    refused = {wording.event for wording in (*WORDINGS.values(), UNAVAILABLE, UNEXPECTED)}

    assert noted
    assert (noted | refused) - explained_events() == set()


def test_every_event_that_is_explained_can_happen() -> None:
    source = source_of_the_layer()

    assert {event for event in explained_events() if f'"{event}"' not in source} == set()
