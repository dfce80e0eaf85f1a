"""gerbang.mail.service: a request for mail is counted and queued, and does not show who has an account."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta
from functools import partial

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import Severity
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.jobs import NEW_USER_METADATA, NEW_USER_NAME, REGISTERED, SLOT, MailJob, MailKind
from gerbang.storage.accounts import User

from tests.conftest import Database
from tests.deployment import ALICE, BOB, CODE_TRIES, HOME, MAIL_ADDRESS, MAIL_HOUR, MAIL_MINUTE, by_email
from tests.fakes import FakeClock, FaultyStore, at_once
from tests.unit.faulty_runs import calls_of
from tests.unit.mail_fakes import MailDeployment, in_memory_only

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
NEVER_REGISTERED = "nobody@example.com"
ASKED_FOR = [
    MailKind.SIGN_IN_CODE,
    MailKind.PASSWORD_RESET,
    MailKind.VERIFICATION_CODE,
    MailKind.RECOVERY_CODE,
]
CODES = [kind for kind in ASKED_FOR if kind is not MailKind.PASSWORD_RESET]


def ask(
    post: MailDeployment,
    email: str = BOB.email,
    *,
    kind: MailKind = MailKind.SIGN_IN_CODE,
    client: str = HOME.address,
) -> None:
    post.mail_service.ask(kind, email, None, client)


def refused(asking: Callable[[], None]) -> tuple[str, timedelta | None]:
    """By which limit, and for how long."""
    with pytest.raises(TooManyAttempts) as refusal:
        asking()
    return refusal.value.limit, refusal.value.retry_after


def queued(post: MailDeployment) -> list[MailJob]:
    """The jobs in the queue, each without its id."""
    return [replace(job, job_id="") for job in post.queue.jobs]


# What is queued


@pytest.mark.parametrize("kind", ASKED_FOR)
def test_a_job_is_queued_with_an_id_of_its_own(post_in_memory: MailDeployment, kind: MailKind) -> None:
    post_in_memory.mail_service.ask(kind, BOB.email, "it", HOME.address)
    post_in_memory.mail_service.ask(kind, ALICE.email, None, HOME.address)

    assert queued(post_in_memory) == [
        MailJob(job_id="", kind=kind, email=BOB.email, locale="it"),
        MailJob(job_id="", kind=kind, email=ALICE.email, locale=None),
    ]
    assert len({job.job_id for job in post_in_memory.queue.jobs} - {""}) == 2


def test_codes_and_reset_tokens_are_asked_for_by_name(post_in_memory: MailDeployment) -> None:
    post_in_memory.mail_service.request_code(BOB.email, None, HOME.address)
    post_in_memory.mail_service.request_reset(BOB.email, "es", HOME.address)

    assert [(job.kind, job.locale) for job in post_in_memory.queue.jobs] == [
        (MailKind.SIGN_IN_CODE, None),
        (MailKind.PASSWORD_RESET, "es"),
    ]
    assert post_in_memory.base.recorded.events == ["mail_asked_for"] * 2


def test_a_code_of_supabase_s_clients_says_which_account_it_may_make(post_in_memory: MailDeployment) -> None:
    ask_for = post_in_memory.mail_service.request_code_or_account
    ask_for(BOB.email, "it", HOME.address, name="Bob", metadata={"tags": []})
    ask_for(ALICE.email, None, HOME.address, name="", metadata={})
    ask_for(NEVER_REGISTERED, None, HOME.address, name="Eve", metadata=None)

    assert [(job.kind, job.email, dict(job.payload)) for job in post_in_memory.queue.jobs] == [
        (
            MailKind.SIGN_IN_CODE,
            BOB.email,
            {SLOT: "RECOVERY", NEW_USER_NAME: "Bob", NEW_USER_METADATA: '{"tags":[]}'},
        ),
        (MailKind.SIGN_IN_CODE, ALICE.email, {SLOT: "RECOVERY", NEW_USER_NAME: "", NEW_USER_METADATA: "{}"}),
        (MailKind.SIGN_IN_CODE, NEVER_REGISTERED, {SLOT: "RECOVERY"}),
    ]


def test_recovery_and_another_verification_are_asked_for_by_name(post_in_memory: MailDeployment) -> None:
    post_in_memory.mail_service.request_recovery(BOB.email, "es", HOME.address)
    post_in_memory.mail_service.request_verification_again(BOB.email, None, HOME.address)

    assert queued(post_in_memory) == [
        MailJob(job_id="", kind=MailKind.RECOVERY_CODE, email=BOB.email, locale="es"),
        MailJob(job_id="", kind=MailKind.VERIFICATION_CODE, email=BOB.email, locale=None),
    ]


@pytest.mark.parametrize("kind", CODES)
def test_no_code_is_mailed_to_an_address_that_has_used_up_its_tries(
    post_in_memory: MailDeployment, kind: MailKind
) -> None:
    for _ in range(CODE_TRIES.attempts):
        with pytest.raises(InvalidCode):
            post_in_memory.code_sign_in.sign_in(EmailAddress(NEVER_REGISTERED), "123456", HOME)

    assert refused(lambda: ask(post_in_memory, NEVER_REGISTERED, kind=kind)) == ("code_tries", CODE_TRIES.window)

    ask(post_in_memory, NEVER_REGISTERED, kind=MailKind.PASSWORD_RESET)
    assert [job.kind for job in post_in_memory.queue.jobs] == [MailKind.PASSWORD_RESET]


@pytest.mark.covers("52")
@in_memory_only
@pytest.mark.parametrize("kind", ASKED_FOR)
def test_asking_changes_no_account_and_sends_nothing(post: MailDeployment, database: Database, kind: MailKind) -> None:
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
    unknown = calls_of(post_in_memory, lambda post: ask(post, NEVER_REGISTERED, kind=kind))

    counters = post_in_memory.base.tables["RateLimits"]
    reading = [("get", ((counters, CODE_TRIES.name),))] if kind in CODES else []
    assert known == unknown == [*reading, *[("write", ((counters, name),)) for name in LIMITS]]
    assert [job.email for job in post_in_memory.queue.jobs] == [BOB.email, NEVER_REGISTERED]


LIMITS = sorted(limit.name for limit in (MAIL_MINUTE, MAIL_HOUR, MAIL_ADDRESS))


# Limits: security.md 34, 47


@pytest.mark.covers("47")
@pytest.mark.parametrize("email", [BOB.email, NEVER_REGISTERED], ids=["known", "unknown"])
def test_one_mail_a_minute_may_be_asked_for(post: MailDeployment, clock: FakeClock, email: str) -> None:
    post.register()
    ask(post, email)
    clock.advance(timedelta(seconds=20))

    assert refused(lambda: ask(post, email)) == ("mail_minute", timedelta(seconds=40))

    clock.advance(timedelta(seconds=40))
    ask(post, email)
    assert len(post.queue.jobs) == 2


@pytest.mark.covers("47")
@in_memory_only
@pytest.mark.parametrize("email", [BOB.email, NEVER_REGISTERED], ids=["known", "unknown"])
def test_five_mails_an_hour_may_be_asked_for(post: MailDeployment, clock: FakeClock, email: str) -> None:
    post.register()
    for _ in range(5):
        ask(post, email)
        clock.advance(MINUTE)

    assert refused(lambda: ask(post, email)) == ("mail_hour", timedelta(minutes=55))

    clock.advance(timedelta(minutes=55))
    ask(post, email)
    assert len(post.queue.jobs) == 6


@in_memory_only
def test_a_refused_job_does_not_make_the_wait_longer(post: MailDeployment, clock: FakeClock) -> None:
    ask(post)
    for _ in range(59):
        clock.advance(SECOND)
        refused(lambda: ask(post))

    clock.advance(SECOND)
    ask(post)


def test_requests_of_one_kind_do_not_hold_up_the_other(post_in_memory: MailDeployment) -> None:
    for kind in ASKED_FOR:
        ask(post_in_memory, kind=kind)

    assert [job.kind for job in post_in_memory.queue.jobs] == ASKED_FOR


@pytest.mark.covers("34")
@in_memory_only
def test_one_client_may_ask_for_thirty_mails_an_hour_whoever_they_are_to(post: MailDeployment) -> None:
    for number in range(30):
        ask(post, f"somebody-{number}@example.com", kind=ASKED_FOR[number % len(ASKED_FOR)])

    limit, retry_after = refused(lambda: ask(post, "somebody-else@example.com"))
    assert (limit, retry_after) == ("mail_address", timedelta(hours=1))
    ask(post, "somebody-else@example.com", client="198.51.100.200")


@in_memory_only
def test_a_client_that_asks_too_much_does_not_use_up_the_address_of_somebody_else(post: MailDeployment) -> None:
    for number in range(30):
        ask(post, f"somebody-{number}@example.com")
    refused(partial(ask, post, BOB.email))

    ask(post, BOB.email, client="198.51.100.200")

    assert post.queue.jobs[-1].email == BOB.email


@pytest.mark.parametrize("jobs", [2, 5])
def test_of_a_few_requests_at_once_one_is_queued(post: MailDeployment, jobs: int) -> None:
    outcomes = at_once([partial(ask, post)] * jobs)

    assert outcomes.count(None) == len(post.queue.jobs) == 1
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == jobs - 1


def test_of_forty_requests_at_once_no_more_than_one_is_queued(post: MailDeployment, clock: FakeClock) -> None:
    outcomes = at_once([partial(ask, post)] * 40)

    assert outcomes.count(None) == len(post.queue.jobs) <= 1  # none, where whoever was first is over another limit
    clock.advance(MINUTE)
    ask(post, client="198.51.100.200")


# The queue down, the limits down: F24, F28


@pytest.mark.covers("F24")
@in_memory_only
@pytest.mark.parametrize("kind", ASKED_FOR)
def test_while_the_queue_is_down_whoever_asks_is_told_and_not_counted(post: MailDeployment, kind: MailKind) -> None:
    post.queue.is_down = True
    for _ in range(40):
        with pytest.raises(DependencyUnavailable):
            ask(post, kind=kind)

    post.queue.is_down = False
    ask(post, kind=kind)

    assert len(post.queue.jobs) == 1


@pytest.mark.covers("F28")
@in_memory_only
def test_what_cannot_be_counted_is_not_queued(post: MailDeployment) -> None:
    uncounting = FaultyStore(post.base.store, at=lambda _: True)

    with pytest.raises(DependencyUnavailable):
        ask(post.on(uncounting))

    assert post.queue.jobs == []


# The mail that a registration sends: F1


def test_a_registration_s_mail_is_not_counted_and_names_the_account(post_in_memory: MailDeployment) -> None:
    bob = replace(post_in_memory.register().user, locale="id")
    for _ in range(7):
        post_in_memory.mail_service.request_verification(bob)

    assert queued(post_in_memory)[-1] == MailJob(
        job_id="",
        kind=MailKind.VERIFICATION_CODE,
        email=BOB.email,
        locale="id",
        payload={REGISTERED: bob.user_id},
    )


def test_a_registration_s_mail_is_held_back_until_its_account_is_written(post_in_memory: MailDeployment) -> None:
    post_in_memory.mail_service.request_verification(post_in_memory.register().user)
    ask(post_in_memory)

    assert post_in_memory.queue.delays == [1, 0]


def test_a_registration_whose_mail_cannot_be_queued_is_told(post_in_memory: MailDeployment) -> None:
    bob = post_in_memory.register().user
    post_in_memory.queue.is_down = True

    with pytest.raises(DependencyUnavailable):
        post_in_memory.mail_service.request_verification(bob)


# Notices


def verified(post: MailDeployment) -> User:
    """Bob, who has verified his address."""
    return replace(post.register().user, email_verified_at=post.base.clock())


def test_the_notice_of_a_new_password_carries_the_language_of_the_request(post_in_memory: MailDeployment) -> None:
    post_in_memory.mail_service.notify_password_changed(verified(post_in_memory), "it")

    assert queued(post_in_memory) == [MailJob(job_id="", kind=MailKind.PASSWORD_CHANGED, email=BOB.email, locale="it")]


def test_nobody_is_flooded_with_notices(post_in_memory: MailDeployment, clock: FakeClock) -> None:
    bob = verified(post_in_memory)
    for _ in range(7):
        post_in_memory.mail_service.notify_password_changed(bob, None)
    assert len(post_in_memory.queue.jobs) == 5
    assert post_in_memory.base.recorded.events.count("mail_not_queued") == 2

    clock.advance(timedelta(hours=1))
    post_in_memory.mail_service.notify_password_changed(bob, None)

    assert len(post_in_memory.queue.jobs) == 6


def test_notices_do_not_hold_up_what_is_asked_for(post_in_memory: MailDeployment) -> None:
    bob = verified(post_in_memory)
    for _ in range(7):
        post_in_memory.mail_service.notify_password_changed(bob, None)

    for kind in ASKED_FOR:
        ask(post_in_memory, kind=kind)

    assert [job.kind for job in post_in_memory.queue.jobs[5:]] == ASKED_FOR


def test_an_address_that_nobody_proved_may_be_a_strangers_and_is_sent_no_notice(post_in_memory: MailDeployment) -> None:
    post_in_memory.mail_service.notify_password_changed(post_in_memory.register().user, None)

    assert post_in_memory.queue.jobs == []


def test_a_password_stands_though_its_notice_could_not_be_counted(post_in_memory: MailDeployment) -> None:
    bob = verified(post_in_memory)
    uncounting = FaultyStore(post_in_memory.base.store, at=lambda _: True)

    post_in_memory.on(uncounting).mail_service.notify_password_changed(bob, None)

    assert post_in_memory.base.recorded.events[-1] == "mail_not_queued"


def test_a_password_stands_though_its_notice_could_not_be_queued(post_in_memory: MailDeployment) -> None:
    bob = verified(post_in_memory)
    post_in_memory.queue.is_down = True

    post_in_memory.mail_service.notify_password_changed(bob, None)

    (failure,) = [note for note in post_in_memory.base.recorded.notes if note.event == "mail_not_queued"]
    assert failure.fields == {"kind": "password_changed", "user_id": bob.user_id}


def test_the_notice_of_a_removed_password_is_queued(post_in_memory: MailDeployment) -> None:
    post_in_memory.mail_service.notify_password_removed(post_in_memory.register().user, "it")

    assert queued(post_in_memory) == [MailJob(job_id="", kind=MailKind.PASSWORD_REMOVED, email=BOB.email, locale="it")]


def test_a_notice_of_a_removed_password_that_cannot_be_queued_is_logged(post_in_memory: MailDeployment) -> None:
    bob = post_in_memory.register().user
    post_in_memory.queue.is_down = True

    post_in_memory.mail_service.notify_password_removed(bob, None)

    (failure,) = [note for note in post_in_memory.base.recorded.notes if note.event == "mail_not_queued"]
    assert (failure.severity, failure.fields) == (
        Severity.ERROR,
        {"kind": "password_removed", "user_id": bob.user_id},
    )


def test_the_notice_that_an_account_exists_waits_a_minute_like_any_other_mail(
    post_in_memory: MailDeployment, clock: FakeClock
) -> None:
    for _ in range(3):
        post_in_memory.mail_service.notify_account_exists(BOB.email, "it")
    assert queued(post_in_memory) == [MailJob(job_id="", kind=MailKind.ACCOUNT_EXISTS, email=BOB.email, locale="it")]
    assert post_in_memory.base.recorded.events.count("mail_not_queued") == 2

    clock.advance(MINUTE)
    post_in_memory.mail_service.notify_account_exists(BOB.email, None)

    assert len(post_in_memory.queue.jobs) == 2


def test_nobody_is_flooded_with_notices_that_an_account_exists(
    post_in_memory: MailDeployment, clock: FakeClock
) -> None:
    for _ in range(7):
        post_in_memory.mail_service.notify_account_exists(BOB.email, None)
        clock.advance(MINUTE)

    assert len(post_in_memory.queue.jobs) == MAIL_HOUR.attempts


def test_a_notice_that_an_account_exists_that_cannot_be_counted_or_queued_is_logged(
    post_in_memory: MailDeployment,
) -> None:
    uncounting = FaultyStore(post_in_memory.base.store, at=lambda _: True)
    post_in_memory.on(uncounting).mail_service.notify_account_exists(BOB.email, None)
    post_in_memory.queue.is_down = True
    post_in_memory.mail_service.notify_account_exists(BOB.email, None)

    failures = [note for note in post_in_memory.base.recorded.notes if note.event == "mail_not_queued"]
    assert [(each.severity, each.fields) for each in failures] == [(Severity.ERROR, {"kind": "account_exists"})] * 2
    post_in_memory.queue.is_down = False
    post_in_memory.mail_service.notify_account_exists(BOB.email, None)
    assert len(post_in_memory.queue.jobs) == 1


def test_an_account_without_an_address_is_sent_nothing(post_in_memory: MailDeployment) -> None:
    guest = post_in_memory.guests.admit(HOME).user

    post_in_memory.mail_service.notify_password_changed(guest, None)
    post_in_memory.mail_service.notify_password_removed(guest, None)
    post_in_memory.mail_service.request_verification(guest)

    assert post_in_memory.queue.jobs == []


@pytest.mark.covers("167")
def test_the_log_and_the_limits_hold_no_address(post: MailDeployment, database: Database) -> None:
    ask(post)

    assert BOB.email not in str(post.base.recorded.notes)
    assert BOB.email not in str(database.items("RateLimits"))
