"""Links in mails: requests for them, their tokens, and redeeming them."""

from copy import replace
from urllib.parse import parse_qs, urlsplit

from gerbang.accounts.email_change import HalfConfirmed
from gerbang.core.emails import EmailAddress
from gerbang.mail.jobs import SLOT, MailJob, MailKind
from gerbang.mail.links import LinkRequest
from gerbang.sessions.pkce import ChallengeMethod, CodeChallenge
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.one_time_codes import Slot

from tests.deployment import BOB, HOME, SITE
from tests.unit.mail_deployment import MailDeployment
from tests.unit.one_time_codes.redemption import EITHER

BASE = "https://auth.example.com"
NEW_ADDRESS = EmailAddress("bob@new.example")
CHALLENGE = CodeChallenge("M" * 43, ChallengeMethod.PLAIN)
LINK = LinkRequest(base_url=BASE, redirect_to=f"{SITE}/welcome?x=1")


def link_job(app: MailDeployment, kind: MailKind, email: str = BOB.email, link: LinkRequest = LINK) -> MailJob:
    """A job of an endpoint of Supabase Auth."""
    slot = {SLOT: Slot.RECOVERY.value} if kind is MailKind.SIGN_IN_CODE else {}
    return replace(app.job(kind, email), payload={**slot, **link.to_payload()})


def url_in(app: MailDeployment) -> str:
    """The link in the last mail."""
    (url,) = [line for line in app.outbox.last.text.splitlines() if line.startswith("http")]
    return url


def mailed_link_token(app: MailDeployment, kind: MailKind, email: str = BOB.email, link: LinkRequest = LINK) -> str:
    """Have a link mailed; return its token."""
    app.deliver(link_job(app, kind, email, link))
    return link_token_in(url_in(app))


def link_token_in(url: str) -> str:
    return parse_qs(urlsplit(url).query)["token"][0]


def redeem_link(app: MailDeployment, token: str, slots: tuple[Slot, ...] = EITHER) -> SignedIn | HalfConfirmed:
    return app.base.link_sign_in.redeem(token, HOME, slots=slots)


def redeem_for_session(app: MailDeployment, token: str, slots: tuple[Slot, ...] = EITHER) -> SignedIn:
    session = redeem_link(app, token, slots)
    assert isinstance(session, SignedIn)
    return session
