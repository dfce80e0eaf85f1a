"""What operators do with accounts, on both databases."""

from collections.abc import Callable
from contextlib import suppress
from copy import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from gerbang.accounts.administration import (
    Accounts,
    AmbiguousName,
    NoSuchAccount,
    NotLinked,
    OnlyWayToSignIn,
)
from gerbang.accounts.deletion import ChangedMeanwhile, Departure
from gerbang.accounts.identity_sign_in import GOOGLE, LinkedToAnother, VerifiedIdentity
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.identifiers import USER, botlaunch_id, read_public_id
from gerbang.limits.rate_limits import digest
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.accounts import Identity, Name, User
from gerbang.storage.one_time_codes import CodePurpose, OneTimeCode, Slot
from gerbang.storage.organizations import Member, Membership, Organization, OrganizationTable
from gerbang.storage.records import to_item, to_value
from gerbang.storage.store import Change, Delete, Key, Put, Update, Written
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, Deployment, by_email
from tests.fakes import Call, FakeClock, Fault, FaultyStore, MeanwhileStore, PassingStore

HELD: Final = FakeClock()
NEW_EMAIL: Final = "alice@example.org"
NO_ACCOUNT: Final = "00000000-0000-4000-8000-00000000ffff"


@pytest.fixture
def accounts(deployment: Deployment) -> Accounts:
    return accounts_of(deployment)


def accounts_of(deployment: Deployment) -> Accounts:
    return Accounts(
        store=deployment.store,
        users=deployment.users,
        organizations=deployment.organization_table,
        deletion=deployment.deletion,
        own_sessions=deployment.own_sessions,
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


@pytest.mark.parametrize("username", ["usr_abc", "usr_1", "12345", "2147483647", "deadbeef"])
def test_a_user_name_that_looks_like_an_id_is_found(deployment: Deployment, accounts: Accounts, username: str) -> None:
    alice = deployment.register(replace(ALICE, username=username))

    assert accounts.find(username) == alice


def test_a_user_name_that_is_another_s_public_id_is_not_guessed(deployment: Deployment, accounts: Accounts) -> None:
    bob = deployment.register(BOB)
    alice = deployment.register(replace(ALICE, username=botlaunch_id(bob.user_id)))

    with pytest.raises(AmbiguousName) as ambiguous:
        accounts.find(botlaunch_id(bob.user_id))

    assert set(ambiguous.value.user_ids) == {alice.user_id, bob.user_id}
    assert accounts.find(bob.user_id) == bob
    assert accounts.find(alice.user_id) == alice


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


def test_deleting_leaves_nothing_of_a_person(
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


def link_google(deployment: Deployment, subject: str = "1081") -> SignedIn:
    identity = VerifiedIdentity(provider=GOOGLE, subject=subject, email=ALICE.email, name="Alice")
    return deployment.identity_sign_in.sign_in(identity, HOME)


def mail_codes_and_reset_token(deployment: Deployment, user: User) -> None:
    """Have every kind of code in the table that an account can have; its address is to change."""
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


def test_deleting_takes_items_of_kinds_unknown_to_this_version_too(
    accounts: Accounts, database: Database, alice: User
) -> None:
    pk = accounts.users.key(alice.user_id).pk
    accounts.store.write(Put(Key(accounts.users.table, pk, "PASSKEY#1"), {"user_id": alice.user_id}))

    accounts.delete(accounts.find(alice.user_id))

    assert database.items("Users") == []


def test_an_account_that_got_an_identity_since_it_was_shown_is_not_deleted(
    deployment: Deployment, accounts: Accounts, database: Database, alice: User
) -> None:
    link_google(deployment, "old")
    shown = accounts.unlink(accounts.find(alice.user_id), GOOGLE)
    link_google(deployment)
    before = everything(database)

    with pytest.raises(ChangedMeanwhile):
        accounts.delete(shown)

    assert everything(database) == before


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

    assert accounts.departures(accounts.find(alice.user_id)) == (
        Departure(organization_id=organization_id, others=1, other_owners=0),
    )
    accounts.delete(accounts.find(alice.user_id))

    assert deployment.organizations.find(organization_id).name == "Acme"
    assert deployment.organizations.membership(organization_id, bob.user_id).role == "CLIENT_MEMBER"
    with pytest.raises(NotAMember):
        deployment.organizations.membership(organization_id, alice.user_id)


def join(organizations: OrganizationTable, organization_id: str, user_id: str) -> None:
    """Make somebody a member, as a product's own function does."""
    key = organizations.membership_deletion(organization_id, user_id).key
    membership = Membership(organization_id=organization_id, user_id=user_id, role="CLIENT_MEMBER", since=HELD())
    organizations.store.write(Put(key, to_item(membership)))


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
def test_whichever_call_of_a_deletion_fails_the_next_one_ends_it(
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
    """Knows a call by its place among all."""

    def __init__(self, number: int) -> None:
        self._left = number

    def __call__(self, _: Call) -> bool:
        self._left -= 1
        return self._left == -1


def test_no_account_is_deleted_twice(deployment: Deployment, alice: User) -> None:
    assert deployment.deletion.delete_by_id(alice.user_id) is True
    assert deployment.deletion.delete_by_id(alice.user_id) is False


def test_two_deletions_at_once_delete_the_account(deployment: Deployment, database: Database) -> None:
    for number in range(1, len(deletion_calls(deployment, deployment.register()))):
        alice = deployment.register()

        def rival(user: User = alice) -> None:
            deployment.deletion.delete_by_id(user.user_id)

        meanwhile = MeanwhileStore(database.store, before=_Nth(number), happens=rival)

        assert replace(deployment, store=meanwhile).deletion.delete_by_id(alice.user_id)
        assert database.items("Users") == []


def test_a_session_that_opens_during_a_deletion_is_gone_too(deployment: Deployment, database: Database) -> None:
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
    def opens(call: Call) -> bool:
        return call.method == "commit" and deployment.users.key(alice.user_id) in call.keys

    def delete() -> None:
        deployment.deletion.delete_by_id(alice.user_id)

    meanwhile = replace(deployment, store=MeanwhileStore(database.store, before=opens, happens=delete))
    with pytest.raises(InvalidCredentials):
        meanwhile.sign_in.sign_in(by_email(), HOME)

    assert database.items("RefreshTokenFamilies") == []


def test_the_code_of_another_account_s_change_to_the_same_address_stays(
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


# --- unlinking --------------------------------------------------------------------------------------------------------


def test_an_owner_whose_google_account_was_made_anew_can_sign_in_after_unlinking(
    deployment: Deployment, accounts: Accounts, database: Database, alice: User, clock: FakeClock
) -> None:
    session = link_google(deployment, "old")
    with pytest.raises(LinkedToAnother):
        link_google(deployment, "new")
    clock.advance(timedelta(seconds=5))

    unlinked = accounts.unlink(accounts.find("alice"), GOOGLE)

    assert unlinked == accounts.find("alice")
    assert (unlinked.subjects, unlinked.updated_at) == ({}, clock())
    assert accounts.details(unlinked).identities == ()
    assert database.items("Users", "IDENTITY#") == []
    assert_ended(deployment, session)
    assert link_google(deployment, "new").user.user_id == alice.user_id
    with pytest.raises(LinkedToAnother):
        link_google(deployment, "old")


def test_unlinking_leaves_the_identities_of_other_providers(
    deployment: Deployment, accounts: Accounts, alice: User
) -> None:
    link_google(deployment)
    linked = accounts.find("alice")
    apple = Identity(
        user_id=alice.user_id, provider="apple", subject="1081", email=ALICE.email, created_at=deployment.clock()
    )
    assert deployment.store.commit(*deployment.users.linking(linked, apple, {})) == ()

    unlinked = accounts.unlink(accounts.find("alice"), GOOGLE)

    assert unlinked.subjects == {"apple": "1081"}
    assert accounts.details(unlinked).identities == (apple,)
    assert deployment.users.find_id(Name.IDENTITY, "apple#1081") == alice.user_id


def test_what_is_not_linked_is_not_unlinked(deployment: Deployment, accounts: Accounts, alice: User) -> None:
    with pytest.raises(NotLinked):
        accounts.unlink(alice, GOOGLE)
    link_google(deployment)
    linked = accounts.find("alice")
    with pytest.raises(NotLinked):
        accounts.unlink(linked, "apple")

    assert accounts.find("alice") == linked


@pytest.mark.parametrize(
    "way",
    [{"password_hash": "$2b$04$"}, {"email_verified_at": HELD()}, {"subjects": {GOOGLE: "1", "apple": "2"}}],
    ids=["password", "verified address", "another identity"],
)
def test_the_last_way_to_sign_in_is_not_unlinked(
    deployment: Deployment, accounts: Accounts, way: dict[str, Any]
) -> None:
    bob = User(
        user_id=NO_ACCOUNT,
        name="Bob",
        email=BOB.email,
        subjects={GOOGLE: "1"},
        created_at=HELD(),
        updated_at=HELD(),
    )
    identity = Identity(user_id=NO_ACCOUNT, provider=GOOGLE, subject="1", email=BOB.email, created_at=HELD())
    assert (
        deployment.store.commit(*deployment.users.creation(bob).values(), *deployment.users.identity_creation(identity))
        == ()
    )

    with pytest.raises(OnlyWayToSignIn):
        accounts.unlink(bob, GOOGLE)
    assert accounts.find(BOB.email) == bob

    changes = {name: to_value(value) for name, value in way.items()}
    deployment.users.change(bob, changes)
    assert GOOGLE not in accounts.unlink(accounts.find(BOB.email), GOOGLE).subjects


def test_an_identity_that_was_unlinked_meanwhile_is_not_unlinked_again(
    deployment: Deployment, accounts: Accounts, alice: User
) -> None:
    link_google(deployment, "old")
    shown = accounts.find(alice.user_id)
    accounts.unlink(shown, GOOGLE)
    link_google(deployment, "new")

    with pytest.raises(ChangedMeanwhile):
        accounts.unlink(shown, GOOGLE)

    assert accounts.find("alice").subjects == {GOOGLE: "new"}


def test_a_sign_in_that_an_unlinking_overtakes_is_not_let_in(
    deployment: Deployment, accounts: Accounts, alice: User
) -> None:
    link_google(deployment, "old")

    def remade() -> None:
        accounts.unlink(accounts.find(alice.user_id), GOOGLE)
        link_google(deployment, "new")

    meanwhile = MeanwhileStore(
        deployment.store, before=lambda call: call.keys[0].pk.startswith("USER#"), happens=remade
    )

    with pytest.raises(LinkedToAnother):  # its marker was read before, its account after
        link_google(replace(deployment, store=meanwhile), "old")


@pytest.mark.parametrize("fault", Fault)
def test_unlinking_is_whole_or_not_at_all(
    deployment: Deployment, database: Database, alice: User, fault: Fault
) -> None:
    link_google(deployment)
    faulty = replace(
        deployment, store=FaultyStore(database.store, at=lambda call: call.method == "commit", fault=fault)
    )
    before = everything(database)

    with suppress(DependencyUnavailable):
        accounts_of(faulty).unlink(accounts_of(deployment).find("alice"), GOOGLE)

    person = deployment.users.find_person(alice.user_id)
    assert person is not None
    assert everything(database) == before or not (
        person.user.subjects or person.identities or database.items("Users", "IDENTITY#")
    )


# --- listing members --------------------------------------------------------------------------------------------------


def test_an_organisation_s_members_are_listed_and_no_others(accounts: Accounts) -> None:
    organizations = accounts.organizations
    for organization_id in ("org_1", "org_11"):
        organization = Organization(organization_id=organization_id, name="Acme", created_at=HELD())
        owner = Membership(organization_id=organization_id, user_id=NO_ACCOUNT, role="CLIENT_OWNER", since=HELD())
        for put in organizations.creation(organization, owner):
            organizations.store.write(put)
    join(organizations, "org_1", "another")

    whole = organizations.read_whole("org_1")
    assert whole is not None
    assert set(whole.members) == {
        Member(user_id=NO_ACCOUNT, role="CLIENT_OWNER"),
        Member(user_id="another", role="CLIENT_MEMBER"),
    }
    assert organizations.read_whole("org_2") is None
