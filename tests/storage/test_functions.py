"""gerbang.storage.functions: another Lambda function, with the real client against a stand-in for Lambda's Invoke."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Final, override

import pytest
from gerbang.storage import clients
from gerbang.storage.functions import LARGEST_ANSWER_BYTES, FunctionFailed, RemoteFunction

ARN: Final = "arn:aws:lambda:eu-west-1:123456789012:function:claims:live"
type Answer = Callable[[BaseHTTPRequestHandler, bytes], None]

pytestmark = pytest.mark.usefixtures("fresh_clients")


@contextmanager
def lambda_that(answers: Answer, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[RemoteFunction, list[str]]]:
    """A function behind an endpoint, and the paths that were asked for."""
    asked: list[str] = []

    class Lambda(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked.append(self.path)
            answers(self, self.rfile.read(int(self.headers["Content-Length"])))

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Lambda) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{server.server_port}")
        yield RemoteFunction(lambda: clients.client("lambda"), ARN), asked
        server.shutdown()


def answer(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def test_the_event_goes_to_the_function_and_its_answer_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def echo(handler: BaseHTTPRequestHandler, event: bytes) -> None:
        answer(handler, json.dumps({"claims": json.loads(event)}).encode())

    with lambda_that(echo, monkeypatch) as (function, asked):
        assert function.invoke(b'{"a": 1}') == b'{"claims": {"a": 1}}'

    [path] = asked
    assert (
        path
        == "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aclaims%3Alive/invocations"
    )


def test_a_function_that_raised_has_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handler: BaseHTTPRequestHandler, _event: bytes) -> None:
        answer(handler, b'{"errorMessage": "the secret of somebody"}', X_Amz_Function_Error="Unhandled")

    with lambda_that(fail, monkeypatch) as (function, _), pytest.raises(FunctionFailed) as failed:
        function.invoke(b"{}")

    assert str(failed.value) == "the function raised an error (Unhandled)"


def test_a_function_that_may_not_be_invoked_is_named_as_aws_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handler: BaseHTTPRequestHandler, _event: bytes) -> None:
        answer(handler, b'{"Message": "not authorized"}', 403, X_Amzn_ErrorType="AccessDeniedException")

    with (
        lambda_that(refuse, monkeypatch) as (function, _),
        pytest.raises(FunctionFailed, match="AccessDeniedException"),
    ):
        function.invoke(b"{}")


def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def flood(handler: BaseHTTPRequestHandler, _event: bytes) -> None:
        answer(handler, b"x" * (LARGEST_ANSWER_BYTES + 1))

    with lambda_that(flood, monkeypatch) as (function, _), pytest.raises(FunctionFailed, match="more than 16384"):
        function.invoke(b"{}")


def test_a_function_that_does_not_answer_is_waited_for_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds each time, and a pause: less than the function's 20 s leave it (tests/storage/test_silence.py)."""

    def hang(_handler: BaseHTTPRequestHandler, _event: bytes) -> None:
        time.sleep(4)

    with lambda_that(hang, monkeypatch) as (function, asked):
        started_at = time.monotonic()
        with pytest.raises(FunctionFailed, match="ReadTimeoutError"):
            function.invoke(b"{}")
        waited = time.monotonic() - started_at

    assert len(asked) == clients.TRIES
    assert clients.TRIES * clients.READ_SECONDS_OF["lambda"] <= waited < 8


def test_a_connection_that_was_closed_meanwhile_is_not_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """F34: an environment that was frozen for a while finds its connections closed."""
    calls: list[int] = []

    def close_second(handler: BaseHTTPRequestHandler, _event: bytes) -> None:
        calls.append(1)
        if len(calls) == 2:
            handler.close_connection = True
            return
        answer(handler, b"{}")

    with lambda_that(close_second, monkeypatch) as (function, _):
        assert [function.invoke(b"{}") for _ in range(2)] == [b"{}", b"{}"]
    assert len(calls) == 3
