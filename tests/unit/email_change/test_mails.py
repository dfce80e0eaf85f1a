"""gerbang.accounts.email_change_mails: the mails of a pending change are requested again."""

from datetime import timedelta

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.mail.service import TooMuchMail
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.one_time_codes import Slot

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME
from tests.unit.email_change.steps import (
    CURRENT_CODE,
    NEW_CODE,
    NEW_EMAIL,
    confirm,
    current_user,
    deliver_from,
    request_change,
)
from tests.unit.mail_deployment import MailDeployment, in_memory_only


def test_the_mails_of_a_pending_change_can_be_requested_again(app: MailDeployment) -> None:
    session = app.register_verified()
    old = request_change(app, session)
    with pytest.raises(TooMuchMail):
        app.base.email_change_mails.request_again(BOB.email, None, HOME.address)
    app.base.clock.advance(timedelta(minutes=1))

    app.base.email_change_mails.request_again(BOB.email, None, HOME.address)

    codes = deliver_from(app, 2)
    assert codes.keys() == {CURRENT_CODE, NEW_CODE}
    with pytest.raises(InvalidCode):
        confirm(app, NEW_EMAIL, old[NEW_CODE])
    confirm(app, BOB.email, codes[CURRENT_CODE])
    assert isinstance(confirm(app, NEW_EMAIL, codes[NEW_CODE]), SignedIn)


@pytest.mark.parametrize("state", ["unknown", "nothing pending", "unverified"])
def test_only_addresses_that_must_confirm_get_a_mail(app_in_memory: MailDeployment, state: str) -> None:
    if state != "unknown":
        session = app_in_memory.register()
        if state == "unverified":
            app_in_memory.change(session.user, new_email=NEW_EMAIL)

    app_in_memory.base.email_change_mails.request_again(BOB.email, None, HOME.address)

    expected = {NEW_CODE} if state == "unverified" else set()
    assert deliver_from(app_in_memory, 0).keys() == expected
    assert len(app_in_memory.queue.jobs) == 2


def test_only_the_account_that_requested_last_gets_the_mail_to_the_new_address_again(app: MailDeployment) -> None:
    """Otherwise many accounts with the same pending address could flood it with mails."""
    bob, alice = app.register(), app.register(ALICE)
    request_change(app, bob)
    app.base.clock.advance(timedelta(minutes=1))
    codes = request_change(app, alice)
    app.base.clock.advance(timedelta(minutes=1))
    first = len(app.queue.jobs)

    app.base.email_change_mails.request_again(BOB.email, None, HOME.address)
    assert deliver_from(app, first) == {}

    assert isinstance(confirm(app, NEW_EMAIL, codes[NEW_CODE]), SignedIn)
    assert current_user(app, alice).email == NEW_EMAIL


@in_memory_only
def test_the_codes_are_stored_in_a_slot_for_each_address(app: MailDeployment, database: Database) -> None:
    request_change(app, app.register_verified())

    prefixes = sorted(str(item["pk"]).partition("#")[0] for item in database.items("OneTimeCodes"))
    assert prefixes.count(Slot.EMAIL_CHANGE_CURRENT) == prefixes.count(Slot.EMAIL_CHANGE_NEW) == 1
    assert BOB.email not in str(database.items("OneTimeCodes"))
