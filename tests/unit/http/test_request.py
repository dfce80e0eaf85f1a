"""gerbang.http.request: API Gateway's event as a request; the body is parsed when it is first read."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from gerbang.http.request import (
    DEEPEST_BODY,
    LARGEST_BODY,
    BodyTooLarge,
    MalformedBody,
    MissingBearer,
    Request,
    UnsupportedMediaType,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.gateway_events import JSON, http_event


def body_in(body: str | bytes | None, headers: Mapping[str, str] = JSON, **more: Any) -> Mapping[str, Any]:
    return Request.from_event(http_event(body, headers=headers, **more)).body


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
def test_a_json_object_in_utf_8_is_read(body: str | bytes) -> None:
    assert body_in(body) == json.loads(body)


@pytest.mark.parametrize("body", ['\ufeff{"a": 1}', b'\xef\xbb\xbf{"a": 1}'], ids=["text", "base64"])
def test_a_byte_order_mark_is_skipped(body: str | bytes) -> None:
    assert body_in(body) == {"a": 1}


@pytest.mark.parametrize("body", [None, "", b""], ids=repr)
def test_a_missing_body_is_an_empty_object(body: str | bytes | None) -> None:
    assert body_in(body, headers={}) == {}
    assert body_in(body) == {}
    assert body_in(body, headers={"content-type": "text/plain"}) == {}


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
        pytest.param('{name: "a"}', id="no quotes"),
        pytest.param('{"name": "a",}', id="a comma too many"),
        pytest.param('{"name": "a" /* b */}', id="a comment"),
        pytest.param('{"name": "a\nb"}', id="a bare line break in a text"),
        pytest.param('{"name": "a\0"}', id="a bare NUL in a text"),
        pytest.param('{"name": "a", "name": "b"}', id="a name twice"),
        pytest.param('{"a": {"b": 1, "b": 2}}', id="a name twice, further in"),
        pytest.param('{"a": 1, "\\u0061": 2}', id="a name twice, spelled otherwise"),
        pytest.param('{"a": NaN}', id="NaN"),
        pytest.param('{"a": Infinity}', id="Infinity"),
        pytest.param('{"a": -Infinity}', id="-Infinity"),
        pytest.param('{"a": 1e999}', id="a number that is infinite to us"),
        pytest.param('{"a": [-1.5e400]}', id="one that is below all others"),
        pytest.param('{"a": "\\ud800"}', id="a lone surrogate"),
        pytest.param('{"a": ["\\udc00\\ud800"]}', id="surrogates the wrong way round"),
        pytest.param('{"\\ud800": 1}', id="a lone surrogate in a name"),
        pytest.param('{"a": "\ud800"}', id="a lone surrogate, bare"),
        pytest.param(b'{"a": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"a": "\xc0\x80"}', id="UTF-8 longer than it must be"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', id="UTF-8 of a surrogate"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param('{"a": 1}'.encode("utf-16-le"), id="UTF-16 without a byte order mark"),
        pytest.param('{"a": 1}'.encode("utf-32-be"), id="UTF-32"),
        pytest.param(b'\xef\xbb\xbf\xef\xbb\xbf{"a": 1}', id="two byte order marks"),
        pytest.param("[" * 7000 + "]" * 7000, id="7,000 brackets"),
        pytest.param('{"a": ' + "[" * 15000 + "}", id="15,000 open brackets"),
        pytest.param('{"a": ' + "[" * 7000 + "]" * 7000 + "}", id="7,000 brackets in an object"),
        pytest.param('{"a":' * 2500 + "1" + "}" * 2500, id="2,500 objects"),
        pytest.param('{"a": ' + "[" * DEEPEST_BODY + "]" * DEEPEST_BODY + "}", id="one level too deep"),
        pytest.param('{"a": ' + "9" * 6000 + "}", id="6,000 digits"),
        pytest.param('{"a": -' + "9" * 6000 + "}", id="6,000 digits below zero"),
        pytest.param("name=a&password=b", id="a form"),
        pytest.param("<name>a</name>", id="XML"),
        pytest.param("\0", id="NUL"),
    ],
)
def test_anything_but_one_json_object_is_malformed(body: str | bytes) -> None:
    """7,000 brackets or 6,000 digits fit into 16 KiB, and neither is a JSONDecodeError."""
    assert len(body) <= LARGEST_BODY
    with pytest.raises(MalformedBody):
        body_in(body)


@pytest.mark.covers("C26")
def test_the_deepest_allowed_nesting_is_read() -> None:
    nested = "[" * (DEEPEST_BODY - 1) + "]" * (DEEPEST_BODY - 1)

    assert json.dumps(body_in(f'{{"a": {nested}, "b": "[{{"}}')["a"]) == nested
    assert body_in('{"a": "%s"}' % ("[" * 7000)).keys() == {"a"}  # brackets in a text nest nothing


@pytest.mark.parametrize("size", [LARGEST_BODY + 1, 20_000, 100_000, 6_000_000])
def test_a_body_above_16_kib_is_too_large(size: int) -> None:
    text = '{"name": "' + "x" * (size - 12) + '"}'

    assert len(text) == size
    for body in (text, text.encode()):
        for headers in (JSON, {"content-type": "text/plain"}, {}):
            with pytest.raises(BodyTooLarge):
                body_in(body, headers)


def test_a_body_of_16_kib_is_read() -> None:
    text = '{"name": "' + "x" * (LARGEST_BODY - 12) + '"}'

    assert len(text) == LARGEST_BODY
    for body in (text, text.encode()):
        assert body_in(body).keys() == {"name"}


def test_size_is_counted_in_bytes() -> None:
    text = '{"name": "' + "é" * (LARGEST_BODY // 2) + '"}'

    assert len(text) < LARGEST_BODY
    with pytest.raises(BodyTooLarge):
        body_in(text)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_object_or_malformed(raw: bytes) -> None:
    with suppress(MalformedBody):
        assert isinstance(body_in(raw), dict)


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON_LIKE)
def test_any_json_is_read_unchanged_or_malformed(value: object) -> None:
    try:
        body = body_in(json.dumps(value))
    except MalformedBody:
        return
    assert isinstance(value, dict)
    assert json.dumps(body) == json.dumps(value)


# Media types


@pytest.mark.covers("140")
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        " application/json ;  foo=bar",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json;charset=",
        "application/json; charset='utf-8'",
        "application/json; charset=us-ascii",
        "application/json; charset=iso-8859-1",
        "application/json, application/json",
        "application/json;charset=UTF-8, application/json",
    ],
)
def test_every_spelling_of_the_json_media_type_is_accepted(content_type: str) -> None:
    """RFC 8259 gives `charset` no meaning; some clients send the header twice."""
    assert body_in('{"name": "Zoë"}'.encode(), {"Content-Type": content_type}) == {"name": "Zoë"}


def test_bytes_must_be_utf_8_with_any_charset() -> None:
    with pytest.raises(MalformedBody):
        body_in('{"name": "Zoë"}'.encode("latin-1"), {"content-type": "application/json; charset=iso-8859-1"})


@pytest.mark.covers("140")
@pytest.mark.parametrize(
    "content_type",
    [
        "",
        ";",
        "text/plain",
        "text/json",
        "application",
        "application/xml",
        "application/x-json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "application/problem+json",
        "application/json, text/plain",
        "application/json;charset=UTF-8, text/plain",
        "text/plain; application/json",
        "json",
    ],
)
def test_another_media_type_is_rejected(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        body_in('{"name": "a"}', {"content-type": content_type})


def test_a_body_without_a_media_type_is_read_as_json() -> None:
    assert body_in("{}", headers={}) == {}
    with pytest.raises(MalformedBody):
        body_in("a=b", headers={})


# The request


def test_a_request_has_the_values_of_the_event() -> None:
    request = Request.from_event(
        http_event(
            method="GET",
            path="/auth/v1/user",
            headers={"X-Organization-Id": "org_1", "User-Agent": "curl/8"},
            query={"grant_type": "refresh_token"},
            pathParameters={"id": "7"},
        )
    )

    assert (request.method, request.path, request.route) == ("GET", "/auth/v1/user", "ANY /auth/v1/user")
    assert request.headers["x-organization-id"] == "org_1"
    assert request.user_agent == "curl/8"
    assert request.query == {"grant_type": "refresh_token"}
    assert request.path_parameters == {"id": "7"}


@pytest.mark.covers("22", "23")
@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP"])
def test_the_client_address_is_never_taken_from_a_header(name: str) -> None:
    assert Request.from_event(http_event(headers={name: "203.0.113.9"})).source_ip == "192.0.2.1"


@pytest.mark.parametrize("absent", [None, {}])
def test_missing_values_of_the_event_are_empty(absent: dict[str, str] | None) -> None:
    event = http_event(queryStringParameters=absent, pathParameters=absent) | {"headers": absent}

    request = Request.from_event(event)

    assert (request.headers, request.query, request.path_parameters, request.user_agent) == ({}, {}, {}, "")


def test_the_repr_of_a_request_has_no_body() -> None:
    request = Request.from_event(http_event('{"password": "secret 1"}'))

    assert request.body["password"] not in repr(request)


# Bearer tokens: RFC 6750, 2.1


@pytest.mark.parametrize("header", ["Bearer abc.def", "bearer abc.def", "BEARER abc.def", "  Bearer   abc.def  "])
def test_a_bearer_token_is_read(header: str) -> None:
    assert Request.from_event(http_event(headers={"Authorization": header})).bearer() == "abc.def"


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
def test_any_other_authorization_header_is_a_missing_token(header: str) -> None:
    """A header sent twice is joined with a comma."""
    with pytest.raises(MissingBearer):
        Request.from_event(http_event(headers={"authorization": header})).bearer()


@pytest.mark.covers("19", "102")
def test_a_token_in_the_query_is_ignored() -> None:
    event = http_event(query={"access_token": "abc", "authorization": "Bearer abc"}, headers={})

    with pytest.raises(MissingBearer):
        Request.from_event(event).bearer()
