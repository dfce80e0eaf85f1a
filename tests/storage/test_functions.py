"""gerbang.storage.functions: invoking another Lambda function, with the real client and a fake of Lambda's Invoke."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, override

import pytest
from gerbang.storage import clients
from gerbang.storage.functions import LARGEST_ANSWER_BYTES, FunctionFailed, RemoteFunction

from tests.http_servers import Handler, serving

ARN: Final = "arn:aws:lambda:eu-west-1:123456789012:function:claims:live"
type Answer = Callable[[Handler, bytes], None]

pytestmark = pytest.mark.usefixtures("new_clients")


@contextmanager
def lambda_that(answers: Answer, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[RemoteFunction, list[str]]]:
    """Yield a function that answers so, and the list of paths that are requested."""
    paths: list[str] = []

    class Lambda(Handler):
        @override
        def respond(self, body: bytes) -> None:
            paths.append(self.path)
            answers(self, body)

    with serving(Lambda) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{port}")
        yield RemoteFunction(lambda: clients.client("lambda"), ARN), paths


def test_the_event_is_sent_to_the_function_and_its_answer_is_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    def echo(handler: Handler, event: bytes) -> None:
        handler.reply(json.dumps({"claims": json.loads(event)}).encode())

    with lambda_that(echo, monkeypatch) as (function, paths):
        assert function.invoke(b'{"a": 1}') == b'{"claims": {"a": 1}}'

    [path] = paths
    assert (
        path
        == "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Aclaims%3Alive/invocations"
    )


def test_the_message_of_a_function_that_raised_is_not_revealed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(handler: Handler, _event: bytes) -> None:
        handler.reply(b'{"errorMessage": "a secret"}', X_Amz_Function_Error="Unhandled")

    with lambda_that(fail, monkeypatch) as (function, _), pytest.raises(FunctionFailed) as failed:
        function.invoke(b"{}")

    assert str(failed.value) == "the function raised an error (Unhandled)"


def test_a_missing_permission_is_reported_with_the_error_code_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handler: Handler, _event: bytes) -> None:
        handler.reply(b'{"Message": "not authorized"}', 403, X_Amzn_ErrorType="AccessDeniedException")

    with (
        lambda_that(refuse, monkeypatch) as (function, _),
        pytest.raises(FunctionFailed, match="AccessDeniedException"),
    ):
        function.invoke(b"{}")


def test_an_answer_that_is_too_large_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    def flood(handler: Handler, _event: bytes) -> None:
        handler.reply(b"x" * (LARGEST_ANSWER_BYTES + 1))

    with lambda_that(flood, monkeypatch) as (function, _), pytest.raises(FunctionFailed, match="more than 16384"):
        function.invoke(b"{}")


def test_a_function_that_does_not_answer_is_tried_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds each and a pause between: this fits into the caller's 20 s (tests/storage/test_silence.py)."""

    def hang(_handler: Handler, _event: bytes) -> None:
        time.sleep(4)

    with lambda_that(hang, monkeypatch) as (function, paths):
        started_at = time.monotonic()
        with pytest.raises(FunctionFailed, match="ReadTimeoutError"):
            function.invoke(b"{}")
        waited = time.monotonic() - started_at

    assert len(paths) == clients.TRIES
    assert clients.TRIES * clients.READ_SECONDS_OF["lambda"] <= waited < 8


def test_a_closed_connection_is_not_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """F34: after Lambda has frozen an environment, its connections are closed."""
    calls: list[int] = []

    def close_second(handler: Handler, _event: bytes) -> None:
        calls.append(1)
        if len(calls) == 2:
            handler.close_connection = True
            return
        handler.reply(b"{}")

    with lambda_that(close_second, monkeypatch) as (function, _):
        assert [function.invoke(b"{}") for _ in range(2)] == [b"{}", b"{}"]
    assert len(calls) == 3
