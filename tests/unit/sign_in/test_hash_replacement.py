"""gerbang.accounts.sign_in: a sign-in replaces an old hash (F18, F19, security.md 18, 118, 119)."""

from collections.abc import Callable
from copy import replace

import pytest
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.passwords.bcrypt_sha256 import Verdict, hash_text
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.store import Plus, Value

from tests.deployment import MINUTE, PASSWORD, Choices, Deployment, by_email
from tests.fakes import Call, FakeClock, FaultyStore, MeanwhileStore, RecordingLog, at_once
from tests.unit.sign_in.steps import LEGACY_HASH, change, fail_to_sign_in, sign_in


def hash_of(deployment: Deployment, user: User) -> str | None:
    found = deployment.users.find(user.user_id)
    assert found is not None
    return found.password_hash


@pytest.fixture
def higher_cost(deployment: Deployment) -> Deployment:
    """The deployment after the cost of hashes was raised by one."""
    return replace(deployment, choices=Choices(cost=5))


def writes_account(deployment: Deployment, user: User) -> Callable[[Call], bool]:
    key = deployment.users.key(user.user_id)
    return lambda call: call.method == "write" and call.keys == (key,)


@pytest.mark.covers("18")
def test_a_sign_in_replaces_a_hash_of_a_lower_cost_once(
    higher_cost: Deployment, alice: User, clock: FakeClock, log: RecordingLog, hashes: list[int]
) -> None:
    old = hash_of(higher_cost, alice)
    clock.advance(MINUTE)
    sign_in(higher_cost)

    renewed = higher_cost.users.find(alice.user_id)
    assert renewed is not None
    assert renewed.password_hash is not None
    assert renewed.password_hash != old
    assert "r=5$" in renewed.password_hash
    assert (renewed.updated_at, renewed.migrated_at, renewed.epoch) == (clock(), None, 0)
    assert log.events[-1] == "password_hash_renewed"

    hashes.clear()
    sign_in(higher_cost)
    assert hashes == [5]
    assert hash_of(higher_cost, alice) == renewed.password_hash


def test_a_wrong_password_does_not_replace_the_hash(higher_cost: Deployment, alice: User) -> None:
    old = hash_of(higher_cost, alice)

    fail_to_sign_in(higher_cost)

    assert hash_of(higher_cost, alice) == old


@pytest.mark.covers("118")
def test_a_sign_in_replaces_a_legacy_hash(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    change(deployment, alice, password_hash=LEGACY_HASH)

    sign_in(deployment)

    migrated = deployment.users.find(alice.user_id)
    assert migrated is not None
    assert (migrated.password_hash or "").startswith("$bcrypt-sha256$v=2,t=2b,r=4$")
    assert migrated.migrated_at == clock()
    assert sign_in(deployment).user.user_id == alice.user_id
    assert deployment.passwords.verify(PASSWORD, migrated.password_hash) is Verdict.RIGHT


@pytest.mark.covers("F18", "118")
@pytest.mark.parametrize("raises_epoch", ["with the epoch", "without it"])
def test_replacing_a_hash_does_not_overwrite_a_new_password(
    higher_cost: Deployment, alice: User, raises_epoch: str
) -> None:
    """The write is conditional on the old hash."""
    new_hash = hash_text("Another horse 2", 5)
    changes: dict[str, Value | Plus] = {"password_hash": new_hash}
    if raises_epoch == "with the epoch":
        changes["epoch"] = Plus(1)
    meanwhile = MeanwhileStore(
        higher_cost.store,
        before=writes_account(higher_cost, alice),
        happens=lambda: change(higher_cost, alice, **changes),
    )

    sign_in(replace(higher_cost, store=meanwhile))

    assert hash_of(higher_cost, alice) == new_hash
    with pytest.raises(InvalidCredentials):
        sign_in(higher_cost)
    sign_in(higher_cost, by_email(password="Another horse 2"))


@pytest.mark.covers("F19", "119")
def test_a_sign_in_succeeds_when_its_hash_cannot_be_replaced(
    higher_cost: Deployment, alice: User, log: RecordingLog
) -> None:
    old = hash_of(higher_cost, alice)
    faulty = FaultyStore(higher_cost.store, at=writes_account(higher_cost, alice))

    signed_in = sign_in(replace(higher_cost, store=faulty))

    assert higher_cost.sessions.authenticate(signed_in.tokens.access_token).user.user_id == alice.user_id
    assert hash_of(higher_cost, alice) == old
    assert log.events[-1] == "password_hash_not_renewed"
    sign_in(higher_cost)
    assert hash_of(higher_cost, alice) != old


def test_concurrent_sign_ins_replace_a_hash_once(higher_cost: Deployment, log: RecordingLog, alice: User) -> None:
    outcomes = at_once([lambda: sign_in(higher_cost)] * 5)

    assert all(isinstance(outcome, SignedIn) for outcome in outcomes)
    assert log.events.count("password_hash_renewed") == 1
    assert higher_cost.passwords.verify(PASSWORD, hash_of(higher_cost, alice)) is Verdict.RIGHT
