"""Password changes that are repeated (F42), concurrent (F10, F11, F17) or interrupted (F16)."""

from datetime import timedelta
from functools import partial

import pytest
from gerbang.accounts.password_change import WrongPassword
from gerbang.accounts.password_reset import REPEATABLE_FOR
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Limit
from gerbang.mail.codes import InvalidResetToken
from gerbang.mail.jobs import MailKind
from gerbang.sessions.sessions import SessionEnded, SignedIn

from tests.conftest import Database
from tests.deployment import ABROAD, BOB, HOME, PASSWORD, Choices, by_email
from tests.fakes import FakeClock, at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.mail_deployment import MailDeployment, in_memory_only, new_app
from tests.unit.passwords.changes import NEW, POLICY, change, refresh
from tests.unit.torn_store import TornStore

# A change is repeated because its response was lost


def test_a_repeated_change_succeeds_and_changes_nothing(app: MailDeployment, clock: FakeClock) -> None:
    session = app.register()
    change(app, session)
    before = app.user(session.user.user_id)

    for _ in range(12):  # not counted as wrong passwords
        change(app, session)
    clock.advance(REPEATABLE_FOR)
    change(app, session)

    assert app.user(session.user.user_id) == before
    assert session_works(app, session)


def test_a_repeated_change_sends_one_notice(app_in_memory: MailDeployment) -> None:
    app = app_in_memory
    session = app.register()
    app.verify_email(session.user)

    change(app, session)
    change(app, session)
    app.deliver_queued()

    assert [job.kind for job in app.queue.jobs] == [MailKind.PASSWORD_CHANGED] * 2
    assert len(app.outbox.sent) == 1


@in_memory_only
def test_a_change_cannot_be_repeated_after_ten_minutes(app: MailDeployment, clock: FakeClock) -> None:
    session = app.register()
    change(app, session)
    clock.advance(REPEATABLE_FOR + timedelta(seconds=1))

    with pytest.raises(WrongPassword):
        change(app, session)


def test_the_same_change_sent_twice_concurrently_succeeds_twice(app: MailDeployment) -> None:
    session = app.register()

    outcomes = at_once([partial(change, app, session)] * 2)

    assert outcomes == [None, None]
    assert password_works(app, NEW)
    assert app.user(session.user.user_id).epoch == session.user.epoch + 1
    assert session_works(app, session)


# Concurrent changes


def test_one_of_twenty_concurrent_changes_succeeds(app: MailDeployment) -> None:
    session = app.register()
    many_attempts = Limit(name="a", attempts=99, window=timedelta(days=1))
    unlimited = app.with_choices(Choices(account_and_address=many_attempts))

    outcomes = at_once(
        [partial(change, unlimited, session, PASSWORD, f"Horse number {number}") for number in range(20)]
    )

    (winner,) = [number for number, outcome in enumerate(outcomes) if outcome is None]
    assert sum(isinstance(outcome, InvalidCredentials) for outcome in outcomes) == 19
    assert [number for number in range(20) if password_works(unlimited, f"Horse number {number}")] == [winner]
    assert session_works(app, session)


@pytest.mark.covers("F17")
def test_one_of_a_concurrent_change_and_reset_succeeds(app: MailDeployment) -> None:
    session = app.register()
    token = app.mailed_token()

    changed, was_reset = at_once(
        [
            partial(change, app, session),
            partial(app.password_reset.reset, token, "A third horse 3", client=HOME, policy=POLICY),
        ]
    )

    if was_reset is None:
        assert isinstance(changed, InvalidCredentials | SessionEnded)
        assert password_works(app, "A third horse 3")
        assert not session_works(app, session)
    else:
        assert changed is None
        assert isinstance(was_reset, InvalidResetToken)
        assert password_works(app, NEW)
        assert session_works(app, session)


def test_a_change_does_not_overwrite_a_reset(app: MailDeployment) -> None:
    session = app.register()
    token = app.mailed_token()
    reset = partial(app.password_reset.reset, token, "A third horse 3", client=HOME, policy=POLICY)

    with pytest.raises(InvalidCredentials):
        change(app.meanwhile(reset), session)

    assert password_works(app, "A third horse 3")
    assert not session_works(app, session)


def test_a_session_that_is_signed_out_meanwhile_changes_nothing(app: MailDeployment, database: Database) -> None:
    session = app.register()
    sign_out = partial(app.base.sessions.close, session.tokens.access_token)

    with pytest.raises(InvalidCredentials):
        change(app.meanwhile(sign_out), session)

    assert database.items("RefreshTokenFamilies") == []
    assert password_works(app, PASSWORD)


def test_an_account_that_is_disabled_meanwhile_keeps_its_password(app: MailDeployment) -> None:
    session = app.register()
    meanwhile = app.meanwhile(lambda: app.change(session.user, disabled_at=to_epoch(app.base.clock())))

    with pytest.raises(InvalidCredentials):
        change(meanwhile, session)

    assert app.user(session.user.user_id).password_hash == session.user.password_hash


def test_a_session_that_is_refreshed_meanwhile_stays_valid(app: MailDeployment) -> None:
    session = app.register()
    renewed: list[SignedIn] = []

    change(app.meanwhile(lambda: renewed.append(refresh(app, session))), session)

    assert [session_works(app, each) for each in (session, *renewed)] == [True, True]
    assert session_works(app, refresh(app, renewed[0]))


def test_a_refresh_during_a_change_succeeds(app: MailDeployment) -> None:
    session = app.register()
    families = app.base.tables["RefreshTokenFamilies"]
    meanwhile = app.meanwhile(partial(change, app, session), before=lambda call: call.keys[0].table == families)

    renewed = refresh(meanwhile, session)

    assert session_works(app, renewed)
    assert session_works(app, refresh(app, renewed))


@pytest.mark.covers("D11")
@pytest.mark.parametrize("old", ["RefreshTokenFamilies", "Users"])
def test_a_read_of_the_account_during_a_change_succeeds(app: MailDeployment, old: str) -> None:
    """As GET /api/auth/me reads it. D11: a batch is only read-committed."""
    session = app.register()
    torn = TornStore(app.base.store, old=app.base.tables[old], happens=partial(change, app, session))

    caller = app.on(torn).base.sessions.authenticate_person(session.tokens.access_token)

    assert (caller.user.user_id, caller.user.epoch, caller.family.epoch) == (session.user.user_id, 1, 1)


# One transaction


@pytest.mark.covers("F16")
def test_when_any_call_fails_password_and_sessions_are_both_old_or_both_new() -> None:
    def scenario() -> Scenario:
        app = new_app()
        session = app.register()
        others.append(app.base.sign_in.sign_in(by_email(BOB.email), ABROAD))
        sessions.append(session)
        return Scenario(app, lambda here: change(here, session))

    sessions: list[SignedIn] = []
    others: list[SignedIn] = []
    for run in faulty_runs(scenario):
        here = run.deployment
        assert run.failure is None or isinstance(run.failure, DependencyUnavailable), run
        was_changed = password_works(here, NEW)
        assert was_changed or run.failure is not None, run
        assert password_works(here, PASSWORD) != was_changed, run
        assert session_works(here, sessions[-1]), run
        assert session_works(here, others[-1]) != was_changed, run
