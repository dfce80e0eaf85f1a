"""gerbang.http.endpoint and response: from the declaration come routing, checks, errors and their log lines."""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Final

import pytest
from gerbang.apis import by_path, gotrue, snapotp
from gerbang.apis.errors import COMMON
from gerbang.apis.fields import PASSWORD_POLICY, Body, Email, Name, Text, Username, new_password
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.init import LambdaHandler
from gerbang.core.log import Severity, request_id
from gerbang.http.callers import ApiKeyHolder, BearerToken
from gerbang.http.conditions import BodyHas, QueryIs
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.errors import Api, ErrorSpec, Problem
from gerbang.http.request import LARGEST_BODY, NoSuchPath, Request
from gerbang.http.response import Response, page, redirect
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.api_keys import ApiKeys
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.sessions import SessionEnded
from pydantic import AfterValidator, Field

from tests.fakes import FakeClock, RecordingLog
from tests.gateway_events import body_of, http_event, json_event

PATH: Final = "/things/{id}"


def envelope(problem: Problem, _request: Request) -> dict[str, Any]:
    return {
        "code": problem.code,
        "message": problem.message,
        "fields": {error.field: error.message for error in problem.field_errors},
    }


API: Final = Api(name="Tests", errors=COMMON, envelope=envelope, error_response=dict)
OTHER_API: Final = Api(
    name="Other", errors=COMMON, envelope=lambda problem, _: {"other": problem.code}, error_response=dict
)


class Greeting(Body):
    """A model as the APIs have them."""

    name: Text
    familiar_name: Text | None = Field(default=None, alias="familiarName")


class NewPerson(Body):
    """A model with every kind of field."""

    username: Username
    email: Email
    name: Name
    password: Annotated[Text, AfterValidator(new_password())]


@pytest.fixture(autouse=True)
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    """What endpoints log, instead of standard output."""
    recorded = RecordingLog()
    monkeypatch.setattr("gerbang.http.endpoint.log_event", recorded)
    return recorded


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint(PATH)


def greeting_handler() -> LambdaHandler:
    """The handler of an endpoint that reads a body."""
    endpoint = Endpoint(PATH)

    @endpoint.post(API, request=Greeting)
    def greet(call: Call[Greeting, None]) -> dict[str, Any]:
        return call.body.model_dump()

    return endpoint.handler()


def raising(error: Exception, **declared: Any) -> LambdaHandler:
    """The handler of an endpoint that raises an error."""
    endpoint = Endpoint(PATH)

    @endpoint.post(API, **declared)
    def fail(_call: Call[None, None]) -> None:
        raise error

    return endpoint.handler()


# Which operation


def test_path_parameters_and_the_query_reach_the_handler(endpoint: Endpoint) -> None:
    @endpoint.get(API)
    def show(call: Call[None, None]) -> dict[str, Any]:
        return {**call.request.path_parameters, **call.request.query}

    answer = endpoint.handler()(http_event(method="GET", pathParameters={"id": "7"}, query={"page": "2"}), None)

    assert (answer["statusCode"], body_of(answer)) == (200, {"id": "7", "page": "2"})


@pytest.fixture
def crowded(endpoint: Endpoint) -> LambdaHandler:
    """Several methods, and several operations of one of them in two APIs."""

    @endpoint.get(API)
    def read(_call: Call[None, None]) -> dict[str, Any]:
        return {"run": "read"}

    @endpoint.operation("PUT", API)
    def replace(_call: Call[None, None]) -> dict[str, Any]:
        return {"run": "replace"}

    @endpoint.post(OTHER_API, when=BodyHas("username", without="email"), request=Greeting)
    def other(_call: Call[Greeting, None]) -> dict[str, Any]:
        return {"run": "other"}

    @endpoint.post(API, when=QueryIs("grant_type", "password"))
    def by_query(_call: Call[None, None]) -> dict[str, Any]:
        return {"run": "by query"}

    @endpoint.post(API)
    def otherwise(_call: Call[None, None]) -> dict[str, Any]:
        return {"run": "otherwise"}

    return endpoint.handler()


@pytest.mark.parametrize(
    ("event", "run"),
    [
        (http_event(method="GET"), "read"),
        (http_event(method="PUT"), "replace"),
        (json_event({"username": "a", "name": "A"}), "other"),
        (json_event({"username": None, "name": "A"}), "other"),
        (json_event({"username": "a", "email": "a", "name": "A"}), "otherwise"),
        (json_event({"name": "A"}), "otherwise"),
        (http_event(query={"grant_type": "password"}), "by query"),
        (http_event(query={"grant_type": "refresh_token"}), "otherwise"),
        (http_event(), "otherwise"),
    ],
    ids=range(9),
)
def test_the_operation_is_found_by_method_body_and_query(
    crowded: LambdaHandler, event: dict[str, Any], run: str
) -> None:
    assert body_of(crowded(event, None)) == {"run": run}


def test_an_error_is_told_in_the_api_of_the_operation_that_was_asked_for(crowded: LambdaHandler) -> None:
    assert body_of(crowded(json_event({"username": "a"}), None)) == {"other": "validation_failed"}


def test_an_error_before_that_is_told_in_the_api_of_the_operation_without_condition(crowded: LambdaHandler) -> None:
    assert body_of(crowded(http_event('{"username": '), None))["code"] == "bad_json"


@pytest.mark.covers("141")
@pytest.mark.parametrize("method", ["PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "post", "ANY", ""])
def test_another_method_is_405_and_names_those_that_there_are(crowded: LambdaHandler, method: str) -> None:
    """Before the body is looked at, or its size."""
    for body in (None, "{", "x" * 20_000):
        answer = crowded(http_event(body, method=method), None)

        assert (answer["statusCode"], answer["headers"]["allow"]) == (405, "GET, PUT, POST")
        assert body_of(answer)["code"] == "method_not_allowed"


def test_an_operation_may_answer_every_method(endpoint: Endpoint) -> None:
    @endpoint.operation("ANY", API)
    def fail(_call: Call[None, None]) -> None:
        raise NoSuchPath

    for method in ("GET", "DELETE", "TRACE", "OPTIONS"):
        assert endpoint.handler()(http_event(method=method), None)["statusCode"] == 404


def test_a_preflight_is_204_and_only_a_preflight(crowded: LambdaHandler) -> None:
    preflight = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}

    assert crowded(http_event(method="OPTIONS", headers=preflight), None) == {"statusCode": 204}
    for name in preflight:
        rest = {other: value for other, value in preflight.items() if other != name}
        assert crowded(http_event(method="OPTIONS", headers=rest), None)["statusCode"] == 405
    assert crowded(http_event(method="POST", headers=preflight), None)["statusCode"] == 200


def test_the_api_may_depend_on_the_request(endpoint: Endpoint) -> None:
    @endpoint.operation("ANY", by_path.api_of)
    def fail(_call: Call[None, None]) -> None:
        raise NoSuchPath

    answer = endpoint.handler()(http_event(path="/auth/v1/nothing"), None)

    assert answer["statusCode"] == 404
    assert body_of(answer).keys() == {"code", "error_code", "msg"}


def test_the_summary_is_the_first_line_of_the_docstring(endpoint: Endpoint) -> None:
    @endpoint.get(API)
    def show(_call: Call[None, None]) -> None:
        """Show the thing.

        And more.
        """

    assert [operation.summary for operation in endpoint.operations] == ["Show the thing"]


# Bodies


@pytest.mark.parametrize(
    "body",
    [None, "", "null", '""', "[]", " ", "{", '{"a": 1, "a": 2}', b"\xff", "x" * 20_000],
    ids=lambda b: repr(b)[:9],
)
@pytest.mark.parametrize("headers", [{"content-type": "application/json"}, {"content-type": "text/plain"}, {}])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_operation_without_a_model_never_parses_the_body(
    endpoint: Endpoint, method: str, headers: dict[str, str], body: str | bytes | None
) -> None:
    """axios sends `null` for `post(url, null)`, and a sign-out must work all the same."""

    @endpoint.operation(method, API, caller=BearerToken())
    def sign_out(call: Call[None, str]) -> dict[str, Any]:
        return {"token": call.caller, "body": call.body}

    answer = endpoint.handler()(
        http_event(body, method=method, headers={**headers, "authorization": "Bearer abc"}), None
    )

    assert (answer["statusCode"], body_of(answer)) == (200, {"token": "abc", "body": None})


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        (http_event("{"), 400, "bad_json"),
        (http_event("null"), 400, "bad_json"),
        (http_event("x" * (LARGEST_BODY + 1)), 413, "request_entity_too_large"),
        (http_event("{}", headers={"content-type": "text/plain"}), 415, "unsupported_media_type"),
        (http_event("{}"), 400, "validation_failed"),
        (http_event(None, headers={}), 400, "validation_failed"),
        (http_event("a=b", headers={}), 400, "bad_json"),
    ],
    ids=range(7),
)
def test_a_body_that_cannot_be_read_is_the_clients_error(event: dict[str, Any], status: int, code: str) -> None:
    answer = greeting_handler()(event, None)

    assert (answer["statusCode"], body_of(answer)["code"]) == (status, code)


@pytest.mark.parametrize("text", ["!!!", "e30", "é"], ids=repr)
def test_a_body_that_is_not_the_base64_it_is_called_is_still_answered(text: str) -> None:
    """The gateway encodes bodies itself, so this is nothing that a client can send."""
    answer = greeting_handler()(http_event(text, isBase64Encoded=True), None)

    assert body_of(answer)["code"] in {"bad_json", "unexpected_failure"}


def test_the_caller_is_checked_before_the_body(endpoint: Endpoint) -> None:
    @endpoint.post(API, caller=BearerToken(), request=Greeting)
    def greet(_call: Call[Greeting, str]) -> None:
        raise AssertionError

    assert endpoint.handler()(http_event("{"), None)["statusCode"] == 401


def test_an_api_key_opens_what_demands_one(endpoint: Endpoint) -> None:
    class NoSecret:
        def current(self) -> str:
            return "secret"

    keys = ApiKeys("publishable", NoSecret(), FakeClock())

    @endpoint.get(API, caller=ApiKeyHolder(keys))
    def show(call: Call[None, Any]) -> dict[str, Any]:
        return {"kind": call.caller.value}

    answers = [
        endpoint.handler()(http_event(method="GET", headers=headers), None)
        for headers in ({"apikey": "publishable"}, {"apikey": "secret"}, {"apikey": "x"}, {})
    ]

    assert [answer["statusCode"] for answer in answers] == [200, 200, 401, 401]
    assert [body_of(answer)["kind"] for answer in answers[:2]] == ["publishable", "secret"]


def test_the_client_is_the_one_that_the_gateway_saw(endpoint: Endpoint) -> None:
    seen = []

    @endpoint.get(API)
    def show(call: Call[None, None]) -> None:
        seen.append((call.client.address, call.client.device))

    headers = {"user-agent": "curl/8", "x-forwarded-for": "203.0.113.9"}
    endpoint.handler()(http_event(method="GET", headers=headers), None)

    assert seen == [("192.0.2.1", "curl/8")]


def test_nothing_of_a_request_survives_it() -> None:
    handler = greeting_handler()

    assert handler(json_event({"name": "a"}), None)["statusCode"] == 200
    assert handler(http_event(), None)["statusCode"] == 400


# Fields


def fields_of(body: object, context: dict[str, Any] | None = None) -> dict[str, str]:
    """The fields that are wrong in a body of a new person, and what is said of each."""
    endpoint = Endpoint(PATH)

    @endpoint.post(API, request=NewPerson, context=context or {PASSWORD_POLICY: PasswordPolicy()})
    def register(_call: Call[NewPerson, None]) -> dict[str, Any]:
        return {"fields": {}}

    fields: dict[str, str] = body_of(endpoint.handler()(json_event(body), None))["fields"]
    return fields


PERSON: Final = {"username": "johndoe", "email": "john@example.com", "name": "John", "password": "Correct horse 1"}


def test_fields_are_read_by_their_names_on_the_wire_and_others_are_dropped() -> None:
    sent = {"name": "a", "familiarName": "b", "role": "admin", "password_hash": "x", "__proto__": {}}

    answer = greeting_handler()(json_event(sent), None)

    assert body_of(answer) == {"name": "a", "familiar_name": "b"}


def test_every_wrong_field_is_named_at_once() -> None:
    """Its shape, the address, the user name and the password policy are checked together."""
    wrong = fields_of({"username": "x", "email": "not-an-email", "password": "short", "name": ""})

    assert wrong.keys() == {"username", "email", "name", "password"}
    assert "8 characters" in wrong["password"]
    assert fields_of({}).keys() == {"username", "email", "name", "password"}
    assert fields_of(PERSON) == {}


def test_a_password_is_compared_with_what_is_right_about_the_person() -> None:
    wrong = fields_of({**PERSON, "username": "!", "password": "john@example.com"})

    assert wrong.keys() == {"username", "password"}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"password": "Password1"}, "weak_password"),
        ({"email": "nobody"}, "email_address_invalid"),
        ({"name": ""}, "validation_failed"),
        ({"name": "", "password": "Password1"}, "validation_failed"),
        ({"email": "nobody", "password": "Password1"}, "validation_failed"),
    ],
    ids=range(5),
)
def test_errors_of_one_kind_have_a_code_of_their_own(changed: dict[str, str], code: str) -> None:
    endpoint = Endpoint(PATH)

    @endpoint.post(API, request=NewPerson, context={PASSWORD_POLICY: PasswordPolicy()})
    def register(_call: Call[NewPerson, None]) -> None:
        raise AssertionError

    assert body_of(endpoint.handler()(json_event(PERSON | changed), None))["code"] == code


@pytest.mark.parametrize("value", [None, ""], ids=repr)
def test_an_optional_field_that_is_null_or_empty_was_not_given(value: object) -> None:
    answer = greeting_handler()(json_event({"name": "a", "familiarName": value}), None)

    assert body_of(answer) == {"name": "a", "familiar_name": None}


@pytest.mark.covers("135", "136")
@pytest.mark.parametrize("value", [0, 1, 1.5, 10**300, True, False, [], ["a"], {}, {"$ne": None}], ids=repr)
@pytest.mark.parametrize("field", ["name", "familiarName"])
def test_a_field_of_another_type_is_named_without_what_was_sent(field: str, value: object) -> None:
    answer = greeting_handler()(json_event({"name": "a", field: value}), None)

    assert answer["statusCode"] == 400
    assert body_of(answer)["fields"].keys() == {field}


@pytest.mark.parametrize("value", [None, ""], ids=repr)
def test_a_required_field_that_is_null_or_empty_is_named(value: object) -> None:
    assert body_of(greeting_handler()(json_event({"name": value}), None))["fields"].keys() == {"name"}


@pytest.mark.covers("135")
def test_what_was_sent_is_neither_answered_nor_logged(log: RecordingLog) -> None:
    answer = greeting_handler()(json_event({"name": ["very secret"], "familiarName": {"very": "secret"}}), None)

    assert "secret" not in answer["body"]
    assert "secret" not in repr(log.notes)


# Answers


@pytest.mark.covers("92", "139", "147", "148")
def test_every_answer_has_the_headers_that_protect_it() -> None:
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


def test_an_answer_is_json_in_utf_8_with_the_declared_status() -> None:
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


def test_a_page_is_html_with_a_content_security_policy_of_its_own() -> None:
    answer = answer_of(lambda _: page("<p>é</p>", content_security_policy="default-src 'self'"))

    assert (answer["statusCode"], answer["body"]) == (200, "<p>é</p>")
    assert answer["headers"]["content-type"] == "text/html; charset=utf-8"
    assert answer["headers"]["content-security-policy"] == "default-src 'self'"
    assert answer["headers"]["x-content-type-options"] == "nosniff"


def test_an_answer_may_replace_a_header() -> None:
    answer = answer_of(lambda _: Response(200, {}, {"cache-control": "public, max-age=600"}))

    assert answer["headers"]["cache-control"] == "public, max-age=600"


def test_an_answers_body_does_not_show() -> None:
    assert "secret" not in repr(Response(200, {"token": "secret"}))


# Errors, and the one log line of each


@pytest.mark.covers("165")
@pytest.mark.parametrize("failure", [RuntimeError("a bug"), KeyError("x"), RecursionError(), MemoryError()], ids=repr)
def test_a_bug_is_a_500_in_the_envelope_and_says_nothing(failure: Exception, log: RecordingLog) -> None:
    answer = raising(failure)(http_event(), None)

    assert (answer["statusCode"], body_of(answer)["code"]) == (500, "unexpected_failure")
    assert "bug" not in json.dumps(answer)
    [note] = log.notes
    assert (note.event, note.severity, note.fields["status"]) == ("unexpected_failure", Severity.ERROR, 500)


def test_a_request_that_is_answered_as_asked_has_no_line(log: RecordingLog) -> None:
    assert greeting_handler()(json_event({"name": "a"}), None)["statusCode"] == 200
    assert log.notes == []


def test_an_error_has_one_line_with_its_code_and_the_status_that_was_answered(log: RecordingLog) -> None:
    raising(SessionEnded("family-1", "user-1"))(http_event(route="ANY /things/{id}"), None)

    [note] = log.notes
    assert (note.event, note.severity) == ("session_not_found", Severity.WARNING)
    assert note.fields["status"] == 401


def test_an_endpoint_may_override_a_spec_and_the_log_has_that_status(log: RecordingLog) -> None:
    overrides = {"bad_jwt": ErrorSpec(HTTPStatus.BAD_REQUEST, "Not good.")}

    answer = raising(InvalidToken("x"), overrides=overrides)(http_event(), None)
    elsewhere = raising(InvalidToken("x"))(http_event(), None)

    assert (answer["statusCode"], body_of(answer)["message"]) == (400, "Not good.")
    assert "www-authenticate" not in answer["headers"]
    assert (elsewhere["statusCode"], elsewhere["headers"]["www-authenticate"]) == (401, "Bearer")
    assert [note.fields["status"] for note in log.notes] == [400, 401]


def test_where_a_refresh_token_is_traded_a_dead_one_is_400_as_supabase_has_it(log: RecordingLog) -> None:
    endpoint = Endpoint(PATH)

    @endpoint.post(gotrue.API, overrides=gotrue.REFRESH_ERRORS)
    def fail(_call: Call[None, None]) -> None:
        raise SessionEnded("family-1", "user-1")

    answer = endpoint.handler()(http_event(), None)

    assert (answer["statusCode"], body_of(answer)["error_code"]) == (400, "refresh_token_not_found")
    assert "www-authenticate" not in answer["headers"]
    assert log.notes[0].fields["status"] == 400


def test_an_override_does_not_hold_for_another_operation(endpoint: Endpoint, log: RecordingLog) -> None:
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
    assert [note.fields["status"] for note in log.notes] == [409, 400]


def test_a_dependency_that_fails_is_503_and_logged_as_ours(log: RecordingLog) -> None:
    answer = raising(DependencyUnavailable("ThrottlingException"))(http_event(), None)

    assert (answer["statusCode"], answer["headers"]["retry-after"]) == (503, "1")
    [note] = log.notes
    assert (note.event, note.severity) == ("service_unavailable", Severity.ERROR)


def test_the_requests_id_is_on_every_line() -> None:
    raising(RuntimeError())(http_event(), None)

    assert request_id.get() == "request-1"


def test_the_body_is_built_before_the_first_request() -> None:
    class Fresh(Body):
        name: Text

    Fresh.prepare()

    assert Fresh.__pydantic_complete__
