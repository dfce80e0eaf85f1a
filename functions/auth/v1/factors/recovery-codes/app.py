"""POST /auth/v1/factors/recovery-codes: make recovery codes, in place of earlier ones."""

from gerbang.accounts.own_factors import NoSecondFactor
from gerbang.apis import gotrue
from gerbang.apis.gotrue import factors
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.assurance import InsufficientLevel
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/auth/v1/factors/recovery-codes")
own_factors = container.own_factors
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.post(
    gotrue.API,
    caller=ApiKeyAndUser(container.api_keys, container.sessions),
    response=factors.RecoveryCodesResponse,
    errors=(InsufficientLevel, NoSecondFactor),
)
def make_recovery_codes(call: Call[None, Authenticated]) -> factors.RecoveryCodesResponse:
    """Make ten recovery codes, which are shown once; earlier ones are worthless then."""
    return factors.RecoveryCodesResponse(recovery_codes=own_factors.replace_recovery_codes(call.caller))


handler = endpoint.handler()
