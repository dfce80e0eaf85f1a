"""gerbang.accounts.registration: what a registration creates, and its limit."""

from copy import replace
from datetime import timedelta

import pytest
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.roles import Role
from gerbang.container import Container
from gerbang.core.client import Client
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.identifiers import LARGEST_NUMBER
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.storage.accounts import Name
from gerbang.storage.users import NUMBER_DRAWS

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, PASSWORD, REGISTRATIONS, Choices, Deployment
from tests.fakes import FakeClock, Fault, FaultyStore, Numbers, PassingStore, RecordingLog
from tests.unit.registration.steps import Register, stored_items


def test_an_account_has_the_requested_values(deployment: Deployment, register: Register, clock: FakeClock) -> None:
    registered = register(replace(ALICE, email=EmailAddress("  Alice@Example.com "), locale="id"))

    user = deployment.users.find(registered.signed_in.user.user_id)
    assert user is not None
    assert user == registered.signed_in.user
    assert (user.name, user.email, user.email_as_typed) == ("Alice", "alice@example.com", "Alice@Example.com")
    assert (user.username, user.locale, user.credit_balance, user.role_id) == ("alice", "id", 5000, 3)
    assert user.created_at == user.updated_at == user.last_sign_in_at == clock()
    assert (user.email_verified_at, user.disabled_at, user.epoch, user.is_anonymous) == (None, None, 0, False)
    assert (user.password_hash or "").startswith("$bcrypt-sha256$")


def test_an_account_is_found_by_address_user_name_and_number(deployment: Deployment, register: Register) -> None:
    user = register(ALICE).signed_in.user

    for name, value in ((Name.EMAIL, user.email), (Name.USERNAME, "ALICE"), (Name.NUMBER, user.number)):
        assert value is not None
        assert deployment.users.find_id(name, value) == user.user_id


def test_a_registration_signs_in(deployment: Deployment, register: Register, log: RecordingLog) -> None:
    signed_in = register(ALICE).signed_in

    authenticated = deployment.sessions.authenticate(signed_in.tokens.access_token)
    assert authenticated.user == signed_in.user
    assert (authenticated.family.amr[0].method, authenticated.family.address) == ("password", HOME.address)
    assert log.events == ["registered"]


def test_an_organization_is_created_with_its_owner(deployment: Deployment, register: Register) -> None:
    registered = register(ALICE)

    assert registered.organization is not None
    assert deployment.organizations.find(registered.organization.organization_id).name == "Acme"
    user = registered.signed_in.user
    assert (user.organization_id, registered.signed_in.role) == (
        registered.organization.organization_id,
        Role.CLIENT_OWNER,
    )
    membership = deployment.organizations.membership(registered.organization.organization_id, user.user_id)
    assert membership.role == "CLIENT_OWNER"


def test_without_an_organization_no_membership_is_created(register: Register, database: Database) -> None:
    registered = register(BOB)

    assert registered.organization is None
    assert registered.signed_in.user.organization_id is None
    assert stored_items(database) == {"USER#": 1, "EMAIL#": 1, "NUMBER#": 1}


def test_register_without_session_only_creates_the_account(
    deployment: Deployment, database: Database, log: RecordingLog
) -> None:
    user = deployment.registration.register_without_session(ALICE, HOME)

    assert deployment.users.find(user.user_id) == user
    assert user.last_sign_in_at is None
    assert database.items("RefreshTokenFamilies") == []
    assert log.events == ["registered"]


def test_the_password_is_stored_only_as_a_hash(register: Register, database: Database) -> None:
    register(ALICE)

    everything = repr([database.contents(table) for table in database.tables.values()])
    assert PASSWORD not in everything


def test_the_repr_of_a_new_account_has_no_password() -> None:
    assert PASSWORD not in repr(ALICE)


# Numbers


def test_a_number_that_is_taken_is_drawn_again(deployment: Deployment, database: Database) -> None:
    drawing = replace(deployment, new_number=Numbers(7, 7, 7, 8)).registration

    first = drawing.register(ALICE, HOME).signed_in.user
    second = drawing.register(BOB, HOME).signed_in.user

    assert (first.number, second.number) == (7, 8)
    assert len(database.items("Users", "NUMBER#")) == 2
    assert len(database.items("RefreshTokenFamilies")) == 2


def test_without_a_free_number_no_account_is_created(deployment: Deployment, database: Database) -> None:
    drawing = replace(deployment, new_number=Numbers(*[7] * (NUMBER_DRAWS + 1))).registration
    drawing.register(ALICE, HOME)

    with pytest.raises(DependencyUnavailable):
        drawing.register(BOB, HOME)

    assert len(database.items("Users", "USER#")) == 1


def test_numbers_have_thirty_one_random_bits() -> None:
    draw = Container({}).new_number

    drawn = {draw() for _ in range(1000)}

    assert len(drawn) > 990
    assert all(1 <= number <= LARGEST_NUMBER for number in drawn)
    assert max(drawn) > LARGEST_NUMBER // 2


# The limit: security.md 32, 34


@pytest.mark.covers("34")
def test_a_client_address_can_register_thirty_accounts_an_hour(
    deployment_in_memory: Deployment, clock: FakeClock
) -> None:
    registration = deployment_in_memory.registration
    for number in range(REGISTRATIONS.attempts):
        registration.register(replace(BOB, email=EmailAddress(f"bob{number}@example.com")), HOME)
    clock.advance(timedelta(minutes=20))

    with pytest.raises(TooManyAttempts) as caught:
        registration.register(ALICE, HOME)

    assert (caught.value.limit, caught.value.retry_after) == ("registration", timedelta(minutes=40))
    registration.register(ALICE, Client(address="198.51.100.1"))
    clock.advance(timedelta(minutes=40))
    registration.register(BOB, HOME)


@pytest.mark.covers("C4", "32")
def test_registrations_of_taken_addresses_are_limited_too(deployment: Deployment, hashes: list[int]) -> None:
    """Only a registration tells who has an account. Over the limit, no password is hashed."""
    chosen = Choices(registration=replace(REGISTRATIONS, attempts=3))
    registration = replace(deployment, choices=chosen).registration
    registration.register(ALICE, HOME)
    for _ in range(2):
        with pytest.raises(EmailTaken):
            registration.register(ALICE, HOME)
    hashes.clear()

    with pytest.raises(TooManyAttempts):
        registration.register(ALICE, HOME)

    assert hashes == []


# Faults: F2, F3, F32


@pytest.mark.covers("F3")
def test_a_registration_whose_response_was_lost_has_been_done(deployment: Deployment, register: Register) -> None:
    """The client repeats it, gets "taken", and can sign in."""
    lost = FaultyStore(deployment.store, at=lambda call: call.method == "commit", fault=Fault.ANSWER_LOST)
    with pytest.raises(DependencyUnavailable):
        replace(deployment, store=lost).registration.register(ALICE, HOME)

    with pytest.raises(EmailTaken):
        register(ALICE)
    user_id = deployment.users.find_id(Name.EMAIL, ALICE.email)
    assert user_id is not None
    user = deployment.users.find(user_id)
    assert user is not None
    assert deployment.organizations.membership(str(user.organization_id), user_id).role == "CLIENT_OWNER"


@pytest.mark.covers("F2")
def test_a_registration_that_was_not_done_can_be_repeated(
    deployment: Deployment, register: Register, database: Database
) -> None:
    """The address is still free."""
    failing = FaultyStore(deployment.store, at=lambda call: call.method == "commit", fault=Fault.NOT_DONE)
    with pytest.raises(DependencyUnavailable):
        replace(deployment, store=failing).registration.register(ALICE, HOME)
    assert database.items("Users") == []

    register(ALICE)


def test_everything_is_written_in_one_transaction(deployment: Deployment) -> None:
    watched = PassingStore(deployment.store)

    replace(deployment, store=watched).registration.register(ALICE, HOME)

    limit, commit = watched.calls
    assert (limit.method, commit.method) == ("write", "commit")
    assert len(commit.keys) == 7  # account, address, user name, number, organisation, membership, session


# Organizations: security.md 127 to 132


@pytest.mark.covers("127", "129")
def test_a_user_is_not_a_member_of_another_organization(deployment: Deployment, register: Register) -> None:
    acme, bob = register(ALICE).organization, register(replace(BOB, founds="Bob's")).signed_in.user
    assert acme is not None

    with pytest.raises(NotAMember):
        deployment.organizations.membership(acme.organization_id, bob.user_id)


@pytest.mark.covers("D18", "132")
@pytest.mark.parametrize(
    "organization_id",
    ["", "org_", "usr_1", "org_1/ORGANIZATION", "org_" + "1" * 41, "org_\u00e9", "x" * 5000, "org_1\n", "\0", " org_1"],
    ids=lambda organization_id: ascii(organization_id)[:12],
)
def test_a_malformed_organization_id_is_rejected_without_a_call(deployment: Deployment, organization_id: str) -> None:
    """The header may have any value."""
    watched = PassingStore(deployment.store)
    organizations = replace(deployment, store=watched).organizations

    with pytest.raises(NotAMember):
        organizations.membership(organization_id, "user")

    assert watched.calls == []


def test_an_unknown_organization_has_no_members(deployment: Deployment) -> None:
    for ask in (
        lambda: deployment.organizations.membership("org_1", "u"),
        lambda: deployment.organizations.find("org_1"),
    ):
        with pytest.raises(NotAMember):
            ask()
