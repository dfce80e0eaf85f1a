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
from tests.unit.mail_deployment import MailDeployment, in_memory_only, mailing_in_memory
from tests.unit.mail_fakes import Fate, Killed, code_in, token_in


def test_a_late_job_does_not_replace_a_newer_reset_token(post: MailDeployment) -> None:
    bob = post.register().user
    delayed = post.job(MailKind.PASSWORD_RESET)
    newer = post.mailed_token()

    post.deliver(delayed)

    assert len(post.outbox.sent) == 1
    assert post.base.recorded.events[-1] == "mail_superseded"
    stored = post.codes.read(post.base.store.get(post.codes.key(Slot.PASSWORD_RESET, bob.user_id)))
    assert stored is not None
    assert post.reset_tokens.matches(stored.secret_hash, newer)


@pytest.mark.parametrize("kind", MailKind)
def test_a_message_delivered_twice_sends_one_mail(post: MailDeployment, clock: FakeClock, kind: MailKind) -> None:
    prepare_account(post, kind, post.register().user)
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
    before = stored_codes(database)
    clock.advance(LEASE)

    post.deliver(job)

    assert stored_codes(database) == before


def stored_codes(database: Database) -> list[Item]:
    return sorted(database.items("OneTimeCodes"), key=lambda item: str(item["pk"]))


def test_a_message_delivered_twenty_times_concurrently_sends_one_mail(post: MailDeployment) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)

    outcomes = at_once([partial(post.deliver, job)] * 20)

    assert len(post.outbox.sent) == 1
    assert all(outcome is None or isinstance(outcome, MailUnderWay) for outcome in outcomes)
    post.deliver(job)
    assert len(post.outbox.sent) == 1
    assert redeem(post, code_in(post.outbox.last)).user.email == BOB.email


@in_memory_only
def test_a_message_delivered_while_its_mail_is_being_sent_has_to_wait(post: MailDeployment) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)
    errors: list[Exception] = []

    def deliver_again() -> None:
        with pytest.raises(MailUnderWay) as caught:
            post.deliver(job)
        errors.append(caught.value)

    post.outbox.while_sending = deliver_again
    post.deliver(job)
    post.deliver(job)

    assert len(errors) == len(post.outbox.sent) == 1


# After any failure the mail has the same code: F24, F25


@pytest.mark.covers("F24")
@in_memory_only
@pytest.mark.parametrize("kind", [*CODES, MailKind.PASSWORD_RESET])
@pytest.mark.parametrize("failures", [1, 3])
def test_a_message_is_delivered_again_until_ses_accepts_the_mail(
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
def test_a_delayed_code_is_valid_for_ten_minutes_from_its_mail(post: MailDeployment, clock: FakeClock) -> None:
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
def test_a_mail_that_is_sent_twice_has_the_same_code(post: MailDeployment) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)
    send_and_lose_response(post, job)

    post.deliver(job)

    first, second = post.outbox.codes
    assert first == second
    assert redeem(post, first).user.email == BOB.email


def test_delivering_a_message_again_does_not_restore_a_used_code(post: MailDeployment, clock: FakeClock) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)
    send_and_lose_response(post, job)
    (code,) = post.outbox.codes
    redeem(post, code)

    for _ in range(3):
        clock.advance(CODE_LIFETIME)
        post.deliver(job)

        with pytest.raises(InvalidCode):
            redeem(post, code)
    assert len(post.outbox.sent) == 1
    assert redeem(post, post.mailed_code()).user.email == BOB.email


def test_a_late_job_does_not_replace_a_used_code(post: MailDeployment) -> None:
    post.register()
    delayed = post.job(MailKind.SIGN_IN_CODE)
    redeem(post, post.mailed_code())

    post.deliver(delayed)

    assert len(post.outbox.sent) == 1
    assert post.base.recorded.events[-1] == "mail_superseded"


@pytest.mark.covers("F25")
@in_memory_only
def test_a_reset_mail_that_is_sent_twice_has_the_same_token(post: MailDeployment) -> None:
    post.register()
    job = post.job(MailKind.PASSWORD_RESET)
    send_and_lose_response(post, job)

    post.deliver(job)

    first, second = post.outbox.reset_tokens
    assert first == second


def test_a_reset_mail_is_not_sent_again_after_the_reset(post: MailDeployment) -> None:
    post.register()
    job = post.job(MailKind.PASSWORD_RESET)
    send_and_lose_response(post, job)
    (used,) = post.outbox.reset_tokens
    set_password(post, used)

    post.deliver(job)

    assert post.outbox.reset_tokens == [used]
    with pytest.raises(InvalidResetToken):
        set_password(post, used, "A third horse 3")


@pytest.mark.parametrize("kind", [*CODES, MailKind.PASSWORD_RESET])
def test_a_mail_sent_again_after_the_sessions_ended_has_another_code(post: MailDeployment, kind: MailKind) -> None:
    bob = post.register().user
    job = post.job(kind)
    send_and_lose_response(post, job)
    post.end_sessions(bob)

    post.deliver(job)

    secret_in = token_in if kind is MailKind.PASSWORD_RESET else code_in
    first, second = map(secret_in, post.outbox.sent)
    assert first != second


@pytest.mark.parametrize("was_sent", [False, True], ids=["before it was sent", "after it was sent"])
def test_a_mailer_that_is_killed_delays_the_mail_until_its_lease_ends(
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


def test_the_lease_is_between_the_mailers_and_the_queues_time_out() -> None:
    resources = template().resources
    runs_for = timedelta(seconds=resources["MailerFunction"].properties["Timeout"])
    redelivered_after = timedelta(seconds=resources["MailQueue"].properties["VisibilityTimeout"])

    assert runs_for < LEASE < redelivered_after


def test_when_any_call_fails_the_mail_is_sent_with_one_code() -> None:
    def scenario() -> Scenario:
        post = mailing_in_memory()
        post.register()
        job = post.job(MailKind.SIGN_IN_CODE)
        return Scenario(post, lambda here: here.deliver(job))

    for run in faulty_runs(scenario):
        here = run.deployment
        deliver_again_if_it_failed(run)
        assert 1 <= len(here.outbox.sent) <= 2, run
        assert len(set(here.outbox.codes)) == 1, run
        assert redeem(here, code_in(here.outbox.last)).user.email == BOB.email, run


def test_when_any_call_fails_the_reset_mail_is_sent_with_one_token() -> None:
    def scenario() -> Scenario:
        post = mailing_in_memory()
        post.register()
        job = post.job(MailKind.PASSWORD_RESET)
        return Scenario(post, lambda here: here.deliver(job))

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


def test_a_claim_that_the_sdk_retries_does_not_delay_the_mail(post: MailDeployment) -> None:  # faults.md, D6
    post.register()
    twice = FaultyStore(post.base.store, at=is_first_write_of_delivery, fault=Fault.ASKED_AGAIN)

    post.on(twice).deliver(post.job(MailKind.SIGN_IN_CODE))

    assert len(post.outbox.sent) == 1


@pytest.mark.parametrize("fault", [Fault.NOT_DONE, Fault.ANSWER_LOST])
def test_a_claim_that_failed_does_not_block_the_next_delivery(post: MailDeployment, fault: Fault) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)
    with pytest.raises(DependencyUnavailable):
        post.on(FaultyStore(post.base.store, at=is_first_write_of_delivery, fault=fault)).deliver(job)

    post.deliver(job)

    assert len(post.outbox.sent) == 1


def is_first_write_of_delivery(call: Call) -> bool:
    return "DELIVERY#" in call.keys[0].pk and call.nth == 0


def test_a_mail_that_could_not_be_marked_as_sent_is_not_sent_again_within_its_lease(post: MailDeployment) -> None:
    post.register()
    job = post.job(MailKind.SIGN_IN_CODE)
    marking = FaultyStore(post.base.store, at=lambda call: "DELIVERY#" in call.keys[0].pk and call.nth == 1)

    post.on(marking).deliver(job)

    assert len(post.outbox.sent) == 1
    assert post.base.recorded.events[-1] == "mail_not_marked_as_sent"
    with pytest.raises(MailUnderWay):
        post.deliver(job)


# The time at which a job was queued


def test_the_queues_timestamp_is_read_to_the_millisecond() -> None:
    assert sent_at("1768478400123") == datetime(2026, 1, 15, 12, 0, 0, 123_000, tzinfo=UTC)


def test_jobs_within_the_same_second_are_ordered_by_millisecond(post: MailDeployment) -> None:
    post.register()
    first, second = post.job(MailKind.SIGN_IN_CODE), post.job(MailKind.SIGN_IN_CODE)

    post.mailer.deliver(second, queued_at=sent_at("1768478400124"))
    post.mailer.deliver(first, queued_at=sent_at("1768478400123"))

    assert post.outbox.codes == [post.maker.code(second.job_id, BOB.email, epoch=0)]
