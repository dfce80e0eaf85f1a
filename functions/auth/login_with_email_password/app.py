"""POST /auth/login_with_email_password (Atourin): a password for a session."""

from gerbang import container as runtime
from gerbang.apis import atourin
from gerbang.apis.client import client_of
from gerbang.http import edge

sign_in = runtime.password_sign_in()  # once per container
edge.rehearse(atourin.credentials)


@atourin.post
def handler(request: edge.Request) -> edge.Response:
    """Sign in with e-mail address and password."""
    session = sign_in.sign_in(atourin.credentials(request), client_of(request))
    return atourin.signed_in(session, "Success login")
