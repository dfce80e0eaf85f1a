"""gerbang.accounts.registration: addresses and user names that are taken (F4, F5, security.md 160)."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta
from hashlib import md5

import pytest
from gerbang.accounts.registration import EmailTaken, NewAccount, Registered, UsernameTaken
from gerbang.core.client import Client
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.passwords.bcrypt_sha256 import CHEAPEST_COST
from gerbang.storage.accounts import Name

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, PASSWORD, Choices, Deployment
from tests.fakes import FakeClock, FaultyStore, PassingStore, at_once
from tests.unit.registration.steps import Register, stored_items

SPELLINGS = [
    "alice@example.com",
    "Alice@example.com",
    "ALICE@EXAMPLE.COM",
    "alice@EXAMPLE.com",
    " alice@example.com",
    "alice@example.com\t",
    "\u00a0alice@example.com",
    "\uff41lice@example.com",
    "\uff21\uff2c\uff29\uff23\uff25\uff20\uff25\uff38\uff21\uff2d\uff30\uff2c\uff25\uff0e\uff23\uff2f\uff2d",
    "alice@example\uff0ecom",
    "alice@example\u3002com",
    "al\u2170ce@example.com",
    "\u24d0lice@example.com",
    "alic\u212f@example.com",
    "ali\u1d9ce@example.com",
    "a\u02e1ice@example.com",
    "\U0001d41alice@example.com",
    "alice@e\u02e3ample.com",
    "aL\u2071ce@example.com",
    "alice\uff20example.com",
]
"""Of one address: case, white space, full width, circled, mathematical, superscript, ideographic full stops."""


@pytest.mark.covers("F4", "F5", "160")
def test_concurrent_registrations_of_one_address_in_twenty_spellings_make_one_account(
    deployment: Deployment, register: Register, database: Database
) -> None:
    def registration_of(number: int) -> Callable[[], Registered]:
        new = NewAccount(email=EmailAddress(SPELLINGS[number]), password=PASSWORD, name="Alice", founds="Acme")
        return lambda: register(new, Client(address=f"192.0.2.{number}"))

    outcomes = at_once([registration_of(number) for number in range(20)])

    (registered,) = [outcome for outcome in outcomes if isinstance(outcome, Registered)]
    assert sum(type(outcome) is EmailTaken for outcome in outcomes) == 19
    assert stored_items(database) == {"USER#": 1, "EMAIL#": 1, "NUMBER#": 1, "organizations": 2}
    assert len(database.items("RefreshTokenFamilies")) == 1
    assert deployment.users.find_id(Name.EMAIL, "alice@example.com") == registered.signed_in.user.user_id
    user = deployment.sessions.authenticate(registered.signed_in.tokens.access_token).user
    assert replace(user, contested_at=None) == registered.signed_in.user


@pytest.mark.covers("160")
def test_an_address_is_taken_in_every_spelling(register: Register) -> None:
    register(ALICE)

    for spelling in SPELLINGS[1:9]:
        with pytest.raises(EmailTaken):
            register(replace(BOB, email=EmailAddress(spelling)))


@pytest.mark.covers("C4")
def test_a_taken_verified_address_takes_as_many_hashes_as_a_free_one(
    deployment: Deployment, register: Register, hashes: list[int]
) -> None:
    """The answer tells that the address is taken, as documented; the time does not."""
    deployment.users.change(register(ALICE).signed_in.user, {"email_verified_at": 1})
    free = list(hashes)
    hashes.clear()

    with pytest.raises(EmailTaken):
        register(ALICE)

    assert hashes == free


def test_a_failed_registration_stores_nothing(register: Register, database: Database) -> None:
    register(ALICE)
    before = stored_items(database), len(database.items("RefreshTokenFamilies"))

    with pytest.raises(EmailTaken):
        register(replace(ALICE, username="another", founds="Another"))
    with pytest.raises(UsernameTaken):
        register(replace(BOB, username="alice", founds="Another"))

    assert (stored_items(database), len(database.items("RefreshTokenFamilies"))) == before


@pytest.mark.parametrize("spelling", ["alice", "Alice", "ALICE"])
def test_a_user_name_is_unique_in_any_case_and_stored_as_typed(register: Register, spelling: str) -> None:
    first = register(replace(ALICE, username="aLiCe"))

    with pytest.raises(UsernameTaken):
        register(replace(BOB, username=spelling))
    assert first.signed_in.user.username == "aLiCe"


def test_one_of_twenty_concurrent_registrations_of_a_user_name_succeeds(register: Register, database: Database) -> None:
    def registration_of(number: int) -> Callable[[], Registered]:
        username = "Alice" if number % 2 else "aLICE"
        new = NewAccount(email=EmailAddress(f"a{number}@example.com"), password=PASSWORD, name="A", username=username)
        return lambda: register(new, HOME)

    outcomes = at_once([registration_of(number) for number in range(20)])

    assert sum(isinstance(outcome, Registered) for outcome in outcomes) == 1
    assert sum(type(outcome) is UsernameTaken for outcome in outcomes) == 19
    assert stored_items(database) == {"USER#": 1, "EMAIL#": 1, "USERNAME#": 1, "NUMBER#": 1}


def test_the_address_is_reported_when_both_names_are_taken(register: Register) -> None:
    register(ALICE)

    with pytest.raises(EmailTaken):
        register(ALICE)


# A failed registration is recorded on the account that has the address


def test_a_failed_registration_contests_an_unverified_account(
    deployment: Deployment, register: Register, clock: FakeClock
) -> None:
    alice = register(ALICE).signed_in.user
    clock.advance(timedelta(hours=1))

    with pytest.raises(EmailTaken):
        register(replace(ALICE, password="Another horse 2"), client=Client(address="192.0.2.99"))

    assert deployment.users.find(alice.user_id) == replace(alice, contested_at=clock())


def test_registering_again_with_the_same_password_contests_nothing(deployment: Deployment, register: Register) -> None:
    alice = register(ALICE).signed_in.user

    with pytest.raises(EmailTaken) as caught:
        register(ALICE)

    assert caught.value.user_id == alice.user_id
    assert deployment.users.find(alice.user_id) == alice


def test_registering_again_takes_the_same_work_for_a_right_and_a_wrong_password(
    deployment: Deployment, register: Register, hashes: list[int]
) -> None:
    """Else a registration would tell whether a password is right."""
    register(ALICE)
    costs: list[tuple[int, list[str]]] = []
    for password in (ALICE.password, "Another horse 2"):
        hashes.clear()
        watched = PassingStore(deployment.store)
        with pytest.raises(EmailTaken):
            replace(deployment, store=watched).registration.register(replace(ALICE, password=password), HOME)
        costs.append((len(hashes), [call.method for call in watched.calls]))

    assert costs[0] == costs[1]


@pytest.mark.parametrize("legacy", [True, False])
def test_the_work_is_the_same_for_a_stored_hash_of_a_lower_cost_too(
    deployment: Deployment, register: Register, hashes: list[int], *, legacy: bool
) -> None:
    alice = register(ALICE).signed_in.user
    if legacy:
        deployment.users.change(alice, {"password_hash": md5(ALICE.password.encode()).hexdigest()})  # noqa: S324
    higher_cost = replace(deployment, choices=Choices(cost=CHEAPEST_COST + 2))
    rounds: list[int] = []
    for password in (ALICE.password, "Another horse 2"):
        hashes.clear()
        with pytest.raises(EmailTaken):
            higher_cost.registration.register(replace(ALICE, password=password), HOME)
        rounds.append(sum(1 << cost for cost in hashes))

    assert rounds[0] == rounds[1]


def test_a_verified_account_is_not_contested(deployment: Deployment, register: Register) -> None:
    alice = register(ALICE).signed_in.user
    deployment.users.change(alice, {"email_verified_at": 1})

    with pytest.raises(EmailTaken):
        register(ALICE)

    user = deployment.users.find(alice.user_id)
    assert user is not None
    assert user.contested_at is None


def test_a_taken_user_name_contests_nothing(deployment: Deployment, register: Register) -> None:
    alice = register(replace(ALICE, username="alice")).signed_in.user

    with pytest.raises(UsernameTaken):
        register(replace(BOB, username="alice"))

    assert deployment.users.find(alice.user_id) == alice


def test_a_failed_registration_that_cannot_be_recorded_is_unavailable(
    deployment: Deployment, register: Register
) -> None:
    register(ALICE)
    failing = FaultyStore(deployment.store, at=lambda call: call.method == "write" and "USER#" in call.keys[0].pk)

    with pytest.raises(DependencyUnavailable):
        replace(deployment, store=failing).registration.register(ALICE, HOME)
