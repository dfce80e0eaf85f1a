"""Six digits, ten minutes, one use, five tries in all, and what redeeming one verifies."""

import hashlib
import json
import re
from base64 import urlsafe_b64decode
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
from gerbang.storage.store import Gone, Plus, Update

from tests.conftest import Database
from tests.deployment import ABROAD, ALICE, BOB, HOME, PASSWORD, Choices, by_email
from tests.fakes import FakeClock, FakeSecret, Fault, FaultyStore, MeanwhileStore, MemoryStore, PassingStore, at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import Scenario, calls_of, faulty_runs
from tests.unit.mail_fakes import MailDeployment, code_in, in_memory_only, is_nowhere, mailing_in_memory

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
NEVER_MAILED = "nobody@example.com"


def redeem(post: MailDeployment, code: str, email: str = BOB.email) -> SignedIn:
    return post.code_sign_in.sign_in(EmailAddress(email), code, HOME).signed_in


def wrong(code: str) -> str:
    """Another code."""
    return f"{(int(code) + 1) % 10**DIGITS:0{DIGITS}d}"


def guess_once(post: MailDeployment, code: str, email: str = BOB.email) -> None:
    with pytest.raises(InvalidCode):
        redeem(post, code, email)


def guess(post: MailDeployment, code: str, email: str = BOB.email, *, times: int) -> None:
    for _ in range(times):
        guess_once(post, wrong(code), email)


def answer_to(post: MailDeployment, code: str, email: str = BOB.email) -> Response:
    """What a client of the contract is told."""
    with pytest.raises(InvalidCode) as refusal:
        redeem(post, code, email)
    return atourin.API.render(refusal.value, Request(method="POST", path="/auth/verify_otp"), {})


# The digits: security.md 38, 39


@pytest.fixture(scope="module")
def many_codes() -> list[str]:
    maker = CodeMaker(Keys(FakeSecret(), FakeClock()))
    return [maker.code(f"job-{number}", BOB.email, epoch=0) for number in range(30_000)]


@pytest.mark.covers("38", "39")
def test_a_code_is_six_digits_leading_zeros_and_all(many_codes: list[str]) -> None:
    assert all(re.fullmatch(r"[0-9]{6}", code) for code in many_codes)
    assert any(code.startswith("00") for code in many_codes)


@pytest.mark.covers("39")
def test_codes_are_evenly_spread(many_codes: list[str]) -> None:
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
    elsewhere = CodeMaker(Keys(secret, FakeClock()))

    assert maker.code("job-1", BOB.email, epoch=0) == elsewhere.code("job-1", BOB.email, epoch=0)


def test_another_job_address_epoch_or_secret_makes_another_code(maker: CodeMaker) -> None:
    stranger = CodeMaker(Keys(FakeSecret("another secret"), FakeClock()))

    codes = {
        maker.code("job-1", BOB.email, epoch=0),
        maker.code("job-2", BOB.email, epoch=0),
        maker.code("job-1", ALICE.email, epoch=0),
        maker.code("job-1", BOB.email, epoch=1),
        stranger.code("job-1", BOB.email, epoch=0),
    }

    assert len(codes) == 5


# What is stored: security.md 45


def test_a_stored_code_fits_its_address_and_digits_only(maker: CodeMaker) -> None:
    stored = maker.stored_form(BOB.email, "012345")

    assert maker.matches(stored, BOB.email, "012345")
    assert not maker.matches(stored, BOB.email, "012346")
    assert not maker.matches(stored, BOB.email, "12345")
    assert not maker.matches(stored, ALICE.email, "012345")
    assert not maker.matches("", BOB.email, "012345")
    assert not maker.matches("né", BOB.email, "012345")


@pytest.mark.covers("45")
def test_the_table_alone_cannot_tell_which_code_it_was(maker: CodeMaker) -> None:
    stored = maker.stored_form(BOB.email, "012345")
    without_the_key = CodeMaker(Keys(FakeSecret("a thief's guess"), FakeClock()))

    assert not without_the_key.matches(stored, BOB.email, "012345")
    for text in ("012345", f"{BOB.email}012345", f"stored\0{BOB.email}\0012345"):
        assert stored != hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.covers("45")
def test_no_table_holds_the_code(post: MailDeployment, database: Database) -> None:
    post.register()

    code = post.mailed_code()

    assert is_nowhere(database, code)


def test_a_code_survives_one_rotation_of_the_master_secret(
    post_in_memory: MailDeployment, secret: FakeSecret, clock: FakeClock
) -> None:
    post_in_memory.register()
    code = post_in_memory.mailed_code()
    secret.rotate("second secret")
    clock.advance(timedelta(minutes=6))  # by when every warm function has read the new one

    assert redeem(post_in_memory, code).user.email == BOB.email


def test_a_code_does_not_survive_two_rotations(
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


def test_the_code_that_was_mailed_signs_in(post: MailDeployment) -> None:
    bob = post.register().user
    code = post.mailed_code()

    session = redeem(post, code)

    standing = post.base.sessions.authenticate(session.tokens.access_token)
    assert standing.user == post.user(bob.user_id) == session.user
    assert standing.family.amr[0].method == "otp"
    assert standing.user.last_sign_in_at == post.base.clock()
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
def test_of_redeemers_at_once_one_gets_a_session(post: MailDeployment, database: Database, racers: int) -> None:
    post.register()
    redeem(post, post.mailed_code())  # so that the epoch stays from here on, and the code alone says who was first
    code = post.mailed_code()
    before = len(database.items("RefreshTokenFamilies"))
    tries = Limit(name="code_tries", attempts=racers, window=HOUR)
    patient = replace(post, base=replace(post.base, choices=Choices(code_tries=tries)))

    outcomes = at_once([partial(redeem, patient, code)] * racers)

    winners = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == racers - 1
    assert len(database.items("RefreshTokenFamilies")) == before + 1
    assert session_works(post, winners[0])


@pytest.mark.covers("41")
@in_memory_only
def test_a_code_lives_for_ten_minutes(post: MailDeployment, clock: FakeClock) -> None:
    post.register()
    code = post.mailed_code()
    clock.advance(timedelta(minutes=10) - SECOND)

    assert session_works(post, redeem(post, code))


@pytest.mark.covers("F35", "41")
def test_a_code_is_dead_after_ten_minutes_though_its_item_is_still_there(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    post.register()
    code = post.mailed_code()
    clock.advance(timedelta(minutes=10))

    with pytest.raises(InvalidCode):
        redeem(post, code)

    assert database.items("OneTimeCodes", "CODE#")


def test_a_code_that_ends_while_it_is_being_redeemed_opens_nothing(
    post: MailDeployment, database: Database, clock: FakeClock
) -> None:
    post.register()
    code = post.mailed_code()
    before = database.items("RefreshTokenFamilies")
    clock.advance(CODE_LIFETIME - SECOND)
    slow = MeanwhileStore(
        post.base.store, before=lambda call: call.method == "get_all", happens=lambda: clock.advance(SECOND)
    )

    with pytest.raises(InvalidCode):
        redeem(post.on(slow), code)

    assert database.items("RefreshTokenFamilies") == before


# Newest only, of one address: security.md 44


@pytest.mark.covers("44")
def test_a_newer_code_takes_the_place_of_an_older_one(post: MailDeployment) -> None:
    post.register()
    older, newer = post.mailed_code(), post.mailed_code()

    with pytest.raises(InvalidCode):
        redeem(post, older)

    assert session_works(post, redeem(post, newer))


@in_memory_only
def test_an_older_job_delivered_late_does_not_replace_a_newer_code(post: MailDeployment) -> None:
    post.register()
    delayed = post.job(MailKind.SIGN_IN_CODE)
    newer = post.mailed_code()

    post.deliver(delayed)

    assert len(post.outbox.sent) == 1
    assert session_works(post, redeem(post, newer))


@pytest.mark.covers("44")
@in_memory_only
def test_a_code_is_of_the_address_it_was_mailed_to(post: MailDeployment) -> None:
    post.register()
    post.register(ALICE)
    code = post.mailed_code(BOB.email)
    post.mailed_code(ALICE.email)

    with pytest.raises(InvalidCode):
        redeem(post, code, ALICE.email)


@pytest.mark.covers("44")
def test_a_code_resets_no_password_and_a_reset_token_is_no_code(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    code, token = post_in_memory.mailed_code(), post_in_memory.mailed_token()

    with pytest.raises(InvalidResetToken):
        post_in_memory.password_reset.reset(code, "A new password 1", client=HOME, policy=PasswordPolicy())
    with pytest.raises(InvalidCode):
        redeem(post_in_memory, token)


# A code belongs to the account as it was


@pytest.mark.parametrize("happens", ["password reset", "password changed", "sessions ended"])
def test_a_code_from_before_is_worthless(post: MailDeployment, happens: str) -> None:
    session = post.register()
    code, token = post.mailed_code(), post.mailed_token()
    if happens == "password reset":
        post.password_reset.reset(token, "Another horse 2", client=HOME, policy=PasswordPolicy())
    if happens == "password changed":
        change = partial(post.password_change.change, session.tokens.access_token, client=HOME, policy=PasswordPolicy())
        change(current=PASSWORD, new="Another horse 2")
    if happens == "sessions ended":
        end_sessions(post, session)

    guess_once(post, code)

    assert session_works(post, redeem(post, post.mailed_code()))


def test_a_code_from_before_an_account_was_disabled_is_worthless_once_it_is_enabled(post: MailDeployment) -> None:
    bob = post.register().user
    code = post.mailed_code()
    post.disable(bob)
    post.base.store.write(Update(post.base.users.key(bob.user_id), {"disabled_at": Gone()}))

    guess_once(post, code)


def test_a_code_that_is_redeemed_while_the_sessions_are_ended_opens_nothing(
    post: MailDeployment, database: Database
) -> None:
    session = post.register()
    code = post.mailed_code()
    before = database.items("RefreshTokenFamilies")
    meanwhile = MeanwhileStore(
        post.base.store, before=lambda call: call.method == "commit", happens=lambda: end_sessions(post, session)
    )

    guess_once(post.on(meanwhile), code)

    assert database.items("RefreshTokenFamilies") == before


def end_sessions(post: MailDeployment, session: SignedIn) -> None:
    post.base.store.write(Update(post.base.users.key(session.user.user_id), {"epoch": Plus(1)}))


# Tries: security.md 42, 43


@in_memory_only
def test_after_four_wrong_tries_the_right_code_works(post: MailDeployment) -> None:
    post.register()
    code = post.mailed_code()

    guess(post, code, times=4)

    assert session_works(post, redeem(post, code))


@pytest.mark.covers("42")
@in_memory_only
@pytest.mark.parametrize("email", [BOB.email, NEVER_MAILED], ids=["known", "unknown"])
def test_after_five_wrong_tries_the_right_code_has_to_wait_too(
    post: MailDeployment, clock: FakeClock, email: str
) -> None:
    post.register()
    code = post.mailed_code()
    guess(post, code, email, times=5)
    clock.advance(timedelta(minutes=1))

    for shown in (code, wrong(code)):
        assert wait_of(partial(redeem, post, shown, email)) == ("code_tries", timedelta(minutes=59))


@in_memory_only
@pytest.mark.parametrize("email", [BOB.email, NEVER_MAILED], ids=["known", "unknown"])
def test_no_code_is_mailed_while_none_would_be_accepted(post: MailDeployment, clock: FakeClock, email: str) -> None:
    post.register()
    guess(post, "123456", email, times=5)
    clock.advance(timedelta(minutes=1))

    for _ in range(7):  # not counted as mails, either
        refused = wait_of(lambda: post.mail_service.request_code(email, None, HOME.address))
        assert refused == ("code_tries", timedelta(minutes=59))
    assert post.queue.jobs == []
    post.mail_service.request_reset(email, None, HOME.address)  # whose tokens are not codes

    clock.advance(timedelta(minutes=59))
    post.mail_service.request_code(email, None, HOME.address)
    assert [job.kind for job in post.queue.jobs] == [MailKind.PASSWORD_RESET, MailKind.SIGN_IN_CODE]


@in_memory_only
def test_the_code_of_a_registration_is_accepted_whatever_was_tried_before_it(post: MailDeployment) -> None:
    guess(post, "123456", BOB.email, times=5)
    post.registration.register_without_session(BOB, HOME)

    post.deliver(post.queue.jobs[-1])

    assert session_works(post, redeem(post, code_in(post.outbox.last)))


def wait_of(call: Callable[[], object]) -> tuple[str, timedelta | None]:
    """Which limit a call meets, and the wait."""
    with pytest.raises(TooManyAttempts) as caught:
        call()
    return caught.value.limit, caught.value.retry_after


@pytest.mark.covers("43")
@in_memory_only
def test_a_new_code_does_not_refill_the_tries(post: MailDeployment) -> None:
    post.register()
    guess(post, post.mailed_code(), times=3)
    guess(post, post.mailed_code(), times=2)

    with pytest.raises(TooManyAttempts):
        redeem(post, post.mailed_code())


@in_memory_only
def test_tries_come_back_an_hour_after_the_first_of_them(post: MailDeployment, clock: FakeClock) -> None:
    post.register()
    first = clock() + SECOND
    guess(post, post.mailed_code(), times=5)
    clock.at = first + HOUR - 2 * SECOND
    with pytest.raises(TooManyAttempts):
        redeem(post, post.mailed_code())

    assert session_works(post, redeem(post, post.mailed_code()))


@in_memory_only
def test_a_right_code_clears_the_tries(post: MailDeployment) -> None:
    post.register()
    for _ in range(3):
        code = post.mailed_code()
        guess(post, code, times=4)
        assert session_works(post, redeem(post, code))


@pytest.mark.covers("F15", "42")
@pytest.mark.parametrize("mailed", [True, False], ids=["with a code", "without one"])
def test_of_forty_wrong_codes_at_once_five_are_looked_at(post: MailDeployment, *, mailed: bool) -> None:
    post.register()
    code = post.mailed_code() if mailed else "123456"
    watched = PassingStore(post.base.store)

    outcomes = at_once([partial(redeem, post.on(watched), wrong(code))] * 40)

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
def test_what_has_not_the_form_of_a_code_is_refused_unread(post_in_memory: MailDeployment, text: str) -> None:
    assert calls_of(post_in_memory, lambda post: guess_once(post, text)) == []


@pytest.mark.covers("33", "36")
def test_guessing_at_many_addresses_is_bounded_together_with_passwords(
    post_in_memory: MailDeployment,
) -> None:
    spraying = Limit(name="sign_in_address", attempts=6, window=timedelta(minutes=15))
    base = replace(post_in_memory.base, choices=Choices(address=spraying))
    post = replace(post_in_memory, base=base)
    for number in range(3):
        guess_once(post, "123456", f"victim-{number}@example.com")
    for number in range(3):
        with pytest.raises(InvalidCredentials):
            base.sign_in.sign_in(by_email(f"victim-{number}@example.com"), HOME)

    with pytest.raises(TooManyAttempts) as at_the_code:
        redeem(post, "123456", "victim-9@example.com")
    with pytest.raises(TooManyAttempts) as at_the_password:
        base.sign_in.sign_in(by_email("victim-9@example.com"), HOME)

    assert {at_the_code.value.limit, at_the_password.value.limit} == {"sign_in_address"}
    assert at_the_code.value.retry_after == timedelta(minutes=15)


@in_memory_only
def test_right_codes_count_for_nothing_at_a_client_address(post: MailDeployment) -> None:
    base = replace(post.base, choices=Choices(address=Limit(name="sign_in_address", attempts=2, window=HOUR)))
    post = replace(post, base=base)
    post.register()

    for _ in range(5):
        assert session_works(post, redeem(post, post.mailed_code()))


@pytest.mark.covers("F28")
@in_memory_only
def test_a_try_that_cannot_be_counted_is_not_looked_at(post: MailDeployment) -> None:
    post.register()
    code = post.mailed_code()
    uncounting = FaultyStore(post.base.store, at=lambda call: call.keys[0].table == post.base.tables["RateLimits"])

    for _ in range(10):
        with pytest.raises(DependencyUnavailable):
            redeem(post.on(uncounting), wrong(code))

    assert not [call for call in uncounting.calls if call.method == "get_all"]
    assert session_works(post, redeem(post, code))


# Nobody is told who has an account: security.md 27


def test_an_address_that_nobody_has_is_answered_as_a_wrong_code(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    code = post_in_memory.mailed_code()

    assert answer_to(post_in_memory, "123456", NEVER_MAILED) == answer_to(post_in_memory, wrong(code))


def test_an_address_that_nobody_has_costs_the_same_calls_as_any_other(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    post_in_memory.register(ALICE)
    code = post_in_memory.mailed_code(ALICE.email)

    wrong_code = calls_of(post_in_memory, lambda post: guess_once(post, wrong(code), ALICE.email))

    assert calls_of(post_in_memory, lambda post: guess_once(post, code, BOB.email)) == wrong_code  # was sent none
    assert calls_of(post_in_memory, lambda post: guess_once(post, code, NEVER_MAILED)) == wrong_code


@pytest.mark.covers("29")
@in_memory_only
def test_tries_at_an_address_that_nobody_has_end_like_any_others(post: MailDeployment) -> None:
    post.register()
    code = post.mailed_code()
    guess(post, "123456", NEVER_MAILED, times=5)
    guess(post, code, times=5)

    def wait(here: MailDeployment, shown: str, email: str) -> None:
        with pytest.raises(TooManyAttempts):
            redeem(here, shown, email)

    unknown = calls_of(post, lambda here: wait(here, "123456", NEVER_MAILED))

    assert unknown == calls_of(post, lambda here: wait(here, code, BOB.email))


@in_memory_only
def test_the_code_of_a_disabled_account_is_refused_as_a_wrong_one(post: MailDeployment) -> None:
    bob = post.register().user
    code = post.mailed_code()
    wrong_answer = answer_to(post, wrong(code))
    post.disable(bob)

    assert answer_to(post, code) == wrong_answer


def test_an_account_that_is_disabled_meanwhile_is_not_opened(post: MailDeployment, database: Database) -> None:
    bob = post.register().user
    code = post.mailed_code()
    before = database.items("RefreshTokenFamilies")
    changes = {"disabled_at": to_epoch(post.base.clock())}
    meanwhile = MeanwhileStore(
        post.base.store,
        before=lambda call: call.method == "commit",
        happens=lambda: post.base.store.write(Update(post.base.users.key(bob.user_id), changes)),
    )

    with pytest.raises(InvalidCode):
        redeem(post.on(meanwhile), code)

    assert database.items("RefreshTokenFamilies") == before


# Spent with what it buys: F14


@pytest.mark.covers("F14")
def test_whatever_goes_wrong_the_code_still_works_or_its_session_is_real() -> None:
    def scene() -> Scenario:
        post = mailing_in_memory()
        post.register()
        code = post.mailed_code()
        return Scenario(post, lambda here: redeem(here, code))

    for mishap in faulty_runs(scene):
        here = mishap.deployment
        code = here.outbox.codes[-1]
        if isinstance(mishap.outcome, SignedIn):
            assert session_works(here, mishap.outcome), mishap
            guess_once(here, code)
        else:
            assert isinstance(mishap.failure, DependencyUnavailable), mishap
            stored = here.codes.read(here.base.store.get(here.codes.key(Slot.EMAIL, digest(BOB.email))))
            was_spent = stored is None or stored.spent_at is not None
            assert sessions_by_code(here) == was_spent, mishap
            if was_spent:  # and the answer lost: another code lets them in
                code = here.mailed_code()
            assert session_works(here, redeem(here, code)), mishap


def sessions_by_code(post: MailDeployment) -> int:
    """How many sessions a code has opened."""
    assert isinstance(post.base.store, MemoryStore)
    families = post.base.store.items(post.base.tables["RefreshTokenFamilies"])
    return sum('"method":"otp"' in str(family["amr"]) for family in families)


@in_memory_only
def test_a_right_code_whose_tries_cannot_be_cleared_signs_in_all_the_same(post: MailDeployment) -> None:
    post.register()
    code = post.mailed_code()
    forgetful = FaultyStore(
        post.base.store,
        at=lambda call: call.keys[0].table == post.base.tables["RateLimits"] and call.nth > 0,
    )

    session = redeem(post.on(forgetful), code)

    assert session_works(post, session)
    assert "attempt_not_given_back" in post.base.recorded.events


# What a code proves: security.md 108, docs/decisions/0009-verifying-an-address.md


@pytest.mark.covers("108")
def test_a_code_that_was_asked_for_drops_what_a_stranger_set_up(post: MailDeployment) -> None:
    strangers = post.register()
    refresh_token = strangers.tokens.refresh_token

    owners = redeem(post, post.mailed_code())

    assert post.user(owners.user.user_id) == owners.user
    assert (owners.user.password_hash, owners.user.email_verified_at) == (None, post.base.clock())
    assert session_works(post, owners)
    assert not session_works(post, strangers)
    with pytest.raises(SessionEnded):
        post.base.sessions.refresh(refresh_token)
    assert not password_works(post)


def test_the_code_of_the_registration_itself_vouches_for_it(post: MailDeployment) -> None:
    registered = post.register()

    session = redeem(post, post.mailed_code(kind=MailKind.VERIFICATION_CODE))

    assert session.user.email_verified_at == post.base.clock()
    assert session_works(post, registered)
    assert password_works(post)


@in_memory_only
def test_once_an_address_is_proved_a_code_drops_nothing(post: MailDeployment, clock: FakeClock) -> None:
    registered = post.register()
    redeem(post, post.mailed_code(kind=MailKind.VERIFICATION_CODE))
    proved_at = clock()
    clock.advance(timedelta(minutes=20))

    session = redeem(post, post.mailed_code())

    assert session.user.email_verified_at == proved_at
    assert session_works(post, registered)
    assert password_works(post)


# A registration that was refused: the owner may be the one who was refused


def refuse_registration(post: MailDeployment) -> None:
    """Register the address that Bob has, as somebody else."""
    with pytest.raises(EmailTaken):
        post.registration.register_without_session(replace(BOB, password="Her own horse 1"), ABROAD)


def test_after_a_registration_was_refused_the_code_of_the_first_drops_its_password(post: MailDeployment) -> None:
    strangers = post.register()
    code = post.mailed_code(kind=MailKind.VERIFICATION_CODE)
    refuse_registration(post)

    owners = redeem(post, code)

    assert [session_works(post, session) for session in (strangers, owners)] == [False, True]
    assert not password_works(post)
    assert post.user(owners.user.user_id) == owners.user


def test_that_holds_for_a_code_that_is_mailed_after_the_refusal(post: MailDeployment) -> None:
    post.register()
    refuse_registration(post)

    redeem(post, post.mailed_code(kind=MailKind.VERIFICATION_CODE))

    assert not password_works(post)


def test_a_refusal_while_the_code_is_redeemed_lets_no_stranger_s_password_survive(post: MailDeployment) -> None:
    post.register()
    code = post.mailed_code(kind=MailKind.VERIFICATION_CODE)
    meanwhile = MeanwhileStore(
        post.base.store,
        before=lambda call: call.method == "commit" and call.keys[0].pk.startswith("CODE#"),
        happens=lambda: refuse_registration(post),
    )
    guess_once(post.on(meanwhile), code)

    redeem(post, code)

    assert not password_works(post)


def test_of_a_refusal_and_a_redemption_at_once_the_password_survives_only_if_the_code_was_first(
    post: MailDeployment,
) -> None:
    bob = post.register().user
    code = post.mailed_code(kind=MailKind.VERIFICATION_CODE)

    redeemed, _ = at_once([lambda: redeem(post, code), lambda: refuse_registration(post)])

    user = post.user(bob.user_id)
    assert isinstance(redeemed, SignedIn | InvalidCode)
    assert (user.password_hash is None) == (user.contested_at is not None and user.email_verified_at is not None)


@in_memory_only
def test_a_refusal_after_the_address_was_verified_changes_nothing(post: MailDeployment) -> None:
    session = redeem_after_registration(post)
    refuse_registration(post)

    assert post.user(session.user.user_id) == session.user
    redeem(post, post.mailed_code())
    assert password_works(post)


def redeem_after_registration(post: MailDeployment) -> SignedIn:
    post.register()
    return redeem(post, post.mailed_code(kind=MailKind.VERIFICATION_CODE))


# Who is told of a password that was dropped


def redeemed(post: MailDeployment, code: str, client: Client = HOME) -> bool:
    """Whether redeeming a code is said to have removed a password."""
    return post.code_sign_in.sign_in(BOB.email, code, client).password_removed


def test_a_password_that_is_dropped_is_told_in_the_answer_and_by_mail(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()

    assert redeemed(post_in_memory, post_in_memory.mailed_code(), replace(HOME, locale="it"))

    (job,) = post_in_memory.queue.jobs
    assert (job.kind, job.email, job.locale) == (MailKind.PASSWORD_REMOVED, BOB.email, "it")
    post_in_memory.deliver(job)
    assert post_in_memory.outbox.last.kind is MailKind.PASSWORD_REMOVED


@pytest.mark.parametrize("is_done", [True, False], ids=["done", "not done"])
def test_a_password_that_is_dropped_is_told_by_mail_although_the_answer_was_lost(
    post_in_memory: MailDeployment, *, is_done: bool
) -> None:
    post_in_memory.register()
    code = post_in_memory.mailed_code()
    fault = Fault.ANSWER_LOST if is_done else Fault.NOT_DONE
    faulty = FaultyStore(post_in_memory.base.store, at=lambda call: call.method == "commit", fault=fault)

    with pytest.raises(DependencyUnavailable):
        redeemed(post_in_memory.on(faulty), code)

    (job,) = post_in_memory.queue.jobs
    queued_at = post_in_memory.base.clock()
    if not is_done:
        with pytest.raises(AccountNotWritten):
            post_in_memory.mailer.deliver(job, queued_at=queued_at)
        post_in_memory.base.clock.advance(WRITE_GRACE)
    post_in_memory.mailer.deliver(job, queued_at=queued_at)
    assert (post_in_memory.outbox.last.kind is MailKind.PASSWORD_REMOVED) is is_done


def test_where_no_password_is_dropped_nothing_is_told(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    code = post_in_memory.mailed_code(kind=MailKind.VERIFICATION_CODE)

    assert not redeemed(post_in_memory, code)
    assert not redeemed(post_in_memory, post_in_memory.mailed_code())

    assert post_in_memory.queue.jobs == []


def test_a_code_signs_in_though_the_notice_cannot_be_queued(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    post_in_memory.queue.is_down = True

    assert redeemed(post_in_memory, post_in_memory.mailed_code())

    assert "mail_not_queued" in post_in_memory.base.recorded.events


# The language of the account


@pytest.mark.parametrize(("known", "requested", "kept"), [(None, "it", "it"), ("es", "it", "es"), (None, None, None)])
def test_an_account_without_a_language_takes_that_of_the_sign_in(
    post_in_memory: MailDeployment, known: str | None, requested: str | None, kept: str | None
) -> None:
    bob = post_in_memory.register(replace(BOB, locale=known)).user
    code = post_in_memory.mailed_code(kind=MailKind.VERIFICATION_CODE)

    session = post_in_memory.code_sign_in.sign_in(BOB.email, code, replace(HOME, locale=requested)).signed_in

    assert post_in_memory.user(bob.user_id).locale == session.user.locale == kept


def test_a_stranger_who_signs_in_while_the_owner_proves_the_address_is_out(post: MailDeployment) -> None:
    post.register()
    code = post.mailed_code()
    strangers: list[SignedIn] = []
    meanwhile = MeanwhileStore(
        post.base.store,
        before=lambda call: call.method == "commit",
        happens=lambda: strangers.append(post.base.sign_in.sign_in(by_email(BOB.email), ABROAD)),
    )

    owners = redeem(post.on(meanwhile), code)

    assert [session_works(post, session) for session in (*strangers, owners)] == [False, True]


def test_a_code_makes_nobody_more_than_signed_in(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()

    session = redeem(post_in_memory, post_in_memory.mailed_code())

    claims = session.tokens.access_token.split(".")[1]
    said = json.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert said["role"] == "authenticated"
    assert said["aal"] == "aal1"
    assert [each["method"] for each in said["amr"]] == ["otp"]
    assert "acr" not in said


# The log: security.md 167


@pytest.mark.covers("167")
def test_the_log_holds_no_code_and_no_address(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    code = post_in_memory.mailed_code()
    guess(post_in_memory, code, times=2)
    redeem(post_in_memory, code)

    logged = str(post_in_memory.base.recorded.notes)

    assert code not in logged
    assert BOB.email not in logged
