"""POST /api/auth/refresh (BotLaunch; SnapOTP in its own words): trade a refresh token for the next session."""

from gerbang import container as runtime
from gerbang.apis import by_body
from gerbang.http import edge

sessions = runtime.refreshing_with_role()  # once per container
by_body.rehearse(lambda contract, request: contract.refresh_token_of(request))


@by_body.post
def handler(request: edge.Request) -> edge.Response:
    """Trade a refresh token for the next session."""
    contract = by_body.contract_of(request)
    return contract.refreshed(sessions.refresh(contract.refresh_token_of(request)))
