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
def test_every_job_is_queued_with_its_own_id(app_in_memory: MailDeployment, kind: MailKind) -> None:
    app_in_memory.mail_service.ask(kind, BOB.email, "it", HOME.address)
    app_in_memory.mail_service.ask(kind, ALICE.email, None, HOME.address)

    assert queued(app_in_memory) == [
        MailJob(job_id="", kind=kind, email=BOB.email, locale="it"),
        MailJob(job_id="", kind=kind, email=ALICE.email, locale=None),
    ]
    assert len({job.job_id for job in app_in_memory.queue.jobs} - {""}) == 2


def test_a_code_and_a_reset_token_can_be_requested(app_in_memory: MailDeployment) -> None:
    app_in_memory.mail_service.request_code(BOB.email, None, HOME.address)
    app_in_memory.mail_service.request_reset(BOB.email, "es", HOME.address)

    assert [(job.kind, job.locale) for job in app_in_memory.queue.jobs] == [
        (MailKind.SIGN_IN_CODE, None),
        (MailKind.PASSWORD_RESET, "es"),
    ]
    assert app_in_memory.base.recorded.events == ["mail_asked_for"] * 2


def test_a_code_for_supabase_clients_has_the_account_it_may_create(app_in_memory: MailDeployment) -> None:
    ask_for = app_in_memory.mail_service.request_code_or_account
    ask_for(BOB.email, "it", HOME.address, name="Bob", metadata={"tags": []})
    ask_for(ALICE.email, None, HOME.address, name="", metadata={})
    ask_for(UNKNOWN, None, HOME.address, name="Eve", metadata=None)

    assert [(job.kind, job.email, dict(job.payload)) for job in app_in_memory.queue.jobs] == [
        (
            MailKind.SIGN_IN_CODE,
            BOB.email,
            {SLOT: "RECOVERY", NEW_USER_NAME: "Bob", NEW_USER_METADATA: '{"tags":[]}'},
        ),
        (MailKind.SIGN_IN_CODE, ALICE.email, {SLOT: "RECOVERY", NEW_USER_NAME: "", NEW_USER_METADATA: "{}"}),
        (MailKind.SIGN_IN_CODE, UNKNOWN, {SLOT: "RECOVERY"}),
    ]


def test_a_recovery_code_and_a_new_verification_code_can_be_requested(app_in_memory: MailDeployment) -> None:
    app_in_memory.mail_service.request_recovery(BOB.email, "es", HOME.address)
    app_in_memory.mail_service.request_verification_again(BOB.email, None, HOME.address)

    assert queued(app_in_memory) == [
        MailJob(job_id="", kind=MailKind.RECOVERY_CODE, email=BOB.email, locale="es"),
        MailJob(job_id="", kind=MailKind.VERIFICATION_CODE, email=BOB.email, locale=None),
    ]


@pytest.mark.parametrize("kind", CODES)
def test_no_code_is_mailed_to_an_address_without_tries_left(app_in_memory: MailDeployment, kind: MailKind) -> None:
    for _ in range(CODE_TRIES.attempts):
        with pytest.raises(InvalidCode):
            app_in_memory.code_sign_in.sign_in(EmailAddress(UNKNOWN), "123456", HOME)

    assert limit_reached(lambda: ask(app_in_memory, UNKNOWN, kind=kind)) == ("code_tries", CODE_TRIES.window)

    ask(app_in_memory, UNKNOWN, kind=MailKind.PASSWORD_RESET)
    assert [job.kind for job in app_in_memory.queue.jobs] == [MailKind.PASSWORD_RESET]


@pytest.mark.covers("52")
@in_memory_only
@pytest.mark.parametrize("kind", ASKED_FOR)
def test_a_request_changes_no_account_and_sends_nothing(
    app: MailDeployment, database: Database, kind: MailKind
) -> None:
    bob = app.register().user

    ask(app, kind=kind)

    assert app.user(bob.user_id) == bob
    assert app.outbox.sent == []
    assert database.items("OneTimeCodes") == []
    assert app.base.sign_in.sign_in(by_email(BOB.email), HOME).user.user_id == bob.user_id


@pytest.mark.covers("31")
@pytest.mark.parametrize("kind", ASKED_FOR)
def test_known_and_unknown_addresses_cost_the_same_calls(app_in_memory: MailDeployment, kind: MailKind) -> None:
    app_in_memory.register()

    known = calls_of(app_in_memory, lambda app: ask(app, BOB.email, kind=kind))
    unknown = calls_of(app_in_memory, lambda app: ask(app, UNKNOWN, kind=kind))

    counters = app_in_memory.base.tables["RateLimits"]
    reading = [("get", ((counters, CODE_TRIES.name),))] if kind in CODES else []
    assert known == unknown == [*reading, *[("write", ((counters, name),)) for name in LIMITS]]
    assert [job.email for job in app_in_memory.queue.jobs] == [BOB.email, UNKNOWN]


LIMITS = sorted(limit.name for limit in (MAIL_MINUTE, MAIL_HOUR, MAIL_ADDRESS))


@pytest.mark.covers("47")
@pytest.mark.parametrize("email", [BOB.email, UNKNOWN], ids=["known", "unknown"])
def test_an_address_can_request_one_mail_a_minute(app: MailDeployment, clock: FakeClock, email: str) -> None:
    app.register()
    ask(app, email)
    clock.advance(timedelta(seconds=20))

    assert limit_reached(lambda: ask(app, email)) == ("mail_minute", timedelta(seconds=40))

    clock.advance(timedelta(seconds=40))
    ask(app, email)
    assert len(app.queue.jobs) == 2


@pytest.mark.covers("47")
@in_memory_only
@pytest.mark.parametrize("email", [BOB.email, UNKNOWN], ids=["known", "unknown"])
def test_an_address_can_request_five_mails_an_hour(app: MailDeployment, clock: FakeClock, email: str) -> None:
    app.register()
    for _ in range(5):
        ask(app, email)
        clock.advance(MINUTE)

    assert limit_reached(lambda: ask(app, email)) == ("mail_hour", timedelta(minutes=55))

    clock.advance(timedelta(minutes=55))
    ask(app, email)
    assert len(app.queue.jobs) == 6


@in_memory_only
def test_a_rejected_request_does_not_extend_the_wait(app: MailDeployment, clock: FakeClock) -> None:
    ask(app)
    for _ in range(59):
        clock.advance(SECOND)
        limit_reached(lambda: ask(app))

    clock.advance(SECOND)
    ask(app)


def test_each_kind_of_mail_is_limited_separately(app_in_memory: MailDeployment) -> None:
    for kind in ASKED_FOR:
        ask(app_in_memory, kind=kind)

    assert [job.kind for job in app_in_memory.queue.jobs] == ASKED_FOR


@pytest.mark.covers("34")
@in_memory_only
def test_a_client_address_can_request_thirty_mails_an_hour(app: MailDeployment) -> None:
    for number in range(30):
        ask(app, f"user-{number}@example.com", kind=ASKED_FOR[number % len(ASKED_FOR)])

    limit, retry_after = limit_reached(lambda: ask(app, "another@example.com"))
    assert (limit, retry_after) == ("mail_address", timedelta(hours=1))
    ask(app, "another@example.com", client="198.51.100.200")


@in_memory_only
def test_a_rejected_request_does_not_count_for_the_mail_address(app: MailDeployment) -> None:
    for number in range(30):
        ask(app, f"user-{number}@example.com")
    limit_reached(partial(ask, app, BOB.email))

    ask(app, BOB.email, client="198.51.100.200")

    assert app.queue.jobs[-1].email == BOB.email


@pytest.mark.parametrize("jobs", [2, 5])
def test_one_of_a_few_concurrent_requests_is_queued(app: MailDeployment, jobs: int) -> None:
    outcomes = at_once([partial(ask, app)] * jobs)

    assert outcomes.count(None) == len(app.queue.jobs) == 1
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == jobs - 1


def test_at_most_one_of_forty_concurrent_requests_is_queued(app: MailDeployment, clock: FakeClock) -> None:
    outcomes = at_once([partial(ask, app)] * 40)

    assert outcomes.count(None) == len(app.queue.jobs) <= 1  # none, if the first request reaches another limit
    clock.advance(MINUTE)
    ask(app, client="198.51.100.200")


@pytest.mark.covers("F24")
@in_memory_only
@pytest.mark.parametrize("kind", ASKED_FOR)
def test_a_request_that_cannot_be_queued_is_an_error_and_not_counted(app: MailDeployment, kind: MailKind) -> None:
    app.queue.is_down = True
    for _ in range(40):
        with pytest.raises(DependencyUnavailable):
            ask(app, kind=kind)

    app.queue.is_down = False
    ask(app, kind=kind)

    assert len(app.queue.jobs) == 1


@pytest.mark.covers("F28")
@in_memory_only
def test_a_request_that_cannot_be_counted_is_not_queued(app: MailDeployment) -> None:
    failing = FaultyStore(app.base.store, at=lambda _: True)

    with pytest.raises(DependencyUnavailable):
        ask(app.on(failing))

    assert app.queue.jobs == []


@pytest.mark.covers("167")
def test_the_log_and_the_counters_contain_no_address(app: MailDeployment, database: Database) -> None:
    ask(app)

    assert BOB.email not in str(app.base.recorded.notes)
    assert BOB.email not in str(database.items("RateLimits"))
