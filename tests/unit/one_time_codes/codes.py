"""Using mailed codes, right and wrong ones."""

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.core.emails import EmailAddress
from gerbang.sessions.sessions import SignedIn

from tests.deployment import BOB, HOME
from tests.unit.mail_deployment import MailDeployment
from tests.unit.mail_fakes import wrong_code

UNKNOWN = "unknown@example.com"


def redeem(app: MailDeployment, code: str, email: str = BOB.email) -> SignedIn:
    return app.code_sign_in.sign_in(EmailAddress(email), code, HOME).signed_in


def assert_rejected(app: MailDeployment, code: str, email: str = BOB.email) -> None:
    """Use a code, which fails."""
    with pytest.raises(InvalidCode):
        redeem(app, code, email)


def use_wrong_codes(app: MailDeployment, code: str, email: str = BOB.email, *, times: int) -> None:
    """Use codes other than this one."""
    for _ in range(times):
        assert_rejected(app, wrong_code(code), email)
