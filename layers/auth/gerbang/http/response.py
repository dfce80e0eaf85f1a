"""A response as API Gateway takes it (HTTP API, payload format 2.0)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from http import HTTPStatus
from typing import Any, Final

from gerbang.core.dataclass import dataclass

_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
}
"""On every answer, unless the answer has its own (ASVS 3.4, 14.3.2; OWASP REST Security cheat sheet)."""

DOCUMENT_SECONDS: Final = 300
"""How long clients may cache a document. After that, they see the document of a new deployment."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: a status, a JSON object or a page, and headers beyond those that every answer has."""

    status: int
    body: Mapping[str, Any] | Sequence[Mapping[str, Any]] | str | None = field(default=None, repr=False)
    """A mapping or a list is sent as JSON, text as HTML unless a header says otherwise, None as no body at all."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_gateway(self) -> dict[str, Any]:
        """Return the answer in API Gateway's form."""
        answer: dict[str, Any] = {"statusCode": int(self.status), "headers": {**_HEADERS, **self.headers}}
        if self.body is None:
            return answer
        if isinstance(self.body, str):
            content_type, text = "text/html; charset=utf-8", self.body
        else:
            content_type = "application/json; charset=utf-8"
            text = json.dumps(self.body, ensure_ascii=False, separators=(",", ":"))
        answer["headers"] = {"content-type": content_type, **answer["headers"]}
        return {**answer, "body": text, "isBase64Encoded": False}


class HtmlPage:
    """Declared as the response of operations that answer with a page."""


def redirect(location: str) -> Response:
    """Return 303 to another URL. The client continues with GET, also after a POST (RFC 9110, 15.4.4)."""
    return Response(HTTPStatus.SEE_OTHER, headers={"location": location})


def page(html: str, *, content_security_policy: str, status: int = HTTPStatus.OK) -> Response:
    """Return an HTML page with a content security policy of its own."""
    return Response(status, html, {"content-security-policy": content_security_policy})


def document(json_text: str) -> Response:
    """Return a JSON document that is the same for every client, until the next deployment."""
    headers = {
        "content-type": "application/json; charset=utf-8",
        "cache-control": f"public, max-age={DOCUMENT_SECONDS}",
        "vary": "Origin",
    }
    return Response(HTTPStatus.OK, json_text, headers)
