"""gerbang.accounts.user_update: what a signed-in user changes is changed at once or not at all."""

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
from gerbang.storage.store import Gone, Update, Written

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME, PASSWORD, Choices, by_email
from tests.fakes import Fault, FaultyStore, MeanwhileStore, at_once
from tests.unit.access import password_works, session_works
from tests.unit.mail_fakes import MailDeployment, in_memory_only

NEW = "Another horse 2"
NEW_EMAIL = EmailAddress("Bob@New.example")
POLICY = PasswordPolicy()


def update(post: MailDeployment, session: SignedIn, client: Any = HOME, **asked: Any) -> User:
    caller = post.base.sessions.authenticate(session.tokens.access_token)
    return post.base.user_update.update(caller, UserChanges(**asked), client, POLICY)


def stored(post: MailDeployment, session: SignedIn) -> User:
    return post.user(session.user.user_id)


def change(post: MailDeployment, user: User, **changes: Any) -> None:
    assert isinstance(post.base.store.write(Update(post.users.key(user.user_id), changes)), Written)


def registered(post: MailDeployment, *, verified: bool = False) -> SignedIn:
    session = post.register()
    if verified:
        change(post, session.user, email_verified_at=1)
    return session


def kinds(post: MailDeployment) -> list[MailKind]:
    return [job.kind for job in post.queue.jobs]


def with_autoconfirm(post: MailDeployment) -> MailDeployment:
    return replace(post, base=replace(post.base, choices=Choices(autoconfirm=True)))


def meanwhile(post: MailDeployment, happens: Any) -> MailDeployment:
    """The same world, where something else is done just before the first commit."""
    return post.on(MeanwhileStore(post.base.store, before=lambda call: call.method == "commit", happens=happens))


# Metadata and name


def test_metadata_is_merged_at_the_top_and_null_removes_a_member(post: MailDeployment) -> None:
    session = post.register()
    update(post, session, metadata={"a": {"deep": 1}, "b": "é", "c": [1, 2]})

    returned = update(post, session, metadata={"a": {"other": 2}, "b": None})

    assert returned.user_metadata == {"a": {"other": 2}, "c": [1, 2]}
    assert stored(post, session) == returned
    assert returned.updated_at == post.base.clock()


def test_an_account_from_before_there_was_metadata_takes_some(post: MailDeployment) -> None:
    session = post.register()
    change(post, session.user, user_metadata=Gone())

    update(post, session, metadata={"a": 1})

    assert stored(post, session).user_metadata == {"a": 1}


def test_changes_of_metadata_at_the_same_time_are_all_kept(post: MailDeployment) -> None:
    session = post.register()

    outcomes = at_once([partial(update, post, session, metadata={name: 1}) for name in "abc"])

    done = {name for name, outcome in zip("abc", outcomes, strict=True) if isinstance(outcome, User)}
    assert done
    assert stored(post, session).user_metadata.keys() == done


def test_a_change_meanwhile_is_kept(post: MailDeployment) -> None:
    session = post.register()

    update(meanwhile(post, lambda: update(post, session, metadata={"a": 1})), session, metadata={"b": 2})

    assert stored(post, session).user_metadata == {"a": 1, "b": 2}


@pytest.mark.parametrize("size", [8 * 1024 + 1, 12_000])
def test_too_much_metadata_changes_nothing_and_queues_nothing(post_in_memory: MailDeployment, size: int) -> None:
    session = post_in_memory.register()
    before = stored(post_in_memory, session)

    with pytest.raises(MetadataTooLarge):
        update(post_in_memory, session, metadata={"a": "x" * (size - len('{"a":""}'))}, email=NEW_EMAIL, password=NEW)

    assert stored(post_in_memory, session) == before
    assert post_in_memory.queue.jobs == []


def test_metadata_has_room_for_eight_kibibytes(post: MailDeployment) -> None:
    session = post.register()

    update(post, session, metadata={"a": "x" * (8 * 1024 - len('{"a":""}'))})

    assert len(str(stored(post, session).user_metadata["a"])) == 8 * 1024 - 8


def test_a_name_is_the_account_s_and_can_be_removed(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()

    update(post_in_memory, session, name="Robert", metadata={"name": "Robert"})
    assert stored(post_in_memory, session).name == "Robert"

    update(post_in_memory, session, name="", metadata={"name": None})
    assert (stored(post_in_memory, session).name, stored(post_in_memory, session).user_metadata) == ("", {})


@pytest.mark.parametrize("asked", [{}, {"metadata": {}}, {"metadata": {"none": None}}, {"email": BOB.email}])
def test_what_changes_nothing_writes_nothing(post_in_memory: MailDeployment, asked: dict[str, Any]) -> None:
    session = post_in_memory.register()
    before = stored(post_in_memory, session)
    post_in_memory.base.clock.advance(timedelta(minutes=1))

    assert update(post_in_memory, session, **asked) == before
    assert stored(post_in_memory, session) == before
    assert post_in_memory.queue.jobs == []


# Password


def test_a_new_password_ends_every_session_but_this_one(post: MailDeployment) -> None:
    session = post.register()
    other = post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)

    returned = update(post, session, password=NEW)

    assert not password_works(post, PASSWORD)
    assert password_works(post, NEW)
    assert session_works(post, session)
    assert session_works(post, post.base.sessions.refresh(session.tokens.refresh_token))
    assert not session_works(post, other)
    assert returned.epoch == session.user.epoch + 1


def test_outstanding_codes_die_with_the_old_password(post: MailDeployment) -> None:
    session = post.register()
    code = post.mailed_code()

    update(post, session, password=NEW)

    with pytest.raises(InvalidCode):
        post.code_sign_in.sign_in(BOB.email, code, HOME)


def test_the_present_password_changes_nothing(post: MailDeployment) -> None:
    session = post.register()
    other = post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)

    with pytest.raises(SamePassword):
        update(post, session, password=PASSWORD, metadata={"a": 1})

    assert session_works(post, other)
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

    assert kinds(post) == ([MailKind.PASSWORD_CHANGED] if verified else [])
    for job in post.queue.jobs:
        post.deliver(job)
    assert [message.to for message in post.outbox.sent] == ([BOB.email] if verified else [])


def test_a_notice_that_was_not_queued_is_when_the_request_is_sent_again(post_in_memory: MailDeployment) -> None:
    session = registered(post_in_memory, verified=True)
    faulty = FaultyStore(post_in_memory.base.store, at=lambda call: call.method == "commit", fault=Fault.ANSWER_LOST)
    with pytest.raises(DependencyUnavailable):
        update(post_in_memory.on(faulty), session, password=NEW)
    assert kinds(post_in_memory) == []

    for _ in range(2):
        with pytest.raises(SamePassword):
            update(post_in_memory, session, password=NEW)

    for job in post_in_memory.queue.jobs:
        post_in_memory.deliver(job)
    assert [message.kind for message in post_in_memory.outbox.sent] == [MailKind.PASSWORD_CHANGED]


@pytest.mark.parametrize("who", ["another session", "this one, long ago"])
def test_no_notice_tells_of_a_password_that_was_not_set_just_now(post_in_memory: MailDeployment, who: str) -> None:
    session = registered(post_in_memory, verified=True)
    if who == "this one, long ago":
        update(post_in_memory, session, password=NEW)
        post_in_memory.base.clock.advance(REPEATABLE_FOR + timedelta(seconds=1))
    before = kinds(post_in_memory)

    with pytest.raises(SamePassword):
        update(post_in_memory, session, password=PASSWORD if who == "another session" else NEW)

    assert kinds(post_in_memory) == before


def test_a_notice_that_cannot_be_queued_does_not_keep_the_password_from_being_set(
    post_in_memory: MailDeployment,
) -> None:
    session = registered(post_in_memory, verified=True)
    post_in_memory.queue.is_down = True

    update(post_in_memory, session, password=NEW)

    assert password_works(post_in_memory, NEW)


def test_the_same_change_sent_twice_at_once_is_done_once(post: MailDeployment) -> None:
    session = post.register()

    update(meanwhile(post, lambda: update(post, session, password=NEW)), session, password=NEW)

    assert password_works(post, NEW)
    assert session_works(post, session)
    assert stored(post, session).epoch == session.user.epoch + 1


def test_a_session_that_ends_meanwhile_changes_nothing(post: MailDeployment) -> None:
    session = post.register()

    with pytest.raises(SessionEnded):
        update(meanwhile(post, lambda: post.base.sessions.close(session.tokens.access_token)), session, password=NEW)

    assert password_works(post, PASSWORD)


def test_an_account_without_a_password_gets_one(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()
    change(post_in_memory, session.user, password_hash=Gone())

    update(post_in_memory, session, password=NEW)

    assert password_works(post_in_memory, NEW)


def test_a_guest_has_no_password(post_in_memory: MailDeployment) -> None:
    guest = post_in_memory.guests.admit(HOME)

    for asked in ({}, {"email": NEW_EMAIL}):
        with pytest.raises(AddressRequired):
            update(post_in_memory, guest, password=NEW, **asked)

    assert post_in_memory.queue.jobs == []


@pytest.mark.parametrize("refused", ["taken", "mailed lately", "metadata"])
def test_the_present_password_is_not_told_by_a_request_that_fails_for_another_reason(
    post_in_memory: MailDeployment, refused: str
) -> None:
    """Else a session would do to guess it: a wrong guess that fails changes nothing."""
    session = post_in_memory.register()
    post_in_memory.register(ALICE)
    asked: dict[str, Any] = {"email": ALICE.email if refused == "taken" else NEW_EMAIL}
    if refused == "mailed lately":
        update(post_in_memory, session, **asked)
    if refused == "metadata":
        asked["metadata"] = {"a": "x" * 9000}

    errors: list[Exception] = []
    for guess in (PASSWORD, NEW):
        with pytest.raises((AuthError, MetadataTooLarge)) as raised:
            update(post_in_memory, session, password=guess, **asked)
        errors.append(raised.value)
        post_in_memory.base.clock.advance(timedelta(seconds=1))

    assert type(errors[0]) is type(errors[1]) is not SamePassword


# Address


@pytest.mark.parametrize("verified", [False, True])
def test_another_address_is_pending_until_it_is_confirmed(post: MailDeployment, *, verified: bool) -> None:
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
    assert kinds(post) == [MailKind.EMAIL_CHANGE_NEW, *([MailKind.EMAIL_CHANGE_CURRENT] if verified else [])]
    assert {job.email for job in post.queue.jobs} == {BOB.email}
    for job in post.queue.jobs:
        post.deliver(job)
    assert [message.to for message in post.outbox.sent] == ["bob@new.example", *([BOB.email] if verified else [])]


def test_mail_to_the_present_address_does_not_name_the_new_one(post_in_memory: MailDeployment) -> None:
    update(post_in_memory, registered(post_in_memory, verified=True), email=NEW_EMAIL)
    for job in post_in_memory.queue.jobs:
        post_in_memory.deliver(job)

    to_present = post_in_memory.outbox.last
    assert to_present.to == BOB.email
    assert "new.example" not in f"{to_present.subject}{to_present.text}{to_present.html}"


def test_an_address_that_is_taken_is_an_error(post: MailDeployment) -> None:
    session = post.register()
    post.register(ALICE)
    before = stored(post, session)

    with pytest.raises(EmailTaken):
        update(post, session, email=ALICE.email, metadata={"a": 1})
    assert stored(post, session) == before
    assert post.queue.jobs == []
    update(post, session, email=NEW_EMAIL)
    assert stored(post, session).new_email == NEW_EMAIL


def test_looking_for_addresses_that_are_taken_is_counted_by_client(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()
    post_in_memory.register(ALICE)
    for _ in range(30):
        with pytest.raises(EmailTaken):
            update(post_in_memory, session, email=ALICE.email)

    with pytest.raises(TooManyAttempts):
        update(post_in_memory, session, email=ALICE.email)


def test_mails_are_counted_by_account_and_by_the_new_address(post_in_memory: MailDeployment) -> None:
    session, other = post_in_memory.register(), post_in_memory.register(ALICE)
    update(post_in_memory, session, email=NEW_EMAIL)

    with pytest.raises(TooMuchMail):
        update(post_in_memory, session, email=EmailAddress("bob@third.example"))
    with pytest.raises(TooMuchMail):
        update(post_in_memory, other, email=NEW_EMAIL)

    post_in_memory.base.clock.advance(timedelta(minutes=1))
    update(post_in_memory, session, email=EmailAddress("bob@third.example"))
    assert stored(post_in_memory, session).new_email == "bob@third.example"


def test_mails_are_counted_by_client_address(post_in_memory: MailDeployment) -> None:
    session = post_in_memory.register()
    for number in range(30):
        post_in_memory.base.mail_service.ask(MailKind.SIGN_IN_CODE, f"{number}@example.com", None, HOME.address)

    with pytest.raises(TooManyAttempts):
        update(post_in_memory, session, email=NEW_EMAIL)


def test_while_the_queue_is_down_nothing_is_written_and_nothing_counted(post: MailDeployment) -> None:
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
    assert password_works(post, NEW)


def test_mails_wait_for_the_change_and_are_not_sent_without_it(post_in_memory: MailDeployment) -> None:
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


def test_a_code_that_is_mailed_before_a_new_password_is_written_would_be_worthless_and_waits(
    post_in_memory: MailDeployment,
) -> None:
    """Asked for again, with a password: the address is pending already, and only the epoch tells that it is written."""
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

    def move() -> None:
        change(post_in_memory, session.user, email="bob@third.example")

    with pytest.raises(DependencyUnavailable):
        update(meanwhile(post_in_memory, move), session, email=NEW_EMAIL)

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
    assert sorted(kinds(post)) == sorted(
        [MailKind.EMAIL_CHANGE_NEW, MailKind.EMAIL_CHANGE_CURRENT, MailKind.PASSWORD_CHANGED]
    )
    for job in post.queue.jobs:
        post.deliver(job)
    assert len(post.outbox.sent) == 3


# Guests where addresses are confirmed at once


def test_a_guest_s_address_is_pending_like_any_other(post: MailDeployment) -> None:
    guest = post.guests.admit(HOME)

    returned = update(post, guest, email=NEW_EMAIL)

    assert (returned.email, returned.new_email, returned.is_anonymous) == (None, NEW_EMAIL, True)
    (job,) = post.queue.jobs
    assert (job.kind, job.email) == (MailKind.EMAIL_CHANGE_NEW, NEW_EMAIL)
    post.deliver(job)
    assert post.outbox.last.to == NEW_EMAIL


@in_memory_only
def test_with_autoconfirm_a_guest_s_address_is_set_at_once_and_the_guest_is_registered(
    post: MailDeployment, database: Database
) -> None:
    post = with_autoconfirm(post)
    guest = post.guests.admit(HOME)

    returned = update(post, guest, email=NEW_EMAIL, password=NEW)

    assert returned == stored(post, guest) == replace(returned, number=returned.number)
    assert (returned.email, returned.email_as_typed, returned.email_verified_at) == (NEW_EMAIL, "Bob@New.example", None)
    assert (returned.is_anonymous, returned.expires_at, returned.credit_balance) == (False, None, 5000)
    assert returned.number is not None
    assert post.users.find_id(Name.EMAIL, NEW_EMAIL) == post.users.find_id(Name.NUMBER, returned.number)
    assert password_works(post, NEW, email=NEW_EMAIL)
    assert session_works(post, guest)
    assert post.queue.jobs == []
    assert any("created_month" in item for item in database.items("Users"))


def test_a_registered_guest_is_listed_with_other_accounts(post: MailDeployment) -> None:
    post = with_autoconfirm(post)
    guest = post.guests.admit(HOME)
    update(post, guest, email=NEW_EMAIL)

    page = NewestUsers(post.users).page(at=post.base.clock(), size=10)

    assert [user.user_id for user in page.users] == [guest.user.user_id]


def test_with_autoconfirm_of_guests_that_ask_for_one_address_at_once_exactly_one_has_it(post: MailDeployment) -> None:
    post = with_autoconfirm(post)
    guests = [post.guests.admit(HOME) for _ in range(4)]

    outcomes = at_once([partial(update, post, guest, email=NEW_EMAIL) for guest in guests])

    winners = [outcome for outcome in outcomes if isinstance(outcome, User)]
    assert [user.user_id for user in winners] == [post.users.find_id(Name.EMAIL, NEW_EMAIL)]
    assert all(isinstance(outcome, User | EmailTaken) for outcome in outcomes)


def test_with_autoconfirm_the_same_request_twice_registers_once(post: MailDeployment) -> None:
    post = with_autoconfirm(post)
    guest = post.guests.admit(HOME)

    returned = update(meanwhile(post, lambda: update(post, guest, email=NEW_EMAIL)), guest, email=NEW_EMAIL)

    assert returned == stored(post, guest)
    assert returned.email == NEW_EMAIL
    assert update(post, guest, email=NEW_EMAIL) == returned


def test_with_autoconfirm_another_number_is_drawn_where_the_first_is_taken(post: MailDeployment) -> None:
    post = with_autoconfirm(post)
    taken = post.register().user.number
    numbers = iter([taken, taken, 4711])
    post = replace(post, base=replace(post.base, new_number=lambda: next(numbers)))
    guest = post.guests.admit(HOME)

    assert update(post, guest, email=NEW_EMAIL).number == 4711


def test_with_autoconfirm_a_registered_account_s_address_is_still_to_be_confirmed(
    post_in_memory: MailDeployment,
) -> None:
    post = with_autoconfirm(post_in_memory)

    returned = update(post, post.register(), email=NEW_EMAIL)

    assert (returned.email, returned.new_email) == (BOB.email, NEW_EMAIL)


def test_with_autoconfirm_registered_guests_count_as_registrations(post_in_memory: MailDeployment) -> None:
    post = with_autoconfirm(post_in_memory)
    guests = [post.guests.admit(ABROAD) for _ in range(2)]
    few = replace(Choices().registration, attempts=1)
    post = replace(post, base=replace(post.base, choices=Choices(autoconfirm=True, registration=few)))
    update(post, guests[0], email=NEW_EMAIL)

    with pytest.raises(TooManyAttempts):
        update(post, guests[1], email=EmailAddress("other@new.example"))


def test_what_is_logged_names_ids_and_no_address(post_in_memory: MailDeployment) -> None:
    session = registered(post_in_memory, verified=True)

    update(post_in_memory, session, email=NEW_EMAIL, password=NEW, metadata={"secret": "value"})

    events = post_in_memory.base.recorded.events
    assert {"user_updated", "password_changed", "email_change_requested"} <= set(events)
    logged = str(post_in_memory.base.recorded.notes)
    assert NEW_EMAIL not in logged
    assert NEW not in logged
    assert "value" not in logged
