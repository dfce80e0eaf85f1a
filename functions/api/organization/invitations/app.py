"""GET and POST /api/organization/invitations: the open invitations of the organization, and another one."""

from http import HTTPStatus

from gerbang.accounts.authorization import Caller as AuthorizedCaller
from gerbang.accounts.organization_invitations import AlreadyMember
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.roles import InsufficientRole, Role
from gerbang.apis import botlaunch
from gerbang.apis.botlaunch.organizations import InvitationResponse, InvitationsResponse, invitation, invitations
from gerbang.apis.botlaunch.requests import InvitationRequest
from gerbang.container import container
from gerbang.http.callers import OrganizationMember
from gerbang.http.endpoint import Call, Endpoint
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.service import TooMuchMail

endpoint = Endpoint("/api/organization/invitations")
organization_invitations, open_invitations = container.organization_invitations, container.open_invitations
caller = OrganizationMember(container.authorizer)
container.warm_up_tokens()
container.warm_up_sessions(connections=2)
container.warm_up_organizations()
container.warm_up_mail_queue()


@endpoint.get(botlaunch.API, caller=caller, response=InvitationsResponse, errors=(NotAMember, InsufficientRole))
def list_invitations(call: Call[None, AuthorizedCaller]) -> InvitationsResponse:
    """List the open invitations, the newest first."""
    return invitations(open_invitations.list(call.caller.organization_id, call.caller.subject))


@endpoint.post(
    botlaunch.API,
    caller=caller,
    request=InvitationRequest,
    response=InvitationResponse,
    status=HTTPStatus.CREATED,
    errors=(NotAMember, InsufficientRole, AlreadyMember, TooMuchMail, TooManyAttempts),
)
def invite(call: Call[InvitationRequest, AuthorizedCaller]) -> InvitationResponse:
    """Invite an address by mail, for seven days. Another invitation of the same address replaces the first."""
    organization_id, caller_id = call.caller.organization_id, call.caller.subject
    role = Role(call.body.role)
    return invitation(organization_invitations.invite(organization_id, caller_id, call.body.email, role, call.client))


handler = endpoint.handler()
