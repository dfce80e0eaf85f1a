"""GET, PATCH and DELETE /api/organization: the organization that the caller acts in."""

from gerbang.accounts.authorization import Caller as AuthorizedCaller
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.roles import InsufficientRole
from gerbang.apis import botlaunch
from gerbang.apis.botlaunch.organizations import OrganizationResponse, organization
from gerbang.apis.botlaunch.requests import OrganizationRequest
from gerbang.container import container
from gerbang.http.callers import OrganizationMember
from gerbang.http.endpoint import Call, Endpoint

endpoint = Endpoint("/api/organization")
organizations, changes, deletion = (
    container.organizations,
    container.organization_changes,
    container.organization_deletion,
)
caller = OrganizationMember(container.authorizer)
container.warm_up_tokens()
container.warm_up_sessions()
container.warm_up_organizations()


@endpoint.get(botlaunch.API, caller=caller, response=OrganizationResponse, errors=(NotAMember,))
def show_organization(call: Call[None, AuthorizedCaller]) -> OrganizationResponse:
    """Show the organization that `x-organization-id` names, and the caller's role in it."""
    return organization(organizations.find(call.caller.organization_id), call.caller.role)


@endpoint.patch(
    botlaunch.API,
    caller=caller,
    request=OrganizationRequest,
    response=OrganizationResponse,
    errors=(NotAMember, InsufficientRole),
)
def rename_organization(call: Call[OrganizationRequest, AuthorizedCaller]) -> OrganizationResponse:
    """Give the organization another name."""
    renamed = changes.rename(call.caller.organization_id, call.caller.subject, call.body.name)
    return organization(renamed, call.caller.role, "Organization changed")


@endpoint.delete(
    botlaunch.API, caller=caller, response=botlaunch.MessageResponse, errors=(NotAMember, InsufficientRole)
)
def delete_organization(call: Call[None, AuthorizedCaller]) -> botlaunch.MessageResponse:
    """Delete the organization for good, with its memberships and invitations; its members keep their accounts."""
    deletion.delete(call.caller.organization_id, call.caller.subject)
    return botlaunch.MessageResponse(message="Organization deleted")


handler = endpoint.handler()
