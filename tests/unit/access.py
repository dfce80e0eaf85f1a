"""Whether a session or a password works: what tests of passwords and codes check after every step."""

from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.client import Client
from gerbang.sessions.sessions import SessionEnded, SignedIn

from tests.deployment import ABROAD, BOB, PASSWORD, by_email
from tests.unit.mail_deployment import MailDeployment


def session_works(app: MailDeployment, session: SignedIn) -> bool:
    """Return whether the access token of a session is accepted."""
    try:
        app.base.sessions.authenticate(session.tokens.access_token)
    except SessionEnded:
        return False
    return True


def password_works(
    app: MailDeployment, password: str = PASSWORD, client: Client = ABROAD, *, email: str = BOB.email
) -> bool:
    """Return whether a password signs in to Bob's account, or to the account with the given address."""
    try:
        app.base.sign_in.sign_in(by_email(email, password), client)
    except InvalidCredentials:
        return False
    return True
