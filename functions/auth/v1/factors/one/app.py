"""DELETE /auth/v1/factors/{factor_id}: remove a second factor of the caller's account."""

from gerbang.accounts.factors import FactorNotFound
from gerbang.apis import gotrue
from gerbang.apis.gotrue import factors
from gerbang.apis.gotrue.path_ids import factor_id_in
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import NoSuchPath
from gerbang.sessions.assurance import InsufficientLevel
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/auth/v1/factors/{factor_id}")
own_factors = container.own_factors
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.delete(
    gotrue.API,
    caller=ApiKeyAndUser(container.api_keys, container.sessions),
    response=factors.UnenrolledResponse,
    errors=(NoSuchPath, FactorNotFound, InsufficientLevel),
    overrides=gotrue.UNENROLMENT_ERRORS,
)
def unenrol(call: Call[None, Authenticated]) -> factors.UnenrolledResponse:
    """Remove a second factor; a verified one only in a session that has shown a second factor."""
    factor = own_factors.unenrol(call.caller, factor_id_in(call.request.path_parameters))
    return factors.UnenrolledResponse(id=factor.factor_id)


handler = endpoint.handler()
