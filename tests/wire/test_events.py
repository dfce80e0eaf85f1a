"""Each event of `events/`, passed to its handler as `sam local invoke -e` does, but faster and without SAM."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from gerbang_local.declarations import DEFAULT_PATH, Function, endpoints, function_in

from tests.event_results import ERRORS, FAILED_MESSAGES, PUBLISHED, RESPONSES
from tests.wire.server import ROOT, CallFailed, ServerControl

EVENTS: Final = ROOT / "events"


def event_of(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text("utf-8"))
    return event


def function_of(name: str) -> Function:
    """Return the function with the folder of the event."""
    return function_in(str(Path(name).parent))


def test_every_event_has_an_expected_result() -> None:
    names = {str(path.relative_to(EVENTS).with_suffix("")) for path in EVENTS.rglob("*.json")}

    assert names == {*RESPONSES, *ERRORS, *FAILED_MESSAGES, PUBLISHED}


@pytest.mark.parametrize("name", RESPONSES)
def test_a_request_gets_the_expected_status(control: ServerControl, name: str) -> None:
    answer = control.call("invoke", function_of(name).logical_id, event_of(name))

    assert answer["statusCode"] == RESPONSES[name][0], answer
    if name == "docs/page":
        assert answer["headers"]["content-type"] == "text/html; charset=utf-8"
    elif answer["statusCode"] != 204:
        assert isinstance(json.loads(answer["body"]), dict)
        assert answer["headers"]["content-type"] == "application/json; charset=utf-8"


@pytest.mark.parametrize("name", RESPONSES)
def test_a_request_has_the_form_of_an_api_gateway_event(name: str) -> None:
    event = event_of(name)
    context = event["requestContext"]

    assert event["version"] == "2.0"
    assert context["http"]["path"] == event["rawPath"]
    assert context["routeKey"] == event["routeKey"]
    assert event["headers"].keys() >= {"host", "x-forwarded-for", "x-amzn-trace-id", "user-agent"}
    assert all(name == name.lower() for name in event["headers"])
    if event["routeKey"] == DEFAULT_PATH:
        assert name.startswith("default/")
        return
    method, _, path = event["routeKey"].partition(" ")
    assert path.format(**event.get("pathParameters", {})) == event["rawPath"]
    assert method in {"ANY", context["http"]["method"]}
    assert path in endpoints()[function_of(name).logical_id].paths
    assert "authorizer" not in context


@pytest.mark.parametrize("name", ["authorizer/unknown_token", "authorizer/no_token"])
def test_the_authorizer_raises_unauthorized_without_a_valid_token(control: ServerControl, name: str) -> None:
    event = event_of(name)
    assert (event["version"], event["type"]) == ("2.0", "REQUEST")

    with pytest.raises(CallFailed, match=r"^Unauthorized: Unauthorized$"):
        control.call("invoke", "AuthorizerFunction", event)


def test_mails_to_unknown_addresses_are_not_failures(control: ServerControl) -> None:
    answer = control.call("invoke", "MailerFunction", event_of("mailer/unknown_addresses"))

    assert answer == {"batchItemFailures": []}


def test_the_mailer_reports_only_the_invalid_job(control: ServerControl) -> None:
    event = event_of("mailer/one_that_is_no_job")

    answer = control.call("invoke", "MailerFunction", event)

    [_, invalid_job] = event["Records"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": invalid_job["messageId"]}]}


def test_rotation_rejects_another_secret(control: ServerControl) -> None:
    with pytest.raises(CallFailed, match=r"^InvalidRotation: another secret$"):
        control.call("invoke", "RotationFunction", event_of("rotation/another_secret"))
