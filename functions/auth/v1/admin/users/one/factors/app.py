"""GET /auth/v1/admin/users/{user_id}/factors: list the second factors of a user."""

from http import HTTPStatus

from gerbang.accounts.user_edit import NoSuchUser
from gerbang.apis import gotrue
from gerbang.apis.gotrue.path_ids import user_id_in
from gerbang.container import container
from gerbang.http.callers import ServiceRole
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import NoSuchPath
from gerbang.http.response import Response

endpoint = Endpoint("/auth/v1/admin/users/{user_id}/factors")
users = container.users
container.warm_up_secret_api_key()
container.warm_up_users()


@endpoint.get(
    gotrue.API,
    caller=ServiceRole(container.api_keys, container.log_event),
    response=gotrue.Factor,
    errors=(NoSuchPath, NoSuchUser),
    overrides=gotrue.ADMIN_ERRORS,
)
def list_factors(call: Call[None, None]) -> Response:
    """List a user's second factors: a bare list."""
    user = users.find(user_id_in(call.request.path_parameters))
    if user is None:
        raise NoSuchUser
    return Response(HTTPStatus.OK, [gotrue.factor(factor) for factor in user.factors])


handler = endpoint.handler()
