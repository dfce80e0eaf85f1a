"""GET /.well-known/openid-configuration: where other services find the public keys of access tokens."""

from gerbang.apis.by_path import api_of
from gerbang.apis.discovery import Discovery, ProviderMetadata
from gerbang.container import container
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import NoSuchPath
from gerbang.http.response import Response

endpoint = Endpoint("/.well-known/openid-configuration")
settings = container.settings
discovery = Discovery(issuer=settings.issuer, url=settings.public_url, algorithm=settings.token_algorithm)


@endpoint.get(api_of, response=ProviderMetadata, errors=(NoSuchPath,))
def show_configuration(_call: Call[None, None]) -> Response:
    """Say where the public keys are, if `PublicUrl` and ES256 or RS256 are set (OpenID Connect Discovery)."""
    return discovery.answer()


handler = endpoint.handler()
