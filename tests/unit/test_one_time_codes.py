"""gerbang.accounts.code_sign_in and mail.codes."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from copy import replace
from datetime import timedelta
from functools import partial

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.apis import atourin
from gerbang.core.client import Client
from gerbang.core.clock import to_epoch
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.http.request import Request
from gerbang.http.response import Response
from gerbang.limits.rate_limits import Limit, TooManyAttempts, digest
from gerbang.mail.codes import CODE_LIFETIME, DIGITS, CodeMaker, InvalidResetToken
from gerbang.mail.jobs import MailKind
from gerbang.mail.mailer import WRITE_GRACE, AccountNotWritten
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.keys import Keys
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.one_time_codes import Slot
from gerbang.storage.store import Gone

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME, PASSWORD, Choices, by_email
from tests.fakes import FakeClock, FakeSecret, Fault, FaultyStore, MemoryStore, PassingStore, at_once
from tests.unit.access import is_alive, opens
from tests.unit.jwt_parts import claims_of
from tests.unit.mail_fakes import (
    MailDeployment,
    Scene,
    calls_of,
    code_in,
    every_mishap,
    in_memory_only,
    is_nowhere,
    mailing_in_memory,
)

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
UNKNOWN = "unknown@example.com"


def redeem(post: MailDeployment, code: str, email: str = BOB.email) -> SignedIn:
    return post.code_sign_in.sign_in(EmailAddress(email), code, HOME).signed_in


def another_code(code: str) -> str:
    """A code other than this one."""
    return f"{(int(code) + 1) % 10**DIGITS:0{DIGITS}d}"


def assert_rejected(post: MailDeployment, code: str, email: str = BOB.email) -> None:
    """Use a code, which fails."""
    with pytest.raises(InvalidCode):
        redeem(post, code, email)


def use_wrong_codes(post: MailDeployment, code: str, email: str = BOB.email, *, times: int) -> None:
    """Use codes other than this one."""
    for _ in range(times):
        assert_rejected(post, another_code(code), email)


def answer_to(post: MailDeployment, code: str, email: str = BOB.email) -> Response:
    """The API's answer to a wrong code."""
    with pytest.raises(InvalidCode) as caught:
        redeem(post, code, email)
    return atourin.API.render(caught.value, Request(method="POST", path="/auth/verify_otp"), {})


# The digits: security.md 38, 39


@pytest.fixture(scope="module")
def many_codes() -> list[str]:
    maker = CodeMaker(Keys(FakeSecret(), FakeClock()))
    return [maker.code(f"job-{number}", BOB.email, epoch=0) for number in range(30_000)]


@pytest.mark.covers("38", "39")
def test_a_code_has_six_digits_and_may_start_with_zeros(many_codes: list[str]) -> None:
    assert all(re.fullmatch(r"[0-9]{6}", code) for code in many_codes)
    assert any(code.startswith("00") for code in many_codes)


@pytest.mark.covers("39")
def test_codes_are_uniformly_distributed(many_codes: list[str]) -> None:
    def chi_square(values: Sequence[str], kinds: int) -> float:
        expected = len(values) / kinds
        counted = Counter(values)
        return sum((count - expected) ** 2 for count in counted.values()) / expected + expected * (kinds - len(counted))

    for place in range(DIGITS):
        assert chi_square([code[place] for code in many_codes], 10) < 33.7  # one in 10,000 even spreads is above it
    for half in (slice(0, 3), slice(3, 6)):
        assert chi_square([code[half] for code in many_codes], 1000) < 1171  # likewise


@pytest.fixture
def maker(secret: FakeSecret, clock: FakeClock) -> CodeMaker:
    return CodeMaker(Keys(secret, clock))


def test_the_same_job_makes_the_same_code_in_every_process(maker: CodeMaker, secret: FakeSecret) -> None:
    in_another_process = CodeMaker(Keys(secret, FakeClock()))

    assert maker.code("job-1", BOB.email, epoch=0) == in_another_process.code("job-1", BOB.email, epoch=0)


def test_another_job_address_epoch_or_secret_makes_another_code(maker: CodeMaker) -> None:
    of_another_secret = CodeMaker(Keys(FakeSecret("another secret"), FakeClock()))

    codes = {
        maker.code("job-1", BOB.email, epoch=0),
        maker.code("job-2", BOB.email, epoch=0),
        maker.code("job-1", ALICE.email, epoch=0),
        maker.code("job-1", BOB.email, epoch=1),
        of_another_secret.code("job-1", BOB.email, epoch=0),
    }

    assert len(codes) == 5


# What is stored: security.md 45


def test_a_stored_code_matches_only_its_address_and_digits(maker: CodeMaker) -> None:
    stored = maker.stored_form(BOB.email, "012345")

    assert maker.matches(stored, BOB.email, "012345")
    assert not maker.matches(stored, BOB.email, "012346")
    assert not maker.matches(stored, BOB.email, "12345")
    assert not maker.matches(stored, ALICE.email, "012345")
    assert not maker.matches("", BOB.email, "012345")
    assert not maker.matches("né", BOB.email, "012345")


@pytest.mark.covers("45")
def test_a_stored_code_cannot_be_matched_without_the_key(maker: CodeMaker) -> None:
    stored = maker.stored_form(BOB.email, "012345")
    without_the_key = CodeMaker(Keys(FakeSecret("a thief's guess"), FakeClock()))

    assert not without_the_key.matches(stored, BOB.email, "012345")
    for text in ("012345", f"{BOB.email}012345", f"stored\0{BOB.email}\0012345"):
        assert stored != hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.covers("45")
def test_no_table_contains_the_code(post: MailDeployment, database: Database) -> None:
    post.register()

    code = post.mailed_code()

    assert is_nowhere(database, code)


def test_a_code_is_valid_after_one_rotation_of_the_master_secret(
    post_in_memory: MailDeployment, secret: FakeSecret, clock: FakeClock
) -> None:
    post_in_memory.register()
    code = post_in_memory.mailed_code()
    secret.rotate("second secret")
    clock.advance(timedelta(minutes=6))  # every warm function has read the new secret by then

    assert redeem(post_in_memory, code).user.email == BOB.email


def test_a_code_is_invalid_after_two_rotations(
    post_in_memory: MailDeployment, secret: FakeSecret, clock: FakeClock
) -> None:
    post_in_memory.register()
    code = post_in_memory.mailed_code()
    secret.rotate("second secret")
    secret.rotate("third secret")
    clock.advance(timedelta(minutes=6))

    with pytest.raises(InvalidCode):
        redeem(post_in_memory, code)


# One use, ten minutes: security.md 40, 41


def test_a_mailed_code_signs_in(post: MailDeployment) -> None:
    bob = post.register().user
    code = post.mailed_code()

    session = redeem(post, code)

    authenticated = post.base.sessions.authenticate(session.tokens.access_token)
    assert authenticated.user == post.user(bob.user_id) == session.user
    assert authenticated.family.amr[0].method == "otp"
    assert authenticated.user.last_sign_in_at == post.base.clock()
    assert post.base.recorded.events[-1] == "signed_in"


@pytest.mark.covers("40")
def test_a_code_works_once(post: MailDeployment) -> None:
    post.register()
    code = post.mailed_code()
    redeem(post, code)

    with pytest.raises(InvalidCode):
        redeem(post, code)


@pytest.mark.covers("F13", "40")
@pytest.mark.parametrize("racers", [2, 20])
def test_one_of_many_concurrent_uses_opens_a_session(post: MailDeployment, database: Database, racers: int) -> None:
    post.register()
    redeem(post, post.mailed_code())  # verifies the address, so that the next code does not change the epoch
    code = post.mailed_code()
    before = len(database.items("RefreshTokenFamilies"))
    tries = Limit(name="code_tries", attempts=racers, window=HOUR)
    many_tries = post.with_choices(Choices(code_tries=tries))

    outcomes = at_once([partial(redeem, many_tries, code)] * racers)

    winners = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == racers - 1
    assert len(database.items("RefreshTokenFamilies")) == before + 1
    assert is_alive(post, winners[0])


@pytest.mark.covers("41")
@in_memory_only
def test_a_code_is_valid_for_ten_minutes(post: MailDeployment, clock: FakeClock) -> None:
    post.register()
    code = post.mailed_code()
    clock.advance(timedelta(minutes=10) - SECOND)

    assert is_alive(post, redeem(post, code))


@pytest.mark.covers("F35", "41")
def test_an_expired_code_is_rejected_before_ttl_deletes_it(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    post.register()
    code = post.mailed_code()
    clock.advance(timedelta(minutes=10))

    with pytest.raises(InvalidCode):
        redeem(post, code)

    assert database.items("OneTimeCodes", "CODE#")


def test_a_code_that_expires_during_the_sign_in_opens_no_session(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    post.register()
    code = post.mailed_code()
    before = database.items("RefreshTokenFamilies")
    clock.advance(CODE_LIFETIME - SECOND)
    slow = post.meanwhile(lambda: clock.advance(SECOND), before=lambda call: call.method == "get_all")

    with pytest.raises(InvalidCode):
        redeem(slow, code)

    assert database.items("RefreshTokenFamilies") == before


# Newest only, of one address: security.md 44


@pytest.mark.covers("44")
def test_a_new_code_replaces_the_old_one(post: MailDeployment) -> None:
    post.register()
    older, newer = post.mailed_code(), post.mailed_code()

    with pytest.raises(InvalidCode):
        redeem(post, older)

    assert is_alive(post, redeem(post, newer))


@in_memory_only
def test_a_late_job_does_not_replace_a_newer_code(post: MailDeployment) -> None:
    post.register()
    delayed = post.job(MailKind.SIGN_IN_CODE)
    newer = post.mailed_code()

    post.deliver(delayed)

    assert len(post.outbox.sent) == 1
    assert is_alive(post, redeem(post, newer))


@pytest.mark.covers("44")
@in_memory_only
def test_a_code_works_only_for_its_address(post: MailDeployment) -> None:
    post.register()
    post.register(ALICE)
    code = post.mailed_code(BOB.email)
    post.mailed_code(ALICE.email)

    with pytest.raises(InvalidCode):
        redeem(post, code, ALICE.email)


@pytest.mark.covers("44")
def test_codes_and_reset_tokens_are_not_interchangeable(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    code, token = post_in_memory.mailed_code(), post_in_memory.mailed_token()

    with pytest.raises(InvalidResetToken):
        post_in_memory.password_reset.reset(code, "A new password 1", client=HOME, policy=PasswordPolicy())
    with pytest.raises(InvalidCode):
        redeem(post_in_memory, token)


# A code is invalid after the account has changed


@pytest.mark.parametrize("happens", ["password reset", "password changed", "sessions ended"])
def test_a_code_is_invalid_after_the_account_has_changed(post: MailDeployment, happens: str) -> None:
    session = post.register()
    code, token = post.mailed_code(), post.mailed_token()
    if happens == "password reset":
        post.password_reset.reset(token, "Another horse 2", client=HOME, policy=PasswordPolicy())
    if happens == "password changed":
        change = partial(post.password_change.change, session.tokens.access_token, client=HOME, policy=PasswordPolicy())
        change(current=PASSWORD, new="Another horse 2")
    if happens == "sessions ended":
        post.end_sessions(session.user)

    assert_rejected(post, code)

    assert is_alive(post, redeem(post, post.mailed_code()))


def test_a_code_stays_invalid_once_a_disabled_account_is_enabled_again(post: MailDeployment) -> None:
    bob = post.register().user
    code = post.mailed_code()
    post.disable(bob)
    post.change(bob, disabled_at=Gone())

    assert_rejected(post, code)


def test_a_code_opens_no_session_while_the_sessions_are_ended(post: MailDeployment, database: Database) -> None:
    session = post.register()
    code = post.mailed_code()
    before = database.items("RefreshTokenFamilies")
    meanwhile = post.meanwhile(lambda: post.end_sessions(session.user))

    assert_rejected(meanwhile, code)

    assert database.items("RefreshTokenFamilies") == before


# Tries: security.md 42, 43


@in_memory_only
def test_after_four_wrong_codes_the_right_code_works(post: MailDeployment) -> None:
    post.register()
    code = post.mailed_code()

    use_wrong_codes(post, code, times=4)

    assert is_alive(post, redeem(post, code))


@pytest.mark.covers("42")
@in_memory_only
@pytest.mark.parametrize("email", [BOB.email, UNKNOWN], ids=["known", "unknown"])
def test_after_five_wrong_codes_the_right_code_is_rejected_too(
    post: MailDeployment, clock: FakeClock, email: str
) -> None:
    post.register()
    code = post.mailed_code()
    use_wrong_codes(post, code, email, times=5)
    clock.advance(timedelta(minutes=1))

    for each in (code, another_code(code)):
        assert limit_reached(partial(redeem, post, each, email)) == ("code_tries", timedelta(minutes=59))


@in_memory_only
@pytest.mark.parametrize("email", [BOB.email, UNKNOWN], ids=["known", "unknown"])
def test_no_code_is_mailed_while_none_can_be_used(post: MailDeployment, clock: FakeClock, email: str) -> None:
    post.register()
    use_wrong_codes(post, "123456", email, times=5)
    clock.advance(timedelta(minutes=1))

    for _ in range(7):  # not counted as mails either
        limit = limit_reached(lambda: post.mail_service.request_code(email, None, HOME.address))
        assert limit == ("code_tries", timedelta(minutes=59))
    assert post.queue.jobs == []
    post.mail_service.request_reset(email, None, HOME.address)  # reset tokens are not codes

    clock.advance(timedelta(minutes=59))
    post.mail_service.request_code(email, None, HOME.address)
    assert [job.kind for job in post.queue.jobs] == [MailKind.PASSWORD_RESET, MailKind.SIGN_IN_CODE]


@in_memory_only
def test_wrong_codes_before_a_registration_do_not_count(post: MailDeployment) -> None:
    use_wrong_codes(post, "123456", BOB.email, times=5)
    post.registration.register_without_session(BOB, HOME)

    post.deliver(post.queue.jobs[-1])

    assert is_alive(post, redeem(post, code_in(post.outbox.last)))


def limit_reached(call: Callable[[], object]) -> tuple[str, timedelta | None]:
    """Return the limit that a call has reached, and how long to wait."""
    with pytest.raises(TooManyAttempts) as caught:
        call()
    return caught.value.limit, caught.value.retry_after


@pytest.mark.covers("43")
@in_memory_only
def test_a_new_code_does_not_reset_the_tries(post: MailDeployment) -> None:
    post.register()
    use_wrong_codes(post, post.mailed_code(), times=3)
    use_wrong_codes(post, post.mailed_code(), times=2)

    with pytest.raises(TooManyAttempts):
        redeem(post, post.mailed_code())


@in_memory_only
def test_the_tries_are_reset_one_hour_after_the_first_one(post: MailDeployment, clock: FakeClock) -> None:
    post.register()
    first = clock() + SECOND
    use_wrong_codes(post, post.mailed_code(), times=5)
    clock.at = first + HOUR - 2 * SECOND
    with pytest.raises(TooManyAttempts):
        redeem(post, post.mailed_code())

    assert is_alive(post, redeem(post, post.mailed_code()))


@in_memory_only
def test_a_right_code_resets_the_tries(post: MailDeployment) -> None:
    post.register()
    for _ in range(3):
        code = post.mailed_code()
        use_wrong_codes(post, code, times=4)
        assert is_alive(post, redeem(post, code))


@pytest.mark.covers("F15", "42")
@pytest.mark.parametrize("mailed", [True, False], ids=["with a code", "without one"])
def test_five_of_forty_concurrent_codes_are_compared(post: MailDeployment, *, mailed: bool) -> None:
    post.register()
    code = post.mailed_code() if mailed else "123456"
    watched = PassingStore(post.base.store)

    outcomes = at_once([partial(redeem, post.on(watched), another_code(code))] * 40)

    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == 5
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 35
    assert sum(call.method == "get_all" for call in watched.calls) == 5


@pytest.mark.covers("48")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "12345",
        "1234567",
        "0123456",
        " 12345",
        "123456 ",
        "123456\n",
        "12345a",
        "1e5000",
        "-12345",
        "0x1234",
        "12345\0",
        "\N{FULLWIDTH DIGIT ONE}23456",
        "\N{ARABIC-INDIC DIGIT ONE}\N{ARABIC-INDIC DIGIT TWO}3456",
        "1" * 10_000,
    ],
    ids=lambda text: repr(text)[:12],
)
def test_a_malformed_code_is_rejected_without_a_call(post_in_memory: MailDeployment, text: str) -> None:
    assert calls_of(post_in_memory, lambda post: assert_rejected(post, text)) == []


@pytest.mark.covers("33", "36")
def test_codes_and_passwords_share_the_limit_of_a_client_address(
    post_in_memory: MailDeployment,
) -> None:
    limit = Limit(name="sign_in_address", attempts=6, window=timedelta(minutes=15))
    post = post_in_memory.with_choices(Choices(address=limit))
    for number in range(3):
        assert_rejected(post, "123456", f"victim-{number}@example.com")
    for number in range(3):
        with pytest.raises(InvalidCredentials):
            post.base.sign_in.sign_in(by_email(f"victim-{number}@example.com"), HOME)

    with pytest.raises(TooManyAttempts) as at_the_code:
        redeem(post, "123456", "victim-9@example.com")
    with pytest.raises(TooManyAttempts) as at_the_password:
        post.base.sign_in.sign_in(by_email("victim-9@example.com"), HOME)

    assert {at_the_code.value.limit, at_the_password.value.limit} == {"sign_in_address"}
    assert at_the_code.value.retry_after == timedelta(minutes=15)


@in_memory_only
def test_right_codes_do_not_count_for_the_client_address(post: MailDeployment) -> None:
    post = post.with_choices(Choices(address=Limit(name="sign_in_address", attempts=2, window=HOUR)))
    post.register()

    for _ in range(5):
        assert is_alive(post, redeem(post, post.mailed_code()))


@pytest.mark.covers("F28")
@in_memory_only
def test_a_code_is_not_compared_when_it_cannot_be_counted(post: MailDeployment) -> None:
    post.register()
    code = post.mailed_code()
    failing = FaultyStore(post.base.store, at=lambda call: call.keys[0].table == post.base.tables["RateLimits"])

    for _ in range(10):
        with pytest.raises(DependencyUnavailable):
            redeem(post.on(failing), another_code(code))

    assert not [call for call in failing.calls if call.method == "get_all"]
    assert is_alive(post, redeem(post, code))


# The answers do not tell who has an account: security.md 27


def test_an_unknown_address_gets_the_answer_of_a_wrong_code(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    code = post_in_memory.mailed_code()

    assert answer_to(post_in_memory, "123456", UNKNOWN) == answer_to(post_in_memory, another_code(code))


def test_an_unknown_address_makes_the_same_calls_as_a_wrong_code(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    post_in_memory.register(ALICE)
    code = post_in_memory.mailed_code(ALICE.email)

    wrong_code = calls_of(post_in_memory, lambda post: assert_rejected(post, another_code(code), ALICE.email))

    assert calls_of(post_in_memory, lambda post: assert_rejected(post, code, BOB.email)) == wrong_code  # was sent none
    assert calls_of(post_in_memory, lambda post: assert_rejected(post, code, UNKNOWN)) == wrong_code


@pytest.mark.covers("29")
@in_memory_only
def test_an_unknown_address_runs_out_of_tries_with_the_same_calls(post: MailDeployment) -> None:
    post.register()
    code = post.mailed_code()
    use_wrong_codes(post, "123456", UNKNOWN, times=5)
    use_wrong_codes(post, code, times=5)

    def reach_the_limit(here: MailDeployment, code: str, email: str) -> None:
        with pytest.raises(TooManyAttempts):
            redeem(here, code, email)

    unknown = calls_of(post, lambda here: reach_the_limit(here, "123456", UNKNOWN))

    assert unknown == calls_of(post, lambda here: reach_the_limit(here, code, BOB.email))


@in_memory_only
def test_the_code_of_a_disabled_account_gets_the_answer_of_a_wrong_code(post: MailDeployment) -> None:
    bob = post.register().user
    code = post.mailed_code()
    wrong_answer = answer_to(post, another_code(code))
    post.disable(bob)

    assert answer_to(post, code) == wrong_answer


def test_a_code_opens_no_session_while_the_account_is_disabled(post: MailDeployment, database: Database) -> None:
    bob = post.register().user
    code = post.mailed_code()
    before = database.items("RefreshTokenFamilies")
    meanwhile = post.meanwhile(lambda: post.change(bob, disabled_at=to_epoch(post.base.clock())))

    with pytest.raises(InvalidCode):
        redeem(meanwhile, code)

    assert database.items("RefreshTokenFamilies") == before


# A code is used up in the same transaction that opens the session: F14


@pytest.mark.covers("F14")
def test_when_any_call_fails_the_code_still_works_or_its_session_is_valid() -> None:
    def scene() -> Scene:
        post = mailing_in_memory()
        post.register()
        code = post.mailed_code()
        return Scene(post, lambda here: redeem(here, code))

    for mishap in every_mishap(scene):
        here = mishap.deployment
        code = here.outbox.codes[-1]
        if isinstance(mishap.outcome, SignedIn):
            assert is_alive(here, mishap.outcome), mishap
            assert_rejected(here, code)
        else:
            assert isinstance(mishap.failure, DependencyUnavailable), mishap
            stored = here.codes.read(here.base.store.get(here.codes.key(Slot.EMAIL, digest(BOB.email))))
            was_used = stored is None or stored.spent_at is not None
            assert sessions_by_code(here) == was_used, mishap
            if was_used:  # the response was lost; another code signs in
                code = here.mailed_code()
            assert is_alive(here, redeem(here, code)), mishap


def sessions_by_code(post: MailDeployment) -> int:
    """How many sessions a code has opened."""
    assert isinstance(post.base.store, MemoryStore)
    families = post.base.store.items(post.base.tables["RefreshTokenFamilies"])
    return sum('"method":"otp"' in str(family["amr"]) for family in families)


@in_memory_only
def test_a_right_code_signs_in_when_its_tries_cannot_be_reset(post: MailDeployment) -> None:
    post.register()
    code = post.mailed_code()
    failing = FaultyStore(
        post.base.store,
        at=lambda call: call.keys[0].table == post.base.tables["RateLimits"] and call.nth > 0,
    )

    session = redeem(post.on(failing), code)

    assert is_alive(post, session)
    assert "attempt_not_given_back" in post.base.recorded.events


# What a code verifies: security.md 108, docs/decisions/0009-verifying-an-address.md


@pytest.mark.covers("108")
def test_a_sign_in_code_drops_the_password_and_sessions_of_an_unverified_account(post: MailDeployment) -> None:
    stranger = post.register()

    owner = redeem(post, post.mailed_code())

    assert post.user(owner.user.user_id) == owner.user
    assert (owner.user.password_hash, owner.user.email_verified_at) == (None, post.base.clock())
    assert is_alive(post, owner)
    assert not is_alive(post, stranger)
    with pytest.raises(SessionEnded):
        post.base.sessions.refresh(stranger.tokens.refresh_token)
    assert not opens(post)


def test_a_verification_code_keeps_the_password_and_sessions(post: MailDeployment) -> None:
    registered = post.register()

    session = redeem(post, post.mailed_code(kind=MailKind.VERIFICATION_CODE))

    assert session.user.email_verified_at == post.base.clock()
    assert is_alive(post, registered)
    assert opens(post)


@in_memory_only
def test_a_sign_in_code_of_a_verified_account_drops_nothing(post: MailDeployment, clock: FakeClock) -> None:
    registered = post.register()
    redeem(post, post.mailed_code(kind=MailKind.VERIFICATION_CODE))
    verified_at = clock()
    clock.advance(timedelta(minutes=20))

    session = redeem(post, post.mailed_code())

    assert session.user.email_verified_at == verified_at
    assert is_alive(post, registered)
    assert opens(post)


# A second registration of the address fails, but its sender may be the owner


def register_again(post: MailDeployment) -> None:
    """Register Bob's address again, with another password; that fails."""
    with pytest.raises(EmailTaken):
        post.registration.register_without_session(replace(BOB, password="Another horse 1"), ABROAD)


def test_after_a_second_registration_the_verification_code_drops_the_password(post: MailDeployment) -> None:
    stranger = post.register()
    code = post.mailed_code(kind=MailKind.VERIFICATION_CODE)
    register_again(post)

    owner = redeem(post, code)

    assert [is_alive(post, session) for session in (stranger, owner)] == [False, True]
    assert not opens(post)
    assert post.user(owner.user.user_id) == owner.user


def test_a_verification_code_mailed_after_a_second_registration_drops_the_password(post: MailDeployment) -> None:
    post.register()
    register_again(post)

    redeem(post, post.mailed_code(kind=MailKind.VERIFICATION_CODE))

    assert not opens(post)


def test_a_second_registration_during_the_verification_drops_the_password(post: MailDeployment) -> None:
    post.register()
    code = post.mailed_code(kind=MailKind.VERIFICATION_CODE)
    meanwhile = post.meanwhile(
        lambda: register_again(post),
        before=lambda call: call.method == "commit" and call.keys[0].pk.startswith("CODE#"),
    )
    assert_rejected(meanwhile, code)

    redeem(post, code)

    assert not opens(post)


def test_the_password_is_kept_only_if_the_code_is_used_before_the_second_registration(
    post: MailDeployment,
) -> None:
    bob = post.register().user
    code = post.mailed_code(kind=MailKind.VERIFICATION_CODE)

    outcome, _ = at_once([lambda: redeem(post, code), lambda: register_again(post)])

    user = post.user(bob.user_id)
    assert isinstance(outcome, SignedIn | InvalidCode)
    assert (user.password_hash is None) == (user.contested_at is not None and user.email_verified_at is not None)


@in_memory_only
def test_a_second_registration_changes_nothing_once_the_address_is_verified(post: MailDeployment) -> None:
    session = redeem_after_registration(post)
    register_again(post)

    assert post.user(session.user.user_id) == session.user
    redeem(post, post.mailed_code())
    assert opens(post)


def redeem_after_registration(post: MailDeployment) -> SignedIn:
    post.register()
    return redeem(post, post.mailed_code(kind=MailKind.VERIFICATION_CODE))


# A dropped password is reported


def removes_password(post: MailDeployment, code: str, client: Client = HOME) -> bool:
    """Use a code; return whether the answer says that it has removed the password."""
    return post.code_sign_in.sign_in(BOB.email, code, client).password_removed


def test_a_dropped_password_is_reported_in_the_answer_and_by_mail(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()

    assert removes_password(post_in_memory, post_in_memory.mailed_code(), replace(HOME, locale="it"))

    (job,) = post_in_memory.queue.jobs
    assert (job.kind, job.email, job.locale) == (MailKind.PASSWORD_REMOVED, BOB.email, "it")
    post_in_memory.deliver(job)
    assert post_in_memory.outbox.last.kind is MailKind.PASSWORD_REMOVED


@pytest.mark.parametrize("is_done", [True, False], ids=["done", "not done"])
def test_a_dropped_password_is_reported_by_mail_when_the_response_is_lost(
    post_in_memory: MailDeployment, *, is_done: bool
) -> None:
    post_in_memory.register()
    code = post_in_memory.mailed_code()
    fault = Fault.ANSWER_LOST if is_done else Fault.NOT_DONE
    faulty = FaultyStore(post_in_memory.base.store, at=lambda call: call.method == "commit", fault=fault)

    with pytest.raises(DependencyUnavailable):
        removes_password(post_in_memory.on(faulty), code)

    (job,) = post_in_memory.queue.jobs
    queued_at = post_in_memory.base.clock()
    if not is_done:
        with pytest.raises(AccountNotWritten):
            post_in_memory.mailer.deliver(job, queued_at=queued_at)
        post_in_memory.base.clock.advance(WRITE_GRACE)
    post_in_memory.mailer.deliver(job, queued_at=queued_at)
    assert (post_in_memory.outbox.last.kind is MailKind.PASSWORD_REMOVED) is is_done


def test_nothing_is_reported_if_no_password_is_dropped(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    code = post_in_memory.mailed_code(kind=MailKind.VERIFICATION_CODE)

    assert not removes_password(post_in_memory, code)
    assert not removes_password(post_in_memory, post_in_memory.mailed_code())

    assert post_in_memory.queue.jobs == []


def test_a_code_signs_in_when_the_notice_cannot_be_queued(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    post_in_memory.queue.is_down = True

    assert removes_password(post_in_memory, post_in_memory.mailed_code())

    assert "mail_not_queued" in post_in_memory.base.recorded.events


# The language of the account


@pytest.mark.parametrize(("before", "requested", "after"), [(None, "it", "it"), ("es", "it", "es"), (None, None, None)])
def test_a_sign_in_sets_the_language_of_an_account_that_has_none(
    post_in_memory: MailDeployment, before: str | None, requested: str | None, after: str | None
) -> None:
    bob = post_in_memory.register(replace(BOB, locale=before)).user
    code = post_in_memory.mailed_code(kind=MailKind.VERIFICATION_CODE)

    session = post_in_memory.code_sign_in.sign_in(BOB.email, code, replace(HOME, locale=requested)).signed_in

    assert post_in_memory.user(bob.user_id).locale == session.user.locale == after


def test_a_strangers_sign_in_during_the_verification_is_ended(post: MailDeployment) -> None:
    post.register()
    code = post.mailed_code()
    stranger: list[SignedIn] = []
    meanwhile = post.meanwhile(lambda: stranger.append(post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)))

    owner = redeem(meanwhile, code)

    assert [is_alive(post, session) for session in (*stranger, owner)] == [False, True]


def test_a_session_of_a_code_has_the_ordinary_role_and_level(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()

    session = redeem(post_in_memory, post_in_memory.mailed_code())

    claims = claims_of(session.tokens.access_token)
    assert claims["role"] == "authenticated"
    assert claims["aal"] == "aal1"
    assert [each["method"] for each in claims["amr"]] == ["otp"]
    assert "acr" not in claims


# The log: security.md 167


@pytest.mark.covers("167")
def test_the_log_contains_no_code_and_no_address(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    code = post_in_memory.mailed_code()
    use_wrong_codes(post_in_memory, code, times=2)
    redeem(post_in_memory, code)

    logged = str(post_in_memory.base.recorded.notes)

    assert code not in logged
    assert BOB.email not in logged
