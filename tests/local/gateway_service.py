"""A gateway for tests, with handlers that they define."""

import asyncio
import json
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gerbang_local.authorizers import Gatekeeper
from gerbang_local.cors import Cors
from gerbang_local.events import Api
from gerbang_local.functions import LoadedFunction
from gerbang_local.gateway import Gateway
from gerbang_local.google import StandInIssuer
from gerbang_local.invoker import Invoker
from gerbang_local.mailbox import Mailbox
from gerbang_local.operators import OperatorAccess
from gerbang_local.pages import Pages
from gerbang_local.routes import Route, Router
from gerbang_local.stack import Authorizer, Function

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
    """A gateway with handlers by name at `/name`. `/guarded` uses the authorizer `guard`."""

    def __init__(
        self,
        *,
        cors: Cors | None = None,
        with_default: bool = False,
        remembered_seconds: int = 0,
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
            remembered_seconds=remembered_seconds,
        )
        self.invoker = Invoker(functions)
        self.gateway = Gateway(
            router=Router(routes),
            cors=cors,
            gatekeeper=Gatekeeper({"guard": guard}, self.invoker, API),
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
