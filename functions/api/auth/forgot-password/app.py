"""POST /api/auth/forgot-password (SnapOTP): mail a reset token, if anybody has the address."""

from gerbang import container as runtime
from gerbang.apis import snapotp
from gerbang.apis.client import client_of
from gerbang.apis.languages import locale_of
from gerbang.http import edge

mail_service = runtime.mail_service()  # once per container
edge.rehearse(snapotp.email_of)


@snapotp.post
def handler(request: edge.Request) -> edge.Response:
    """Queue a reset token for an address, known or not."""
    mail_service.request_reset(snapotp.email_of(request), locale_of(request), client_of(request).address)
    return snapotp.done("If the address has an account, a mail with a reset token is on its way")
