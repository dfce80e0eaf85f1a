"""gerbang.mail.mailer: a mail is sent once if possible, with one code whatever happens, to the account it is owed."""

import re
from contextlib import suppress
from copy import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.registration import NewAccount
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import Severity
from gerbang.limits.rate_limits import digest
from gerbang.mail.codes import CODE_LIFETIME, REMEMBERED, InvalidResetToken, ResetTokens
from gerbang.mail.jobs import NEW_USER_METADATA, PROVIDER, REGISTERED, SLOT, SUBJECT, MailJob, MailKind
from gerbang.mail.languages import LOCALES
from gerbang.mail.mailer import LEASE, WRITE_GRACE, AccountNotWritten, MailUnderWay, sent_at
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.keys import Keys
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name, User
from gerbang.storage.one_time_codes import CodePurpose, OneTimeCode, Slot
from gerbang.storage.records import to_value
from gerbang.storage.store import Change, Gone, Item, Plus, Put, Update, Written

from tests.conftest import Database
from tests.deployment import BOB, HOME, PASSWORD, Choices
from tests.fakes import Call, FakeClock, FakeSecret, Fault, FaultyStore, at_once
from tests.unit.mail_fakes import (
    LINKED_SUBJECT,
    NEW_DEVICE,
    PAYLOADS,
    Fate,
    Killed,
    MailDeployment,
    Mishap,
    Scene,
    code_in,
    every_mishap,
    in_memory_only,
    is_nowhere,
    mailing_in_memory,
    token_in,
    write_invitation,
)

SECOND = timedelta(seconds=1)
NEVER_REGISTERED = "nobody@example.com"
CODES = [MailKind.SIGN_IN_CODE, MailKind.VERIFICATION_CODE, MailKind.RECOVERY_CODE]
NEW_ADDRESS = "bob@new.example"


def redeem(post: MailDeployment, code: str) -> SignedIn:
    return post.code_sign_in.sign_in(BOB.email, code, HOME).signed_in


# To whom mail is owed

TO_ACCOUNTS = [kind for kind in MailKind if kind is not MailKind.ORGANIZATION_INVITATION]
"""Invitations to organizations go to any address."""


@in_memory_only
@pytest.mark.parametrize("kind", TO_ACCOUNTS)
def test_an_address_that_nobody_has_is_sent_nothing(post: MailDeployment, database: Database, kind: MailKind) -> None:
    post.register()

    post.deliver(post.job(kind, NEVER_REGISTERED))

    assert post.outbox.sent == []
    assert database.items("OneTimeCodes") == []
    assert post.base.recorded.events[-1] == "mail_not_owed"


@pytest.mark.parametrize("kind", TO_ACCOUNTS)
def test_a_disabled_account_is_sent_nothing(post_in_memory: MailDeployment, kind: MailKind) -> None:
    post_in_memory.disable(post_in_memory.register().user)

    post_in_memory.deliver(post_in_memory.job(kind))

    assert post_in_memory.outbox.sent == []


@pytest.mark.covers("58")
def test_mail_goes_to_the_address_stored_with_the_account(post_in_memory: MailDeployment) -> None:
    bob = post_in_memory.register().user
    moved = Update(post_in_memory.base.users.key(bob.user_id), {"email": "bob@new.example"})
    post_in_memory.base.store.write(moved)

    post_in_memory.mailed_code()

    assert post_in_memory.outbox.last.to == "bob@new.example"


def test_an_account_that_has_lost_its_address_is_sent_nothing(post_in_memory: MailDeployment) -> None:
    guest = post_in_memory.guests.admit(HOME).user
    users = post_in_memory.base.users
    post_in_memory.base.store.write(Put(users.marker(Name.EMAIL, BOB.email), {"user_id": guest.user_id}))

    post_in_memory.deliver(post_in_memory.job(MailKind.SIGN_IN_CODE))

    assert post_in_memory.outbox.sent == []


# What is sent


@pytest.mark.parametrize("kind", [MailKind.SIGN_IN_CODE, MailKind.VERIFICATION_CODE])
def test_a_code_is_mailed_that_works(post_in_memory: MailDeployment, kind: MailKind) -> None:
    post_in_memory.register()

    code = post_in_memory.mailed_code(kind=kind)

    message = post_in_memory.outbox.last
    assert (message.kind, message.to) == (kind, BOB.email)
    assert "Bob" in message.text
    assert "10 minutes" in message.text
    assert redeem(post_in_memory, code).user.email == BOB.email


NOTICES = [
    MailKind.PASSWORD_CHANGED,
    MailKind.PASSWORD_REMOVED,
    MailKind.ACCOUNT_EXISTS,
    MailKind.EMAIL_CHANGE_CURRENT,
    MailKind.IDENTITY_LINKED,
    MailKind.IDENTITY_UNLINKED,
    MailKind.NEW_DEVICE,
]
VERIFIED_ONLY = {
    MailKind.ACCOUNT_EXISTS,
    MailKind.EMAIL_CHANGE_CURRENT,
    MailKind.IDENTITY_LINKED,
    MailKind.IDENTITY_UNLINKED,
    MailKind.REAUTHENTICATION_CODE,
    MailKind.NEW_DEVICE,
}


def change(post: MailDeployment, user: User, **changes: Change) -> None:
    assert isinstance(post.base.store.write(Update(post.users.key(user.user_id), changes)), Written)


def remove_password(post: MailDeployment, user: User) -> None:
    change(post, user, password_hash=Gone())


def verify(post: MailDeployment, user: User) -> None:
    change(post, user, email_verified_at=to_epoch(post.base.clock()))


def owe(post: MailDeployment, kind: MailKind, user: User) -> None:
    """Bring an account into the state in which it is owed a kind of mail."""
    if kind is MailKind.PASSWORD_REMOVED:
        remove_password(post, user)
    if kind in VERIFIED_ONLY:
        verify(post, user)
    if kind is MailKind.ORGANIZATION_INVITATION:
        verify(post, user)
        write_invitation(post)
    if kind is MailKind.NEW_DEVICE:
        change(post, user, devices=to_value((NEW_DEVICE,)))
    if kind is MailKind.IDENTITY_LINKED:
        change(post, user, subjects=to_value({"google": LINKED_SUBJECT}))
    if kind in {MailKind.EMAIL_CHANGE_CURRENT, MailKind.EMAIL_CHANGE_NEW}:
        change(post, user, new_email=NEW_ADDRESS)


def locale_of_mail(kind: MailKind, *, requested: str | None, of_account: str | None, of_deployment: str) -> str:
    post = mailing_in_memory()
    post = replace(post, base=replace(post.base, choices=Choices(default_locale=of_deployment)))
    bob = post.register(NewAccount(email=BOB.email, password=PASSWORD, name="Bob", locale=of_account)).user
    owe(post, kind, bob)
    post.deliver(post.job(kind, locale=requested))
    return post.outbox.last.locale


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
def test_what_was_asked_for_is_in_the_request_s_language_then_the_account_s_then_the_deployment_s(
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
def test_a_notice_is_in_the_account_s_language_then_the_request_s_then_the_deployment_s(
    kind: MailKind, requested: str | None, of_account: str | None, of_deployment: str, chosen: str
) -> None:
    mailed = locale_of_mail(kind, requested=requested, of_account=of_account, of_deployment=of_deployment)

    assert mailed == chosen


@pytest.mark.parametrize("locale", sorted(LOCALES))
@pytest.mark.parametrize("kind", CODES)
def test_the_code_of_a_job_is_in_the_mail_of_every_language(
    post_in_memory: MailDeployment, kind: MailKind, locale: str
) -> None:
    post_in_memory.register()
    job = post_in_memory.job(kind, locale=locale)

    post_in_memory.deliver(job)

    message = post_in_memory.outbox.last
    assert code_in(message) == post_in_memory.maker.code(job.job_id, BOB.email, epoch=0)
    assert code_in(message) in message.html
    assert code_in(message) not in message.subject


@pytest.mark.covers("57")
def test_a_notice_says_when_the_password_was_changed_and_holds_no_token_and_no_code(
    post_in_memory: MailDeployment, clock: FakeClock
) -> None:
    bob = post_in_memory.register().user
    job = post_in_memory.job(MailKind.PASSWORD_CHANGED)
    clock.advance(timedelta(hours=2))

    post_in_memory.deliver(job)

    message = post_in_memory.outbox.last
    assert "2026-01-15 12:00 UTC" in message.text
    for body in (message.text, message.html):
        assert post_in_memory.maker.code(job.job_id, BOB.email, epoch=0) not in body
        assert post_in_memory.reset_tokens.token(job.job_id, bob) not in body
        assert re.search(r"[0-9]{6}|[A-Za-z0-9_-]{40}|://", re.sub(r"<[^>]*>", "", body)) is None


# What is owed depends on the account, and is decided when the mail is sent


def stored_code(post: MailDeployment, slot: Slot, email: str = BOB.email) -> OneTimeCode | None:
    return post.codes.read(post.base.store.get(post.codes.key(slot, digest(email))))


def code_or_account(post: MailDeployment, email: str = BOB.email, **payload: str) -> MailJob:
    """The job of a code that goes to the recovery slot of a verified account."""
    return replace(post.job(MailKind.SIGN_IN_CODE, email), payload={SLOT: "RECOVERY", **payload})


def test_a_recovery_code_goes_into_the_recovery_slot_whether_the_address_is_verified_or_not(
    post: MailDeployment,
) -> None:
    bob = post.register().user
    for kind in ("unverified", "verified"):
        code = post.mailed_code(kind=MailKind.RECOVERY_CODE)

        stored = stored_code(post, Slot.RECOVERY)
        assert stored is not None, kind
        assert post.maker.matches(stored.secret_hash, BOB.email, code)
        assert (stored.purpose, stored.new_user_metadata) == (CodePurpose.SIGN_IN, None)
        assert post.outbox.last.subject == "Reset your Toko password"
        verify(post, bob)
    assert stored_code(post, Slot.EMAIL) is None


def test_a_verified_account_gets_the_sign_in_code_in_the_slot_that_the_job_names(
    post_in_memory: MailDeployment,
) -> None:
    verify(post_in_memory, post_in_memory.register().user)

    post_in_memory.deliver(code_or_account(post_in_memory))

    assert post_in_memory.outbox.last.kind is MailKind.SIGN_IN_CODE
    assert stored_code(post_in_memory, Slot.RECOVERY) is not None
    assert stored_code(post_in_memory, Slot.EMAIL) is None


def test_an_unverified_account_gets_a_code_that_confirms_the_address_and_vouches_for_no_password(
    post_in_memory: MailDeployment,
) -> None:
    post_in_memory.register()

    post_in_memory.deliver(code_or_account(post_in_memory, new_user_metadata='{"a":1}'))

    stored = stored_code(post_in_memory, Slot.EMAIL)
    assert stored is not None
    assert (stored.purpose, stored.new_user_metadata) == (CodePurpose.SIGN_IN, None)
    assert post_in_memory.outbox.last.kind is MailKind.VERIFICATION_CODE
    assert stored_code(post_in_memory, Slot.RECOVERY) is None


def test_an_address_without_an_account_gets_a_code_that_makes_one_if_the_job_says_so(post: MailDeployment) -> None:
    job = code_or_account(post, NEVER_REGISTERED, new_user_metadata='{"name":"Zoë","n":[1,{"x":null}]}')

    post.deliver(job)
    post.deliver(job)

    (message,) = post.outbox.sent
    assert (message.kind, message.to, message.locale) == (MailKind.VERIFICATION_CODE, NEVER_REGISTERED, "en")
    assert "Zoë" not in message.text
    stored = stored_code(post, Slot.EMAIL, NEVER_REGISTERED)
    assert stored is not None
    assert post.maker.matches(stored.secret_hash, NEVER_REGISTERED, code_in(message))
    assert stored.new_user_metadata == {"name": "Zoë", "n": [1, {"x": None}]}
    assert post.base.recorded.notes[-1].fields == {"kind": "sign_in_code", "job_id": job.job_id}
    assert post.users.find_id(Name.EMAIL, NEVER_REGISTERED) is None


def test_an_address_without_an_account_gets_nothing_if_the_job_makes_none(post_in_memory: MailDeployment) -> None:
    post_in_memory.deliver(code_or_account(post_in_memory, NEVER_REGISTERED))

    assert post_in_memory.outbox.sent == []
    assert post_in_memory.base.recorded.events[-1] == "mail_not_owed"


@pytest.mark.parametrize("kind", [kind for kind in TO_ACCOUNTS if kind is not MailKind.SIGN_IN_CODE])
def test_no_other_mail_goes_to_an_address_without_an_account(post_in_memory: MailDeployment, kind: MailKind) -> None:
    payload = {NEW_USER_METADATA: "{}", SLOT: "RECOVERY"}
    post_in_memory.deliver(replace(post_in_memory.job(kind, NEVER_REGISTERED), payload=payload))

    assert post_in_memory.outbox.sent == []


def test_a_disabled_account_gets_no_code_that_would_make_another(post_in_memory: MailDeployment) -> None:
    post_in_memory.disable(post_in_memory.register().user)

    post_in_memory.deliver(code_or_account(post_in_memory, new_user_metadata="{}"))

    assert post_in_memory.outbox.sent == []


def test_what_a_later_version_puts_into_the_payload_is_ignored(post_in_memory: MailDeployment) -> None:
    post_in_memory.deliver(code_or_account(post_in_memory, NEVER_REGISTERED, new_user_metadata="{}", link="x"))

    assert len(post_in_memory.outbox.sent) == 1


def test_a_mail_to_an_address_without_an_account_that_is_rejected_is_logged_by_its_job(
    post_in_memory: MailDeployment,
) -> None:
    post_in_memory.outbox.fates = [Fate.REFUSED]
    job = code_or_account(post_in_memory, NEVER_REGISTERED, new_user_metadata="{}")

    post_in_memory.deliver(job)

    (refused,) = [note for note in post_in_memory.base.recorded.notes if note.event == "mail_refused"]
    assert refused.fields == {"kind": "sign_in_code", "job_id": job.job_id, "why": "MessageRejected"}


@pytest.mark.parametrize("kind", [MailKind.VERIFICATION_CODE, MailKind.ACCOUNT_EXISTS])
def test_which_mail_is_owed_depends_on_whether_the_address_is_verified(
    post_in_memory: MailDeployment, kind: MailKind
) -> None:
    bob = post_in_memory.register().user
    to_unverified, to_verified = post_in_memory.job(kind), post_in_memory.job(kind)

    post_in_memory.deliver(to_unverified)
    before = len(post_in_memory.outbox.sent)
    verify(post_in_memory, bob)
    post_in_memory.deliver(to_verified)

    assert before == (kind is MailKind.VERIFICATION_CODE)
    assert len(post_in_memory.outbox.sent) == 1


def test_the_notice_that_an_account_exists_holds_no_code_and_no_link(post_in_memory: MailDeployment) -> None:
    verify(post_in_memory, post_in_memory.register().user)

    post_in_memory.deliver(post_in_memory.job(MailKind.ACCOUNT_EXISTS))

    text = post_in_memory.outbox.last.text
    assert "already have" in text
    assert re.search(r"[0-9]{6}|://", text) is None


# Reset tokens: security.md 49, 61


@pytest.mark.covers("49")
def test_a_reset_token_is_in_the_mail_and_nowhere_else(
    post: MailDeployment, database: Database, secret: FakeSecret
) -> None:
    bob = post.register().user

    token = post.mailed_token()

    assert token not in post.outbox.last.subject
    assert is_nowhere(database, token)
    (stored,) = database.items("OneTimeCodes", f"RESET#{bob.user_id}")
    assert post.reset_tokens.matches(str(stored["secret_hash"]), token)
    table_alone = ResetTokens(Keys(FakeSecret("a thief's guess"), FakeClock()))
    assert not table_alone.matches(str(stored["secret_hash"]), token)
    assert secret.versions.current not in str(stored)


def test_a_newer_reset_token_is_not_replaced_by_an_older_job_delivered_late(post: MailDeployment) -> None:
    bob = post.register().user
    delayed = post.job(MailKind.PASSWORD_RESET)
    newer = post.mailed_token()

    post.deliver(delayed)

    assert len(post.outbox.sent) == 1
    assert post.base.recorded.events[-1] == "mail_superseded"
    stored = post.codes.read(post.base.store.get(post.codes.key(Slot.PASSWORD_RESET, bob.user_id)))
    assert stored is not None
    assert post.reset_tokens.matches(stored.secret_hash, newer)


# Once, if it can be


@pytest.mark.parametrize("kind", MailKind)
def test_a_message_delivered_twice_sends_one_mail(post: MailDeployment, clock: FakeClock, kind: MailKind) -> None:
    owe(post, kind, post.register().user)
    job = post.job(kind)
    post.deliver(job)

    for later in (timedelta(0), SECOND, LEASE, REMEMBERED - timedelta(days=1)):
        clock.advance(later)
        post.deliver(job)

    assert len(post.outbox.sent) == 1


def test_a_message_delivered_again_changes_nothing(post: MailDeployment, database: Database, clock: FakeClock) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)
    post.deliver(job)
    before = everything(database)
    clock.advance(LEASE)

    post.deliver(job)

    assert everything(database) == before


def everything(database: Database) -> list[Item]:
    return sorted(database.items("OneTimeCodes"), key=lambda item: str(item["pk"]))


def test_a_message_delivered_twenty_times_at_once_sends_one_mail(post: MailDeployment) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)

    outcomes = at_once([partial(post.deliver, job)] * 20)

    assert len(post.outbox.sent) == 1
    assert all(outcome is None or isinstance(outcome, MailUnderWay) for outcome in outcomes)
    post.deliver(job)
    assert len(post.outbox.sent) == 1
    assert redeem(post, code_in(post.outbox.last)).user.email == BOB.email


@in_memory_only
def test_a_message_that_comes_while_its_mail_is_being_sent_comes_again(post: MailDeployment) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)
    told: list[Exception] = []

    def second() -> None:
        with pytest.raises(MailUnderWay) as refusal:
            post.deliver(job)
        told.append(refusal.value)

    post.outbox.while_sending = second
    post.deliver(job)
    post.deliver(job)

    assert len(told) == len(post.outbox.sent) == 1


# Whatever happens, one code: F24, F25


@pytest.mark.covers("F24")
@in_memory_only
@pytest.mark.parametrize("kind", [*CODES, MailKind.PASSWORD_RESET])
@pytest.mark.parametrize("failures", [1, 3])
def test_while_ses_fails_the_message_comes_again_and_then_is_sent(
    post: MailDeployment, clock: FakeClock, kind: MailKind, failures: int
) -> None:
    bob = post.register().user
    job = post.job(kind)
    post.outbox.fates = [Fate.NOT_SENT] * failures
    for _ in range(failures):
        with pytest.raises(DependencyUnavailable):
            post.deliver(job)
        clock.advance(timedelta(minutes=3))  # the queue's visibility time-out

    post.deliver(job)

    (message,) = post.outbox.sent
    if kind is MailKind.PASSWORD_RESET:
        assert token_in(message) == post.reset_tokens.token(job.job_id, bob)
    else:
        assert code_in(message) == post.maker.code(job.job_id, BOB.email, epoch=0)


@in_memory_only
def test_a_code_that_was_long_in_coming_lives_ten_minutes_from_its_mail(post: MailDeployment, clock: FakeClock) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)
    post.outbox.fates = [Fate.NOT_SENT]
    with pytest.raises(DependencyUnavailable):
        post.deliver(job)
    clock.advance(timedelta(hours=1))
    post.deliver(job)
    clock.advance(timedelta(minutes=10) - SECOND)

    assert redeem(post, code_in(post.outbox.last)).user.email == BOB.email


@pytest.mark.covers("F25")
def test_a_mail_whose_answer_was_lost_may_come_twice_with_the_same_code(post: MailDeployment) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)
    post.outbox.fates = [Fate.ANSWER_LOST]
    with pytest.raises(DependencyUnavailable):
        post.deliver(job)

    post.deliver(job)

    first, second = post.outbox.codes
    assert first == second
    assert redeem(post, first).user.email == BOB.email


def test_a_code_that_was_spent_does_not_come_back_to_life_with_its_message(
    post: MailDeployment, clock: FakeClock
) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)
    post.outbox.fates = [Fate.ANSWER_LOST]
    with pytest.raises(DependencyUnavailable):
        post.deliver(job)
    (code,) = post.outbox.codes
    redeem(post, code)

    for _ in range(3):
        clock.advance(CODE_LIFETIME)
        post.deliver(job)

        with pytest.raises(InvalidCode):
            redeem(post, code)
    assert len(post.outbox.sent) == 1
    assert redeem(post, post.mailed_code()).user.email == BOB.email


def test_an_older_job_does_not_take_the_place_of_a_code_that_was_spent(post: MailDeployment) -> None:
    post.register()
    delayed = post.job(MailKind.SIGN_IN_CODE)
    redeem(post, post.mailed_code())

    post.deliver(delayed)

    assert len(post.outbox.sent) == 1
    assert post.base.recorded.events[-1] == "mail_superseded"


@pytest.mark.covers("F25")
@in_memory_only
def test_a_reset_mail_whose_answer_was_lost_may_come_twice_with_the_same_token(post: MailDeployment) -> None:
    post.register()
    job = post.job(MailKind.PASSWORD_RESET)
    post.outbox.fates = [Fate.ANSWER_LOST]
    with pytest.raises(DependencyUnavailable):
        post.deliver(job)

    post.deliver(job)

    first, second = post.outbox.reset_tokens
    assert first == second


def test_a_reset_mail_that_comes_again_after_the_password_was_set_is_not_sent(post: MailDeployment) -> None:
    post.register()
    job = post.job(MailKind.PASSWORD_RESET)
    post.outbox.fates = [Fate.ANSWER_LOST]
    with pytest.raises(DependencyUnavailable):
        post.deliver(job)
    (spent,) = post.outbox.reset_tokens
    set_password(post, spent)

    post.deliver(job)

    assert post.outbox.reset_tokens == [spent]
    with pytest.raises(InvalidResetToken):
        set_password(post, spent, "A third horse 3")


@pytest.mark.parametrize("kind", [*CODES, MailKind.PASSWORD_RESET])
def test_a_mail_that_comes_again_after_the_sessions_were_ended_brings_another_code(
    post: MailDeployment, kind: MailKind
) -> None:
    bob = post.register().user
    job = post.job(kind)
    post.outbox.fates = [Fate.ANSWER_LOST]
    with pytest.raises(DependencyUnavailable):
        post.deliver(job)
    post.base.store.write(Update(post.base.users.key(bob.user_id), {"epoch": Plus(1)}))

    post.deliver(job)

    secret_in = token_in if kind is MailKind.PASSWORD_RESET else code_in
    first, second = map(secret_in, post.outbox.sent)
    assert first != second


def set_password(post: MailDeployment, token: str, password: str = "Another horse 2") -> None:
    post.password_reset.reset(token, password, client=HOME, policy=PasswordPolicy())


@pytest.mark.parametrize("was_sent", [False, True], ids=["before it was sent", "after it was sent"])
def test_a_mailer_that_dies_holds_up_the_mail_for_its_lease_and_no_longer(
    post: MailDeployment, clock: FakeClock, *, was_sent: bool
) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)
    post.outbox.fates = [Fate.DIED_AFTER if was_sent else Fate.DIED_BEFORE]
    with pytest.raises(Killed):
        post.deliver(job)
    clock.advance(LEASE - SECOND)
    with pytest.raises(MailUnderWay):
        post.deliver(job)
    clock.advance(SECOND)

    post.deliver(job)

    assert set(post.outbox.codes) == {post.maker.code(job.job_id, BOB.email, epoch=0)}
    assert len(post.outbox.sent) == 1 + was_sent
    assert redeem(post, code_in(post.outbox.last)).user.email == BOB.email


def test_a_mailer_is_given_less_time_than_its_claim_holds() -> None:
    assert timedelta(seconds=30) < LEASE < timedelta(seconds=180)  # its time-out, the queue's visibility time-out


def test_whatever_call_goes_wrong_the_mail_is_sent_with_one_code() -> None:
    def scene() -> Scene:
        post = mailing_in_memory()
        post.register()
        job = post.job(MailKind.SIGN_IN_CODE)
        return Scene(post, lambda here: here.deliver(job))

    for mishap in every_mishap(scene):
        here = mishap.deployment
        comes_again(mishap)
        assert 1 <= len(here.outbox.sent) <= 2, mishap
        assert len(set(here.outbox.codes)) == 1, mishap
        assert redeem(here, code_in(here.outbox.last)).user.email == BOB.email, mishap


def test_whatever_call_goes_wrong_the_reset_mail_is_sent_with_one_token() -> None:
    def scene() -> Scene:
        post = mailing_in_memory()
        post.register()
        job = post.job(MailKind.PASSWORD_RESET)
        return Scene(post, lambda here: here.deliver(job))

    for mishap in every_mishap(scene):
        here = mishap.deployment
        comes_again(mishap)
        assert 1 <= len(here.outbox.sent) <= 2, mishap
        (token,) = set(here.outbox.reset_tokens)
        set_password(here, token)


def comes_again(mishap: Mishap) -> None:
    """Do what the queue does with a message that was not handled: deliver it again within seconds."""
    if mishap.failure is not None:
        assert isinstance(mishap.failure, DependencyUnavailable), mishap
        mishap.deployment.base.clock.advance(timedelta(seconds=5))
        mishap.scene.act(mishap.deployment)


def test_a_claim_that_the_sdk_sent_twice_is_no_reason_to_wait(post: MailDeployment) -> None:  # faults.md, D6
    post.register()
    twice = FaultyStore(post.base.store, at=is_first_write_of_delivery, fault=Fault.ASKED_AGAIN)

    post.on(twice).deliver(post.job(MailKind.SIGN_IN_CODE))

    assert len(post.outbox.sent) == 1


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.ANSWER_LOST])
def test_a_delivery_whose_claim_was_not_answered_is_free_for_the_next(post: MailDeployment, fault: Fault) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)
    with pytest.raises(DependencyUnavailable):
        post.on(FaultyStore(post.base.store, at=is_first_write_of_delivery, fault=fault)).deliver(job)

    post.deliver(job)

    assert len(post.outbox.sent) == 1


def is_first_write_of_delivery(call: Call) -> bool:
    return "DELIVERY#" in call.keys[0].pk and call.nth == 0


def test_a_mail_that_was_sent_and_could_not_be_marked_as_sent_is_not_delivered_again(post: MailDeployment) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)
    marking = FaultyStore(post.base.store, at=lambda call: "DELIVERY#" in call.keys[0].pk and call.nth == 1)

    post.on(marking).deliver(job)

    assert len(post.outbox.sent) == 1
    assert post.base.recorded.events[-1] == "mail_not_marked_as_sent"
    with pytest.raises(MailUnderWay):
        post.deliver(job)


# A registration's mail, queued before its account is written


def registration_s_mail(post: MailDeployment, user_id: str) -> MailJob:
    return replace(post.job(MailKind.VERIFICATION_CODE), payload={REGISTERED: user_id})


def test_a_mail_waits_for_the_account_that_its_registration_writes(post: MailDeployment) -> None:
    job = registration_s_mail(post, "00000001-0000-4000-8000-000000000001")
    with pytest.raises(AccountNotWritten):
        post.deliver(job)
    bob = post.register().user

    post.deliver(replace(job, payload={REGISTERED: bob.user_id}))

    assert [message.to for message in post.outbox.sent] == [BOB.email]


def test_a_mail_whose_registration_has_failed_is_dropped(post_in_memory: MailDeployment, clock: FakeClock) -> None:
    job = registration_s_mail(post_in_memory, "00000001-0000-4000-8000-000000000001")
    clock.advance(WRITE_GRACE - SECOND)
    with pytest.raises(AccountNotWritten):
        post_in_memory.deliver(job)
    clock.advance(SECOND)

    post_in_memory.deliver(job)

    assert post_in_memory.base.recorded.events[-1] == "mail_not_owed"


def test_a_registration_that_was_refused_mails_nothing_to_the_account_that_has_the_address(
    post: MailDeployment,
) -> None:
    post.register()

    post.deliver(registration_s_mail(post, "ffffffff-0000-4000-8000-000000000001"))

    assert post.outbox.sent == []
    assert post.base.recorded.events[-1] == "mail_not_owed"


def test_the_mailer_waits_longer_than_a_registration_can_take() -> None:
    assert timedelta(seconds=20) < WRITE_GRACE  # the time-out of the functions, of which a registration is one


# For good


@in_memory_only
def test_a_mail_that_ses_refuses_is_noted_and_never_tried_again(post: MailDeployment) -> None:
    bob = post.register().user
    job = post.job(MailKind.SIGN_IN_CODE)
    post.outbox.fates = [Fate.REFUSED]

    post.deliver(job)
    post.deliver(job)

    assert post.outbox.sent == []
    (refused,) = [note for note in post.base.recorded.notes if note.event == "mail_refused"]
    assert refused.severity is Severity.ERROR
    assert refused.fields == {"kind": "sign_in_code", "user_id": bob.user_id, "why": "MessageRejected"}


def test_an_address_that_ses_cannot_mail_is_refused_and_not_tried_again(post_in_memory: MailDeployment) -> None:
    bob = post_in_memory.register().user
    spoilt = Update(post_in_memory.base.users.key(bob.user_id), {"email": "bob@example.com\r\nBcc: eve@example.com"})
    post_in_memory.base.store.write(spoilt)

    post_in_memory.deliver(post_in_memory.job(MailKind.SIGN_IN_CODE))

    assert post_in_memory.outbox.sent == []
    assert post_in_memory.base.recorded.events[-1] == "mail_refused"


# The log: security.md 167


@pytest.mark.covers("167")
@pytest.mark.parametrize("fate", [Fate.ACCEPTED, Fate.NOT_SENT, Fate.ANSWER_LOST, Fate.REFUSED])
def test_the_log_holds_no_address_no_code_and_no_token(post_in_memory: MailDeployment, fate: Fate) -> None:
    bob = post_in_memory.register().user
    for kind in MailKind:
        owe(post_in_memory, kind, bob)
        post_in_memory.outbox.fates = [fate]
        job = post_in_memory.job(kind)
        with suppress(DependencyUnavailable):
            post_in_memory.deliver(job)
        logged = str(post_in_memory.base.recorded.notes)
        assert BOB.email not in logged
        assert NEW_ADDRESS not in logged
        assert post_in_memory.maker.code(job.job_id, BOB.email, epoch=0) not in logged
        assert post_in_memory.reset_tokens.token(job.job_id, bob) not in logged


# Notices about identities, and codes that confirm


@pytest.mark.parametrize(
    "kind",
    [MailKind.IDENTITY_LINKED, MailKind.IDENTITY_UNLINKED, MailKind.REAUTHENTICATION_CODE, MailKind.NEW_DEVICE],
)
def test_an_unverified_address_is_sent_neither_notices_nor_codes_that_confirm(
    post_in_memory: MailDeployment, kind: MailKind
) -> None:
    bob = post_in_memory.register().user
    owe(post_in_memory, kind, bob)
    change(post_in_memory, bob, email_verified_at=Gone())

    post_in_memory.deliver(post_in_memory.job(kind))

    assert post_in_memory.outbox.sent == []


LINKED, UNLINKED = MailKind.IDENTITY_LINKED, MailKind.IDENTITY_UNLINKED
OF_THE_PASSWORD = {PROVIDER: "email", SUBJECT: digest("")}


@pytest.mark.parametrize(
    ("kind", "subjects"),
    [(LINKED, {"google": LINKED_SUBJECT}), (UNLINKED, {"google": "another"}), (UNLINKED, {})],
)
def test_a_notice_about_an_identity_is_sent_once_the_account_is_changed(
    post_in_memory: MailDeployment, kind: MailKind, subjects: dict[str, str]
) -> None:
    post, bob = post_in_memory, post_in_memory.register().user
    verify(post, bob)
    change(post, bob, subjects=to_value(subjects))

    post.deliver(post.job(kind))

    assert post.outbox.last.kind is kind


@pytest.mark.parametrize(
    ("kind", "payload", "subjects"),
    [
        (LINKED, PAYLOADS[LINKED], {"google": "another"}),
        (LINKED, PAYLOADS[LINKED], {"apple": LINKED_SUBJECT}),
        (LINKED, PAYLOADS[LINKED], {}),
        (UNLINKED, PAYLOADS[UNLINKED], {"google": "1002"}),
        (UNLINKED, OF_THE_PASSWORD, {}),
    ],
)
def test_a_notice_about_an_identity_waits_for_the_change_and_is_then_dropped(
    post_in_memory: MailDeployment, kind: MailKind, payload: dict[str, str], subjects: dict[str, str]
) -> None:
    post, bob = post_in_memory, post_in_memory.register().user
    verify(post, bob)
    change(post, bob, subjects=to_value(subjects))
    job = replace(post.job(kind), payload=payload)

    with pytest.raises(AccountNotWritten):
        post.deliver(job)
    post.base.clock.advance(WRITE_GRACE)
    post.deliver(job)

    assert post.outbox.sent == []


def test_a_removed_password_has_a_notice_of_its_own(post_in_memory: MailDeployment) -> None:
    post, bob = post_in_memory, post_in_memory.register().user
    verify(post, bob)
    remove_password(post, bob)

    post.deliver(replace(post.job(MailKind.IDENTITY_UNLINKED), payload=OF_THE_PASSWORD))

    assert "password was removed" in post.outbox.last.subject


def test_a_code_that_confirms_has_a_slot_of_its_own(post_in_memory: MailDeployment) -> None:
    post, bob = post_in_memory, post_in_memory.register().user
    verify(post, bob)

    code = post.mailed_code(kind=MailKind.REAUTHENTICATION_CODE)

    stored = post.codes.read(post.base.store.get(post.codes.key(Slot.REAUTHENTICATION, digest(BOB.email))))
    assert stored is not None
    assert stored.purpose is CodePurpose.REAUTHENTICATION
    assert post.maker.matches(stored.secret_hash, BOB.email, code)
    with pytest.raises(InvalidCode):
        redeem(post, code)


# The queue's clock


def test_the_queues_time_is_read_to_the_millisecond() -> None:
    assert sent_at("1768478400123") == datetime(2026, 1, 15, 12, 0, 0, 123_000, tzinfo=UTC)


def test_of_jobs_of_one_second_the_later_millisecond_is_the_newer(post: MailDeployment) -> None:
    post.register()
    first, second = post.job(MailKind.SIGN_IN_CODE), post.job(MailKind.SIGN_IN_CODE)

    post.mailer.deliver(second, queued_at=sent_at("1768478400124"))
    post.mailer.deliver(first, queued_at=sent_at("1768478400123"))

    assert post.outbox.codes == [post.maker.code(second.job_id, BOB.email, epoch=0)]
