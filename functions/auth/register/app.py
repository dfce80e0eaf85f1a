"""POST /auth/register (Atourin): a new account, and a mail to prove its address."""

from gerbang import edge, runtime
from gerbang.contracts import atourin
from gerbang.contracts.callers import client_of
from gerbang.contracts.languages import locale_of

registration = runtime.enrolment()  # once per container
desk = runtime.mail_desk()
policy = runtime.password_policy()
edge.rehearse(atourin.new_account)


@atourin.post
def handler(request: edge.Request) -> edge.Response:
    """Make an account and queue the mail with its verification code."""
    user = registration.enrol(atourin.new_account(request), client_of(request), policy)
    desk.welcome(user, locale_of(request))
    return atourin.registered(user)
