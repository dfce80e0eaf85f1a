"""POST /auth/v1/factors: add a second factor to the caller's account."""

from gerbang.accounts.own_factors import ENROLMENT_ERRORS
from gerbang.apis import gotrue
from gerbang.apis.gotrue import factors
from gerbang.apis.gotrue.factor_requests import EnrolRequest
from gerbang.apis.gotrue.qr_codes import svg_qr_code
from gerbang.apis.gotrue.unavailable import PhoneFactorsDisabled, SecurityKeysDisabled
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/auth/v1/factors")
own_factors = container.own_factors
issuer = container.settings.product_name
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.post(
    gotrue.API,
    caller=ApiKeyAndUser(container.api_keys, container.sessions),
    request=EnrolRequest,
    response=factors.EnrolledResponse,
    errors=(*ENROLMENT_ERRORS, PhoneFactorsDisabled, SecurityKeysDisabled),
)
def enrol(call: Call[EnrolRequest, Authenticated]) -> factors.EnrolledResponse:
    """Add a code app; its first code must be verified within five minutes."""
    body = call.body
    new = own_factors.enrol(call.caller, name=body.friendly_name or "", issuer=body.issuer or issuer)
    return factors.enrolled(new, qr_code=svg_qr_code(new.uri))


handler = endpoint.handler()
