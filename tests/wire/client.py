"""An HTTP client that keeps its own loopback address, because limits count the address of the socket."""

import http.client
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

ANSWER_SECONDS: Final = 30.0
_JSON: Final = {"content-type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """What came back, with names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    seconds: float

    @cached_property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def data(self) -> Any:
        """The `data` of three contracts' envelopes."""
        return self.json["data"]

    @property
    def lasting_headers(self) -> dict[str, str]:
        """The headers that two equal answers have in common."""
        passing = {"date", "apigw-requestid"}
        return {name: value for name, value in self.headers.items() if name not in passing}


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client at an address of its own; requests may be made from many threads."""

    address: str
    port: int

    def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request, its path and body as they are, on a connection of its own."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=ANSWER_SECONDS, source_address=(self.address, 0)
        )
        started_at = time.perf_counter()
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            return _answer(connection.getresponse(), started_at)
        finally:
            connection.close()

    def send(self, request: bytes) -> Answer:
        """Send bytes that `http.client` would not; the first word must be the method."""
        started_at = time.perf_counter()
        with socket.create_connection(
            ("127.0.0.1", self.port), timeout=ANSWER_SECONDS, source_address=(self.address, 0)
        ) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection, method=request.split(b" ", 1)[0].decode("ascii"))
            response.begin()
            return _answer(response, started_at)

    def get(self, path: str, *, bearer: str | None = None, **headers: str) -> Answer:
        """GET; names of headers are given with `_` for `-`."""
        return self.request("GET", path, headers=_named(headers) | _bearing(bearer))

    def post(self, path: str, document: object, *, bearer: str | None = None, **headers: str) -> Answer:
        """POST a document as JSON; names of headers are given with `_` for `-`."""
        body = json.dumps(document).encode()
        return self.request("POST", path, body=body, headers=_JSON | _named(headers) | _bearing(bearer))

    def patch(self, path: str, document: object, *, bearer: str | None = None, **headers: str) -> Answer:
        """PATCH with a document as JSON; names of headers are given with `_` for `-`."""
        body = json.dumps(document).encode()
        return self.request("PATCH", path, body=body, headers=_JSON | _named(headers) | _bearing(bearer))

    def delete(self, path: str, *, bearer: str | None = None, **headers: str) -> Answer:
        """DELETE; names of headers are given with `_` for `-`."""
        return self.request("DELETE", path, headers=_named(headers) | _bearing(bearer))

    def post_nothing(self, path: str, *, bearer: str | None = None, **headers: str) -> Answer:
        """POST without a body."""
        return self.request("POST", path, headers=_named(headers) | _bearing(bearer))


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _bearing(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


def _answer(response: http.client.HTTPResponse, started_at: float) -> Answer:
    raw = response.read()
    names = [name.lower() for name, _ in response.getheaders()]
    assert len(names) == len(set(names)), f"a header twice: {names}"
    return Answer(
        status=response.status,
        headers={name.lower(): value for name, value in response.getheaders()},
        raw=raw,
        seconds=time.perf_counter() - started_at,
    )
