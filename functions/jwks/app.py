"""GET /.well-known/jwks.json, also below /auth/v1: the public keys of access tokens."""

from gerbang.apis.by_path import api_of
from gerbang.apis.jwks import KeySet, key_set
from gerbang.container import container
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.response import Response

endpoint = Endpoint("/.well-known/jwks.json", "/auth/v1/.well-known/jwks.json")
tokens = container.tokens
container.warm_up_tokens()


@endpoint.get(api_of, response=KeySet)
def show_keys(_call: Call[None, None]) -> Response:
    """Publish the keys that other services verify access tokens with (RFC 7517)."""
    return key_set(tokens)


handler = endpoint.handler()
