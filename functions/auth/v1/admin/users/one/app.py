"""GET, PUT and DELETE /auth/v1/admin/users/{user_id}: show, change and delete a user."""

from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.user_edit import NoSuchUser
from gerbang.apis import gotrue
from gerbang.apis.gotrue import admin_requests
from gerbang.apis.gotrue.path_ids import user_id_in
from gerbang.apis.gotrue.requests import PhoneProviderDisabled
from gerbang.container import container
from gerbang.http.callers import ServiceRole
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import InvalidFields, NoSuchPath
from gerbang.passwords.policy import UnacceptablePassword

endpoint = Endpoint("/auth/v1/admin/users/{user_id}")
users, editing, deletion = container.users, container.user_editing, container.deletion
policy = container.password_policy
audience = container.settings.audience
caller = ServiceRole(container.api_keys, container.log_event)
container.warm_up_secret_api_key()
container.warm_up_users()


@endpoint.get(
    gotrue.API,
    caller=caller,
    response=gotrue.User,
    errors=(NoSuchPath, NoSuchUser),
    overrides=gotrue.ADMIN_ERRORS,
)
def show_user(call: Call[None, None]) -> gotrue.User:
    """Show a user."""
    person = users.find_person(user_id_in(call.request.path_parameters))
    if person is None:
        raise NoSuchUser
    return gotrue.user(person.user, person.identities, audience=audience)


@endpoint.put(
    gotrue.API,
    caller=caller,
    request=admin_requests.EditUserRequest,
    context={admin_requests.AUDIENCE: audience},
    response=gotrue.User,
    errors=(NoSuchPath, NoSuchUser, InvalidFields, PhoneProviderDisabled, UnacceptablePassword, EmailTaken),
    overrides=gotrue.ADMIN_ERRORS,
)
def change_user(call: Call[admin_requests.EditUserRequest, None]) -> gotrue.User:
    """Change a user at once, without confirmation and without mail. A new password ends the user's sessions."""
    user_id = user_id_in(call.request.path_parameters)
    with admin_requests.naming_fields():
        user = editing.edit(user_id, call.body.edit(user_id), policy)
    return gotrue.user(user, users.identities_of(user), audience=audience)


@endpoint.delete(
    gotrue.API,
    caller=caller,
    request=admin_requests.DeleteUserRequest,
    response=gotrue.EmptyResponse,
    errors=(NoSuchPath, NoSuchUser),
    overrides=gotrue.ADMIN_ERRORS,
)
def delete_user(call: Call[admin_requests.DeleteUserRequest, None]) -> gotrue.EmptyResponse:
    """Delete a user for good, with their sessions, identities, codes and membership."""
    if not deletion.delete_by_id(user_id_in(call.request.path_parameters)):
        raise NoSuchUser
    return {}


handler = endpoint.handler()
