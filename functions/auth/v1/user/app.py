"""GET and PUT /auth/v1/user: show the caller's account, change it."""

from dataclasses import replace

from gerbang.accounts.reauthentication import REAUTHENTICATION_ERRORS
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.user_update import AddressRequired, SamePassword, UserChanges
from gerbang.apis import gotrue
from gerbang.apis.fields import PASSWORD_POLICY
from gerbang.apis.gotrue import requests
from gerbang.apis.gotrue.links import REDIRECT_TO, Links
from gerbang.apis.gotrue.requests import NotAdmin, PhoneProviderDisabled, UserRequest
from gerbang.container import container
from gerbang.http.callers import ApiKeyAndUser
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import InvalidFields
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.service import TooMuchMail
from gerbang.passwords.policy import UnacceptablePassword
from gerbang.sessions.assurance import InsufficientLevel
from gerbang.sessions.claims import role_of
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/auth/v1/user")
users = container.users
user_update = container.user_update
policy = container.password_policy
audience = container.settings.audience
links = Links(container.settings.public_url, container.redirect_targets)
caller = ApiKeyAndUser(container.api_keys, container.sessions)
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.get(gotrue.API, caller=caller, response=gotrue.User)
def show_user(call: Call[None, Authenticated]) -> gotrue.User:
    """Show the caller's account."""
    return _shown(call.caller)


@endpoint.put(
    gotrue.API,
    caller=caller,
    request=UserRequest,
    context={PASSWORD_POLICY: policy},
    parameters=(REDIRECT_TO,),
    response=gotrue.User,
    errors=(
        InvalidFields,
        NotAdmin,
        PhoneProviderDisabled,
        AddressRequired,
        UnacceptablePassword,
        SamePassword,
        *REAUTHENTICATION_ERRORS,
        EmailTaken,
        TooMuchMail,
        TooManyAttempts,
        InsufficientLevel,
    ),
    overrides=gotrue.USER_ERRORS,
)
def update_user(call: Call[UserRequest, Authenticated]) -> gotrue.User:
    """Change the caller's password, metadata or, once it is confirmed, address."""
    body = call.body
    if body.app_metadata is not None:
        raise NotAdmin
    if body.phone is not None:
        raise PhoneProviderDisabled
    changes = UserChanges(
        email=body.email,
        password=body.password,
        code=body.nonce,
        current_password=body.current_password,
        metadata=body.data,
        name=body.name,
        link=links.asked_for(call.request, body.challenge),
    )
    with requests.naming_data():
        user = user_update.update(call.caller, changes, call.client, policy)
    return _shown(replace(call.caller, user=user))


def _shown(authenticated: Authenticated) -> gotrue.User:
    user, family = authenticated.user, authenticated.family
    return gotrue.user(user, users.identities_of(user), audience=audience, role=role_of(user, family))


handler = endpoint.handler()
