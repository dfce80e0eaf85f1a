"""POST /api/auth/invitations/accept: join an organization by a mailed token."""

from http import HTTPStatus

from gerbang.accounts.invitation_acceptance import InvalidInvitation, InvitedAnother
from gerbang.accounts.organization_invitations import AlreadyMember
from gerbang.accounts.own_organizations import TooManyOrganizations
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_up_policy import SignUpDisabled
from gerbang.apis import botlaunch
from gerbang.apis.botlaunch.organizations import OrganizationResponse, organization
from gerbang.apis.botlaunch.requests import AcceptAndRegisterRequest, AcceptRequest
from gerbang.apis.fields import PASSWORD_POLICY
from gerbang.container import container
from gerbang.http.callers import AuthorizedUser
from gerbang.http.conditions import BodyGives
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.passwords.policy import UnacceptablePassword
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/api/auth/invitations/accept")
acceptance, policy = container.invitation_acceptance, container.password_policy
container.warm_up_tokens()
container.warm_up_sessions()
container.warm_up_limits()


@endpoint.post(
    botlaunch.API,
    when=BodyGives(("password",)),
    request=AcceptAndRegisterRequest,
    context={PASSWORD_POLICY: policy},
    response=botlaunch.SessionResponse,
    status=HTTPStatus.CREATED,
    errors=(InvalidInvitation, UnacceptablePassword, SignUpDisabled, EmailTaken, TooManyAttempts),
)
def register_and_join(call: Call[AcceptAndRegisterRequest, None]) -> botlaunch.SessionResponse:
    """Make the account of the invited address, with a verified address, and join; signed in."""
    body = call.body
    signed_in, joined = acceptance.register(body.token, body.name, body.password, client=call.client, policy=policy)
    return botlaunch.session(signed_in, "Registration successful", joined.organization)


@endpoint.post(
    botlaunch.API,
    caller=AuthorizedUser(container.authorizer),
    request=AcceptRequest,
    response=OrganizationResponse,
    errors=(InvalidInvitation, InvitedAnother, AlreadyMember, TooManyOrganizations, TooManyAttempts),
)
def join(call: Call[AcceptRequest, Authenticated]) -> OrganizationResponse:
    """Join with the caller's account, which has the invited address. Without an account, send name and password."""
    joined = acceptance.join(call.body.token, call.caller, call.client)
    return organization(joined.organization, joined.role, "Invitation accepted")


handler = endpoint.handler()
