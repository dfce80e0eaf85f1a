"""gerbang.http.endpoint: a declaration decides how requests are routed, checked and answered."""

from typing import Annotated, Any, Final

import pytest
from gerbang.apis import by_path
from gerbang.apis.errors import COMMON
from gerbang.apis.fields import PASSWORD_POLICY, Body, Email, Name, Text, Username, new_password
from gerbang.core.init import LambdaHandler
from gerbang.http.callers import ApiKeyHolder, BearerToken
from gerbang.http.endpoint import BodyHas, Call, Endpoint, QueryIs
from gerbang.http.errors import Api
from gerbang.http.request import LARGEST_BODY, NoSuchPath
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.api_keys import ApiKeys
from pydantic import AfterValidator

from tests.fakes import FakeClock, FakeSecretText, RecordingLog
from tests.gateway_events import body_of, http_event, json_event
from tests.unit.http.declared_endpoints import API, PATH, Greeting, greeting_handler

OTHER_API: Final = Api(
    name="Other", errors=COMMON, envelope=lambda problem, _: {"other": problem.code}, error_response=dict
)


class NewPerson(Body):
    """A model with fields of every kind."""

    username: Username
    email: Email
    name: Name
    password: Annotated[Text, AfterValidator(new_password())]


pytestmark = pytest.mark.usefixtures("endpoint_log")


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint(PATH)


# Routing


def test_path_parameters_and_the_query_reach_the_handler(endpoint: Endpoint) -> None:
    @endpoint.get(API)
    def show(call: Call[None, None]) -> dict[str, Any]:
        return {**call.request.path_parameters, **call.request.query}

    answer = endpoint.handler()(http_event(method="GET", pathParameters={"id": "7"}, query={"page": "2"}), None)

    assert (answer["statusCode"], body_of(answer)) == (200, {"id": "7", "page": "2"})


@pytest.fixture
def many_operations(endpoint: Endpoint) -> LambdaHandler:
    """An endpoint with several methods, and with several operations for POST in two APIs."""

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
def test_the_operation_is_chosen_by_method_body_and_query(
    many_operations: LambdaHandler, event: dict[str, Any], run: str
) -> None:
    assert body_of(many_operations(event, None)) == {"run": run}


def test_an_error_has_the_format_of_the_api_of_the_chosen_operation(many_operations: LambdaHandler) -> None:
    assert body_of(many_operations(json_event({"username": "a"}), None)) == {"other": "validation_failed"}


def test_an_error_before_the_choice_has_the_format_of_the_unconditional_operation(
    many_operations: LambdaHandler,
) -> None:
    assert body_of(many_operations(http_event('{"username": '), None))["code"] == "bad_json"


@pytest.mark.covers("141")
@pytest.mark.parametrize("method", ["PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "post", "ANY", ""])
def test_another_method_is_405_with_the_allowed_methods(many_operations: LambdaHandler, method: str) -> None:
    """The body and its size are not checked first."""
    for body in (None, "{", "x" * 20_000):
        answer = many_operations(http_event(body, method=method), None)

        assert (answer["statusCode"], answer["headers"]["allow"]) == (405, "GET, PUT, POST")
        assert body_of(answer)["code"] == "method_not_allowed"


def test_an_operation_can_answer_every_method(endpoint: Endpoint) -> None:
    @endpoint.operation("ANY", API)
    def fail(_call: Call[None, None]) -> None:
        raise NoSuchPath

    for method in ("GET", "DELETE", "TRACE", "OPTIONS"):
        assert endpoint.handler()(http_event(method=method), None)["statusCode"] == 404


def test_only_a_complete_preflight_is_204(many_operations: LambdaHandler) -> None:
    preflight = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}

    assert many_operations(http_event(method="OPTIONS", headers=preflight), None) == {"statusCode": 204}
    for name in preflight:
        rest = {other: value for other, value in preflight.items() if other != name}
        assert many_operations(http_event(method="OPTIONS", headers=rest), None)["statusCode"] == 405
    assert many_operations(http_event(method="POST", headers=preflight), None)["statusCode"] == 200


def test_the_api_can_depend_on_the_request(endpoint: Endpoint) -> None:
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
    """The axios library sends `null` for `post(url, null)`, and a sign-out must still work."""

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
def test_an_unreadable_body_is_a_client_error(event: dict[str, Any], status: int, code: str) -> None:
    answer = greeting_handler()(event, None)

    assert (answer["statusCode"], body_of(answer)["code"]) == (status, code)


@pytest.mark.parametrize("text", ["!!!", "e30", "é"], ids=repr)
def test_a_body_with_invalid_base64_is_an_error_response(text: str) -> None:
    """A client cannot cause this, because the gateway encodes bodies itself."""
    answer = greeting_handler()(http_event(text, isBase64Encoded=True), None)

    assert body_of(answer)["code"] in {"bad_json", "unexpected_failure"}


def test_the_caller_is_checked_before_the_body(endpoint: Endpoint) -> None:
    @endpoint.post(API, caller=BearerToken(), request=Greeting)
    def greet(_call: Call[Greeting, str]) -> None:
        raise AssertionError

    assert endpoint.handler()(http_event("{"), None)["statusCode"] == 401


def test_an_endpoint_can_require_an_api_key(endpoint: Endpoint) -> None:
    keys = ApiKeys("publishable", FakeSecretText("secret"), FakeClock())

    @endpoint.get(API, caller=ApiKeyHolder(keys))
    def show(call: Call[None, Any]) -> dict[str, Any]:
        return {"kind": call.caller.value}

    answers = [
        endpoint.handler()(http_event(method="GET", headers=headers), None)
        for headers in ({"apikey": "publishable"}, {"apikey": "secret"}, {"apikey": "x"}, {})
    ]

    assert [answer["statusCode"] for answer in answers] == [200, 200, 401, 401]
    assert [body_of(answer)["kind"] for answer in answers[:2]] == ["publishable", "secret"]


def test_the_client_address_is_that_of_the_gateway_event(endpoint: Endpoint) -> None:
    seen = []

    @endpoint.get(API)
    def show(call: Call[None, None]) -> None:
        seen.append((call.client.address, call.client.device))

    headers = {"user-agent": "curl/8", "x-forwarded-for": "203.0.113.9"}
    endpoint.handler()(http_event(method="GET", headers=headers), None)

    assert seen == [("192.0.2.1", "curl/8")]


def test_a_request_leaves_no_state_for_the_next_one() -> None:
    handler = greeting_handler()

    assert handler(json_event({"name": "a"}), None)["statusCode"] == 200
    assert handler(http_event(), None)["statusCode"] == 400


# Fields


def errors_of(body: object, context: dict[str, Any] | None = None) -> dict[str, str]:
    """Return the invalid fields of a body of a new person, with the message for each."""
    endpoint = Endpoint(PATH)

    @endpoint.post(API, request=NewPerson, context=context or {PASSWORD_POLICY: PasswordPolicy()})
    def register(_call: Call[NewPerson, None]) -> dict[str, Any]:
        return {"fields": {}}

    fields: dict[str, str] = body_of(endpoint.handler()(json_event(body), None))["fields"]
    return fields


PERSON: Final = {"username": "johndoe", "email": "john@example.com", "name": "John", "password": "Correct horse 1"}


def test_fields_are_read_by_their_alias_and_unknown_fields_are_dropped() -> None:
    sent = {"name": "a", "familiarName": "b", "role": "admin", "password_hash": "x", "__proto__": {}}

    answer = greeting_handler()(json_event(sent), None)

    assert body_of(answer) == {"name": "a", "familiar_name": "b"}


def test_all_invalid_fields_are_reported_at_once() -> None:
    """Types, address, user name and password policy are checked together."""
    errors = errors_of({"username": "x", "email": "not-an-email", "password": "short", "name": ""})

    assert errors.keys() == {"username", "email", "name", "password"}
    assert "8 characters" in errors["password"]
    assert errors_of({}).keys() == {"username", "email", "name", "password"}
    assert errors_of(PERSON) == {}


def test_a_password_is_compared_with_the_valid_fields() -> None:
    errors = errors_of({**PERSON, "username": "!", "password": "john@example.com"})

    assert errors.keys() == {"username", "password"}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"password": "Password1"}, "weak_password"),
        ({"email": "no address"}, "email_address_invalid"),
        ({"name": ""}, "validation_failed"),
        ({"name": "", "password": "Password1"}, "validation_failed"),
        ({"email": "no address", "password": "Password1"}, "validation_failed"),
    ],
    ids=range(5),
)
def test_errors_of_a_single_kind_have_a_specific_code(changed: dict[str, str], code: str) -> None:
    endpoint = Endpoint(PATH)

    @endpoint.post(API, request=NewPerson, context={PASSWORD_POLICY: PasswordPolicy()})
    def register(_call: Call[NewPerson, None]) -> None:
        raise AssertionError

    assert body_of(endpoint.handler()(json_event(PERSON | changed), None))["code"] == code


@pytest.mark.parametrize("value", [None, ""], ids=repr)
def test_an_optional_field_that_is_null_or_empty_counts_as_missing(value: object) -> None:
    answer = greeting_handler()(json_event({"name": "a", "familiarName": value}), None)

    assert body_of(answer) == {"name": "a", "familiar_name": None}


@pytest.mark.covers("135", "136")
@pytest.mark.parametrize("value", [0, 1, 1.5, 10**300, True, False, [], ["a"], {}, {"$ne": None}], ids=repr)
@pytest.mark.parametrize("field", ["name", "familiarName"])
def test_a_field_of_the_wrong_type_is_reported(field: str, value: object) -> None:
    answer = greeting_handler()(json_event({"name": "a", field: value}), None)

    assert answer["statusCode"] == 400
    assert body_of(answer)["fields"].keys() == {field}


@pytest.mark.parametrize("value", [None, ""], ids=repr)
def test_a_required_field_that_is_null_or_empty_is_reported(value: object) -> None:
    assert body_of(greeting_handler()(json_event({"name": value}), None))["fields"].keys() == {"name"}


@pytest.mark.covers("135")
def test_field_values_are_neither_answered_nor_logged(endpoint_log: RecordingLog) -> None:
    answer = greeting_handler()(json_event({"name": ["very secret"], "familiarName": {"very": "secret"}}), None)

    assert "secret" not in answer["body"]
    assert "secret" not in repr(endpoint_log.notes)
