"""POST /auth/otp (Atourin): mail a one-time code, if anybody has the address."""

from gerbang import container as runtime
from gerbang.apis import atourin
from gerbang.apis.client import client_of
from gerbang.apis.languages import locale_of
from gerbang.http import edge

mail_service = runtime.mail_service()  # once per container
edge.rehearse(atourin.email_of)


@atourin.post
def handler(request: edge.Request) -> edge.Response:
    """Queue a code for an address, known or not."""
    mail_service.request_code(atourin.email_of(request), locale_of(request), client_of(request).address)
    return atourin.code_sent()
