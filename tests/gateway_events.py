"""Lambda events of API Gateway's HTTP API, payload format 2.0."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

JSON: Final = {"content-type": "application/json"}
SOURCE_IP: Final = "192.0.2.1"


def http_event(
    body: str | bytes | None = None,
    *,
    method: str = "POST",
    path: str = "/api/auth/login",
    headers: Mapping[str, str] = JSON,
    query: Mapping[str, str] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return the event of a request. A body of bytes is encoded as base64, as API Gateway does with binary bodies."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"ANY {path}",
        "rawPath": path,
        "headers": dict(headers),
        "requestContext": {
            "requestId": "request-1",
            "routeKey": f"ANY {path}",
            "http": {"method": method, "path": path, "sourceIp": SOURCE_IP},
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    if body is not None:
        event["body"] = b64encode(body).decode() if isinstance(body, bytes) else body
    if query is not None:
        event["queryStringParameters"] = dict(query)
    return event | more


def json_event(document: object, **more: Any) -> dict[str, Any]:
    """Return the event of a request with a JSON body."""
    return http_event(json.dumps(document), **more)


def body_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parsed JSON body of a function's response."""
    parsed: dict[str, Any] = json.loads(answer["body"])
    return parsed
