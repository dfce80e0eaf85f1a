"""gerbang.accounts.linked_identities: unlinking identities, and the mails about both."""

from copy import replace

import pytest
from gerbang.accounts.linked_identities import IdentityNotFound, LastIdentity
from gerbang.mail.jobs import MailKind

from tests.conftest import Database
from tests.deployment import BOB, HOME, MINUTE
from tests.unit.access import password_works, session_works
from tests.unit.identities.linking_steps import (
    APPLE_IDENTITY,
    GOOGLE_IDENTITY,
    current_user,
    link,
    mail_kinds,
    sign_in_with,
    unlink,
)
from tests.unit.mail_deployment import MailDeployment

# Unlinking


def test_an_unlinked_identity_cannot_sign_in_to_the_account(app: MailDeployment, database: Database) -> None:
    session = app.register_verified()
    link(app, session)

    unlink(app, session)

    assert current_user(app, session).subjects == {}
    assert not database.items("Users", "IDENTITY#")
    assert app.users.find_person(session.user.user_id).identities == ()  # type: ignore[union-attr]
    assert sign_in_with(app, GOOGLE_IDENTITY) != session.user.user_id
    assert session_works(app, session)
    assert password_works(app)


def test_unlinking_email_removes_only_the_password(app: MailDeployment) -> None:
    session = app.register_verified()
    link(app, session)

    unlink(app, session, "email")

    user = current_user(app, session)
    assert (user.password_hash, user.email, user.subjects) == (None, BOB.email, {"google": "1001"})
    assert not password_works(app)
    assert session_works(app, session)
    assert app.code_sign_in.sign_in(BOB.email, app.mailed_code(), HOME).signed_in.user.user_id == user.user_id


@pytest.mark.parametrize("provider", [None, "apple", "custom:shop"])
def test_an_identity_that_the_account_does_not_have_is_not_found(
    app_in_memory: MailDeployment, provider: str | None
) -> None:
    session = app_in_memory.register_verified()
    link(app_in_memory, session)

    with pytest.raises(IdentityNotFound):
        unlink(app_in_memory, session, provider)


def test_a_guest_has_no_identity(app_in_memory: MailDeployment) -> None:
    with pytest.raises(IdentityNotFound):
        unlink(app_in_memory, app_in_memory.guests.admit(HOME), "email")


def test_the_last_identity_cannot_be_unlinked(app: MailDeployment) -> None:
    session = app.register_verified()
    with pytest.raises(LastIdentity):
        unlink(app, session, "email")

    session_of_apple = app.google.sign_in(replace(APPLE_IDENTITY, email="carol@example.com"), HOME)
    with pytest.raises(LastIdentity):
        unlink(app, session_of_apple, "apple")

    assert password_works(app)
    assert current_user(app, session_of_apple).subjects == {"apple": "2001"}


# Mails


def test_the_owner_of_a_verified_address_gets_mails_about_linking_and_unlinking(app: MailDeployment) -> None:
    session = app.register_verified()

    link(app, session)
    app.base.clock.advance(MINUTE)
    unlink(app, session)
    app.base.clock.advance(MINUTE)
    link(app, session)
    app.base.clock.advance(MINUTE)
    unlink(app, session, "email")

    for job in app.queue.jobs:
        app.queued_at[job.job_id] = app.base.clock()
    assert mail_kinds(app) == [
        MailKind.IDENTITY_LINKED,
        MailKind.IDENTITY_UNLINKED,
        MailKind.IDENTITY_LINKED,
        MailKind.IDENTITY_UNLINKED,
    ]
    for job in app.queue.jobs[2:]:
        app.deliver(job)
    assert [message.to for message in app.outbox.sent] == [BOB.email] * 2
    assert "Google" in app.outbox.sent[0].text
    assert "password" in app.outbox.sent[1].subject


def test_the_owner_gets_a_mail_when_a_sign_in_links_an_identity(app: MailDeployment) -> None:
    app.register_verified()

    app.google.sign_in(replace(GOOGLE_IDENTITY, email=BOB.email), HOME)
    app.google.sign_in(replace(GOOGLE_IDENTITY, email=BOB.email), HOME)

    assert mail_kinds(app) == [MailKind.IDENTITY_LINKED]
    app.deliver(app.queue.jobs[0])
    assert app.outbox.last.to == BOB.email


def test_linking_succeeds_when_its_mail_cannot_be_queued(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register_verified()
    app_in_memory.queue.is_down = True

    link(app_in_memory, session)

    assert current_user(app_in_memory, session).subjects == {"google": "1001"}
    assert "mail_not_queued" in app_in_memory.base.recorded.events


def test_the_owner_gets_at_most_five_mails_an_hour(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register_verified()

    for _ in range(8):
        link(app_in_memory, session)
        unlink(app_in_memory, session)

    assert mail_kinds(app_in_memory).count(MailKind.IDENTITY_LINKED) == 5
