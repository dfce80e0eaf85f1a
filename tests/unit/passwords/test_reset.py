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
from tests.unit.mail_deployment import MailDeployment, in_memory_only, new_app
from tests.unit.passwords.resets import LEGACY_HASH, NEW, POLICY, assert_rejected, client_number, reset, unknown_token
from tests.unit.torn_store import TornStore


def test_a_mailed_token_sets_the_password(app: MailDeployment) -> None:
    registered = app.register().user
    token = app.mailed_token()

    reset(app, token)

    assert not password_works(app, PASSWORD)
    assert password_works(app, NEW)
    user = app.user(registered.user_id)
    assert (user.epoch, user.updated_at) == (registered.epoch + 1, app.base.clock())
    assert "password_reset" in app.base.recorded.events


@pytest.mark.covers("53", "55")
def test_a_reset_ends_every_session_and_opens_none(app: MailDeployment, database: Database) -> None:
    sessions = [app.register(), app.base.sign_in.sign_in(by_email(BOB.email), ABROAD)]
    token = app.mailed_token()
    before = {item["sk"] for item in database.items("RefreshTokenFamilies")}

    reset(app, token)

    assert not any(session_works(app, session) for session in sessions)
    for session in sessions:
        with pytest.raises(SessionEnded):
            app.base.sessions.refresh(session.tokens.refresh_token)
    assert {item["sk"] for item in database.items("RefreshTokenFamilies")} <= before


@pytest.mark.covers("53", "F11")
def test_a_reset_ends_sessions_that_are_opened_meanwhile(app: MailDeployment) -> None:
    app.register()
    token = app.mailed_token()
    opened: list[SignedIn] = []
    meanwhile = app.meanwhile(lambda: opened.append(app.base.sign_in.sign_in(by_email(BOB.email), ABROAD)))

    reset(meanwhile, token)

    assert [session_works(app, session) for session in opened] == [False]


@pytest.mark.covers("60")
def test_a_reset_verifies_the_address_and_changes_nothing_else(app: MailDeployment) -> None:
    before = app.register(ALICE).user
    token = app.mailed_token(ALICE.email)

    reset(app, token)

    after = app.user(before.user_id)
    assert after == replace(
        before,
        email_verified_at=app.base.clock(),
        updated_at=app.base.clock(),
        password_hash=after.password_hash,
        epoch=before.epoch + 1,
        devices=(),  # devices of a stranger who registered the address
    )


@in_memory_only
def test_a_reset_keeps_the_time_at_which_the_address_was_verified(app: MailDeployment) -> None:
    registered = app.register().user
    reset(app, app.mailed_token())
    verified_at = app.base.clock()

    reset(app, app.mailed_token(), "A third horse 3")

    assert app.user(registered.user_id).email_verified_at == verified_at < app.base.clock()


@pytest.mark.parametrize("stored", [None, LEGACY_HASH, "junk"], ids=["none", "md5", "junk"])
def test_a_reset_replaces_any_stored_hash(app_in_memory: MailDeployment, stored: str | None) -> None:
    registered = app_in_memory.register().user
    app_in_memory.change(registered, password_hash=Gone() if stored is None else stored)

    reset(app_in_memory, app_in_memory.mailed_token())

    new_hash = app_in_memory.user(registered.user_id).password_hash
    assert new_hash is not None
    assert is_current_format(new_hash)
    assert password_works(app_in_memory, NEW)


def test_a_reset_records_when_a_legacy_hash_was_replaced(app: MailDeployment) -> None:
    registered = app.register().user
    app.change(registered, password_hash=LEGACY_HASH)

    reset(app, app.mailed_token())
    first_reset_at = app.base.clock()
    app.base.clock.advance(timedelta(hours=1))
    reset(app, app.mailed_token())

    assert app.user(registered.user_id).migrated_at == first_reset_at


@pytest.mark.covers("57")
@in_memory_only
def test_a_reset_queues_a_notice(app: MailDeployment) -> None:
    app.register()

    reset(app, app.mailed_token())

    assert [(job.kind, job.email) for job in app.queue.jobs] == [(MailKind.PASSWORD_CHANGED, BOB.email)]


@in_memory_only
def test_a_reset_succeeds_when_its_notice_cannot_be_queued(app: MailDeployment) -> None:
    app.register()
    token = app.mailed_token()
    app.queue.is_down = True

    reset(app, token)

    assert password_works(app, NEW)
    assert "mail_not_queued" in app.base.recorded.events


@pytest.mark.covers("50", "F17")
def test_one_of_twenty_concurrent_resets_succeeds(app: MailDeployment) -> None:
    app.register()
    token = app.mailed_token()

    outcomes = at_once([partial(reset, app, token, f"Horse number {number}") for number in range(20)])

    (winner,) = [number for number, outcome in enumerate(outcomes) if outcome is None]
    # The others try passwords with a used token, which are limited to ten.
    assert sum(isinstance(outcome, InvalidResetToken | TooManyAttempts) for outcome in outcomes) == 19
    assert [number for number in range(20) if password_works(app, f"Horse number {number}", client_number(number))] == [
        winner
    ]


# Unacceptable passwords: security.md 54


@pytest.mark.covers("54")
@pytest.mark.parametrize("password", ["short", "password1", "bob@example.com", "x" * 257])
def test_an_unacceptable_password_does_not_use_up_the_token(
    app_in_memory: MailDeployment, bob: User, password: str
) -> None:
    token = app_in_memory.mailed_token()

    for _ in range(40):  # not counted as wrong tokens
        with pytest.raises(UnacceptablePassword):
            reset(app_in_memory, token, password)

    assert password_works(app_in_memory, PASSWORD)
    reset(app_in_memory, token)
    assert password_works(app_in_memory, NEW)
    assert app_in_memory.user(bob.user_id).epoch == 1


@pytest.mark.parametrize("invalid", ["unknown", "expired", "of a disabled account"])
def test_the_policy_is_checked_only_with_a_valid_token(
    app_in_memory: MailDeployment, bob: User, clock: FakeClock, invalid: str
) -> None:
    token = app_in_memory.mailed_token()
    if invalid == "unknown":
        token = unknown_token(app_in_memory, bob)
    if invalid == "expired":
        clock.advance(RESET_LIFETIME)
    if invalid == "of a disabled account":
        app_in_memory.change(bob, disabled_at=to_epoch(clock()))

    with pytest.raises(InvalidResetToken):
        reset(app_in_memory, token, BOB.email)


def test_an_account_that_is_disabled_meanwhile_keeps_its_password(app: MailDeployment) -> None:
    bob = app.register().user
    token = app.mailed_token()
    meanwhile = app.meanwhile(lambda: app.change(bob, disabled_at=to_epoch(app.base.clock())))

    assert_rejected(meanwhile, token)

    assert app.user(bob.user_id).password_hash == bob.password_hash


# A reset is repeated because its response was lost: F42


def test_a_repeated_reset_succeeds_and_changes_nothing(
    app: MailDeployment, database: Database, clock: FakeClock
) -> None:
    registered = app.register().user
    token = app.mailed_token()
    reset(app, token)
    before, codes = app.user(registered.user_id), database.items("OneTimeCodes")
    session = app.base.sign_in.sign_in(by_email(BOB.email, NEW), HOME)

    for _ in range(12):  # not counted as wrong passwords
        reset(app, token)
    clock.advance(REPEATABLE_FOR)
    reset(app, token)

    after = app.user(registered.user_id)
    assert replace(after, last_sign_in_at=before.last_sign_in_at, devices=before.devices) == before
    assert database.items("OneTimeCodes") == codes
    assert session_works(app, session)
    assert {job.kind for job in app.queue.jobs} == {MailKind.PASSWORD_CHANGED}
    assert len({job.job_id for job in app.queue.jobs}) == 1  # so the mailer sends one notice


@in_memory_only
def test_a_reset_cannot_be_repeated_after_ten_minutes(app: MailDeployment, clock: FakeClock) -> None:
    app.register()
    token = app.mailed_token()
    reset(app, token)
    clock.advance(REPEATABLE_FOR + SECOND)

    assert_rejected(app, token)


@pytest.mark.parametrize("happened", ["password changed", "disabled", "newer token"])
def test_a_reset_cannot_be_repeated_after_a_later_change(
    app_in_memory: MailDeployment, bob: User, happened: str
) -> None:
    app = app_in_memory
    token = app.mailed_token()
    reset(app, token)
    if happened == "password changed":
        session = app.base.sign_in.sign_in(by_email(BOB.email, NEW), HOME)
        change = partial(app.password_change.change, session.tokens.access_token, current=NEW, new="A third horse 3")
        change(client=HOME, policy=POLICY)
    if happened == "disabled":
        app.disable(bob)
    if happened == "newer token":
        app.mailed_token()

    assert_rejected(app, token)


def test_the_same_reset_sent_twice_concurrently_succeeds_twice(app: MailDeployment) -> None:
    registered = app.register().user
    token = app.mailed_token()

    outcomes = at_once([partial(reset, app, token)] * 2)

    assert outcomes == [None, None]
    assert password_works(app, NEW)
    assert app.user(registered.user_id).epoch == registered.epoch + 1


@in_memory_only
@pytest.mark.covers("D11")
@pytest.mark.parametrize("old", ["Users", "OneTimeCodes"])
def test_a_repeated_reset_succeeds_although_its_read_is_torn(app: MailDeployment, old: str) -> None:
    app.register()
    token = app.mailed_token()
    torn = TornStore(app.base.store, old=app.base.tables[old], happens=lambda: reset(app, token))

    replace(app.password_reset, store=torn).reset(token, NEW, client=HOME, policy=POLICY)

    assert password_works(app, NEW)


# A token is used up in the same transaction that sets the password: F16


@pytest.mark.covers("F16")
def test_when_any_call_fails_token_and_old_password_are_both_valid_or_both_invalid() -> None:
    def scenario() -> Scenario:
        app = new_app()
        app.register()
        token = app.mailed_token()
        return Scenario(app, lambda here: reset(here, token))

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
def test_the_log_contains_no_token_password_or_address(app_in_memory: MailDeployment, bob: User) -> None:
    token = app_in_memory.mailed_token()
    assert_rejected(app_in_memory, unknown_token(app_in_memory, bob))
    reset(app_in_memory, token)

    logged = str(app_in_memory.base.recorded.notes)

    for secret in (token, NEW, BOB.email):
        assert secret not in logged
