"""gerbang.mail.mailer: a job is delivered more than once; each mail is sent once if possible, with the same code."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.codes import CODE_LIFETIME, REMEMBERED, InvalidResetToken
from gerbang.mail.jobs import MailKind
from gerbang.mail.mailer import LEASE, MailUnderWay, sent_at
from gerbang.storage.one_time_codes import Slot
from gerbang.storage.store import Item
from gerbang_local.declarations import template

from tests.conftest import Database
from tests.deployment import BOB, SECOND
from tests.fakes import Call, FakeClock, Fault, FaultyStore, at_once
from tests.unit.faulty_runs import FaultyRun, Scenario, faulty_runs
from tests.unit.mail.deliveries import CODES, prepare_account, redeem, send_and_lose_response, set_password
from tests.unit.mail_deployment import MailDeployment, in_memory_only, new_app
from tests.unit.mail_fakes import Fate, Killed, code_in, token_in


def test_a_late_job_does_not_replace_a_newer_reset_token(app: MailDeployment) -> None:
    bob = app.register().user
    delayed = app.job(MailKind.PASSWORD_RESET)
    newer = app.mailed_token()

    app.deliver(delayed)

    assert len(app.outbox.sent) == 1
    assert app.base.recorded.events[-1] == "mail_superseded"
    stored = app.codes.read(app.base.store.get(app.codes.key(Slot.PASSWORD_RESET, bob.user_id)))
    assert stored is not None
    assert app.reset_tokens.matches(stored.secret_hash, newer)


@pytest.mark.parametrize("kind", MailKind)
def test_a_message_delivered_twice_sends_one_mail(app: MailDeployment, clock: FakeClock, kind: MailKind) -> None:
    prepare_account(app, kind, app.register().user)
    job = app.job(kind)
    app.deliver(job)

    for later in (timedelta(0), SECOND, LEASE, REMEMBERED - timedelta(days=1)):
        clock.advance(later)
        app.deliver(job)

    assert len(app.outbox.sent) == 1


def test_a_message_delivered_again_changes_nothing(app: MailDeployment, database: Database, clock: FakeClock) -> None:
    app.register()
    job = app.job(MailKind.SIGN_IN_CODE)
    app.deliver(job)
    before = stored_codes(database)
    clock.advance(LEASE)

    app.deliver(job)

    assert stored_codes(database) == before


def stored_codes(database: Database) -> list[Item]:
    return sorted(database.items("OneTimeCodes"), key=lambda item: str(item["pk"]))


def test_a_message_delivered_twenty_times_concurrently_sends_one_mail(app: MailDeployment) -> None:
    app.register()
    job = app.job(MailKind.SIGN_IN_CODE)

    outcomes = at_once([partial(app.deliver, job)] * 20)

    assert len(app.outbox.sent) == 1
    assert all(outcome is None or isinstance(outcome, MailUnderWay) for outcome in outcomes)
    app.deliver(job)
    assert len(app.outbox.sent) == 1
    assert redeem(app, code_in(app.outbox.last)).user.email == BOB.email


@in_memory_only
def test_a_message_delivered_while_its_mail_is_being_sent_has_to_wait(app: MailDeployment) -> None:
    app.register()
    job = app.job(MailKind.SIGN_IN_CODE)
    errors: list[Exception] = []

    def deliver_again() -> None:
        with pytest.raises(MailUnderWay) as caught:
            app.deliver(job)
        errors.append(caught.value)

    app.outbox.while_sending = deliver_again
    app.deliver(job)
    app.deliver(job)

    assert len(errors) == len(app.outbox.sent) == 1


# After any failure the mail has the same code: F24, F25


@pytest.mark.covers("F24")
@in_memory_only
@pytest.mark.parametrize("kind", [*CODES, MailKind.PASSWORD_RESET])
@pytest.mark.parametrize("failures", [1, 3])
def test_a_message_is_delivered_again_until_ses_accepts_the_mail(
    app: MailDeployment, clock: FakeClock, kind: MailKind, failures: int
) -> None:
    bob = app.register().user
    job = app.job(kind)
    app.outbox.fates = [Fate.NOT_SENT] * failures
    for _ in range(failures):
        with pytest.raises(DependencyUnavailable):
            app.deliver(job)
        clock.advance(timedelta(minutes=3))  # the queue's visibility time-out

    app.deliver(job)

    (message,) = app.outbox.sent
    if kind is MailKind.PASSWORD_RESET:
        assert token_in(message) == app.reset_tokens.token(job.job_id, bob)
    else:
        assert code_in(message) == app.maker.code(job.job_id, BOB.email, epoch=0)


@in_memory_only
def test_a_delayed_code_is_valid_for_ten_minutes_from_its_mail(app: MailDeployment, clock: FakeClock) -> None:
    app.register()
    job = app.job(MailKind.SIGN_IN_CODE)
    app.outbox.fates = [Fate.NOT_SENT]
    with pytest.raises(DependencyUnavailable):
        app.deliver(job)
    clock.advance(timedelta(hours=1))
    app.deliver(job)
    clock.advance(timedelta(minutes=10) - SECOND)

    assert redeem(app, code_in(app.outbox.last)).user.email == BOB.email


@pytest.mark.covers("F25")
def test_a_mail_that_is_sent_twice_has_the_same_code(app: MailDeployment) -> None:
    app.register()
    job = app.job(MailKind.SIGN_IN_CODE)
    send_and_lose_response(app, job)

    app.deliver(job)

    first, second = app.outbox.codes
    assert first == second
    assert redeem(app, first).user.email == BOB.email


def test_delivering_a_message_again_does_not_restore_a_used_code(app: MailDeployment, clock: FakeClock) -> None:
    app.register()
    job = app.job(MailKind.SIGN_IN_CODE)
    send_and_lose_response(app, job)
    (code,) = app.outbox.codes
    redeem(app, code)

    for _ in range(3):
        clock.advance(CODE_LIFETIME)
        app.deliver(job)

        with pytest.raises(InvalidCode):
            redeem(app, code)
    assert len(app.outbox.sent) == 1
    assert redeem(app, app.mailed_code()).user.email == BOB.email


def test_a_late_job_does_not_replace_a_used_code(app: MailDeployment) -> None:
    app.register()
    delayed = app.job(MailKind.SIGN_IN_CODE)
    redeem(app, app.mailed_code())

    app.deliver(delayed)

    assert len(app.outbox.sent) == 1
    assert app.base.recorded.events[-1] == "mail_superseded"


@pytest.mark.covers("F25")
@in_memory_only
def test_a_reset_mail_that_is_sent_twice_has_the_same_token(app: MailDeployment) -> None:
    app.register()
    job = app.job(MailKind.PASSWORD_RESET)
    send_and_lose_response(app, job)

    app.deliver(job)

    first, second = app.outbox.reset_tokens
    assert first == second


def test_a_reset_mail_is_not_sent_again_after_the_reset(app: MailDeployment) -> None:
    app.register()
    job = app.job(MailKind.PASSWORD_RESET)
    send_and_lose_response(app, job)
    (used,) = app.outbox.reset_tokens
    set_password(app, used)

    app.deliver(job)

    assert app.outbox.reset_tokens == [used]
    with pytest.raises(InvalidResetToken):
        set_password(app, used, "A third horse 3")


@pytest.mark.parametrize("kind", [*CODES, MailKind.PASSWORD_RESET])
def test_a_mail_sent_again_after_the_sessions_ended_has_another_code(app: MailDeployment, kind: MailKind) -> None:
    bob = app.register().user
    job = app.job(kind)
    send_and_lose_response(app, job)
    app.end_sessions(bob)

    app.deliver(job)

    secret_in = token_in if kind is MailKind.PASSWORD_RESET else code_in
    first, second = map(secret_in, app.outbox.sent)
    assert first != second


@pytest.mark.parametrize("was_sent", [False, True], ids=["before it was sent", "after it was sent"])
def test_a_mailer_that_is_killed_delays_the_mail_until_its_lease_ends(
    app: MailDeployment, clock: FakeClock, *, was_sent: bool
) -> None:
    app.register()
    job = app.job(MailKind.SIGN_IN_CODE)
    app.outbox.fates = [Fate.DIED_AFTER if was_sent else Fate.DIED_BEFORE]
    with pytest.raises(Killed):
        app.deliver(job)
    clock.advance(LEASE - SECOND)
    with pytest.raises(MailUnderWay):
        app.deliver(job)
    clock.advance(SECOND)

    app.deliver(job)

    assert set(app.outbox.codes) == {app.maker.code(job.job_id, BOB.email, epoch=0)}
    assert len(app.outbox.sent) == 1 + was_sent
    assert redeem(app, code_in(app.outbox.last)).user.email == BOB.email


def test_the_lease_is_between_the_mailers_and_the_queues_time_out() -> None:
    resources = template().resources
    runs_for = timedelta(seconds=resources["MailerFunction"].properties["Timeout"])
    redelivered_after = timedelta(seconds=resources["MailQueue"].properties["VisibilityTimeout"])

    assert runs_for < LEASE < redelivered_after


def test_when_any_call_fails_the_mail_is_sent_with_one_code() -> None:
    def scenario() -> Scenario:
        app = new_app()
        app.register()
        job = app.job(MailKind.SIGN_IN_CODE)
        return Scenario(app, lambda here: here.deliver(job))

    for run in faulty_runs(scenario):
        here = run.deployment
        deliver_again_if_it_failed(run)
        assert 1 <= len(here.outbox.sent) <= 2, run
        assert len(set(here.outbox.codes)) == 1, run
        assert redeem(here, code_in(here.outbox.last)).user.email == BOB.email, run


def test_when_any_call_fails_the_reset_mail_is_sent_with_one_token() -> None:
    def scenario() -> Scenario:
        app = new_app()
        app.register()
        job = app.job(MailKind.PASSWORD_RESET)
        return Scenario(app, lambda here: here.deliver(job))

    for run in faulty_runs(scenario):
        here = run.deployment
        deliver_again_if_it_failed(run)
        assert 1 <= len(here.outbox.sent) <= 2, run
        (token,) = set(here.outbox.reset_tokens)
        set_password(here, token)


def deliver_again_if_it_failed(run: FaultyRun) -> None:
    """Deliver a failed message again within seconds, as the queue does."""
    if run.failure is not None:
        assert isinstance(run.failure, DependencyUnavailable), run
        run.deployment.base.clock.advance(timedelta(seconds=5))
        run.scenario.act(run.deployment)


def test_a_claim_that_the_sdk_retries_does_not_delay_the_mail(app: MailDeployment) -> None:  # faults.md, D6
    app.register()
    twice = FaultyStore(app.base.store, at=is_first_write_of_delivery, fault=Fault.RETRIED)

    app.on(twice).deliver(app.job(MailKind.SIGN_IN_CODE))

    assert len(app.outbox.sent) == 1


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.ANSWER_LOST])
def test_a_claim_that_failed_does_not_block_the_next_delivery(app: MailDeployment, fault: Fault) -> None:
    app.register()
    job = app.job(MailKind.SIGN_IN_CODE)
    with pytest.raises(DependencyUnavailable):
        app.on(FaultyStore(app.base.store, at=is_first_write_of_delivery, fault=fault)).deliver(job)

    app.deliver(job)

    assert len(app.outbox.sent) == 1


def is_first_write_of_delivery(call: Call) -> bool:
    return "DELIVERY#" in call.keys[0].pk and call.nth == 0


def test_a_mail_that_could_not_be_marked_as_sent_is_not_sent_again_within_its_lease(app: MailDeployment) -> None:
    app.register()
    job = app.job(MailKind.SIGN_IN_CODE)
    marking = FaultyStore(app.base.store, at=lambda call: "DELIVERY#" in call.keys[0].pk and call.nth == 1)

    app.on(marking).deliver(job)

    assert len(app.outbox.sent) == 1
    assert app.base.recorded.events[-1] == "mail_not_marked_as_sent"
    with pytest.raises(MailUnderWay):
        app.deliver(job)


# The time at which a job was queued


def test_the_queues_timestamp_is_read_to_the_millisecond() -> None:
    assert sent_at("1768478400123") == datetime(2026, 1, 15, 12, 0, 0, 123_000, tzinfo=UTC)


def test_jobs_within_the_same_second_are_ordered_by_millisecond(app: MailDeployment) -> None:
    app.register()
    first, second = app.job(MailKind.SIGN_IN_CODE), app.job(MailKind.SIGN_IN_CODE)

    app.mailer.deliver(second, queued_at=sent_at("1768478400124"))
    app.mailer.deliver(first, queued_at=sent_at("1768478400123"))

    assert app.outbox.codes == [app.maker.code(second.job_id, BOB.email, epoch=0)]
