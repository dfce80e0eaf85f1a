"""PATCH and DELETE /api/organization/members/{userId}: change a member's role, end a membership."""

from gerbang.accounts.authorization import Caller as AuthorizedCaller
from gerbang.accounts.organization_changes import LastOwner, NoSuchMember
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.roles import InsufficientRole, Role
from gerbang.apis import botlaunch
from gerbang.apis.botlaunch.organizations import user_id_in
from gerbang.apis.botlaunch.requests import RoleRequest
from gerbang.container import container
from gerbang.http.callers import OrganizationMember
from gerbang.http.endpoint import Call, Endpoint

endpoint = Endpoint("/api/organization/members/{userId}")
changes = container.organization_changes
caller = OrganizationMember(container.authorizer)
container.warm_up_tokens()
container.warm_up_sessions()
container.warm_up_organizations()


@endpoint.patch(
    botlaunch.API,
    caller=caller,
    request=RoleRequest,
    response=botlaunch.MessageResponse,
    errors=(NotAMember, NoSuchMember, InsufficientRole, LastOwner),
)
def change_role(call: Call[RoleRequest, AuthorizedCaller]) -> botlaunch.MessageResponse:
    """Give a member another role. No one gives or takes a role above their own."""
    changes.change_role(call.caller.organization_id, call.caller.subject, _member(call), Role(call.body.role))
    return botlaunch.MessageResponse(message="Role changed")


@endpoint.delete(
    botlaunch.API,
    caller=caller,
    response=botlaunch.MessageResponse,
    errors=(NotAMember, NoSuchMember, InsufficientRole, LastOwner),
)
def remove_member(call: Call[None, AuthorizedCaller]) -> botlaunch.MessageResponse:
    """End a membership: of another member, or one's own. The last owner stays."""
    changes.remove(call.caller.organization_id, call.caller.subject, _member(call))
    return botlaunch.MessageResponse(message="Member removed")


def _member[B](call: Call[B, AuthorizedCaller]) -> str:
    user_id = user_id_in(call.request.path_parameters["userId"])
    if user_id is None:
        raise NoSuchMember("malformed id")
    return user_id


handler = endpoint.handler()
