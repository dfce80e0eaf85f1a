"""gerbang.accounts.password_reset: a mailed token sets a new password (security.md 53, 55, 57, 60)."""

from copy import replace
from datetime import timedelta
from functools import partial

import pytest
from gerbang.accounts.password_reset import REPEATABLE_FOR
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.codes import RESET_LIFETIME, InvalidResetToken
from gerbang.mail.jobs import MailKind
from gerbang.passwords.bcrypt_sha256 import is_current_format
from gerbang.passwords.policy import UnacceptablePassword
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.store import Gone

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME, PASSWORD, SECOND, by_email
from tests.fakes import FakeClock, at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.mail_deployment import MailDeployment, in_memory_only, mailing_in_memory
from tests.unit.passwords.resets import LEGACY_HASH, NEW, POLICY, assert_rejected, client_number, reset, unknown_token
from tests.unit.torn_store import TornStore


def test_a_mailed_token_sets_the_password(post: MailDeployment) -> None:
    registered = post.register().user
    token = post.mailed_token()

    reset(post, token)

    assert not password_works(post, PASSWORD)
    assert password_works(post, NEW)
    user = post.user(registered.user_id)
    assert (user.epoch, user.updated_at) == (registered.epoch + 1, post.base.clock())
    assert "password_reset" in post.base.recorded.events


@pytest.mark.covers("53", "55")
def test_a_reset_ends_every_session_and_opens_none(post: MailDeployment, database: Database) -> None:
    sessions = [post.register(), post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)]
    token = post.mailed_token()
    before = {item["sk"] for item in database.items("RefreshTokenFamilies")}

    reset(post, token)

    assert not any(session_works(post, session) for session in sessions)
    for session in sessions:
        with pytest.raises(SessionEnded):
            post.base.sessions.refresh(session.tokens.refresh_token)
    assert {item["sk"] for item in database.items("RefreshTokenFamilies")} <= before


@pytest.mark.covers("53", "F11")
def test_a_reset_ends_sessions_that_are_opened_meanwhile(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    opened: list[SignedIn] = []
    meanwhile = post.meanwhile(lambda: opened.append(post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)))

    reset(meanwhile, token)

    assert [session_works(post, session) for session in opened] == [False]


@pytest.mark.covers("60")
def test_a_reset_verifies_the_address_and_changes_nothing_else(post: MailDeployment) -> None:
    before = post.register(ALICE).user
    token = post.mailed_token(ALICE.email)

    reset(post, token)

    after = post.user(before.user_id)
    assert after == replace(
        before,
        email_verified_at=post.base.clock(),
        updated_at=post.base.clock(),
        password_hash=after.password_hash,
        epoch=before.epoch + 1,
        devices=(),  # devices of a stranger who registered the address
    )


@in_memory_only
def test_a_reset_keeps_the_time_at_which_the_address_was_verified(post: MailDeployment) -> None:
    registered = post.register().user
    reset(post, post.mailed_token())
    verified_at = post.base.clock()

    reset(post, post.mailed_token(), "A third horse 3")

    assert post.user(registered.user_id).email_verified_at == verified_at < post.base.clock()


@pytest.mark.parametrize("stored", [None, LEGACY_HASH, "junk"], ids=["none", "md5", "junk"])
def test_a_reset_replaces_any_stored_hash(post_in_memory: MailDeployment, stored: str | None) -> None:
    registered = post_in_memory.register().user
    post_in_memory.change(registered, password_hash=Gone() if stored is None else stored)

    reset(post_in_memory, post_in_memory.mailed_token())

    new_hash = post_in_memory.user(registered.user_id).password_hash
    assert new_hash is not None
    assert is_current_format(new_hash)
    assert password_works(post_in_memory, NEW)


def test_a_reset_records_when_a_legacy_hash_was_replaced(post: MailDeployment) -> None:
    registered = post.register().user
    post.change(registered, password_hash=LEGACY_HASH)

    reset(post, post.mailed_token())
    first_reset_at = post.base.clock()
    post.base.clock.advance(timedelta(hours=1))
    reset(post, post.mailed_token())

    assert post.user(registered.user_id).migrated_at == first_reset_at


@pytest.mark.covers("57")
@in_memory_only
def test_a_reset_queues_a_notice(post: MailDeployment) -> None:
    post.register()

    reset(post, post.mailed_token())

    assert [(job.kind, job.email) for job in post.queue.jobs] == [(MailKind.PASSWORD_CHANGED, BOB.email)]


@in_memory_only
def test_a_reset_succeeds_when_its_notice_cannot_be_queued(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()
    post.queue.is_down = True

    reset(post, token)

    assert password_works(post, NEW)
    assert "mail_not_queued" in post.base.recorded.events


@pytest.mark.covers("50", "F17")
def test_one_of_twenty_concurrent_resets_succeeds(post: MailDeployment) -> None:
    post.register()
    token = post.mailed_token()

    outcomes = at_once([partial(reset, post, token, f"Horse number {number}") for number in range(20)])

    (winner,) = [number for number, outcome in enumerate(outcomes) if outcome is None]
    # The others try passwords with a used token, which are limited to ten.
    assert sum(isinstance(outcome, InvalidResetToken | TooManyAttempts) for outcome in outcomes) == 19
    assert [
        number for number in range(20) if password_works(post, f"Horse number {number}", client_number(number))
    ] == [winner]


# Unacceptable passwords: security.md 54


@pytest.mark.covers("54")
@pytest.mark.parametrize("password", ["short", "password1", "bob@example.com", "x" * 257])
def test_an_unacceptable_password_does_not_use_up_the_token(
    post_in_memory: MailDeployment, bob: User, password: str
) -> None:
    token = post_in_memory.mailed_token()

    for _ in range(40):  # not counted as wrong tokens
        with pytest.raises(UnacceptablePassword):
            reset(post_in_memory, token, password)

    assert password_works(post_in_memory, PASSWORD)
    reset(post_in_memory, token)
    assert password_works(post_in_memory, NEW)
    assert post_in_memory.user(bob.user_id).epoch == 1


@pytest.mark.parametrize("invalid", ["unknown", "expired", "of a disabled account"])
def test_the_policy_is_checked_only_with_a_valid_token(
    post_in_memory: MailDeployment, bob: User, clock: FakeClock, invalid: str
) -> None:
    token = post_in_memory.mailed_token()
    if invalid == "unknown":
        token = unknown_token(post_in_memory, bob)
    if invalid == "expired":
        clock.advance(RESET_LIFETIME)
    if invalid == "of a disabled account":
        post_in_memory.change(bob, disabled_at=to_epoch(clock()))

    with pytest.raises(InvalidResetToken):
        reset(post_in_memory, token, BOB.email)


def test_an_account_that_is_disabled_meanwhile_keeps_its_password(post: MailDeployment) -> None:
    bob = post.register().user
    token = post.mailed_token()
    meanwhile = post.meanwhile(lambda: post.change(bob, disabled_at=to_epoch(post.base.clock())))

    assert_rejected(meanwhile, token)

    assert post.user(bob.user_id).password_hash == bob.password_hash


# A reset is repeated because its response was lost: F42


def test_a_repeated_reset_succeeds_and_changes_nothing(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    registered = post.register().user
    token = post.mailed_token()
    reset(post, token)
    before, codes = post.user(registered.user_id), database.items("OneTimeCodes")
    session = post.base.sign_in.sign_in(by_email(BOB.email, NEW), HOME)

    for _ in range(12):  # not counted as wrong passwords
        reset(post, token)
    clock.advance(REPEATABLE_FOR)
    reset(post, token)

    after = post.user(registered.user_id)
    assert replace(after, last_sign_in_at=before.last_sign_in_at, devices=before.devices) == before
    assert database.items("OneTimeCodes") == codes
    assert session_works(post, session)
    assert {job.kind for job in post.queue.jobs} == {MailKind.PASSWORD_CHANGED}
    assert len({job.job_id for job in post.queue.jobs}) == 1  # so the mailer sends one notice


@in_memory_only
def test_a_reset_cannot_be_repeated_after_ten_minutes(post: MailDeployment, clock: FakeClock) -> None:
    post.register()
    token = post.mailed_token()
    reset(post, token)
    clock.advance(REPEATABLE_FOR + SECOND)

    assert_rejected(post, token)


@pytest.mark.parametrize("happened", ["password changed", "disabled", "newer token"])
def test_a_reset_cannot_be_repeated_after_a_later_change(
    post_in_memory: MailDeployment, bob: User, happened: str
) -> None:
    post = post_in_memory
    token = post.mailed_token()
    reset(post, token)
    if happened == "password changed":
        session = post.base.sign_in.sign_in(by_email(BOB.email, NEW), HOME)
        change = partial(post.password_change.change, session.tokens.access_token, current=NEW, new="A third horse 3")
        change(client=HOME, policy=POLICY)
    if happened == "disabled":
        post.disable(bob)
    if happened == "newer token":
        post.mailed_token()

    assert_rejected(post, token)


def test_the_same_reset_sent_twice_concurrently_succeeds_twice(post: MailDeployment) -> None:
    registered = post.register().user
    token = post.mailed_token()

    outcomes = at_once([partial(reset, post, token)] * 2)

    assert outcomes == [None, None]
    assert password_works(post, NEW)
    assert post.user(registered.user_id).epoch == registered.epoch + 1


@in_memory_only
@pytest.mark.covers("D11")
@pytest.mark.parametrize("old", ["Users", "OneTimeCodes"])
def test_a_repeated_reset_succeeds_although_its_read_is_torn(post: MailDeployment, old: str) -> None:
    post.register()
    token = post.mailed_token()
    torn = TornStore(post.base.store, old=post.base.tables[old], happens=lambda: reset(post, token))

    replace(post.password_reset, store=torn).reset(token, NEW, client=HOME, policy=POLICY)

    assert password_works(post, NEW)


# A token is used up in the same transaction that sets the password: F16


@pytest.mark.covers("F16")
def test_when_any_call_fails_token_and_old_password_are_both_valid_or_both_invalid() -> None:
    def scenario() -> Scenario:
        post = mailing_in_memory()
        post.register()
        token = post.mailed_token()
        return Scenario(post, lambda here: reset(here, token))

    for run in faulty_runs(scenario):
        here = run.deployment
        (token,) = here.outbox.reset_tokens
        assert run.failure is None or isinstance(run.failure, DependencyUnavailable), run
        if password_works(here, PASSWORD):
            assert run.failure is not None, run
            assert not password_works(here, NEW), run
            reset(here, token)
            assert not password_works(here, PASSWORD), run
        else:
            reset(here, token)  # as a client does whose response was lost
            with pytest.raises(InvalidResetToken):
                reset(here, token, "A third horse 3")
        assert password_works(here, NEW), run


# The log: security.md 167


@pytest.mark.covers("167")
def test_the_log_contains_no_token_password_or_address(post_in_memory: MailDeployment, bob: User) -> None:
    token = post_in_memory.mailed_token()
    assert_rejected(post_in_memory, unknown_token(post_in_memory, bob))
    reset(post_in_memory, token)

    logged = str(post_in_memory.base.recorded.notes)

    for secret in (token, NEW, BOB.email):
        assert secret not in logged
