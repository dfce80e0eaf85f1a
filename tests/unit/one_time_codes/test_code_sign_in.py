"""gerbang.accounts.code_sign_in: a code signs in once, for ten minutes, for the account that it was mailed to."""

from copy import replace
from datetime import timedelta
from functools import partial

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Limit, digest
from gerbang.mail.codes import CODE_LIFETIME, InvalidResetToken
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.one_time_codes import Slot
from gerbang.storage.store import Gone

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, HOUR, PASSWORD, SECOND, Choices
from tests.fakes import FakeClock, MemoryStore, at_once
from tests.unit.access import session_works
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.jwt_parts import claims_of
from tests.unit.mail_deployment import MailDeployment, in_memory_only, new_app
from tests.unit.one_time_codes.codes import assert_rejected, redeem, use_wrong_codes

# One use, ten minutes: security.md 40, 41


def test_a_mailed_code_signs_in(app: MailDeployment) -> None:
    bob = app.register().user
    code = app.mailed_code()

    session = redeem(app, code)

    authenticated = app.base.sessions.authenticate(session.tokens.access_token)
    assert authenticated.user == app.user(bob.user_id) == session.user
    assert authenticated.family.amr[0].method == "otp"
    assert authenticated.user.last_sign_in_at == app.base.clock()
    assert app.base.recorded.events[-1] == "signed_in"


@pytest.mark.covers("40")
def test_a_code_works_once(app: MailDeployment) -> None:
    app.register()
    code = app.mailed_code()
    redeem(app, code)

    with pytest.raises(InvalidCode):
        redeem(app, code)


@pytest.mark.covers("F13", "40")
@pytest.mark.parametrize("racers", [2, 20])
def test_one_of_many_concurrent_uses_opens_a_session(app: MailDeployment, database: Database, racers: int) -> None:
    app.register()
    redeem(app, app.mailed_code())  # verifies the address, so that the next code does not change the epoch
    code = app.mailed_code()
    before = len(database.items("RefreshTokenFamilies"))
    tries = Limit(name="code_tries", attempts=racers, window=HOUR)
    many_tries = app.with_choices(Choices(code_tries=tries))

    outcomes = at_once([partial(redeem, many_tries, code)] * racers)

    winners = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == racers - 1
    assert len(database.items("RefreshTokenFamilies")) == before + 1
    assert session_works(app, winners[0])


@pytest.mark.covers("41")
@in_memory_only
def test_a_code_is_valid_for_ten_minutes(app: MailDeployment, clock: FakeClock) -> None:
    app.register()
    code = app.mailed_code()
    clock.advance(timedelta(minutes=10) - SECOND)

    assert session_works(app, redeem(app, code))


@pytest.mark.covers("F35", "41")
def test_an_expired_code_is_rejected_before_ttl_deletes_it(
    app: MailDeployment, database: Database, clock: FakeClock
) -> None:
    app.register()
    code = app.mailed_code()
    clock.advance(timedelta(minutes=10))

    with pytest.raises(InvalidCode):
        redeem(app, code)

    assert database.items("OneTimeCodes", "CODE#")


def test_a_code_that_expires_during_the_sign_in_opens_no_session(
    app: MailDeployment, database: Database, clock: FakeClock
) -> None:
    app.register()
    code = app.mailed_code()
    before = database.items("RefreshTokenFamilies")
    clock.advance(CODE_LIFETIME - SECOND)
    slow = app.meanwhile(lambda: clock.advance(SECOND), before=lambda call: call.method == "get_all")

    with pytest.raises(InvalidCode):
        redeem(slow, code)

    assert database.items("RefreshTokenFamilies") == before


def test_a_session_of_a_code_has_the_ordinary_role_and_level(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()

    session = redeem(app_in_memory, app_in_memory.mailed_code())

    claims = claims_of(session.tokens.access_token)
    assert claims["role"] == "authenticated"
    assert claims["aal"] == "aal1"
    assert [each["method"] for each in claims["amr"]] == ["otp"]
    assert "acr" not in claims


@pytest.mark.parametrize(("before", "requested", "after"), [(None, "it", "it"), ("es", "it", "es"), (None, None, None)])
def test_a_sign_in_sets_the_language_of_an_account_that_has_none(
    app_in_memory: MailDeployment, before: str | None, requested: str | None, after: str | None
) -> None:
    bob = app_in_memory.register(replace(BOB, locale=before)).user
    code = app_in_memory.mailed_code(kind=MailKind.VERIFICATION_CODE)

    session = app_in_memory.code_sign_in.sign_in(BOB.email, code, replace(HOME, locale=requested)).signed_in

    assert app_in_memory.user(bob.user_id).locale == session.user.locale == after


# Only the newest code, and only for its address: security.md 44


@pytest.mark.covers("44")
def test_a_new_code_replaces_the_old_one(app: MailDeployment) -> None:
    app.register()
    older, newer = app.mailed_code(), app.mailed_code()

    with pytest.raises(InvalidCode):
        redeem(app, older)

    assert session_works(app, redeem(app, newer))


@in_memory_only
def test_a_late_job_does_not_replace_a_newer_code(app: MailDeployment) -> None:
    app.register()
    delayed = app.job(MailKind.SIGN_IN_CODE)
    newer = app.mailed_code()

    app.deliver(delayed)

    assert len(app.outbox.sent) == 1
    assert session_works(app, redeem(app, newer))


@pytest.mark.covers("44")
@in_memory_only
def test_a_code_works_only_for_its_address(app: MailDeployment) -> None:
    app.register()
    app.register(ALICE)
    code = app.mailed_code(BOB.email)
    app.mailed_code(ALICE.email)

    with pytest.raises(InvalidCode):
        redeem(app, code, ALICE.email)


@pytest.mark.covers("44")
def test_codes_and_reset_tokens_are_not_interchangeable(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    code, token = app_in_memory.mailed_code(), app_in_memory.mailed_token()

    with pytest.raises(InvalidResetToken):
        app_in_memory.password_reset.reset(code, "A new password 1", client=HOME, policy=PasswordPolicy())
    with pytest.raises(InvalidCode):
        redeem(app_in_memory, token)


# A code is invalid after the account has changed


@pytest.mark.parametrize("happens", ["password reset", "password changed", "sessions ended"])
def test_a_code_is_invalid_after_the_account_has_changed(app: MailDeployment, happens: str) -> None:
    session = app.register()
    code, token = app.mailed_code(), app.mailed_token()
    if happens == "password reset":
        app.password_reset.reset(token, "Another horse 2", client=HOME, policy=PasswordPolicy())
    if happens == "password changed":
        change = partial(app.password_change.change, session.tokens.access_token, client=HOME, policy=PasswordPolicy())
        change(current=PASSWORD, new="Another horse 2")
    if happens == "sessions ended":
        app.end_sessions(session.user)

    assert_rejected(app, code)

    assert session_works(app, redeem(app, app.mailed_code()))


def test_a_code_stays_invalid_once_a_disabled_account_is_enabled_again(app: MailDeployment) -> None:
    bob = app.register().user
    code = app.mailed_code()
    app.disable(bob)
    app.change(bob, disabled_at=Gone())

    assert_rejected(app, code)


def test_a_code_opens_no_session_while_the_sessions_are_ended(app: MailDeployment, database: Database) -> None:
    session = app.register()
    code = app.mailed_code()
    before = database.items("RefreshTokenFamilies")
    meanwhile = app.meanwhile(lambda: app.end_sessions(session.user))

    assert_rejected(meanwhile, code)

    assert database.items("RefreshTokenFamilies") == before


def test_a_code_opens_no_session_while_the_account_is_disabled(app: MailDeployment, database: Database) -> None:
    bob = app.register().user
    code = app.mailed_code()
    before = database.items("RefreshTokenFamilies")
    meanwhile = app.meanwhile(lambda: app.change(bob, disabled_at=to_epoch(app.base.clock())))

    with pytest.raises(InvalidCode):
        redeem(meanwhile, code)

    assert database.items("RefreshTokenFamilies") == before


# A code is used up in the same transaction that opens the session: F14


@pytest.mark.covers("F14")
def test_when_any_call_fails_the_code_still_works_or_its_session_is_valid() -> None:
    def scenario() -> Scenario:
        app = new_app()
        app.register()
        code = app.mailed_code()
        return Scenario(app, lambda here: redeem(here, code))

    for run in faulty_runs(scenario):
        here = run.deployment
        code = here.outbox.codes[-1]
        if isinstance(run.outcome, SignedIn):
            assert session_works(here, run.outcome), run
            assert_rejected(here, code)
        else:
            assert isinstance(run.failure, DependencyUnavailable), run
            stored = here.codes.read(here.base.store.get(here.codes.key(Slot.EMAIL, digest(BOB.email))))
            was_used = stored is None or stored.spent_at is not None
            assert sessions_by_code(here) == was_used, run
            if was_used:  # the response was lost; another code signs in
                code = here.mailed_code()
            assert session_works(here, redeem(here, code)), run


def sessions_by_code(app: MailDeployment) -> int:
    """How many sessions a code has opened."""
    assert isinstance(app.base.store, MemoryStore)
    families = app.base.store.items(app.base.tables["RefreshTokenFamilies"])
    return sum('"method":"otp"' in str(family["amr"]) for family in families)


# The log: security.md 167


@pytest.mark.covers("167")
def test_the_log_contains_no_code_and_no_address(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    code = app_in_memory.mailed_code()
    use_wrong_codes(app_in_memory, code, times=2)
    redeem(app_in_memory, code)

    logged = str(app_in_memory.base.recorded.notes)

    assert code not in logged
    assert BOB.email not in logged
