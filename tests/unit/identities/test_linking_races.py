"""gerbang.accounts.linked_identities: races and faults."""

from collections.abc import Callable
from copy import replace
from functools import partial
from typing import Any, override

import pytest
from gerbang.accounts.identity_sign_in import LinkedToAnother
from gerbang.accounts.linked_identities import IdentityNotFound, LastIdentity
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.accounts import Name, identity_name
from gerbang.storage.records import to_value
from gerbang.storage.store import Action, Change, CommitOutcome, Plus, Update

from tests.deployment import ALICE, BOB, HOME, MINUTE
from tests.fakes import MeanwhileStore, at_once
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.identities.linking_steps import (
    APPLE_IDENTITY,
    GOOGLE_IDENTITY,
    caller_of,
    current_user,
    link,
    sign_in_with,
    unlink,
)
from tests.unit.mail_deployment import MailDeployment, new_app

# Races


def test_of_two_accounts_that_link_one_identity_at_once_only_one_gets_it(app: MailDeployment) -> None:
    sessions = [app.register_verified(), app.register_verified(ALICE)]

    outcomes = at_once([partial(link, app, session) for session in sessions] * 3)

    linked = {outcome.user.user_id for outcome in outcomes if isinstance(outcome, SignedIn)}
    assert len(linked) == 1
    assert all(isinstance(outcome, SignedIn | LinkedToAnother) for outcome in outcomes)
    assert {sign_in_with(app, GOOGLE_IDENTITY)} == linked


def test_two_identities_can_be_linked_at_once(app: MailDeployment) -> None:
    session = app.register_verified()

    outcomes = at_once([partial(link, app, session, identity) for identity in (GOOGLE_IDENTITY, APPLE_IDENTITY)])

    assert all(isinstance(outcome, SignedIn) for outcome in outcomes)
    assert current_user(app, session).subjects == {"google": "1001", "apple": "2001"}


def test_of_two_identities_unlinked_at_once_one_is_kept(app: MailDeployment) -> None:
    session = app.register_verified()
    link(app, session)

    outcomes = at_once([partial(unlink, app, session, provider) for provider in ("google", "email")])

    assert [type(outcome) for outcome in outcomes if outcome is not None] == [LastIdentity]
    user = current_user(app, session)
    assert (user.password_hash is None) == bool(user.subjects)


def test_a_session_that_ends_meanwhile_cannot_link(app: MailDeployment) -> None:
    session = app.register_verified()
    ending_session = app.meanwhile(partial(app.base.sessions.close, session.tokens.access_token))

    with pytest.raises(SessionEnded):
        link(ending_session, session)

    assert current_user(app, session).subjects == {}


def test_linking_is_retried_when_the_account_changes_meanwhile(app: MailDeployment) -> None:
    session = app.register_verified()
    changes: dict[str, Any] = {"email_verified_at": 7}
    change = partial(app.base.store.write, Update(app.users.key(session.user.user_id), changes))

    linked = link(app.meanwhile(change), session)

    assert linked.user == current_user(app, session)
    assert to_epoch(linked.user.email_verified_at or app.base.clock()) == 7


def test_linking_fails_when_the_account_keeps_changing(app_in_memory: MailDeployment) -> None:
    session = app_in_memory.register_verified()
    overtaken_linking = replace(
        app_in_memory.base.linked_identities, store=AlwaysOvertaken(app_in_memory, session.user.user_id)
    )

    with pytest.raises(DependencyUnavailable):
        overtaken_linking.link(caller_of(app_in_memory, session), GOOGLE_IDENTITY, HOME)


class AlwaysOvertaken(MeanwhileStore):
    """Changes an account before each transaction."""

    def __init__(self, app: MailDeployment, user_id: str) -> None:
        super().__init__(app.base.store, before=lambda _: False, happens=lambda: None)
        self._change = Update(app.users.key(user_id), {"email_verified_at": Plus(1)})

    @override
    def commit(self, *actions: Action) -> CommitOutcome:
        self.write(self._change)
        return super().commit(*actions)


# Faults


@pytest.mark.parametrize("step", [link, unlink])
def test_after_any_failed_call_the_request_can_be_sent_again(
    step: Callable[[MailDeployment, SignedIn], object],
) -> None:
    def scenario() -> Scenario:
        app = new_app()
        session = app.register_verified()
        if step is unlink:
            link(app, session)
            app.queue.jobs.clear()
            app.base.clock.advance(MINUTE)
        return Scenario(app, lambda deployment: step(deployment, session))

    for run in faulty_runs(scenario):
        if run.failure is not None:
            assert isinstance(run.failure, DependencyUnavailable)
            try:
                run.scenario.act(run.deployment)
            except IdentityNotFound:
                assert step is unlink
        user_id = run.deployment.users.find_id(Name.EMAIL, BOB.email)
        assert run.deployment.user(str(user_id)).subjects == ({"google": "1001"} if step is link else {})
        sent = {job.job_id for job in run.deployment.queue.jobs}
        assert len(sent) == 1 or (not sent and run.failing_call.shape[1][0][0] == "RateLimits")


def test_an_identity_whose_marker_names_another_account_is_not_linked(app_in_memory: MailDeployment) -> None:
    """The data is damaged: the account has the identity, and its marker names another account."""
    session = app_in_memory.register_verified()
    changes: dict[str, Change] = {"subjects": to_value({"google": "1001"})}
    app_in_memory.base.store.write(Update(app_in_memory.users.key(session.user.user_id), changes))
    other_user_id = app_in_memory.register(ALICE).user.user_id
    name = identity_name("google", "1001")
    app_in_memory.base.store.commit(app_in_memory.users.claim(Name.IDENTITY, name, other_user_id))

    with pytest.raises(LinkedToAnother):
        link(app_in_memory, session)
