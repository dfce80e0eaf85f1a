"""gerbang.accounts.linked_identities: unlinking identities, and the mails about both."""

from copy import replace

import pytest
from gerbang.accounts.identity_sign_in import GOOGLE
from gerbang.accounts.linked_identities import IdentityNotFound, LastIdentity
from gerbang.mail.jobs import MailKind

from tests.conftest import Database
from tests.deployment import BOB, HOME, MINUTE
from tests.unit.access import password_works, session_works
from tests.unit.identities.linking_steps import APPLE, current_user, link, mail_kinds, sign_in_with, unlink
from tests.unit.mail_deployment import MailDeployment

# Unlinking


def test_an_unlinked_identity_cannot_sign_in_to_the_account(post: MailDeployment, database: Database) -> None:
    session = post.register_verified()
    link(post, session)

    unlink(post, session)

    assert current_user(post, session).subjects == {}
    assert not database.items("Users", "IDENTITY#")
    assert post.users.find_person(session.user.user_id).identities == ()  # type: ignore[union-attr]
    assert sign_in_with(post, GOOGLE) != session.user.user_id
    assert session_works(post, session)
    assert password_works(post)


def test_unlinking_email_removes_only_the_password(post: MailDeployment) -> None:
    session = post.register_verified()
    link(post, session)

    unlink(post, session, "email")

    user = current_user(post, session)
    assert (user.password_hash, user.email, user.subjects) == (None, BOB.email, {"google": "1001"})
    assert not password_works(post)
    assert session_works(post, session)
    assert post.code_sign_in.sign_in(BOB.email, post.mailed_code(), HOME).signed_in.user.user_id == user.user_id


@pytest.mark.parametrize("provider", [None, "apple", "custom:shop"])
def test_an_identity_that_the_account_does_not_have_is_not_found(
    post_in_memory: MailDeployment, provider: str | None
) -> None:
    session = post_in_memory.register_verified()
    link(post_in_memory, session)

    with pytest.raises(IdentityNotFound):
        unlink(post_in_memory, session, provider)


def test_a_guest_has_no_identity(post_in_memory: MailDeployment) -> None:
    with pytest.raises(IdentityNotFound):
        unlink(post_in_memory, post_in_memory.guests.admit(HOME), "email")


def test_the_last_identity_cannot_be_unlinked(post: MailDeployment) -> None:
    session = post.register_verified()
    with pytest.raises(LastIdentity):
        unlink(post, session, "email")

    session_of_apple = post.google.sign_in(replace(APPLE, email="carol@example.com"), HOME)
    with pytest.raises(LastIdentity):
        unlink(post, session_of_apple, "apple")

    assert password_works(post)
    assert current_user(post, session_of_apple).subjects == {"apple": "2001"}


# Mails


def test_the_owner_of_a_verified_address_gets_mails_about_linking_and_unlinking(post: MailDeployment) -> None:
    session = post.register_verified()

    link(post, session)
    post.base.clock.advance(MINUTE)
    unlink(post, session)
    post.base.clock.advance(MINUTE)
    link(post, session)
    post.base.clock.advance(MINUTE)
    unlink(post, session, "email")

    for job in post.queue.jobs:
        post.queued_at[job.job_id] = post.base.clock()
    assert mail_kinds(post) == [
        MailKind.IDENTITY_LINKED,
        MailKind.IDENTITY_UNLINKED,
        MailKind.IDENTITY_LINKED,
        MailKind.IDENTITY_UNLINKED,
    ]
    for job in post.queue.jobs[2:]:
        post.deliver(job)
    assert [message.to for message in post.outbox.sent] == [BOB.email] * 2
    assert "Google" in post.outbox.sent[0].text
    assert "password" in post.outbox.sent[1].subject


def test_the_owner_gets_a_mail_when_a_sign_in_links_an_identity(post: MailDeployment) -> None:
    post.register_verified()

    post.google.sign_in(replace(GOOGLE, email=BOB.email), HOME)
    post.google.sign_in(replace(GOOGLE, email=BOB.email), HOME)

    assert mail_kinds(post) == [MailKind.IDENTITY_LINKED]
    post.deliver(post.queue.jobs[0])
    assert post.outbox.last.to == BOB.email


def test_linking_succeeds_when_its_mail_cannot_be_queued(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register_verified()
    post_in_memory.queue.is_down = True

    link(post_in_memory, session)

    assert current_user(post_in_memory, session).subjects == {"google": "1001"}
    assert "mail_not_queued" in post_in_memory.base.recorded.events


def test_the_owner_gets_at_most_five_mails_an_hour(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register_verified()

    for _ in range(8):
        link(post_in_memory, session)
        unlink(post_in_memory, session)

    assert mail_kinds(post_in_memory).count(MailKind.IDENTITY_LINKED) == 5
