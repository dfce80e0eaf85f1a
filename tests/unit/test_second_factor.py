"""gerbang.accounts.factors, own_factors and second_factor: a second factor is added, shown, used once and removed."""

from collections import Counter
from copy import replace
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Final, NoReturn

import pytest
from gerbang.accounts import totp
from gerbang.accounts.challenges import ChallengeExpired, ChallengeNotFound
from gerbang.accounts.factors import FactorNameTaken, FactorNotFound, GuestsHaveNoFactors
from gerbang.accounts.identity_sign_in import VerifiedIdentity
from gerbang.accounts.own_factors import Enrolled, NoSecondFactor, TooManyFactors
from gerbang.accounts.second_factor import WrongCode
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.accounts.user_edit import NoSuchUser
from gerbang.accounts.user_update import UserChanges
from gerbang.core.clock import to_epoch
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.assurance import InsufficientLevel, SecondFactorPolicy
from gerbang.sessions.claims_function import ClaimsUnavailable
from gerbang.sessions.first_factor import InvalidFirstFactorToken, SecondFactorRequired
from gerbang.sessions.sessions import Authenticated, SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.store import Change, Update, Written

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME, MINUTE, PASSWORD, SECOND, Choices, by_email
from tests.fakes import MeanwhileStore, PassingStore, at_once
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


def enrol(post: MailDeployment, session: SignedIn, name: str = "") -> Enrolled:
    return post.base.own_factors.enrol(caller_of(post, session), name=name, issuer="Toko")


def code(post: MailDeployment, session: SignedIn, factor_id: str, steps: int = 0) -> str:
    """The code that the user's app shows, now or some steps from now."""
    secret = totp.secret_of(post.base.keys, session.user.user_id, factor_id)
    return totp.code_of(secret, totp.step_at(post.base.clock()) + steps)


def verify(post: MailDeployment, session: SignedIn, factor_id: str, shown: str) -> SignedIn:
    caller = caller_of(post, session)
    challenge = post.base.own_factors.challenge(caller, factor_id)
    second_factor = post.base.second_factor
    return second_factor.verify(caller, factor_id, challenge_id=challenge.challenge_id, code=shown, client=HOME)


def with_factor(post: MailDeployment, session: SignedIn, name: str = "") -> tuple[SignedIn, str]:
    """A session that was raised by a new factor, and the factor's id. The app's next code is a new one."""
    factor_id = enrol(post, session, name).factor.factor_id
    raised = verify(post, session, factor_id, code(post, session, factor_id))
    post.base.clock.advance(STEP)
    return raised, factor_id


def waiting(post: MailDeployment, email: str = BOB.email) -> str:
    """The token of a sign-in that waits for its second factor."""
    with pytest.raises(SecondFactorRequired) as asked:
        post.base.sign_in.sign_in(by_email(email), HOME)
    return asked.value.mfa_token


def now(post: MailDeployment, session: SignedIn) -> User:
    return post.user(session.user.user_id)


def level(post: MailDeployment, session: SignedIn) -> tuple[str, list[str]]:
    family = caller_of(post, session).family
    return family.aal, [each.method for each in family.amr]


def verify_address(post: MailDeployment, session: SignedIn) -> None:
    changes: dict[str, Change] = {"email_verified_at": to_epoch(post.base.clock())}
    assert isinstance(post.base.store.write(Update(post.users.key(session.user.user_id), changes)), Written)


# Enrolling


def test_the_first_code_verifies_a_factor_and_raises_the_session(post: MailDeployment) -> None:
    session = post.register(BOB)
    made = enrol(post, session, "phone")
    assert not now(post, session).has_second_factor

    raised = verify(post, session, made.factor.factor_id, code(post, session, made.factor.factor_id))

    assert raised.user == now(post, session)
    assert raised.user.has_second_factor
    assert raised.family_id == session.family_id
    assert level(post, raised) == ("aal2", ["password", "totp"])
    assert [note.event for note in post.base.recorded.notes][-3:] == [
        "factor_enrolled",
        "factor_verified",
        "session_raised",
    ]


@pytest.mark.covers("203", "204")
def test_no_secret_and_no_code_is_stored(post: MailDeployment, database: Database) -> None:
    session = post.register(BOB)
    made = enrol(post, session)
    raised = verify(post, session, made.factor.factor_id, code(post, session, made.factor.factor_id))
    codes = post.base.own_factors.replace_recovery_codes(caller_of(post, raised))

    assert is_nowhere(database, made.secret)
    assert all(is_nowhere(database, each) and is_nowhere(database, each.replace("-", "")) for each in codes)
    assert made.secret not in repr(post.base.recorded.notes)


def test_a_refresh_keeps_the_level(post: MailDeployment) -> None:
    raised, _ = with_factor(post, post.register(BOB))

    refreshed = post.base.sessions.refresh(raised.tokens.refresh_token)

    assert level(post, refreshed) == ("aal2", ["password", "totp"])


def test_a_lost_answer_is_made_up_by_the_token_before(post: MailDeployment) -> None:
    session = post.register(BOB)
    with_factor(post, session)  # whose answer the client has not received

    refreshed = post.base.sessions.refresh(session.tokens.refresh_token)

    assert level(post, refreshed)[0] == "aal2"


@pytest.mark.covers("210")
def test_the_first_factor_ends_other_sessions_and_a_sign_in_under_way(post: MailDeployment) -> None:
    session = post.register(BOB)
    other = post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)
    made = enrol(post, session)
    shown = code(post, session, made.factor.factor_id)

    rival = MeanwhileStore(
        post.base.store,
        before=lambda call: call.method == "commit",
        happens=lambda: verify(post, session, made.factor.factor_id, shown),
    )
    with pytest.raises(InvalidCredentials):
        post.on(rival).base.sign_in.sign_in(by_email(BOB.email), ABROAD)

    assert not is_alive(post, other)
    assert is_alive(post, session)


def test_a_later_code_ends_the_sessions_of_one_factor_only(post: MailDeployment) -> None:
    raised, factor_id = with_factor(post, post.register(BOB))
    verify_address(post, raised)
    low, high = (post.base.supabase_password_sign_in.sign_in(by_email(BOB.email), HOME) for _ in range(2))

    high = verify(post, high, factor_id, code(post, high, factor_id))

    assert [is_alive(post, each) for each in (raised, low, high)] == [True, False, True]


def test_any_number_of_sessions_is_ended(post_in_memory: MailDeployment) -> None:
    post = post_in_memory
    raised, factor_id = with_factor(post, post.register(BOB))
    others = [post.base.sessions.open(now(post, raised), HOME, "password") for _ in range(100)]

    verify(post, raised, factor_id, code(post, raised, factor_id))

    assert not any(is_alive(post, each) for each in others)


def test_factors_that_were_not_verified_go_with_the_first_code_of_another(post: MailDeployment) -> None:
    session = post.register(BOB)
    enrol(post, session, "old phone")

    _, factor_id = with_factor(post, session, "new phone")

    assert [factor.factor_id for factor in now(post, session).factors] == [factor_id]


def test_a_factor_waits_five_minutes_for_its_first_code(post: MailDeployment) -> None:
    session = post.register(BOB)
    factor_id = enrol(post, session, "phone").factor.factor_id

    post.base.clock.advance(5 * MINUTE)
    with pytest.raises(FactorNotFound):
        verify(post, session, factor_id, code(post, session, factor_id))

    assert enrol(post, session, "phone").factor.friendly_name == "phone"
    assert len(now(post, session).factors) == 1


def test_names_are_unique_and_factors_few(post: MailDeployment) -> None:
    session = post.register(BOB)
    enrol(post, session, "phone")
    with pytest.raises(FactorNameTaken):
        enrol(post, session, "phone")

    for _ in range(9):
        enrol(post, session)
    with pytest.raises(TooManyFactors):
        enrol(post, session)


def test_another_factor_needs_the_first_one(post: MailDeployment) -> None:
    raised, _ = with_factor(post, post.register(BOB))
    low = post.base.sessions.open(now(post, raised), HOME, "password")
    another = enrol(post, raised).factor.factor_id

    with pytest.raises(InsufficientLevel):
        enrol(post, low)
    with pytest.raises(InsufficientLevel):
        verify(post, low, another, code(post, low, another))

    verify(post, raised, another, code(post, raised, another))
    assert sum(factor.is_verified for factor in now(post, raised).factors) == 2


def test_guests_have_no_factors(post: MailDeployment) -> None:
    guest = post.guests.admit(HOME)

    with pytest.raises(GuestsHaveNoFactors):
        enrol(post, guest)
    with pytest.raises(GuestsHaveNoFactors):
        verify(post, guest, NO_FACTOR, "123456")


# Codes


@pytest.mark.covers("202")
def test_a_code_works_once_in_every_session(post: MailDeployment) -> None:
    raised, factor_id = with_factor(post, post.register(BOB))
    shown = code(post, raised, factor_id)
    verify(post, raised, factor_id, shown)

    with pytest.raises(WrongCode):
        verify(post, raised, factor_id, shown)
    with pytest.raises(WrongCode):
        post.base.second_factor.sign_in(waiting(post), shown, HOME)
    with pytest.raises(WrongCode):  # nor does an earlier one that is still in its time
        verify(post, raised, factor_id, code(post, raised, factor_id, -1))

    verify(post, raised, factor_id, code(post, raised, factor_id, 1))


@pytest.mark.covers("F14", "202")
def test_of_a_code_sent_many_times_at_once_one_is_accepted(post: MailDeployment) -> None:
    raised, factor_id = with_factor(post, post.register(BOB))
    shown, tokens = code(post, raised, factor_id), [waiting(post) for _ in range(4)]

    outcomes = at_once([partial(post.base.second_factor.sign_in, each, shown, HOME) for each in tokens])

    assert Counter(type(outcome) for outcome in outcomes) == {SignedIn: 1, WrongCode: 3}


@pytest.mark.covers("202")
def test_of_a_code_verified_twice_at_once_one_raises_the_session(post: MailDeployment) -> None:
    session = post.register(BOB)
    factor_id = enrol(post, session).factor.factor_id
    shown = code(post, session, factor_id)

    outcomes = at_once([partial(verify, post, session, factor_id, shown)] * 3)

    assert Counter(type(outcome) for outcome in outcomes) == {SignedIn: 1, WrongCode: 2}
    assert level(post, post.base.sessions.refresh(session.tokens.refresh_token))[0] == "aal2"


def test_a_factor_is_removed_while_its_code_is_verified(post: MailDeployment) -> None:
    """Either is first; a session that was raised by a factor that is gone has one factor."""
    raised, factor_id = with_factor(post, post.register(BOB))
    low = post.base.sessions.open(now(post, raised), HOME, "password")
    shown = code(post, low, factor_id)

    caller = caller_of(post, raised)
    verified, _ = at_once(
        [
            lambda: verify(post, low, factor_id, shown),
            lambda: post.base.own_factors.unenrol(caller, factor_id),
        ]
    )

    assert now(post, raised).factors == ()
    assert isinstance(verified, SignedIn | FactorNotFound | WrongCode)
    assert level(post, low)[0] == "aal1"


@pytest.mark.parametrize("shown", ["000000", "12345", "1234567", "", " 123456", "abcdef", "\u0661\u0662\u0663456"])
def test_another_code_is_wrong(post_in_memory: MailDeployment, shown: str) -> None:
    raised, factor_id = with_factor(post_in_memory, post_in_memory.register(BOB))

    with pytest.raises(WrongCode):
        verify(post_in_memory, raised, factor_id, shown)


def test_a_code_of_one_account_is_wrong_at_another(post: MailDeployment) -> None:
    bob, factor_id = with_factor(post, post.register(BOB))
    alice, another = with_factor(post, post.register(ALICE))

    with pytest.raises(FactorNotFound):
        verify(post, bob, another, code(post, alice, another))
    with pytest.raises(WrongCode):
        verify(post, bob, factor_id, code(post, alice, another))


@pytest.mark.covers("42", "43", "206")
def test_wrong_codes_are_counted_over_challenges_factors_and_sign_ins(post: MailDeployment) -> None:
    raised, factor_id = with_factor(post, post.register(BOB))
    for _ in range(3):
        with pytest.raises(WrongCode):
            verify(post, raised, factor_id, "000000")
    for _ in range(2):
        with pytest.raises(WrongCode):
            post.base.second_factor.sign_in(waiting(post), "000000", ABROAD)

    with pytest.raises(TooManyAttempts) as refused:
        verify(post, raised, factor_id, code(post, raised, factor_id))
    assert refused.value.limit == "code_tries"

    post.base.clock.advance(refused.value.wait)
    raised = post.base.sessions.refresh(raised.tokens.refresh_token)
    verify(post, raised, factor_id, code(post, raised, factor_id))
    for _ in range(4):  # the right one has cleared the count
        with pytest.raises(WrongCode):
            verify(post, raised, factor_id, "000000")


def test_a_challenge_is_of_one_session_and_factor_and_five_minutes(post: MailDeployment) -> None:
    raised, factor_id = with_factor(post, post.register(BOB))
    caller, other = caller_of(post, raised), caller_of(post, post.base.sessions.open(now(post, raised), HOME, "otp"))
    challenge = post.base.own_factors.challenge(caller, factor_id)

    def show(by: Authenticated, challenge_id: str) -> SignedIn:
        shown = code(post, raised, factor_id)
        return post.base.second_factor.verify(by, factor_id, challenge_id=challenge_id, code=shown, client=HOME)

    for by, challenge_id in ((other, challenge.challenge_id), (caller, NO_FACTOR), (caller, "x")):
        with pytest.raises(ChallengeNotFound):
            show(by, challenge_id)
    post.base.clock.advance(challenge.expires_at - post.base.clock())
    with pytest.raises(ChallengeExpired):
        show(caller, challenge.challenge_id)


# Removing


@pytest.mark.covers("207", "208")
def test_unenrolling_needs_the_second_factor_and_lowers_what_it_raised(post: MailDeployment) -> None:
    raised, factor_id = with_factor(post, post.register(BOB))
    low = post.base.sessions.open(now(post, raised), HOME, "password")
    with pytest.raises(InsufficientLevel):
        post.base.own_factors.unenrol(caller_of(post, low), factor_id)

    post.base.own_factors.unenrol(caller_of(post, raised), factor_id)

    assert now(post, raised).factors == ()
    assert level(post, raised) == ("aal1", ["password"])
    with pytest.raises(FactorNotFound):
        post.base.own_factors.unenrol(caller_of(post, raised), factor_id)
    assert post.base.sign_in.sign_in(by_email(BOB.email), HOME).user.user_id == raised.user.user_id


def test_another_factor_keeps_the_sessions_that_it_has_raised(post: MailDeployment) -> None:
    raised, first = with_factor(post, post.register(BOB))
    _, second = with_factor(post, raised)
    other = post.base.second_factor.sign_in(waiting(post), code(post, raised, first), HOME)

    post.base.own_factors.unenrol(caller_of(post, raised), first)

    assert (level(post, raised)[0], level(post, other)[0]) == ("aal2", "aal1")
    assert [factor.factor_id for factor in now(post, raised).factors] == [second]


def test_a_factor_that_waits_is_removed_by_any_session(post: MailDeployment) -> None:
    session = post.register(BOB)
    factor_id = enrol(post, session).factor.factor_id

    post.base.own_factors.unenrol(caller_of(post, session), factor_id)

    assert now(post, session).factors == ()


@pytest.mark.covers("207")
def test_an_administrator_removes_and_renames(post: MailDeployment) -> None:
    raised, factor_id = with_factor(post, post.register(BOB))
    user_id = raised.user.user_id
    post.base.own_factors.replace_recovery_codes(caller_of(post, raised))

    assert post.base.factors.rename(user_id, factor_id, "phone").friendly_name == "phone"
    assert post.base.factors.remove(user_id, factor_id).factor_id == factor_id

    assert (now(post, raised).factors, now(post, raised).recovery_codes) == ((), ())
    assert level(post, raised)[0] == "aal1"
    with pytest.raises(FactorNotFound):
        post.base.factors.remove(user_id, factor_id)
    with pytest.raises(NoSuchUser):
        post.base.factors.rename(NO_FACTOR, factor_id, "phone")


# Recovery codes


@pytest.mark.covers("202")
def test_a_recovery_code_stands_in_for_the_app_once(post: MailDeployment) -> None:
    raised, factor_id = with_factor(post, post.register(BOB))
    first, second, *_ = post.base.own_factors.replace_recovery_codes(caller_of(post, raised))

    back = post.base.second_factor.sign_in(waiting(post), first.upper(), ABROAD)
    assert level(post, back) == ("aal2", ["password", "recovery_code"])
    with pytest.raises(WrongCode):
        post.base.second_factor.sign_in(waiting(post), first, ABROAD)
    verify(post, back, factor_id, second)

    post.base.own_factors.unenrol(caller_of(post, back), factor_id)  # the device that is lost
    assert now(post, back).recovery_codes == ()
    with_factor(post, back, "new device")


def test_new_recovery_codes_replace_the_old_ones(post: MailDeployment) -> None:
    raised, _ = with_factor(post, post.register(BOB))
    old, *_ = post.base.own_factors.replace_recovery_codes(caller_of(post, raised))
    new, *_ = post.base.own_factors.replace_recovery_codes(caller_of(post, raised))

    with pytest.raises(WrongCode):
        post.base.second_factor.sign_in(waiting(post), old, HOME)
    post.base.second_factor.sign_in(waiting(post), new, HOME)


def test_recovery_codes_need_a_second_factor_that_was_shown(post: MailDeployment) -> None:
    session = post.register(BOB)
    with pytest.raises(NoSecondFactor):
        post.base.own_factors.replace_recovery_codes(caller_of(post, session))

    raised, _ = with_factor(post, session)
    low = post.base.sessions.open(now(post, raised), HOME, "password")
    with pytest.raises(InsufficientLevel):
        post.base.own_factors.replace_recovery_codes(caller_of(post, low))


def test_wrong_codes_of_a_stranger_do_not_keep_recovery_codes_out(post: MailDeployment) -> None:
    raised, _ = with_factor(post, post.register(BOB))
    recovery, *_ = post.base.own_factors.replace_recovery_codes(caller_of(post, raised))
    token = waiting(post)
    for _ in range(5):
        with pytest.raises(WrongCode):
            post.base.second_factor.sign_in(token, "000000", ABROAD)
    with pytest.raises(TooManyAttempts):
        post.base.second_factor.sign_in(token, "000000", ABROAD)

    post.base.second_factor.sign_in(token, recovery, HOME)


# Signing in


@pytest.mark.covers("209")
def test_a_sign_in_waits_for_the_second_factor(post: MailDeployment) -> None:
    raised, factor_id = with_factor(post, post.register(BOB))
    mfa_token, shown_first = waiting(post), post.base.clock()
    post.base.clock.advance(MINUTE)

    signed_in = post.base.second_factor.sign_in(mfa_token, code(post, raised, factor_id), HOME)

    assert level(post, signed_in) == ("aal2", ["password", "totp"])
    assert [each.at for each in caller_of(post, signed_in).family.amr] == [shown_first, post.base.clock()]
    assert is_alive(post, raised)


@pytest.mark.parametrize("occasion", ["a session is raised", "a sign-in is completed"])
def test_a_failure_of_the_claims_function_uses_no_code(post: MailDeployment, occasion: str) -> None:
    raised, factor_id = with_factor(post, post.register(BOB))
    shown = code(post, raised, factor_id)
    mfa_token = waiting(post)

    def fail(*_: object) -> NoReturn:
        raise ClaimsUnavailable("answered no JSON")

    def show(asking: MailDeployment) -> SignedIn:
        if occasion == "a session is raised":
            return verify(asking, raised, factor_id, shown)
        return asking.base.second_factor.sign_in(mfa_token, shown, HOME)

    for _ in range(6):  # nor is it a wrong one
        with pytest.raises(ClaimsUnavailable):
            show(replace(post, base=replace(post.base, extra_claims=fail)))
    claims = {"plan": "gold"}
    signed_in = show(replace(post, base=replace(post.base, extra_claims=lambda *_: claims)))

    assert claims_of(signed_in.tokens.access_token).items() >= claims.items()


@pytest.mark.covers("209")
def test_a_mailed_code_and_google_wait_for_it_too(post: MailDeployment) -> None:
    raised, factor_id = with_factor(post, post.register(BOB))
    verify_address(post, raised)
    mailed = post.mailed_code()

    with pytest.raises(SecondFactorRequired) as by_code:
        post.code_sign_in.sign_in(BOB.email, mailed, HOME)
    signed_in = post.base.second_factor.sign_in(by_code.value.mfa_token, code(post, raised, factor_id), HOME)
    assert level(post, signed_in) == ("aal2", ["otp", "totp"])
    for number in range(2):  # linked, and linked already
        post.base.clock.advance(STEP)
        with pytest.raises(SecondFactorRequired) as by_google:
            post.google.sign_in(GOOGLE, HOME)
        token, shown = by_google.value.mfa_token, code(post, raised, factor_id)
        assert level(post, post.base.second_factor.sign_in(token, shown, HOME)) == ("aal2", ["oauth", "totp"]), number


def test_a_mailed_code_is_spent_by_the_wait(post: MailDeployment) -> None:
    raised, _ = with_factor(post, post.register(BOB))
    verify_address(post, raised)
    mailed = post.mailed_code()

    with pytest.raises(SecondFactorRequired):
        post.code_sign_in.sign_in(BOB.email, mailed, HOME)
    with pytest.raises(Exception, match="none"):
        post.code_sign_in.sign_in(BOB.email, mailed, HOME)


@pytest.mark.covers("209")
def test_supabase_s_endpoints_open_a_session_of_one_factor(post: MailDeployment) -> None:
    raised, _ = with_factor(post, post.register(BOB))
    verify_address(post, raised)

    signed_in = post.base.supabase_password_sign_in.sign_in(by_email(BOB.email), HOME)

    assert level(post, signed_in) == ("aal1", ["password"])


@pytest.mark.covers("211")
def test_the_token_of_a_wait_ends(post: MailDeployment) -> None:
    raised, factor_id = with_factor(post, post.register(BOB))
    token = waiting(post)

    def complete(shown: str) -> SignedIn:
        return post.base.second_factor.sign_in(shown, code(post, raised, factor_id), HOME)

    for wrong in ("", "x", token[:-1], f"x{token}", token + "0", raised.tokens.access_token, "\u00e9.00", "x" * 9999):
        with pytest.raises(InvalidFirstFactorToken):
            complete(wrong)
    post.base.clock.advance(5 * MINUTE - SECOND)
    complete(token)
    post.base.clock.advance(SECOND)
    with pytest.raises(InvalidFirstFactorToken):
        complete(token)


@pytest.mark.covers("211")
def test_a_new_password_and_disabling_end_the_wait(post: MailDeployment) -> None:
    raised, factor_id = with_factor(post, post.register(BOB))
    token = waiting(post)
    verify_address(post, raised)
    post.base.password_reset.reset(post.mailed_token(), "Battery-staple-43", client=HOME, policy=PasswordPolicy())
    with pytest.raises(InvalidFirstFactorToken):
        post.base.second_factor.sign_in(token, code(post, raised, factor_id), HOME)

    with pytest.raises(SecondFactorRequired) as again:
        post.base.sign_in.sign_in(by_email(BOB.email, "Battery-staple-43"), HOME)
    post.disable(now(post, raised))
    with pytest.raises(InvalidFirstFactorToken):
        post.base.second_factor.sign_in(again.value.mfa_token, code(post, raised, factor_id), HOME)


@pytest.mark.covers("27")
def test_only_a_right_password_tells_of_a_second_factor(post: MailDeployment, hashes: list[int]) -> None:
    with_factor(post, post.register(BOB))
    post.register(ALICE)
    answers: list[tuple[str, str, int]] = []
    for email in (BOB.email, ALICE.email, "nobody@example.com"):
        hashes.clear()
        with pytest.raises(InvalidCredentials) as wrong:
            post.base.sign_in.sign_in(by_email(email, "wrong"), HOME)
        answers.append((type(wrong.value).__name__, wrong.value.code, len(hashes)))

    assert len(set(answers)) == 1


@pytest.mark.covers("28")
def test_a_wrong_second_factor_costs_the_same_calls_and_work_as_any_other(post_in_memory: MailDeployment) -> None:
    """A used code, another one, and a code that is no recovery code: none is answered sooner."""
    raised, factor_id = with_factor(post_in_memory, post_in_memory.register(BOB))
    used, token = code(post_in_memory, raised, factor_id), waiting(post_in_memory)
    post_in_memory.base.second_factor.sign_in(token, used, HOME)
    costs: set[int] = set()
    for wrong in (used, "000000"):
        watched = PassingStore(post_in_memory.base.store)
        with pytest.raises(WrongCode):
            post_in_memory.on(watched).base.second_factor.sign_in(token, wrong, HOME)
        costs.add(len(watched.calls))

    assert len(costs) == 1


# What a stranger set up before the address was verified


@pytest.mark.covers("108")
def test_a_stranger_s_factor_goes_when_the_owner_verifies_the_address(post: MailDeployment) -> None:
    stranger, _ = with_factor(post, post.register(BOB))

    owner = post.code_sign_in.sign_in(BOB.email, post.mailed_code(), HOME).signed_in

    assert owner.user.factors == now(post, stranger).factors == ()
    assert not is_alive(post, stranger)


@pytest.mark.covers("108")
def test_a_stranger_s_factor_goes_when_the_owner_resets_the_password(post: MailDeployment) -> None:
    stranger, _ = with_factor(post, post.register(BOB))

    post.base.password_reset.reset(post.mailed_token(), PASSWORD, client=HOME, policy=PasswordPolicy())

    assert now(post, stranger).factors == ()
    post.base.sign_in.sign_in(by_email(BOB.email), HOME)


def test_a_reset_of_a_verified_account_keeps_the_second_factor(post: MailDeployment) -> None:
    raised, _ = with_factor(post, post.register(BOB))
    verify_address(post, raised)

    post.base.password_reset.reset(post.mailed_token(), PASSWORD, client=HOME, policy=PasswordPolicy())

    assert now(post, raised).has_second_factor
    waiting(post)


# What needs the second factor


@pytest.mark.covers("208")
def test_password_and_address_are_changed_in_a_raised_session_only(post: MailDeployment) -> None:
    raised, _ = with_factor(post, post.register(BOB))
    low = post.base.sessions.open(now(post, raised), HOME, "password")

    def update(session: SignedIn, asked: UserChanges) -> User:
        return post.base.user_update.update(caller_of(post, session), asked, HOME, PasswordPolicy())

    for asked in (UserChanges(password="Battery-staple-43"), UserChanges(email=ALICE.email)):
        with pytest.raises(InsufficientLevel):
            update(low, asked)
    with pytest.raises(InsufficientLevel):
        post.password_change.change(
            low.tokens.access_token, current=PASSWORD, new="Battery-staple-43", client=HOME, policy=PasswordPolicy()
        )
    assert update(low, UserChanges(metadata={"a": 1})).user_metadata == {"a": 1}
    update(raised, UserChanges(password="Battery-staple-43"))
    assert level(post, raised)[0] == "aal2"


@pytest.mark.covers("201")
@pytest.mark.parametrize("provider", ["email", "google"])
def test_identities_are_linked_and_unlinked_only_in_a_session_that_has_shown_the_second_factor(
    post: MailDeployment, provider: str
) -> None:
    session = post.register(BOB)
    verify_address(post, session)
    raised, _ = with_factor(post, session)
    linking, google = post.base.linked_identities, replace(GOOGLE, email="bob@private.example")
    low = post.base.sessions.open(now(post, raised), HOME, "password")

    with pytest.raises(InsufficientLevel):
        linking.link(caller_of(post, low), google, HOME)
    linking.link(caller_of(post, raised), google, HOME)
    before = now(post, raised)
    with pytest.raises(InsufficientLevel):
        linking.unlink(caller_of(post, low), provider, HOME)
    assert now(post, raised) == before
    linking.unlink(caller_of(post, raised), provider, HOME)

    assert (now(post, raised).password_hash is None) == (provider == "email")


@pytest.mark.parametrize(
    ("function", "method", "body"),
    [
        ("api/organizations", "GET", None),
        ("api/organizations", "POST", {"name": "Toko"}),
        ("api/auth/invitations/accept", "POST", {"token": "any"}),
    ],
    ids=["list", "found", "join"],
)
def test_organizations_are_joined_and_founded_as_the_authorizer_lets_through(
    post_in_memory: MailDeployment, function: str, method: str, body: dict[str, str] | None
) -> None:
    post = post_in_memory
    raised, _ = with_factor(post, post.register(BOB))
    low = post.base.sessions.open(now(post, raised), HOME, "password")

    def is_kept_out(session: SignedIn, policy: SecondFactorPolicy = SecondFactorPolicy.IF_ENROLLED) -> bool:
        base = replace(post.base, choices=Choices(second_factor=policy))
        answer = environment(function, replace(post, base=base))(request(session, method, body))
        return bool(answer["statusCode"] == HTTPStatus.FORBIDDEN)

    assert is_kept_out(low)
    assert is_kept_out(post.register(ALICE), SecondFactorPolicy.ALWAYS)
    assert not is_kept_out(raised)
    assert not is_kept_out(low, SecondFactorPolicy.NEVER)


@pytest.mark.parametrize(
    ("policy", "let_through"),
    [
        (SecondFactorPolicy.NEVER, ["no factor", "not shown", "shown"]),
        (SecondFactorPolicy.IF_ENROLLED, ["no factor", "shown"]),
        (SecondFactorPolicy.ALWAYS, ["shown"]),
    ],
)
def test_the_authorizer_lets_through_as_the_policy_says(
    post_in_memory: MailDeployment, policy: SecondFactorPolicy, let_through: list[str]
) -> None:
    post = post_in_memory
    raised, _ = with_factor(post, post.register(BOB))
    low = post.base.sessions.open(now(post, raised), HOME, "password")
    sessions = {"no factor": post.register(ALICE), "not shown": low, "shown": raised}
    authorizer = replace(post.base, choices=Choices(second_factor=policy)).authorizer

    def passes(session: SignedIn) -> bool:
        try:
            caller = authorizer.authorize(session.tokens.access_token, None)
        except InsufficientLevel:
            return False
        assert caller.level == level(post, session)[0]
        return True

    assert [name for name, session in sessions.items() if passes(session)] == let_through
