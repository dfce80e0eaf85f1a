"""gerbang.accounts.factors, own_factors and second_factor."""

from collections import Counter
from copy import replace
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Final, NoReturn

import pytest
from gerbang.accounts import totp
from gerbang.accounts.challenges import ChallengeExpired, ChallengeNotFound
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.factors import FactorNameTaken, FactorNotFound, GuestsHaveNoFactors
from gerbang.accounts.identity_sign_in import VerifiedIdentity
from gerbang.accounts.own_factors import Enrolled, NoSecondFactor, TooManyFactors
from gerbang.accounts.second_factor import WrongCode
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.accounts.user_edit import NoSuchUser
from gerbang.accounts.user_update import UserChanges
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.assurance import InsufficientLevel, SecondFactorPolicy
from gerbang.sessions.claims_function import ClaimsUnavailable
from gerbang.sessions.first_factor import InvalidFirstFactorToken, SecondFactorRequired
from gerbang.sessions.sessions import Authenticated, SignedIn
from gerbang.storage.accounts import User

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME, MINUTE, PASSWORD, SECOND, Choices, by_email
from tests.fakes import PassingStore, at_once
from tests.unit.access import is_alive
from tests.unit.jwt_parts import claims_of
from tests.unit.mail_fakes import MailDeployment, is_nowhere
from tests.unit.sweep import environment
from tests.unit.teams import request

STEP: Final = timedelta(seconds=totp.STEP_SECONDS)
NO_FACTOR: Final = "0e1d6f52-3a43-4f0e-9d0c-6a1d2b3c4d5e"
GOOGLE: Final = VerifiedIdentity(provider="google", subject="1001", email=BOB.email, name="Bob")


def caller_of(post: MailDeployment, session: SignedIn) -> Authenticated:
    return post.base.sessions.authenticate(session.tokens.access_token)


def add_factor(post: MailDeployment, session: SignedIn, name: str = "") -> Enrolled:
    return post.base.own_factors.enrol(caller_of(post, session), name=name, issuer="Toko")


def app_code(post: MailDeployment, session: SignedIn, factor_id: str, steps: int = 0) -> str:
    """The code that the user's app shows now, or in a number of steps."""
    secret = totp.secret_of(post.base.keys, session.user.user_id, factor_id)
    return totp.code_of(secret, totp.step_at(post.base.clock()) + steps)


def verify(post: MailDeployment, session: SignedIn, factor_id: str, code: str) -> SignedIn:
    caller = caller_of(post, session)
    challenge = post.base.own_factors.challenge(caller, factor_id)
    second_factor = post.base.second_factor
    return second_factor.verify(caller, factor_id, challenge_id=challenge.challenge_id, code=code, client=HOME)


def with_second_factor(post: MailDeployment, session: SignedIn, name: str = "") -> tuple[SignedIn, str]:
    """Add a factor and verify it; return the raised session and the factor's id. The next app code is unused."""
    factor_id = add_factor(post, session, name).factor.factor_id
    raised = verify(post, session, factor_id, app_code(post, session, factor_id))
    post.base.clock.advance(STEP)
    return raised, factor_id


def start_sign_in(post: MailDeployment, email: str = BOB.email) -> str:
    """Sign in with the password; return the token with which the second factor completes the sign-in."""
    with pytest.raises(SecondFactorRequired) as caught:
        post.base.sign_in.sign_in(by_email(email), HOME)
    return caught.value.mfa_token


def aal1_session(post: MailDeployment, session: SignedIn) -> SignedIn:
    """Open another session of the user, with the password only."""
    return post.base.sessions.open(stored_user(post, session), HOME, "password")


def stored_user(post: MailDeployment, session: SignedIn) -> User:
    return post.user(session.user.user_id)


def level_and_methods(post: MailDeployment, session: SignedIn) -> tuple[str, list[str]]:
    family = caller_of(post, session).family
    return family.aal, [each.method for each in family.amr]


# Adding a factor


def test_the_first_code_verifies_a_factor_and_raises_the_session(post: MailDeployment) -> None:
    session = post.register(BOB)
    made = add_factor(post, session, "phone")
    assert not stored_user(post, session).has_second_factor

    raised = verify(post, session, made.factor.factor_id, app_code(post, session, made.factor.factor_id))

    assert raised.user == stored_user(post, session)
    assert raised.user.has_second_factor
    assert raised.family_id == session.family_id
    assert level_and_methods(post, raised) == ("aal2", ["password", "totp"])
    assert [note.event for note in post.base.recorded.notes][-3:] == [
        "factor_enrolled",
        "factor_verified",
        "session_raised",
    ]


@pytest.mark.covers("203", "204")
def test_no_secret_and_no_recovery_code_is_stored(post: MailDeployment, database: Database) -> None:
    session = post.register(BOB)
    made = add_factor(post, session)
    raised = verify(post, session, made.factor.factor_id, app_code(post, session, made.factor.factor_id))
    codes = post.base.own_factors.replace_recovery_codes(caller_of(post, raised))

    assert is_nowhere(database, made.secret)
    assert all(is_nowhere(database, each) and is_nowhere(database, each.replace("-", "")) for each in codes)
    assert made.secret not in repr(post.base.recorded.notes)


def test_a_refresh_keeps_the_assurance_level(post: MailDeployment) -> None:
    raised, _ = with_second_factor(post, post.register(BOB))

    refreshed = post.base.sessions.refresh(raised.tokens.refresh_token)

    assert level_and_methods(post, refreshed) == ("aal2", ["password", "totp"])


def test_after_a_lost_response_the_old_token_refreshes_to_the_raised_session(post: MailDeployment) -> None:
    session = post.register(BOB)
    with_second_factor(post, session)  # the client does not receive the response

    refreshed = post.base.sessions.refresh(session.tokens.refresh_token)

    assert level_and_methods(post, refreshed)[0] == "aal2"


@pytest.mark.covers("210")
def test_the_first_factor_ends_other_sessions_and_concurrent_sign_ins(post: MailDeployment) -> None:
    session = post.register(BOB)
    other = post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)
    made = add_factor(post, session)
    code = app_code(post, session, made.factor.factor_id)

    meanwhile = post.meanwhile(lambda: verify(post, session, made.factor.factor_id, code))
    with pytest.raises(InvalidCredentials):
        meanwhile.base.sign_in.sign_in(by_email(BOB.email), ABROAD)

    assert not is_alive(post, other)
    assert is_alive(post, session)


def test_a_later_code_ends_sessions_without_the_second_factor(post: MailDeployment) -> None:
    raised, factor_id = with_second_factor(post, post.register(BOB))
    post.verify_email(raised.user)
    aal1, high = (post.base.supabase_password_sign_in.sign_in(by_email(BOB.email), HOME) for _ in range(2))

    high = verify(post, high, factor_id, app_code(post, high, factor_id))

    assert [is_alive(post, each) for each in (raised, aal1, high)] == [True, False, True]


def test_a_hundred_sessions_are_ended(post_in_memory: MailDeployment) -> None:
    post = post_in_memory
    raised, factor_id = with_second_factor(post, post.register(BOB))
    others = [post.base.sessions.open(stored_user(post, raised), HOME, "password") for _ in range(100)]

    verify(post, raised, factor_id, app_code(post, raised, factor_id))

    assert not any(is_alive(post, each) for each in others)


def test_verifying_a_factor_removes_unverified_factors(post: MailDeployment) -> None:
    session = post.register(BOB)
    add_factor(post, session, "old phone")

    _, factor_id = with_second_factor(post, session, "new phone")

    assert [factor.factor_id for factor in stored_user(post, session).factors] == [factor_id]


def test_an_unverified_factor_expires_after_five_minutes(post: MailDeployment) -> None:
    session = post.register(BOB)
    factor_id = add_factor(post, session, "phone").factor.factor_id

    post.base.clock.advance(5 * MINUTE)
    with pytest.raises(FactorNotFound):
        verify(post, session, factor_id, app_code(post, session, factor_id))

    assert add_factor(post, session, "phone").factor.friendly_name == "phone"
    assert len(stored_user(post, session).factors) == 1


def test_names_are_unique_and_factors_are_limited(post: MailDeployment) -> None:
    session = post.register(BOB)
    add_factor(post, session, "phone")
    with pytest.raises(FactorNameTaken):
        add_factor(post, session, "phone")

    for _ in range(9):
        add_factor(post, session)
    with pytest.raises(TooManyFactors):
        add_factor(post, session)


def test_adding_a_factor_requires_the_first_one(post: MailDeployment) -> None:
    raised, _ = with_second_factor(post, post.register(BOB))
    aal1 = aal1_session(post, raised)
    another = add_factor(post, raised).factor.factor_id

    with pytest.raises(InsufficientLevel):
        add_factor(post, aal1)
    with pytest.raises(InsufficientLevel):
        verify(post, aal1, another, app_code(post, aal1, another))

    verify(post, raised, another, app_code(post, raised, another))
    assert sum(factor.is_verified for factor in stored_user(post, raised).factors) == 2


def test_guests_cannot_have_factors(post: MailDeployment) -> None:
    guest = post.guests.admit(HOME)

    with pytest.raises(GuestsHaveNoFactors):
        add_factor(post, guest)
    with pytest.raises(GuestsHaveNoFactors):
        verify(post, guest, NO_FACTOR, "123456")


# Codes


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


# Removing a factor


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


# Signing in


@pytest.mark.covers("209")
def test_a_sign_in_requires_the_second_factor(post: MailDeployment) -> None:
    raised, factor_id = with_second_factor(post, post.register(BOB))
    mfa_token, first_factor_at = start_sign_in(post), post.base.clock()
    post.base.clock.advance(MINUTE)

    signed_in = post.base.second_factor.sign_in(mfa_token, app_code(post, raised, factor_id), HOME)

    assert level_and_methods(post, signed_in) == ("aal2", ["password", "totp"])
    assert [each.at for each in caller_of(post, signed_in).family.amr] == [first_factor_at, post.base.clock()]
    assert is_alive(post, raised)


@pytest.mark.parametrize("occasion", ["raising a session", "completing a sign-in"])
def test_a_failure_of_the_claims_function_does_not_use_up_the_code(post: MailDeployment, occasion: str) -> None:
    raised, factor_id = with_second_factor(post, post.register(BOB))
    code = app_code(post, raised, factor_id)
    mfa_token = start_sign_in(post)

    def fail(*_: object) -> NoReturn:
        raise ClaimsUnavailable("answered no JSON")

    def use_code(here: MailDeployment) -> SignedIn:
        if occasion == "raising a session":
            return verify(here, raised, factor_id, code)
        return here.base.second_factor.sign_in(mfa_token, code, HOME)

    for _ in range(6):  # not counted as wrong codes
        with pytest.raises(ClaimsUnavailable):
            use_code(replace(post, base=replace(post.base, extra_claims=fail)))
    claims = {"plan": "gold"}
    signed_in = use_code(replace(post, base=replace(post.base, extra_claims=lambda *_: claims)))

    assert claims_of(signed_in.tokens.access_token).items() >= claims.items()


@pytest.mark.covers("209")
def test_a_mailed_code_and_google_require_the_second_factor_too(post: MailDeployment) -> None:
    raised, factor_id = with_second_factor(post, post.register(BOB))
    post.verify_email(raised.user)
    mailed = post.mailed_code()

    with pytest.raises(SecondFactorRequired) as by_code:
        post.code_sign_in.sign_in(BOB.email, mailed, HOME)
    signed_in = post.base.second_factor.sign_in(by_code.value.mfa_token, app_code(post, raised, factor_id), HOME)
    assert level_and_methods(post, signed_in) == ("aal2", ["otp", "totp"])
    for number in range(2):  # linked, and linked already
        post.base.clock.advance(STEP)
        with pytest.raises(SecondFactorRequired) as by_google:
            post.google.sign_in(GOOGLE, HOME)
        token, code = by_google.value.mfa_token, app_code(post, raised, factor_id)
        assert level_and_methods(post, post.base.second_factor.sign_in(token, code, HOME)) == (
            "aal2",
            ["oauth", "totp"],
        ), number


def test_a_mailed_code_is_used_up_before_the_second_factor(post: MailDeployment) -> None:
    raised, _ = with_second_factor(post, post.register(BOB))
    post.verify_email(raised.user)
    mailed = post.mailed_code()

    with pytest.raises(SecondFactorRequired):
        post.code_sign_in.sign_in(BOB.email, mailed, HOME)
    with pytest.raises(InvalidCode):
        post.code_sign_in.sign_in(BOB.email, mailed, HOME)


@pytest.mark.covers("209")
def test_supabase_endpoints_open_a_session_with_one_factor(post: MailDeployment) -> None:
    raised, _ = with_second_factor(post, post.register(BOB))
    post.verify_email(raised.user)

    signed_in = post.base.supabase_password_sign_in.sign_in(by_email(BOB.email), HOME)

    assert level_and_methods(post, signed_in) == ("aal1", ["password"])


@pytest.mark.covers("211")
def test_an_mfa_token_expires_and_cannot_be_forged(post: MailDeployment) -> None:
    raised, factor_id = with_second_factor(post, post.register(BOB))
    token = start_sign_in(post)

    def complete(mfa_token: str) -> SignedIn:
        return post.base.second_factor.sign_in(mfa_token, app_code(post, raised, factor_id), HOME)

    for wrong in ("", "x", token[:-1], f"x{token}", token + "0", raised.tokens.access_token, "\u00e9.00", "x" * 9999):
        with pytest.raises(InvalidFirstFactorToken):
            complete(wrong)
    post.base.clock.advance(5 * MINUTE - SECOND)
    complete(token)
    post.base.clock.advance(SECOND)
    with pytest.raises(InvalidFirstFactorToken):
        complete(token)


@pytest.mark.covers("211")
def test_a_new_password_or_disabling_invalidates_the_mfa_token(post: MailDeployment) -> None:
    raised, factor_id = with_second_factor(post, post.register(BOB))
    token = start_sign_in(post)
    post.verify_email(raised.user)
    post.base.password_reset.reset(post.mailed_token(), "Battery-staple-43", client=HOME, policy=PasswordPolicy())
    with pytest.raises(InvalidFirstFactorToken):
        post.base.second_factor.sign_in(token, app_code(post, raised, factor_id), HOME)

    with pytest.raises(SecondFactorRequired) as caught:
        post.base.sign_in.sign_in(by_email(BOB.email, "Battery-staple-43"), HOME)
    post.disable(stored_user(post, raised))
    with pytest.raises(InvalidFirstFactorToken):
        post.base.second_factor.sign_in(caught.value.mfa_token, app_code(post, raised, factor_id), HOME)


@pytest.mark.covers("27")
def test_only_a_right_password_reveals_a_second_factor(post: MailDeployment, hashes: list[int]) -> None:
    with_second_factor(post, post.register(BOB))
    post.register(ALICE)
    answers: list[tuple[str, str, int]] = []
    for email in (BOB.email, ALICE.email, "unknown@example.com"):
        hashes.clear()
        with pytest.raises(InvalidCredentials) as wrong:
            post.base.sign_in.sign_in(by_email(email, "wrong"), HOME)
        answers.append((type(wrong.value).__name__, wrong.value.code, len(hashes)))

    assert len(set(answers)) == 1


@pytest.mark.covers("28")
def test_every_wrong_code_makes_the_same_number_of_calls(post_in_memory: MailDeployment) -> None:
    """A used code and a wrong one."""
    raised, factor_id = with_second_factor(post_in_memory, post_in_memory.register(BOB))
    used, token = app_code(post_in_memory, raised, factor_id), start_sign_in(post_in_memory)
    post_in_memory.base.second_factor.sign_in(token, used, HOME)
    costs: set[int] = set()
    for wrong in (used, "000000"):
        watched = PassingStore(post_in_memory.base.store)
        with pytest.raises(WrongCode):
            post_in_memory.on(watched).base.second_factor.sign_in(token, wrong, HOME)
        costs.add(len(watched.calls))

    assert len(costs) == 1


# Factors that a stranger added before the address was verified


@pytest.mark.covers("108")
def test_verifying_the_address_removes_factors_of_a_stranger(post: MailDeployment) -> None:
    stranger, _ = with_second_factor(post, post.register(BOB))

    owner = post.code_sign_in.sign_in(BOB.email, post.mailed_code(), HOME).signed_in

    assert owner.user.factors == stored_user(post, stranger).factors == ()
    assert not is_alive(post, stranger)


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


# What requires the second factor


@pytest.mark.covers("208")
def test_changing_password_or_address_requires_the_second_factor(post: MailDeployment) -> None:
    raised, _ = with_second_factor(post, post.register(BOB))
    aal1 = aal1_session(post, raised)

    def update(session: SignedIn, asked: UserChanges) -> User:
        return post.base.user_update.update(caller_of(post, session), asked, HOME, PasswordPolicy())

    for asked in (UserChanges(password="Battery-staple-43"), UserChanges(email=ALICE.email)):
        with pytest.raises(InsufficientLevel):
            update(aal1, asked)
    with pytest.raises(InsufficientLevel):
        post.password_change.change(
            aal1.tokens.access_token, current=PASSWORD, new="Battery-staple-43", client=HOME, policy=PasswordPolicy()
        )
    assert update(aal1, UserChanges(metadata={"a": 1})).user_metadata == {"a": 1}
    update(raised, UserChanges(password="Battery-staple-43"))
    assert level_and_methods(post, raised)[0] == "aal2"


@pytest.mark.covers("201")
@pytest.mark.parametrize("provider", ["email", "google"])
def test_linking_and_unlinking_identities_requires_the_second_factor(post: MailDeployment, provider: str) -> None:
    session = post.register(BOB)
    post.verify_email(session.user)
    raised, _ = with_second_factor(post, session)
    linking, google = post.base.linked_identities, replace(GOOGLE, email="bob@private.example")
    aal1 = aal1_session(post, raised)

    with pytest.raises(InsufficientLevel):
        linking.link(caller_of(post, aal1), google, HOME)
    linking.link(caller_of(post, raised), google, HOME)
    before = stored_user(post, raised)
    with pytest.raises(InsufficientLevel):
        linking.unlink(caller_of(post, aal1), provider, HOME)
    assert stored_user(post, raised) == before
    linking.unlink(caller_of(post, raised), provider, HOME)

    assert (stored_user(post, raised).password_hash is None) == (provider == "email")


@pytest.mark.parametrize(
    ("function", "method", "body"),
    [
        ("api/organizations", "GET", None),
        ("api/organizations", "POST", {"name": "Toko"}),
        ("api/auth/invitations/accept", "POST", {"token": "any"}),
    ],
    ids=["list", "found", "join"],
)
def test_the_policy_applies_to_organization_endpoints(
    post_in_memory: MailDeployment, function: str, method: str, body: dict[str, str] | None
) -> None:
    post = post_in_memory
    raised, _ = with_second_factor(post, post.register(BOB))
    aal1 = aal1_session(post, raised)

    def is_forbidden(session: SignedIn, policy: SecondFactorPolicy = SecondFactorPolicy.IF_ENROLLED) -> bool:
        here = post.with_choices(Choices(second_factor=policy))
        answer = environment(function, here)(request(session, method, body))
        return bool(answer["statusCode"] == HTTPStatus.FORBIDDEN)

    assert is_forbidden(aal1)
    assert is_forbidden(post.register(ALICE), SecondFactorPolicy.ALWAYS)
    assert not is_forbidden(raised)
    assert not is_forbidden(aal1, SecondFactorPolicy.NEVER)


@pytest.mark.parametrize(
    ("policy", "accepted"),
    [
        (SecondFactorPolicy.NEVER, ["no factor", "one of two", "both"]),
        (SecondFactorPolicy.IF_ENROLLED, ["no factor", "both"]),
        (SecondFactorPolicy.ALWAYS, ["both"]),
    ],
)
def test_the_policy_applies_to_the_authorizer(
    post_in_memory: MailDeployment, policy: SecondFactorPolicy, accepted: list[str]
) -> None:
    post = post_in_memory
    raised, _ = with_second_factor(post, post.register(BOB))
    aal1 = aal1_session(post, raised)
    sessions = {"no factor": post.register(ALICE), "one of two": aal1, "both": raised}
    authorizer = replace(post.base, choices=Choices(second_factor=policy)).authorizer

    def passes(session: SignedIn) -> bool:
        try:
            caller = authorizer.authorize(session.tokens.access_token, None)
        except InsufficientLevel:
            return False
        assert caller.level == level_and_methods(post, session)[0]
        return True

    assert [name for name, session in sessions.items() if passes(session)] == accepted
