"""gerbang.accounts.user_update: all changes of a request are made in one transaction."""

from copy import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.password_reset import REPEATABLE_FOR
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.user_update import AddressRequired, SamePassword, UserChanges
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.jobs import MailKind
from gerbang.mail.mailer import WRITE_GRACE, AccountNotWritten
from gerbang.mail.service import TooMuchMail
from gerbang.passwords.policy import PasswordPolicy, UnacceptablePassword
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.accounts import Name, User
from gerbang.storage.metadata import MetadataTooLarge
from gerbang.storage.newest_users import NewestUsers
from gerbang.storage.store import Gone

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME, PASSWORD, Choices, by_email
from tests.fakes import Fault, FaultyStore, at_once
from tests.unit.access import is_alive, opens
from tests.unit.mail_fakes import MailDeployment, in_memory_only

NEW = "Another horse 2"
NEW_EMAIL = EmailAddress("Bob@New.example")
POLICY = PasswordPolicy()


def update(post: MailDeployment, session: SignedIn, client: Any = HOME, **changes: Any) -> User:
    caller = post.base.sessions.authenticate(session.tokens.access_token)
    return post.base.user_update.update(caller, UserChanges(**changes), client, POLICY)


def stored(post: MailDeployment, session: SignedIn) -> User:
    return post.user(session.user.user_id)


def registered(post: MailDeployment, *, verified: bool = False) -> SignedIn:
    session = post.register()
    if verified:
        post.verify_email(session.user)
    return session


def queued_kinds(post: MailDeployment) -> list[MailKind]:
    return [job.kind for job in post.queue.jobs]


def with_autoconfirm(post: MailDeployment) -> MailDeployment:
    return post.with_choices(Choices(autoconfirm=True))


# Metadata and name


def test_metadata_is_merged_at_the_top_level_and_null_removes_a_member(post: MailDeployment) -> None:
    session = post.register()
    update(post, session, metadata={"a": {"deep": 1}, "b": "é", "c": [1, 2]})

    returned = update(post, session, metadata={"a": {"other": 2}, "b": None})

    assert returned.user_metadata == {"a": {"other": 2}, "c": [1, 2]}
    assert stored(post, session) == returned
    assert returned.updated_at == post.base.clock()


def test_an_account_without_stored_metadata_can_get_some(post: MailDeployment) -> None:
    session = post.register()
    post.change(session.user, user_metadata=Gone())

    update(post, session, metadata={"a": 1})

    assert stored(post, session).user_metadata == {"a": 1}


def test_concurrent_changes_of_metadata_are_all_kept(post: MailDeployment) -> None:
    session = post.register()

    outcomes = at_once([partial(update, post, session, metadata={name: 1}) for name in "abc"])

    succeeded = {name for name, outcome in zip("abc", outcomes, strict=True) if isinstance(outcome, User)}
    assert succeeded
    assert stored(post, session).user_metadata.keys() == succeeded


def test_a_change_made_meanwhile_is_kept(post: MailDeployment) -> None:
    session = post.register()

    update(post.meanwhile(lambda: update(post, session, metadata={"a": 1})), session, metadata={"b": 2})

    assert stored(post, session).user_metadata == {"a": 1, "b": 2}


@pytest.mark.parametrize("size", [8 * 1024 + 1, 12_000])
def test_too_much_metadata_changes_nothing_and_queues_nothing(post_in_memory: MailDeployment, size: int) -> None:
    session = post_in_memory.register()
    before = stored(post_in_memory, session)

    with pytest.raises(MetadataTooLarge):
        update(post_in_memory, session, metadata={"a": "x" * (size - len('{"a":""}'))}, email=NEW_EMAIL, password=NEW)

    assert stored(post_in_memory, session) == before
    assert post_in_memory.queue.jobs == []


def test_metadata_of_eight_kibibytes_is_stored(post: MailDeployment) -> None:
    session = post.register()

    update(post, session, metadata={"a": "x" * (8 * 1024 - len('{"a":""}'))})

    assert len(str(stored(post, session).user_metadata["a"])) == 8 * 1024 - 8


def test_a_name_can_be_changed_and_removed(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()

    update(post_in_memory, session, name="Robert", metadata={"name": "Robert"})
    assert stored(post_in_memory, session).name == "Robert"

    update(post_in_memory, session, name="", metadata={"name": None})
    assert (stored(post_in_memory, session).name, stored(post_in_memory, session).user_metadata) == ("", {})


@pytest.mark.parametrize("changes", [{}, {"metadata": {}}, {"metadata": {"none": None}}, {"email": BOB.email}])
def test_an_update_that_changes_nothing_writes_nothing(post_in_memory: MailDeployment, changes: dict[str, Any]) -> None:
    session = post_in_memory.register()
    before = stored(post_in_memory, session)
    post_in_memory.base.clock.advance(timedelta(minutes=1))

    assert update(post_in_memory, session, **changes) == before
    assert stored(post_in_memory, session) == before
    assert post_in_memory.queue.jobs == []


# Password


def test_a_new_password_ends_every_session_but_this_one(post: MailDeployment) -> None:
    session = post.register()
    other = post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)

    returned = update(post, session, password=NEW)

    assert not opens(post, PASSWORD)
    assert opens(post, NEW)
    assert is_alive(post, session)
    assert is_alive(post, post.base.sessions.refresh(session.tokens.refresh_token))
    assert not is_alive(post, other)
    assert returned.epoch == session.user.epoch + 1


def test_a_new_password_invalidates_mailed_codes(post: MailDeployment) -> None:
    session = post.register()
    code = post.mailed_code()

    update(post, session, password=NEW)

    with pytest.raises(InvalidCode):
        post.code_sign_in.sign_in(BOB.email, code, HOME)


def test_the_current_password_as_the_new_one_is_an_error(post: MailDeployment) -> None:
    session = post.register()
    other = post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)

    with pytest.raises(SamePassword):
        update(post, session, password=PASSWORD, metadata={"a": 1})

    assert is_alive(post, other)
    assert stored(post, session).user_metadata == {}


@pytest.mark.parametrize(
    ("password", "rule"), [("short", "length"), ("password123", "common"), ("bob@example.com", "personal")]
)
def test_a_password_must_meet_the_policy(post_in_memory: MailDeployment, password: str, rule: str) -> None:
    session = post_in_memory.register()

    with pytest.raises(UnacceptablePassword) as raised:
        update(post_in_memory, session, password=password)

    assert raised.value.rule == rule


def test_a_password_must_not_be_the_new_address(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()

    with pytest.raises(UnacceptablePassword):
        update(post_in_memory, session, email=EmailAddress("longname@new.example"), password="longname@new.example")


@pytest.mark.parametrize("verified", [False, True])
def test_a_notice_is_mailed_to_a_verified_address(post: MailDeployment, *, verified: bool) -> None:
    session = registered(post, verified=verified)

    update(post, session, password=NEW)

    assert queued_kinds(post) == ([MailKind.PASSWORD_CHANGED] if verified else [])
    post.deliver_queued()
    assert [message.to for message in post.outbox.sent] == ([BOB.email] if verified else [])


def test_a_repeated_request_queues_the_missing_notice(post_in_memory: MailDeployment) -> None:
    session = registered(post_in_memory, verified=True)
    faulty = FaultyStore(post_in_memory.base.store, at=lambda call: call.method == "commit", fault=Fault.ANSWER_LOST)
    with pytest.raises(DependencyUnavailable):
        update(post_in_memory.on(faulty), session, password=NEW)
    assert queued_kinds(post_in_memory) == []

    for _ in range(2):
        with pytest.raises(SamePassword):
            update(post_in_memory, session, password=NEW)

    post_in_memory.deliver_queued()
    assert [message.kind for message in post_in_memory.outbox.sent] == [MailKind.PASSWORD_CHANGED]


@pytest.mark.parametrize("set_by", ["another session", "this session, long ago"])
def test_no_notice_is_queued_for_a_password_that_was_not_just_set(post_in_memory: MailDeployment, set_by: str) -> None:
    session = registered(post_in_memory, verified=True)
    if set_by == "this session, long ago":
        update(post_in_memory, session, password=NEW)
        post_in_memory.base.clock.advance(REPEATABLE_FOR + timedelta(seconds=1))
    before = queued_kinds(post_in_memory)

    with pytest.raises(SamePassword):
        update(post_in_memory, session, password=PASSWORD if set_by == "another session" else NEW)

    assert queued_kinds(post_in_memory) == before


def test_the_password_is_set_when_its_notice_cannot_be_queued(
    post_in_memory: MailDeployment,
) -> None:
    session = registered(post_in_memory, verified=True)
    post_in_memory.queue.is_down = True

    update(post_in_memory, session, password=NEW)

    assert opens(post_in_memory, NEW)


def test_the_same_change_sent_twice_concurrently_is_done_once(post: MailDeployment) -> None:
    session = post.register()

    update(post.meanwhile(lambda: update(post, session, password=NEW)), session, password=NEW)

    assert opens(post, NEW)
    assert is_alive(post, session)
    assert stored(post, session).epoch == session.user.epoch + 1


def test_a_session_that_ends_meanwhile_changes_nothing(post: MailDeployment) -> None:
    session = post.register()

    with pytest.raises(SessionEnded):
        update(post.meanwhile(lambda: post.base.sessions.close(session.tokens.access_token)), session, password=NEW)

    assert opens(post, PASSWORD)


def test_an_account_without_a_password_can_get_one(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()
    post_in_memory.change(session.user, password_hash=Gone())

    update(post_in_memory, session, password=NEW)

    assert opens(post_in_memory, NEW)


def test_a_guest_cannot_set_a_password(post_in_memory: MailDeployment) -> None:
    guest = post_in_memory.guests.admit(HOME)

    for changes in ({}, {"email": NEW_EMAIL}):
        with pytest.raises(AddressRequired):
            update(post_in_memory, guest, password=NEW, **changes)

    assert post_in_memory.queue.jobs == []


@pytest.mark.parametrize("reason", ["taken address", "recent mail", "metadata"])
def test_a_request_that_fails_for_another_reason_does_not_reveal_the_password(
    post_in_memory: MailDeployment, reason: str
) -> None:
    """Else a stolen session could guess the password with requests that change nothing."""
    session = post_in_memory.register()
    post_in_memory.register(ALICE)
    changes: dict[str, Any] = {"email": ALICE.email if reason == "taken address" else NEW_EMAIL}
    if reason == "recent mail":
        update(post_in_memory, session, **changes)
    if reason == "metadata":
        changes["metadata"] = {"a": "x" * 9000}

    errors: list[Exception] = []
    for guess in (PASSWORD, NEW):
        with pytest.raises((AuthError, MetadataTooLarge)) as raised:
            update(post_in_memory, session, password=guess, **changes)
        errors.append(raised.value)
        post_in_memory.base.clock.advance(timedelta(seconds=1))

    assert type(errors[0]) is type(errors[1]) is not SamePassword


# Address


@pytest.mark.parametrize("verified", [False, True])
def test_a_new_address_is_pending_until_it_is_confirmed(post: MailDeployment, *, verified: bool) -> None:
    session = registered(post, verified=verified)

    returned = update(post, session, email=NEW_EMAIL)

    assert returned == stored(post, session)
    assert (returned.email, returned.new_email, returned.new_email_as_typed) == (
        BOB.email,
        "bob@new.example",
        "Bob@New.example",
    )
    assert returned.email_change_sent_at == post.base.clock()
    assert post.users.find_id(Name.EMAIL, NEW_EMAIL) is None
    assert queued_kinds(post) == [MailKind.EMAIL_CHANGE_NEW, *([MailKind.EMAIL_CHANGE_CURRENT] if verified else [])]
    assert {job.email for job in post.queue.jobs} == {BOB.email}
    post.deliver_queued()
    assert [message.to for message in post.outbox.sent] == ["bob@new.example", *([BOB.email] if verified else [])]


def test_the_mail_to_the_current_address_does_not_contain_the_new_one(post_in_memory: MailDeployment) -> None:
    update(post_in_memory, registered(post_in_memory, verified=True), email=NEW_EMAIL)
    post_in_memory.deliver_queued()

    mail = post_in_memory.outbox.last
    assert mail.to == BOB.email
    assert "new.example" not in f"{mail.subject}{mail.text}{mail.html}"


def test_a_taken_address_is_an_error(post: MailDeployment) -> None:
    session = post.register()
    post.register(ALICE)
    before = stored(post, session)

    with pytest.raises(EmailTaken):
        update(post, session, email=ALICE.email, metadata={"a": 1})
    assert stored(post, session) == before
    assert post.queue.jobs == []
    update(post, session, email=NEW_EMAIL)
    assert stored(post, session).new_email == NEW_EMAIL


def test_taken_addresses_are_limited_per_client_address(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()
    post_in_memory.register(ALICE)
    for _ in range(30):
        with pytest.raises(EmailTaken):
            update(post_in_memory, session, email=ALICE.email)

    with pytest.raises(TooManyAttempts):
        update(post_in_memory, session, email=ALICE.email)


def test_mails_are_limited_per_account_and_new_address(post_in_memory: MailDeployment) -> None:
    session, other = post_in_memory.register(), post_in_memory.register(ALICE)
    update(post_in_memory, session, email=NEW_EMAIL)

    with pytest.raises(TooMuchMail):
        update(post_in_memory, session, email=EmailAddress("bob@third.example"))
    with pytest.raises(TooMuchMail):
        update(post_in_memory, other, email=NEW_EMAIL)

    post_in_memory.base.clock.advance(timedelta(minutes=1))
    update(post_in_memory, session, email=EmailAddress("bob@third.example"))
    assert stored(post_in_memory, session).new_email == "bob@third.example"


def test_mails_are_limited_per_client_address(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()
    for number in range(30):
        post_in_memory.base.mail_service.ask(MailKind.SIGN_IN_CODE, f"{number}@example.com", None, HOME.address)

    with pytest.raises(TooManyAttempts):
        update(post_in_memory, session, email=NEW_EMAIL)


def test_without_the_queue_nothing_is_written_or_counted(post: MailDeployment) -> None:
    session = post.register()
    before = stored(post, session)
    post.queue.is_down = True
    with pytest.raises(DependencyUnavailable):
        update(post, session, email=NEW_EMAIL, password=NEW, metadata={"a": 1})
    assert stored(post, session) == before

    post.queue.is_down = False
    update(post, session, email=NEW_EMAIL, password=NEW, metadata={"a": 1})

    after = stored(post, session)
    assert (after.new_email, after.user_metadata, after.epoch) == (NEW_EMAIL, {"a": 1}, before.epoch + 1)
    assert opens(post, NEW)


def test_mails_are_sent_only_once_the_change_is_written(post_in_memory: MailDeployment) -> None:
    session = registered(post_in_memory, verified=True)
    faulty = FaultyStore(post_in_memory.base.store, at=lambda call: call.method == "commit", fault=Fault.NOT_DONE)
    with pytest.raises(DependencyUnavailable):
        update(post_in_memory.on(faulty), session, email=NEW_EMAIL)
    queued_at = post_in_memory.base.clock()

    for job in post_in_memory.queue.jobs:
        with pytest.raises(AccountNotWritten):
            post_in_memory.mailer.deliver(job, queued_at=queued_at)
    post_in_memory.base.clock.advance(WRITE_GRACE)
    for job in post_in_memory.queue.jobs:
        post_in_memory.mailer.deliver(job, queued_at=queued_at)

    assert post_in_memory.outbox.sent == []


def test_a_code_is_not_mailed_before_the_new_password_is_written(
    post_in_memory: MailDeployment,
) -> None:
    """The address is pending already; only the epoch tells whether the password has been written."""
    session = post_in_memory.register()
    update(post_in_memory, session, email=NEW_EMAIL)
    post_in_memory.base.clock.advance(timedelta(minutes=1))
    faulty = FaultyStore(post_in_memory.base.store, at=lambda call: call.method == "commit", fault=Fault.NOT_DONE)
    with pytest.raises(DependencyUnavailable):
        update(post_in_memory.on(faulty), session, email=NEW_EMAIL, password=NEW)

    with pytest.raises(AccountNotWritten):
        post_in_memory.deliver(post_in_memory.queue.jobs[-1])


def test_a_change_confirmed_meanwhile_is_not_overwritten(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()

    meanwhile = post_in_memory.meanwhile(lambda: post_in_memory.change(session.user, email="bob@third.example"))

    with pytest.raises(DependencyUnavailable):
        update(meanwhile, session, email=NEW_EMAIL)

    assert stored(post_in_memory, session).new_email is None


def test_all_fields_are_changed_together(post: MailDeployment) -> None:
    session = registered(post, verified=True)

    returned = update(post, session, email=NEW_EMAIL, password=NEW, metadata={"a": 1}, name="Robert")

    assert returned == stored(post, session)
    assert (returned.new_email, returned.user_metadata, returned.name, returned.epoch) == (
        NEW_EMAIL,
        {"a": 1},
        "Robert",
        1,
    )
    assert sorted(queued_kinds(post)) == sorted(
        [MailKind.EMAIL_CHANGE_NEW, MailKind.EMAIL_CHANGE_CURRENT, MailKind.PASSWORD_CHANGED]
    )
    post.deliver_queued()
    assert len(post.outbox.sent) == 3


# Guests and autoconfirm


def test_the_address_of_a_guest_is_pending_until_it_is_confirmed(post: MailDeployment) -> None:
    guest = post.guests.admit(HOME)

    returned = update(post, guest, email=NEW_EMAIL)

    assert (returned.email, returned.new_email, returned.is_anonymous) == (None, NEW_EMAIL, True)
    (job,) = post.queue.jobs
    assert (job.kind, job.email) == (MailKind.EMAIL_CHANGE_NEW, NEW_EMAIL)
    post.deliver(job)
    assert post.outbox.last.to == NEW_EMAIL


@in_memory_only
def test_with_autoconfirm_a_new_address_registers_a_guest(post: MailDeployment, database: Database) -> None:
    post = with_autoconfirm(post)
    guest = post.guests.admit(HOME)

    returned = update(post, guest, email=NEW_EMAIL, password=NEW)

    assert returned == stored(post, guest) == replace(returned, number=returned.number)
    assert (returned.email, returned.email_as_typed, returned.email_verified_at) == (NEW_EMAIL, "Bob@New.example", None)
    assert (returned.is_anonymous, returned.expires_at, returned.credit_balance) == (False, None, 5000)
    assert returned.number is not None
    assert post.users.find_id(Name.EMAIL, NEW_EMAIL) == post.users.find_id(Name.NUMBER, returned.number)
    assert opens(post, NEW, email=NEW_EMAIL)
    assert is_alive(post, guest)
    assert post.queue.jobs == []
    assert any("created_month" in item for item in database.items("Users"))


def test_a_registered_guest_is_listed(post: MailDeployment) -> None:
    post = with_autoconfirm(post)
    guest = post.guests.admit(HOME)
    update(post, guest, email=NEW_EMAIL)

    page = NewestUsers(post.users).page(at=post.base.clock(), size=10)

    assert [user.user_id for user in page.users] == [guest.user.user_id]


def test_with_autoconfirm_one_of_several_guests_gets_an_address(post: MailDeployment) -> None:
    post = with_autoconfirm(post)
    guests = [post.guests.admit(HOME) for _ in range(4)]

    outcomes = at_once([partial(update, post, guest, email=NEW_EMAIL) for guest in guests])

    winners = [outcome for outcome in outcomes if isinstance(outcome, User)]
    assert [user.user_id for user in winners] == [post.users.find_id(Name.EMAIL, NEW_EMAIL)]
    assert all(isinstance(outcome, User | EmailTaken) for outcome in outcomes)


def test_with_autoconfirm_a_repeated_request_registers_once(post: MailDeployment) -> None:
    post = with_autoconfirm(post)
    guest = post.guests.admit(HOME)

    returned = update(post.meanwhile(lambda: update(post, guest, email=NEW_EMAIL)), guest, email=NEW_EMAIL)

    assert returned == stored(post, guest)
    assert returned.email == NEW_EMAIL
    assert update(post, guest, email=NEW_EMAIL) == returned


def test_with_autoconfirm_a_taken_number_is_drawn_again(post: MailDeployment) -> None:
    post = with_autoconfirm(post)
    taken = post.register().user.number
    numbers = iter([taken, taken, 4711])
    post = replace(post, base=replace(post.base, new_number=lambda: next(numbers)))
    guest = post.guests.admit(HOME)

    assert update(post, guest, email=NEW_EMAIL).number == 4711


def test_with_autoconfirm_a_registered_user_confirms_the_address(
    post_in_memory: MailDeployment,
) -> None:
    post = with_autoconfirm(post_in_memory)

    returned = update(post, post.register(), email=NEW_EMAIL)

    assert (returned.email, returned.new_email) == (BOB.email, NEW_EMAIL)


def test_with_autoconfirm_registering_guests_counts_as_registrations(post_in_memory: MailDeployment) -> None:
    post = with_autoconfirm(post_in_memory)
    guests = [post.guests.admit(ABROAD) for _ in range(2)]
    few = replace(Choices().registration, attempts=1)
    post = post.with_choices(Choices(autoconfirm=True, registration=few))
    update(post, guests[0], email=NEW_EMAIL)

    with pytest.raises(TooManyAttempts):
        update(post, guests[1], email=EmailAddress("other@new.example"))


def test_the_log_contains_no_address_password_or_metadata(post_in_memory: MailDeployment) -> None:
    session = registered(post_in_memory, verified=True)

    update(post_in_memory, session, email=NEW_EMAIL, password=NEW, metadata={"secret": "value"})

    events = post_in_memory.base.recorded.events
    assert {"user_updated", "password_changed", "email_change_requested"} <= set(events)
    logged = str(post_in_memory.base.recorded.notes)
    assert NEW_EMAIL not in logged
    assert NEW not in logged
    assert "value" not in logged
