"""gerbang.accounts.password_change: a user changes the password by giving the current one (ASVS 6.2.2, 6.2.3)."""

from copy import replace
from datetime import timedelta

import pytest
from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity
from gerbang.accounts.password_change import WrongPassword
from gerbang.accounts.password_reset import REPEATABLE_FOR
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.log import Severity
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import UnacceptablePassword
from gerbang.sessions.claims import InvalidToken, TokenExpired
from gerbang.sessions.sessions import NotAPerson, SessionEnded

from tests.deployment import ABROAD, BOB, HOME, PASSWORD, by_email
from tests.fakes import FakeClock
from tests.unit.access import password_works, session_works
from tests.unit.mail_deployment import MailDeployment, in_memory_only
from tests.unit.passwords.changes import LEGACY_HASH, NEW, POLICY, change, refresh


@pytest.mark.covers("F40", "121")
def test_an_unusable_hash_is_logged_and_changes_nothing(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register()
    app_in_memory.change(session.user, password_hash="$bcrypt-sha256$v=2,t=2b,r=31$junk$junk")
    app_in_memory.base.clock.advance(REPEATABLE_FOR + timedelta(seconds=1))  # else the new password is compared too

    with pytest.raises(WrongPassword):
        change(app_in_memory, session)

    (note,) = [note for note in app_in_memory.base.recorded.notes if note.event == "password_hash_unusable"]
    assert (note.severity, note.fields) == (Severity.ERROR, {"user_id": session.user.user_id})


def test_the_current_password_changes_the_password(app: MailDeployment) -> None:
    session = app.register()

    change(app, session)

    assert not password_works(app, PASSWORD)
    assert password_works(app, NEW)
    user = app.user(session.user.user_id)
    assert (user.epoch, user.updated_at) == (session.user.epoch + 1, app.base.clock())
    assert "password_changed" in app.base.recorded.events


def test_a_change_ends_all_other_sessions(app: MailDeployment) -> None:
    session = app.register()
    others = [app.base.sign_in.sign_in(by_email(BOB.email), client) for client in (HOME, ABROAD)]

    change(app, session)

    assert not any(session_works(app, other) for other in others)
    for other in others:
        with pytest.raises(SessionEnded):
            refresh(app, other)


def test_a_change_keeps_its_own_session_and_tokens(app: MailDeployment) -> None:
    session = app.register()

    change(app, session)

    assert session_works(app, session)
    renewed = refresh(app, session)
    assert session_works(app, renewed)
    assert session_works(app, refresh(app, renewed))


@in_memory_only
def test_a_password_can_be_changed_again_in_the_same_session(app: MailDeployment) -> None:
    session = app.register()
    change(app, session)

    change(app, refresh(app, session), NEW, "A third horse 3")

    assert password_works(app, "A third horse 3")
    assert session_works(app, session)


def test_a_change_does_not_verify_the_address(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register()

    change(app_in_memory, session)

    after = app_in_memory.user(session.user.user_id)
    assert after == replace(
        session.user, password_hash=after.password_hash, epoch=1, updated_at=app_in_memory.base.clock()
    )


@pytest.mark.covers("F19")
@in_memory_only
def test_a_change_replaces_a_legacy_hash(app: MailDeployment) -> None:
    """Which is still there if it could not be replaced at the sign-in."""
    session = app.register()
    app.change(session.user, password_hash=LEGACY_HASH)

    change(app, session, current="password")

    assert app.user(session.user.user_id).migrated_at == app.base.clock()
    assert password_works(app, NEW)


@in_memory_only
def test_a_notice_goes_to_a_verified_address(app: MailDeployment) -> None:
    session = app.register()
    app.code_sign_in.sign_in(BOB.email, app.mailed_code(kind=MailKind.VERIFICATION_CODE), HOME)

    change(app, session)

    assert [(job.kind, job.email) for job in app.queue.jobs] == [(MailKind.PASSWORD_CHANGED, BOB.email)]


@in_memory_only
def test_no_notice_goes_to_an_unverified_address(app: MailDeployment) -> None:
    change(app, app.register())

    assert app.queue.jobs == []


@in_memory_only
def test_a_change_succeeds_when_its_notice_cannot_be_queued(app: MailDeployment) -> None:
    session = app.register()
    app.code_sign_in.sign_in(BOB.email, app.mailed_code(kind=MailKind.VERIFICATION_CODE), HOME)
    app.queue.is_down = True

    change(app, session)

    assert password_works(app, NEW)
    assert "mail_not_queued" in app.base.recorded.events


@pytest.mark.covers("95")
@in_memory_only
def test_an_access_token_without_the_password_changes_nothing(app: MailDeployment) -> None:
    session = app.register()

    for guess in ("", NEW, PASSWORD.lower(), f"{PASSWORD} "):
        with pytest.raises(InvalidCredentials):
            change(app, session, guess)

    assert app.user(session.user.user_id) == session.user
    assert app.queue.jobs == []
    assert password_works(app, PASSWORD)


def test_no_current_password_is_right_for_an_account_without_one(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.google.sign_in(
        VerifiedIdentity(provider=GOOGLE, subject="1", email=BOB.email, name="Bob"), HOME
    )

    for guess in ("", "None", PASSWORD):
        with pytest.raises(InvalidCredentials):
            change(app_in_memory, session, guess)

    assert app_in_memory.user(session.user.user_id).password_hash is None


def test_a_guest_has_no_password_to_change(app_in_memory: MailDeployment) -> None:
    guest = app_in_memory.guests.admit(HOME)

    with pytest.raises(NotAPerson):
        change(app_in_memory, guest, "")


@in_memory_only
def test_an_ended_session_changes_nothing(app: MailDeployment, clock: FakeClock) -> None:
    session = app.register()
    ended = app.base.sign_in.sign_in(by_email(BOB.email), HOME)
    app.base.sessions.close(ended.tokens.access_token)

    with pytest.raises(SessionEnded):
        change(app, ended)
    with pytest.raises(InvalidToken):
        app.password_change.change(session.tokens.refresh_token, current=PASSWORD, new=NEW, client=HOME, policy=POLICY)
    clock.advance(timedelta(hours=1))
    with pytest.raises(TokenExpired):
        change(app, session)

    assert password_works(app, PASSWORD)


@pytest.mark.parametrize("password", ["short", "password1", "bob@example.com", "x" * 257])
def test_an_unacceptable_password_changes_nothing_and_is_not_counted(
    app_in_memory: MailDeployment, password: str
) -> None:
    session = app_in_memory.register()

    for _ in range(12):
        with pytest.raises(UnacceptablePassword):
            change(app_in_memory, session, new=password)

    change(app_in_memory, session)
    assert password_works(app_in_memory, NEW)


# The log: security.md 167


@pytest.mark.covers("167")
def test_the_log_contains_no_password_and_no_address(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register()
    with pytest.raises(InvalidCredentials) as caught:
        change(app_in_memory, session, "a wrong password")
    change(app_in_memory, session)

    logged = str(app_in_memory.base.recorded.notes) + str(caught.value)

    for secret in (PASSWORD, NEW, "a wrong password", BOB.email):
        assert secret not in logged
