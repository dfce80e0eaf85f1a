"""gerbang.accounts.user_update: a new address, and guests who register with one."""

from copy import replace
from datetime import timedelta
from functools import partial

import pytest
from gerbang.accounts.registration import EmailTaken
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.jobs import MailKind
from gerbang.mail.mailer import WRITE_GRACE, AccountNotWritten
from gerbang.mail.service import TooMuchMail
from gerbang.storage.accounts import Name, User
from gerbang.storage.newest_users import NewestUsers

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME, Choices
from tests.fakes import Fault, FaultyStore, at_once
from tests.unit.access import password_works, session_works
from tests.unit.mail_deployment import MailDeployment, in_memory_only
from tests.unit.user_update.steps import NEW, NEW_EMAIL, queued_kinds, registered, stored, update, with_autoconfirm


@pytest.mark.parametrize("verified", [False, True])
def test_a_new_address_is_pending_until_it_is_confirmed(app: MailDeployment, *, verified: bool) -> None:
    session = registered(app, verified=verified)

    returned = update(app, session, email=NEW_EMAIL)

    assert returned == stored(app, session)
    assert (returned.email, returned.new_email, returned.new_email_as_typed) == (
        BOB.email,
        "bob@new.example",
        "Bob@New.example",
    )
    assert returned.email_change_sent_at == app.base.clock()
    assert app.users.find_id(Name.EMAIL, NEW_EMAIL) is None
    assert queued_kinds(app) == [MailKind.EMAIL_CHANGE_NEW, *([MailKind.EMAIL_CHANGE_CURRENT] if verified else [])]
    assert {job.email for job in app.queue.jobs} == {BOB.email}
    app.deliver_queued()
    assert [message.to for message in app.outbox.sent] == ["bob@new.example", *([BOB.email] if verified else [])]


def test_the_mail_to_the_current_address_does_not_contain_the_new_one(app_in_memory: MailDeployment) -> None:
    update(app_in_memory, registered(app_in_memory, verified=True), email=NEW_EMAIL)
    app_in_memory.deliver_queued()

    mail = app_in_memory.outbox.last
    assert mail.to == BOB.email
    assert "new.example" not in f"{mail.subject}{mail.text}{mail.html}"


def test_a_taken_address_is_an_error(app: MailDeployment) -> None:
    session = app.register()
    app.register(ALICE)
    before = stored(app, session)

    with pytest.raises(EmailTaken):
        update(app, session, email=ALICE.email, metadata={"a": 1})
    assert stored(app, session) == before
    assert app.queue.jobs == []
    update(app, session, email=NEW_EMAIL)
    assert stored(app, session).new_email == NEW_EMAIL


def test_taken_addresses_are_limited_per_client_address(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register()
    app_in_memory.register(ALICE)
    for _ in range(30):
        with pytest.raises(EmailTaken):
            update(app_in_memory, session, email=ALICE.email)

    with pytest.raises(TooManyAttempts):
        update(app_in_memory, session, email=ALICE.email)


def test_mails_are_limited_per_account_and_new_address(app_in_memory: MailDeployment) -> None:
    session, other = app_in_memory.register(), app_in_memory.register(ALICE)
    update(app_in_memory, session, email=NEW_EMAIL)

    with pytest.raises(TooMuchMail):
        update(app_in_memory, session, email=EmailAddress("bob@third.example"))
    with pytest.raises(TooMuchMail):
        update(app_in_memory, other, email=NEW_EMAIL)

    app_in_memory.base.clock.advance(timedelta(minutes=1))
    update(app_in_memory, session, email=EmailAddress("bob@third.example"))
    assert stored(app_in_memory, session).new_email == "bob@third.example"


def test_mails_are_limited_per_client_address(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register()
    for number in range(30):
        app_in_memory.base.mail_service.ask(MailKind.SIGN_IN_CODE, f"{number}@example.com", None, HOME.address)

    with pytest.raises(TooManyAttempts):
        update(app_in_memory, session, email=NEW_EMAIL)


def test_mails_are_sent_only_once_the_change_is_written(app_in_memory: MailDeployment) -> None:
    session = registered(app_in_memory, verified=True)
    faulty = FaultyStore(app_in_memory.base.store, at=lambda call: call.method == "commit", fault=Fault.NOT_DONE)
    with pytest.raises(DependencyUnavailable):
        update(app_in_memory.on(faulty), session, email=NEW_EMAIL)
    queued_at = app_in_memory.base.clock()

    for job in app_in_memory.queue.jobs:
        with pytest.raises(AccountNotWritten):
            app_in_memory.mailer.deliver(job, queued_at=queued_at)
    app_in_memory.base.clock.advance(WRITE_GRACE)
    for job in app_in_memory.queue.jobs:
        app_in_memory.mailer.deliver(job, queued_at=queued_at)

    assert app_in_memory.outbox.sent == []


def test_a_code_is_not_mailed_before_the_new_password_is_written(
    app_in_memory: MailDeployment,
) -> None:
    """The address is pending already; only the epoch tells whether the password has been written."""
    session = app_in_memory.register()
    update(app_in_memory, session, email=NEW_EMAIL)
    app_in_memory.base.clock.advance(timedelta(minutes=1))
    faulty = FaultyStore(app_in_memory.base.store, at=lambda call: call.method == "commit", fault=Fault.NOT_DONE)
    with pytest.raises(DependencyUnavailable):
        update(app_in_memory.on(faulty), session, email=NEW_EMAIL, password=NEW)

    with pytest.raises(AccountNotWritten):
        app_in_memory.deliver(app_in_memory.queue.jobs[-1])


def test_a_change_confirmed_meanwhile_is_not_overwritten(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register()

    meanwhile = app_in_memory.meanwhile(lambda: app_in_memory.change(session.user, email="bob@third.example"))

    with pytest.raises(DependencyUnavailable):
        update(meanwhile, session, email=NEW_EMAIL)

    assert stored(app_in_memory, session).new_email is None


# Guests and autoconfirm


def test_the_address_of_a_guest_is_pending_until_it_is_confirmed(app: MailDeployment) -> None:
    guest = app.guests.admit(HOME)

    returned = update(app, guest, email=NEW_EMAIL)

    assert (returned.email, returned.new_email, returned.is_anonymous) == (None, NEW_EMAIL, True)
    (job,) = app.queue.jobs
    assert (job.kind, job.email) == (MailKind.EMAIL_CHANGE_NEW, NEW_EMAIL)
    app.deliver(job)
    assert app.outbox.last.to == NEW_EMAIL


@in_memory_only
def test_with_autoconfirm_a_new_address_registers_a_guest(app: MailDeployment, database: Database) -> None:
    app = with_autoconfirm(app)
    guest = app.guests.admit(HOME)

    returned = update(app, guest, email=NEW_EMAIL, password=NEW)

    assert returned == stored(app, guest) == replace(returned, number=returned.number)
    assert (returned.email, returned.email_as_typed, returned.email_verified_at) == (NEW_EMAIL, "Bob@New.example", None)
    assert (returned.is_anonymous, returned.expires_at, returned.credit_balance) == (False, None, 5000)
    assert returned.number is not None
    assert app.users.find_id(Name.EMAIL, NEW_EMAIL) == app.users.find_id(Name.NUMBER, returned.number)
    assert password_works(app, NEW, email=NEW_EMAIL)
    assert session_works(app, guest)
    assert app.queue.jobs == []
    assert any("created_month" in item for item in database.items("Users"))


def test_a_registered_guest_is_listed(app: MailDeployment) -> None:
    app = with_autoconfirm(app)
    guest = app.guests.admit(HOME)
    update(app, guest, email=NEW_EMAIL)

    page = NewestUsers(app.users).page(at=app.base.clock(), size=10)

    assert [user.user_id for user in page.users] == [guest.user.user_id]


def test_with_autoconfirm_one_of_several_guests_gets_an_address(app: MailDeployment) -> None:
    app = with_autoconfirm(app)
    guests = [app.guests.admit(HOME) for _ in range(4)]

    outcomes = at_once([partial(update, app, guest, email=NEW_EMAIL) for guest in guests])

    winners = [outcome for outcome in outcomes if isinstance(outcome, User)]
    assert [user.user_id for user in winners] == [app.users.find_id(Name.EMAIL, NEW_EMAIL)]
    assert all(isinstance(outcome, User | EmailTaken) for outcome in outcomes)


def test_with_autoconfirm_a_repeated_request_registers_once(app: MailDeployment) -> None:
    app = with_autoconfirm(app)
    guest = app.guests.admit(HOME)

    returned = update(app.meanwhile(lambda: update(app, guest, email=NEW_EMAIL)), guest, email=NEW_EMAIL)

    assert returned == stored(app, guest)
    assert returned.email == NEW_EMAIL
    assert update(app, guest, email=NEW_EMAIL) == returned


def test_with_autoconfirm_a_taken_number_is_drawn_again(app: MailDeployment) -> None:
    app = with_autoconfirm(app)
    taken = app.register().user.number
    numbers = iter([taken, taken, 4711])
    app = app.with_parts(new_number=lambda: next(numbers))
    guest = app.guests.admit(HOME)

    assert update(app, guest, email=NEW_EMAIL).number == 4711


def test_with_autoconfirm_a_registered_user_confirms_the_address(
    app_in_memory: MailDeployment,
) -> None:
    app = with_autoconfirm(app_in_memory)

    returned = update(app, app.register(), email=NEW_EMAIL)

    assert (returned.email, returned.new_email) == (BOB.email, NEW_EMAIL)


def test_with_autoconfirm_registering_guests_counts_as_registrations(app_in_memory: MailDeployment) -> None:
    app = with_autoconfirm(app_in_memory)
    guests = [app.guests.admit(ABROAD) for _ in range(2)]
    few = replace(Choices().registration, attempts=1)
    app = app.with_choices(Choices(autoconfirm=True, registration=few))
    update(app, guests[0], email=NEW_EMAIL)

    with pytest.raises(TooManyAttempts):
        update(app, guests[1], email=EmailAddress("other@new.example"))
