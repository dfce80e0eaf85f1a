"""PUT and DELETE /auth/v1/admin/users/{user_id}/factors/{factor_id}: rename and remove a second factor of a user."""

from gerbang.accounts.factors import FactorNameTaken, FactorNotFound
from gerbang.accounts.user_edit import NoSuchUser
from gerbang.apis import gotrue
from gerbang.apis.gotrue.factor_requests import EditFactorRequest
from gerbang.apis.gotrue.path_ids import factor_id_in, user_id_in
from gerbang.container import container
from gerbang.http.callers import ServiceRole
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import NoSuchPath

endpoint = Endpoint("/auth/v1/admin/users/{user_id}/factors/{factor_id}")
factors = container.factors
caller = ServiceRole(container.api_keys, container.log_event)
container.warm_up_secret_api_key()
container.warm_up_users()


@endpoint.put(
    gotrue.API,
    caller=caller,
    request=EditFactorRequest,
    response=gotrue.Factor,
    errors=(NoSuchPath, NoSuchUser, FactorNotFound, FactorNameTaken),
    overrides=gotrue.ADMIN_ERRORS,
)
def rename_factor(call: Call[EditFactorRequest, None]) -> gotrue.Factor:
    """Give a user's second factor another name."""
    user_id, factor_id = user_id_in(call.request.path_parameters), factor_id_in(call.request.path_parameters)
    return gotrue.factor(factors.rename(user_id, factor_id, call.body.friendly_name))


@endpoint.delete(
    gotrue.API,
    caller=caller,
    response=gotrue.Factor,
    errors=(NoSuchPath, NoSuchUser, FactorNotFound),
    overrides=gotrue.ADMIN_ERRORS,
)
def remove_factor(call: Call[None, None]) -> gotrue.Factor:
    """Remove a user's second factor, of a user who has lost the app and the recovery codes for example."""
    user_id, factor_id = user_id_in(call.request.path_parameters), factor_id_in(call.request.path_parameters)
    return gotrue.factor(factors.remove(user_id, factor_id))


handler = endpoint.handler()
