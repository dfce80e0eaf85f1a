"""POST /auth/v1/token?grant_type=refresh_token (GoTrue): trade a refresh token for the next session."""

from gerbang import container as runtime
from gerbang.apis import gotrue
from gerbang.http import edge

sessions = runtime.refreshing()  # once per container
api_keys = runtime.api_keys()
edge.rehearse(lambda request: request.parse(gotrue.RefreshRequest))


@gotrue.post
def handler(request: edge.Request) -> edge.Response:
    """Trade a refresh token for the next session."""
    api_keys.kind_of(request.headers.get("apikey"))
    return gotrue.signed_in(sessions.refresh(gotrue.refresh_token_of(request)))
