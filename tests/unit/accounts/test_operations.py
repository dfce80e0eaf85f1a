"""gerbang.accounts.administration: what operators do with accounts, on both databases."""

from collections.abc import Callable
from contextlib import suppress
from copy import replace
from datetime import timedelta
from typing import Any

import pytest
from gerbang.accounts.administration import Accounts, AmbiguousName, NoSuchAccount, NotLinked, OnlyWayToSignIn
from gerbang.accounts.deletion import ChangedMeanwhile
from gerbang.accounts.identity_sign_in import GOOGLE, LinkedToAnother
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.identifiers import botlaunch_id
from gerbang.storage.accounts import Identity, Name, User
from gerbang.storage.organizations import Member, Membership, Organization
from gerbang.storage.records import to_value

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, Deployment, by_email
from tests.fakes import FakeClock, Fault, FaultyStore, MeanwhileStore
from tests.unit.accounts.operations import CLOCK, NO_ACCOUNT, accounts_of, assert_ended, everything, join, link_google

# Finding an account


@pytest.mark.parametrize(
    "name_of",
    [
        pytest.param(lambda user: user.user_id, id="UUID"),
        pytest.param(lambda user: user.user_id.upper(), id="UUID in capitals"),
        pytest.param(lambda user: botlaunch_id(user.user_id), id="usr_"),
        pytest.param(lambda user: str(user.number), id="number"),
        pytest.param(lambda _: " Alice@EXAMPLE.com ", id="e-mail address as typed"),
        pytest.param(lambda _: "ALICE", id="user name in capitals"),
    ],
)
def test_an_account_is_found_by_each_of_its_ids_and_names(
    accounts: Accounts, alice: User, name_of: Callable[[User], str]
) -> None:
    assert accounts.find(name_of(alice)) == alice


@pytest.mark.parametrize(
    "text",
    ["", "bob", "bob@example.com", "@", "a@b", NO_ACCOUNT, botlaunch_id(NO_ACCOUNT), "usr_", "usr_!", "17", "9" * 6000],
)
@pytest.mark.usefixtures("alice")
def test_an_unknown_name_finds_no_account(accounts: Accounts, text: str) -> None:
    with pytest.raises(NoSuchAccount):
        accounts.find(text)


def test_a_user_name_equal_to_the_number_of_another_account_is_ambiguous(
    deployment: Deployment, accounts: Accounts
) -> None:
    bob = deployment.register(BOB)
    alice = deployment.register(replace(ALICE, username=str(bob.number)))

    with pytest.raises(AmbiguousName) as ambiguous:
        accounts.find(str(bob.number))

    assert set(ambiguous.value.user_ids) == {alice.user_id, bob.user_id}


@pytest.mark.parametrize("username", ["usr_abc", "usr_1", "12345", "2147483647", "deadbeef"])
def test_a_user_name_that_looks_like_an_id_is_found(deployment: Deployment, accounts: Accounts, username: str) -> None:
    alice = deployment.register(replace(ALICE, username=username))

    assert accounts.find(username) == alice


def test_a_user_name_equal_to_the_public_id_of_another_account_is_ambiguous(
    deployment: Deployment, accounts: Accounts
) -> None:
    bob = deployment.register(BOB)
    alice = deployment.register(replace(ALICE, username=botlaunch_id(bob.user_id)))

    with pytest.raises(AmbiguousName) as ambiguous:
        accounts.find(botlaunch_id(bob.user_id))

    assert set(ambiguous.value.user_ids) == {alice.user_id, bob.user_id}
    assert accounts.find(bob.user_id) == bob
    assert accounts.find(alice.user_id) == alice


# Disabling, and ending sessions


@pytest.mark.covers("F38")
def test_a_disabled_account_can_neither_use_its_session_nor_sign_in(
    deployment: Deployment, accounts: Accounts, alice: User
) -> None:
    """ASVS 7.4.2."""
    session = deployment.sign_in.sign_in(by_email(), HOME)

    disabled = accounts.disable(accounts.find(alice.user_id))

    assert disabled.disabled_at == deployment.clock()
    assert_ended(deployment, session)
    with pytest.raises(InvalidCredentials):
        deployment.sign_in.sign_in(by_email(), HOME)


def test_an_account_enabled_again_can_sign_in_but_its_session_stays_ended(
    deployment: Deployment, accounts: Accounts, alice: User
) -> None:
    session = deployment.sign_in.sign_in(by_email(), HOME)

    enabled = accounts.enable(accounts.disable(accounts.find(alice.user_id)))

    assert enabled.disabled_at is None
    assert_ended(deployment, session)
    deployment.sign_in.sign_in(by_email(), HOME)


def test_after_all_sessions_are_ended_the_user_can_sign_in_again(
    deployment: Deployment, accounts: Accounts, alice: User
) -> None:
    """ASVS 7.4.5."""
    sessions = [deployment.sign_in.sign_in(by_email(), HOME) for _ in range(2)]

    accounts.end_sessions(accounts.find(alice.user_id))

    for session in sessions:
        assert_ended(deployment, session)
    after = deployment.sign_in.sign_in(by_email(), HOME)
    deployment.sessions.authenticate(after.tokens.access_token)


# Role and credit


def test_changing_role_and_credit_keeps_the_session(
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
def test_a_change_based_on_outdated_account_data_is_rejected(
    accounts: Accounts, database: Database, alice: User, change: Callable[[Accounts, User], object]
) -> None:
    outdated = accounts.find(alice.user_id)
    accounts.end_sessions(outdated)  # as another operator does meanwhile
    before = everything(database)

    with pytest.raises(ChangedMeanwhile):
        change(accounts, outdated)

    assert everything(database) == before


@pytest.mark.covers("D5")
def test_credit_that_has_changed_since_it_was_read_is_not_overwritten(accounts: Accounts, alice: User) -> None:
    outdated = accounts.find(alice.user_id)
    accounts.set_credit(outdated, 10)

    with pytest.raises(ChangedMeanwhile):
        accounts.set_credit(outdated, 5100)

    assert accounts.find(alice.user_id).credit_balance == 10


def test_disabling_twice_or_enabling_an_enabled_account_is_rejected(accounts: Accounts, alice: User) -> None:
    with pytest.raises(ChangedMeanwhile):
        accounts.enable(accounts.find(alice.user_id))
    disabled = accounts.disable(accounts.find(alice.user_id))
    with pytest.raises(ChangedMeanwhile):
        accounts.disable(disabled)


# Unlinking


def test_after_unlinking_a_new_google_account_of_the_owner_can_sign_in(
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


def test_unlinking_a_provider_that_is_not_linked_is_rejected(
    deployment: Deployment, accounts: Accounts, alice: User
) -> None:
    with pytest.raises(NotLinked):
        accounts.unlink(alice, GOOGLE)
    link_google(deployment)
    linked = accounts.find("alice")
    with pytest.raises(NotLinked):
        accounts.unlink(linked, "apple")

    assert accounts.find("alice") == linked


@pytest.mark.parametrize(
    "way",
    [{"password_hash": "$2b$04$"}, {"email_verified_at": CLOCK()}, {"subjects": {GOOGLE: "1", "apple": "2"}}],
    ids=["password", "verified address", "another identity"],
)
def test_the_only_way_to_sign_in_cannot_be_unlinked(
    deployment: Deployment, accounts: Accounts, way: dict[str, Any]
) -> None:
    bob = User(
        user_id=NO_ACCOUNT,
        name="Bob",
        email=BOB.email,
        subjects={GOOGLE: "1"},
        created_at=CLOCK(),
        updated_at=CLOCK(),
    )
    identity = Identity(user_id=NO_ACCOUNT, provider=GOOGLE, subject="1", email=BOB.email, created_at=CLOCK())
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


def test_an_identity_replaced_since_the_account_was_read_is_not_unlinked(
    deployment: Deployment, accounts: Accounts, alice: User
) -> None:
    link_google(deployment, "old")
    outdated = accounts.find(alice.user_id)
    accounts.unlink(outdated, GOOGLE)
    link_google(deployment, "new")

    with pytest.raises(ChangedMeanwhile):
        accounts.unlink(outdated, GOOGLE)

    assert accounts.find("alice").subjects == {GOOGLE: "new"}


def test_a_sign_in_is_rejected_when_its_identity_is_unlinked_during_it(
    deployment: Deployment, accounts: Accounts, alice: User
) -> None:
    link_google(deployment, "old")

    def replace_identity() -> None:
        accounts.unlink(accounts.find(alice.user_id), GOOGLE)
        link_google(deployment, "new")

    meanwhile = MeanwhileStore(
        deployment.store, before=lambda call: call.keys[0].pk.startswith("USER#"), happens=replace_identity
    )

    with pytest.raises(LinkedToAnother):  # the marker was read before the change, the account after it
        link_google(replace(deployment, store=meanwhile), "old")


@pytest.mark.parametrize("fault", Fault)
def test_unlinking_is_atomic(deployment: Deployment, database: Database, alice: User, fault: Fault) -> None:
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


# Listing members


def test_only_the_members_of_an_organisation_are_listed(accounts: Accounts) -> None:
    organizations = accounts.organizations
    for organization_id in ("org_1", "org_11"):
        organization = Organization(organization_id=organization_id, name="Acme", created_at=CLOCK())
        owner = Membership(organization_id=organization_id, user_id=NO_ACCOUNT, role="CLIENT_OWNER", since=CLOCK())
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
