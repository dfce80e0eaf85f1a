"""gerbang.mail.service: mails that no client requests, of a registration and about changes of an account."""

from copy import replace
from datetime import timedelta

import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import Severity
from gerbang.mail.jobs import REGISTERED, MailJob, MailKind
from gerbang.storage.accounts import User

from tests.deployment import BOB, HOME, MAIL_HOUR, MINUTE
from tests.fakes import FakeClock, FaultyStore
from tests.unit.mail.requests import ASKED_FOR, ask, queued
from tests.unit.mail_deployment import MailDeployment

# The mail that a registration sends: F1


def test_a_registration_mail_is_not_counted_and_names_the_account(app_in_memory: MailDeployment) -> None:
    bob = replace(app_in_memory.register().user, locale="id")
    for _ in range(7):
        app_in_memory.mail_service.request_verification(bob)

    assert queued(app_in_memory)[-1] == MailJob(
        job_id="",
        kind=MailKind.VERIFICATION_CODE,
        email=BOB.email,
        locale="id",
        payload={REGISTERED: bob.user_id},
    )


def test_a_registration_mail_is_delayed_until_its_account_is_written(app_in_memory: MailDeployment) -> None:
    app_in_memory.mail_service.request_verification(app_in_memory.register().user)
    ask(app_in_memory)

    assert app_in_memory.queue.delays == [1, 0]


def test_a_registration_mail_that_cannot_be_queued_is_an_error(app_in_memory: MailDeployment) -> None:
    bob = app_in_memory.register().user
    app_in_memory.queue.is_down = True

    with pytest.raises(DependencyUnavailable):
        app_in_memory.mail_service.request_verification(bob)


# Notices


def verified(app: MailDeployment) -> User:
    """Bob, whose address is verified."""
    return replace(app.register().user, email_verified_at=app.base.clock())


def test_the_notice_of_a_new_password_has_the_language_of_the_request(app_in_memory: MailDeployment) -> None:
    app_in_memory.mail_service.notify_password_changed(verified(app_in_memory), "it")

    assert queued(app_in_memory) == [MailJob(job_id="", kind=MailKind.PASSWORD_CHANGED, email=BOB.email, locale="it")]


def test_notices_are_limited_per_account(app_in_memory: MailDeployment, clock: FakeClock) -> None:
    bob = verified(app_in_memory)
    for _ in range(7):
        app_in_memory.mail_service.notify_password_changed(bob, None)
    assert len(app_in_memory.queue.jobs) == 5
    assert app_in_memory.base.recorded.events.count("mail_not_queued") == 2

    clock.advance(timedelta(hours=1))
    app_in_memory.mail_service.notify_password_changed(bob, None)

    assert len(app_in_memory.queue.jobs) == 6


def test_notices_do_not_count_as_requests(app_in_memory: MailDeployment) -> None:
    bob = verified(app_in_memory)
    for _ in range(7):
        app_in_memory.mail_service.notify_password_changed(bob, None)

    for kind in ASKED_FOR:
        ask(app_in_memory, kind=kind)

    assert [job.kind for job in app_in_memory.queue.jobs[5:]] == ASKED_FOR


def test_an_unverified_address_is_sent_no_notice(app_in_memory: MailDeployment) -> None:
    app_in_memory.mail_service.notify_password_changed(app_in_memory.register().user, None)

    assert app_in_memory.queue.jobs == []


def test_a_notice_that_cannot_be_counted_is_logged(app_in_memory: MailDeployment) -> None:
    bob = verified(app_in_memory)
    failing = FaultyStore(app_in_memory.base.store, at=lambda _: True)

    app_in_memory.on(failing).mail_service.notify_password_changed(bob, None)

    assert app_in_memory.base.recorded.events[-1] == "mail_not_queued"


def test_a_notice_that_cannot_be_queued_is_logged(app_in_memory: MailDeployment) -> None:
    bob = verified(app_in_memory)
    app_in_memory.queue.is_down = True

    app_in_memory.mail_service.notify_password_changed(bob, None)

    (failure,) = [note for note in app_in_memory.base.recorded.notes if note.event == "mail_not_queued"]
    assert failure.fields == {"kind": "password_changed", "user_id": bob.user_id}


def test_the_notice_of_a_removed_password_is_queued(app_in_memory: MailDeployment) -> None:
    app_in_memory.mail_service.notify_password_removed(app_in_memory.register().user, "it")

    assert queued(app_in_memory) == [MailJob(job_id="", kind=MailKind.PASSWORD_REMOVED, email=BOB.email, locale="it")]


def test_a_removed_password_notice_that_cannot_be_queued_is_logged(app_in_memory: MailDeployment) -> None:
    bob = app_in_memory.register().user
    app_in_memory.queue.is_down = True

    app_in_memory.mail_service.notify_password_removed(bob, None)

    (failure,) = [note for note in app_in_memory.base.recorded.notes if note.event == "mail_not_queued"]
    assert (failure.severity, failure.fields) == (
        Severity.ERROR,
        {"kind": "password_removed", "user_id": bob.user_id},
    )


def test_one_account_exists_notice_a_minute_is_queued(app_in_memory: MailDeployment, clock: FakeClock) -> None:
    for _ in range(3):
        app_in_memory.mail_service.notify_account_exists(BOB.email, "it")
    assert queued(app_in_memory) == [MailJob(job_id="", kind=MailKind.ACCOUNT_EXISTS, email=BOB.email, locale="it")]
    assert app_in_memory.base.recorded.events.count("mail_not_queued") == 2

    clock.advance(MINUTE)
    app_in_memory.mail_service.notify_account_exists(BOB.email, None)

    assert len(app_in_memory.queue.jobs) == 2


def test_five_account_exists_notices_an_hour_are_queued(app_in_memory: MailDeployment, clock: FakeClock) -> None:
    for _ in range(7):
        app_in_memory.mail_service.notify_account_exists(BOB.email, None)
        clock.advance(MINUTE)

    assert len(app_in_memory.queue.jobs) == MAIL_HOUR.attempts


def test_an_account_exists_notice_that_cannot_be_counted_or_queued_is_logged(
    app_in_memory: MailDeployment,
) -> None:
    failing = FaultyStore(app_in_memory.base.store, at=lambda _: True)
    app_in_memory.on(failing).mail_service.notify_account_exists(BOB.email, None)
    app_in_memory.queue.is_down = True
    app_in_memory.mail_service.notify_account_exists(BOB.email, None)

    failures = [note for note in app_in_memory.base.recorded.notes if note.event == "mail_not_queued"]
    assert [(each.severity, each.fields) for each in failures] == [(Severity.ERROR, {"kind": "account_exists"})] * 2
    app_in_memory.queue.is_down = False
    app_in_memory.mail_service.notify_account_exists(BOB.email, None)
    assert len(app_in_memory.queue.jobs) == 1


def test_an_account_without_an_address_is_sent_nothing(app_in_memory: MailDeployment) -> None:
    guest = app_in_memory.guests.admit(HOME).user

    app_in_memory.mail_service.notify_password_changed(guest, None)
    app_in_memory.mail_service.notify_password_removed(guest, None)
    app_in_memory.mail_service.request_verification(guest)

    assert app_in_memory.queue.jobs == []
