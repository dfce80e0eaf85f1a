"""What a code verifies and what it drops (security.md 108, docs/decisions/0009-verifying-an-address.md)."""

from copy import replace
from datetime import timedelta

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.registration import EmailTaken
from gerbang.core.client import Client
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.jobs import MailKind
from gerbang.mail.mailer import WRITE_GRACE, AccountNotWritten
from gerbang.sessions.sessions import SessionEnded, SignedIn

from tests.deployment import ABROAD, BOB, HOME, by_email
from tests.fakes import FakeClock, Fault, FaultyStore, at_once
from tests.unit.access import password_works, session_works
from tests.unit.mail_deployment import MailDeployment, in_memory_only
from tests.unit.one_time_codes.codes import assert_rejected, redeem


@pytest.mark.covers("108")
def test_a_sign_in_code_drops_the_password_and_sessions_of_an_unverified_account(app: MailDeployment) -> None:
    stranger = app.register()

    owner = redeem(app, app.mailed_code())

    assert app.user(owner.user.user_id) == owner.user
    assert (owner.user.password_hash, owner.user.email_verified_at) == (None, app.base.clock())
    assert session_works(app, owner)
    assert not session_works(app, stranger)
    with pytest.raises(SessionEnded):
        app.base.sessions.refresh(stranger.tokens.refresh_token)
    assert not password_works(app)


def test_a_verification_code_keeps_the_password_and_sessions(app: MailDeployment) -> None:
    registered = app.register()

    session = redeem(app, app.mailed_code(kind=MailKind.VERIFICATION_CODE))

    assert session.user.email_verified_at == app.base.clock()
    assert session_works(app, registered)
    assert password_works(app)


@in_memory_only
def test_a_sign_in_code_of_a_verified_account_drops_nothing(app: MailDeployment, clock: FakeClock) -> None:
    registered = app.register()
    redeem(app, app.mailed_code(kind=MailKind.VERIFICATION_CODE))
    verified_at = clock()
    clock.advance(timedelta(minutes=20))

    session = redeem(app, app.mailed_code())

    assert session.user.email_verified_at == verified_at
    assert session_works(app, registered)
    assert password_works(app)


def test_a_strangers_sign_in_during_the_verification_is_ended(app: MailDeployment) -> None:
    app.register()
    code = app.mailed_code()
    stranger: list[SignedIn] = []
    meanwhile = app.meanwhile(lambda: stranger.append(app.base.sign_in.sign_in(by_email(BOB.email), ABROAD)))

    owner = redeem(meanwhile, code)

    assert [session_works(app, session) for session in (*stranger, owner)] == [False, True]


# A second registration of the address fails, but its sender may be the owner


def register_again(app: MailDeployment) -> None:
    """Register Bob's address again, with another password; that fails."""
    with pytest.raises(EmailTaken):
        app.registration.register_without_session(replace(BOB, password="Another horse 1"), ABROAD)


def test_after_a_second_registration_the_verification_code_drops_the_password(app: MailDeployment) -> None:
    stranger = app.register()
    code = app.mailed_code(kind=MailKind.VERIFICATION_CODE)
    register_again(app)

    owner = redeem(app, code)

    assert [session_works(app, session) for session in (stranger, owner)] == [False, True]
    assert not password_works(app)
    assert app.user(owner.user.user_id) == owner.user


def test_a_verification_code_mailed_after_a_second_registration_drops_the_password(app: MailDeployment) -> None:
    app.register()
    register_again(app)

    redeem(app, app.mailed_code(kind=MailKind.VERIFICATION_CODE))

    assert not password_works(app)


def test_a_second_registration_during_the_verification_drops_the_password(app: MailDeployment) -> None:
    app.register()
    code = app.mailed_code(kind=MailKind.VERIFICATION_CODE)
    meanwhile = app.meanwhile(
        lambda: register_again(app),
        before=lambda call: call.method == "commit" and call.keys[0].pk.startswith("CODE#"),
    )
    assert_rejected(meanwhile, code)

    redeem(app, code)

    assert not password_works(app)


def test_the_password_is_kept_only_if_the_code_is_used_before_the_second_registration(
    app: MailDeployment,
) -> None:
    bob = app.register().user
    code = app.mailed_code(kind=MailKind.VERIFICATION_CODE)

    outcome, _ = at_once([lambda: redeem(app, code), lambda: register_again(app)])

    user = app.user(bob.user_id)
    assert isinstance(outcome, SignedIn | InvalidCode)
    assert (user.password_hash is None) == (user.contested_at is not None and user.email_verified_at is not None)


@in_memory_only
def test_a_second_registration_changes_nothing_once_the_address_is_verified(app: MailDeployment) -> None:
    session = redeem_after_registration(app)
    register_again(app)

    assert app.user(session.user.user_id) == session.user
    redeem(app, app.mailed_code())
    assert password_works(app)


def redeem_after_registration(app: MailDeployment) -> SignedIn:
    app.register()
    return redeem(app, app.mailed_code(kind=MailKind.VERIFICATION_CODE))


# A dropped password is reported


def removes_password(app: MailDeployment, code: str, client: Client = HOME) -> bool:
    """Use a code; return whether the answer says that it has removed the password."""
    return app.code_sign_in.sign_in(BOB.email, code, client).password_removed


def test_a_dropped_password_is_reported_in_the_answer_and_by_mail(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()

    assert removes_password(app_in_memory, app_in_memory.mailed_code(), replace(HOME, locale="it"))

    (job,) = app_in_memory.queue.jobs
    assert (job.kind, job.email, job.locale) == (MailKind.PASSWORD_REMOVED, BOB.email, "it")
    app_in_memory.deliver(job)
    assert app_in_memory.outbox.last.kind is MailKind.PASSWORD_REMOVED


@pytest.mark.parametrize("is_done", [True, False], ids=["done", "not done"])
def test_a_dropped_password_is_reported_by_mail_when_the_response_is_lost(
    app_in_memory: MailDeployment, *, is_done: bool
) -> None:
    app_in_memory.register()
    code = app_in_memory.mailed_code()
    fault = Fault.ANSWER_LOST if is_done else Fault.NOT_DONE
    faulty = FaultyStore(app_in_memory.base.store, at=lambda call: call.method == "commit", fault=fault)

    with pytest.raises(DependencyUnavailable):
        removes_password(app_in_memory.on(faulty), code)

    (job,) = app_in_memory.queue.jobs
    queued_at = app_in_memory.base.clock()
    if not is_done:
        with pytest.raises(AccountNotWritten):
            app_in_memory.mailer.deliver(job, queued_at=queued_at)
        app_in_memory.base.clock.advance(WRITE_GRACE)
    app_in_memory.mailer.deliver(job, queued_at=queued_at)
    assert (app_in_memory.outbox.last.kind is MailKind.PASSWORD_REMOVED) is is_done


def test_nothing_is_reported_if_no_password_is_dropped(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    code = app_in_memory.mailed_code(kind=MailKind.VERIFICATION_CODE)

    assert not removes_password(app_in_memory, code)
    assert not removes_password(app_in_memory, app_in_memory.mailed_code())

    assert app_in_memory.queue.jobs == []


def test_a_code_signs_in_when_the_notice_cannot_be_queued(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    app_in_memory.queue.is_down = True

    assert removes_password(app_in_memory, app_in_memory.mailed_code())

    assert "mail_not_queued" in app_in_memory.base.recorded.events
