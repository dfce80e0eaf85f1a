"""Whether a session is active or a password signs in, as tests of passwords and codes ask after every step."""

from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.client import Client
from gerbang.sessions.sessions import SessionEnded, SignedIn

from tests.deployment import ABROAD, BOB, PASSWORD, by_email
from tests.unit.mail_fakes import MailDeployment


def is_alive(post: MailDeployment, session: SignedIn) -> bool:
    """Whether the access token of a session works."""
    try:
        post.base.sessions.authenticate(session.tokens.access_token)
    except SessionEnded:
        return False
    return True


def opens(post: MailDeployment, password: str = PASSWORD, client: Client = ABROAD, *, email: str = BOB.email) -> bool:
    """Whether a password signs in, at Bob's account unless another is named."""
    try:
        post.base.sign_in.sign_in(by_email(email, password), client)
    except InvalidCredentials:
        return False
    return True
