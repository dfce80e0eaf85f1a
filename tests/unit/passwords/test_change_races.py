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
from tests.unit.mail_deployment import MailDeployment, in_memory_only, mailing_in_memory
from tests.unit.passwords.changes import NEW, POLICY, change, refresh
from tests.unit.torn_store import TornStore

# A change is repeated because its response was lost


def test_a_repeated_change_succeeds_and_changes_nothing(post: MailDeployment, clock: FakeClock) -> None:
    session = post.register()
    change(post, session)
    before = post.user(session.user.user_id)

    for _ in range(12):  # not counted as wrong passwords
        change(post, session)
    clock.advance(REPEATABLE_FOR)
    change(post, session)

    assert post.user(session.user.user_id) == before
    assert session_works(post, session)


def test_a_repeated_change_sends_one_notice(post_in_memory: MailDeployment) -> None:
    post = post_in_memory
    session = post.register()
    post.verify_email(session.user)

    change(post, session)
    change(post, session)
    post.deliver_queued()

    assert [job.kind for job in post.queue.jobs] == [MailKind.PASSWORD_CHANGED] * 2
    assert len(post.outbox.sent) == 1


@in_memory_only
def test_a_change_cannot_be_repeated_after_ten_minutes(post: MailDeployment, clock: FakeClock) -> None:
    session = post.register()
    change(post, session)
    clock.advance(REPEATABLE_FOR + timedelta(seconds=1))

    with pytest.raises(WrongPassword):
        change(post, session)


def test_the_same_change_sent_twice_concurrently_succeeds_twice(post: MailDeployment) -> None:
    session = post.register()

    outcomes = at_once([partial(change, post, session)] * 2)

    assert outcomes == [None, None]
    assert password_works(post, NEW)
    assert post.user(session.user.user_id).epoch == session.user.epoch + 1
    assert session_works(post, session)


# Concurrent changes


def test_one_of_twenty_concurrent_changes_succeeds(post: MailDeployment) -> None:
    session = post.register()
    many_attempts = Limit(name="a", attempts=99, window=timedelta(days=1))
    unlimited = post.with_choices(Choices(account_and_address=many_attempts))

    outcomes = at_once(
        [partial(change, unlimited, session, PASSWORD, f"Horse number {number}") for number in range(20)]
    )

    (winner,) = [number for number, outcome in enumerate(outcomes) if outcome is None]
    assert sum(isinstance(outcome, InvalidCredentials) for outcome in outcomes) == 19
    assert [number for number in range(20) if password_works(unlimited, f"Horse number {number}")] == [winner]
    assert session_works(post, session)


@pytest.mark.covers("F17")
def test_one_of_a_concurrent_change_and_reset_succeeds(post: MailDeployment) -> None:
    session = post.register()
    token = post.mailed_token()

    changed, was_reset = at_once(
        [
            partial(change, post, session),
            partial(post.password_reset.reset, token, "A third horse 3", client=HOME, policy=POLICY),
        ]
    )

    if was_reset is None:
        assert isinstance(changed, InvalidCredentials | SessionEnded)
        assert password_works(post, "A third horse 3")
        assert not session_works(post, session)
    else:
        assert changed is None
        assert isinstance(was_reset, InvalidResetToken)
        assert password_works(post, NEW)
        assert session_works(post, session)


def test_a_change_does_not_overwrite_a_reset(post: MailDeployment) -> None:
    session = post.register()
    token = post.mailed_token()
    reset = partial(post.password_reset.reset, token, "A third horse 3", client=HOME, policy=POLICY)

    with pytest.raises(InvalidCredentials):
        change(post.meanwhile(reset), session)

    assert password_works(post, "A third horse 3")
    assert not session_works(post, session)


def test_a_session_that_is_signed_out_meanwhile_changes_nothing(post: MailDeployment, database: Database) -> None:
    session = post.register()
    sign_out = partial(post.base.sessions.close, session.tokens.access_token)

    with pytest.raises(InvalidCredentials):
        change(post.meanwhile(sign_out), session)

    assert database.items("RefreshTokenFamilies") == []
    assert password_works(post, PASSWORD)


def test_an_account_that_is_disabled_meanwhile_keeps_its_password(post: MailDeployment) -> None:
    session = post.register()
    meanwhile = post.meanwhile(lambda: post.change(session.user, disabled_at=to_epoch(post.base.clock())))

    with pytest.raises(InvalidCredentials):
        change(meanwhile, session)

    assert post.user(session.user.user_id).password_hash == session.user.password_hash


def test_a_session_that_is_refreshed_meanwhile_stays_valid(post: MailDeployment) -> None:
    session = post.register()
    renewed: list[SignedIn] = []

    change(post.meanwhile(lambda: renewed.append(refresh(post, session))), session)

    assert [session_works(post, each) for each in (session, *renewed)] == [True, True]
    assert session_works(post, refresh(post, renewed[0]))


def test_a_refresh_during_a_change_succeeds(post: MailDeployment) -> None:
    session = post.register()
    families = post.base.tables["RefreshTokenFamilies"]
    meanwhile = post.meanwhile(partial(change, post, session), before=lambda call: call.keys[0].table == families)

    renewed = refresh(meanwhile, session)

    assert session_works(post, renewed)
    assert session_works(post, refresh(post, renewed))


@pytest.mark.covers("D11")
@pytest.mark.parametrize("old", ["RefreshTokenFamilies", "Users"])
def test_a_read_of_the_account_during_a_change_succeeds(post: MailDeployment, old: str) -> None:
    """As GET /api/auth/me reads it. D11: a batch is only read-committed."""
    session = post.register()
    torn = TornStore(post.base.store, old=post.base.tables[old], happens=partial(change, post, session))

    caller = post.on(torn).base.sessions.authenticate_person(session.tokens.access_token)

    assert (caller.user.user_id, caller.user.epoch, caller.family.epoch) == (session.user.user_id, 1, 1)


# One transaction


@pytest.mark.covers("F16")
def test_when_any_call_fails_password_and_sessions_are_both_old_or_both_new() -> None:
    def scenario() -> Scenario:
        post = mailing_in_memory()
        session = post.register()
        others.append(post.base.sign_in.sign_in(by_email(BOB.email), ABROAD))
        sessions.append(session)
        return Scenario(post, lambda here: change(here, session))

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
