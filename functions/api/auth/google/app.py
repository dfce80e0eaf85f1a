"""POST /api/auth/google (SnapOTP): a verified Google identity for a session."""

from gerbang import container as runtime
from gerbang.apis import snapotp
from gerbang.apis.client import client_of
from gerbang.http import edge

verifier = runtime.google_verifier()  # once per container
api_keys = runtime.api_keys()
sign_in = runtime.identity_sign_in()
edge.rehearse(lambda request: snapotp.google_identity(request, verifier, api_keys))


@snapotp.post
def handler(request: edge.Request) -> edge.Response:
    """Sign in with Google; makes the account at first use."""
    identity = snapotp.google_identity(request, verifier, api_keys)
    return snapotp.signed_in(sign_in.sign_in(identity, client_of(request)))
