"""gerbang.accounts.email_change: races and faults."""

from copy import replace
from functools import partial
from itertools import count

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.email_change import HalfConfirmed
from gerbang.accounts.registration import EmailTaken
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.jobs import MailKind
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name

from tests.deployment import ALICE, BOB
from tests.fakes import Call, FaultyStore, at_once
from tests.unit.email_change.steps import (
    CURRENT_CODE,
    NEW_CODE,
    NEW_EMAIL,
    OTHER_EMAIL,
    confirm,
    current_user,
    request_change,
)
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.mail_deployment import MailDeployment, new_app


def test_of_two_accounts_that_change_to_one_address_at_once_only_one_gets_it(app: MailDeployment) -> None:
    bob, alice = app.register(), app.register(ALICE)
    codes = request_change(app, bob)
    app.change(alice.user, new_email=NEW_EMAIL, new_email_as_typed=NEW_EMAIL)

    def alice_confirms_first() -> None:
        move = app.base.addresses.move(
            app.user(alice.user.user_id),
            NEW_EMAIL,
            as_typed=NEW_EMAIL,
            at=app.base.clock(),
            verified_at=app.base.clock(),
        )
        assert not app.base.store.commit(
            app.users.changing(alice.user, move.changes), *move.markers.values(), *move.releases
        )

    with pytest.raises(EmailTaken):
        confirm(app.meanwhile(alice_confirms_first), NEW_EMAIL, codes[NEW_CODE])

    assert app.users.find_id(Name.EMAIL, NEW_EMAIL) == alice.user.user_id
    assert current_user(app, bob).email == BOB.email
    assert app.users.find_id(Name.EMAIL, BOB.email) == bob.user.user_id
    with pytest.raises(EmailTaken):
        confirm(app, NEW_EMAIL, codes[NEW_CODE])


def test_a_new_address_that_is_registered_meanwhile_is_taken(app: MailDeployment) -> None:
    bob = app.register()
    codes = request_change(app, bob)
    app.register(replace(ALICE, email=NEW_EMAIL))

    with pytest.raises(EmailTaken):
        confirm(app, NEW_EMAIL, codes[NEW_CODE])

    assert current_user(app, bob).email == BOB.email


def test_concurrent_confirmations_of_both_addresses_complete_the_change(app: MailDeployment) -> None:
    session = app.register_verified()
    codes = request_change(app, session)

    outcomes = at_once(
        [partial(confirm, app, BOB.email, codes[CURRENT_CODE]), partial(confirm, app, NEW_EMAIL, codes[NEW_CODE])]
    )

    assert {type(outcome) for outcome in outcomes} == {HalfConfirmed, SignedIn}
    assert current_user(app, session).email == NEW_EMAIL


@pytest.mark.parametrize("first", [CURRENT_CODE, NEW_CODE])
def test_a_confirmation_completes_the_change_when_the_other_one_commits_first(
    app: MailDeployment, first: MailKind
) -> None:
    session = app.register_verified()
    codes, addresses = request_change(app, session), {CURRENT_CODE: BOB.email, NEW_CODE: str(NEW_EMAIL)}
    last = NEW_CODE if first is CURRENT_CODE else CURRENT_CODE

    outcome = confirm(app.meanwhile(lambda: confirm(app, addresses[first], codes[first])), addresses[last], codes[last])

    assert isinstance(outcome, SignedIn)
    assert current_user(app, session).email == NEW_EMAIL


def test_a_code_sent_three_times_at_once_is_redeemed_once(app: MailDeployment) -> None:
    session = app.register()
    codes = request_change(app, session)

    outcomes = at_once([partial(confirm, app, NEW_EMAIL, codes[NEW_CODE])] * 3)

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, InvalidCode | DependencyUnavailable) for outcome in outcomes) == 2


def test_a_change_requested_meanwhile_is_not_confirmed_by_an_older_code(app: MailDeployment) -> None:
    session = app.register_verified()
    codes = request_change(app, session)
    confirm(app, BOB.email, codes[CURRENT_CODE])

    def request_another() -> None:
        app.change(session.user, new_email=OTHER_EMAIL, email_change_confirmed="")

    with pytest.raises(InvalidCode):
        confirm(app.meanwhile(request_another), NEW_EMAIL, codes[NEW_CODE])

    assert current_user(app, session).email == BOB.email


@pytest.mark.covers("F14")
def test_after_any_fault_the_change_is_either_complete_or_not_made() -> None:
    def scenario() -> Scenario:
        app = new_app()
        session = app.register_verified()
        codes = request_change(app, session)
        confirm(app, BOB.email, codes[CURRENT_CODE])
        return Scenario(app, lambda deployment: confirm(deployment, NEW_EMAIL, codes[NEW_CODE]))

    for run in faulty_runs(scenario):
        app = run.deployment
        new, old = app.users.find_id(Name.EMAIL, NEW_EMAIL), app.users.find_id(Name.EMAIL, BOB.email)
        assert (new is None) != (old is None), run
        user = app.user(str(new or old))
        assert user.email == (NEW_EMAIL if new else BOB.email)
        assert user.new_email == (None if new else NEW_EMAIL)
        assert run.failure is None or isinstance(run.failure, DependencyUnavailable)
        assert run.failure is not None or new is not None


def test_an_account_that_others_keep_changing_is_answered_as_unavailable(app_in_memory: MailDeployment) -> None:
    bob = app_in_memory.register()
    codes = request_change(app_in_memory, bob)
    numbers = count(1)

    def changed_first(call: Call) -> bool:
        if call.method == "commit":
            app_in_memory.change(bob.user, email_verified_at=next(numbers))
        return False

    always_changed = FaultyStore(app_in_memory.base.store, at=changed_first)

    with pytest.raises(KeptChanging):
        confirm(app_in_memory.on(always_changed), NEW_EMAIL, codes[NEW_CODE])

    assert sum(call.method == "commit" for call in always_changed.calls) == CHANGE_TRIES
    assert isinstance(confirm(app_in_memory, NEW_EMAIL, codes[NEW_CODE]), HalfConfirmed)
