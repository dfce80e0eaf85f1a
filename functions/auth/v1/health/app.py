"""GET /auth/v1/health: what answers here, and that it does."""

from gerbang import __version__
from gerbang.apis import gotrue
from gerbang.http.endpoint import Call, Endpoint

endpoint = Endpoint("/auth/v1/health")


@endpoint.get(gotrue.API, response=gotrue.HealthResponse)
def show_health(_call: Call[None, None]) -> gotrue.HealthResponse:
    """Return the name and version of this server."""
    return gotrue.health(__version__)


handler = endpoint.handler()
