"""POST and GET /api/organizations: the organizations of the caller."""

from http import HTTPStatus

from gerbang.accounts.own_organizations import TooManyOrganizations
from gerbang.apis import botlaunch
from gerbang.apis.botlaunch.organizations import (
    OrganizationResponse,
    OrganizationsResponse,
    organization,
    organizations,
)
from gerbang.apis.botlaunch.requests import OrganizationRequest
from gerbang.container import container
from gerbang.http.callers import AuthorizedUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/api/organizations")
own_organizations = container.own_organizations
caller = AuthorizedUser(container.authorizer)
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.post(
    botlaunch.API,
    caller=caller,
    request=OrganizationRequest,
    response=OrganizationResponse,
    status=HTTPStatus.CREATED,
    errors=(TooManyOrganizations,),
)
def found_organization(call: Call[OrganizationRequest, Authenticated]) -> OrganizationResponse:
    """Found an organization whose owner is the caller."""
    founded, role = own_organizations.found(call.caller, call.body.name)
    return organization(founded, role, "Organization founded")


@endpoint.get(botlaunch.API, caller=caller, response=OrganizationsResponse)
def list_organizations(call: Call[None, Authenticated]) -> OrganizationsResponse:
    """List the organizations that the caller belongs to, with the role in each, the default one first."""
    return organizations(own_organizations.list(call.caller.user))


handler = endpoint.handler()
