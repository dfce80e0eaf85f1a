"""gerbang.accounts.reauthentication: a code or the current password that a deployment requires for a new password."""

from contextlib import suppress
from functools import partial
from typing import Final

import pytest
from gerbang.accounts.password_change import WrongPassword
from gerbang.accounts.reauthentication import (
    FRESH_FOR,
    CurrentPasswordRequired,
    InvalidReauthenticationCode,
    ReauthenticationNeeded,
)
from gerbang.accounts.user_update import SamePassword, UserChanges
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.codes import CODE_LIFETIME
from gerbang.mail.jobs import MailKind
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import User

from tests.deployment import ABROAD, ALICE, BOB, HOME, MINUTE, PASSWORD, SECOND, Choices
from tests.fakes import at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.mail_deployment import MailDeployment, new_app
from tests.unit.mail_fakes import wrong_code

NEW: Final = "Another horse 2"
OTHER: Final = "A third horse 3"
WITH_CODE: Final = Choices(secure_password_change=True)
WITH_PASSWORD: Final = Choices(require_current_password=True)
WITH_BOTH: Final = Choices(secure_password_change=True, require_current_password=True)


def verified_bob(app: MailDeployment) -> SignedIn:
    """Bob, whose address is verified."""
    session = app.register(BOB)
    app.verify_email(session.user)
    return session


def old_session(app: MailDeployment) -> SignedIn:
    """Bob, in a session that is old."""
    session = verified_bob(app)
    app.base.clock.advance(FRESH_FOR + SECOND)
    return app.base.sessions.refresh(session.tokens.refresh_token)


def set_password(
    app: MailDeployment,
    session: SignedIn,
    password: str = NEW,
    *,
    code: str | None = None,
    current: str | None = None,
) -> User:
    caller = app.base.sessions.authenticate(session.tokens.access_token)
    changes = UserChanges(password=password, code=code, current_password=current)
    return app.base.user_update.update(caller, changes, HOME, PasswordPolicy())


def mailed_code(app: MailDeployment) -> str:
    return app.mailed_code(kind=MailKind.REAUTHENTICATION_CODE)


# A mailed code


@pytest.mark.parametrize("choices", [Choices(), WITH_CODE])
def test_a_recent_session_needs_no_code(app_in_memory: MailDeployment, choices: Choices) -> None:
    app = app_in_memory.with_choices(choices)
    session = verified_bob(app)
    app.base.clock.advance(FRESH_FOR - SECOND)
    session = app.base.sessions.refresh(session.tokens.refresh_token)

    set_password(app, session)

    assert password_works(app, NEW)


def test_an_old_session_needs_no_code_by_default(app_in_memory: MailDeployment) -> None:
    set_password(app_in_memory, old_session(app_in_memory))

    assert password_works(app_in_memory, NEW)


def test_an_old_session_needs_a_code_which_works_once(app: MailDeployment) -> None:
    app = app.with_choices(WITH_CODE)
    session = old_session(app)
    with pytest.raises(ReauthenticationNeeded):
        set_password(app, session)
    code = mailed_code(app)

    set_password(app, session, code=code)

    assert password_works(app, NEW)
    assert session_works(app, session)
    with pytest.raises(InvalidReauthenticationCode):
        set_password(app, session, OTHER, code=code)
    assert password_works(app, NEW)


def test_other_changes_need_no_code(app_in_memory: MailDeployment) -> None:
    app = app_in_memory.with_choices(WITH_BOTH)
    session = old_session(app)
    caller = app.base.sessions.authenticate(session.tokens.access_token)

    user = app.base.user_update.update(caller, UserChanges(metadata={"a": 1}), HOME, PasswordPolicy())

    assert user.user_metadata == {"a": 1}


@pytest.mark.parametrize("code", ["12345", "1234567", "12345x", "١٢٣٤٥٦"])
def test_a_malformed_code_is_invalid(app_in_memory: MailDeployment, code: str) -> None:
    app = app_in_memory.with_choices(WITH_CODE)

    with pytest.raises(InvalidReauthenticationCode):
        set_password(app, old_session(app), code=code)


@pytest.mark.parametrize("kind", [MailKind.SIGN_IN_CODE, MailKind.RECOVERY_CODE])
def test_a_code_of_another_kind_is_invalid(app_in_memory: MailDeployment, kind: MailKind) -> None:
    app = app_in_memory.with_choices(WITH_CODE)
    session = old_session(app)

    with pytest.raises(InvalidReauthenticationCode):
        set_password(app, session, code=app.mailed_code(kind=kind))


def test_a_code_expires(app_in_memory: MailDeployment) -> None:
    app = app_in_memory.with_choices(WITH_CODE)
    session = old_session(app)
    code = mailed_code(app)
    app.base.clock.advance(CODE_LIFETIME)

    with pytest.raises(InvalidReauthenticationCode):
        set_password(app, session, code=code)


def test_a_code_of_another_account_is_invalid(app_in_memory: MailDeployment) -> None:
    app = app_in_memory.with_choices(WITH_CODE)
    session = old_session(app)
    app.verify_email(app.register(ALICE).user)

    with pytest.raises(InvalidReauthenticationCode):
        set_password(app, session, code=app.mailed_code(email=ALICE.email, kind=MailKind.REAUTHENTICATION_CODE))


def test_wrong_codes_count_together_with_sign_in_codes(app: MailDeployment) -> None:
    app = app.with_choices(WITH_CODE)
    session = old_session(app)
    code = mailed_code(app)

    for _ in range(5):
        with pytest.raises(InvalidReauthenticationCode):
            set_password(app, session, code=wrong_code(code))

    with pytest.raises(TooManyAttempts) as error:
        set_password(app, session, code=code)
    assert error.value.limit == "code_tries"
    with pytest.raises(TooManyAttempts):
        app.mail_service.request_reauthentication(BOB.email, None, HOME.address)


def test_one_of_two_concurrent_changes_with_the_same_code_succeeds(app: MailDeployment) -> None:
    app = app.with_choices(WITH_CODE)
    session = old_session(app)
    code = mailed_code(app)

    outcomes = at_once([partial(set_password, app, session, each, code=code) for each in (NEW, OTHER)])

    assert sum(isinstance(outcome, User) for outcome in outcomes) == 1
    assert password_works(app, NEW) != password_works(app, OTHER)


def test_the_same_request_sent_twice_concurrently_succeeds_twice(app: MailDeployment) -> None:
    app = app.with_choices(WITH_CODE)
    session = old_session(app)
    code = mailed_code(app)

    outcomes = at_once([partial(set_password, app, session, code=code)] * 2)

    assert all(isinstance(outcome, User | SamePassword) for outcome in outcomes)
    assert password_works(app, NEW)


# The current password


def test_the_current_password_is_required_and_compared(app: MailDeployment) -> None:
    app = app.with_choices(WITH_PASSWORD)
    session = verified_bob(app)

    with pytest.raises(CurrentPasswordRequired):
        set_password(app, session)
    with pytest.raises(WrongPassword):
        set_password(app, session, current=OTHER)
    set_password(app, session, current=PASSWORD)

    assert password_works(app, NEW)


def test_the_new_password_does_not_reveal_the_current_one(app_in_memory: MailDeployment) -> None:
    app = app_in_memory.with_choices(WITH_PASSWORD)
    session = verified_bob(app)

    with pytest.raises(CurrentPasswordRequired):
        set_password(app, session, PASSWORD)
    with pytest.raises(WrongPassword):
        set_password(app, session, PASSWORD, current=OTHER)
    with pytest.raises(SamePassword):
        set_password(app, session, PASSWORD, current=PASSWORD)


def test_wrong_passwords_count_as_attempts_to_sign_in(app: MailDeployment) -> None:
    app = app.with_choices(WITH_PASSWORD)
    session = verified_bob(app)

    for _ in range(10):
        with pytest.raises(WrongPassword):
            set_password(app, session, current=OTHER)

    with pytest.raises(TooManyAttempts):
        set_password(app, session, current=PASSWORD)
    with pytest.raises(TooManyAttempts):
        password_works(app, PASSWORD, HOME)


def test_a_session_opened_with_a_code_needs_no_current_password(app: MailDeployment) -> None:
    app = app.with_choices(WITH_PASSWORD)
    verified_bob(app)
    session = app.code_sign_in.sign_in(BOB.email, app.mailed_code(), ABROAD).signed_in

    set_password(app, session)

    assert password_works(app, NEW)


def test_an_account_without_a_password_needs_no_current_password(app_in_memory: MailDeployment) -> None:
    app = app_in_memory.with_choices(WITH_PASSWORD)
    session = app.guests.admit(HOME)
    caller = app.base.sessions.authenticate(session.tokens.access_token)
    app = app.with_choices(Choices(require_current_password=True, autoconfirm=True))
    changes = UserChanges(email=BOB.email, password=NEW)

    app.base.user_update.update(caller, changes, HOME, PasswordPolicy())

    assert password_works(app, NEW)


# Requests that are repeated


@pytest.mark.parametrize("choices", [WITH_CODE, WITH_PASSWORD, WITH_BOTH])
def test_a_repeated_request_is_answered_as_done(app: MailDeployment, choices: Choices) -> None:
    app = app.with_choices(choices)
    session = old_session(app)
    code = mailed_code(app)
    set_password(app, session, code=code, current=PASSWORD)

    with pytest.raises(SamePassword):
        set_password(app, session, code=code, current=PASSWORD)

    app.base.clock.advance(11 * MINUTE)
    with pytest.raises((InvalidReauthenticationCode, WrongPassword)):
        set_password(app, session, code=code, current=PASSWORD)


def test_when_any_call_fails_the_request_can_be_repeated() -> None:
    def scenario() -> Scenario:
        app = new_app().with_choices(WITH_BOTH)
        session = old_session(app)
        code = mailed_code(app)
        return Scenario(app, lambda here: set_password(here, session, code=code, current=PASSWORD))

    for run in faulty_runs(scenario):
        if run.failure is not None:
            assert isinstance(run.failure, DependencyUnavailable)
            with suppress(SamePassword):
                run.scenario.act(run.deployment)
        assert password_works(run.deployment, NEW)
        assert not password_works(run.deployment)
