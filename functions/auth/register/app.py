"""POST /auth/register (Atourin): a new account, and a mail to prove its address."""

from gerbang import container as runtime
from gerbang.apis import atourin
from gerbang.apis.client import client_of
from gerbang.http import edge

registration = runtime.registration_without_session()  # once per container
policy = runtime.password_policy()
edge.rehearse(atourin.new_account)


@atourin.post
def handler(request: edge.Request) -> edge.Response:
    """Make an account and mail its verification code."""
    user = registration.register_without_session(atourin.new_account(request), client_of(request), policy)
    return atourin.registered(user)
