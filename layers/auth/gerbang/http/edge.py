"""API Gateway's event in, its response out (HTTP API, payload format 2.0). Knows HTTP, knows nothing of auth."""

import json
import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from gerbang.core import init
from gerbang.core.errors import AuthError
from gerbang.core.log import request_id

if TYPE_CHECKING:
    from pydantic import BaseModel

LARGEST_BODY: Final = 16 * 1024
"""Bytes. Every request of the contracts fits many times over."""

_HEADERS: Final = {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
}
"""On every answer (ASVS 3.4, 14.3.2; OWASP REST Security cheat sheet)."""

_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")

DEEPEST_BODY: Final = 32
"""Objects and arrays within one another. The contracts' requests have one; metadata of Supabase's clients a few."""

ANY: Final = "ANY"
"""Every method, for `endpoint`."""


class MalformedBody(AuthError):
    """The body is not one JSON object in UTF-8 (RFC 8259), or names a member twice."""


class BodyTooLarge(AuthError):
    """The body is above 16 KiB."""


class UnsupportedMediaType(AuthError):
    """The request has a body and calls it something other than JSON."""


class MethodNotAllowed(AuthError):
    """The path exists, but not with this method; `allowed` is the one it has."""

    def __init__(self, allowed: str) -> None:
        """Keep the method for the `Allow` header."""
        super().__init__(allowed)
        self.allowed = allowed


class NoSuchPath(AuthError):
    """There is nothing at this path."""


class MissingBearer(AuthError):
    """There is no `Authorization: Bearer …`, or it is malformed (RFC 6750, section 2.1)."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field of a request, in words for whoever calls."""

    field: str
    message: str


class InvalidFields(AuthError):
    """Fields are missing or not what they must be."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        """Keep which, and what is wrong with them; never what was sent."""
        super().__init__(", ".join(error.field for error in errors))
        self.errors = errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as API Gateway saw it."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case; repeated ones joined with a comma."""
    query: Mapping[str, str]
    body: Mapping[str, Any] = field(repr=False)
    """The members of the JSON body; empty where there was none."""
    source_ip: str
    """The address of the socket, from the gateway; what a header says of addresses is never read."""
    authorizer: Mapping[str, Any]
    """What the Lambda authorizer handed on; empty on routes without one."""
    route: str = ""
    """The route key that matched, such as `ANY /api/auth/login` or `$default`: what logs may say of the path."""

    @property
    def user_agent(self) -> str:
        """What the client calls itself; empty if nothing."""
        return self.headers.get("user-agent", "")

    def parse[M: BaseModel](self, model: type[M]) -> M:
        """Return the body as a model of it.

        Raises:
            InvalidFields: a field is missing or not what the model says.
        """
        from pydantic import ValidationError  # noqa: PLC0415 - imported already by whoever has a model

        try:
            return model.model_validate(self.body)
        except ValidationError as error:
            raise InvalidFields(
                tuple(
                    FieldError(".".join(map(str, detail["loc"])), detail["msg"])
                    for detail in error.errors(include_url=False, include_context=False, include_input=False)
                )
            ) from None

    def bearer(self) -> str:
        """Return the token of the `Authorization` header.

        Raises:
            MissingBearer: there is none.
        """
        scheme, _, token = self.headers.get("authorization", "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or not token.isascii() or "," in token or " " in token:
            raise MissingBearer
        return token


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: a status, a JSON object, and headers beyond those that every answer has."""

    status: int
    body: Mapping[str, Any] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)


class Renderer(Protocol):
    """Words a refusal, or a failure of ours, in one contract's envelope."""

    def __call__(self, error: Exception, request: Request) -> Response:
        """Return the answer to a request that *error* ended."""
        ...


def ok(body: Mapping[str, Any]) -> Response:
    """Return 200 with a body."""
    return Response(200, body)


def created(body: Mapping[str, Any]) -> Response:
    """Return 201 with a body."""
    return Response(201, body)


def rehearse(read: Callable[[Request], object]) -> None:
    """Have an empty request read while init lasts: what reading one needs is imported and built then.

    *read* is what a handler calls to make sense of a request. It refuses this one, and nobody hears of that.
    """
    init.preload(lambda: _read_in_vain(read))


def _read_in_vain(read: Callable[[Request], object]) -> None:
    with suppress(AuthError):
        read(Request(method="POST", path="", headers={}, query={}, body={}, source_ip="", authorizer={}))


def endpoint(method: str, render: Renderer) -> Callable[[Callable[[Request], Response]], init.LambdaHandler]:
    """Return a decorator that makes a Lambda handler of a function from request to response.

    Preflights are answered 204; API Gateway adds the CORS headers. Else the handler answers one HTTP *method*, or
    `ANY`, and words by *render* whatever is raised: a request always has an answer, JSON, and never a stack trace.
    """

    def decorate(respond: Callable[[Request], Response]) -> init.LambdaHandler:
        @wraps(respond)
        def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
            request_id.set(str(event.get("requestContext", {}).get("requestId", "")))
            request = request_of(event)
            if _is_preflight(request):
                return {"statusCode": HTTPStatus.NO_CONTENT.value}
            try:
                _demand_method(request, method)
                request = _with_body(request, event)
                response = respond(request)
            except Exception as error:  # noqa: BLE001 - the one place where everything is caught (ASVS 16.5.4)
                response = render(error, request)
            return _answer(response)

        return init.finish_init(handler)

    return decorate


def _is_preflight(request: Request) -> bool:
    """Say whether a browser asks what a page may send (Fetch standard, CORS-preflight request)."""
    return request.method == "OPTIONS" and {"origin", "access-control-request-method"} <= request.headers.keys()


def _demand_method(request: Request, method: str) -> None:
    if method not in {request.method, ANY}:
        raise MethodNotAllowed(method)


def request_of(event: Mapping[str, Any]) -> Request:
    """Return the request of an event, without its body."""
    context = event["requestContext"]
    return Request(
        method=context["http"]["method"],
        path=event.get("rawPath", ""),
        route=event.get("routeKey") or context.get("routeKey", ""),
        headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
        query=event.get("queryStringParameters") or {},
        body={},
        source_ip=context["http"].get("sourceIp", ""),
        authorizer=(context.get("authorizer") or {}).get("lambda") or {},
    )


def _with_body(request: Request, event: Mapping[str, Any]) -> Request:
    text = event.get("body")
    if not text:
        return request
    if len(text) > LARGEST_BODY * 4 // 3 + 4:  # longer than that in base64 even: refused before it is decoded
        raise BodyTooLarge
    raw = b64decode(text) if event.get("isBase64Encoded") else text.encode("utf-8", "surrogatepass")
    if len(raw) > LARGEST_BODY:
        raise BodyTooLarge
    media_type, _, parameters = request.headers.get("content-type", "application/json").partition(";")
    charset = re.search(r"charset=\"?([^\s;\"]*)", parameters, re.IGNORECASE)
    if media_type.strip().lower() != "application/json" or (charset and charset[1].lower() not in {"utf-8", "utf8"}):
        raise UnsupportedMediaType
    return replace(request, body=_json_object(raw))


def _json_object(raw: bytes) -> Mapping[str, Any]:
    """Return the one JSON object that *raw* is: no duplicate names, NaN, lone surrogates or other encodings."""
    try:
        parsed = json.loads(raw.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_no_constant)
        if not isinstance(parsed, dict):
            raise MalformedBody("not an object")
        if raw.count(b"[") + raw.count(b"{") > DEEPEST_BODY and _depth(parsed) > DEEPEST_BODY:
            raise MalformedBody("too deep")
        if b"\\u" in raw and _LONE_SURROGATE.search(json.dumps(parsed, ensure_ascii=False)):
            raise MalformedBody("lone surrogate")
    except (ValueError, RecursionError) as error:  # too many digits, too many brackets
        raise MalformedBody(type(error).__name__) from None
    return parsed


def _depth(parsed: object) -> int:
    """Return how many objects and arrays lie within one another."""
    depth, level = 0, [parsed]
    while level:
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        depth += 1
    return depth


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedBody("a name twice")
    return members


def _no_constant(name: str) -> None:
    raise MalformedBody(name)


def _answer(response: Response) -> dict[str, Any]:
    return {
        "statusCode": response.status,
        "headers": {**_HEADERS, **response.headers},
        "body": json.dumps(response.body, ensure_ascii=False, separators=(",", ":")),
        "isBase64Encoded": False,
    }
