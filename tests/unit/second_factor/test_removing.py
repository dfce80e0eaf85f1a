"""Removing a second factor: by its user, an administrator, or the owner of the address."""

import pytest
from gerbang.accounts.factors import FactorNotFound
from gerbang.accounts.second_factor import WrongCode
from gerbang.accounts.user_edit import NoSuchUser
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.assurance import InsufficientLevel
from gerbang.sessions.sessions import SignedIn

from tests.deployment import BOB, HOME, PASSWORD, by_email
from tests.fakes import at_once
from tests.unit.access import session_works
from tests.unit.mail_deployment import MailDeployment
from tests.unit.second_factor.steps import (
    NO_FACTOR,
    aal1_session,
    add_factor,
    app_code,
    caller_of,
    level_and_methods,
    start_sign_in,
    stored_user,
    verify,
    with_second_factor,
)


@pytest.mark.covers("207", "208")
def test_removing_a_factor_requires_it_and_lowers_its_sessions(app: MailDeployment) -> None:
    raised, factor_id = with_second_factor(app, app.register(BOB))
    aal1 = aal1_session(app, raised)
    with pytest.raises(InsufficientLevel):
        app.base.own_factors.unenrol(caller_of(app, aal1), factor_id)

    app.base.own_factors.unenrol(caller_of(app, raised), factor_id)

    assert stored_user(app, raised).factors == ()
    assert level_and_methods(app, raised) == ("aal1", ["password"])
    with pytest.raises(FactorNotFound):
        app.base.own_factors.unenrol(caller_of(app, raised), factor_id)
    assert app.base.sign_in.sign_in(by_email(BOB.email), HOME).user.user_id == raised.user.user_id


def test_removing_a_factor_keeps_sessions_of_another_factor(app: MailDeployment) -> None:
    raised, first = with_second_factor(app, app.register(BOB))
    _, second = with_second_factor(app, raised)
    other = app.base.second_factor.sign_in(start_sign_in(app), app_code(app, raised, first), HOME)

    app.base.own_factors.unenrol(caller_of(app, raised), first)

    assert (level_and_methods(app, raised)[0], level_and_methods(app, other)[0]) == ("aal2", "aal1")
    assert [factor.factor_id for factor in stored_user(app, raised).factors] == [second]


def test_any_session_can_remove_an_unverified_factor(app: MailDeployment) -> None:
    session = app.register(BOB)
    factor_id = add_factor(app, session).factor.factor_id

    app.base.own_factors.unenrol(caller_of(app, session), factor_id)

    assert stored_user(app, session).factors == ()


@pytest.mark.covers("207")
def test_an_administrator_can_rename_and_remove_factors(app: MailDeployment) -> None:
    raised, factor_id = with_second_factor(app, app.register(BOB))
    user_id = raised.user.user_id
    app.base.own_factors.replace_recovery_codes(caller_of(app, raised))

    assert app.base.factors.rename(user_id, factor_id, "phone").friendly_name == "phone"
    assert app.base.factors.remove(user_id, factor_id).factor_id == factor_id

    assert (stored_user(app, raised).factors, stored_user(app, raised).recovery_codes) == ((), ())
    assert level_and_methods(app, raised)[0] == "aal1"
    with pytest.raises(FactorNotFound):
        app.base.factors.remove(user_id, factor_id)
    with pytest.raises(NoSuchUser):
        app.base.factors.rename(NO_FACTOR, factor_id, "phone")


def test_a_session_has_no_second_factor_after_its_factor_was_removed_meanwhile(app: MailDeployment) -> None:
    """Whichever is first."""
    raised, factor_id = with_second_factor(app, app.register(BOB))
    aal1 = aal1_session(app, raised)
    code = app_code(app, aal1, factor_id)

    caller = caller_of(app, raised)
    verified, _ = at_once(
        [
            lambda: verify(app, aal1, factor_id, code),
            lambda: app.base.own_factors.unenrol(caller, factor_id),
        ]
    )

    assert stored_user(app, raised).factors == ()
    assert isinstance(verified, SignedIn | FactorNotFound | WrongCode)
    assert level_and_methods(app, aal1)[0] == "aal1"


# Factors that a stranger added before the address was verified


@pytest.mark.covers("108")
def test_verifying_the_address_removes_factors_of_a_stranger(app: MailDeployment) -> None:
    stranger, _ = with_second_factor(app, app.register(BOB))

    owner = app.code_sign_in.sign_in(BOB.email, app.mailed_code(), HOME).signed_in

    assert owner.user.factors == stored_user(app, stranger).factors == ()
    assert not session_works(app, stranger)


@pytest.mark.covers("108")
def test_resetting_the_password_removes_factors_of_a_stranger(app: MailDeployment) -> None:
    stranger, _ = with_second_factor(app, app.register(BOB))

    app.base.password_reset.reset(app.mailed_token(), PASSWORD, client=HOME, policy=PasswordPolicy())

    assert stored_user(app, stranger).factors == ()
    app.base.sign_in.sign_in(by_email(BOB.email), HOME)


def test_a_reset_of_a_verified_account_keeps_the_second_factor(app: MailDeployment) -> None:
    raised, _ = with_second_factor(app, app.register(BOB))
    app.verify_email(raised.user)

    app.base.password_reset.reset(app.mailed_token(), PASSWORD, client=HOME, policy=PasswordPolicy())

    assert stored_user(app, raised).has_second_factor
    start_sign_in(app)
