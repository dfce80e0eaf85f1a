"""POST /auth/v1/logout: end sessions of a user."""

from http import HTTPStatus

from gerbang.apis import gotrue
from gerbang.container import container
from gerbang.core.errors import FieldError
from gerbang.http.callers import ApiKeyAndToken
from gerbang.http.endpoint import Call, Endpoint, Parameter
from gerbang.http.request import InvalidFields
from gerbang.sessions.claims import InvalidToken
from gerbang.sessions.sessions import SessionEnded, UserDeleted, UserDisabled
from gerbang.sessions.sign_out import Scope

endpoint = Endpoint("/auth/v1/logout")
sign_out = container.sign_out
container.warm_up_tokens()
container.warm_up_sessions()


@endpoint.post(
    gotrue.API,
    caller=ApiKeyAndToken(container.api_keys),
    parameters=(
        Parameter(name="scope", description="Which sessions end: all, this one or the others.", values=tuple(Scope)),
    ),
    status=HTTPStatus.NO_CONTENT,
    errors=(InvalidFields, InvalidToken, SessionEnded, UserDeleted, UserDisabled),
)
def log_out(call: Call[None, str]) -> None:
    """End all sessions of the user, this one or the others, as `scope` says: `global`, `local` or `others`."""
    try:
        scope = Scope(call.request.query.get("scope") or Scope.GLOBAL)
    except ValueError:
        raise InvalidFields((FieldError("scope", "Must be global, local or others"),)) from None
    sign_out.sign_out(call.caller, scope)


handler = endpoint.handler()
