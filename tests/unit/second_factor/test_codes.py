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
def test_a_code_works_once_across_all_sessions(post: MailDeployment) -> None:
    raised, factor_id = with_second_factor(post, post.register(BOB))
    code = app_code(post, raised, factor_id)
    verify(post, raised, factor_id, code)

    with pytest.raises(WrongCode):
        verify(post, raised, factor_id, code)
    with pytest.raises(WrongCode):
        post.base.second_factor.sign_in(start_sign_in(post), code, HOME)
    with pytest.raises(WrongCode):  # an earlier code that has not expired
        verify(post, raised, factor_id, app_code(post, raised, factor_id, -1))

    verify(post, raised, factor_id, app_code(post, raised, factor_id, 1))


@pytest.mark.covers("F14", "202")
def test_one_of_many_concurrent_sign_ins_with_the_same_code_succeeds(post: MailDeployment) -> None:
    raised, factor_id = with_second_factor(post, post.register(BOB))
    code, tokens = app_code(post, raised, factor_id), [start_sign_in(post) for _ in range(4)]

    outcomes = at_once([partial(post.base.second_factor.sign_in, each, code, HOME) for each in tokens])

    assert Counter(type(outcome) for outcome in outcomes) == {SignedIn: 1, WrongCode: 3}


@pytest.mark.covers("202")
def test_one_of_many_concurrent_verifications_raises_the_session(post: MailDeployment) -> None:
    session = post.register(BOB)
    factor_id = add_factor(post, session).factor.factor_id
    code = app_code(post, session, factor_id)

    outcomes = at_once([partial(verify, post, session, factor_id, code)] * 3)

    assert Counter(type(outcome) for outcome in outcomes) == {SignedIn: 1, WrongCode: 2}
    assert level_and_methods(post, post.base.sessions.refresh(session.tokens.refresh_token))[0] == "aal2"


@pytest.mark.parametrize("code", ["000000", "12345", "1234567", "", " 123456", "abcdef", "\u0661\u0662\u0663456"])
def test_a_wrong_or_malformed_code_is_rejected(post_in_memory: MailDeployment, code: str) -> None:
    raised, factor_id = with_second_factor(post_in_memory, post_in_memory.register(BOB))

    with pytest.raises(WrongCode):
        verify(post_in_memory, raised, factor_id, code)


def test_a_code_of_another_account_is_rejected(post: MailDeployment) -> None:
    bob, factor_id = with_second_factor(post, post.register(BOB))
    alice, another = with_second_factor(post, post.register(ALICE))

    with pytest.raises(FactorNotFound):
        verify(post, bob, another, app_code(post, alice, another))
    with pytest.raises(WrongCode):
        verify(post, bob, factor_id, app_code(post, alice, another))


@pytest.mark.covers("42", "43", "206")
def test_wrong_codes_are_counted_across_challenges_and_sign_ins(post: MailDeployment) -> None:
    raised, factor_id = with_second_factor(post, post.register(BOB))
    for _ in range(3):
        with pytest.raises(WrongCode):
            verify(post, raised, factor_id, "000000")
    for _ in range(2):
        with pytest.raises(WrongCode):
            post.base.second_factor.sign_in(start_sign_in(post), "000000", ABROAD)

    with pytest.raises(TooManyAttempts) as caught:
        verify(post, raised, factor_id, app_code(post, raised, factor_id))
    assert caught.value.limit == "code_tries"

    post.base.clock.advance(caught.value.wait)
    raised = post.base.sessions.refresh(raised.tokens.refresh_token)
    verify(post, raised, factor_id, app_code(post, raised, factor_id))
    for _ in range(4):  # the right code has reset the count
        with pytest.raises(WrongCode):
            verify(post, raised, factor_id, "000000")


def test_a_challenge_is_for_one_session_and_five_minutes(post: MailDeployment) -> None:
    raised, factor_id = with_second_factor(post, post.register(BOB))
    caller, other = (
        caller_of(post, raised),
        caller_of(post, post.base.sessions.open(stored_user(post, raised), HOME, "otp")),
    )
    challenge = post.base.own_factors.challenge(caller, factor_id)

    def use_challenge(by: Authenticated, challenge_id: str) -> SignedIn:
        code = app_code(post, raised, factor_id)
        return post.base.second_factor.verify(by, factor_id, challenge_id=challenge_id, code=code, client=HOME)

    for by, challenge_id in ((other, challenge.challenge_id), (caller, NO_FACTOR), (caller, "x")):
        with pytest.raises(ChallengeNotFound):
            use_challenge(by, challenge_id)
    post.base.clock.advance(challenge.expires_at - post.base.clock())
    with pytest.raises(ChallengeExpired):
        use_challenge(caller, challenge.challenge_id)


# Recovery codes


@pytest.mark.covers("202")
def test_a_recovery_code_replaces_the_app_once(post: MailDeployment) -> None:
    raised, factor_id = with_second_factor(post, post.register(BOB))
    first, second, *_ = post.base.own_factors.replace_recovery_codes(caller_of(post, raised))

    back = post.base.second_factor.sign_in(start_sign_in(post), first.upper(), ABROAD)
    assert level_and_methods(post, back) == ("aal2", ["password", "recovery_code"])
    with pytest.raises(WrongCode):
        post.base.second_factor.sign_in(start_sign_in(post), first, ABROAD)
    verify(post, back, factor_id, second)

    post.base.own_factors.unenrol(caller_of(post, back), factor_id)  # of the lost device
    assert stored_user(post, back).recovery_codes == ()
    with_second_factor(post, back, "new device")


def test_new_recovery_codes_replace_the_old_ones(post: MailDeployment) -> None:
    raised, _ = with_second_factor(post, post.register(BOB))
    old, *_ = post.base.own_factors.replace_recovery_codes(caller_of(post, raised))
    new, *_ = post.base.own_factors.replace_recovery_codes(caller_of(post, raised))

    with pytest.raises(WrongCode):
        post.base.second_factor.sign_in(start_sign_in(post), old, HOME)
    post.base.second_factor.sign_in(start_sign_in(post), new, HOME)


def test_recovery_codes_require_a_session_with_the_second_factor(post: MailDeployment) -> None:
    session = post.register(BOB)
    with pytest.raises(NoSecondFactor):
        post.base.own_factors.replace_recovery_codes(caller_of(post, session))

    raised, _ = with_second_factor(post, session)
    aal1 = aal1_session(post, raised)
    with pytest.raises(InsufficientLevel):
        post.base.own_factors.replace_recovery_codes(caller_of(post, aal1))


def test_recovery_codes_work_when_the_tries_are_used_up(post: MailDeployment) -> None:
    raised, _ = with_second_factor(post, post.register(BOB))
    recovery, *_ = post.base.own_factors.replace_recovery_codes(caller_of(post, raised))
    token = start_sign_in(post)
    for _ in range(5):
        with pytest.raises(WrongCode):
            post.base.second_factor.sign_in(token, "000000", ABROAD)
    with pytest.raises(TooManyAttempts):
        post.base.second_factor.sign_in(token, "000000", ABROAD)

    post.base.second_factor.sign_in(token, recovery, HOME)
