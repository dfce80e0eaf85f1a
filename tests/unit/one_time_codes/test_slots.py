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
def test_a_code_can_be_redeemed_in_its_own_slot_only(app: MailDeployment) -> None:
    codes = both_codes(app)

    assert reason_of_failure(app, codes.confirmation, slots=(Slot.RECOVERY,)) == "wrong"
    assert reason_of_failure(app, codes.recovery, slots=(Slot.EMAIL,)) == "wrong"
    with pytest.raises(InvalidCode):
        app.code_sign_in.sign_in(BOB.email, codes.recovery, HOME)
    assert session_works(app, redeem(app, codes.recovery, slots=(Slot.RECOVERY,)))


@pytest.mark.parametrize("which", ["confirmation", "recovery"])
def test_a_redeemed_code_spends_the_other_code_of_the_address(app: MailDeployment, which: str) -> None:
    codes = both_codes(app)
    first, other = codes.confirmation, codes.recovery
    if which == "recovery":
        first, other = other, first

    assert session_works(app, redeem(app, first))

    assert is_spent(app, Slot.EMAIL)
    assert is_spent(app, Slot.RECOVERY)
    for code in (first, other):
        assert reason_of_failure(app, code) == "none"


def test_a_code_redeemed_at_atourin_spends_the_other_code_too(app_in_memory: MailDeployment) -> None:
    codes = both_codes(app_in_memory)

    app_in_memory.code_sign_in.sign_in(BOB.email, codes.confirmation, HOME)

    assert is_spent(app_in_memory, Slot.RECOVERY)


def test_a_code_mailed_while_the_other_one_is_redeemed_is_spent_too(app: MailDeployment) -> None:
    codes = both_codes(app)
    newer: list[str] = []
    meanwhile = app.meanwhile(
        lambda: newer.append(app.mailed_code(kind=MailKind.RECOVERY_CODE)),
    )

    assert session_works(app, redeem(meanwhile, codes.confirmation))

    assert is_spent(app, Slot.RECOVERY)
    assert reason_of_failure(app, newer[0]) == "none"
    assert session_works(app, redeem(app, app.mailed_code(kind=MailKind.RECOVERY_CODE)))


def test_of_both_codes_redeemed_at_once_only_one_opens_a_session(app: MailDeployment, database: Database) -> None:
    codes = both_codes(app)
    before = len(database.items("RefreshTokenFamilies"))

    outcomes = at_once([partial(redeem, app, code) for code in (codes.confirmation, codes.recovery)] * 2)

    assert sum(isinstance(outcome, SignedIn) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, InvalidCode) for outcome in outcomes) == 3
    assert len(database.items("RefreshTokenFamilies")) == before + 1


def test_an_expired_code_of_the_other_slot_is_not_spent(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    app_in_memory.mailed_code(kind=MailKind.RECOVERY_CODE)
    app_in_memory.base.clock.advance(CODE_LIFETIME)

    redeem(app_in_memory, app_in_memory.mailed_code(kind=MailKind.VERIFICATION_CODE))

    assert not is_spent(app_in_memory, Slot.RECOVERY)


@in_memory_only
def test_tries_are_counted_together_for_both_slots(app: MailDeployment) -> None:
    codes = both_codes(app)
    for slots in ((Slot.EMAIL,), (Slot.RECOVERY,), (Slot.EMAIL,), (Slot.RECOVERY,), EITHER):
        reason_of_failure(app, wrong_code(codes.confirmation), slots=slots)

    for slots in ((Slot.EMAIL,), (Slot.RECOVERY,), EITHER):
        with pytest.raises(TooManyAttempts):
            redeem(app, codes.recovery, slots=slots)


def test_a_wrong_code_costs_the_same_calls_for_known_and_unknown_addresses(app_in_memory: MailDeployment) -> None:
    app = app_in_memory
    both_codes(app)
    sign_up_code(app)

    costs = [
        calls_of(app, lambda here, email=email, slots=slots: reason_of_failure(here, "123456", email, slots=slots))  # type: ignore[misc]
        for email in (BOB.email, NEW_EMAIL, EmailAddress("unknown@example.com"))
        for slots in ((Slot.EMAIL,), (Slot.RECOVERY,), EITHER)
    ]

    assert all(cost == costs[0] for cost in costs)


# What a recovery code verifies


def test_a_recovery_code_verifies_the_address_and_removes_password_and_sessions_of_before(app: MailDeployment) -> None:
    strangers_session = app.register()

    owners_redemption = redemption(app, app.mailed_code(kind=MailKind.RECOVERY_CODE), slots=(Slot.RECOVERY,))

    assert owners_redemption.password_removed
    assert app.user(strangers_session.user.user_id) == owners_redemption.signed_in.user
    assert owners_redemption.signed_in.user.email_verified_at == app.base.clock()
    assert [session_works(app, session) for session in (strangers_session, owners_redemption.signed_in)] == [
        False,
        True,
    ]
    assert not password_works(app)


def test_a_recovery_code_of_a_verified_account_keeps_the_password(app_in_memory: MailDeployment) -> None:
    app_in_memory.register()
    redeem(app_in_memory, app_in_memory.mailed_code(kind=MailKind.VERIFICATION_CODE))

    assert not redemption(app_in_memory, app_in_memory.mailed_code(kind=MailKind.RECOVERY_CODE)).password_removed

    assert password_works(app_in_memory)


# Disabled accounts


def test_only_the_right_code_shows_that_an_account_is_disabled(app_in_memory: MailDeployment) -> None:
    codes = both_codes(app_in_memory)
    app_in_memory.disable(app_in_memory.user(app_in_memory.users.find_id(Name.EMAIL, BOB.email) or ""))

    assert reason_of_failure(app_in_memory, wrong_code(codes.recovery)) == "wrong"
    with pytest.raises(AccountDisabled):
        redeem(app_in_memory, codes.recovery)
    with pytest.raises(InvalidCode):
        app_in_memory.code_sign_in.sign_in(BOB.email, codes.confirmation, HOME)
