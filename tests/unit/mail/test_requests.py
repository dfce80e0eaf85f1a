"""gerbang.mail.service: mails that a client requests are counted and queued."""

from datetime import timedelta
from functools import partial

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.jobs import NEW_USER_METADATA, NEW_USER_NAME, SLOT, MailJob, MailKind

from tests.conftest import Database
from tests.deployment import (
    ALICE,
    BOB,
    CODE_TRIES,
    HOME,
    MAIL_ADDRESS,
    MAIL_HOUR,
    MAIL_MINUTE,
    MINUTE,
    SECOND,
    by_email,
)
from tests.fakes import FakeClock, FaultyStore, at_once
from tests.unit.faulty_runs import calls_of
from tests.unit.mail.requests import ASKED_FOR, CODES, UNKNOWN, ask, limit_reached, queued
from tests.unit.mail_deployment import MailDeployment, in_memory_only


@pytest.mark.parametrize("kind", ASKED_FOR)
def test_every_job_is_queued_with_its_own_id(post_in_memory: MailDeployment, kind: MailKind) -> None:
    post_in_memory.mail_service.ask(kind, BOB.email, "it", HOME.address)
    post_in_memory.mail_service.ask(kind, ALICE.email, None, HOME.address)

    assert queued(post_in_memory) == [
        MailJob(job_id="", kind=kind, email=BOB.email, locale="it"),
        MailJob(job_id="", kind=kind, email=ALICE.email, locale=None),
    ]
    assert len({job.job_id for job in post_in_memory.queue.jobs} - {""}) == 2


def test_a_code_and_a_reset_token_can_be_requested(post_in_memory: MailDeployment) -> None:
    post_in_memory.mail_service.request_code(BOB.email, None, HOME.address)
    post_in_memory.mail_service.request_reset(BOB.email, "es", HOME.address)

    assert [(job.kind, job.locale) for job in post_in_memory.queue.jobs] == [
        (MailKind.SIGN_IN_CODE, None),
        (MailKind.PASSWORD_RESET, "es"),
    ]
    assert post_in_memory.base.recorded.events == ["mail_asked_for"] * 2


def test_a_code_for_supabase_clients_has_the_account_it_may_create(post_in_memory: MailDeployment) -> None:
    ask_for = post_in_memory.mail_service.request_code_or_account
    ask_for(BOB.email, "it", HOME.address, name="Bob", metadata={"tags": []})
    ask_for(ALICE.email, None, HOME.address, name="", metadata={})
    ask_for(UNKNOWN, None, HOME.address, name="Eve", metadata=None)

    assert [(job.kind, job.email, dict(job.payload)) for job in post_in_memory.queue.jobs] == [
        (
            MailKind.SIGN_IN_CODE,
            BOB.email,
            {SLOT: "RECOVERY", NEW_USER_NAME: "Bob", NEW_USER_METADATA: '{"tags":[]}'},
        ),
        (MailKind.SIGN_IN_CODE, ALICE.email, {SLOT: "RECOVERY", NEW_USER_NAME: "", NEW_USER_METADATA: "{}"}),
        (MailKind.SIGN_IN_CODE, UNKNOWN, {SLOT: "RECOVERY"}),
    ]


def test_a_recovery_code_and_a_new_verification_code_can_be_requested(post_in_memory: MailDeployment) -> None:
    post_in_memory.mail_service.request_recovery(BOB.email, "es", HOME.address)
    post_in_memory.mail_service.request_verification_again(BOB.email, None, HOME.address)

    assert queued(post_in_memory) == [
        MailJob(job_id="", kind=MailKind.RECOVERY_CODE, email=BOB.email, locale="es"),
        MailJob(job_id="", kind=MailKind.VERIFICATION_CODE, email=BOB.email, locale=None),
    ]


@pytest.mark.parametrize("kind", CODES)
def test_no_code_is_mailed_to_an_address_without_tries_left(post_in_memory: MailDeployment, kind: MailKind) -> None:
    for _ in range(CODE_TRIES.attempts):
        with pytest.raises(InvalidCode):
            post_in_memory.code_sign_in.sign_in(EmailAddress(UNKNOWN), "123456", HOME)

    assert limit_reached(lambda: ask(post_in_memory, UNKNOWN, kind=kind)) == ("code_tries", CODE_TRIES.window)

    ask(post_in_memory, UNKNOWN, kind=MailKind.PASSWORD_RESET)
    assert [job.kind for job in post_in_memory.queue.jobs] == [MailKind.PASSWORD_RESET]


@pytest.mark.covers("52")
@in_memory_only
@pytest.mark.parametrize("kind", ASKED_FOR)
def test_a_request_changes_no_account_and_sends_nothing(
    post: MailDeployment, database: Database, kind: MailKind
) -> None:
    bob = post.register().user

    ask(post, kind=kind)

    assert post.user(bob.user_id) == bob
    assert post.outbox.sent == []
    assert database.items("OneTimeCodes") == []
    assert post.base.sign_in.sign_in(by_email(BOB.email), HOME).user.user_id == bob.user_id


@pytest.mark.covers("31")
@pytest.mark.parametrize("kind", ASKED_FOR)
def test_known_and_unknown_addresses_cost_the_same_calls(post_in_memory: MailDeployment, kind: MailKind) -> None:
    post_in_memory.register()

    known = calls_of(post_in_memory, lambda post: ask(post, BOB.email, kind=kind))
    unknown = calls_of(post_in_memory, lambda post: ask(post, UNKNOWN, kind=kind))

    counters = post_in_memory.base.tables["RateLimits"]
    reading = [("get", ((counters, CODE_TRIES.name),))] if kind in CODES else []
    assert known == unknown == [*reading, *[("write", ((counters, name),)) for name in LIMITS]]
    assert [job.email for job in post_in_memory.queue.jobs] == [BOB.email, UNKNOWN]


LIMITS = sorted(limit.name for limit in (MAIL_MINUTE, MAIL_HOUR, MAIL_ADDRESS))


@pytest.mark.covers("47")
@pytest.mark.parametrize("email", [BOB.email, UNKNOWN], ids=["known", "unknown"])
def test_an_address_can_request_one_mail_a_minute(post: MailDeployment, clock: FakeClock, email: str) -> None:
    post.register()
    ask(post, email)
    clock.advance(timedelta(seconds=20))

    assert limit_reached(lambda: ask(post, email)) == ("mail_minute", timedelta(seconds=40))

    clock.advance(timedelta(seconds=40))
    ask(post, email)
    assert len(post.queue.jobs) == 2


@pytest.mark.covers("47")
@in_memory_only
@pytest.mark.parametrize("email", [BOB.email, UNKNOWN], ids=["known", "unknown"])
def test_an_address_can_request_five_mails_an_hour(post: MailDeployment, clock: FakeClock, email: str) -> None:
    post.register()
    for _ in range(5):
        ask(post, email)
        clock.advance(MINUTE)

    assert limit_reached(lambda: ask(post, email)) == ("mail_hour", timedelta(minutes=55))

    clock.advance(timedelta(minutes=55))
    ask(post, email)
    assert len(post.queue.jobs) == 6


@in_memory_only
def test_a_rejected_request_does_not_extend_the_wait(post: MailDeployment, clock: FakeClock) -> None:
    ask(post)
    for _ in range(59):
        clock.advance(SECOND)
        limit_reached(lambda: ask(post))

    clock.advance(SECOND)
    ask(post)


def test_each_kind_of_mail_is_limited_separately(post_in_memory: MailDeployment) -> None:
    for kind in ASKED_FOR:
        ask(post_in_memory, kind=kind)

    assert [job.kind for job in post_in_memory.queue.jobs] == ASKED_FOR


@pytest.mark.covers("34")
@in_memory_only
def test_a_client_address_can_request_thirty_mails_an_hour(post: MailDeployment) -> None:
    for number in range(30):
        ask(post, f"user-{number}@example.com", kind=ASKED_FOR[number % len(ASKED_FOR)])

    limit, retry_after = limit_reached(lambda: ask(post, "another@example.com"))
    assert (limit, retry_after) == ("mail_address", timedelta(hours=1))
    ask(post, "another@example.com", client="198.51.100.200")


@in_memory_only
def test_a_rejected_request_does_not_count_for_the_mail_address(post: MailDeployment) -> None:
    for number in range(30):
        ask(post, f"user-{number}@example.com")
    limit_reached(partial(ask, post, BOB.email))

    ask(post, BOB.email, client="198.51.100.200")

    assert post.queue.jobs[-1].email == BOB.email


@pytest.mark.parametrize("jobs", [2, 5])
def test_one_of_a_few_concurrent_requests_is_queued(post: MailDeployment, jobs: int) -> None:
    outcomes = at_once([partial(ask, post)] * jobs)

    assert outcomes.count(None) == len(post.queue.jobs) == 1
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == jobs - 1


def test_at_most_one_of_forty_concurrent_requests_is_queued(post: MailDeployment, clock: FakeClock) -> None:
    outcomes = at_once([partial(ask, post)] * 40)

    assert outcomes.count(None) == len(post.queue.jobs) <= 1  # none, if the first request reaches another limit
    clock.advance(MINUTE)
    ask(post, client="198.51.100.200")


@pytest.mark.covers("F24")
@in_memory_only
@pytest.mark.parametrize("kind", ASKED_FOR)
def test_a_request_that_cannot_be_queued_is_an_error_and_not_counted(post: MailDeployment, kind: MailKind) -> None:
    post.queue.is_down = True
    for _ in range(40):
        with pytest.raises(DependencyUnavailable):
            ask(post, kind=kind)

    post.queue.is_down = False
    ask(post, kind=kind)

    assert len(post.queue.jobs) == 1


@pytest.mark.covers("F28")
@in_memory_only
def test_a_request_that_cannot_be_counted_is_not_queued(post: MailDeployment) -> None:
    failing = FaultyStore(post.base.store, at=lambda _: True)

    with pytest.raises(DependencyUnavailable):
        ask(post.on(failing))

    assert post.queue.jobs == []


@pytest.mark.covers("167")
def test_the_log_and_the_counters_contain_no_address(post: MailDeployment, database: Database) -> None:
    ask(post)

    assert BOB.email not in str(post.base.recorded.notes)
    assert BOB.email not in str(database.items("RateLimits"))
