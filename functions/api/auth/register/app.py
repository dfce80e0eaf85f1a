"""POST /api/auth/register (BotLaunch; SnapOTP by user name): a new account, signed in."""

from gerbang import edge, runtime
from gerbang.contracts import by_body
from gerbang.contracts.callers import client_of
from gerbang.contracts.languages import locale_of

registration = runtime.registration()  # once per container
policy = runtime.password_policy()
welcome = runtime.welcome_desk()
by_body.rehearse(lambda contract, request: contract.new_account(request))


@by_body.post
def handler(request: edge.Request) -> edge.Response:
    """Make an account, in BotLaunch with its organisation."""
    contract = by_body.contract_of(request)
    made = registration.register(
        contract.new_account(request), client_of(request), policy.asking_for(*contract.password_requirements())
    )
    if welcome is not None:
        welcome.welcome(made.signed_in.user, locale_of(request))
    return contract.registered(made)
