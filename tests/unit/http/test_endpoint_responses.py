"""gerbang.http.endpoint and response: what is answered, and what is logged about errors."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest
from gerbang.apis import gotrue, snapotp
from gerbang.apis.fields import Body, Text
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import Severity, request_id
from gerbang.http.endpoint import BodyHas, Call, Endpoint
from gerbang.http.errors import ErrorSpec
from gerbang.http.response import Response, page, redirect
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.sessions import SessionEnded

from tests.fakes import RecordingLog
from tests.gateway_events import body_of, http_event, json_event
from tests.unit.http.declared_endpoints import API, PATH, Greeting, greeting_handler, handler_that_raises

pytestmark = pytest.mark.usefixtures("endpoint_log")


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint(PATH)


# Responses


@pytest.mark.covers("92", "139", "147", "148")
def test_every_response_has_the_security_headers() -> None:
    handler = greeting_handler()
    for answer in (handler(json_event({"name": "a"}), None), handler(http_event("["), None)):
        headers = answer["headers"]
        assert headers["content-type"] == "application/json; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert int(headers["strict-transport-security"].partition("max-age=")[2].partition(";")[0]) >= 31_536_000
        assert answer["isBase64Encoded"] is False


def answer_of(run: Callable[[Call[None, None]], object], **declared: Any) -> dict[str, Any]:
    endpoint = Endpoint(PATH)
    endpoint.get(API, **declared)(run)
    return endpoint.handler()(http_event(method="GET"), None)


def test_a_response_is_json_in_utf_8_with_the_declared_status() -> None:
    answer = answer_of(lambda _: {"name": "Zoë \U0001f600"}, status=HTTPStatus.CREATED)

    assert (answer["statusCode"], answer["body"]) == (201, '{"name":"Zoë \U0001f600"}')


def test_204_has_no_body() -> None:
    answer = answer_of(lambda _: None, status=HTTPStatus.NO_CONTENT)

    assert answer["statusCode"] == 204
    assert "body" not in answer
    assert "content-type" not in answer["headers"]
    assert answer["headers"]["cache-control"] == "no-store"


def test_a_redirect_is_303_without_a_body() -> None:
    answer = answer_of(lambda _: redirect("https://app.example.com/#code=1"))

    assert (answer["statusCode"], answer["headers"]["location"]) == (303, "https://app.example.com/#code=1")
    assert "body" not in answer
    assert answer["headers"]["cache-control"] == "no-store"


def test_a_page_is_html_with_its_own_content_security_policy() -> None:
    answer = answer_of(lambda _: page("<p>é</p>", content_security_policy="default-src 'self'"))

    assert (answer["statusCode"], answer["body"]) == (200, "<p>é</p>")
    assert answer["headers"]["content-type"] == "text/html; charset=utf-8"
    assert answer["headers"]["content-security-policy"] == "default-src 'self'"
    assert answer["headers"]["x-content-type-options"] == "nosniff"


def test_a_response_can_replace_a_header() -> None:
    answer = answer_of(lambda _: Response(200, {}, {"cache-control": "public, max-age=600"}))

    assert answer["headers"]["cache-control"] == "public, max-age=600"


def test_the_repr_of_a_response_does_not_contain_its_body() -> None:
    assert "secret" not in repr(Response(200, {"token": "secret"}))


# Errors and their log lines


@pytest.mark.covers("165")
@pytest.mark.parametrize("failure", [RuntimeError("a bug"), KeyError("x"), RecursionError(), MemoryError()], ids=repr)
def test_an_unexpected_exception_is_a_500_without_details(failure: Exception, endpoint_log: RecordingLog) -> None:
    answer = handler_that_raises(failure)(http_event(), None)

    assert (answer["statusCode"], body_of(answer)["code"]) == (500, "unexpected_failure")
    assert "bug" not in json.dumps(answer)
    [note] = endpoint_log.notes
    assert (note.event, note.severity, note.fields["status"]) == ("unexpected_failure", Severity.ERROR, 500)


def test_a_successful_request_is_not_logged(endpoint_log: RecordingLog) -> None:
    assert greeting_handler()(json_event({"name": "a"}), None)["statusCode"] == 200
    assert endpoint_log.notes == []


def test_an_error_is_logged_in_one_line_with_its_code_and_status(endpoint_log: RecordingLog) -> None:
    handler_that_raises(SessionEnded("family-1", "user-1"))(http_event(route="ANY /things/{id}"), None)

    [note] = endpoint_log.notes
    assert (note.event, note.severity) == ("session_not_found", Severity.WARNING)
    assert note.fields["status"] == 401


def test_an_endpoint_can_override_an_error_spec(endpoint_log: RecordingLog) -> None:
    overrides = {"bad_jwt": ErrorSpec(HTTPStatus.BAD_REQUEST, "Not good.")}

    answer = handler_that_raises(InvalidToken("x"), overrides=overrides)(http_event(), None)
    without_override = handler_that_raises(InvalidToken("x"))(http_event(), None)

    assert (answer["statusCode"], body_of(answer)["message"]) == (400, "Not good.")
    assert "www-authenticate" not in answer["headers"]
    assert (without_override["statusCode"], without_override["headers"]["www-authenticate"]) == (401, "Bearer")
    assert [note.fields["status"] for note in endpoint_log.notes] == [400, 401]


def test_an_ended_session_is_400_where_gotrue_refreshes_tokens(endpoint_log: RecordingLog) -> None:
    endpoint = Endpoint(PATH)

    @endpoint.post(gotrue.API, overrides=gotrue.REFRESH_ERRORS)
    def fail(_call: Call[None, None]) -> None:
        raise SessionEnded("family-1", "user-1")

    answer = endpoint.handler()(http_event(), None)

    assert (answer["statusCode"], body_of(answer)["error_code"]) == (400, "refresh_token_not_found")
    assert "www-authenticate" not in answer["headers"]
    assert endpoint_log.notes[0].fields["status"] == 400


def test_an_override_applies_to_its_own_operation_only(endpoint: Endpoint, endpoint_log: RecordingLog) -> None:
    spec = ErrorSpec(HTTPStatus.CONFLICT, "Not good.")

    @endpoint.post(snapotp.API, when=BodyHas("username"), overrides={"validation_failed": spec}, request=Greeting)
    def first(_call: Call[Greeting, None]) -> None:
        raise AssertionError

    @endpoint.post(snapotp.API, request=Greeting)
    def second(_call: Call[Greeting, None]) -> None:
        raise AssertionError

    handler = endpoint.handler()

    assert handler(json_event({"username": "a"}), None)["statusCode"] == 409
    assert handler(json_event({}), None)["statusCode"] == 400
    assert [note.fields["status"] for note in endpoint_log.notes] == [409, 400]


def test_a_failed_dependency_is_503_and_logged_as_an_error(endpoint_log: RecordingLog) -> None:
    answer = handler_that_raises(DependencyUnavailable("ThrottlingException"))(http_event(), None)

    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "1")
    [note] = endpoint_log.notes
    assert (note.event, note.severity) == ("service_unavailable", Severity.ERROR)


def test_the_request_id_is_set_for_the_log() -> None:
    handler_that_raises(RuntimeError())(http_event(), None)

    assert request_id.get() == "request-1"


def test_prepare_builds_the_model_of_a_body() -> None:
    class Unprepared(Body):
        name: Text

    Unprepared.prepare()

    assert Unprepared.__pydantic_complete__
