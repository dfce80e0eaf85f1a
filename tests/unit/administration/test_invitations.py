"""gerbang.accounts.invitations: an address that could not redeem its code is not invited."""

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.user_creation import NewUser
from gerbang.core.emails import EmailAddress
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.jobs import MailKind
from gerbang.storage.accounts import Name

from tests.deployment import BOB, CODE_TRIES, HOME
from tests.unit.links.steps import LINK
from tests.unit.mail_deployment import MailDeployment

INVITED = NewUser(email=EmailAddress(BOB.email), is_verified=False, name="")


@pytest.mark.parametrize("has_account", [False, True])
def test_an_address_without_tries_left_is_not_invited(app: MailDeployment, *, has_account: bool) -> None:
    if has_account:
        app.register()
    for _ in range(CODE_TRIES.attempts):
        with pytest.raises(InvalidCode):
            app.code_sign_in.sign_in(BOB.email, "123456", HOME)

    with pytest.raises(TooManyAttempts) as error:
        app.base.invitations.invite(INVITED, None, LINK)

    assert (error.value.limit, error.value.wait) == ("code_tries", CODE_TRIES.window)
    assert app.queue.jobs == []
    assert (app.users.find_id(Name.EMAIL, BOB.email) is not None) is has_account

    app.base.clock.advance(CODE_TRIES.window)
    assert app.base.invitations.invite(INVITED, None, LINK).invited_at == app.base.clock()
    assert [job.kind for job in app.queue.jobs] == [MailKind.INVITE]
