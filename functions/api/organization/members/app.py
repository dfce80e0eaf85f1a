"""GET /api/organization/members: who belongs to the organization that the caller acts in."""

from gerbang.accounts.authorization import Caller as AuthorizedCaller
from gerbang.apis import botlaunch
from gerbang.apis.botlaunch.organizations import MembersResponse, members, user_id_in
from gerbang.container import container
from gerbang.core.errors import FieldError
from gerbang.http.callers import OrganizationMember
from gerbang.http.endpoint import Call, Endpoint, Parameter
from gerbang.http.request import InvalidFields

endpoint = Endpoint("/api/organization/members")
listing = container.members
container.warm_up_tokens()
container.warm_up_sessions()
container.warm_up_organizations()


@endpoint.get(
    botlaunch.API,
    caller=OrganizationMember(container.authorizer),
    parameters=(Parameter(name="after", description="The `next` of the page before."),),
    response=MembersResponse,
    errors=(InvalidFields,),
)
def list_members(call: Call[None, AuthorizedCaller]) -> MembersResponse:
    """List the members, 100 a page; `after` is the `next` of the page before."""
    after = call.request.query.get("after")
    user_id = user_id_in(after) if after else None
    if after and user_id is None:
        raise InvalidFields((FieldError("after", "Must be the next of a page"),))
    return members(listing.list(call.caller.organization_id, user_id))


handler = endpoint.handler()
