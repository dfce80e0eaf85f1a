"""Alarms and the dashboard of a stack as CloudFormation creates it on moto."""

import json
import re
from typing import Any, Final

import pytest
from gerbang.core.log import metric_name
from gerbang_local.declarations import template

from tests.deploy.clients import client
from tests.deploy.conftest import (
    TABLES,
    queue_attributes,
)
from tests.deploy.stacks import ROOT, Stack

FREE_ALARMS: Final = 10
"""https://aws.amazon.com/cloudwatch/pricing/: ten alarms of one metric each are free."""

FREE_DASHBOARD_METRICS: Final = 50
"""The same page."""


def alarms_of(stack: Stack) -> dict[str, dict[str, Any]]:
    names = {stack.ids[name]: name for name in stack.logical_ids("AWS::CloudWatch::Alarm") if name in stack.ids}
    described = client("cloudwatch").describe_alarms(AlarmNames=list(names))["MetricAlarms"]
    return {names[alarm["AlarmName"]]: alarm for alarm in described}


def test_every_alarm_notifies_the_topic_when_it_starts_and_when_it_ends(stack: Stack) -> None:
    topic = [stack.ids["AlarmTopic"]]

    without_topic = [
        name
        for name, alarm in alarms_of(stack).items()
        if (alarm["AlarmActions"], alarm["OKActions"]) != (topic, topic)
    ]

    assert without_topic == []


def test_the_default_alarms_are_free(stack: Stack) -> None:
    alarms = alarms_of(stack)

    assert len(alarms) <= FREE_ALARMS
    assert [
        name for name, alarm in alarms.items() if "MetricName" not in alarm
    ] == []  # metric math is billed for several metrics


def test_a_setting_adds_alarms_on_latency_and_throttled_tables(stack: Stack, customized: Stack) -> None:
    extra = {name: alarm for name, alarm in alarms_of(customized).items() if name not in alarms_of(stack)}

    assert extra.keys() == {"LatencyAlarm", "TableThrottlesAlarm"}
    assert (extra["LatencyAlarm"]["MetricName"], extra["LatencyAlarm"]["ExtendedStatistic"]) == ("Latency", "p99")
    watched = [one["MetricStat"]["Metric"] for one in extra["TableThrottlesAlarm"]["Metrics"] if "MetricStat" in one]
    assert {(one["MetricName"], one["Dimensions"][0]["Value"]) for one in watched} == {
        (f"{kind}ThrottleEvents", customized.ids[table]) for kind in ("Read", "Write") for table in TABLES
    }


def test_the_setting_states_the_price_of_the_extra_alarms(customized: Stack) -> None:
    """https://aws.amazon.com/cloudwatch/pricing/: $0.10 for each metric of an alarm."""
    extra = [alarms_of(customized)[name] for name in ("LatencyAlarm", "TableThrottlesAlarm")]
    metrics = sum(sum("MetricStat" in one for one in alarm.get("Metrics", [])) or 1 for alarm in extra)

    assert f"${metrics * 0.1:.2f} a month" in template().parameters["ExtraAlarms"]["Description"]


@pytest.mark.parametrize(
    ("alarm", "metric", "dimension"),
    [
        ("ServerErrorsAlarm", "AWS/ApiGateway 5xx", "Api"),
        ("ThrottlesAlarm", "AWS/Lambda Throttles", None),
        ("RotationErrorsAlarm", "AWS/Lambda Errors", "RotationFunction"),
        ("MailBouncesAlarm", "AWS/SES Reputation.BounceRate", None),
        ("MailComplaintsAlarm", "AWS/SES Reputation.ComplaintRate", None),
    ],
)
def test_an_alarm_watches_the_metric_of_each_aws_failure(
    stack: Stack, alarm: str, metric: str, dimension: str | None
) -> None:
    described = alarms_of(stack)[alarm]

    assert f"{described['Namespace']} {described['MetricName']}" == metric
    assert [one["Value"] for one in described["Dimensions"]] == ([] if dimension is None else [stack.ids[dimension]])


def test_more_than_five_reused_refresh_tokens_in_an_hour_raise_an_alarm(stack: Stack) -> None:
    alarm = alarms_of(stack)["RefreshTokenReusedAlarm"]

    assert (alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"]) == ("Sum", 3600, 1)
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 5)
    assert "Possible theft" in alarm["AlarmDescription"]


@pytest.mark.parametrize(
    ("alarm", "queue"), [("MailLateAlarm", "MailQueue"), ("MailDeadLetterAlarm", "MailDeadLetterQueue")]
)
def test_an_alarm_watches_each_mail_queue(stack: Stack, alarm: str, queue: str) -> None:
    [dimension] = alarms_of(stack)[alarm]["Dimensions"]

    assert dimension == {"Name": "QueueName", "Value": queue_attributes(stack, queue)["QueueArn"].rpartition(":")[2]}


@pytest.mark.parametrize("event", ["refresh_token_reused", "password_hash_unusable", "mail_refused"])
def test_an_alarm_watches_each_event_that_needs_action(stack: Stack, event: str) -> None:
    variables = stack.function("ApiLoginFunction")["Environment"]["Variables"]

    [alarm] = [one for one in alarms_of(stack).values() if one["MetricName"] == metric_name(event)]

    assert alarm["Namespace"] == variables["POWERTOOLS_METRICS_NAMESPACE"]
    assert alarm["Dimensions"] == [{"Name": "service", "Value": variables["POWERTOOLS_SERVICE_NAME"]}]


def test_alarms_are_mailed_if_the_settings_have_an_address(stack: Stack, customized: Stack) -> None:
    def subscribers(one: Stack) -> list[tuple[str, str]]:
        subscriptions = client("sns").list_subscriptions_by_topic(TopicArn=one.ids["AlarmTopic"])["Subscriptions"]
        return [(subscription["Protocol"], subscription["Endpoint"]) for subscription in subscriptions]

    assert subscribers(stack) == []
    assert subscribers(customized) == [("email", "ops@example.com")]


# --- the dashboard ----------------------------------------------------------------------------------------------------


def widgets_of(stack: Stack) -> list[dict[str, Any]]:
    body = client("cloudwatch").get_dashboard(DashboardName=stack.ids["Dashboard"])["DashboardBody"]
    widgets: list[dict[str, Any]] = json.loads(body)["widgets"]
    return widgets


def test_the_dashboard_shows_every_alarm(stack: Stack) -> None:
    [shown] = [widget["properties"]["alarms"] for widget in widgets_of(stack) if widget["type"] == "alarm"]

    assert set(shown) == {alarm["AlarmArn"] for alarm in alarms_of(stack).values()}


def test_the_dashboard_is_free(stack: Stack) -> None:
    metrics = [metric for widget in widgets_of(stack) for metric in widget["properties"].get("metrics", [])]

    assert len(metrics) <= FREE_DASHBOARD_METRICS


def test_the_dashboard_and_the_alarms_use_events_that_the_code_logs(stack: Stack) -> None:
    """Reads the event names from the source code. An event's metric has the event's name."""
    sources = [path.read_text("utf-8") for path in (ROOT / "layers/auth/gerbang").rglob("*.py")]
    logged = {metric_name(word) for source in sources for word in re.findall(r'"([a-z]+(?:_[a-z]+)*)"', source)}
    shown = {alarm["MetricName"] for alarm in alarms_of(stack).values() if alarm["Namespace"] == "Gerbang"}
    for widget in widgets_of(stack):
        metrics = widget["properties"].get("metrics", [[""]])
        if metrics[0][0] == "Gerbang":
            shown |= {metric[1] for metric in metrics}

    assert shown - logged == set()
