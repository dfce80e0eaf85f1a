"""Opening a session: what is stored, which role it shows, and what a sign-in races with."""

from collections.abc import Callable
from copy import replace
from datetime import timedelta
from threading import Event

import pytest
from gerbang.core.client import Client
from gerbang.core.user_agents import LONGEST_USER_AGENT
from gerbang.sessions.sessions import Sessions, SignedIn, SignInOvertaken
from gerbang.storage.accounts import User
from gerbang.storage.families import Authentication
from gerbang.storage.store import Delete, Update

from tests.conftest import Database
from tests.deployment import ABROAD, HOME, Deployment
from tests.fakes import Call, FakeClock, FaultyStore, MeanwhileStore, PassingStore
from tests.unit.sessions.steps import authenticate, disable, family_of, new_account, raise_epoch, refresh


def test_opening_a_session_returns_valid_tokens(
    sessions: Sessions, alice: User, first: SignedIn, clock: FakeClock
) -> None:
    authenticated = authenticate(sessions, first)
    family = authenticated.family

    assert authenticated.user.user_id == alice.user_id
    assert family.family_id == first.family_id
    assert (family.amr, family.aal) == ((Authentication(method="password", at=clock()),), "aal1")
    assert (family.device, family.address) == (HOME.device, HOME.address)


def test_one_query_lists_the_sessions_of_a_user(deployment: Deployment, alice: User, first: SignedIn) -> None:
    second = deployment.sessions.open(alice, ABROAD, "password")
    mallory = new_account(deployment, "mallory")
    deployment.sessions.open(mallory, ABROAD, "password")
    watched = PassingStore(deployment.store)

    families = replace(deployment.families, store=watched).list(alice.user_id)

    assert {family.family_id for family in families} == {first.family_id, second.family_id}
    assert {family.user_id for family in families} == {alice.user_id}
    assert set(families) == {family_of(deployment, first), family_of(deployment, second)}
    assert [call.method for call in watched.calls] == ["query"]
    assert deployment.families.list("no account") == ()


def test_a_sign_in_sets_last_sign_in_at(deployment: Deployment, alice: User, clock: FakeClock) -> None:
    clock.advance(timedelta(days=3))

    deployment.sessions.open(alice, HOME, "password")

    user = deployment.users.find(alice.user_id)
    assert user is not None
    assert user.last_sign_in_at == clock()


@pytest.mark.covers("98")
def test_every_sign_in_opens_a_separate_session(sessions: Sessions, alice: User, first: SignedIn) -> None:
    """ASVS 7.2.4, security.md 98."""
    second = sessions.open(alice, ABROAD, "password")

    assert second.family_id != first.family_id
    sessions.close(second.tokens.access_token)
    assert authenticate(sessions, first).user.user_id == alice.user_id


def test_a_new_session_never_replaces_another(deployment: Deployment, alice: User, first: SignedIn) -> None:
    """security.md 98: not even if the same id is generated twice."""
    repeating_id = replace(deployment.sessions, new_id=lambda: first.family_id)

    with pytest.raises(SignInOvertaken):
        repeating_id.open(alice, ABROAD, "password")

    assert authenticate(deployment.sessions, first).user.user_id == alice.user_id


def test_a_long_user_agent_is_truncated(deployment: Deployment, alice: User) -> None:
    opened = deployment.sessions.open(alice, Client(address="192.0.2.1", device="x" * 10_000), "password")

    family = family_of(deployment, opened)
    assert family is not None
    assert family.device == "x" * LONGEST_USER_AGENT


@pytest.mark.covers("86")
def test_no_token_is_stored(database: Database, sessions: Sessions, first: SignedIn) -> None:
    """A stolen table holds nothing that signs in."""
    second = refresh(sessions, first)

    (item,) = database.items("RefreshTokenFamilies")

    texts = [value for value in item.values() if isinstance(value, str)]
    for token in (first.tokens, second.tokens):
        for part in (*token.access_token.split("."), *token.refresh_token.split(".")):
            assert not any(part in text for text in texts)


@pytest.mark.covers("F11")
@pytest.mark.parametrize("change", [raise_epoch, disable], ids=["epoch raised", "disabled"])
def test_a_sign_in_during_a_reset_or_disabling_opens_no_session(
    deployment: Deployment, database: Database, alice: User, change: Callable[[Deployment, User], None]
) -> None:
    """The credentials were checked before the reset."""
    meanwhile = MeanwhileStore(
        deployment.store, before=lambda call: call.method == "commit", happens=lambda: change(deployment, alice)
    )

    with pytest.raises(SignInOvertaken):
        replace(deployment, store=meanwhile).sessions.open(alice, HOME, "password")

    assert database.items("RefreshTokenFamilies") == []


def test_a_sign_in_does_not_recreate_a_deleted_account(deployment: Deployment, database: Database, alice: User) -> None:
    deployment.store.write(Delete(deployment.users.key(alice.user_id)))

    with pytest.raises(SignInOvertaken):
        deployment.sessions.open(alice, HOME, "password")

    assert database.items("Users", "USER#") == []


# The role in the organization


def reading_roles(deployment: Deployment) -> Sessions:
    return replace(deployment.sessions, read_role=deployment.organizations.table.default_role)


def test_a_session_has_the_current_role_of_the_membership(deployment: Deployment) -> None:
    alice, sessions = deployment.register(), reading_roles(deployment)
    membership = deployment.organizations.table.membership_deletion(str(alice.organization_id), alice.user_id).key

    first = sessions.open(alice, HOME, "password")
    deployment.store.write(Update(membership, {"role": "CLIENT_MEMBER"}))
    second = refresh(sessions, first)
    repeated = refresh(sessions, first)  # forgiven
    deployment.store.write(Delete(membership))
    third = refresh(sessions, second)

    assert [session.role for session in (first, second, repeated, third)] == [
        "CLIENT_OWNER",
        "CLIENT_MEMBER",
        "CLIENT_MEMBER",
        None,
    ]


def test_the_role_is_read_in_parallel_with_the_write(deployment: Deployment) -> None:
    """Budgets: reading the role adds no round trip."""
    alice = deployment.register()
    role_was_read = Event()

    def wait_for_the_role(call: Call) -> bool:
        if call.keys[0].table == deployment.tables["Organizations"]:
            role_was_read.set()
        elif call.method in {"commit", "write"}:
            assert role_was_read.wait(timeout=20), "the role is read after the write"
            role_was_read.clear()
        return False

    sessions = reading_roles(replace(deployment, store=FaultyStore(deployment.store, at=wait_for_the_role)))

    first = sessions.open(alice, HOME, "password")
    second = refresh(sessions, first)

    assert [first.role, second.role] == ["CLIENT_OWNER"] * 2


def test_without_an_organization_no_role_is_read(deployment: Deployment, alice: User) -> None:
    watched = PassingStore(deployment.store)
    sessions = reading_roles(replace(deployment, store=watched))

    assert refresh(sessions, sessions.open(alice, HOME, "password")).role is None

    assert all(key.table != deployment.tables["Organizations"] for call in watched.calls for key in call.keys)


def test_the_role_is_read_only_by_apis_that_show_it(deployment: Deployment) -> None:
    alice, watched = deployment.register(), PassingStore(deployment.store)
    sessions = replace(deployment, store=watched).sessions

    assert refresh(sessions, sessions.open(alice, HOME, "password")).role is None

    assert all(key.table != deployment.tables["Organizations"] for call in watched.calls for key in call.keys)
