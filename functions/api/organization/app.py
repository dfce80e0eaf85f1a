"""GET /api/organization: the caller's organisation; the first route behind the authorizer."""

from gerbang import container as runtime
from gerbang.apis import botlaunch
from gerbang.http import edge

organizations = runtime.organizations()  # once per container


@botlaunch.get
def handler(request: edge.Request) -> edge.Response:
    """Return the organisation that the authorizer let the caller into."""
    caller = request.authorizer
    return botlaunch.organization(organizations.find(caller["organizationId"]), caller["role"])
