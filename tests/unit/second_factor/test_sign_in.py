"""Signing in with a second factor."""

from typing import NoReturn

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.second_factor import WrongCode
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.claims_function import ClaimsUnavailable
from gerbang.sessions.first_factor import InvalidFirstFactorToken, SecondFactorRequired
from gerbang.sessions.sessions import SignedIn

from tests.deployment import ALICE, BOB, HOME, MINUTE, SECOND, by_email
from tests.fakes import PassingStore
from tests.unit.access import session_works
from tests.unit.jwt_parts import claims_of
from tests.unit.mail_deployment import MailDeployment
from tests.unit.second_factor.steps import (
    GOOGLE,
    STEP,
    app_code,
    caller_of,
    level_and_methods,
    start_sign_in,
    stored_user,
    verify,
    with_second_factor,
)


@pytest.mark.covers("209")
def test_a_sign_in_requires_the_second_factor(app: MailDeployment) -> None:
    raised, factor_id = with_second_factor(app, app.register(BOB))
    mfa_token, first_factor_at = start_sign_in(app), app.base.clock()
    app.base.clock.advance(MINUTE)

    signed_in = app.base.second_factor.sign_in(mfa_token, app_code(app, raised, factor_id), HOME)

    assert level_and_methods(app, signed_in) == ("aal2", ["password", "totp"])
    assert [each.at for each in caller_of(app, signed_in).family.amr] == [first_factor_at, app.base.clock()]
    assert session_works(app, raised)


@pytest.mark.parametrize("occasion", ["raising a session", "completing a sign-in"])
def test_a_failure_of_the_claims_function_does_not_use_up_the_code(app: MailDeployment, occasion: str) -> None:
    raised, factor_id = with_second_factor(app, app.register(BOB))
    code = app_code(app, raised, factor_id)
    mfa_token = start_sign_in(app)

    def fail(*_: object) -> NoReturn:
        raise ClaimsUnavailable("answered no JSON")

    def use_code(here: MailDeployment) -> SignedIn:
        if occasion == "raising a session":
            return verify(here, raised, factor_id, code)
        return here.base.second_factor.sign_in(mfa_token, code, HOME)

    for _ in range(6):  # not counted as wrong codes
        with pytest.raises(ClaimsUnavailable):
            use_code(app.with_parts(extra_claims=fail))
    claims = {"plan": "gold"}
    signed_in = use_code(app.with_parts(extra_claims=lambda *_: claims))

    assert claims_of(signed_in.tokens.access_token).items() >= claims.items()


@pytest.mark.covers("209")
def test_a_mailed_code_and_google_require_the_second_factor_too(app: MailDeployment) -> None:
    raised, factor_id = with_second_factor(app, app.register(BOB))
    app.verify_email(raised.user)
    mailed = app.mailed_code()

    with pytest.raises(SecondFactorRequired) as by_code:
        app.code_sign_in.sign_in(BOB.email, mailed, HOME)
    signed_in = app.base.second_factor.sign_in(by_code.value.mfa_token, app_code(app, raised, factor_id), HOME)
    assert level_and_methods(app, signed_in) == ("aal2", ["otp", "totp"])
    for number in range(2):  # linked, and linked already
        app.base.clock.advance(STEP)
        with pytest.raises(SecondFactorRequired) as by_google:
            app.google.sign_in(GOOGLE, HOME)
        token, code = by_google.value.mfa_token, app_code(app, raised, factor_id)
        assert level_and_methods(app, app.base.second_factor.sign_in(token, code, HOME)) == (
            "aal2",
            ["oauth", "totp"],
        ), number


def test_a_mailed_code_is_used_up_before_the_second_factor(app: MailDeployment) -> None:
    raised, _ = with_second_factor(app, app.register(BOB))
    app.verify_email(raised.user)
    mailed = app.mailed_code()

    with pytest.raises(SecondFactorRequired):
        app.code_sign_in.sign_in(BOB.email, mailed, HOME)
    with pytest.raises(InvalidCode):
        app.code_sign_in.sign_in(BOB.email, mailed, HOME)


@pytest.mark.covers("209")
def test_supabase_endpoints_open_a_session_with_one_factor(app: MailDeployment) -> None:
    raised, _ = with_second_factor(app, app.register(BOB))
    app.verify_email(raised.user)

    signed_in = app.base.supabase_password_sign_in.sign_in(by_email(BOB.email), HOME)

    assert level_and_methods(app, signed_in) == ("aal1", ["password"])


@pytest.mark.covers("211")
def test_an_mfa_token_expires_and_cannot_be_forged(app: MailDeployment) -> None:
    raised, factor_id = with_second_factor(app, app.register(BOB))
    token = start_sign_in(app)

    def complete(mfa_token: str) -> SignedIn:
        return app.base.second_factor.sign_in(mfa_token, app_code(app, raised, factor_id), HOME)

    for wrong in ("", "x", token[:-1], f"x{token}", token + "0", raised.tokens.access_token, "\u00e9.00", "x" * 9999):
        with pytest.raises(InvalidFirstFactorToken):
            complete(wrong)
    app.base.clock.advance(5 * MINUTE - SECOND)
    complete(token)
    app.base.clock.advance(SECOND)
    with pytest.raises(InvalidFirstFactorToken):
        complete(token)


@pytest.mark.covers("211")
def test_a_new_password_or_disabling_invalidates_the_mfa_token(app: MailDeployment) -> None:
    raised, factor_id = with_second_factor(app, app.register(BOB))
    token = start_sign_in(app)
    app.verify_email(raised.user)
    app.base.password_reset.reset(app.mailed_token(), "Battery-staple-43", client=HOME, policy=PasswordPolicy())
    with pytest.raises(InvalidFirstFactorToken):
        app.base.second_factor.sign_in(token, app_code(app, raised, factor_id), HOME)

    with pytest.raises(SecondFactorRequired) as caught:
        app.base.sign_in.sign_in(by_email(BOB.email, "Battery-staple-43"), HOME)
    app.disable(stored_user(app, raised))
    with pytest.raises(InvalidFirstFactorToken):
        app.base.second_factor.sign_in(caught.value.mfa_token, app_code(app, raised, factor_id), HOME)


@pytest.mark.covers("27")
def test_only_a_right_password_reveals_a_second_factor(app: MailDeployment, hashes: list[int]) -> None:
    with_second_factor(app, app.register(BOB))
    app.register(ALICE)
    answers: list[tuple[str, str, int]] = []
    for email in (BOB.email, ALICE.email, "unknown@example.com"):
        hashes.clear()
        with pytest.raises(InvalidCredentials) as wrong:
            app.base.sign_in.sign_in(by_email(email, "wrong"), HOME)
        answers.append((type(wrong.value).__name__, wrong.value.code, len(hashes)))

    assert len(set(answers)) == 1


@pytest.mark.covers("28")
def test_every_wrong_code_makes_the_same_number_of_calls(app_in_memory: MailDeployment) -> None:
    """A used code and a wrong one."""
    raised, factor_id = with_second_factor(app_in_memory, app_in_memory.register(BOB))
    used, token = app_code(app_in_memory, raised, factor_id), start_sign_in(app_in_memory)
    app_in_memory.base.second_factor.sign_in(token, used, HOME)
    costs: set[int] = set()
    for wrong in (used, "000000"):
        watched = PassingStore(app_in_memory.base.store)
        with pytest.raises(WrongCode):
            app_in_memory.on(watched).base.second_factor.sign_in(token, wrong, HOME)
        costs.add(len(watched.calls))

    assert len(costs) == 1
