"""The HTTP API in process: limits, CORS, authorizers and failures, on functions of the tests' own."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gerbang_local import gateway as gateway_module
from gerbang_local.authorizers import LambdaAuthorizers
from gerbang_local.cors import Cors
from gerbang_local.events import Api
from gerbang_local.functions import LoadedFunction
from gerbang_local.gateway import Gateway
from gerbang_local.google import StandInIssuer
from gerbang_local.http_api import Authorizer
from gerbang_local.invoker import Invoker
from gerbang_local.mailbox import Mailbox
from gerbang_local.operators import OperatorAccess
from gerbang_local.pages import Pages
from gerbang_local.routes import Route, Router
from gerbang_local.stack import Function

type Handler = Callable[[Any, Any], Any]

API = Api(account_id="123456789012", region="us-east-1")
ORIGIN = "https://app.example"
PREFLIGHT = {"origin": ORIGIN, "access-control-request-method": "POST"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    body_read: int = field(compare=False)

    @property
    def message(self) -> str:
        return str(json.loads(self.body)["message"])


class Service:
    """A gateway before handlers given by name; `/name` leads to each, `/guarded` through the authorizer `guard`."""

    def __init__(
        self,
        *,
        cors: Cors | None = None,
        with_default: bool = False,
        cache_seconds: int = 0,
        timeout_seconds: int = 5,
        **handlers: Handler,
    ) -> None:
        functions = {name: loaded(name, handler, timeout_seconds) for name, handler in handlers.items()}
        routes = [
            Route(method="POST", path=f"/{name}", function=name, authorizer="guard" if name == "guarded" else None)
            for name in functions
        ]
        if with_default:
            routes.append(Route(method="ANY", path="$default", function="default", authorizer=None))
        guard = Authorizer(
            function="guard",
            headers=("authorization", "x-organization-id"),
            query_parameters=(),
            cache_seconds=cache_seconds,
        )
        self.invoker = Invoker(functions)
        self.gateway = Gateway(
            router=Router(routes),
            cors=cors,
            authorizers=LambdaAuthorizers({"guard": guard}, self.invoker, API),
            invoker=self.invoker,
            api=API,
            pages=Pages(
                mailbox=Mailbox(now=lambda: pytest.fail("no mail here")),
                sessions=None,
                issuer=StandInIssuer("client"),
                routes=routes,
                publishable_key="pk",
                secret_key=None,
                operators=OperatorAccess(outputs={}, dynamodb_endpoint=None),
            ),
        )

    def ask(
        self,
        path: str,
        *,
        method: str = "POST",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        chunk: int = 65_536,
    ) -> Answer:
        return asyncio.run(self.answer(path, method=method, headers=headers or {}, body=body, chunk=chunk))

    async def answer(self, path: str, *, method: str, headers: dict[str, str], body: bytes, chunk: int) -> Answer:
        raw_path, _, query = path.encode().partition(b"?")
        scope = {
            "type": "http",
            "method": method,
            "http_version": "1.1",
            "raw_path": raw_path,
            "query_string": query,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": ("192.0.2.1", 50_000),
            "server": ("127.0.0.1", 3000),
        }
        chunks = [body[start : start + chunk] for start in range(0, len(body), chunk)] or [b""]
        read = 0
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            nonlocal read
            read += 1
            return {"type": "http.request", "body": chunks[read - 1], "more_body": read < len(chunks)}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await self.gateway(scope, receive, send)
        started, finished = sent
        return Answer(
            status=started["status"],
            headers={name.decode(): value.decode() for name, value in started["headers"]},
            body=finished["body"],
            body_read=sum(len(one) for one in chunks[:read]),
        )


def loaded(name: str, handler: Handler, timeout_seconds: int) -> LoadedFunction:
    described = Function(
        logical_id=name,
        name=name,
        arn=f"arn:{name}",
        folder=Path(),
        handler="app.handler",
        environment={},
        layers=(),
        timeout_seconds=timeout_seconds,
        memory_mb=512,
    )
    return LoadedFunction(described=described, handler=handler)


def echo(event: Any, _context: Any) -> Any:
    return event


def raising(event: Any, _context: Any) -> Any:
    raise RuntimeError(event["headers"].get("say", "boom"))


def event_from(answer: Answer) -> Any:
    assert answer.status == 200
    return json.loads(answer.body)


def test_a_request_reaches_its_function_and_the_answer_its_client() -> None:
    answer = Service(echo=echo).ask("/echo?a=1", headers={"content-type": "application/json"}, body=b'{"b": 2}')

    event = event_from(answer)
    assert event["routeKey"] == "POST /echo"
    assert event["body"] == '{"b": 2}'
    assert event["queryStringParameters"] == {"a": "1"}
    assert event["requestContext"]["http"]["sourceIp"] == "192.0.2.1"
    assert answer.headers["apigw-requestid"] == event["requestContext"]["requestId"]
    assert answer.headers["content-length"] == str(len(answer.body))


def test_a_handler_sees_its_context() -> None:
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
def test_a_target_that_is_no_path_is_a_bad_request(target: str) -> None:
    assert Service(echo=echo).ask(target).status == 400


def test_an_absolute_target_is_its_path() -> None:
    assert event_from(Service(echo=echo).ask("http://anywhere.example/echo?a=1"))["rawPath"] == "/echo"


def test_header_bytes_of_any_kind_become_text() -> None:
    headers = event_from(Service(echo=echo).ask("/echo", headers={"a": "\xff\xfe", "b": "\xc3\xa9"}))["headers"]

    assert headers["a"] == "\xff\xfe"
    assert headers["b"] == "é"


def test_a_body_above_10_mb_is_refused_unread() -> None:
    body = b"x" * (10 * 1024 * 1024 + 1)

    announced = Service(echo=echo).ask("/echo", headers={"content-length": str(len(body))}, body=body)
    streamed = Service(echo=echo).ask("/echo", body=body + b"x" * 1_000_000)

    assert (announced.status, announced.message, announced.body_read) == (413, "Request Entity Too Large", 0)
    assert (streamed.status, streamed.message) == (413, "Request Entity Too Large")
    assert streamed.body_read <= 10 * 1024 * 1024 + 65_536


@pytest.mark.parametrize(("size", "status"), [(4 * 1024 * 1024, 200), (5 * 1024 * 1024, 413)])
def test_an_event_above_6_mb_is_refused(size: int, status: int) -> None:
    def length(event: Any, _context: Any) -> Any:
        return len(event["body"])

    assert Service(f=length).ask("/f", body=b"x" * size).status == status  # as base64, four thirds of it


def test_a_head_above_10_240_bytes_is_refused() -> None:
    rest = len("POST /echo HTTP/1.1")

    assert Service(echo=echo).ask("/echo", headers={"a": "x" * (10_240 - rest)}).status == 200
    refused = Service(echo=echo).ask("/echo", headers={"a": "x" * (10_241 - rest)})
    assert (refused.status, refused.message) == (431, "Request Header Fields Too Large")


def test_a_function_that_raises_is_a_500_with_its_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    answer = Service(raising=raising).ask("/raising")

    assert (answer.status, answer.message) == (500, "Internal Server Error")
    assert "RuntimeError: boom" in caplog.text
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("answer", [{"statusCode": "x"}, {"statusCode": 200, "body": {}}, {1, 2}])
def test_an_answer_that_is_no_response_is_a_500(answer: Any) -> None:
    assert Service(f=lambda _event, _context: answer).ask("/f").status == 500


def test_a_function_that_overruns_its_timeout_is_a_500() -> None:
    done = threading.Event()

    answer = Service(slow=lambda _event, _context: done.wait(10), timeout_seconds=1).ask("/slow")

    done.set()
    assert (answer.status, answer.message) == (500, "Internal Server Error")


def test_a_function_that_outlasts_the_gateway_is_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "_TIMEOUT_SECONDS", 0.2)
    done = threading.Event()

    answer = Service(slow=lambda _event, _context: done.wait(10)).ask("/slow")

    done.set()
    assert (answer.status, answer.message) == (503, "Service Unavailable")


def test_sixty_four_requests_run_at_once() -> None:
    everyone = threading.Barrier(64)
    service = Service(meet=lambda _event, _context: everyone.wait(20))

    async def all_of_them() -> list[Answer]:
        ask = [service.answer("/meet", method="POST", headers={}, body=b"", chunk=1) for _ in range(64)]
        return await asyncio.gather(*ask)

    assert {answer.status for answer in asyncio.run(all_of_them())} == {200}


# --- CORS -------------------------------------------------------------------------------------------------------------

CORS = Cors(
    origins=(ORIGIN, "http://*"),
    methods=("GET", "POST"),
    headers=("authorization",),
    exposed_headers=("retry-after",),
    max_age_seconds=600,
    allows_credentials=True,
)


def cors_headers(answer: Answer) -> dict[str, str]:
    prefix = "access-control-"
    return {name.removeprefix(prefix): value for name, value in answer.headers.items() if name.startswith(prefix)}


def test_the_gateway_answers_a_preflight_that_no_route_takes() -> None:
    answer = Service(cors=CORS, echo=raising).ask("/echo", method="OPTIONS", headers=PREFLIGHT)

    assert answer.status == 204
    assert answer.body == b""
    assert "content-length" not in answer.headers
    assert cors_headers(answer) == {
        "allow-origin": ORIGIN,
        "allow-credentials": "true",
        "allow-methods": "GET,POST",
        "allow-headers": "authorization",
        "expose-headers": "retry-after",
        "max-age": "600",
    }


def test_a_preflight_that_a_catch_all_takes_goes_to_its_function() -> None:
    def default(_event: Any, _context: Any) -> Any:
        return {"statusCode": 405, "headers": {"access-control-allow-origin": "https://evil.example"}}

    answer = Service(cors=CORS, with_default=True, default=default).ask("/x", method="OPTIONS", headers=PREFLIGHT)

    assert answer.status == 405
    assert cors_headers(answer)["allow-origin"] == ORIGIN
    assert cors_headers(answer)["allow-methods"] == "GET,POST"


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"origin": ORIGIN}, ORIGIN),
        ({"origin": "http://any.example"}, "http://any.example"),
        ({"origin": "https://app.example.evil"}, None),
        ({"origin": "null"}, None),
        ({}, None),
    ],
)
def test_answers_carry_the_gateways_cors_headers_and_not_the_functions(
    headers: dict[str, str], allowed: str | None
) -> None:
    def own(_event: Any, _context: Any) -> Any:
        return {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "https://evil.example"}}

    answer = Service(cors=CORS, own=own).ask("/own", headers=headers)

    assert cors_headers(answer).get("allow-origin") == allowed
    assert ("expose-headers" in cors_headers(answer)) is (allowed is not None)


def test_refusals_of_the_gateway_carry_cors_headers_too() -> None:
    answer = Service(cors=CORS, guarded=echo, guard=echo).ask("/guarded", headers={"origin": ORIGIN})

    assert answer.status == 401
    assert cors_headers(answer)["allow-origin"] == ORIGIN


def test_every_origin_is_a_star() -> None:
    answer = Service(cors=Cors(origins=("*",)), echo=echo).ask("/echo", headers={"origin": ORIGIN})

    assert cors_headers(answer) == {"allow-origin": "*"}


def test_without_cors_a_functions_own_headers_pass() -> None:
    def own(_event: Any, _context: Any) -> Any:
        return {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}}

    service = Service(own=own)

    assert cors_headers(service.ask("/own", headers={"origin": ORIGIN})) == {"allow-origin": "*"}
    assert service.ask("/own", method="OPTIONS", headers=PREFLIGHT).status == 404


# --- authorizers ------------------------------------------------------------------------------------------------------

IDENTITY = {"authorization": "Bearer x", "x-organization-id": "org_1"}


@pytest.mark.parametrize("missing", ["authorization", "x-organization-id"])
@pytest.mark.parametrize("value", [None, ""])
def test_without_every_identity_source_the_authorizer_is_not_asked(missing: str, value: str | None) -> None:
    headers = {name: given for name, given in (IDENTITY | {missing: value}).items() if given is not None}

    answer = Service(guard=lambda _event, _context: pytest.fail("asked"), guarded=echo).ask("/guarded", headers=headers)

    assert (answer.status, answer.message) == (401, "Unauthorized")


def test_an_admitted_request_carries_the_authorizers_context() -> None:
    asked = []

    def guard(event: Any, _context: Any) -> Any:
        asked.append(event)
        return {"isAuthorized": True, "context": {"userId": "1", "scopes": ["a"]}}

    answer = Service(guard=guard, guarded=echo).ask("/guarded", headers=IDENTITY, body=b"{}")

    assert event_from(answer)["requestContext"]["authorizer"] == {"lambda": {"userId": "1", "scopes": ["a"]}}
    assert asked[0]["identitySource"] == ["Bearer x", "org_1"]
    assert asked[0]["routeKey"] == "POST /guarded"


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        ({"isAuthorized": False}, 403, "Forbidden"),
        ({}, 500, "Internal Server Error"),
        (None, 500, "Internal Server Error"),
        ({"isAuthorized": "true"}, 500, "Internal Server Error"),
    ],
)
def test_an_authorizers_answer_is_read_as_aws_reads_it(answer: object, status: int, message: str) -> None:
    refused = Service(guard=lambda _event, _context: answer, guarded=echo).ask("/guarded", headers=IDENTITY)

    assert (refused.status, refused.message) == (status, message)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("Unauthorized", 401, "Unauthorized"),
        ("unauthorized", 500, "Internal Server Error"),
        ("boom", 500, "Internal Server Error"),
    ],
)
def test_an_authorizer_that_raises_unauthorized_says_401(words: str, status: int, message: str) -> None:
    refused = Service(guard=raising, guarded=echo).ask("/guarded", headers=IDENTITY | {"say": words})

    assert (refused.status, refused.message) == (status, message)


@pytest.fixture
def counted() -> tuple[Handler, list[int]]:
    calls = [0]

    def guard(_event: Any, _context: Any) -> Any:
        calls[0] += 1
        return {"isAuthorized": True, "context": {"call": calls[0]}}

    return guard, calls


def test_an_authorizer_is_remembered_by_identity_for_as_long_as_told(counted: tuple[Handler, list[int]]) -> None:
    guard, calls = counted
    service = Service(guard=guard, guarded=echo, cache_seconds=1)

    first = service.ask("/guarded", headers=IDENTITY)
    again = service.ask("/guarded", headers=IDENTITY)
    other = service.ask("/guarded", headers=IDENTITY | {"x-organization-id": "org_2"})
    time.sleep(1.05)
    later = service.ask("/guarded", headers=IDENTITY)

    contexts = [event_from(one)["requestContext"]["authorizer"]["lambda"] for one in (first, again, other, later)]
    assert contexts == [{"call": 1}, {"call": 1}, {"call": 2}, {"call": 3}]
    assert calls == [3]


def test_an_authorizer_that_is_not_remembered_is_asked_every_time(counted: tuple[Handler, list[int]]) -> None:
    guard, calls = counted
    service = Service(guard=guard, guarded=echo)

    for _ in range(3):
        service.ask("/guarded", headers=IDENTITY)

    assert calls == [3]
