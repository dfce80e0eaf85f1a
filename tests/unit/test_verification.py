"""gerbang.accounts.verification: what verifying an address changes in the account."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from gerbang.accounts.verification import EarlierCredentials, verify_email
from gerbang.core.clock import to_epoch
from gerbang.storage.accounts import User
from gerbang.storage.store import Gone, Plus

from tests.deployment import Deployment

REGISTERED_AT = datetime(2026, 1, 15, 12, tzinfo=UTC)
NOW = REGISTERED_AT + timedelta(days=1)
UNVERIFIED = User(
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
VERIFIED = replace(UNVERIFIED, email_verified_at=REGISTERED_AT)


def test_the_first_verification_can_drop_password_and_sessions() -> None:
    verified, changes = verify_email(UNVERIFIED, EarlierCredentials.DROPPED, at=NOW)

    assert (verified.email_verified_at, verified.password_hash, verified.epoch) == (NOW, None, 5)
    assert (changes["password_hash"], changes["epoch"]) == (Gone(), Plus(1))


def test_the_first_verification_can_keep_password_and_sessions() -> None:
    verified, changes = verify_email(UNVERIFIED, EarlierCredentials.KEPT, at=NOW)

    assert (verified.email_verified_at, verified.password_hash, verified.epoch) == (NOW, "a hash", 4)
    assert changes.keys() == {"email_verified_at", "last_sign_in_at", "updated_at"}


@pytest.mark.parametrize("earlier", EarlierCredentials)
def test_verifying_again_changes_only_the_last_sign_in(earlier: EarlierCredentials) -> None:
    verified, changes = verify_email(VERIFIED, earlier, at=NOW)

    assert verified == replace(VERIFIED, last_sign_in_at=NOW)
    assert changes == {"last_sign_in_at": to_epoch(NOW)}


@pytest.mark.parametrize("earlier", EarlierCredentials)
@pytest.mark.parametrize(
    "user",
    [UNVERIFIED, VERIFIED, replace(UNVERIFIED, password_hash=None)],
    ids=["unverified", "verified", "without a password"],
)
def test_the_returned_account_is_the_stored_account(
    deployment: Deployment, user: User, earlier: EarlierCredentials
) -> None:
    deployment.store.commit(*deployment.users.creation(user).values())

    verified, changes = verify_email(user, earlier, at=NOW)
    deployment.users.change(user, changes)

    assert deployment.users.find(user.user_id) == verified


@pytest.mark.covers("60")
@pytest.mark.parametrize("earlier", EarlierCredentials)
def test_verifying_changes_no_role_credit_or_name(earlier: EarlierCredentials) -> None:
    verified, _ = verify_email(UNVERIFIED, earlier, at=NOW)

    assert (verified.role_id, verified.credit_balance, verified.name, verified.username) == (2, 7, "Bob", "bob")
