"""gerbang.accounts.deletion: an account is deleted with all of its data, on both databases."""

from contextlib import suppress
from copy import replace
from typing import Final

import pytest
from gerbang.accounts.administration import Accounts
from gerbang.accounts.deletion import ChangedMeanwhile, Departure
from gerbang.accounts.identity_sign_in import GOOGLE
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.errors import DependencyUnavailable
from gerbang.limits.rate_limits import digest
from gerbang.storage.accounts import Name, User
from gerbang.storage.one_time_codes import CodePurpose, OneTimeCode, Slot
from gerbang.storage.store import Change, Delete, Key, Put, Update, Written

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, Deployment, by_email
from tests.fakes import Call, Fault, FaultyStore, MeanwhileStore, PassingStore
from tests.unit.accounts.operations import CLOCK, NO_ACCOUNT, assert_ended, everything, join, link_google

NEW_EMAIL: Final = "alice@example.org"


def test_deleting_removes_all_data_of_a_user(
    deployment: Deployment, accounts: Accounts, database: Database, alice: User
) -> None:
    """ASVS 14.2.7; GDPR, article 17."""
    link_google(deployment)
    session = deployment.sessions.open(accounts.find(alice.user_id), HOME, "oauth")
    mail_codes_and_reset_token(deployment, alice)

    accounts.delete(accounts.find(alice.user_id))

    assert database.items("Users") == []
    assert database.items("Organizations") == []
    assert database.items("OneTimeCodes") == []
    assert database.items("RefreshTokenFamilies") == []
    assert_ended(deployment, session)
    with pytest.raises(InvalidCredentials):
        deployment.sign_in.sign_in(by_email(), HOME)


def mail_codes_and_reset_token(deployment: Deployment, user: User) -> None:
    """Write a code of every kind that an account can have; a change of its address is pending."""
    codes = deployment.codes
    change: dict[str, Change] = {"new_email": NEW_EMAIL}
    assert isinstance(deployment.store.write(Update(deployment.users.key(user.user_id), change)), Written)
    code = OneTimeCode(
        secret_hash="of a code",
        purpose=CodePurpose.SIGN_IN,
        epoch=0,
        job_id="job",
        issued_at_ms=1,
        expires_at=deployment.clock(),
        user_id=user.user_id,
    )
    for slot in (Slot.EMAIL, Slot.RECOVERY, Slot.EMAIL_CHANGE_CURRENT, Slot.REAUTHENTICATION):
        codes.replace(codes.key(slot, digest(ALICE.email)), code)
    codes.replace(codes.key(Slot.EMAIL_CHANGE_NEW, digest(NEW_EMAIL)), code)
    codes.replace(codes.key(Slot.PASSWORD_RESET, user.user_id), code)


def test_deleting_removes_items_of_kinds_that_this_version_does_not_know(
    accounts: Accounts, database: Database, alice: User
) -> None:
    pk = accounts.users.key(alice.user_id).pk
    accounts.store.write(Put(Key(accounts.users.table, pk, "PASSKEY#1"), {"user_id": alice.user_id}))

    accounts.delete(accounts.find(alice.user_id))

    assert database.items("Users") == []


def test_an_account_with_an_identity_linked_since_it_was_read_is_not_deleted(
    deployment: Deployment, accounts: Accounts, database: Database, alice: User
) -> None:
    link_google(deployment, "old")
    outdated = accounts.unlink(accounts.find(alice.user_id), GOOGLE)
    link_google(deployment)
    before = everything(database)

    with pytest.raises(ChangedMeanwhile):
        accounts.delete(outdated)

    assert everything(database) == before


def test_the_names_of_a_deleted_account_can_be_registered_again(
    deployment: Deployment, accounts: Accounts, alice: User
) -> None:
    with pytest.raises(EmailTaken):
        deployment.register()

    accounts.delete(accounts.find(alice.user_id))

    assert deployment.register().user_id != alice.user_id


def test_deleting_leaves_other_accounts_unchanged(
    deployment: Deployment, accounts: Accounts, database: Database, alice: User
) -> None:
    bob = deployment.register(replace(BOB, username="bob", founds="Bob's"))

    accounts.delete(accounts.find(bob.user_id))

    assert accounts.find("alice") == accounts.find("alice@example.com") == alice
    assert {item["user_id"] for item in database.items("Users")} == {alice.user_id}


def test_an_organisation_with_other_members_is_kept(deployment: Deployment, accounts: Accounts, alice: User) -> None:
    bob = deployment.register(BOB)
    organization_id = str(alice.organization_id)
    join(accounts.organizations, organization_id, bob.user_id)

    assert accounts.departures(accounts.find(alice.user_id)) == (
        Departure(organization_id=organization_id, others=1, other_owners=0),
    )
    accounts.delete(accounts.find(alice.user_id))

    assert deployment.organizations.find(organization_id).name == "Acme"
    assert deployment.organizations.membership(organization_id, bob.user_id).role == "CLIENT_MEMBER"
    with pytest.raises(NotAMember):
        deployment.organizations.membership(organization_id, alice.user_id)


def test_a_guest_can_be_deleted(deployment: Deployment, accounts: Accounts, database: Database) -> None:
    guest = User(user_id=NO_ACCOUNT, name="", created_at=CLOCK(), updated_at=CLOCK(), is_anonymous=True)
    assert not deployment.store.commit(*deployment.users.creation(guest).values())

    accounts.delete(accounts.find(NO_ACCOUNT))

    assert database.items("Users") == []


def test_an_account_without_one_of_its_markers_can_be_deleted(
    accounts: Accounts, database: Database, alice: User
) -> None:
    """A restore of single items may leave an account like this."""
    accounts.store.write(Delete(accounts.users.marker(Name.EMAIL, ALICE.email)))

    accounts.delete(accounts.find(alice.user_id))

    assert database.items("Users") == []


@pytest.mark.parametrize("fault", Fault)
def test_a_deletion_that_failed_at_any_call_is_completed_by_the_next_one(
    deployment: Deployment, database: Database, fault: Fault
) -> None:
    calls = deletion_calls(deployment, deployment.register())

    for number in range(len(calls)):
        alice = deployment.register()
        deployment.sessions.open(alice, HOME, "password")
        mail_codes_and_reset_token(deployment, alice)
        faulty = FaultyStore(database.store, at=_Nth(number), fault=fault)
        with suppress(DependencyUnavailable):
            replace(deployment, store=faulty).deletion.delete_by_id(alice.user_id)
        deployment.deletion.delete_by_id(alice.user_id)

        assert not [item for name in database.tables if name != "RateLimits" for item in database.items(name)]


def deletion_calls(deployment: Deployment, user: User) -> list[Call]:
    deployment.sessions.open(user, HOME, "password")
    mail_codes_and_reset_token(deployment, user)
    watched = PassingStore(deployment.store)
    assert replace(deployment, store=watched).deletion.delete_by_id(user.user_id)
    return watched.calls


class _Nth:
    """Recognises a call by its position among all calls."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, _: Call) -> bool:
        self._left -= 1
        return self._left == -1


def test_a_deletion_reports_whether_there_was_an_account(deployment: Deployment, alice: User) -> None:
    assert deployment.deletion.delete_by_id(alice.user_id) is True
    assert deployment.deletion.delete_by_id(alice.user_id) is False


def test_two_concurrent_deletions_delete_the_account(deployment: Deployment, database: Database) -> None:
    for number in range(1, len(deletion_calls(deployment, deployment.register()))):
        alice = deployment.register()

        def rival(user: User = alice) -> None:
            deployment.deletion.delete_by_id(user.user_id)

        meanwhile = MeanwhileStore(database.store, before=_Nth(number), happens=rival)

        assert replace(deployment, store=meanwhile).deletion.delete_by_id(alice.user_id)
        assert database.items("Users") == []


def test_a_session_opened_during_a_deletion_is_deleted(deployment: Deployment, database: Database) -> None:
    for number in range(len(deletion_calls(deployment, deployment.register()))):
        alice = deployment.register()

        def sign_in() -> None:
            with suppress(InvalidCredentials):
                deployment.sign_in.sign_in(by_email(), HOME)

        meanwhile = MeanwhileStore(database.store, before=_Nth(number), happens=sign_in)
        replace(deployment, store=meanwhile).deletion.delete_by_id(alice.user_id)

        assert database.items("Users") == []
        assert database.items("RefreshTokenFamilies") == []


def test_a_deletion_during_a_sign_in_leaves_no_session(deployment: Deployment, database: Database, alice: User) -> None:
    def opens_session(call: Call) -> bool:
        return call.method == "commit" and deployment.users.key(alice.user_id) in call.keys

    def delete() -> None:
        deployment.deletion.delete_by_id(alice.user_id)

    meanwhile = replace(deployment, store=MeanwhileStore(database.store, before=opens_session, happens=delete))
    with pytest.raises(InvalidCredentials):
        meanwhile.sign_in.sign_in(by_email(), HOME)

    assert database.items("RefreshTokenFamilies") == []


def test_a_code_of_another_account_for_the_same_new_address_is_kept(
    deployment: Deployment, database: Database, alice: User
) -> None:
    mail_codes_and_reset_token(deployment, alice)
    key = deployment.codes.key(Slot.EMAIL_CHANGE_NEW, digest(NEW_EMAIL))
    assert isinstance(deployment.store.write(Update(key, {"user_id": NO_ACCOUNT})), Written)

    deployment.deletion.delete(deployment.users.find(alice.user_id) or alice)

    assert [item["user_id"] for item in database.items("OneTimeCodes")] == [NO_ACCOUNT]


def test_an_account_with_more_items_than_a_transaction_takes_is_deleted(
    deployment: Deployment, database: Database, alice: User
) -> None:
    pk = deployment.users.key(alice.user_id).pk
    for number in range(250):
        deployment.store.write(Put(Key(deployment.users.table, pk, f"PASSKEY#{number}"), {"user_id": alice.user_id}))
        family = Key(deployment.families.table, alice.user_id, f"family-{number}")
        deployment.store.write(Put(family, {"expires_at": 1}))

    assert deployment.deletion.delete_by_id(alice.user_id)

    assert database.items("Users") == []
    assert database.items("RefreshTokenFamilies") == []
