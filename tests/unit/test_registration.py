"""gerbang.accounts.registration."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta
from hashlib import md5

import pytest
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.registration import EmailTaken, NewAccount, Registered, UsernameTaken
from gerbang.accounts.roles import Role
from gerbang.container import Container
from gerbang.core.client import Client
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.identifiers import LARGEST_NUMBER
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.jobs import REGISTERED, MailKind
from gerbang.passwords.bcrypt_sha256 import CHEAPEST_COST
from gerbang.storage.accounts import Name, User
from gerbang.storage.users import NUMBER_DRAWS

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, PASSWORD, REGISTRATIONS, Choices, Deployment
from tests.fakes import FakeClock, Fault, FaultyStore, Numbers, PassingStore, RecordingLog, at_once
from tests.unit.mail_fakes import MailDeployment, Scene, every_mishap, mailing_in_memory

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


@pytest.fixture
def register(deployment: Deployment) -> Callable[..., Registered]:
    def register(new: NewAccount, client: Client = HOME) -> Registered:
        return deployment.registration.register(new, client)

    return register


type Register = Callable[..., Registered]


def kinds(database: Database) -> dict[str, int]:
    """How many items of each kind there are."""
    prefixes = ("USER#", "EMAIL#", "USERNAME#", "NUMBER#", "IDENTITY#")
    found = {prefix: len(database.items("Users", prefix)) for prefix in prefixes}
    return {**found, "organisations": len(database.items("Organizations"))}


# What a registration creates


def test_an_account_has_the_requested_values(deployment: Deployment, register: Register, clock: FakeClock) -> None:
    made = register(replace(ALICE, email=EmailAddress("  Alice@Example.com "), locale="id"))

    user = deployment.users.find(made.signed_in.user.user_id)
    assert user is not None
    assert user == made.signed_in.user
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
    made = register(ALICE)

    assert made.organization is not None
    assert deployment.organizations.find(made.organization.organization_id).name == "Acme"
    user = made.signed_in.user
    assert (user.organization_id, made.signed_in.role) == (made.organization.organization_id, Role.CLIENT_OWNER)
    membership = deployment.organizations.membership(made.organization.organization_id, user.user_id)
    assert membership.role == "CLIENT_OWNER"


def test_without_an_organization_no_membership_is_created(register: Register, database: Database) -> None:
    made = register(BOB)

    assert made.organization is None
    assert made.signed_in.user.organization_id is None
    assert kinds(database) == {
        "USER#": 1,
        "EMAIL#": 1,
        "USERNAME#": 0,
        "NUMBER#": 1,
        "IDENTITY#": 0,
        "organisations": 0,
    }


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


# One account per address: F4, F5, security.md 160


@pytest.mark.covers("F4", "F5", "160")
def test_concurrent_registrations_of_one_address_in_twenty_spellings_make_one_account(
    deployment: Deployment, register: Register, database: Database
) -> None:
    def registration_of(number: int) -> Callable[[], Registered]:
        new = NewAccount(email=EmailAddress(SPELLINGS[number]), password=PASSWORD, name="Alice", founds="Acme")
        return lambda: register(new, Client(address=f"192.0.2.{number}"))

    outcomes = at_once([registration_of(number) for number in range(20)])

    (made,) = [outcome for outcome in outcomes if isinstance(outcome, Registered)]
    assert sum(type(outcome) is EmailTaken for outcome in outcomes) == 19
    assert kinds(database) == {
        "USER#": 1,
        "EMAIL#": 1,
        "USERNAME#": 0,
        "NUMBER#": 1,
        "IDENTITY#": 0,
        "organisations": 2,
    }
    assert len(database.items("RefreshTokenFamilies")) == 1
    assert deployment.users.find_id(Name.EMAIL, "alice@example.com") == made.signed_in.user.user_id
    user = deployment.sessions.authenticate(made.signed_in.tokens.access_token).user
    assert replace(user, contested_at=None) == made.signed_in.user


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
    before = kinds(database), len(database.items("RefreshTokenFamilies"))

    with pytest.raises(EmailTaken):
        register(replace(ALICE, username="another", founds="Another"))
    with pytest.raises(UsernameTaken):
        register(replace(BOB, username="alice", founds="Another"))

    assert (kinds(database), len(database.items("RefreshTokenFamilies"))) == before


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
    assert kinds(database) == {
        "USER#": 1,
        "EMAIL#": 1,
        "USERNAME#": 1,
        "NUMBER#": 1,
        "IDENTITY#": 0,
        "organisations": 0,
    }


def test_the_address_is_reported_when_both_names_are_taken(register: Register) -> None:
    register(ALICE)

    with pytest.raises(EmailTaken):
        register(ALICE)


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


# Organisations: security.md 127 to 132


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


# The verification mail is queued before the account is stored


def register_with_mail(post: MailDeployment) -> User:
    return post.registration.register_without_session(ALICE, HOME)


def test_a_registration_queues_its_verification_mail_once(post: MailDeployment) -> None:
    post = replace(post, base=replace(post.base, new_number=Numbers(7, 7, 8)))
    post.base.registration.register(BOB, HOME)

    alice = post.registration.register_without_session(replace(ALICE, locale="it"), HOME)

    (job,) = post.queue.jobs
    assert (job.kind, job.email, job.locale) == (MailKind.VERIFICATION_CODE, alice.email, "it")
    post.deliver(job)
    assert (post.outbox.last.to, post.outbox.last.locale) == (alice.email, "it")


@pytest.mark.covers("F24")
def test_without_the_queue_nothing_is_registered(post: MailDeployment, database: Database) -> None:
    post.queue.is_down = True
    with pytest.raises(DependencyUnavailable):
        register_with_mail(post)
    assert database.items("Users") == []

    post.queue.is_down = False
    alice = register_with_mail(post)

    assert [job.email for job in post.queue.jobs] == [alice.email]


def test_a_failed_registration_mails_nothing(post: MailDeployment) -> None:
    post.base.registration.register(ALICE, HOME)
    with pytest.raises(EmailTaken):
        register_with_mail(post)

    post.deliver_queued()

    assert post.outbox.sent == []


@pytest.mark.covers("F1")
def test_when_any_call_fails_a_stored_account_has_its_mail_queued() -> None:
    def scene() -> Scene:
        post = mailing_in_memory()
        return Scene(post, register_with_mail)

    for mishap in every_mishap(scene):
        here = mishap.deployment
        user_id = here.base.users.find_id(Name.EMAIL, "alice@example.com")
        jobs = [job for job in here.queue.jobs if job.payload == {REGISTERED: user_id}]
        assert len(jobs) == (user_id is not None), mishap


def test_without_a_mail_service_a_registration_mails_nothing(post: MailDeployment) -> None:
    post.base.registration.register(ALICE, HOME)

    assert post.queue.jobs == []
