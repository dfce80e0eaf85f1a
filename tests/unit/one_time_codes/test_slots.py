"""The slots of one-time codes: which code a request may redeem, and what else it spends and verifies."""

from functools import partial

import pytest
from gerbang.accounts.code_sign_in import InvalidCode
from gerbang.accounts.verification import AccountDisabled
from gerbang.core.emails import EmailAddress
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.codes import CODE_LIFETIME
from gerbang.mail.jobs import MailKind
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import Name
from gerbang.storage.one_time_codes import Slot

from tests.conftest import Database
from tests.deployment import BOB, HOME
from tests.fakes import at_once
from tests.unit.access import password_works, session_works
from tests.unit.faulty_runs import calls_of
from tests.unit.mail_deployment import MailDeployment, in_memory_only
from tests.unit.mail_fakes import wrong_code
from tests.unit.one_time_codes.redemption import (
    EITHER,
    NEW_EMAIL,
    both_codes,
    is_spent,
    reason_of_failure,
    redeem,
    redemption,
    sign_up_code,
)

# Slots


@in_memory_only
def test_a_code_can_be_redeemed_in_its_own_slot_only(post: MailDeployment) -> None:
    codes = both_codes(post)

    assert reason_of_failure(post, codes.confirmation, slots=(Slot.RECOVERY,)) == "wrong"
    assert reason_of_failure(post, codes.recovery, slots=(Slot.EMAIL,)) == "wrong"
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
        assert reason_of_failure(post, code) == "none"


def test_a_code_redeemed_at_atourin_spends_the_other_code_too(post_in_memory: MailDeployment) -> None:
    codes = both_codes(post_in_memory)

    post_in_memory.code_sign_in.sign_in(BOB.email, codes.confirmation, HOME)

    assert is_spent(post_in_memory, Slot.RECOVERY)


def test_a_code_mailed_while_the_other_one_is_redeemed_is_spent_too(post: MailDeployment) -> None:
    codes = both_codes(post)
    newer: list[str] = []
    meanwhile = post.meanwhile(
        lambda: newer.append(post.mailed_code(kind=MailKind.RECOVERY_CODE)),
    )

    assert session_works(post, redeem(meanwhile, codes.confirmation))

    assert is_spent(post, Slot.RECOVERY)
    assert reason_of_failure(post, newer[0]) == "none"
    assert session_works(post, redeem(post, post.mailed_code(kind=MailKind.RECOVERY_CODE)))


def test_of_both_codes_redeemed_at_once_only_one_opens_a_session(post: MailDeployment, database: Database) -> None:
    codes = both_codes(post)
    before = len(database.items("RefreshTokenFamilies"))

    outcomes = at_once([partial(redeem, post, code) for code in (codes.confirmation, codes.recovery)] * 2)

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == 3
    assert len(database.items("RefreshTokenFamilies")) == before + 1


def test_an_expired_code_of_the_other_slot_is_not_spent(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    post_in_memory.mailed_code(kind=MailKind.RECOVERY_CODE)
    post_in_memory.base.clock.advance(CODE_LIFETIME)

    redeem(post_in_memory, post_in_memory.mailed_code(kind=MailKind.VERIFICATION_CODE))

    assert not is_spent(post_in_memory, Slot.RECOVERY)


@in_memory_only
def test_tries_are_counted_together_for_both_slots(post: MailDeployment) -> None:
    codes = both_codes(post)
    for slots in ((Slot.EMAIL,), (Slot.RECOVERY,), (Slot.EMAIL,), (Slot.RECOVERY,), EITHER):
        reason_of_failure(post, wrong_code(codes.confirmation), slots=slots)

    for slots in ((Slot.EMAIL,), (Slot.RECOVERY,), EITHER):
        with pytest.raises(TooManyAttempts):
            redeem(post, codes.recovery, slots=slots)


def test_a_wrong_code_costs_the_same_calls_for_known_and_unknown_addresses(post_in_memory: MailDeployment) -> None:
    post = post_in_memory
    both_codes(post)
    sign_up_code(post)

    costs = [
        calls_of(post, lambda here, email=email, slots=slots: reason_of_failure(here, "123456", email, slots=slots))  # type: ignore[misc]
        for email in (BOB.email, NEW_EMAIL, EmailAddress("unknown@example.com"))
        for slots in ((Slot.EMAIL,), (Slot.RECOVERY,), EITHER)
    ]

    assert all(cost == costs[0] for cost in costs)


# What a recovery code verifies


def test_a_recovery_code_verifies_the_address_and_removes_password_and_sessions_of_before(post: MailDeployment) -> None:
    strangers_session = post.register()

    owners_redemption = redemption(post, post.mailed_code(kind=MailKind.RECOVERY_CODE), slots=(Slot.RECOVERY,))

    assert owners_redemption.password_removed
    assert post.user(strangers_session.user.user_id) == owners_redemption.signed_in.user
    assert owners_redemption.signed_in.user.email_verified_at == post.base.clock()
    assert [session_works(post, session) for session in (strangers_session, owners_redemption.signed_in)] == [
        False,
        True,
    ]
    assert not password_works(post)


def test_a_recovery_code_of_a_verified_account_keeps_the_password(post_in_memory: MailDeployment) -> None:
    post_in_memory.register()
    redeem(post_in_memory, post_in_memory.mailed_code(kind=MailKind.VERIFICATION_CODE))

    assert not redemption(post_in_memory, post_in_memory.mailed_code(kind=MailKind.RECOVERY_CODE)).password_removed

    assert password_works(post_in_memory)


# Disabled accounts


def test_only_the_right_code_shows_that_an_account_is_disabled(post_in_memory: MailDeployment) -> None:
    codes = both_codes(post_in_memory)
    post_in_memory.disable(post_in_memory.user(post_in_memory.users.find_id(Name.EMAIL, BOB.email) or ""))

    assert reason_of_failure(post_in_memory, wrong_code(codes.recovery)) == "wrong"
    with pytest.raises(AccountDisabled):
        redeem(post_in_memory, codes.recovery)
    with pytest.raises(InvalidCode):
        post_in_memory.code_sign_in.sign_in(BOB.email, codes.confirmation, HOME)
