"""What tests of second factors do: add a factor, use the app's codes, start a sign-in."""

from datetime import timedelta
from typing import Final

import pytest
from gerbang.accounts import totp
from gerbang.accounts.identity_sign_in import VerifiedIdentity
from gerbang.accounts.own_factors import Enrolled
from gerbang.sessions.first_factor import SecondFactorRequired
from gerbang.sessions.sessions import Authenticated, SignedIn
from gerbang.storage.accounts import User

from tests.deployment import BOB, HOME, by_email
from tests.unit.mail_deployment import MailDeployment

STEP: Final = timedelta(seconds=totp.STEP_SECONDS)
NO_FACTOR: Final = "0e1d6f52-3a43-4f0e-9d0c-6a1d2b3c4d5e"
GOOGLE: Final = VerifiedIdentity(provider="google", subject="1001", email=BOB.email, name="Bob")


def caller_of(app: MailDeployment, session: SignedIn) -> Authenticated:
    return app.base.sessions.authenticate(session.tokens.access_token)


def add_factor(app: MailDeployment, session: SignedIn, name: str = "") -> Enrolled:
    return app.base.own_factors.enrol(caller_of(app, session), name=name, issuer="Toko")


def app_code(app: MailDeployment, session: SignedIn, factor_id: str, steps: int = 0) -> str:
    """The code that the user's app shows now, or in a number of steps."""
    secret = totp.secret_of(app.base.keys, session.user.user_id, factor_id)
    return totp.code_of(secret, totp.step_at(app.base.clock()) + steps)


def verify(app: MailDeployment, session: SignedIn, factor_id: str, code: str) -> SignedIn:
    caller = caller_of(app, session)
    challenge = app.base.own_factors.challenge(caller, factor_id)
    second_factor = app.base.second_factor
    return second_factor.verify(caller, factor_id, challenge_id=challenge.challenge_id, code=code, client=HOME)


def with_second_factor(app: MailDeployment, session: SignedIn, name: str = "") -> tuple[SignedIn, str]:
    """Add a factor and verify it; return the raised session and the factor's id. The next app code is unused."""
    factor_id = add_factor(app, session, name).factor.factor_id
    raised = verify(app, session, factor_id, app_code(app, session, factor_id))
    app.base.clock.advance(STEP)
    return raised, factor_id


def start_sign_in(app: MailDeployment, email: str = BOB.email) -> str:
    """Sign in with the password; return the token with which the second factor completes the sign-in."""
    with pytest.raises(SecondFactorRequired) as caught:
        app.base.sign_in.sign_in(by_email(email), HOME)
    return caught.value.mfa_token


def aal1_session(app: MailDeployment, session: SignedIn) -> SignedIn:
    """Open another session of the user, with the password only."""
    return app.base.sessions.open(stored_user(app, session), HOME, "password")


def stored_user(app: MailDeployment, session: SignedIn) -> User:
    return app.user(session.user.user_id)


def level_and_methods(app: MailDeployment, session: SignedIn) -> tuple[str, list[str]]:
    family = caller_of(app, session).family
    return family.aal, [each.method for each in family.amr]
