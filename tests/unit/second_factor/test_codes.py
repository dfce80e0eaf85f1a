"""Codes of an authenticator app, challenges, and recovery codes."""

from collections import Counter
from functools import partial

import pytest
from gerbang.accounts.challenges import ChallengeExpired, ChallengeNotFound
from gerbang.accounts.factors import FactorNotFound
from gerbang.accounts.own_factors import NoSecondFactor
from gerbang.accounts.second_factor import WrongCode
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.sessions.assurance import InsufficientLevel
from gerbang.sessions.sessions import Authenticated, SignedIn

from tests.deployment import ABROAD, ALICE, BOB, HOME
from tests.fakes import at_once
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


@pytest.mark.covers("202")
def test_a_code_works_once_across_all_sessions(app: MailDeployment) -> None:
    raised, factor_id = with_second_factor(app, app.register(BOB))
    code = app_code(app, raised, factor_id)
    verify(app, raised, factor_id, code)

    with pytest.raises(WrongCode):
        verify(app, raised, factor_id, code)
    with pytest.raises(WrongCode):
        app.base.second_factor.sign_in(start_sign_in(app), code, HOME)
    with pytest.raises(WrongCode):  # an earlier code that has not expired
        verify(app, raised, factor_id, app_code(app, raised, factor_id, -1))

    verify(app, raised, factor_id, app_code(app, raised, factor_id, 1))


@pytest.mark.covers("F14", "202")
def test_one_of_many_concurrent_sign_ins_with_the_same_code_succeeds(app: MailDeployment) -> None:
    raised, factor_id = with_second_factor(app, app.register(BOB))
    code, tokens = app_code(app, raised, factor_id), [start_sign_in(app) for _ in range(4)]

    outcomes = at_once([partial(app.base.second_factor.sign_in, each, code, HOME) for each in tokens])

    assert Counter(type(outcome) for outcome in outcomes) == {SignedIn: 1, WrongCode: 3}


@pytest.mark.covers("202")
def test_one_of_many_concurrent_verifications_raises_the_session(app: MailDeployment) -> None:
    session = app.register(BOB)
    factor_id = add_factor(app, session).factor.factor_id
    code = app_code(app, session, factor_id)

    outcomes = at_once([partial(verify, app, session, factor_id, code)] * 3)

    assert Counter(type(outcome) for outcome in outcomes) == {SignedIn: 1, WrongCode: 2}
    assert level_and_methods(app, app.base.sessions.refresh(session.tokens.refresh_token))[0] == "aal2"


@pytest.mark.parametrize("code", ["000000", "12345", "1234567", "", " 123456", "abcdef", "\u0661\u0662\u0663456"])
def test_a_wrong_or_malformed_code_is_rejected(app_in_memory: MailDeployment, code: str) -> None:
    raised, factor_id = with_second_factor(app_in_memory, app_in_memory.register(BOB))

    with pytest.raises(WrongCode):
        verify(app_in_memory, raised, factor_id, code)


def test_a_code_of_another_account_is_rejected(app: MailDeployment) -> None:
    bob, factor_id = with_second_factor(app, app.register(BOB))
    alice, another = with_second_factor(app, app.register(ALICE))

    with pytest.raises(FactorNotFound):
        verify(app, bob, another, app_code(app, alice, another))
    with pytest.raises(WrongCode):
        verify(app, bob, factor_id, app_code(app, alice, another))


@pytest.mark.covers("42", "43", "206")
def test_wrong_codes_are_counted_across_challenges_and_sign_ins(app: MailDeployment) -> None:
    raised, factor_id = with_second_factor(app, app.register(BOB))
    for _ in range(3):
        with pytest.raises(WrongCode):
            verify(app, raised, factor_id, "000000")
    for _ in range(2):
        with pytest.raises(WrongCode):
            app.base.second_factor.sign_in(start_sign_in(app), "000000", ABROAD)

    with pytest.raises(TooManyAttempts) as caught:
        verify(app, raised, factor_id, app_code(app, raised, factor_id))
    assert caught.value.limit == "code_tries"

    app.base.clock.advance(caught.value.wait)
    raised = app.base.sessions.refresh(raised.tokens.refresh_token)
    verify(app, raised, factor_id, app_code(app, raised, factor_id))
    for _ in range(4):  # the right code has reset the count
        with pytest.raises(WrongCode):
            verify(app, raised, factor_id, "000000")


def test_a_challenge_is_for_one_session_and_five_minutes(app: MailDeployment) -> None:
    raised, factor_id = with_second_factor(app, app.register(BOB))
    caller, other = (
        caller_of(app, raised),
        caller_of(app, app.base.sessions.open(stored_user(app, raised), HOME, "otp")),
    )
    challenge = app.base.own_factors.challenge(caller, factor_id)

    def use_challenge(by: Authenticated, challenge_id: str) -> SignedIn:
        code = app_code(app, raised, factor_id)
        return app.base.second_factor.verify(by, factor_id, challenge_id=challenge_id, code=code, client=HOME)

    for by, challenge_id in ((other, challenge.challenge_id), (caller, NO_FACTOR), (caller, "x")):
        with pytest.raises(ChallengeNotFound):
            use_challenge(by, challenge_id)
    app.base.clock.advance(challenge.expires_at - app.base.clock())
    with pytest.raises(ChallengeExpired):
        use_challenge(caller, challenge.challenge_id)


# Recovery codes


@pytest.mark.covers("202")
def test_a_recovery_code_replaces_the_app_once(app: MailDeployment) -> None:
    raised, factor_id = with_second_factor(app, app.register(BOB))
    first, second, *_ = app.base.own_factors.replace_recovery_codes(caller_of(app, raised))

    back = app.base.second_factor.sign_in(start_sign_in(app), first.upper(), ABROAD)
    assert level_and_methods(app, back) == ("aal2", ["password", "recovery_code"])
    with pytest.raises(WrongCode):
        app.base.second_factor.sign_in(start_sign_in(app), first, ABROAD)
    verify(app, back, factor_id, second)

    app.base.own_factors.unenrol(caller_of(app, back), factor_id)  # of the lost device
    assert stored_user(app, back).recovery_codes == ()
    with_second_factor(app, back, "new device")


def test_new_recovery_codes_replace_the_old_ones(app: MailDeployment) -> None:
    raised, _ = with_second_factor(app, app.register(BOB))
    old, *_ = app.base.own_factors.replace_recovery_codes(caller_of(app, raised))
    new, *_ = app.base.own_factors.replace_recovery_codes(caller_of(app, raised))

    with pytest.raises(WrongCode):
        app.base.second_factor.sign_in(start_sign_in(app), old, HOME)
    app.base.second_factor.sign_in(start_sign_in(app), new, HOME)


def test_recovery_codes_require_a_session_with_the_second_factor(app: MailDeployment) -> None:
    session = app.register(BOB)
    with pytest.raises(NoSecondFactor):
        app.base.own_factors.replace_recovery_codes(caller_of(app, session))

    raised, _ = with_second_factor(app, session)
    aal1 = aal1_session(app, raised)
    with pytest.raises(InsufficientLevel):
        app.base.own_factors.replace_recovery_codes(caller_of(app, aal1))


def test_recovery_codes_work_when_the_tries_are_used_up(app: MailDeployment) -> None:
    raised, _ = with_second_factor(app, app.register(BOB))
    recovery, *_ = app.base.own_factors.replace_recovery_codes(caller_of(app, raised))
    token = start_sign_in(app)
    for _ in range(5):
        with pytest.raises(WrongCode):
            app.base.second_factor.sign_in(token, "000000", ABROAD)
    with pytest.raises(TooManyAttempts):
        app.base.second_factor.sign_in(token, "000000", ABROAD)

    app.base.second_factor.sign_in(token, recovery, HOME)
