"""POST /api/auth/forgot-password (SnapOTP): mail a reset token, if anybody has the address."""

from gerbang import edge, runtime
from gerbang.contracts import snapotp
from gerbang.contracts.callers import client_of
from gerbang.contracts.languages import locale_of

desk = runtime.mail_desk()  # once per container
edge.rehearse(snapotp.email_of)


@snapotp.post
def handler(request: edge.Request) -> edge.Response:
    """Queue a reset token for an address, known or not."""
    desk.ask_for_reset(snapotp.email_of(request), locale_of(request), client_of(request).address)
    return snapotp.done("If the address has an account, a mail with a reset token is on its way")
