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
def test_removing_a_factor_requires_it_and_lowers_its_sessions(post: MailDeployment) -> None:
    raised, factor_id = with_second_factor(post, post.register(BOB))
    aal1 = aal1_session(post, raised)
    with pytest.raises(InsufficientLevel):
        post.base.own_factors.unenrol(caller_of(post, aal1), factor_id)

    post.base.own_factors.unenrol(caller_of(post, raised), factor_id)

    assert stored_user(post, raised).factors == ()
    assert level_and_methods(post, raised) == ("aal1", ["password"])
    with pytest.raises(FactorNotFound):
        post.base.own_factors.unenrol(caller_of(post, raised), factor_id)
    assert post.base.sign_in.sign_in(by_email(BOB.email), HOME).user.user_id == raised.user.user_id


def test_removing_a_factor_keeps_sessions_of_another_factor(post: MailDeployment) -> None:
    raised, first = with_second_factor(post, post.register(BOB))
    _, second = with_second_factor(post, raised)
    other = post.base.second_factor.sign_in(start_sign_in(post), app_code(post, raised, first), HOME)

    post.base.own_factors.unenrol(caller_of(post, raised), first)

    assert (level_and_methods(post, raised)[0], level_and_methods(post, other)[0]) == ("aal2", "aal1")
    assert [factor.factor_id for factor in stored_user(post, raised).factors] == [second]


def test_any_session_can_remove_an_unverified_factor(post: MailDeployment) -> None:
    session = post.register(BOB)
    factor_id = add_factor(post, session).factor.factor_id

    post.base.own_factors.unenrol(caller_of(post, session), factor_id)

    assert stored_user(post, session).factors == ()


@pytest.mark.covers("207")
def test_an_administrator_can_rename_and_remove_factors(post: MailDeployment) -> None:
    raised, factor_id = with_second_factor(post, post.register(BOB))
    user_id = raised.user.user_id
    post.base.own_factors.replace_recovery_codes(caller_of(post, raised))

    assert post.base.factors.rename(user_id, factor_id, "phone").friendly_name == "phone"
    assert post.base.factors.remove(user_id, factor_id).factor_id == factor_id

    assert (stored_user(post, raised).factors, stored_user(post, raised).recovery_codes) == ((), ())
    assert level_and_methods(post, raised)[0] == "aal1"
    with pytest.raises(FactorNotFound):
        post.base.factors.remove(user_id, factor_id)
    with pytest.raises(NoSuchUser):
        post.base.factors.rename(NO_FACTOR, factor_id, "phone")


def test_a_session_has_no_second_factor_after_its_factor_was_removed_meanwhile(post: MailDeployment) -> None:
    """Whichever is first."""
    raised, factor_id = with_second_factor(post, post.register(BOB))
    aal1 = aal1_session(post, raised)
    code = app_code(post, aal1, factor_id)

    caller = caller_of(post, raised)
    verified, _ = at_once(
        [
            lambda: verify(post, aal1, factor_id, code),
            lambda: post.base.own_factors.unenrol(caller, factor_id),
        ]
    )

    assert stored_user(post, raised).factors == ()
    assert isinstance(verified, SignedIn | FactorNotFound | WrongCode)
    assert level_and_methods(post, aal1)[0] == "aal1"


# Factors that a stranger added before the address was verified


@pytest.mark.covers("108")
def test_verifying_the_address_removes_factors_of_a_stranger(post: MailDeployment) -> None:
    stranger, _ = with_second_factor(post, post.register(BOB))

    owner = post.code_sign_in.sign_in(BOB.email, post.mailed_code(), HOME).signed_in

    assert owner.user.factors == stored_user(post, stranger).factors == ()
    assert not session_works(post, stranger)


@pytest.mark.covers("108")
def test_resetting_the_password_removes_factors_of_a_stranger(post: MailDeployment) -> None:
    stranger, _ = with_second_factor(post, post.register(BOB))

    post.base.password_reset.reset(post.mailed_token(), PASSWORD, client=HOME, policy=PasswordPolicy())

    assert stored_user(post, stranger).factors == ()
    post.base.sign_in.sign_in(by_email(BOB.email), HOME)


def test_a_reset_of_a_verified_account_keeps_the_second_factor(post: MailDeployment) -> None:
    raised, _ = with_second_factor(post, post.register(BOB))
    post.verify_email(raised.user)

    post.base.password_reset.reset(post.mailed_token(), PASSWORD, client=HOME, policy=PasswordPolicy())

    assert stored_user(post, raised).has_second_factor
    start_sign_in(post)
