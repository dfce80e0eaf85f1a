"""Converts a request to the event of a function, and a function's answer to the response to the client.

Payload format 2.0 of HTTP APIs:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html. Where that page
says nothing, observations on AWS are cited.
"""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Self
from urllib.parse import unquote, unquote_plus

from gerbang_local.routes import Match

STAGE: Final = "$default"
_TEXT_TYPES: Final = frozenset({"application/json", "application/xml", "application/javascript"})
_OWNED_BY_THE_GATEWAY: Final = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"})
_LOWEST_STATUS: Final = 200
_HIGHEST_STATUS: Final = 599
BODILESS: Final = frozenset({204, 304})  # RFC 9110, sections 15.3.5 and 15.4.5
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")  # RFC 9110, section 5.5


class MalformedAnswer(Exception):
    """An HTTP API cannot make a response of a function's answer; clients get a 500."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it came over the wire."""

    method: str
    raw_path: str  # as sent, percent-encoded
    raw_query: str  # as sent, without its question mark
    protocol: str  # HTTP/1.1
    headers: tuple[tuple[str, str], ...]  # names in lower case, in the order sent
    body: bytes
    source_ip: str  # of the socket, never of X-Forwarded-For
    port: int  # ours
    at: datetime
    id: str

    @property
    def path(self) -> str:
        """The decoded path, which is matched and is in `rawPath`.

        HTTP APIs decode it in both, despite the name (https://github.com/middleapi/standard-server/pull/93,
        https://github.com/fastify/aws-lambda-fastify/issues/169). Bytes that are not UTF-8 become U+FFFD.
        """
        return unquote(self.raw_path, errors="replace")

    def header(self, name: str) -> str | None:
        """Return the value of the header *name* (lower case), repeated ones joined by a comma; None without it."""
        values = [value for key, value in self.headers if key == name]
        return ",".join(values) if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response to the client."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @classmethod
    def of_json(cls, status: int, document: Any, **headers: str) -> Self:
        """Return a JSON response; header names are given with `_` for `-`."""
        more = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        return cls(
            status=status,
            headers=(("content-type", "application/json"), *more),
            body=json.dumps(document, separators=(",", ":")).encode(),
        )

    @classmethod
    def of_gateway(cls, status: int, message: str) -> Self:
        """Return a response of the gateway itself: `{"message": ...}`."""
        return cls.of_json(status, {"message": message})

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """Return this response with *headers* added."""
        return replace(self, headers=(*self.headers, *headers.items()))

    def without_headers(self, prefix: str) -> Self:
        """Return this response without the headers whose names begin with *prefix* (lower case)."""
        return replace(self, headers=tuple(pair for pair in self.headers if not pair[0].startswith(prefix)))


# --- request to event -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """What events say about the API."""

    account_id: str
    region: str
    api_id: str = "local"

    def route_arn(self, request: Request) -> str:
        """Return the `routeArn` of an authorizer's event."""
        resource = f"{self.api_id}/{STAGE}/{request.method}{request.path}"
        return f"arn:aws:execute-api:{self.region}:{self.account_id}:{resource}"


def function_event(request: Request, match: Match, *, api: Api, authorizer: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the event for the function of *match*; *authorizer* is the context of its authorizer, if it has one."""
    event = _event(request, match, api=api)
    if authorizer is not None:
        event["requestContext"]["authorizer"] = {"lambda": dict(authorizer)}
    return event | _body(request)


def authorizer_event(request: Request, match: Match, *, api: Api, identity: Iterable[str]) -> dict[str, Any]:
    """Return the event for a Lambda authorizer: as for a function, without a body.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html (format 2.0).
    """
    return _event(request, match, api=api) | {
        "type": "REQUEST",
        "routeArn": api.route_arn(request),
        "identitySource": list(identity),
    }


def _event(request: Request, match: Match, *, api: Api) -> dict[str, Any]:
    domain = _domain(request)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": match.route.key,
        "rawPath": request.path,
        "rawQueryString": request.raw_query,
        "headers": _headers(request),
        "requestContext": {
            "accountId": api.account_id,
            "apiId": api.api_id,
            "domainName": domain,
            "domainPrefix": domain.partition(".")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": request.protocol,
                "sourceIp": request.source_ip,
                "userAgent": request.header("user-agent") or "",
            },
            "requestId": request.id,
            "routeKey": match.route.key,
            "stage": STAGE,
            "time": request.at.astimezone(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(request.at.timestamp() * 1000),
        },
    }
    cookies = [
        one
        for name, line in request.headers
        if name == "cookie"
        for cookie in line.split(";")
        if (one := cookie.strip())
    ]
    if cookies:
        event["cookies"] = cookies
    if request.raw_query:
        event["queryStringParameters"] = _query_parameters(request.raw_query)
    if match.path_parameters:
        event["pathParameters"] = dict(match.path_parameters)
    return event


def _domain(request: Request) -> str:
    """Return the host of the request, without its port; an IPv6 address is in brackets."""
    host = request.header("host") or "localhost"
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


def _headers(request: Request) -> dict[str, str]:
    """Return the headers of an event: repeated ones joined, without cookies, with those that AWS adds."""
    headers: dict[str, str] = {}
    for name, value in request.headers:
        if name != "cookie":
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    forwarded = headers.get("x-forwarded-for")
    headers["x-forwarded-for"] = f"{forwarded}, {request.source_ip}" if forwarded else request.source_ip
    headers["x-forwarded-port"] = str(request.port)
    headers["x-forwarded-proto"] = "http"
    headers.setdefault("x-amzn-trace-id", f"Root=1-{int(request.at.timestamp()):08x}-{secrets.token_hex(12)}")
    return headers


def _query_parameters(raw_query: str) -> dict[str, str]:
    """Return the decoded parameters; the values of a repeated one are joined by a comma."""
    parameters: dict[str, str] = {}
    for pair in raw_query.split("&"):
        if pair:
            name, value = (unquote_plus(half, errors="replace") for half in (*pair.split("=", 1), "")[:2])
            parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def _body(request: Request) -> dict[str, Any]:
    """Return `body` and `isBase64Encoded`; no `body` if there was none.

    `text/*` and JSON, XML and JavaScript under `application/` are text. Everything else is sent as base64, also forms
    and bodies without a type (measured on AWS: https://github.com/ministackorg/ministack/pull/766). So is text that is
    not UTF-8, which AWS does not document, so that no byte is lost.
    """
    if not request.body:
        return {"isBase64Encoded": False}
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind in _TEXT_TYPES or kind.startswith("text/"):
        try:
            return {"body": request.body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}


# --- answer to response -----------------------------------------------------------------------------------------------


def response_of(answer: Any) -> Response:
    """Return the response that an HTTP API makes of a function's answer.

    With `statusCode`, the answer is a response. Without it, the answer is the JSON body of a 200.

    Raises:
        MalformedAnswer: a status, header, cookie or body that HTTP cannot carry.
    """
    if not isinstance(answer, dict) or "statusCode" not in answer:
        body = answer if isinstance(answer, str) else json.dumps(answer, separators=(",", ":"))
        return Response(status=200, headers=(("content-type", "application/json"),), body=body.encode())
    status = _status(answer["statusCode"])
    headers = dict(_answer_headers(answer.get("headers") or {}))
    headers.setdefault("content-type", "text/plain;charset=UTF-8")
    cookies = [("set-cookie", _printable(cookie)) for cookie in answer.get("cookies") or ()]
    return Response(
        status=status,
        headers=(*headers.items(), *cookies),
        body=b"" if status in BODILESS else _answer_body(answer),
    )


def _status(given: Any) -> int:
    try:
        status = int(given)
    except (TypeError, ValueError):
        raise MalformedAnswer(f"statusCode is {given!r}") from None
    if not _LOWEST_STATUS <= status <= _HIGHEST_STATUS:
        raise MalformedAnswer(f"statusCode is {status}")
    return status


def _answer_headers(given: Any) -> Iterable[tuple[str, str]]:
    if not isinstance(given, dict):
        raise MalformedAnswer("headers are not an object")
    for name, value in given.items():
        lowered = name.lower()
        if not _TOKEN.fullmatch(lowered):
            raise MalformedAnswer(f"{name!r} is not a header's name")
        if lowered not in _OWNED_BY_THE_GATEWAY:
            yield lowered, _printable(value)


def _printable(value: Any) -> str:
    """Return a header's value as text: numbers and booleans as JSON writes them.

    Raises:
        MalformedAnswer: it is a list, an object or null, or has a control character, which would start a new header.
    """
    text = value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, list | dict) or value is None or _CONTROL.search(text):
        raise MalformedAnswer("a header or cookie is not a line of text")
    return text.strip()


def _answer_body(answer: Mapping[str, Any]) -> bytes:
    body = answer.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedAnswer("body is not text")
    if not answer.get("isBase64Encoded"):
        return body.encode(errors="replace")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        raise MalformedAnswer("body is not base64") from None
