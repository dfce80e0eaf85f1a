"""Every function has events for the bench, and an unexpected answer stops it."""

from typing import Any

import pytest
from gerbang_bench import scenarios
from gerbang_bench.benches import HASHING
from gerbang_bench.events import request
from gerbang_bench.reports import BUDGETS
from gerbang_bench.scenarios import Unsuccessful, check
from gerbang_local.template import Template

from tests.build.artefacts import ROOT

FUNCTIONS = sorted(
    str(resource.properties["CodeUri"]).removeprefix("functions/")
    for resource in Template.parse((ROOT / "template.yaml").read_text("utf-8")).resources.values()
    if resource.type == "AWS::Serverless::Function" and resource.condition is None  # in a stack with default settings
)


CASES = scenarios.cases_of(FUNCTIONS)


@pytest.mark.parametrize("folder", FUNCTIONS)
def test_every_function_has_a_scenario_or_an_event_or_is_never_invoked(folder: str) -> None:
    has_events = any((ROOT / "events" / folder).glob("*.json"))

    assert folder in scenarios.OWN or has_events or folder in scenarios.NOT_INVOKED


def test_scenarios_and_budgets_belong_to_existing_functions() -> None:
    named = {*scenarios.OWN, *scenarios.FIRST_USES, *scenarios.NOT_INVOKED, *scenarios.VARIABLES, *HASHING, *BUDGETS}

    assert named - set(CASES) == set()


def test_each_scenario_with_a_query_is_a_case() -> None:
    assert [case for case in CASES if case.startswith("auth/v1/token")] == [
        "auth/v1/token",
        "auth/v1/token?grant_type=id_token",
        "auth/v1/token?grant_type=password",
        "auth/v1/token?grant_type=pkce",
    ]


def test_a_request_has_the_format_of_an_api_gateway_event() -> None:
    event = request("/auth/v1/token?grant_type=refresh_token", {"a": 1}, source="192.0.2.1", apikey="key")

    assert event["rawPath"] == "/auth/v1/token"
    assert event["rawQueryString"] == "grant_type=refresh_token"
    assert event["queryStringParameters"] == {"grant_type": "refresh_token"}
    assert event["requestContext"]["http"]["method"] == "POST"
    assert event["headers"]["apikey"] == "key"
    assert event["body"] == '{"a": 1}'


@pytest.mark.parametrize(
    ("folder", "answer"),
    [
        ("api/auth/me", {"statusCode": 200}),
        ("default", {"statusCode": 404}),
        ("authorizer", {"isAuthorized": True}),
        ("mailer", {"batchItemFailures": []}),
    ],
    ids=["success", "not found", "authorized", "all mailed"],
)
def test_an_expected_answer_is_accepted(folder: str, answer: Any) -> None:
    check(folder, answer)


@pytest.mark.parametrize(
    ("folder", "answer"),
    [
        ("api/auth/me", {"statusCode": 401}),
        ("default", {"statusCode": 200}),
        ("authorizer", {"isAuthorized": False}),
        ("mailer", {"batchItemFailures": [{"itemIdentifier": "1"}]}),
        ("jwks", {"statusCode": 500}),
    ],
    ids=["unauthorized", "found", "not authorized", "not mailed", "failed"],
)
def test_any_other_answer_stops_the_bench(folder: str, answer: Any) -> None:
    with pytest.raises(Unsuccessful, match=folder):
        check(folder, answer)
