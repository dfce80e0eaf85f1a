"""POST /api/auth/register (BotLaunch; SnapOTP by user name): a new account, signed in."""

from gerbang import container as runtime
from gerbang.apis import by_body
from gerbang.apis.client import client_of
from gerbang.http import edge

registration = runtime.registration()  # once per container
policy = runtime.password_policy()
by_body.rehearse(lambda contract, request: contract.new_account(request))


@by_body.post
def handler(request: edge.Request) -> edge.Response:
    """Make an account, in BotLaunch with its organisation."""
    contract = by_body.contract_of(request)
    made = registration.register(
        contract.new_account(request), client_of(request), policy.asking_for(*contract.password_requirements())
    )
    return contract.registered(made)
