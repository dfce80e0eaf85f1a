"""POST /auth/v1/factors/{factor_id}/challenge: ask to show a second factor."""

from gerbang.accounts.own_factors import CHALLENGE_ERRORS
from gerbang.apis import gotrue
from gerbang.apis.gotrue import factors
from gerbang.apis.gotrue.path_ids import factor_id_in
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import NoSuchPath
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/auth/v1/factors/{factor_id}/challenge")
own_factors = container.own_factors
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.post(
    gotrue.API,
    caller=ApiKeyAndUser(container.api_keys, container.sessions),
    response=factors.ChallengeResponse,
    errors=(NoSuchPath, *CHALLENGE_ERRORS),
)
def challenge(call: Call[None, Authenticated]) -> factors.ChallengeResponse:
    """Begin to show a second factor; the answer's id goes with the code."""
    factor_id = factor_id_in(call.request.path_parameters)
    return factors.challenged(own_factors.challenge(call.caller, factor_id))


handler = endpoint.handler()
