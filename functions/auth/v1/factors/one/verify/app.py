"""POST /auth/v1/factors/{factor_id}/verify: show a second factor, which raises the session."""

from gerbang.accounts.second_factor import VERIFICATION_ERRORS
from gerbang.apis import gotrue
from gerbang.apis.gotrue.factor_requests import VerifyFactorRequest
from gerbang.apis.gotrue.path_ids import factor_id_in
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import NoSuchPath
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/auth/v1/factors/{factor_id}/verify")
second_factor, users = container.second_factor, container.users
container.warm_up_tokens()
container.warm_up_sessions(connections=3)


@endpoint.post(
    gotrue.API,
    caller=ApiKeyAndUser(container.api_keys, container.sessions),
    request=VerifyFactorRequest,
    response=gotrue.SessionResponse,
    errors=(NoSuchPath, *VERIFICATION_ERRORS),
)
def verify(call: Call[VerifyFactorRequest, Authenticated]) -> gotrue.SessionResponse:
    """Raise the session to `aal2` by a code of the app, or a recovery code; the first code verifies the factor."""
    factor_id = factor_id_in(call.request.path_parameters)
    raised = second_factor.verify(
        call.caller, factor_id, challenge_id=call.body.challenge_id, code=call.body.code, client=call.client
    )
    return gotrue.session(raised, users.identities_of(raised.user))


handler = endpoint.handler()
