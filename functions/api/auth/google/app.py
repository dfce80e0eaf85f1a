"""POST /api/auth/google: sign in with Google."""

from gerbang.accounts.identity_sign_in import IDENTITY_ERRORS
from gerbang.accounts.provider_identity import InvalidIdToken
from gerbang.apis import snapotp
from gerbang.apis.snapotp.google import IdentityMismatch, IdentityNotProven, signed_identity, vouched_identity
from gerbang.apis.snapotp.requests import GoogleRequest
from gerbang.container import container
from gerbang.http.endpoint import Call, Endpoint, Parameter
from gerbang.sessions.first_factor import SecondFactorRequired

endpoint = Endpoint("/api/auth/google")
verifier = container.google_verifier
api_keys = container.api_keys
sign_in = container.identity_sign_in
container.warm_up_tokens()
container.warm_up_users()


@endpoint.post(
    snapotp.API,
    request=GoogleRequest,
    parameters=(Parameter(name="apikey", description="The secret API key, in place of the ID token.", where="header"),),
    response=snapotp.SessionResponse,
    errors=(InvalidIdToken, IdentityMismatch, IdentityNotProven, *IDENTITY_ERRORS, SecondFactorRequired),
)
def sign_in_with_google(call: Call[GoogleRequest, None]) -> snapotp.SessionResponse:
    """Sign in with Google's `id_token`, or three fields from a trusted back end; makes the account the first time."""
    if call.body.id_token is not None:
        identity = signed_identity(verifier.verify_with_any_nonce(call.body.id_token), call.body)
    else:
        identity = vouched_identity(call.request.headers.get("apikey"), api_keys, call.body)
    return snapotp.session(sign_in.sign_in(identity, call.client))


handler = endpoint.handler()
