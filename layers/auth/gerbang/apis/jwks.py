"""The public keys of access tokens, as a JSON Web Key Set (RFC 7517, section 5)."""

from typing import TYPE_CHECKING, Final

from gerbang.apis import by_path
from gerbang.http import edge
from gerbang.sessions.keys import PUBLISHED_FOR

if TYPE_CHECKING:
    from gerbang.sessions.tokens import Tokens

_HEADERS: Final = {"cache-control": f"public, max-age={int(PUBLISHED_FOR.total_seconds())}"}

get = edge.endpoint("GET", by_path.render)
"""Makes a handler of GET; refusals are in the contract of the path."""


def key_set(tokens: "Tokens") -> edge.Response:
    """Return 200 with the active keys; none where tokens are signed with HS256, whose key is secret."""
    return edge.Response(200, {"keys": tokens.public_keys()}, _HEADERS)
