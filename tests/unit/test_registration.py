"""gerbang.accounts.registration: an account is made once, all or nothing, and its owner is signed in."""

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
from tests.unit.faulty_runs import Scenario, faulty_runs
from tests.unit.mail_fakes import MailDeployment, mailing_in_memory

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
"""Twenty of one address: case, white space, full width, circled, mathematical, superscript, ideographic full stops."""


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


# What registering makes


def test_an_account_is_made_as_asked(deployment: Deployment, register: Register, clock: FakeClock) -> None:
    made = register(replace(ALICE, email=EmailAddress("  Alice@Example.com "), locale="id"))

    user = deployment.users.find(made.signed_in.user.user_id)
    assert user is not None
    assert user == made.signed_in.user
    assert (user.name, user.email, user.email_as_typed) == ("Alice", "alice@example.com", "Alice@Example.com")
    assert (user.username, user.locale, user.credit_balance, user.role_id) == ("alice", "id", 5000, 3)
    assert user.created_at == user.updated_at == user.last_sign_in_at == clock()
    assert (user.email_verified_at, user.disabled_at, user.epoch, user.is_anonymous) == (None, None, 0, False)
    assert (user.password_hash or "").startswith("$bcrypt-sha256$")


def test_the_account_is_found_by_each_of_its_names(deployment: Deployment, register: Register) -> None:
    user = register(ALICE).signed_in.user

    for name, value in ((Name.EMAIL, user.email), (Name.USERNAME, "ALICE"), (Name.NUMBER, user.number)):
        assert value is not None
        assert deployment.users.find_id(name, value) == user.user_id


def test_whoever_registers_is_signed_in(deployment: Deployment, register: Register, log: RecordingLog) -> None:
    signed_in = register(ALICE).signed_in

    standing = deployment.sessions.authenticate(signed_in.tokens.access_token)
    assert standing.user == signed_in.user
    assert (standing.family.amr[0].method, standing.family.address) == ("password", HOME.address)
    assert log.events == ["registered"]


def test_an_organisation_is_founded_with_its_owner(deployment: Deployment, register: Register) -> None:
    made = register(ALICE)

    assert made.organization is not None
    assert deployment.organizations.find(made.organization.organization_id).name == "Acme"
    user = made.signed_in.user
    assert (user.organization_id, made.signed_in.role) == (made.organization.organization_id, Role.CLIENT_OWNER)
    membership = deployment.organizations.membership(made.organization.organization_id, user.user_id)
    assert membership.role == "CLIENT_OWNER"


def test_who_founds_nothing_belongs_nowhere(register: Register, database: Database) -> None:
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


def test_enrolling_makes_the_account_and_signs_nobody_in(
    deployment: Deployment, database: Database, log: RecordingLog
) -> None:
    user = deployment.registration.register_without_session(ALICE, HOME)

    assert deployment.users.find(user.user_id) == user
    assert user.last_sign_in_at is None
    assert database.items("RefreshTokenFamilies") == []
    assert log.events == ["registered"]


def test_the_password_is_kept_as_a_hash_only(register: Register, database: Database) -> None:
    register(ALICE)

    everything = repr([database.contents(table) for table in database.tables.values()])
    assert PASSWORD not in everything


def test_what_is_asked_for_does_not_show() -> None:
    assert PASSWORD not in repr(ALICE)


# One account an address: F4, F5, security.md 160


@pytest.mark.covers("F4", "F5", "160")
def test_twenty_registrations_of_one_address_in_different_spellings_at_once_make_one_account(
    deployment: Deployment, register: Register, database: Database
) -> None:
    def spelled(number: int) -> Callable[[], Registered]:
        new = NewAccount(email=EmailAddress(SPELLINGS[number]), password=PASSWORD, name="Alice", founds="Acme")
        return lambda: register(new, Client(address=f"192.0.2.{number}"))

    outcomes = at_once([spelled(number) for number in range(20)])

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
def test_an_address_is_taken_in_whatever_spelling(register: Register) -> None:
    register(ALICE)

    for spelling in SPELLINGS[1:9]:
        with pytest.raises(EmailTaken):
            register(replace(BOB, email=EmailAddress(spelling)))


@pytest.mark.covers("C4")
def test_a_verified_address_that_is_taken_costs_as_many_hashes_as_one_that_is_free(
    deployment: Deployment, register: Register, hashes: list[int]
) -> None:
    """Registering tells, because the contract says so, but not by its time."""
    deployment.users.change(register(ALICE).signed_in.user, {"email_verified_at": 1})
    free = list(hashes)
    hashes.clear()

    with pytest.raises(EmailTaken):
        register(ALICE)

    assert hashes == free


def test_a_registration_refused_leaves_nothing(register: Register, database: Database) -> None:
    register(ALICE)
    before = kinds(database), len(database.items("RefreshTokenFamilies"))

    with pytest.raises(EmailTaken):
        register(replace(ALICE, username="somebody", founds="Another"))
    with pytest.raises(UsernameTaken):
        register(replace(BOB, username="alice", founds="Another"))

    assert (kinds(database), len(database.items("RefreshTokenFamilies"))) == before


@pytest.mark.parametrize("spelling", ["alice", "Alice", "ALICE"])
def test_a_user_name_is_unique_without_regard_to_case_and_kept_as_typed(register: Register, spelling: str) -> None:
    first = register(replace(ALICE, username="aLiCe"))

    with pytest.raises(UsernameTaken):
        register(replace(BOB, username=spelling))
    assert first.signed_in.user.username == "aLiCe"


def test_of_twenty_registrations_of_one_user_name_at_once_one_wins(register: Register, database: Database) -> None:
    def named(number: int) -> Callable[[], Registered]:
        username = "Alice" if number % 2 else "aLICE"
        new = NewAccount(email=EmailAddress(f"a{number}@example.com"), password=PASSWORD, name="A", username=username)
        return lambda: register(new, HOME)

    outcomes = at_once([named(number) for number in range(20)])

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


def test_when_both_names_are_taken_the_address_is_named(register: Register) -> None:
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


def test_when_no_free_number_is_drawn_nothing_is_made(deployment: Deployment, database: Database) -> None:
    drawing = replace(deployment, new_number=Numbers(*[7] * (NUMBER_DRAWS + 1))).registration
    drawing.register(ALICE, HOME)

    with pytest.raises(DependencyUnavailable):
        drawing.register(BOB, HOME)

    assert len(database.items("Users", "USER#")) == 1


def test_numbers_are_drawn_from_thirty_one_bits() -> None:
    draw = Container({}).new_number

    drawn = {draw() for _ in range(1000)}

    assert len(drawn) > 990
    assert all(1 <= number <= LARGEST_NUMBER for number in drawn)
    assert max(drawn) > LARGEST_NUMBER // 2


# The limit: security.md 32, 34


@pytest.mark.covers("34")
def test_a_client_registers_thirty_times_an_hour(deployment_in_memory: Deployment, clock: FakeClock) -> None:
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
def test_asking_for_addresses_that_are_taken_is_limited_too_and_hashes_nothing_more(
    deployment: Deployment, hashes: list[int]
) -> None:
    """Registering is the one place that tells who exists."""
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
def test_a_registration_whose_answer_was_lost_has_happened_and_the_password_works(
    deployment: Deployment, register: Register
) -> None:
    """The client repeats, is told "taken", and can sign in."""
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
    """There is no dead address."""
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
def test_nobody_belongs_to_anothers_organisation(deployment: Deployment, register: Register) -> None:
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
def test_a_malformed_organisation_is_nobodys_and_never_becomes_a_key(
    deployment: Deployment, organization_id: str
) -> None:
    """The header is a stranger's job."""
    watched = PassingStore(deployment.store)
    organizations = replace(deployment, store=watched).organizations

    with pytest.raises(NotAMember):
        organizations.membership(organization_id, "user")

    assert watched.calls == []


def test_an_organisation_that_does_not_exist_is_nobodys(deployment: Deployment) -> None:
    for ask in (
        lambda: deployment.organizations.membership("org_1", "u"),
        lambda: deployment.organizations.find("org_1"),
    ):
        with pytest.raises(NotAMember):
            ask()


# A registration that was refused is noted on the account that has the address


def test_a_registration_that_is_refused_contests_an_account_whose_address_is_unverified(
    deployment: Deployment, register: Register, clock: FakeClock
) -> None:
    alice = register(ALICE).signed_in.user
    clock.advance(timedelta(hours=1))

    with pytest.raises(EmailTaken):
        register(replace(ALICE, password="Another horse 2"), client=Client(address="192.0.2.99"))

    assert deployment.users.find(alice.user_id) == replace(alice, contested_at=clock())


def test_the_same_person_who_registers_twice_contests_nothing(deployment: Deployment, register: Register) -> None:
    alice = register(ALICE).signed_in.user

    with pytest.raises(EmailTaken) as refused:
        register(ALICE)

    assert refused.value.user_id == alice.user_id
    assert deployment.users.find(alice.user_id) == alice


def test_a_right_password_is_answered_with_as_many_calls_and_hashes_as_a_wrong_one(
    deployment: Deployment, register: Register, hashes: list[int]
) -> None:
    """Registering is no way to guess a password."""
    register(ALICE)
    costs: list[tuple[int, list[str]]] = []
    for password in (ALICE.password, "Another horse 2"):
        hashes.clear()
        watched = PassingStore(deployment.store)
        with pytest.raises(EmailTaken):
            replace(deployment, store=watched).registration.register(replace(ALICE, password=password), HOME)
        costs.append((len(hashes), [call.method for call in watched.calls]))

    assert costs[0] == costs[1]


@pytest.mark.parametrize("inherited", [True, False])
def test_a_right_password_takes_as_long_as_a_wrong_one_whose_hash_is_cheaper_too(
    deployment: Deployment, register: Register, hashes: list[int], *, inherited: bool
) -> None:
    alice = register(ALICE).signed_in.user
    if inherited:
        deployment.users.change(alice, {"password_hash": md5(ALICE.password.encode()).hexdigest()})  # noqa: S324
    dearer = replace(deployment, choices=Choices(cost=CHEAPEST_COST + 2))
    rounds: list[int] = []
    for password in (ALICE.password, "Another horse 2"):
        hashes.clear()
        with pytest.raises(EmailTaken):
            dearer.registration.register(replace(ALICE, password=password), HOME)
        rounds.append(sum(1 << cost for cost in hashes))

    assert rounds[0] == rounds[1]


def test_an_account_whose_address_is_verified_is_not_contested(deployment: Deployment, register: Register) -> None:
    alice = register(ALICE).signed_in.user
    deployment.users.change(alice, {"email_verified_at": 1})

    with pytest.raises(EmailTaken):
        register(ALICE)

    user = deployment.users.find(alice.user_id)
    assert user is not None
    assert user.contested_at is None


def test_a_user_name_that_is_taken_contests_nothing(deployment: Deployment, register: Register) -> None:
    alice = register(replace(ALICE, username="alice")).signed_in.user

    with pytest.raises(UsernameTaken):
        register(replace(BOB, username="alice"))

    assert deployment.users.find(alice.user_id) == alice


def test_a_refusal_that_cannot_be_noted_is_not_answered(deployment: Deployment, register: Register) -> None:
    register(ALICE)
    noting = FaultyStore(deployment.store, at=lambda call: call.method == "write" and "USER#" in call.keys[0].pk)

    with pytest.raises(DependencyUnavailable):
        replace(deployment, store=noting).registration.register(ALICE, HOME)


# The verification mail is queued before the account is written


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
def test_while_the_queue_is_down_nothing_is_registered_and_the_repeat_succeeds(
    post: MailDeployment, database: Database
) -> None:
    post.queue.is_down = True
    with pytest.raises(DependencyUnavailable):
        register_with_mail(post)
    assert database.items("Users") == []

    post.queue.is_down = False
    alice = register_with_mail(post)

    assert [job.email for job in post.queue.jobs] == [alice.email]


def test_a_registration_that_is_refused_mails_nothing(post: MailDeployment) -> None:
    post.base.registration.register(ALICE, HOME)
    with pytest.raises(EmailTaken):
        register_with_mail(post)

    for job in post.queue.jobs:
        post.deliver(job)

    assert post.outbox.sent == []


@pytest.mark.covers("F1")
def test_whatever_goes_wrong_an_account_that_is_written_has_its_mail_queued() -> None:
    def scene() -> Scenario:
        post = mailing_in_memory()
        return Scenario(post, register_with_mail)

    for mishap in faulty_runs(scene):
        here = mishap.deployment
        written = here.base.users.find_id(Name.EMAIL, "alice@example.com")
        owed = [job for job in here.queue.jobs if job.payload == {REGISTERED: written}]
        assert len(owed) == (written is not None), mishap


def test_without_a_mail_service_a_registration_mails_nothing(post: MailDeployment) -> None:
    post.base.registration.register(ALICE, HOME)

    assert post.queue.jobs == []
