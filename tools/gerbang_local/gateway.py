"""The HTTP API: an ASGI application that handles requests as API Gateway does.

Figures: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html and
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html.
"""

import asyncio
import base64
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from gerbang_local.authorizers import Authorized, LambdaAuthorizers
from gerbang_local.cors import Cors
from gerbang_local.events import BODILESS, Api, MalformedAnswer, Request, Response, function_event, response_of
from gerbang_local.invoker import FunctionFailed, Invoker, NoAnswerInTime
from gerbang_local.pages import Pages
from gerbang_local.routes import Match, Router

LARGEST_BODY: Final = 10 * 1024 * 1024
LARGEST_EVENT: Final = 6 * 1024 * 1024
LARGEST_HEAD: Final = 10_240  # the request line and the values of the headers
_TIMEOUT_SECONDS: Final = 30

log: Final = logging.getLogger(__name__)
access_log: Final = logging.getLogger("gerbang_local.access")

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_TOO_LARGE: Final = Response.of_gateway(413, "Request Entity Too Large")


class _Gone(Exception):
    """The client closed the connection before it sent the whole request."""


class Gateway:
    """Passes requests to functions and returns their responses, with the additions of API Gateway."""

    def __init__(  # noqa: D107 - the class says it
        self,
        *,
        router: Router,
        cors: Cors | None,
        authorizers: LambdaAuthorizers,
        invoker: Invoker,
        api: Api,
        pages: Pages,
    ) -> None:
        self._router: Final = router
        self._cors: Final = cors
        self._authorizers: Final = authorizers
        self._invoker: Final = invoker
        self._api: Final = api
        self._pages: Final = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        started_at = time.perf_counter()
        try:
            response = await self._serve(scope, receive)
        except _Gone:
            return
        except asyncio.CancelledError:  # the server ends
            response = Response.of_gateway(503, "Service Unavailable")
        await _send(response, send)
        milliseconds = (time.perf_counter() - started_at) * 1000
        path = scope["raw_path"].decode("ascii", "backslashreplace")
        access_log.info("%s %s %d %.0f ms", scope["method"], path, response.status, milliseconds)

    async def _serve(self, scope: Scope, receive: Receive) -> Response:
        request = _request(scope)
        if request is None:
            return Response.of_gateway(400, "Bad Request")
        if _head_size(request) > LARGEST_HEAD:
            return Response.of_gateway(431, "Request Header Fields Too Large")
        if request.path.startswith(self._pages.prefix):
            body = await _body(request, receive)
            if body is None:
                return _TOO_LARGE
            return await asyncio.to_thread(self._pages.answer, replace(request, body=body))
        response = await self._respond(request, receive)
        response = self._with_cors(request, response)
        return response.with_headers({"apigw-requestid": request.id})

    async def _respond(self, request: Request, receive: Receive) -> Response:
        match = self._router.match(request.method, request.path)
        if match is None:
            # A preflight that a route takes (ANY or $default do) goes to its function, and past its authorizer:
            # https://github.com/aws/serverless-application-model/issues/1603
            return Response(status=204) if self._is_preflight(request) else Response.of_gateway(404, "Not Found")
        context: Mapping[str, Any] | None = None
        if match.route.authorizer is not None:
            decision = await self._authorizers.authorize(match.route.authorizer, request, match)
            if not isinstance(decision, Authorized):
                return decision
            context = decision.context
        body = await _body(request, receive)
        if body is None:
            return _TOO_LARGE
        event = function_event(replace(request, body=body), match, api=self._api, authorizer=context)
        if len(body) > LARGEST_EVENT // 2 and len(json.dumps(event, ensure_ascii=False).encode()) > LARGEST_EVENT:
            return _TOO_LARGE
        return await self._invoke(match, event)

    async def _invoke(self, match: Match, event: Mapping[str, Any]) -> Response:
        function = match.route.function
        try:
            return response_of(await self._invoker.invoke(function, event, timeout_seconds=_TIMEOUT_SECONDS))
        except FunctionFailed:
            return Response.of_gateway(500, "Internal Server Error")
        except NoAnswerInTime:
            return Response.of_gateway(503, "Service Unavailable")
        except MalformedAnswer as error:
            log.error("%s answered something that is not a response: %s.", function, error)  # noqa: TRY400 - the traceback says nothing
            return Response.of_gateway(500, "Internal Server Error")

    def _is_preflight(self, request: Request) -> bool:
        return (
            self._cors is not None
            and request.method == "OPTIONS"
            and request.header("origin") is not None
            and request.header("access-control-request-method") is not None
        )

    def _with_cors(self, request: Request, response: Response) -> Response:
        origin = request.header("origin")
        if self._cors is None:
            return response
        response = response.without_headers("access-control-")
        if origin is None:
            return response
        preflight = self._is_preflight(request)
        return response.with_headers(
            self._cors.preflight_headers_for(origin) if preflight else self._cors.headers_for(origin)
        )


def _request(scope: Scope) -> Request | None:
    """Return the request without its body; None if its target is not a path."""
    raw_path = scope["raw_path"].decode("ascii", "replace")
    if raw_path.lower().startswith(("http://", "https://")):  # the absolute form of RFC 9112, section 3.2.2
        raw_path = "/" + raw_path.split("//", 1)[1].partition("/")[2]
    if not raw_path.startswith("/"):
        return None
    return Request(
        method=scope["method"],
        raw_path=raw_path,
        raw_query=scope["query_string"].decode("ascii", "replace"),
        protocol=f"HTTP/{scope['http_version']}",
        headers=tuple((name.decode("latin-1").lower(), _text(value)) for name, value in scope["headers"]),
        body=b"",
        source_ip=(scope.get("client") or ("127.0.0.1",))[0],
        port=(scope.get("server") or ("", 0))[1],
        at=datetime.now(UTC),
        id=base64.b64encode(os.urandom(11)).decode(),  # 16 characters, the last of them =, as AWS's are
    )


def _text(value: bytes) -> str:
    """Return a header's value, read as UTF-8 or else as ISO 8859-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _head_size(request: Request) -> int:
    query = f"?{request.raw_query}" if request.raw_query else ""
    request_line = f"{request.method} {request.raw_path}{query} {request.protocol}"
    return len(request_line) + sum(len(value.encode()) for _, value in request.headers)


async def _body(request: Request, receive: Receive) -> bytes | None:
    """Return the body; None as soon as it is known to be too large, without reading the rest."""
    announced = request.header("content-length")
    if announced is not None and int(announced) > LARGEST_BODY:
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Gone
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            return None
        if not message.get("more_body", False):
            return bytes(body)


async def _send(response: Response, send: Send) -> None:
    headers = [(name.encode("ascii"), value.encode()) for name, value in response.headers]
    if response.status not in BODILESS:
        headers.append((b"content-length", str(len(response.body)).encode("ascii")))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
