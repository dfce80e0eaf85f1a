"""What functions log under Lambda's runtime client at each value of the parameter `LogLevel`."""

import json
import logging
from pathlib import Path
from typing import Any, Final

import pytest
from gerbang.core.log import Severity
from gerbang_local.declarations import template
from gerbang_local.stack import Function
from sam_deploy import this_machine

from tests.build.artefacts import build_for
from tests.deploy.lambda_runtime import Mounts, RunningFunction

pytestmark = pytest.mark.build

LEVELS: Final[list[str]] = list(template().parameters["LogLevel"]["AllowedValues"])

LOGS_AT_EVERY_LEVEL: Final = """
import logging
from gerbang.core.log import Severity, log_event

def handler(event, context):
    logging.getLogger("botocore.credentials").info("Found credentials in environment variables.")
    for severity in Severity:
        log_event(f"a_{severity.value}", severity, user_id="u-1")
"""


@pytest.fixture(scope="module")
def mounts(tmp_path_factory: pytest.TempPathFactory) -> Mounts:
    return Mounts.of(build_for(this_machine()), tmp_path_factory.mktemp("lambda"))


@pytest.fixture(params=LEVELS)
def level(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def lines(level: str, mounts: Mounts, tmp_path: Path) -> list[dict[str, Any]]:
    """The lines that a function prints which logs at every severity."""
    (tmp_path / "app.py").write_text(LOGS_AT_EVERY_LEVEL)
    settings = {
        "POWERTOOLS_SERVICE_NAME": "gerbang",
        "POWERTOOLS_METRICS_NAMESPACE": "Gerbang",
        "POWERTOOLS_LOG_LEVEL": level,
    }
    function = Function(
        logical_id="Logging",
        name="logging",
        arn="arn:aws:lambda:eu-west-1:123456789012:function:logging",
        folder=tmp_path,
        handler="app.handler",
        environment=settings,
        layers=(),
        timeout_seconds=20,
        memory_mb=512,
    )
    running = RunningFunction(mounts, function, {})
    running.invoke({})
    return [
        json.loads(line) for line in running.ended()
    ]  # every line is JSON: there are no warnings, and no lines of botocore


def test_events_of_the_level_and_above_are_logged(level: str, lines: list[dict[str, Any]]) -> None:
    names = logging.getLevelNamesMapping()
    expected = [severity.name for severity in Severity if names[severity.name] >= names[level]]

    assert [line["level"] for line in lines if "level" in line] == expected


def test_every_event_has_a_metric_at_every_level(lines: list[dict[str, Any]]) -> None:
    counted = [line["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"] for line in lines]

    assert counted == ["AInfo", "AWarning", "AError"]
    assert [line[name] for line, name in zip(lines, counted, strict=True)] == [[1.0]] * 3
    assert {line["service"] for line in lines} == {"gerbang"}


def test_an_event_below_the_level_is_only_a_metric(lines: list[dict[str, Any]]) -> None:
    assert [line for line in lines if "level" not in line and ("user_id" in line or "event" in line)] == []
