"""Identities of Bob at two providers, and sign-ins with them."""

from copy import replace

from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity
from gerbang.core.clock import to_epoch
from gerbang.mail.jobs import MailKind
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.store import Update

from tests.conftest import Database
from tests.deployment import BOB, HOME
from tests.unit.mail_deployment import MailDeployment

BOB_SUBJECT = "110169484474386276334"
BOB_AT_GOOGLE = VerifiedIdentity(provider=GOOGLE, subject=BOB_SUBJECT, email="Bob@Example.com", name="Bob Martin")
OTHER_SUBJECT = replace(BOB_AT_GOOGLE, subject="220169484474386276334")
BOB_AT_APPLE = replace(BOB_AT_GOOGLE, provider="apple")


def sign_in(app: MailDeployment, identity: VerifiedIdentity = BOB_AT_GOOGLE) -> SignedIn:
    return app.google.sign_in(identity, HOME)


def account_count(database: Database) -> int:
    return len([item for item in database.items("Users", "USER#") if item["sk"] == "ACCOUNT"])


def verify_address(app: MailDeployment) -> None:
    """Redeem the code of the registration."""
    code = app.mailed_code(kind=MailKind.VERIFICATION_CODE)
    app.code_sign_in.sign_in(BOB.email, code, HOME)


def disable_without_new_epoch(app: MailDeployment, user_id: str) -> None:
    """Disable an account without raising its epoch."""
    app.base.store.write(Update(app.base.users.key(user_id), {"disabled_at": to_epoch(app.base.clock())}))
