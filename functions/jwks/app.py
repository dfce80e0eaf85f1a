"""GET /.well-known/jwks.json and /auth/v1/.well-known/jwks.json: the keys that others verify access tokens with."""

from gerbang import container as runtime
from gerbang.apis import jwks
from gerbang.http import edge

tokens = runtime.tokens()  # once per container


@jwks.get
def handler(_request: edge.Request) -> edge.Response:
    """Return the public keys."""
    return jwks.key_set(tokens)
