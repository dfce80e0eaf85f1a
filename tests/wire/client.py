"""An HTTP client with its own loopback address, because rate limits count by client address."""

import http.client
import itertools
import json
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

TIMEOUT_SECONDS: Final = 30.0
_JSON: Final = {"content-type": "application/json"}


@dataclass(frozen=True)
class Answer:
    """An HTTP response. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    raw: bytes
    seconds: float

    @cached_property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def data(self) -> Any:
        """The member `data`, which three of the APIs use."""
        return self.json["data"]

    @property
    def stable_headers(self) -> dict[str, str]:
        """The headers that do not change from response to response."""
        variable = {"date", "apigw-requestid"}
        return {name: value for name, value in self.headers.items() if name not in variable}


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client with its own address. It is safe for use by several threads."""

    address: str
    port: int

    def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request on a new connection. The path and the body are sent unchanged."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=TIMEOUT_SECONDS, source_address=(self.address, 0)
        )
        started_at = time.perf_counter()
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            return _answer(connection.getresponse(), started_at)
        finally:
            connection.close()

    def send(self, request: bytes) -> Answer:
        """Send raw bytes, for requests that `http.client` cannot send. The first word must be the method."""
        started_at = time.perf_counter()
        with socket.create_connection(
            ("127.0.0.1", self.port), timeout=TIMEOUT_SECONDS, source_address=(self.address, 0)
        ) as connection:
            connection.sendall(request)
            response = http.client.HTTPResponse(connection, method=request.split(b" ", 1)[0].decode("ascii"))
            response.begin()
            return _answer(response, started_at)

    def get(self, path: str, *, bearer: str | None = None, **headers: str) -> Answer:
        """Send a GET request. Header names have `_` instead of `-`."""
        return self.request("GET", path, headers=_header_names(headers) | _authorization(bearer))

    def post(self, path: str, document: object, *, bearer: str | None = None, **headers: str) -> Answer:
        """Send a POST request with a JSON body. Header names have `_` instead of `-`."""
        body = json.dumps(document).encode()
        return self.request("POST", path, body=body, headers=_JSON | _header_names(headers) | _authorization(bearer))

    def patch(self, path: str, document: object, *, bearer: str | None = None, **headers: str) -> Answer:
        """Send a PATCH request with a JSON body. Header names have `_` instead of `-`."""
        body = json.dumps(document).encode()
        return self.request("PATCH", path, body=body, headers=_JSON | _header_names(headers) | _authorization(bearer))

    def delete(self, path: str, *, bearer: str | None = None, **headers: str) -> Answer:
        """Send a DELETE request. Header names have `_` instead of `-`."""
        return self.request("DELETE", path, headers=_header_names(headers) | _authorization(bearer))

    def post_without_body(self, path: str, *, bearer: str | None = None, **headers: str) -> Answer:
        """Send a POST request without a body."""
        return self.request("POST", path, headers=_header_names(headers) | _authorization(bearer))


def new_clients(port: int, *, network: int) -> Callable[[], Client]:
    """Return a function that creates clients with unused addresses, from `127.<network>.0.1` on."""
    numbers = itertools.count(1)

    def new_client() -> Client:
        number = next(numbers)
        return Client(address=f"127.{network + (number >> 16)}.{number >> 8 & 255}.{number & 255}", port=port)

    return new_client


def _header_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _authorization(token: str | None) -> dict[str, str]:
    return {} if token is None else {"authorization": f"Bearer {token}"}


def _answer(response: http.client.HTTPResponse, started_at: float) -> Answer:
    raw = response.read()
    names = [name.lower() for name, _ in response.getheaders()]
    assert len(names) == len(set(names)), f"repeated headers: {names}"
    return Answer(
        status=response.status,
        headers={name.lower(): value for name, value in response.getheaders()},
        raw=raw,
        seconds=time.perf_counter() - started_at,
    )
