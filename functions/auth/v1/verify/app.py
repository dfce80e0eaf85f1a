"""POST /auth/v1/verify: sign in with a mailed code, which verifies the address."""

from http import HTTPStatus

from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.email_change import HalfConfirmed
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_up_policy import SignUpDisabled
from gerbang.accounts.verification import AccountDisabled
from gerbang.apis import gotrue
from gerbang.apis.gotrue.requests import PhoneProviderDisabled, VerifyRequest
from gerbang.container import container
from gerbang.http.callers import ApiKeyHolder
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.response import Response
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.sessions.api_keys import KeyKind

endpoint = Endpoint("/auth/v1/verify")
users, email_change = container.users, container.email_change
sign_in = container.code_sign_in_with_sign_up
container.warm_up_tokens()
container.warm_up_users(connections=3)


@endpoint.post(
    gotrue.API,
    caller=ApiKeyHolder(container.api_keys),
    request=VerifyRequest,
    response=gotrue.SessionResponse,
    errors=(PhoneProviderDisabled, InvalidCode, AccountDisabled, SignUpDisabled, EmailTaken, TooManyAttempts),
    overrides=gotrue.VERIFY_ERRORS,
)
def verify(call: Call[VerifyRequest, KeyKind]) -> Response:
    """Sign in with the code that was mailed to an address, which verifies the address or confirms its change."""
    body = call.body
    if body.token is None:
        raise InvalidCode("no links are mailed")
    if body.type == "email_change":
        outcome = email_change.confirm(body.address, body.token, call.client)
        if isinstance(outcome, HalfConfirmed):
            return Response(HTTPStatus.OK, gotrue.half_confirmed())
        signed_in = outcome
    else:
        signed_in = sign_in.redeem(body.address, body.token, call.client, slots=body.slots).signed_in
    return Response(HTTPStatus.OK, gotrue.session(signed_in, users.identities_of(signed_in.user)))


handler = endpoint.handler()
