"""Codes in slots: which code a request may redeem, what it spends besides, and the account that it makes."""

from copy import replace
from dataclasses import dataclass
from functools import partial
from typing import Final

import pytest
from gerbang.accounts.code_sign_in import InvalidCode, Redeemed
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_up_policy import SignUpDisabled
from gerbang.accounts.verification import AccountDisabled
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import Limit, TooManyAttempts, digest
from gerbang.mail.codes import CODE_LIFETIME, DIGITS
from gerbang.mail.jobs import NEW_USER_METADATA, NEW_USER_NAME, SLOT, MailJob, MailKind
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name, User
from gerbang.storage.one_time_codes import OneTimeCode, Slot
from gerbang.storage.removal import removal
from gerbang.storage.store import Plus, Update
from gerbang.storage.users import NUMBER_DRAWS

from tests.conftest import Database
from tests.deployment import ABROAD, BOB, HOME, HOUR, SECOND, Choices
from tests.fakes import FakeClock, Fault, FaultyStore, MeanwhileStore, at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import Scenario, calls_of, faulty_runs
from tests.unit.mail_fakes import MailDeployment, code_in, in_memory_only, mailing_in_memory

EITHER: Final = (Slot.EMAIL, Slot.RECOVERY)
NEW: Final = EmailAddress("  New.Person@Example.com ")
METADATA: Final = '{"plan":"pro","tags":["a"]}'


def redeem(
    post: MailDeployment, code: str, email: EmailAddress = BOB.email, *, slots: tuple[Slot, ...] = EITHER
) -> SignedIn:
    return redeemed(post, code, email, slots=slots).signed_in


def redeemed(
    post: MailDeployment, code: str, email: EmailAddress = BOB.email, *, slots: tuple[Slot, ...] = EITHER
) -> Redeemed:
    return post.base.code_sign_in_with_sign_up.redeem(email, code, HOME, slots=slots)


def guess(post: MailDeployment, code: str, email: EmailAddress = BOB.email, *, slots: tuple[Slot, ...] = EITHER) -> str:
    """Redeem a code that is worth nothing; return why."""
    with pytest.raises(InvalidCode) as error:
        redeem(post, code, email, slots=slots)
    return str(error.value)


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**DIGITS:0{DIGITS}d}"


def stored(post: MailDeployment, slot: Slot, email: str = BOB.email) -> OneTimeCode | None:
    return post.codes.read(post.base.store.get(post.codes.key(slot, digest(email))))


def is_spent(post: MailDeployment, slot: Slot, email: str = BOB.email) -> bool:
    code = stored(post, slot, email)
    assert code is not None
    return code.spent_at is not None


def sign_up_job(post: MailDeployment, email: str = NEW) -> MailJob:
    payload = {SLOT: Slot.RECOVERY.value, NEW_USER_NAME: "New", NEW_USER_METADATA: METADATA}
    return replace(post.job(MailKind.SIGN_IN_CODE, email), payload=payload)


def sign_up_code(post: MailDeployment, email: str = NEW) -> str:
    """The code that was mailed to an address that no account has, to make one."""
    post.deliver(sign_up_job(post, email))
    return code_in(post.outbox.last)


def account_of(post: MailDeployment, email: str = NEW) -> User | None:
    user_id = post.users.find_id(Name.EMAIL, email)
    return None if user_id is None else post.users.find(user_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Codes:
    """The codes in both slots of Bob's address."""

    confirmation: str
    recovery: str


def both_codes(post: MailDeployment) -> Codes:
    post.register()
    confirmation = post.mailed_code(kind=MailKind.VERIFICATION_CODE)
    return Codes(confirmation=confirmation, recovery=post.mailed_code(kind=MailKind.RECOVERY_CODE))


# Slots


@in_memory_only
def test_a_code_is_found_in_its_own_slot_only(post: MailDeployment) -> None:
    codes = both_codes(post)

    assert guess(post, codes.confirmation, slots=(Slot.RECOVERY,)) == "wrong"
    assert guess(post, codes.recovery, slots=(Slot.EMAIL,)) == "wrong"
    with pytest.raises(InvalidCode):
        post.code_sign_in.sign_in(BOB.email, codes.recovery, HOME)
    assert session_works(post, redeem(post, codes.recovery, slots=(Slot.RECOVERY,)))


@pytest.mark.parametrize("which", ["confirmation", "recovery"])
def test_a_redeemed_code_spends_the_other_code_of_the_address(post: MailDeployment, which: str) -> None:
    codes = both_codes(post)
    first, other = codes.confirmation, codes.recovery
    if which == "recovery":
        first, other = other, first

    assert session_works(post, redeem(post, first))

    assert is_spent(post, Slot.EMAIL)
    assert is_spent(post, Slot.RECOVERY)
    for code in (first, other):
        assert guess(post, code) == "none"


def test_a_code_of_atourin_s_endpoint_spends_the_other_one_too(post_in_memory: MailDeployment) -> None:
    codes = both_codes(post_in_memory)

    post_in_memory.code_sign_in.sign_in(BOB.email, codes.confirmation, HOME)

    assert is_spent(post_in_memory, Slot.RECOVERY)


def test_a_code_that_is_mailed_while_the_other_is_redeemed_is_spent_with_it(post: MailDeployment) -> None:
    codes = both_codes(post)
    newer: list[str] = []
    meanwhile = MeanwhileStore(
        post.base.store,
        before=lambda call: call.method == "commit",
        happens=lambda: newer.append(post.mailed_code(kind=MailKind.RECOVERY_CODE)),
    )

    assert session_works(post, redeem(post.on(meanwhile), codes.confirmation))

    assert is_spent(post, Slot.RECOVERY)
    assert guess(post, newer[0]) == "none"
    assert session_works(post, redeem(post, post.mailed_code(kind=MailKind.RECOVERY_CODE)))


def test_of_both_codes_at_once_one_opens_a_session(post: MailDeployment, database: Database) -> None:
    codes = both_codes(post)
    before = len(database.items("RefreshTokenFamilies"))

    outcomes = at_once([partial(redeem, post, code) for code in (codes.confirmation, codes.recovery)] * 2)

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == 3
    assert len(database.items("RefreshTokenFamilies")) == before + 1


def test_an_expired_code_of_the_other_slot_is_left_alone(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    post_in_memory.mailed_code(kind=MailKind.RECOVERY_CODE)
    post_in_memory.base.clock.advance(CODE_LIFETIME)

    redeem(post_in_memory, post_in_memory.mailed_code(kind=MailKind.VERIFICATION_CODE))

    assert not is_spent(post_in_memory, Slot.RECOVERY)


@in_memory_only
def test_tries_are_counted_over_both_slots(post: MailDeployment) -> None:
    codes = both_codes(post)
    for slots in ((Slot.EMAIL,), (Slot.RECOVERY,), (Slot.EMAIL,), (Slot.RECOVERY,), EITHER):
        guess(post, wrong(codes.confirmation), slots=slots)

    for slots in ((Slot.EMAIL,), (Slot.RECOVERY,), EITHER):
        with pytest.raises(TooManyAttempts):
            redeem(post, codes.recovery, slots=slots)


def test_every_try_costs_the_same_calls_whoever_has_the_address(post_in_memory: MailDeployment) -> None:
    post = post_in_memory
    both_codes(post)
    sign_up_code(post)

    costs = [
        calls_of(post, lambda here, email=email, slots=slots: guess(here, "123456", email, slots=slots))  # type: ignore[misc]
        for email in (BOB.email, NEW, EmailAddress("nobody@example.com"))
        for slots in ((Slot.EMAIL,), (Slot.RECOVERY,), EITHER)
    ]

    assert all(cost == costs[0] for cost in costs)


# What a recovery code verifies


def test_a_recovery_code_verifies_the_address_and_drops_what_a_stranger_set_up(post: MailDeployment) -> None:
    strangers = post.register()

    owners = redeemed(post, post.mailed_code(kind=MailKind.RECOVERY_CODE), slots=(Slot.RECOVERY,))

    assert owners.password_removed
    assert post.user(strangers.user.user_id) == owners.signed_in.user
    assert owners.signed_in.user.email_verified_at == post.base.clock()
    assert [session_works(post, session) for session in (strangers, owners.signed_in)] == [False, True]
    assert not password_works(post)


def test_a_recovery_code_of_a_verified_account_keeps_its_password(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    redeem(post_in_memory, post_in_memory.mailed_code(kind=MailKind.VERIFICATION_CODE))

    assert not redeemed(post_in_memory, post_in_memory.mailed_code(kind=MailKind.RECOVERY_CODE)).password_removed

    assert password_works(post_in_memory)


# Disabled accounts


def test_that_an_account_is_disabled_is_told_with_the_right_code_only(post_in_memory: MailDeployment) -> None:
    codes = both_codes(post_in_memory)
    post_in_memory.disable(post_in_memory.user(post_in_memory.users.find_id(Name.EMAIL, BOB.email) or ""))

    assert guess(post_in_memory, wrong(codes.recovery)) == "wrong"
    with pytest.raises(AccountDisabled):
        redeem(post_in_memory, codes.recovery)
    with pytest.raises(InvalidCode):
        post_in_memory.code_sign_in.sign_in(BOB.email, codes.confirmation, HOME)


# The account that a code makes


def test_a_code_makes_the_account_when_it_is_redeemed(post: MailDeployment) -> None:
    code = sign_up_code(post)
    assert account_of(post) is None

    session = redeem(post, code, NEW)

    now = post.base.clock()
    user = account_of(post)
    assert user == session.user
    assert user is not None
    assert (user.email, user.email_as_typed, user.email_verified_at) == (NEW, "New.Person@Example.com", now)
    assert (user.name, user.user_metadata) == ("New", {"plan": "pro", "tags": ["a"]})
    assert (user.password_hash, user.is_anonymous, user.expires_at, user.credit_balance) == (None, False, None, 5000)
    assert (user.created_at, user.last_sign_in_at) == (now, now)
    assert user.number is not None
    assert post.users.find_id(Name.NUMBER, user.number) == user.user_id
    assert session_works(post, session)
    assert post.base.recorded.events[-1] == "registered"
    assert is_spent(post, Slot.EMAIL, NEW)
    assert guess(post, code, NEW) == "none"


def test_the_account_learns_the_language_of_the_request(post_in_memory: MailDeployment) -> None:
    code = sign_up_code(post_in_memory)
    sign_in = post_in_memory.base.code_sign_in_with_sign_up

    session = sign_in.redeem(NEW, code, replace(HOME, locale="it"), slots=(Slot.EMAIL,)).signed_in

    assert session.user.locale == "it"


def test_a_wrong_code_makes_no_account(post_in_memory: MailDeployment) -> None:
    code = sign_up_code(post_in_memory)

    assert guess(post_in_memory, wrong(code), NEW) == "wrong"
    assert guess(post_in_memory, code, NEW, slots=(Slot.RECOVERY,)) == "none"

    assert account_of(post_in_memory) is None
    assert session_works(post_in_memory, redeem(post_in_memory, code, NEW))


def test_atourin_s_endpoint_makes_no_account(post_in_memory: MailDeployment) -> None:
    code = sign_up_code(post_in_memory)

    with pytest.raises(InvalidCode):
        post_in_memory.code_sign_in.sign_in(NEW, code, HOME)

    assert account_of(post_in_memory) is None


def test_a_code_of_an_account_that_was_deleted_makes_no_other(post_in_memory: MailDeployment) -> None:
    bob = post_in_memory.register().user
    code = post_in_memory.mailed_code()
    person = post_in_memory.users.find_person(bob.user_id)
    assert person is not None
    post_in_memory.base.store.commit(*removal(post_in_memory.users, person))

    assert guess(post_in_memory, code) == "no account"


@pytest.mark.parametrize("racers", [2, 8])
def test_of_redeemers_at_once_one_makes_the_account(post: MailDeployment, database: Database, racers: int) -> None:
    code = sign_up_code(post)
    tries = Limit(name="code_tries", attempts=racers, window=HOUR)
    patient = replace(post, base=replace(post.base, choices=Choices(code_tries=tries)))

    outcomes = at_once([partial(redeem, patient, code, NEW)] * racers)

    winners = [outcome for outcome in outcomes if isinstance(outcome, SignedIn)]
    assert len(winners) == 1
    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == racers - 1
    assert account_of(post) == winners[0].user
    assert len(database.items("Users", "USER#")) == len(database.items("RefreshTokenFamilies")) == 1


def register_new(post: MailDeployment) -> None:
    """Register the address with a password, as a stranger could."""
    post.registration.register_without_session(replace(BOB, email=NEW), ABROAD)


def test_an_address_that_is_registered_meanwhile_is_verified_and_loses_its_password(post: MailDeployment) -> None:
    code = sign_up_code(post)
    register_new(post)

    session = redeemed(post, code, NEW)

    assert session.password_removed
    assert session.signed_in.user == account_of(post)
    assert session.signed_in.user.user_metadata == {}
    assert not password_works(post, email=NEW)


def test_an_address_that_is_registered_while_its_code_is_redeemed_is_503_and_then_signs_in(
    post: MailDeployment,
) -> None:
    code = sign_up_code(post)
    meanwhile = MeanwhileStore(
        post.base.store, before=lambda call: call.method == "commit", happens=lambda: register_new(post)
    )

    with pytest.raises(DependencyUnavailable):
        redeem(post.on(meanwhile), code, NEW)

    assert not is_spent(post, Slot.EMAIL, NEW)
    assert redeem(post, code, NEW).user == account_of(post)


def test_registering_and_redeeming_at_once_make_one_account(post: MailDeployment, database: Database) -> None:
    code = sign_up_code(post)

    redeeming, registering = at_once([lambda: redeem(post, code, NEW), lambda: register_new(post)])

    assert isinstance(redeeming, SignedIn | DependencyUnavailable)
    assert registering is None or isinstance(registering, EmailTaken | DependencyUnavailable)
    assert len(database.items("Users", "USER#")) == 1
    if isinstance(redeeming, DependencyUnavailable):
        redeeming = redeem(post, code, NEW)
    assert session_works(post, redeeming)
    assert not password_works(post, email=NEW)


def test_an_account_whose_epoch_has_moved_is_not_opened_by_a_code_from_before_it(
    post_in_memory: MailDeployment,
) -> None:
    code = sign_up_code(post_in_memory)
    register_new(post_in_memory)
    user = account_of(post_in_memory)
    assert user is not None
    post_in_memory.base.store.write(Update(post_in_memory.users.key(user.user_id), {"epoch": Plus(1)}))

    assert guess(post_in_memory, code, NEW) == "another epoch"


def test_a_code_makes_no_account_once_sign_ups_are_closed(post_in_memory: MailDeployment) -> None:
    code = sign_up_code(post_in_memory)
    closed = replace(post_in_memory, base=replace(post_in_memory.base, choices=Choices(sign_up_disabled=True)))

    with pytest.raises(SignUpDisabled):
        redeem(closed, code, NEW)
    guess(closed, wrong(code), NEW)

    assert account_of(post_in_memory) is None
    assert session_works(post_in_memory, redeem(post_in_memory, code, NEW))


def test_accounts_made_by_codes_count_as_registrations(post_in_memory: MailDeployment) -> None:
    few = Choices(registration=Limit(name="registration", attempts=1, window=HOUR))
    post = replace(post_in_memory, base=replace(post_in_memory.base, choices=few))
    redeem(post, sign_up_code(post), NEW)
    other = EmailAddress("other@example.com")
    code = sign_up_code(post, other)

    with pytest.raises(TooManyAttempts) as error:
        redeem(post, code, other)

    assert error.value.limit == "registration"
    assert account_of(post, other) is None
    assert not is_spent(post, Slot.EMAIL, other)


class Numbers:
    """Draws these numbers, one after the other."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = iter(numbers)

    def __call__(self) -> int:
        return next(self._numbers)


def test_a_number_that_is_taken_is_drawn_again(post: MailDeployment) -> None:
    taken = replace(post, base=replace(post.base, new_number=Numbers(7)))
    redeem(taken, sign_up_code(taken), NEW)
    other = EmailAddress("other@example.com")
    code = sign_up_code(post, other)

    session = redeem(replace(post, base=replace(post.base, new_number=Numbers(7, 7, 8))), code, other)

    assert (session.user.number, session.user) == (8, account_of(post, other))


def test_if_no_number_is_free_no_account_is_made_and_the_code_still_works(post_in_memory: MailDeployment) -> None:
    post = post_in_memory
    redeem(replace(post, base=replace(post.base, new_number=Numbers(7))), sign_up_code(post), NEW)
    other = EmailAddress("other@example.com")
    code = sign_up_code(post, other)

    with pytest.raises(DependencyUnavailable):
        redeem(replace(post, base=replace(post.base, new_number=Numbers(*[7] * NUMBER_DRAWS))), code, other)

    assert session_works(post, redeem(post, code, other))


def test_whatever_goes_wrong_the_code_still_works_or_its_account_is_there() -> None:
    def scene() -> Scenario:
        post = mailing_in_memory()
        code = sign_up_code(post)
        return Scenario(post, lambda here: redeem(here, code, NEW))

    for mishap in faulty_runs(scene):
        here = mishap.deployment
        code = here.outbox.codes[-1]
        user = account_of(here)
        if isinstance(mishap.outcome, SignedIn):
            assert session_works(here, mishap.outcome), mishap
            assert user == mishap.outcome.user, mishap
        else:
            assert isinstance(mishap.failure, DependencyUnavailable), mishap
            assert is_spent(here, Slot.EMAIL, NEW) == (user is not None), mishap
            if user is not None:  # and the answer lost: another code signs in to the account
                code = sign_up_code(here)
            assert session_works(here, redeem(here, code, NEW)), mishap


def test_a_commit_whose_answer_is_lost_leaves_one_account(post: MailDeployment, database: Database) -> None:
    code = sign_up_code(post)
    lost = FaultyStore(post.base.store, at=lambda call: call.method == "commit", fault=Fault.ANSWER_LOST)

    with pytest.raises(DependencyUnavailable):
        redeem(post.on(lost), code, NEW)

    assert guess(post, code, NEW) == "none"
    assert len(database.items("Users", "USER#")) == 1
    assert redeem(post, sign_up_code(post), NEW).user == account_of(post)


def test_a_newer_code_decides_what_the_account_is(post_in_memory: MailDeployment, clock: FakeClock) -> None:
    older = sign_up_code(post_in_memory)
    clock.advance(SECOND)
    job = replace(sign_up_job(post_in_memory), payload={SLOT: "RECOVERY", NEW_USER_METADATA: '{"b":2}'})
    post_in_memory.deliver(job)

    guess(post_in_memory, older, NEW)
    user = redeem(post_in_memory, code_in(post_in_memory.outbox.last), NEW).user

    assert (user.name, user.user_metadata) == ("", {"b": 2})


def test_a_code_that_makes_an_account_ends_like_any_other(post_in_memory: MailDeployment, clock: FakeClock) -> None:
    code = sign_up_code(post_in_memory)
    clock.advance(CODE_LIFETIME)

    assert guess(post_in_memory, code, NEW) == "none"
    assert account_of(post_in_memory) is None


@pytest.mark.covers("167")
def test_neither_the_log_nor_a_code_when_printed_shows_who_signs_up(post_in_memory: MailDeployment) -> None:
    code = sign_up_code(post_in_memory)
    kept = stored(post_in_memory, Slot.EMAIL, NEW)
    guess(post_in_memory, wrong(code), NEW)
    redeem(post_in_memory, code, NEW)

    logged = str(post_in_memory.base.recorded.notes)
    assert not any(text in logged for text in (code, NEW, "pro"))
    assert "pro" not in repr(kept)
