"""gerbang.http.cloudfront: when requests need the secret header, and which client address is counted then."""

from collections.abc import Iterator
from hashlib import sha256
from http import HTTPStatus
from typing import Any, Final

import pytest
from gerbang.apis.errors import COMMON
from gerbang.core.init import LambdaHandler
from gerbang.http.cloudfront import VARIABLE
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.errors import Api, Problem
from gerbang.http.request import Request
from gerbang_local.declarations import endpoints

from tests.fakes import RecordingLog
from tests.gateway_events import body_of, http_event

SECRET: Final = "q7yC0kXcUS3H7o5vZpW6jX2uE0mPnB4sT9aLrD1fGhI="
HASH: Final = sha256(SECRET.encode()).hexdigest()
CLOUDFRONT: Final = "64.252.73.10"
VIEWER: Final = "198.51.100.7"


def envelope(problem: Problem, _request: Request) -> dict[str, Any]:
    return {"code": problem.code, "message": problem.message}


API: Final = Api(name="Tests", errors=COMMON, envelope=envelope, error_response=dict[str, Any])


pytestmark = pytest.mark.usefixtures("endpoint_log")


def handler() -> LambdaHandler:
    """The handler of an endpoint that answers the client address that limits count."""
    endpoint = Endpoint("/address")

    @endpoint.get(API)
    def show(call: Call[None, None]) -> dict[str, str]:
        return {"address": call.client.address}

    return endpoint.handler()


def request(headers: dict[str, str], *, method: str = "GET", source_ip: str = CLOUDFRONT) -> dict[str, Any]:
    event = http_event(method=method, path="/address", headers=headers)
    event["requestContext"]["http"]["sourceIp"] = source_ip
    return event


@pytest.fixture
def behind_cloudfront(monkeypatch: pytest.MonkeyPatch) -> LambdaHandler:
    """The endpoint in a stack that accepts only requests of CloudFront."""
    monkeypatch.setenv(VARIABLE, HASH)
    return handler()


@pytest.mark.parametrize("variable", [None, ""])
def test_without_the_setting_the_headers_are_ignored(monkeypatch: pytest.MonkeyPatch, variable: str | None) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if variable is not None:
        monkeypatch.setenv(VARIABLE, variable)

    answer = handler()(request({"x-origin-secret": SECRET, "x-forwarded-for": f"{VIEWER}, {CLOUDFRONT}"}), None)

    assert body_of(answer) == {"address": CLOUDFRONT}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-origin-secret": ""},
        {"x-origin-secret": HASH},
        {"x-origin-secret": SECRET + " "},
        {"x-origin-secret": f"{SECRET},{SECRET}"},
        {"x-origin-secret": "ü\ud800"},
    ],
)
def test_a_request_that_did_not_come_through_cloudfront_is_403(
    behind_cloudfront: LambdaHandler, endpoint_log: RecordingLog, headers: dict[str, str]
) -> None:
    answer = behind_cloudfront(request(headers), None)

    assert answer["statusCode"] == HTTPStatus.FORBIDDEN
    assert body_of(answer)["code"] == "not_through_cloudfront"
    assert "CloudFront" in body_of(answer)["message"]
    assert endpoint_log.events == ["not_through_cloudfront"]


@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_the_header_is_checked_before_the_method(behind_cloudfront: LambdaHandler, method: str) -> None:
    preflight = {"origin": "https://example.com", "access-control-request-method": "GET"}

    assert behind_cloudfront(request(preflight, method=method), None)["statusCode"] == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    ("forwarded_for", "address"),
    [
        (f"{VIEWER}, {CLOUDFRONT}", VIEWER),
        (VIEWER, VIEWER),  # if API Gateway does not append its own
        (f"203.0.113.99, 10.0.0.1, {VIEWER}, {CLOUDFRONT}", VIEWER),  # the client made up the first two
        (f"{VIEWER},{CLOUDFRONT}", VIEWER),
        (f"2001:db8:1:2:3:4:5:6, {CLOUDFRONT}", "2001:db8:1:2::/64"),
        (f"not an address, {CLOUDFRONT}", CLOUDFRONT),
        (CLOUDFRONT, CLOUDFRONT),
        ("", CLOUDFRONT),
        (None, CLOUDFRONT),
    ],
)
def test_limits_count_the_address_that_cloudfront_saw(
    behind_cloudfront: LambdaHandler, forwarded_for: str | None, address: str
) -> None:
    headers = {"x-origin-secret": SECRET} | ({} if forwarded_for is None else {"x-forwarded-for": forwarded_for})

    answer = behind_cloudfront(request(headers), None)

    assert body_of(answer) == {"address": address}


def test_two_secrets_are_accepted_during_a_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"{sha256(b'the next one').hexdigest()},{HASH}")
    changing = handler()

    answers = [changing(request({"x-origin-secret": secret}), None) for secret in (SECRET, "the next one", "another")]

    assert [answer["statusCode"] for answer in answers] == [HTTPStatus.OK, HTTPStatus.OK, HTTPStatus.FORBIDDEN]


@pytest.fixture
def every_handler(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, LambdaHandler]]:
    declared = endpoints()
    monkeypatch.setenv(VARIABLE, HASH)
    yield {logical_id: endpoint.handler() for logical_id, endpoint in declared.items()}
    monkeypatch.delenv(VARIABLE)
    for endpoint in declared.values():
        endpoint.handler()


def test_every_endpoint_checks_the_header(every_handler: dict[str, LambdaHandler]) -> None:
    answers = {name: each(request({}), None)["statusCode"] for name, each in every_handler.items()}

    assert {"JwksFunction", "DefaultFunction"} <= answers.keys()
    assert set(answers.values()) == {HTTPStatus.FORBIDDEN}
