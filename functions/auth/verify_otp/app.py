"""POST /auth/verify_otp (Atourin): trade a mailed code for a session; proves the address."""

from gerbang import container as runtime
from gerbang.apis import atourin
from gerbang.apis.client import client_of
from gerbang.http import edge

sign_in = runtime.code_sign_in()  # once per container
edge.rehearse(atourin.code_of)


@atourin.post
def handler(request: edge.Request) -> edge.Response:
    """Sign in with the code that was mailed to an address."""
    email, code = atourin.code_of(request)
    return atourin.code_redeemed(sign_in.sign_in(email, code, client_of(request)))
