"""Adding a second factor, and what its first code changes."""

import pytest
from gerbang.accounts.factors import FactorNameTaken, FactorNotFound, GuestsHaveNoFactors
from gerbang.accounts.own_factors import TooManyFactors
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.sessions.assurance import InsufficientLevel

from tests.conftest import Database
from tests.deployment import ABROAD, BOB, HOME, MINUTE, by_email
from tests.unit.access import session_works
from tests.unit.mail_deployment import MailDeployment, is_nowhere
from tests.unit.second_factor.steps import (
    NO_FACTOR,
    aal1_session,
    add_factor,
    app_code,
    caller_of,
    level_and_methods,
    stored_user,
    verify,
    with_second_factor,
)


def test_the_first_code_verifies_a_factor_and_raises_the_session(app: MailDeployment) -> None:
    session = app.register(BOB)
    added = add_factor(app, session, "phone")
    assert not stored_user(app, session).has_second_factor

    raised = verify(app, session, added.factor.factor_id, app_code(app, session, added.factor.factor_id))

    assert raised.user == stored_user(app, session)
    assert raised.user.has_second_factor
    assert raised.family_id == session.family_id
    assert level_and_methods(app, raised) == ("aal2", ["password", "totp"])
    assert [note.event for note in app.base.recorded.notes][-3:] == [
        "factor_enrolled",
        "factor_verified",
        "session_raised",
    ]


@pytest.mark.covers("203", "204")
def test_no_secret_and_no_recovery_code_is_stored(app: MailDeployment, database: Database) -> None:
    session = app.register(BOB)
    added = add_factor(app, session)
    raised = verify(app, session, added.factor.factor_id, app_code(app, session, added.factor.factor_id))
    codes = app.base.own_factors.replace_recovery_codes(caller_of(app, raised))

    assert is_nowhere(database, added.secret)
    assert all(is_nowhere(database, each) and is_nowhere(database, each.replace("-", "")) for each in codes)
    assert added.secret not in repr(app.base.recorded.notes)


def test_a_refresh_keeps_the_assurance_level(app: MailDeployment) -> None:
    raised, _ = with_second_factor(app, app.register(BOB))

    refreshed = app.base.sessions.refresh(raised.tokens.refresh_token)

    assert level_and_methods(app, refreshed) == ("aal2", ["password", "totp"])


def test_after_a_lost_response_the_old_token_refreshes_to_the_raised_session(app: MailDeployment) -> None:
    session = app.register(BOB)
    with_second_factor(app, session)  # the client does not receive the response

    refreshed = app.base.sessions.refresh(session.tokens.refresh_token)

    assert level_and_methods(app, refreshed)[0] == "aal2"


@pytest.mark.covers("210")
def test_the_first_factor_ends_other_sessions_and_concurrent_sign_ins(app: MailDeployment) -> None:
    session = app.register(BOB)
    other = app.base.sign_in.sign_in(by_email(BOB.email), ABROAD)
    added = add_factor(app, session)
    code = app_code(app, session, added.factor.factor_id)

    meanwhile = app.meanwhile(lambda: verify(app, session, added.factor.factor_id, code))
    with pytest.raises(InvalidCredentials):
        meanwhile.base.sign_in.sign_in(by_email(BOB.email), ABROAD)

    assert not session_works(app, other)
    assert session_works(app, session)


def test_a_later_code_ends_sessions_without_the_second_factor(app: MailDeployment) -> None:
    raised, factor_id = with_second_factor(app, app.register(BOB))
    app.verify_email(raised.user)
    aal1, high = (app.base.supabase_password_sign_in.sign_in(by_email(BOB.email), HOME) for _ in range(2))

    high = verify(app, high, factor_id, app_code(app, high, factor_id))

    assert [session_works(app, each) for each in (raised, aal1, high)] == [True, False, True]


def test_a_hundred_sessions_are_ended(app_in_memory: MailDeployment) -> None:
    app = app_in_memory
    raised, factor_id = with_second_factor(app, app.register(BOB))
    others = [app.base.sessions.open(stored_user(app, raised), HOME, "password") for _ in range(100)]

    verify(app, raised, factor_id, app_code(app, raised, factor_id))

    assert not any(session_works(app, each) for each in others)


def test_verifying_a_factor_removes_unverified_factors(app: MailDeployment) -> None:
    session = app.register(BOB)
    add_factor(app, session, "old phone")

    _, factor_id = with_second_factor(app, session, "new phone")

    assert [factor.factor_id for factor in stored_user(app, session).factors] == [factor_id]


def test_an_unverified_factor_expires_after_five_minutes(app: MailDeployment) -> None:
    session = app.register(BOB)
    factor_id = add_factor(app, session, "phone").factor.factor_id

    app.base.clock.advance(5 * MINUTE)
    with pytest.raises(FactorNotFound):
        verify(app, session, factor_id, app_code(app, session, factor_id))

    assert add_factor(app, session, "phone").factor.friendly_name == "phone"
    assert len(stored_user(app, session).factors) == 1


def test_names_are_unique_and_factors_are_limited(app: MailDeployment) -> None:
    session = app.register(BOB)
    add_factor(app, session, "phone")
    with pytest.raises(FactorNameTaken):
        add_factor(app, session, "phone")

    for _ in range(9):
        add_factor(app, session)
    with pytest.raises(TooManyFactors):
        add_factor(app, session)


def test_adding_a_factor_requires_the_first_one(app: MailDeployment) -> None:
    raised, _ = with_second_factor(app, app.register(BOB))
    aal1 = aal1_session(app, raised)
    another = add_factor(app, raised).factor.factor_id

    with pytest.raises(InsufficientLevel):
        add_factor(app, aal1)
    with pytest.raises(InsufficientLevel):
        verify(app, aal1, another, app_code(app, aal1, another))

    verify(app, raised, another, app_code(app, raised, another))
    assert sum(factor.is_verified for factor in stored_user(app, raised).factors) == 2


def test_guests_cannot_have_factors(app: MailDeployment) -> None:
    guest = app.guests.admit(HOME)

    with pytest.raises(GuestsHaveNoFactors):
        add_factor(app, guest)
    with pytest.raises(GuestsHaveNoFactors):
        verify(app, guest, NO_FACTOR, "123456")
