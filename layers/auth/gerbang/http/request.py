"""A request as API Gateway passes it to a function (HTTP API, payload format 2.0)."""

import json
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from math import isfinite
from typing import Any, Final, LiteralString, cast
from urllib.parse import parse_qsl

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError, FieldError

LARGEST_BODY: Final = 16 * 1024
"""Bytes. Every request of the APIs fits many times over."""

DEEPEST_BODY: Final = 32
"""Levels of nested objects and arrays. Requests of the APIs have one; metadata of Supabase's clients has a few."""

_MOST_FIELDS: Final = 16
"""Fields of a form. Ours have three."""

_LONE_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class MalformedBody(AuthError):
    """The body is not one JSON object in UTF-8 (RFC 8259), or has a member twice."""

    code = "bad_json"


class BodyTooLarge(AuthError):
    """The body is above 16 KiB."""

    code = "request_entity_too_large"


class UnsupportedMediaType(AuthError):
    """The request has a body whose content type is not JSON."""

    code = "unsupported_media_type"


class MethodNotAllowed(AuthError):
    """The path exists, but not with this method. `allowed` are the methods that it has."""

    code = "method_not_allowed"

    def __init__(self, allowed: str) -> None:
        """Keep the methods for the `Allow` header."""
        super().__init__(allowed)
        self.allowed = allowed


class NoSuchPath(AuthError):
    """No endpoint has this path."""

    code = "not_found"


class MissingBearer(AuthError):
    """There is no `Authorization: Bearer …`, or it is malformed (RFC 6750, section 2.1)."""

    code = "no_authorization"


class InvalidFields(AuthError):
    """Fields are missing or invalid. All of them are named at once."""

    code = "validation_failed"

    def __init__(self, errors: tuple[FieldError, ...], code: LiteralString = code) -> None:
        """Keep the fields, and what is wrong with them. *code*: of its own if all are wrong in the same way."""
        super().__init__(", ".join(error.field for error in errors))
        self.code = code
        self.field_errors = errors


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request. The body is decoded and parsed when it is asked for, by endpoints that read it."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in lower case; repeated ones joined with a comma."""
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    source_ip: str = ""
    """The address of the socket, from the gateway. Headers are trusted behind CloudFront only (ASVS 4.1.3)."""
    route: str = ""
    """The route key that matched, such as `ANY /api/auth/login` or `$default`: logs may contain it, not the path."""
    domain: str = ""
    """The API's domain that the client called, from the gateway."""
    raw_body: str = field(default="", repr=False)
    is_base64_encoded: bool = False

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> "Request":
        """Return the request of an API Gateway event."""
        context = event["requestContext"]
        return cls(
            method=context["http"]["method"],
            path=event.get("rawPath", ""),
            route=event.get("routeKey") or context.get("routeKey", ""),
            headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
            path_parameters=event.get("pathParameters") or {},
            query=event.get("queryStringParameters") or {},
            source_ip=context["http"].get("sourceIp", ""),
            domain=context.get("domainName", ""),
            raw_body=event.get("body") or "",
            is_base64_encoded=bool(event.get("isBase64Encoded")),
        )

    @property
    def user_agent(self) -> str:
        """The User-Agent header; empty if there is none."""
        return self.headers.get("user-agent", "")

    def bearer(self) -> str:
        """Return the token of the `Authorization` header. The scheme may be in any case (RFC 9110, section 11.1).

        Raises:
            MissingBearer: there is none.
        """
        scheme, _, token = self.headers.get("authorization", "").strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token or not token.isascii() or "," in token or " " in token:
            raise MissingBearer
        return token

    @property
    def base_url(self) -> str:
        """The URL at which the client called the API: https, except on this machine, where `make run` serves http."""
        if self.domain in {"localhost", "127.0.0.1", "[::1]"}:
            return f"http://{self.domain}:{self.headers.get('x-forwarded-port', '80')}"
        return f"https://{self.domain}"

    @cached_property
    def form(self) -> Mapping[str, str]:
        """The fields of a form that a browser posted, the last of each name; empty where there is none.

        Raises:
            BodyTooLarge: it is above 16 KiB.
            MalformedBody: it is not text.
        """
        try:
            return dict(parse_qsl(self._raw().decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
        except ValueError as error:
            raise MalformedBody(type(error).__name__) from None

    @cached_property
    def body(self) -> Mapping[str, Any]:
        """The members of the JSON body; empty where there is none.

        Raises:
            BodyTooLarge: it is above 16 KiB.
            UnsupportedMediaType: its content type is not JSON.
            MalformedBody: it is not one JSON object in UTF-8.
        """
        if not self.raw_body:
            return {}
        raw = self._raw()
        if not _is_json(self.headers.get("content-type", "application/json")):
            raise UnsupportedMediaType
        return _json_object(raw.removeprefix(_BYTE_ORDER_MARK))

    def _raw(self) -> bytes:
        """Return the bytes of the body.

        Raises:
            BodyTooLarge: it is above 16 KiB.
        """
        if len(self.raw_body) > LARGEST_BODY * 4 // 3 + 4:  # too long even if it is base64: not decoded
            raise BodyTooLarge
        raw = b64decode(self.raw_body) if self.is_base64_encoded else self.raw_body.encode("utf-8", "surrogatepass")
        if len(raw) > LARGEST_BODY:
            raise BodyTooLarge
        return raw


def _is_json(content_type: str) -> bool:
    """Return whether every media type in the header is JSON. Some clients send it twice.

    Parameters are ignored: JSON is always UTF-8, whatever `charset` says (RFC 8259, sections 8.1 and 11).
    """
    return all(
        media_type.partition(";")[0].strip().lower() == "application/json" for media_type in content_type.split(",")
    )


def _json_object(raw: bytes) -> Mapping[str, Any]:
    """Return the one JSON object that *raw* is (ASVS 1.5.2, 1.5.3).

    It has no member twice, no NaN or infinite number, and no lone surrogates.
    """
    try:
        parsed = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_no_constant, parse_float=_finite
        )
        if not isinstance(parsed, dict):
            raise MalformedBody("not an object")
        if raw.count(b"[") + raw.count(b"{") > DEEPEST_BODY and _depth(parsed) > DEEPEST_BODY:
            raise MalformedBody("too deep")
        if b"\\u" in raw and _LONE_SURROGATE.search(json.dumps(parsed, ensure_ascii=False)):
            raise MalformedBody("lone surrogate")
    except (ValueError, RecursionError) as error:  # too many digits, too many brackets
        raise MalformedBody(type(error).__name__) from None
    return cast("Mapping[str, Any]", parsed)


def _depth(parsed: object) -> int:
    """Return how many levels of objects and arrays are nested."""
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
        raise MalformedBody("a member twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):  # 1e999, which could not be written as JSON again
        raise MalformedBody("too large a number")
    return number


def _no_constant(name: str) -> None:
    raise MalformedBody(name)
