"""gerbang.http.edge: API Gateway's event in, its response out; whatever comes in, something orderly goes out."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import pytest
from gerbang.apis.fields import Body, Typed
from gerbang.core.log import request_id
from gerbang.http.edge import (
    ANY,
    LARGEST_BODY,
    BodyTooLarge,
    InvalidFields,
    MalformedBody,
    MethodNotAllowed,
    MissingBearer,
    Request,
    Response,
    UnsupportedMediaType,
    created,
    endpoint,
    ok,
    request_of,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

JSON = {"content-type": "application/json"}


class Greeting(Body):
    """A model as the contracts have them."""

    name: Typed
    familiar_name: Typed | None = Field(default=None, alias="familiarName")


def event(
    body: str | bytes | None = None,
    *,
    method: str = "POST",
    headers: Mapping[str, str] = JSON,
    **more: Any,
) -> dict[str, Any]:
    """An event of an HTTP API, payload format 2.0."""
    made: dict[str, Any] = {
        "version": "2.0",
        "rawPath": "/api/auth/login",
        "headers": dict(headers),
        "requestContext": {
            "requestId": "request-1",
            "http": {"method": method, "path": "/api/auth/login", "sourceIp": "192.0.2.1"},
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    if body is not None:
        made["body"] = b64encode(body).decode() if isinstance(body, bytes) else body
    return made | more


def render(error: Exception, request: Request) -> Response:
    """Say what was raised."""
    return Response(400, {"error": type(error).__name__, "path": request.path})


def answered(given: dict[str, Any], *, method: str = "POST") -> dict[str, Any]:
    @endpoint(method, render)
    def handler(request: Request) -> Response:
        return ok({"body": dict(request.body)})

    return handler(given, None)


def body_of(answer: dict[str, Any]) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(answer["body"])
    return parsed


def refusal_of(given: dict[str, Any]) -> str:
    return str(body_of(answered(given))["error"])


def parsed(body: object) -> Greeting:
    request = Request(
        method="POST",
        path="/",
        headers={},
        query={},
        body=json.loads(json.dumps(body)),
        source_ip="",
        authorizer={},
    )
    return request.parse(Greeting)


# Bodies


@pytest.mark.parametrize(
    "body",
    [
        '{"name": "Zoë"}',
        '{"name": "Zo\\u00eb"}',
        '{"name": "Zoë"}'.encode(),
        ' \n{"name"\t:"Zoë"}\r\n ',
        '{"name": "\\ud83d\\ude00"}',  # a pair of surrogates is one character
        "{}",
        b"{}",
    ],
    ids=repr,
)
def test_one_object_in_utf_8_is_read(body: str | bytes) -> None:
    expected = json.loads(body)

    assert body_of(answered(event(body)))["body"] == expected


@pytest.mark.parametrize("body", [None, "", b""], ids=repr)
def test_no_body_is_an_empty_one(body: str | bytes | None) -> None:
    assert body_of(answered(event(body, headers={})))["body"] == {}
    assert body_of(answered(event(body)))["body"] == {}


@pytest.mark.covers("137", "138")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("[]", id="a list"),
        pytest.param("null", id="null"),
        pytest.param("true", id="true"),
        pytest.param("1", id="a number"),
        pytest.param('"text"', id="a text"),
        pytest.param(" ", id="white space"),
        pytest.param("{", id="half an object"),
        pytest.param('{"name": "a"} x', id="something after it"),
        pytest.param('{"name": "a"}{"name": "b"}', id="two objects"),
        pytest.param("{'name': 'a'}", id="wrong quotes"),
        pytest.param('{"name": "a",}', id="a comma too many"),
        pytest.param('{"name": "a" /* b */}', id="a comment"),
        pytest.param('{"name": "a\nb"}', id="a bare line break in a text"),
        pytest.param('{"name": "a", "name": "b"}', id="a name twice"),
        pytest.param('{"a": {"b": 1, "b": 2}}', id="a name twice, further in"),
        pytest.param('{"a": 1, "\\u0061": 2}', id="a name twice, spelled otherwise"),
        pytest.param('{"a": NaN}', id="NaN"),
        pytest.param('{"a": Infinity}', id="Infinity"),
        pytest.param('{"a": -Infinity}', id="-Infinity"),
        pytest.param('{"a": "\\ud800"}', id="a lone surrogate"),
        pytest.param('{"a": ["\\udc00\\ud800"]}', id="surrogates the wrong way round"),
        pytest.param('{"\\ud800": 1}', id="a lone surrogate in a name"),
        pytest.param('{"a": "\ud800"}', id="a lone surrogate, bare"),
        pytest.param(b'{"a": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"a": "\xc0\x80"}', id="UTF-8 longer than it must be"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', id="UTF-8 of a surrogate"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param('{"a": 1}'.encode("utf-32-be"), id="UTF-32"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', id="a byte order mark"),
        pytest.param("[" * 7000 + "]" * 7000, id="7,000 brackets"),
        pytest.param('{"a": ' + "[" * 15000 + "}", id="15,000 open brackets"),
        pytest.param('{"a": ' + "[" * 7000 + "]" * 7000 + "}", id="7,000 brackets in an object"),
        pytest.param('{"a": ' + '{"b": [' * 20 + "]}" * 20 + "}", id="41 within one another"),
        pytest.param('{"a": ' + "9" * 6000 + "}", id="6,000 digits"),
        pytest.param('{"a": -' + "9" * 6000 + "}", id="6,000 digits below zero"),
        pytest.param("name=a&password=b", id="a form"),
        pytest.param("<name>a</name>", id="XML"),
        pytest.param("\0", id="NUL"),
    ],
)
def test_what_is_not_one_object_of_json_is_refused(body: str | bytes) -> None:
    """7,000 brackets or 6,000 digits fit into 16 KiB, and neither is a JSONDecodeError."""
    assert len(body) <= LARGEST_BODY
    assert refusal_of(event(body)) == MalformedBody.__name__


@pytest.mark.covers("C26")
@pytest.mark.parametrize("around", ['{"a": %s}', '{"name": %s}', '{"a": %s, "b": "\\u0041"}'])
def test_deep_nesting_in_a_field_harms_nothing(around: str) -> None:
    """Read, because fields that nobody knows are ignored, or refused; the next request is answered too."""
    for nested in ("[" * 7000 + "]" * 7000, '{"a":' * 2500 + "1" + "}" * 2500):
        status = answered(event(around % nested))["statusCode"]

        assert status in {200, 400}
        assert answered(event("{}"))["statusCode"] == 200


@pytest.mark.parametrize("size", [LARGEST_BODY + 1, 20_000, 100_000, 6_000_000])
def test_a_body_above_16_kib_is_refused(size: int) -> None:
    text = '{"name": "' + "x" * (size - 12) + '"}'

    assert len(text) == size
    for body in (text, text.encode()):
        assert refusal_of(event(body)) == BodyTooLarge.__name__


def test_a_body_of_16_kib_is_read() -> None:
    text = '{"name": "' + "x" * (LARGEST_BODY - 12) + '"}'

    for body in (text, text.encode()):
        assert answered(event(body))["statusCode"] == 200


def test_size_is_counted_in_bytes() -> None:
    text = '{"name": "' + "é" * (LARGEST_BODY // 2) + '"}'

    assert len(text) < LARGEST_BODY
    assert refusal_of(event(text)) == BodyTooLarge.__name__


@pytest.mark.parametrize("text", ["!!!", "e30", "é"], ids=repr)
def test_a_body_that_is_not_the_base64_it_is_called_is_still_answered(text: str) -> None:
    answer = answered(event(text, isBase64Encoded=True))

    assert answer["statusCode"] == 400


@given(st.binary(max_size=300))
def test_any_bytes_are_answered(raw: bytes) -> None:
    answer = answered(event(raw))

    assert answer["statusCode"] in {200, 400}
    assert isinstance(body_of(answer), dict)


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON_LIKE)
def test_any_json_is_read_as_it_is_or_refused(value: object) -> None:
    answer = answered(event(json.dumps(value)))

    if answer["statusCode"] == 200:
        assert isinstance(value, dict)
        assert json.dumps(body_of(answer)["body"]) == json.dumps(value)


# Media types: security.md 140


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; charset=utf8",
        " application/json ;  foo=bar",
    ],
)
def test_json_is_read_however_it_is_written(media_type: str) -> None:
    assert answered(event("{}", headers={"Content-Type": media_type}))["statusCode"] == 200


@pytest.mark.covers("140")
@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/problem+json",
        "application/json, text/plain",
        "text/plain; application/json",
        "json",
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
    ],
)
def test_nothing_but_json_in_utf_8_is_read(media_type: str) -> None:
    assert refusal_of(event('{"name": "a"}', headers={"content-type": media_type})) == UnsupportedMediaType.__name__


def test_a_request_without_a_body_needs_no_media_type() -> None:
    given = event(None, headers={"content-type": "text/plain"})

    assert answered(given)["statusCode"] == 200


def test_a_body_that_is_called_nothing_is_taken_for_json() -> None:
    assert answered(event("{}", headers={}))["statusCode"] == 200
    assert refusal_of(event("a=b", headers={})) == MalformedBody.__name__


# Methods: security.md 141


@pytest.mark.covers("141")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "post", "ANY", ""])
def test_another_method_is_refused_before_the_body_is_looked_at(method: str) -> None:
    assert refusal_of(event("{", method=method)) == MethodNotAllowed.__name__


def test_the_refusal_of_a_method_knows_the_right_one() -> None:
    assert MethodNotAllowed("POST").allowed == "POST"


def test_an_endpoint_may_answer_every_method() -> None:
    for method in ("GET", "DELETE", "TRACE"):
        assert answered(event(method=method), method=ANY)["statusCode"] == 200


# The request


def test_a_request_is_what_the_gateway_saw() -> None:
    given = event(
        headers={"X-Organization-Id": "org_1", "User-Agent": "curl/8", "X-Forwarded-For": "203.0.113.9"},
        queryStringParameters={"grant_type": "refresh_token"},
    )
    given["requestContext"]["authorizer"] = {"lambda": {"role": "CLIENT_OWNER"}}

    request = request_of(given)

    assert (request.method, request.path) == ("POST", "/api/auth/login")
    assert request.headers["x-organization-id"] == "org_1"
    assert request.user_agent == "curl/8"
    assert request.query == {"grant_type": "refresh_token"}
    assert request.authorizer == {"role": "CLIENT_OWNER"}


@pytest.mark.covers("22", "23")
@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP"])
def test_the_clients_address_is_the_gateways_whatever_a_header_says(name: str) -> None:
    assert request_of(event(headers={name: "203.0.113.9"})).source_ip == "192.0.2.1"


@pytest.mark.parametrize("absent", [None, {}])
def test_what_the_gateway_leaves_out_is_empty(absent: dict[str, str] | None) -> None:
    given = event()
    given["headers"] = given["queryStringParameters"] = absent

    request = request_of(given)

    assert (request.headers, request.query, request.authorizer, request.user_agent) == ({}, {}, {}, "")


def test_the_requests_id_is_on_every_line_of_the_log() -> None:
    answered(event())

    assert request_id.get() == "request-1"


def test_a_body_does_not_show() -> None:
    shown: list[str] = []

    @endpoint("POST", render)
    def handler(request: Request) -> Response:
        shown.append(repr(request))
        response = ok({"token": "secret 2"})
        shown.append(repr(response))
        return response

    handler(event('{"password": "secret 1"}'), None)

    assert len(shown) == 2
    assert not any("secret" in text for text in shown)


# Fields: security.md 135, 136


@pytest.mark.covers("135")
def test_fields_are_read_by_the_contracts_names_and_others_are_dropped() -> None:
    read = parsed({"name": "a", "familiarName": "b", "role": "admin", "password_hash": "x"})

    assert (read.name, read.familiar_name) == ("a", "b")
    assert read.model_dump().keys() == {"name", "familiar_name"}


@pytest.mark.covers("136")
@pytest.mark.parametrize("value", [None, 1, 1.5, True, [], ["a"], {}, {"$ne": None}, ""], ids=repr)
def test_a_field_of_another_kind_is_refused_and_named_without_what_was_sent(value: object) -> None:
    with pytest.raises(InvalidFields) as caught:
        parsed({"name": value})

    (error,) = caught.value.errors
    assert error.field == "name"
    assert error.message
    assert caught.value.__cause__ is None


@pytest.mark.covers("135")
def test_every_field_that_is_wrong_is_named() -> None:
    with pytest.raises(InvalidFields) as caught:
        parsed({"familiarName": 7})

    assert [error.field for error in caught.value.errors] == ["name", "familiarName"]
    assert str(caught.value) == "name, familiarName"


def test_what_was_sent_is_not_in_the_refusal() -> None:
    with pytest.raises(InvalidFields) as caught:
        parsed({"name": ["very secret"]})

    assert "secret" not in f"{caught.value} {caught.value.errors} {caught.value.__cause__!r}"


# Bearer tokens: RFC 6750, 2.1


@pytest.mark.parametrize("header", ["Bearer abc.def", "bearer abc.def", "BEARER abc.def", "  Bearer   abc.def  "])
def test_a_bearer_token_is_read(header: str) -> None:
    assert request_of(event(headers={"Authorization": header})).bearer() == "abc.def"


@pytest.mark.covers("133")
@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "abc.def",
        "Basic abc.def",
        "Bearer abc def",
        "Bearer abc, Bearer def",
        "Bearer abc,def",
        "Bearerabc",
        "Bearer é",
        "Token abc",
    ],
)
def test_what_is_no_bearer_token_is_missing(header: str) -> None:
    """A header sent twice is joined with a comma: refused, security.md 133."""
    with pytest.raises(MissingBearer):
        request_of(event(headers={"authorization": header})).bearer()


@pytest.mark.covers("19", "102")
def test_no_header_is_a_missing_token_and_a_query_is_none() -> None:
    """Never from the query."""
    given = event(queryStringParameters={"access_token": "abc", "authorization": "Bearer abc"}, headers={})

    with pytest.raises(MissingBearer):
        request_of(given).bearer()


# Answers


@pytest.mark.covers("92", "139", "147", "148")
def test_every_answer_is_json_and_carries_the_headers_that_protect_it() -> None:
    for answer in (answered(event("{}")), answered(event("["))):
        headers = answer["headers"]
        assert headers["content-type"] == "application/json; charset=utf-8"
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert int(headers["strict-transport-security"].partition("max-age=")[2].partition(";")[0]) >= 31_536_000
        assert answer["isBase64Encoded"] is False
        assert isinstance(body_of(answer), dict)


def test_an_answer_may_have_headers_of_its_own() -> None:
    @endpoint("POST", render)
    def handler(_request: Request) -> Response:
        return Response(429, {}, {"retry-after": "7"})

    answer = handler(event(), None)

    assert answer["statusCode"] == 429
    assert answer["headers"]["retry-after"] == "7"
    assert answer["headers"]["cache-control"] == "no-store"


def test_answers_are_utf_8() -> None:
    @endpoint("POST", render)
    def handler(_request: Request) -> Response:
        return created({"name": "Zoë \U0001f600"})

    answer = handler(event(), None)

    assert answer["statusCode"] == 201
    assert answer["body"] == '{"name":"Zoë \U0001f600"}'


@pytest.mark.covers("165")
@pytest.mark.parametrize("failure", [RuntimeError("a bug"), KeyError("x"), RecursionError(), MemoryError()], ids=repr)
def test_whatever_is_raised_is_worded_by_the_contract(failure: Exception) -> None:

    @endpoint("POST", render)
    def handler(_request: Request) -> Response:
        raise failure

    answer = handler(event(), None)

    assert body_of(answer) == {"error": type(failure).__name__, "path": "/api/auth/login"}


def test_nothing_of_a_request_survives_it() -> None:
    bodies: list[object] = []

    @endpoint("POST", render)
    def handler(request: Request) -> Response:
        bodies.append(dict(request.body))
        return ok({})

    handler(event('{"name": "a"}'), None)
    handler(event(), None)

    assert bodies == [{"name": "a"}, {}]
