"""Events and responses as AWS documents them: http-api-develop-integrations-lambda.html, payload format 2.0."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from gerbang_local.events import Api, MalformedAnswer, Request, authorizer_event, function_event, response_of
from gerbang_local.routes import Match, Route

from tests.local.conftest import NOON

API = Api(account_id="123456789012", region="us-east-1", api_id="api-id")
MATCH = Match(
    route=Route(method="POST", path="/my/{proxy+}", function="F", authorizer=None), path_parameters={"proxy": "path"}
)
# The sample request of the documentation.
REQUEST = Request(
    method="POST",
    raw_path="/my/path",
    raw_query="parameter1=value1&parameter1=value2&parameter2=value",
    protocol="HTTP/1.1",
    headers=(
        ("host", "id.execute-api.us-east-1.amazonaws.com:3000"),
        ("header1", "value1"),
        ("header2", "value1"),
        ("header2", "value2"),
        ("cookie", "cookie1; cookie2"),
        ("cookie", "cookie3=a,b"),
        ("content-type", "application/json; charset=utf-8"),
        ("user-agent", "agent"),
    ),
    body=b'{"greeting": "\xc3\xa9"}',
    source_ip="192.0.2.1",
    port=3000,
    at=NOON,
    id="id=",
)


def event_of(request: Request, **authorizer: Any) -> dict[str, Any]:
    return function_event(request, MATCH, api=API, authorizer=authorizer or None)


def test_a_request_becomes_the_documented_event() -> None:
    event = event_of(REQUEST, userId="1")

    assert event.pop("headers").pop("x-amzn-trace-id").startswith(f"Root=1-{int(NOON.timestamp()):08x}-")
    assert event == {
        "version": "2.0",
        "routeKey": "POST /my/{proxy+}",
        "rawPath": "/my/path",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
        "cookies": ["cookie1", "cookie2", "cookie3=a,b"],
        "queryStringParameters": {"parameter1": "value1,value2", "parameter2": "value"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "authorizer": {"lambda": {"userId": "1"}},
            "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "id",
            "http": {
                "method": "POST",
                "path": "/my/path",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "agent",
            },
            "requestId": "id=",
            "routeKey": "POST /my/{proxy+}",
            "stage": "$default",
            "time": "23/Mar/2026:12:00:00 +0000",
            "timeEpoch": 1774267200250,
        },
        "pathParameters": {"proxy": "path"},
        "body": '{"greeting": "é"}',
        "isBase64Encoded": False,
    }


def test_headers_are_joined_cookies_are_separate_and_gateway_headers_are_added() -> None:
    headers = event_of(REQUEST)["headers"]

    headers.pop("x-amzn-trace-id")
    assert headers == {
        "host": "id.execute-api.us-east-1.amazonaws.com:3000",
        "header1": "value1",
        "header2": "value1,value2",
        "content-type": "application/json; charset=utf-8",
        "user-agent": "agent",
        "x-forwarded-for": "192.0.2.1",
        "x-forwarded-port": "3000",
        "x-forwarded-proto": "http",
    }


def test_a_forged_forwarding_header_does_not_change_the_source_address() -> None:
    event = event_of(replace(REQUEST, headers=(("x-forwarded-for", "198.51.100.7"), ("x-forwarded-proto", "https"))))

    assert event["headers"]["x-forwarded-for"] == "198.51.100.7, 192.0.2.1"
    assert event["headers"]["x-forwarded-proto"] == "http"
    assert event["requestContext"]["http"]["sourceIp"] == "192.0.2.1"


def test_missing_parts_of_a_request_are_missing_in_the_event() -> None:
    bare = replace(REQUEST, raw_query="", headers=(), body=b"")
    match = replace(MATCH, path_parameters={})

    event = function_event(bare, match, api=API, authorizer=None)

    assert event.keys().isdisjoint({"body", "cookies", "queryStringParameters", "pathParameters"})
    assert "authorizer" not in event["requestContext"]
    assert event["rawQueryString"] == ""
    assert event["isBase64Encoded"] is False
    assert event["requestContext"]["http"]["userAgent"] == ""


@pytest.mark.parametrize(
    ("content_type", "body", "is_text"),
    [
        ("application/json", b"{}", True),
        ("Application/JSON;charset=utf-8", b"{}", True),
        ("text/plain", b"a", True),
        ("text/csv", b"a", True),
        ("application/xml", b"<a/>", True),
        ("application/javascript", b"a", True),
        ("application/x-www-form-urlencoded", b"a=b", False),
        ("multipart/form-data; boundary=x", b"a", False),
        ("application/octet-stream", b"\x00\xff", False),
        ("application/vnd.api+json", b"{}", False),
        (None, b"{}", False),
        ("application/json", b'{"a": "\xff"}', False),
    ],
)
def test_text_bodies_are_text_and_others_are_base64(content_type: str | None, body: bytes, *, is_text: bool) -> None:
    headers = (("content-type", content_type),) if content_type else ()

    event = event_of(replace(REQUEST, headers=headers, body=body))

    assert event["isBase64Encoded"] is not is_text
    assert (event["body"].encode() if is_text else base64.b64decode(event["body"])) == body


@pytest.mark.parametrize(
    ("raw_query", "parameters"),
    [
        ("a", {"a": ""}),
        ("a=", {"a": ""}),
        ("a=b=c&&d=+%2B", {"a": "b=c", "d": " +"}),
        ("a=%zz&b=%ff", {"a": "%zz", "b": "�"}),
        ("a;b=1", {"a;b": "1"}),
    ],
)
def test_query_parameters_are_decoded_and_the_raw_query_is_not(raw_query: str, parameters: dict[str, str]) -> None:
    event = event_of(replace(REQUEST, raw_query=raw_query))

    assert event["queryStringParameters"] == parameters
    assert event["rawQueryString"] == raw_query


@pytest.mark.parametrize(
    ("raw", "decoded"), [("/a%20b", "/a b"), ("/%zz", "/%zz"), ("/%ff", "/�"), ("/%2e%2e/a", "/../a")]
)
def test_the_path_is_decoded_and_always_valid_text(raw: str, decoded: str) -> None:
    event = event_of(replace(REQUEST, raw_path=raw))

    assert event["rawPath"] == event["requestContext"]["http"]["path"] == decoded
    json.dumps(event).encode()


def test_an_authorizers_event_has_identity_and_route_and_no_body() -> None:
    event = authorizer_event(REQUEST, MATCH, api=API, identity=["Bearer x", "org_1"])

    assert event["type"] == "REQUEST"
    assert event["version"] == "2.0"
    assert event["identitySource"] == ["Bearer x", "org_1"]
    assert event["routeArn"] == "arn:aws:execute-api:us-east-1:123456789012:api-id/$default/POST/my/path"
    assert event["headers"]["header1"] == "value1"
    assert event.keys().isdisjoint({"body", "isBase64Encoded"})


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ("Hello from Lambda!", b"Hello from Lambda!"),
        ({"message": "Hello from Lambda!"}, b'{"message":"Hello from Lambda!"}'),
        (None, b"null"),
        ([1], b"[1]"),
    ],
)
def test_a_result_without_a_status_is_the_body_of_a_200(answer: object, body: bytes) -> None:
    response = response_of(answer)

    assert (response.status, response.headers, response.body) == (200, (("content-type", "application/json"),), body)


def test_a_result_with_a_status_is_the_response() -> None:
    response = response_of(
        {
            "statusCode": 201,
            "headers": {"X-Number": 7, "X-Truth": True, "Content-Length": 99, "Transfer-Encoding": "chunked"},
            "cookies": ["a=1; HttpOnly", "b=2"],
            "body": "é",
        }
    )

    assert response.status == 201
    assert response.body == "é".encode()
    assert response.headers == (
        ("x-number", "7"),
        ("x-truth", "true"),
        ("content-type", "text/plain;charset=UTF-8"),
        ("set-cookie", "a=1; HttpOnly"),
        ("set-cookie", "b=2"),
    )


def test_a_base64_body_is_decoded() -> None:
    assert response_of({"statusCode": 200, "body": "/wA=", "isBase64Encoded": True}).body == b"\xff\x00"


def test_a_204_has_no_body() -> None:
    assert response_of({"statusCode": "204", "body": "not sent"}).body == b""


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "many"},
        {"statusCode": None},
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "body": "not base64!", "isBase64Encoded": True},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": ["b"]}},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "headers": {"a": "b\r\nset-cookie: c"}},
        {"statusCode": 200, "cookies": ["a=1\nb"]},
    ],
)
def test_a_result_that_is_not_a_valid_http_response_is_malformed(answer: object) -> None:
    with pytest.raises(MalformedAnswer):
        response_of(answer)
