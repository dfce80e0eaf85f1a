"""GET and DELETE /auth/v1/user/identities/{identity_id}: unlink an identity from the caller's account."""

from uuid import UUID

from gerbang.accounts.linked_identities import IdentityNotFound, LastIdentity
from gerbang.accounts.sign_up_policy import ManualLinkingDisabled
from gerbang.apis import gotrue
from gerbang.container import container
from gerbang.core.errors import FieldError
from gerbang.http.callers import ApiKeyAndUser, ApiKeyHolder
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.request import InvalidFields
from gerbang.sessions.api_keys import KeyKind
from gerbang.sessions.assurance import InsufficientLevel
from gerbang.sessions.sessions import Authenticated

endpoint = Endpoint("/auth/v1/user/identities/{identity_id}")
linked_identities, policy = container.linked_identities, container.sign_up_policy
api_keys = container.api_keys
caller = ApiKeyAndUser(api_keys, container.sessions)
container.warm_up_tokens()
container.warm_up_sessions()
container.warm_up_mail_queue()


@endpoint.delete(
    gotrue.API,
    caller=caller,
    response=gotrue.EmptyResponse,
    errors=(InvalidFields, ManualLinkingDisabled, InsufficientLevel, IdentityNotFound, LastIdentity),
    overrides=gotrue.UNLINKING_ERRORS,
)
def unlink_identity(call: Call[None, Authenticated]) -> gotrue.EmptyResponse:
    """Unlink an identity from the caller's account; unlinking the one of the address removes the password."""
    policy.check_linking()
    provider = gotrue.provider_of(call.caller.user, _identity_id(call.request.path_parameters["identity_id"]))
    linked_identities.unlink(call.caller, provider, call.client)
    return {}


@endpoint.get(gotrue.API, caller=ApiKeyHolder(api_keys), errors=(ManualLinkingDisabled,))
def link_by_redirect(_call: Call[None, KeyKind]) -> None:
    """Say that identities are not linked by a redirect (`/auth/v1/user/identities/authorize`)."""
    raise ManualLinkingDisabled


def _identity_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidFields((FieldError("identity_id", "Must be a UUID"),)) from None


handler = endpoint.handler()
