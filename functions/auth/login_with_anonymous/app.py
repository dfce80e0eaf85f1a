"""POST /auth/login_with_anonymous (Atourin): a guest's session."""

from gerbang import container as runtime
from gerbang.apis import atourin
from gerbang.apis.client import client_of
from gerbang.http import edge

guests = runtime.guests()  # once per container


@atourin.post
def handler(request: edge.Request) -> edge.Response:
    """Let a guest in; whatever the body names is not looked at."""
    return atourin.signed_in(guests.admit(client_of(request)), "Success login anonymous")
