"""DELETE /api/organization/invitations/{id}: revoke an invitation."""

from gerbang.accounts.authorization import Caller as AuthorizedCaller
from gerbang.accounts.organization_invitations import NoSuchInvitation
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.roles import InsufficientRole
from gerbang.apis import botlaunch
from gerbang.container import container
from gerbang.http.callers import OrganizationMember
from gerbang.http.endpoint import Call, Endpoint

endpoint = Endpoint("/api/organization/invitations/{id}")
open_invitations = container.open_invitations
container.warm_up_tokens()
container.warm_up_sessions()
container.warm_up_organizations()


@endpoint.delete(
    botlaunch.API,
    caller=OrganizationMember(container.authorizer),
    response=botlaunch.MessageResponse,
    errors=(NotAMember, NoSuchInvitation, InsufficientRole),
)
def revoke_invitation(call: Call[None, AuthorizedCaller]) -> botlaunch.MessageResponse:
    """Revoke an open invitation: its mail's token works no more."""
    invitation_id = call.request.path_parameters["id"]
    open_invitations.revoke(call.caller.organization_id, call.caller.subject, invitation_id)
    return botlaunch.MessageResponse(message="Invitation revoked")


handler = endpoint.handler()
