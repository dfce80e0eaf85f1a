"""A ban blocks every way to sign in and every session of a user while it lasts, and ends no session."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.accounts.user_update import UserChanges
from gerbang.accounts.verification import AccountDisabled
from gerbang.core.clock import to_epoch
from gerbang.core.emails import EmailAddress
from gerbang.mail.codes import InvalidResetToken
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SessionEnded, SignedIn, UserDisabled
from gerbang.sessions.sign_out import Scope
from gerbang.storage.accounts import User
from gerbang.storage.one_time_codes import Slot

from tests.deployment import BOB, HOME, PASSWORD, by_email
from tests.fakes import Call
from tests.unit.mail_deployment import MailDeployment

BAN: Final = timedelta(hours=24)
NEW_PASSWORD: Final = "Battery staple 2"
GOOGLES_BOB: Final = VerifiedIdentity(provider=GOOGLE, subject="1081", email=BOB.email, name="Bob")

type Use = Callable[[MailDeployment], object]
type WayIn = Callable[[MailDeployment, SignedIn], Use]
"""Prepares a way to use an account before its user is banned; returns the function that uses it."""


def ban(app: MailDeployment, user: User, until: timedelta = BAN) -> None:
    app.change(user, banned_until=to_epoch(app.base.clock() + until))


def password(_post: MailDeployment, _session: SignedIn) -> Use:
    return lambda deployment: deployment.base.sign_in.sign_in(by_email(BOB.email), HOME)


def supabase_password(app: MailDeployment, session: SignedIn) -> Use:
    app.verify_email(session.user)
    return lambda deployment: deployment.base.supabase_password_sign_in.sign_in(by_email(BOB.email), HOME)


def code(app: MailDeployment, _: SignedIn) -> Use:
    mailed = app.mailed_code()
    return lambda deployment: deployment.code_sign_in.redeem(BOB.email, mailed, HOME, slots=[Slot.EMAIL])


def google(app: MailDeployment, _: SignedIn) -> Use:
    app.google.sign_in(GOOGLES_BOB, HOME)
    return lambda deployment: deployment.google.sign_in(GOOGLES_BOB, HOME)


def first_google(_post: MailDeployment, _session: SignedIn) -> Use:
    return lambda deployment: deployment.google.sign_in(GOOGLES_BOB, HOME)


def refresh(_post: MailDeployment, session: SignedIn) -> Use:
    return lambda deployment: deployment.base.sessions.refresh(session.tokens.refresh_token)


def call(_post: MailDeployment, session: SignedIn) -> Use:
    return lambda deployment: deployment.base.sessions.authenticate(session.tokens.access_token)


def sign_out(_post: MailDeployment, session: SignedIn) -> Use:
    return lambda deployment: deployment.base.sign_out.sign_out(session.tokens.access_token, Scope.GLOBAL)


def reset(app: MailDeployment, _: SignedIn) -> Use:
    token = app.mailed_token()
    return lambda deployment: deployment.password_reset.reset(token, NEW_PASSWORD, client=HOME, policy=PasswordPolicy())


def change_password(_post: MailDeployment, session: SignedIn) -> Use:
    token = session.tokens.access_token
    return lambda deployment: deployment.password_change.change(
        token, current=PASSWORD, new=NEW_PASSWORD, client=HOME, policy=PasswordPolicy()
    )


def change_email(app: MailDeployment, session: SignedIn) -> Use:
    new = EmailAddress("robert@example.com")
    caller = app.base.sessions.authenticate(session.tokens.access_token)
    app.base.user_update.update(caller, UserChanges(email=new), HOME, PasswordPolicy())
    [job] = [job for job in app.queue.jobs if job.kind is MailKind.EMAIL_CHANGE_NEW]
    app.deliver(job)
    mailed = app.outbox.codes[-1]
    return lambda deployment: deployment.email_change.confirm(new, mailed, HOME)


WAYS_IN: Final[dict[str, tuple[WayIn, type[Exception]]]] = {
    "password": (password, InvalidCredentials),
    "password at Supabase's endpoint": (supabase_password, AccountDisabled),
    "code": (code, AccountDisabled),
    "Google": (google, AccountDisabled),
    "Google for the first time": (first_google, AccountDisabled),
    "refresh": (refresh, UserDisabled),
    "authenticated call": (call, UserDisabled),
    "sign-out": (sign_out, UserDisabled),
    "reset": (reset, InvalidResetToken),
    "password change": (change_password, UserDisabled),
    "address change": (change_email, InvalidCode),
}

for_every_way_in = pytest.mark.parametrize("name", WAYS_IN)


@for_every_way_in
def test_a_banned_user_can_use_no_way_in(app: MailDeployment, name: str) -> None:
    prepare, error = WAYS_IN[name]
    session = app.register()
    use = prepare(app, session)

    ban(app, session.user)

    with pytest.raises(error):
        use(app)


@for_every_way_in
def test_when_a_ban_has_ended_every_way_in_works_again(app: MailDeployment, name: str) -> None:
    prepare, error = WAYS_IN[name]
    session = app.register()
    use = prepare(app, session)
    ban(app, session.user, timedelta(minutes=5))

    app.base.clock.advance(timedelta(minutes=5) - timedelta(seconds=1))
    with pytest.raises(error):
        use(app)
    app.base.clock.advance(timedelta(seconds=1))
    use(app)


def test_a_session_works_again_after_a_ban(app: MailDeployment) -> None:
    session = app.register()
    ban(app, session.user, timedelta(minutes=5))

    for use in (refresh(app, session), call(app, session)):
        with pytest.raises(SessionEnded):
            use(app)
    app.base.clock.advance(timedelta(minutes=5))

    refreshed = app.base.sessions.refresh(session.tokens.refresh_token)
    assert app.base.sessions.authenticate(refreshed.tokens.access_token).family.family_id == session.family_id


@pytest.mark.parametrize("name", ["password", "code", "Google", "Google for the first time", "reset"])
def test_a_ban_that_is_set_during_a_sign_in_prevents_it(app: MailDeployment, name: str) -> None:
    prepare, error = WAYS_IN[name]
    session = app.register()
    use = prepare(app, session)
    before = app.base.families.list(session.user.user_id)

    def commits_account(attempted: Call) -> bool:
        return attempted.method == "commit" and app.users.key(session.user.user_id) in attempted.keys

    meanwhile = app.meanwhile(before=commits_account, happens=lambda: ban(app, session.user))
    with pytest.raises((error, InvalidCode)):
        use(meanwhile)

    assert app.base.families.list(session.user.user_id) == before


def test_a_banned_user_gets_no_mail(app: MailDeployment) -> None:
    session = app.register()
    ban(app, session.user)
    sent = len(app.outbox.sent)

    app.deliver(app.job(MailKind.SIGN_IN_CODE))

    assert len(app.outbox.sent) == sent
