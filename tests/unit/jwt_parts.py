"""The parts of a JWT, without PyJWT, which the tests check."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any


def encoded(part: object) -> str:
    """A header or payload as it is in a token."""
    return urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def header_of(token: str) -> dict[str, Any]:
    return _decoded(token.partition(".")[0])


def claims_of(token: str) -> dict[str, Any]:
    return _decoded(token.split(".")[1])


def _decoded(part: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return parsed
