"""gerbang.mail.mailer: who gets which mail, and what is in it."""

import re
from contextlib import suppress
from datetime import timedelta

import pytest
from gerbang.accounts.registration import NewAccount
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import Severity
from gerbang.mail.codes import ResetTokens
from gerbang.mail.jobs import MailKind
from gerbang.mail.languages import LOCALES
from gerbang.sessions.keys import Keys
from gerbang.storage.accounts import Name
from gerbang.storage.store import Put

from tests.conftest import Database
from tests.deployment import BOB, HOME, PASSWORD, Choices
from tests.fakes import FakeClock, FakeSecret
from tests.unit.mail.deliveries import CODES, NEW_ADDRESS, TO_ACCOUNTS, UNKNOWN, prepare_account, redeem
from tests.unit.mail_deployment import MailDeployment, in_memory_only, is_nowhere, new_app
from tests.unit.mail_fakes import Fate, code_in

# Who gets mail


@in_memory_only
@pytest.mark.parametrize("kind", TO_ACCOUNTS)
def test_no_mail_goes_to_an_address_without_an_account(app: MailDeployment, database: Database, kind: MailKind) -> None:
    app.register()

    app.deliver(app.job(kind, UNKNOWN))

    assert app.outbox.sent == []
    assert database.items("OneTimeCodes") == []
    assert app.base.recorded.events[-1] == "mail_not_owed"


@pytest.mark.parametrize("kind", TO_ACCOUNTS)
def test_a_disabled_account_is_sent_nothing(app_in_memory: MailDeployment, kind: MailKind) -> None:
    app_in_memory.disable(app_in_memory.register().user)

    app_in_memory.deliver(app_in_memory.job(kind))

    assert app_in_memory.outbox.sent == []


@pytest.mark.covers("58")
def test_mail_goes_to_the_address_stored_with_the_account(app_in_memory: MailDeployment) -> None:
    bob = app_in_memory.register().user
    app_in_memory.change(bob, email="bob@new.example")

    app_in_memory.mailed_code()

    assert app_in_memory.outbox.last.to == "bob@new.example"


def test_an_account_without_an_address_is_sent_nothing(app_in_memory: MailDeployment) -> None:
    guest = app_in_memory.guests.admit(HOME).user
    users = app_in_memory.base.users
    app_in_memory.base.store.write(Put(users.marker(Name.EMAIL, BOB.email), {"user_id": guest.user_id}))

    app_in_memory.deliver(app_in_memory.job(MailKind.SIGN_IN_CODE))

    assert app_in_memory.outbox.sent == []


# What is sent


@pytest.mark.parametrize("kind", [MailKind.SIGN_IN_CODE, MailKind.VERIFICATION_CODE])
def test_a_mailed_code_signs_in(app_in_memory: MailDeployment, kind: MailKind) -> None:
    app_in_memory.register()

    code = app_in_memory.mailed_code(kind=kind)

    message = app_in_memory.outbox.last
    assert (message.kind, message.to) == (kind, BOB.email)
    assert "Bob" in message.text
    assert "10 minutes" in message.text
    assert redeem(app_in_memory, code).user.email == BOB.email


NOTICES = [
    MailKind.PASSWORD_CHANGED,
    MailKind.PASSWORD_REMOVED,
    MailKind.ACCOUNT_EXISTS,
    MailKind.EMAIL_CHANGE_CURRENT,
    MailKind.IDENTITY_LINKED,
    MailKind.IDENTITY_UNLINKED,
    MailKind.NEW_DEVICE,
]


def locale_of_mail(kind: MailKind, *, requested: str | None, of_account: str | None, of_deployment: str) -> str:
    app = new_app().with_choices(Choices(default_locale=of_deployment))
    bob = app.register(NewAccount(email=BOB.email, password=PASSWORD, name="Bob", locale=of_account)).user
    prepare_account(app, kind, bob)
    app.deliver(app.job(kind, locale=requested))
    return app.outbox.last.locale


@pytest.mark.parametrize(
    ("requested", "of_account", "of_deployment", "chosen"),
    [
        ("it", "es", "id", "it"),
        (None, "es", "id", "es"),
        (None, "es_MX", "id", "es"),
        ("tlh", "es", "id", "es"),  # its templates were removed while the job was queued
        (None, None, "id", "id"),
        (None, "tlh", "id", "id"),
        (None, None, "tlh", "en"),
    ],
)
@pytest.mark.parametrize("kind", [kind for kind in MailKind if kind not in NOTICES])
def test_a_requested_mail_prefers_the_language_of_the_request(
    kind: MailKind, requested: str | None, of_account: str | None, of_deployment: str, chosen: str
) -> None:
    mailed = locale_of_mail(kind, requested=requested, of_account=of_account, of_deployment=of_deployment)

    assert mailed == chosen


@pytest.mark.parametrize(
    ("requested", "of_account", "of_deployment", "chosen"),
    [
        ("it", "es", "id", "es"),
        ("it", "es_MX", "id", "es"),
        ("it", None, "id", "it"),
        ("it", "tlh", "id", "it"),
        (None, None, "id", "id"),
    ],
)
@pytest.mark.parametrize("kind", NOTICES)
def test_a_notice_prefers_the_language_of_the_account(
    kind: MailKind, requested: str | None, of_account: str | None, of_deployment: str, chosen: str
) -> None:
    mailed = locale_of_mail(kind, requested=requested, of_account=of_account, of_deployment=of_deployment)

    assert mailed == chosen


@pytest.mark.parametrize("locale", sorted(LOCALES))
@pytest.mark.parametrize("kind", CODES)
def test_a_mail_contains_its_code_in_every_language(app_in_memory: MailDeployment, kind: MailKind, locale: str) -> None:
    app_in_memory.register()
    job = app_in_memory.job(kind, locale=locale)

    app_in_memory.deliver(job)

    message = app_in_memory.outbox.last
    assert code_in(message) == app_in_memory.maker.code(job.job_id, BOB.email, epoch=0)
    assert code_in(message) in message.html
    assert code_in(message) not in message.subject


@pytest.mark.covers("57")
def test_the_password_notice_has_the_time_of_the_change_and_no_code_or_link(
    app_in_memory: MailDeployment, clock: FakeClock
) -> None:
    bob = app_in_memory.register().user
    job = app_in_memory.job(MailKind.PASSWORD_CHANGED)
    clock.advance(timedelta(hours=2))

    app_in_memory.deliver(job)

    message = app_in_memory.outbox.last
    assert "2026-01-15 12:00 UTC" in message.text
    for body in (message.text, message.html):
        assert app_in_memory.maker.code(job.job_id, BOB.email, epoch=0) not in body
        assert app_in_memory.reset_tokens.token(job.job_id, bob) not in body
        assert re.search(r"[0-9]{6}|[A-Za-z0-9_-]{40}|://", re.sub(r"<[^>]*>", "", body)) is None


@pytest.mark.covers("49")
def test_a_reset_token_is_only_in_the_mail(app: MailDeployment, database: Database, secret: FakeSecret) -> None:
    bob = app.register().user

    token = app.mailed_token()

    assert token not in app.outbox.last.subject
    assert is_nowhere(database, token)
    (stored,) = database.items("OneTimeCodes", f"RESET#{bob.user_id}")
    assert app.reset_tokens.matches(str(stored["secret_hash"]), token)
    without_the_key = ResetTokens(Keys(FakeSecret("a thief's guess"), FakeClock()))
    assert not without_the_key.matches(str(stored["secret_hash"]), token)
    assert secret.versions.current not in str(stored)


# Mails that SES rejects


@in_memory_only
def test_a_mail_that_ses_rejects_is_logged_and_not_sent_again(app: MailDeployment) -> None:
    bob = app.register().user
    job = app.job(MailKind.SIGN_IN_CODE)
    app.outbox.fates = [Fate.REJECTED]

    app.deliver(job)
    app.deliver(job)

    assert app.outbox.sent == []
    (note,) = [note for note in app.base.recorded.notes if note.event == "mail_refused"]
    assert note.severity is Severity.ERROR
    assert note.fields == {"kind": "sign_in_code", "user_id": bob.user_id, "why": "MessageRejected"}


def test_an_address_that_ses_does_not_support_is_logged_and_not_tried_again(app_in_memory: MailDeployment) -> None:
    bob = app_in_memory.register().user
    app_in_memory.change(bob, email="bob@example.com\r\nBcc: eve@example.com")

    app_in_memory.deliver(app_in_memory.job(MailKind.SIGN_IN_CODE))

    assert app_in_memory.outbox.sent == []
    assert app_in_memory.base.recorded.events[-1] == "mail_refused"


# The log: security.md 167


@pytest.mark.covers("167")
@pytest.mark.parametrize("fate", [Fate.ACCEPTED, Fate.NOT_SENT, Fate.ANSWER_LOST, Fate.REJECTED])
def test_the_log_contains_no_address_code_or_token(app_in_memory: MailDeployment, fate: Fate) -> None:
    bob = app_in_memory.register().user
    for kind in MailKind:
        prepare_account(app_in_memory, kind, bob)
        app_in_memory.outbox.fates = [fate]
        job = app_in_memory.job(kind)
        with suppress(DependencyUnavailable):
            app_in_memory.deliver(job)
        logged = str(app_in_memory.base.recorded.notes)
        assert BOB.email not in logged
        assert NEW_ADDRESS not in logged
        assert app_in_memory.maker.code(job.job_id, BOB.email, epoch=0) not in logged
        assert app_in_memory.reset_tokens.token(job.job_id, bob) not in logged
