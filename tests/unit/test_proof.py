"""gerbang.proof: what becomes of an account once its address is proved."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from gerbang.clock import to_epoch
from gerbang.proof import Earlier, proving
from gerbang.storage.store import Gone, Plus
from gerbang.storage.users import User

from tests.deployment import Deployment

REGISTERED_AT = datetime(2026, 1, 15, 12, tzinfo=UTC)
NOW = REGISTERED_AT + timedelta(days=1)
UNPROVED = User(
    user_id="00000001-0000-4000-8000-000000000001",
    name="Bob",
    email="bob@example.com",
    password_hash="a hash",
    username="bob",
    epoch=4,
    role_id=2,
    credit_balance=7,
    created_at=REGISTERED_AT,
    updated_at=REGISTERED_AT,
)
PROVED = replace(UNPROVED, email_verified_at=REGISTERED_AT)


def test_the_first_proof_drops_password_and_sessions_of_before() -> None:
    proved, changes = proving(UNPROVED, Earlier.DROPPED, at=NOW)

    assert (proved.email_verified_at, proved.password_hash, proved.epoch) == (NOW, None, 5)
    assert (changes["password_hash"], changes["epoch"]) == (Gone(), Plus(1))


def test_a_proof_that_vouches_for_them_keeps_them() -> None:
    proved, changes = proving(UNPROVED, Earlier.KEPT, at=NOW)

    assert (proved.email_verified_at, proved.password_hash, proved.epoch) == (NOW, "a hash", 4)
    assert changes.keys() == {"email_verified_at", "last_sign_in_at", "updated_at"}


@pytest.mark.parametrize("earlier", Earlier)
def test_another_proof_of_a_proved_address_changes_only_the_last_sign_in(earlier: Earlier) -> None:
    proved, changes = proving(PROVED, earlier, at=NOW)

    assert proved == replace(PROVED, last_sign_in_at=NOW)
    assert changes == {"last_sign_in_at": to_epoch(NOW)}


@pytest.mark.parametrize("earlier", Earlier)
@pytest.mark.parametrize("user", [UNPROVED, PROVED, replace(UNPROVED, password_hash=None)], ids=["new", "proved", "x"])
def test_the_account_as_told_is_the_account_as_written(deployment: Deployment, user: User, earlier: Earlier) -> None:
    deployment.store.commit(*deployment.users.creation(user).values())

    proved, changes = proving(user, earlier, at=NOW)
    deployment.users.change(user, changes)

    assert deployment.users.find(user.user_id) == proved


@pytest.mark.parametrize("earlier", Earlier)
def test_a_proof_says_nothing_about_role_credit_or_name(earlier: Earlier) -> None:  # security.md 60
    proved, _ = proving(UNPROVED, earlier, at=NOW)

    assert (proved.role_id, proved.credit_balance, proved.name, proved.username) == (2, 7, "Bob", "bob")
