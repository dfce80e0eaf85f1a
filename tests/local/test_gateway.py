"""The HTTP API of `make run`: requests, limits and failures, with functions defined by the tests."""

import asyncio
import json
import threading
from typing import Any

import pytest
from gerbang_local import gateway as gateway_module

from tests.local.gateway_service import (
    Answer,
    Service,
    echo,
    event_from,
    raising,
)


def test_a_request_is_passed_to_its_function_and_the_response_to_the_client() -> None:
    answer = Service(echo=echo).ask("/echo?a=1", headers={"content-type": "application/json"}, body=b'{"b": 2}')

    event = event_from(answer)
    assert event["routeKey"] == "POST /echo"
    assert event["body"] == '{"b": 2}'
    assert event["queryStringParameters"] == {"a": "1"}
    assert event["requestContext"]["http"]["sourceIp"] == "192.0.2.1"
    assert answer.headers["apigw-requestid"] == event["requestContext"]["requestId"]
    assert answer.headers["content-length"] == str(len(answer.body))


def test_a_handler_receives_its_context() -> None:
    def handler(_event: Any, context: Any) -> Any:
        left = context.get_remaining_time_in_millis()
        return [context.function_name, context.memory_limit_in_mb, context.invoked_function_arn, 0 < left <= 5000]

    assert json.loads(Service(f=handler).ask("/f").body) == ["f", "512", "arn:f", True]


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/echo"), ("POST", "/nowhere"), ("POST", "/echo/"), ("TRACE", "/echo")]
)
def test_a_request_without_a_route_is_not_found(method: str, path: str) -> None:
    answer = Service(echo=echo).ask(path, method=method)

    assert (answer.status, answer.message) == (404, "Not Found")


@pytest.mark.parametrize("target", ["*", "example.com:443", "echo"])
def test_a_target_that_is_not_a_path_is_a_bad_request(target: str) -> None:
    assert Service(echo=echo).ask(target).status == 400


def test_the_path_of_an_absolute_target_is_used() -> None:
    assert event_from(Service(echo=echo).ask("http://anywhere.example/echo?a=1"))["rawPath"] == "/echo"


def test_header_bytes_of_any_encoding_become_text() -> None:
    headers = event_from(Service(echo=echo).ask("/echo", headers={"a": "\xff\xfe", "b": "\xc3\xa9"}))["headers"]

    assert headers["a"] == "\xff\xfe"
    assert headers["b"] == "é"


def test_a_body_above_10_mb_is_413_and_not_read_completely() -> None:
    body = b"x" * (10 * 1024 * 1024 + 1)

    announced = Service(echo=echo).ask("/echo", headers={"content-length": str(len(body))}, body=body)
    streamed = Service(echo=echo).ask("/echo", body=body + b"x" * 1_000_000)

    assert (announced.status, announced.message, announced.body_read) == (413, "Request Entity Too Large", 0)
    assert (streamed.status, streamed.message) == (413, "Request Entity Too Large")
    assert streamed.body_read <= 10 * 1024 * 1024 + 65_536


@pytest.mark.parametrize(("size", "status"), [(4 * 1024 * 1024, 200), (5 * 1024 * 1024, 413)])
def test_an_event_above_6_mb_is_413(size: int, status: int) -> None:
    def length(event: Any, _context: Any) -> Any:
        return len(event["body"])

    assert Service(f=length).ask("/f", body=b"x" * size).status == status  # base64 makes it a third larger


def test_headers_above_10_240_bytes_are_431() -> None:
    rest = len("POST /echo HTTP/1.1")

    assert Service(echo=echo).ask("/echo", headers={"a": "x" * (10_240 - rest)}).status == 200
    too_large = Service(echo=echo).ask("/echo", headers={"a": "x" * (10_241 - rest)})
    assert (too_large.status, too_large.message) == (431, "Request Header Fields Too Large")


def test_a_function_that_raises_gets_500_and_a_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    answer = Service(raising=raising).ask("/raising")

    assert (answer.status, answer.message) == (500, "Internal Server Error")
    assert "RuntimeError: boom" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("answer", [{"statusCode": "x"}, {"statusCode": 200, "body": {}}, {1, 2}])
def test_an_invalid_result_is_a_500(answer: Any) -> None:
    assert Service(f=lambda _event, _context: answer).ask("/f").status == 500


def test_a_function_that_exceeds_its_timeout_is_a_500() -> None:
    done = threading.Event()

    answer = Service(slow=lambda _event, _context: done.wait(10), timeout_seconds=1).ask("/slow")

    done.set()
    assert (answer.status, answer.message) == (500, "Internal Server Error")


def test_a_function_that_exceeds_the_gateways_timeout_is_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "_PATIENCE_SECONDS", 0.2)
    done = threading.Event()

    answer = Service(slow=lambda _event, _context: done.wait(10)).ask("/slow")

    done.set()
    assert (answer.status, answer.message) == (503, "Service Unavailable")


def test_sixty_four_requests_run_concurrently() -> None:
    barrier = threading.Barrier(64)
    service = Service(meet=lambda _event, _context: barrier.wait(20))

    async def all_of_them() -> list[Answer]:
        requests = [service.answer("/meet", method="POST", headers={}, body=b"", chunk=1) for _ in range(64)]
        return await asyncio.gather(*requests)

    assert {answer.status for answer in asyncio.run(all_of_them())} == {200}
