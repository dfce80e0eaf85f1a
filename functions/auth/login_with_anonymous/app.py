"""POST /auth/login_with_anonymous (Atourin): a guest's session."""

from gerbang import edge, runtime
from gerbang.contracts import atourin
from gerbang.contracts.callers import client_of

guests = runtime.guests()  # once per container


@atourin.post
def handler(request: edge.Request) -> edge.Response:
    """Let a guest in; whatever the body names is not looked at."""
    return atourin.signed_in(guests.admit(client_of(request)), "Success login anonymous")
