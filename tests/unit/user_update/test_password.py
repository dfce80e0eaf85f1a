"""gerbang.accounts.user_update: a new password."""

from datetime import timedelta
from typing import Any

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.password_reset import REPEATABLE_FOR
from gerbang.accounts.user_update import AddressRequired, SamePassword
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import UnacceptablePassword
from gerbang.sessions.sessions import SessionEnded
from gerbang.storage.metadata import MetadataTooLarge
from gerbang.storage.store import Gone

from tests.deployment import ABROAD, ALICE, BOB, HOME, PASSWORD, by_email
from tests.fakes import Fault, FaultyStore
from tests.unit.access import password_works, session_works
from tests.unit.mail_deployment import MailDeployment
from tests.unit.user_update.steps import NEW, NEW_EMAIL, queued_kinds, registered, stored, update


def test_a_new_password_ends_every_session_but_this_one(app: MailDeployment) -> None:
    session = app.register()
    other = app.base.sign_in.sign_in(by_email(BOB.email), ABROAD)

    returned = update(app, session, password=NEW)

    assert not password_works(app, PASSWORD)
    assert password_works(app, NEW)
    assert session_works(app, session)
    assert session_works(app, app.base.sessions.refresh(session.tokens.refresh_token))
    assert not session_works(app, other)
    assert returned.epoch == session.user.epoch + 1


def test_a_new_password_invalidates_mailed_codes(app: MailDeployment) -> None:
    session = app.register()
    code = app.mailed_code()

    update(app, session, password=NEW)

    with pytest.raises(InvalidCode):
        app.code_sign_in.sign_in(BOB.email, code, HOME)


def test_the_current_password_as_the_new_one_is_an_error(app: MailDeployment) -> None:
    session = app.register()
    other = app.base.sign_in.sign_in(by_email(BOB.email), ABROAD)

    with pytest.raises(SamePassword):
        update(app, session, password=PASSWORD, metadata={"a": 1})

    assert session_works(app, other)
    assert stored(app, session).user_metadata == {}


@pytest.mark.parametrize(
    ("password", "rule"), [("short", "length"), ("password123", "common"), ("bob@example.com", "personal")]
)
def test_a_password_must_meet_the_policy(app_in_memory: MailDeployment, password: str, rule: str) -> None:
    session = app_in_memory.register()

    with pytest.raises(UnacceptablePassword) as raised:
        update(app_in_memory, session, password=password)

    assert raised.value.rule == rule


def test_a_password_must_not_be_the_new_address(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register()

    with pytest.raises(UnacceptablePassword):
        update(app_in_memory, session, email=EmailAddress("longname@new.example"), password="longname@new.example")


@pytest.mark.parametrize("verified", [False, True])
def test_a_notice_is_mailed_to_a_verified_address(app: MailDeployment, *, verified: bool) -> None:
    session = registered(app, verified=verified)

    update(app, session, password=NEW)

    assert queued_kinds(app) == ([MailKind.PASSWORD_CHANGED] if verified else [])
    app.deliver_queued()
    assert [message.to for message in app.outbox.sent] == ([BOB.email] if verified else [])


def test_a_repeated_request_queues_the_missing_notice(app_in_memory: MailDeployment) -> None:
    session = registered(app_in_memory, verified=True)
    faulty = FaultyStore(app_in_memory.base.store, at=lambda call: call.method == "commit", fault=Fault.ANSWER_LOST)
    with pytest.raises(DependencyUnavailable):
        update(app_in_memory.on(faulty), session, password=NEW)
    assert queued_kinds(app_in_memory) == []

    for _ in range(2):
        with pytest.raises(SamePassword):
            update(app_in_memory, session, password=NEW)

    app_in_memory.deliver_queued()
    assert [message.kind for message in app_in_memory.outbox.sent] == [MailKind.PASSWORD_CHANGED]


@pytest.mark.parametrize("set_by", ["another session", "this session, long ago"])
def test_no_notice_is_queued_for_a_password_that_was_not_just_set(app_in_memory: MailDeployment, set_by: str) -> None:
    session = registered(app_in_memory, verified=True)
    if set_by == "this session, long ago":
        update(app_in_memory, session, password=NEW)
        app_in_memory.base.clock.advance(REPEATABLE_FOR + timedelta(seconds=1))
    before = queued_kinds(app_in_memory)

    with pytest.raises(SamePassword):
        update(app_in_memory, session, password=PASSWORD if set_by == "another session" else NEW)

    assert queued_kinds(app_in_memory) == before


def test_the_password_is_set_when_its_notice_cannot_be_queued(
    app_in_memory: MailDeployment,
) -> None:
    session = registered(app_in_memory, verified=True)
    app_in_memory.queue.is_down = True

    update(app_in_memory, session, password=NEW)

    assert password_works(app_in_memory, NEW)


def test_the_same_change_sent_twice_concurrently_is_done_once(app: MailDeployment) -> None:
    session = app.register()

    update(app.meanwhile(lambda: update(app, session, password=NEW)), session, password=NEW)

    assert password_works(app, NEW)
    assert session_works(app, session)
    assert stored(app, session).epoch == session.user.epoch + 1


def test_a_session_that_ends_meanwhile_changes_nothing(app: MailDeployment) -> None:
    session = app.register()

    with pytest.raises(SessionEnded):
        update(app.meanwhile(lambda: app.base.sessions.close(session.tokens.access_token)), session, password=NEW)

    assert password_works(app, PASSWORD)


def test_an_account_without_a_password_can_get_one(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register()
    app_in_memory.change(session.user, password_hash=Gone())

    update(app_in_memory, session, password=NEW)

    assert password_works(app_in_memory, NEW)


def test_a_guest_cannot_set_a_password(app_in_memory: MailDeployment) -> None:
    guest = app_in_memory.guests.admit(HOME)

    for changes in ({}, {"email": NEW_EMAIL}):
        with pytest.raises(AddressRequired):
            update(app_in_memory, guest, password=NEW, **changes)

    assert app_in_memory.queue.jobs == []


@pytest.mark.parametrize("reason", ["taken address", "recent mail", "metadata"])
def test_a_request_that_fails_for_another_reason_does_not_reveal_the_password(
    app_in_memory: MailDeployment, reason: str
) -> None:
    """Else a stolen session could guess the password with requests that change nothing."""
    session = app_in_memory.register()
    app_in_memory.register(ALICE)
    changes: dict[str, Any] = {"email": ALICE.email if reason == "taken address" else NEW_EMAIL}
    if reason == "recent mail":
        update(app_in_memory, session, **changes)
    if reason == "metadata":
        changes["metadata"] = {"a": "x" * 9000}

    errors: list[Exception] = []
    for guess in (PASSWORD, NEW):
        with pytest.raises((AuthError, MetadataTooLarge)) as raised:
            update(app_in_memory, session, password=guess, **changes)
        errors.append(raised.value)
        app_in_memory.base.clock.advance(timedelta(seconds=1))

    assert type(errors[0]) is type(errors[1]) is not SamePassword
