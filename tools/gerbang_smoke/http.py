"""HTTP requests as a client makes them, one connection each."""

import http.client
import json
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import SplitResult, urlsplit

TIMEOUT_SECONDS: Final = 60.0
"""API Gateway's time-out is 30; `sam local` builds an image before its first answer."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class NotAnAddress(Exception):
    """The URL is not https, or not a URL. The text is one sentence."""


class NoAnswer(Exception):
    """There was no answer, or it was not HTTP. The text is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    text: str = field(repr=False)
    milliseconds: int

    @property
    def json(self) -> dict[str, Any]:
        """The body if it is a JSON object, otherwise an empty one."""
        try:
            parsed = json.loads(self.text)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}


@dataclass(frozen=True, slots=True)
class Api:
    """The API that is called."""

    parts: SplitResult

    @classmethod
    def at(cls, url: str) -> Self:
        """Return the API of a base URL.

        Raises:
            NotAnAddress: passwords and tokens would be sent unencrypted, or it is not a URL.
        """
        parts = urlsplit(url.rstrip("/"))
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise NotAnAddress(f"{url} is not a URL such as https://auth.example.com.")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise NotAnAddress(
                f"{url} is not https, so passwords and tokens would be sent unencrypted. Use an https URL."
            )
        return cls(parts)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> Answer:
        """Return the answer to one request. Names of *headers* have `_` for `-`; a body is sent as JSON.

        Raises:
            NoAnswer: there was none.
        """
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        content = None if body is None else json.dumps(body)
        if content is not None:
            sent["content-type"] = "application/json"
        started = time.monotonic()
        connection = self._connection()
        try:
            connection.request(method, self.parts.path + path, content, sent)
            response = connection.getresponse()
            text = response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"{self.parts.geturl()} does not answer: {error}.") from error
        finally:
            connection.close()
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.getheaders()},
            text=text,
            milliseconds=round((time.monotonic() - started) * 1000),
        )

    def _connection(self) -> http.client.HTTPConnection:
        host = self.parts.hostname or ""
        if self.parts.scheme == "http":
            return http.client.HTTPConnection(host, self.parts.port, timeout=TIMEOUT_SECONDS)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, self.parts.port, timeout=TIMEOUT_SECONDS, context=context)
