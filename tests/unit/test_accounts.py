"""What operators do with accounts, on both databases."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import UUID

import pytest
from gerbang.accounts.administration import Accounts, AmbiguousName, ChangedMeanwhile, Departure, NoSuchAccount
from gerbang.accounts.google_sign_in import GoogleSignIn, VerifiedIdentity
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.identifiers import USER, botlaunch_id, read_public_id
from gerbang.limits.rate_limits import digest
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.codes import Code, CodePurpose, CodeTable
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.members import Member, MemberList
from gerbang.storage.organizations import Membership, Organization, OrganizationTable
from gerbang.storage.resets import Reset, ResetTable
from gerbang.storage.store import Delete, Put
from gerbang.storage.users import Name, User
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, REGISTRATIONS, Deployment, by_email
from tests.fakes import FakeClock, Fault, FaultyStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HELD: Final = FakeClock()
NO_ACCOUNT: Final = "00000000-0000-4000-8000-00000000ffff"


@dataclass(frozen=True, slots=True)
class StoredMembers:
    """Lists members out of everything that is in a table."""

    database: Database

    def of(self, organization_id: str) -> tuple[Member, ...]:
        items = self.database.items("Organizations", organization_id)
        return tuple(
            Member(user_id=str(item["sk"]).removeprefix("MEMBER#"), role=str(item["role"]))
            for item in items
            if item["pk"] == organization_id and "role" in item
        )


@pytest.fixture
def accounts(deployment: Deployment, database: Database) -> Accounts:
    return accounts_of(deployment, database)


def accounts_of(deployment: Deployment, database: Database) -> Accounts:
    return Accounts(
        store=deployment.store,
        users=deployment.users,
        organizations=OrganizationTable(deployment.store, deployment.tables["Organizations"]),
        members=StoredMembers(database),
        codes=CodeTable(deployment.store, deployment.tables["OneTimeCodes"]),
        resets=ResetTable(deployment.store, deployment.tables["OneTimeCodes"]),
        now=deployment.clock,
    )


@pytest.fixture
def alice(deployment: Deployment) -> User:
    return deployment.register()


def everything(database: Database) -> dict[str, list[object]]:
    return {table: list(database.items(table)) for table in database.tables}


# --- finding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda user: user.user_id, id="UUID"),
        pytest.param(lambda user: user.user_id.upper(), id="UUID in capitals"),
        pytest.param(lambda user: botlaunch_id(user.user_id), id="usr_"),
        pytest.param(lambda user: str(user.number), id="number"),
        pytest.param(lambda _: " Alice@EXAMPLE.com ", id="e-mail address as typed"),
        pytest.param(lambda _: "ALICE", id="user name in capitals"),
    ],
)
def test_an_account_is_found_by_whatever_it_is_called(
    accounts: Accounts, alice: User, spell: Callable[[User], str]
) -> None:
    assert accounts.find(spell(alice)) == alice


@pytest.mark.parametrize(
    "text",
    ["", "bob", "bob@example.com", "@", "a@b", NO_ACCOUNT, botlaunch_id(NO_ACCOUNT), "usr_", "usr_!", "17", "9" * 6000],
)
@pytest.mark.usefixtures("alice")
def test_who_is_nobody_is_not_found(accounts: Accounts, text: str) -> None:
    with pytest.raises(NoSuchAccount):
        accounts.find(text)


def test_a_user_name_that_is_another_s_number_is_not_guessed(deployment: Deployment, accounts: Accounts) -> None:
    bob = deployment.register(BOB)
    alice = deployment.register(replace(ALICE, username=str(bob.number)))

    with pytest.raises(AmbiguousName) as ambiguous:
        accounts.find(str(bob.number))

    assert set(ambiguous.value.user_ids) == {alice.user_id, bob.user_id}


@given(identifier=st.uuids())
def test_a_public_id_is_read_as_it_was_written(identifier: UUID) -> None:
    assert read_public_id(USER, botlaunch_id(str(identifier))) == identifier


@pytest.mark.parametrize("text", ["", "usr", "usr_", "org_1", "usr_0x", "usr_é", "usr_00", "usr_" + "z" * 22, "usr_ 1"])
def test_what_is_no_public_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of several kinds, which nobody tells apart
        read_public_id(USER, text)


# --- disabling and ending sessions ------------------------------------------------------------------------------------


@pytest.mark.covers("F38")
def test_a_disabled_account_is_shut_out_on_the_next_call(
    deployment: Deployment, accounts: Accounts, alice: User
) -> None:
    """ASVS 7.4.2."""
    session = deployment.sign_in.sign_in(by_email(), HOME)

    disabled = accounts.disable(accounts.find(alice.user_id))

    assert disabled.disabled_at == deployment.clock()
    assert_ended(deployment, session)
    with pytest.raises(InvalidCredentials):
        deployment.sign_in.sign_in(by_email(), HOME)


def assert_ended(deployment: Deployment, session: SignedIn) -> None:
    with pytest.raises(SessionEnded):
        deployment.sessions.authenticate(session.tokens.access_token)
    with pytest.raises(SessionEnded):
        deployment.sessions.refresh(session.tokens.refresh_token)


def test_an_account_enabled_again_signs_in_anew(deployment: Deployment, accounts: Accounts, alice: User) -> None:
    session = deployment.sign_in.sign_in(by_email(), HOME)

    enabled = accounts.enable(accounts.disable(accounts.find(alice.user_id)))

    assert enabled.disabled_at is None
    assert_ended(deployment, session)
    deployment.sign_in.sign_in(by_email(), HOME)


def test_ending_sessions_ends_all_and_lets_the_person_sign_in(
    deployment: Deployment, accounts: Accounts, alice: User
) -> None:
    """ASVS 7.4.5."""
    sessions = [deployment.sign_in.sign_in(by_email(), HOME) for _ in range(2)]

    accounts.end_sessions(accounts.find(alice.user_id))

    for session in sessions:
        assert_ended(deployment, session)
    after = deployment.sign_in.sign_in(by_email(), HOME)
    deployment.sessions.authenticate(after.tokens.access_token)


# --- role and credit --------------------------------------------------------------------------------------------------


def test_role_and_credit_change_and_the_session_goes_on(
    deployment: Deployment, accounts: Accounts, alice: User, clock: FakeClock
) -> None:
    session = deployment.sign_in.sign_in(by_email(), HOME)
    user = accounts.find(alice.user_id)

    user = accounts.set_credit(accounts.set_role(user, 1), 120)

    assert (user.role_id, user.credit_balance, user.updated_at) == (1, 120, clock())
    assert deployment.sessions.authenticate(session.tokens.access_token).user == user


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda accounts, user: accounts.disable(user), id="disable"),
        pytest.param(lambda accounts, user: accounts.end_sessions(user), id="end_sessions"),
        pytest.param(lambda accounts, user: accounts.set_role(user, 2), id="set_role"),
        pytest.param(lambda accounts, user: accounts.set_credit(user, 1), id="set_credit"),
        pytest.param(lambda accounts, user: accounts.delete(user), id="delete"),
    ],
)
def test_nothing_is_changed_of_an_account_that_is_no_longer_what_was_shown(
    accounts: Accounts, database: Database, alice: User, change: Callable[[Accounts, User], object]
) -> None:
    shown = accounts.find(alice.user_id)
    accounts.end_sessions(shown)  # somebody else's doing
    before = everything(database)

    with pytest.raises(ChangedMeanwhile):
        change(accounts, shown)

    assert everything(database) == before


@pytest.mark.covers("D5")
def test_credit_that_was_spent_meanwhile_is_not_given_back(accounts: Accounts, alice: User) -> None:
    """A sum is never overwritten unseen."""
    shown = accounts.find(alice.user_id)
    accounts.set_credit(shown, 10)

    with pytest.raises(ChangedMeanwhile):
        accounts.set_credit(shown, 5100)

    assert accounts.find(alice.user_id).credit_balance == 10


def test_an_account_is_disabled_and_enabled_once(accounts: Accounts, alice: User) -> None:
    with pytest.raises(ChangedMeanwhile):
        accounts.enable(accounts.find(alice.user_id))
    disabled = accounts.disable(accounts.find(alice.user_id))
    with pytest.raises(ChangedMeanwhile):
        accounts.disable(disabled)


# --- deleting ---------------------------------------------------------------------------------------------------------


def test_deleting_leaves_nothing_of_a_person_but_expiring_session_records(
    deployment: Deployment, accounts: Accounts, database: Database, alice: User, clock: FakeClock
) -> None:
    """ASVS 14.2.7; GDPR, article 17."""
    link_google(deployment)
    session = deployment.sessions.open(accounts.find(alice.user_id), HOME, "oauth")
    mail_code_and_reset_token(accounts, alice)
    families = database.items("RefreshTokenFamilies")

    accounts.delete(accounts.find(alice.user_id))

    assert database.items("Users") == []
    assert database.items("Organizations") == []
    assert database.items("OneTimeCodes") == []
    assert database.items("RefreshTokenFamilies") == families
    assert all(int(item["expires_at"]) <= clock.at.timestamp() + 7 * 86400 for item in families)
    assert_ended(deployment, session)
    with pytest.raises(InvalidCredentials):
        deployment.sign_in.sign_in(by_email(), HOME)


def link_google(deployment: Deployment) -> None:
    google = GoogleSignIn(
        store=deployment.store,
        users=deployment.users,
        sessions=deployment.sessions,
        rate_limits=deployment.rate_limits,
        limit=REGISTRATIONS,
        initial_credit=0,
        log_event=deployment.log_event,
        now=deployment.clock,
        new_id=deployment.new_id,
        new_number=deployment.new_number,
    )
    google.sign_in(VerifiedIdentity(subject="1081", email=ALICE.email, name="Alice"), HOME)


def mail_code_and_reset_token(accounts: Accounts, user: User) -> None:
    accounts.codes.replace(
        digest(ALICE.email),
        Code(
            code_hash="of a code",
            purpose=CodePurpose.SIGN_IN,
            job_id="job",
            issued_at_ms=1,
            expires_at=accounts.now(),
        ),
    )
    accounts.resets.replace(
        user.user_id, Reset(token_hash="of a token", epoch=0, job_id="job", issued_at_ms=1, expires_at=accounts.now())
    )


def test_a_deleted_person_s_names_are_free_again(deployment: Deployment, accounts: Accounts, alice: User) -> None:
    with pytest.raises(EmailTaken):
        deployment.register()

    accounts.delete(accounts.find(alice.user_id))

    assert deployment.register().user_id != alice.user_id


def test_somebody_else_s_account_is_left_alone(
    deployment: Deployment, accounts: Accounts, database: Database, alice: User
) -> None:
    bob = deployment.register(replace(BOB, username="bob", founds="Bob's"))

    accounts.delete(accounts.find(bob.user_id))

    assert accounts.find("alice") == accounts.find("alice@example.com") == alice
    assert {item["user_id"] for item in database.items("Users")} == {alice.user_id}


def test_an_organisation_that_others_belong_to_stays(deployment: Deployment, accounts: Accounts, alice: User) -> None:
    bob = deployment.register(BOB)
    organization_id = str(alice.organization_id)
    join(accounts.organizations, organization_id, bob.user_id)

    assert accounts.departure(accounts.find(alice.user_id)) == Departure(
        organization_id=organization_id, others=1, other_owners=0
    )
    accounts.delete(accounts.find(alice.user_id))

    assert deployment.organizations.find(organization_id).name == "Acme"
    assert deployment.organizations.membership(organization_id, bob.user_id).role == "CLIENT_MEMBER"
    with pytest.raises(NotAMember):
        deployment.organizations.membership(organization_id, alice.user_id)


def join(organizations: OrganizationTable, organization_id: str, user_id: str) -> None:
    """Make somebody a member, as a product's own function does."""
    key = organizations.membership_deletion(organization_id, user_id).key
    organizations.store.write(Put(key, {"role": "CLIENT_MEMBER", "since": 0}))


def test_a_guest_is_deleted_too(deployment: Deployment, accounts: Accounts, database: Database) -> None:
    guest = User(user_id=NO_ACCOUNT, name="", created_at=HELD(), updated_at=HELD(), is_anonymous=True)
    assert not deployment.store.commit(*deployment.users.creation(guest).values())

    accounts.delete(accounts.find(NO_ACCOUNT))

    assert database.items("Users") == []


def test_an_account_that_lost_a_marker_can_be_deleted(accounts: Accounts, database: Database, alice: User) -> None:
    """As a restore of single items may leave it."""
    accounts.store.write(Delete(accounts.users.marker(Name.EMAIL, ALICE.email)))

    accounts.delete(accounts.find(alice.user_id))

    assert database.items("Users") == []


@pytest.mark.parametrize("fault", Fault)
def test_deleting_is_whole_or_not_at_all(deployment: Deployment, database: Database, alice: User, fault: Fault) -> None:
    faulty = replace(
        deployment, store=FaultyStore(database.store, at=lambda call: call.method == "commit", fault=fault)
    )
    before = everything(database)

    with suppress(DependencyUnavailable):
        accounts_of(faulty, database).delete(alice)

    left = everything(database)
    assert left == before or not left["Users"] + left["Organizations"]


# --- listing members --------------------------------------------------------------------------------------------------


@pytest.mark.storage
def test_an_organisation_s_members_are_listed_and_nobody_else(
    dynamodb_client: "DynamoDBClient", tables: Mapping[str, str]
) -> None:
    table = tables["Organizations"]
    organizations = OrganizationTable(DynamoStore(dynamodb_client), table)
    for organization_id in ("org_1", "org_11"):
        organization = Organization(organization_id=organization_id, name="Acme", created_at=HELD())
        owner = Membership(organization_id=organization_id, user_id=NO_ACCOUNT, role="CLIENT_OWNER", since=HELD())
        for put in organizations.creation(organization, owner):
            organizations.store.write(put)
    join(organizations, "org_1", "another")

    assert set(MemberList(dynamodb_client, table).of("org_1")) == {
        Member(user_id=NO_ACCOUNT, role="CLIENT_OWNER"),
        Member(user_id="another", role="CLIENT_MEMBER"),
    }
    assert MemberList(dynamodb_client, table).of("org_2") == ()
