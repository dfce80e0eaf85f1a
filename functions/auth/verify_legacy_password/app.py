"""POST /auth/verify_legacy_password (Atourin): sign in with the old system's password, which moves the account over."""

from gerbang import container as runtime
from gerbang.apis import atourin
from gerbang.apis.client import client_of
from gerbang.http import edge

sign_in = runtime.password_sign_in()  # once per container; re-hashes what it finds inherited
edge.rehearse(atourin.credentials)


@atourin.post
def handler(request: edge.Request) -> edge.Response:
    """Sign in; a right password replaces the inherited hash by today's."""
    session = sign_in.sign_in(atourin.credentials(request), client_of(request))
    return atourin.signed_in(session, "Success verify and migrate legacy user")
