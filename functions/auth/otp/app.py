"""POST /auth/otp (Atourin): mail a one-time code, if anybody has the address."""

from gerbang import edge, runtime
from gerbang.contracts import atourin
from gerbang.contracts.callers import client_of
from gerbang.contracts.languages import locale_of

desk = runtime.mail_desk()  # once per container
edge.rehearse(atourin.email_of)


@atourin.post
def handler(request: edge.Request) -> edge.Response:
    """Queue a code for an address, known or not."""
    desk.ask_for_code(atourin.email_of(request), locale_of(request), client_of(request).address)
    return atourin.code_sent()
