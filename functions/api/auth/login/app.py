"""POST /api/auth/login (BotLaunch; SnapOTP by user name): a password for a session."""

from gerbang import container as runtime
from gerbang.apis import by_body
from gerbang.apis.client import client_of
from gerbang.http import edge

sign_in = runtime.password_sign_in_with_role()  # once per container
by_body.rehearse(lambda contract, request: contract.credentials(request))


@by_body.post
def handler(request: edge.Request) -> edge.Response:
    """Sign in with e-mail or user name and password."""
    contract = by_body.contract_of(request)
    session = sign_in.sign_in(contract.credentials(request), client_of(request))
    return contract.signed_in(session)
