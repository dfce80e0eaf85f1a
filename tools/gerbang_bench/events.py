"""Events of API Gateway, and what scenarios are made of."""

import json
from collections.abc import Generator, Mapping
from typing import Any, Final

USER_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
"""Of the device of every account: no sign-in is one from a new device, of which a mail would tell."""

type Event = dict[str, Any]
type Scenario = Generator[Event, Any]


def request(path: str, body: Mapping[str, Any] | None = None, *, source: str, **headers: str) -> Event:
    """Return an event of API Gateway (HTTP API, payload format 2.0): POST with a body, GET without."""
    method = "GET" if body is None else "POST"
    path, _, query = path.partition("?")
    event: Event = {
        "version": "2.0",
        "routeKey": f"ANY {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {
            "accept": "application/json",
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
        "requestContext": {
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": source},
            "requestId": "qN/PUjW/o4VCjL0=",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    if query:
        event["queryStringParameters"] = dict([query.split("=", 1)])
    if body is not None:
        event["body"] = json.dumps(body)
    return event


def data_of(answer: Any) -> Any:
    """Return the data of an answer's body, with or without an envelope."""
    body = json.loads(answer["body"])
    return body.get("data", body)
