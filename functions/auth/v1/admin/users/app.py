"""GET and POST /auth/v1/admin/users: list users, create one."""

from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.user_creation import UserIdTaken
from gerbang.apis import gotrue
from gerbang.apis.gotrue import admin_requests
from gerbang.apis.gotrue.admin_lists import UserList
from gerbang.apis.gotrue.requests import PhoneProviderDisabled
from gerbang.container import container
from gerbang.http.callers import ServiceRole
from gerbang.http.endpoint import Call, Endpoint, Parameter
from gerbang.http.request import InvalidFields
from gerbang.http.response import Response

endpoint = Endpoint("/auth/v1/admin/users")
creation = container.user_creation
audience = container.settings.audience
listing = UserList(container.users, container.numbered_users, audience)
largest = admin_requests.LARGEST_NUMBER
caller = ServiceRole(container.api_keys, container.log_event)
container.warm_up_secret_api_key()
container.warm_up_users()


@endpoint.get(
    gotrue.API,
    caller=caller,
    parameters=(
        Parameter(name="page", description="The number of the page, from 1.", largest=largest, example=1),
        Parameter(name="per_page", description="Users on a page, 200 at most.", largest=largest, example=50),
        Parameter(name="filter", description="The e-mail address of the only user to list."),
    ),
    response=gotrue.UsersResponse,
    errors=(InvalidFields,),
)
def list_users(call: Call[None, None]) -> Response:
    """List users without guests, the newest first; `filter` finds the user of an e-mail address."""
    request = call.request
    query = admin_requests.ListQuery(request.query)
    if query.filter:
        return listing.with_address(query.filter)
    return listing.page(query, caller=f"{request.source_ip} {request.user_agent}")


@endpoint.post(
    gotrue.API,
    caller=caller,
    request=admin_requests.CreateUserRequest,
    context={admin_requests.AUDIENCE: audience},
    response=gotrue.User,
    errors=(PhoneProviderDisabled, EmailTaken, UserIdTaken),
    overrides=gotrue.ADMIN_ERRORS,
)
def create_user(call: Call[admin_requests.CreateUserRequest, None]) -> gotrue.User:
    """Create a user. No mail is sent, and the rules for passwords are not applied."""
    with admin_requests.naming_fields():
        user = creation.create(call.body.new_user())
    return gotrue.user(user, audience=audience)


handler = endpoint.handler()
