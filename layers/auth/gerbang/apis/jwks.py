"""The public keys of access tokens, as a JSON Web Key Set (RFC 7517, section 5)."""

from typing import TYPE_CHECKING, Final, TypedDict

from gerbang.http.response import Response
from gerbang.sessions.keys import PUBLISHED_FOR

if TYPE_CHECKING:
    from gerbang.sessions.tokens import Tokens

CACHEABLE: Final = {"cache-control": f"public, max-age={int(PUBLISHED_FOR.total_seconds())}", "vary": "Origin"}
"""Cacheable, separately for each origin, because the CORS headers depend on it (RFC 9110, section 12.5.5)."""


class KeySet(TypedDict):
    """A JSON Web Key Set."""

    keys: list[dict[str, str]]


def key_set(tokens: "Tokens") -> Response:
    """Return the active public keys; none if tokens are signed with HS256, whose key is secret."""
    return Response(200, KeySet(keys=tokens.public_keys()), CACHEABLE)
