"""GET /api/organization: the organization that the caller acts in."""

from gerbang.accounts.authorization import Caller as AuthorizedCaller
from gerbang.accounts.organizations import NotAMember
from gerbang.apis import botlaunch
from gerbang.container import container
from gerbang.http.callers import OrganizationMember
from gerbang.http.endpoint import Call, Endpoint

endpoint = Endpoint("/api/organization")
organizations = container.organizations
container.warm_up_tokens()
container.warm_up_sessions()
container.warm_up_organizations()


@endpoint.get(
    botlaunch.API,
    caller=OrganizationMember(container.authorizer),
    response=botlaunch.OrganizationResponse,
    errors=(NotAMember,),
)
def show_organization(call: Call[None, AuthorizedCaller]) -> botlaunch.OrganizationResponse:
    """Show the organization that `x-organization-id` names, and the caller's role in it."""
    return botlaunch.organization(organizations.find(call.caller.organization_id), call.caller.role)


handler = endpoint.handler()
