"""Every call of every step goes wrong in every way, then the client tries again (docs/faults.md).

Whatever went wrong: one account an address, at most one live generation a family, no success without its write, and
after an acknowledged logout nothing works.
"""

from collections.abc import Callable
from copy import replace
from dataclasses import dataclass

import pytest
from gerbang.accounts.registration import EmailTaken
from gerbang.core.errors import DependencyUnavailable
from gerbang.sessions.sessions import SessionEnded, SignedIn
from gerbang.storage.accounts import Name
from gerbang.storage.store import Item

from tests.conftest import deployed_on, in_memory
from tests.deployment import ABROAD, ALICE, HOME, Deployment, by_email
from tests.fakes import Call, FakeClock, FakeSecret, Fault, FaultyStore, PassingStore, RecordingLog

each_fault = pytest.mark.parametrize("fault", Fault)


@dataclass(frozen=True, slots=True)
class World:
    """One deployment, made anew for every run, and what is in its tables."""

    deployment: Deployment
    contents: Callable[[str], list[Item]]

    def with_fault(self, call: Call, fault: Fault) -> Deployment:
        """The deployment on a database that fails at one call."""
        return replace(self.deployment, store=FaultyStore(self.deployment.store, at=call.__eq__, fault=fault))

    def watched(self) -> tuple[Deployment, PassingStore]:
        """The deployment on a database that takes down its calls."""
        store = PassingStore(self.deployment.store)
        return replace(self.deployment, store=store), store


def world() -> World:
    """The same world every time, ids and all, so that a call of one run can be named in another."""
    database = in_memory()
    deployment = deployed_on(database, clock=FakeClock(), log_event=RecordingLog(), secret=FakeSecret())
    return World(deployment, database.contents)


def signed_in_world() -> tuple[World, SignedIn]:
    made = world()
    user = made.deployment.register(ALICE)
    return made, made.deployment.sessions.open(user, ABROAD, "password")


def assert_sound(made: World) -> None:
    """What holds whatever went wrong."""
    accounts = [item for item in made.contents("Users") if str(item["pk"]).startswith("USER#")]
    markers = {str(item["pk"]): str(item["user_id"]) for item in made.contents("Users") if item not in accounts}
    assert len({account["email"] for account in accounts}) == len(accounts)
    for account in accounts:
        for name in ("EMAIL", "USERNAME", "NUMBER"):
            assert markers.pop(f"{name}#{account[name.lower()]}") == account["user_id"]
        organization = [
            item for item in made.contents("Organizations") if item["pk"] == f"ORG#{account['organization_id']}"
        ]
        assert {item["sk"] for item in organization} == {"ORG", f"MEMBER#{account['user_id']}"}
    assert markers == {}
    assert len(made.contents("Organizations")) == 2 * len(accounts)
    assert all(family["user_id"] in {account["user_id"] for account in accounts} for family in families(made))


def families(made: World) -> list[Item]:
    return made.contents("RefreshTokenFamilies")


def attempt[**P, T](step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """What a step returned, None if it was not answered."""
    try:
        return step(*args, **kwargs)
    except DependencyUnavailable:
        return None


def works(deployment: Deployment, held: SignedIn) -> bool:
    try:
        deployment.sessions.authenticate(held.tokens.access_token)
    except SessionEnded:
        return False
    return True


# Registration: F2, F3, F32


def register(deployment: Deployment) -> SignedIn:
    return deployment.registration.register(ALICE, HOME).signed_in


def calls_of_registering() -> list[Call]:
    watched, store = world().watched()
    register(watched)
    return store.calls


@pytest.mark.covers("F2", "F3", "F32")
@each_fault
def test_registering_is_whole_or_not_at_all_and_can_be_repeated(fault: Fault) -> None:
    calls = calls_of_registering()
    assert [call.method for call in calls] == ["write", "commit"]
    for call in calls:
        made = world()

        answered = attempt(register, made.with_fault(call, fault))

        assert_sound(made)
        accounts = len([item for item in made.contents("Users") if str(item["pk"]).startswith("USER#")])
        if answered is not None:
            assert fault is Fault.ASKED_AGAIN
            assert works(made.deployment, answered)
        try:
            again = register(made.deployment)
        except EmailTaken:
            assert accounts == 1
        else:
            assert accounts == 0
            assert works(made.deployment, again)
        assert_sound(made)
        signed_in = made.deployment.sign_in.sign_in(by_email(), HOME)
        assert made.deployment.users.find_id(Name.EMAIL, ALICE.email) == signed_in.user.user_id


# Sign-in: F28, F32


@pytest.mark.covers("F28", "F32")
@each_fault
def test_signing_in_succeeds_with_its_session_or_not_at_all_and_can_be_repeated(fault: Fault) -> None:
    made, _ = signed_in_world()
    watched, store = made.watched()
    watched.sign_in.sign_in(by_email(), HOME)
    calls = store.calls
    assert len(calls) == 7
    unanswered = 0
    for call in calls:
        made, held = signed_in_world()
        before = len(families(made))

        answered = attempt(made.with_fault(call, fault).sign_in.sign_in, by_email(), HOME)

        assert_sound(made)
        if answered is None:
            unanswered += 1
        else:
            assert len(families(made)) == before + 1
            assert works(made.deployment, answered)
        assert works(made.deployment, held)
        for _ in range(12):  # what could not be given back has locked nobody out
            assert works(made.deployment, made.deployment.sign_in.sign_in(by_email(), HOME))
    # Reading, counting and opening are needed; giving back is not.
    assert unanswered == (0 if fault is Fault.ASKED_AGAIN else 6)


# Refreshing: F7, F9, F32


@pytest.mark.covers("F7", "F9", "F32")
@each_fault
def test_refreshing_moves_the_family_once_and_the_same_token_can_be_presented_again(fault: Fault) -> None:
    made, held = signed_in_world()
    watched, store = made.watched()
    watched.sessions.refresh(held.tokens.refresh_token)
    calls = store.calls
    assert [call.method for call in calls] == ["get", "write"]
    for call in calls:
        made, held = signed_in_world()
        presented = held.tokens.refresh_token

        answered = attempt(made.with_fault(call, fault).sessions.refresh, presented)

        assert (answered is not None) == (fault is Fault.ASKED_AGAIN)
        again = made.deployment.sessions.refresh(presented)
        generations = [family["generation"] for family in families(made) if family["sk"] == held.family_id]
        assert generations == [2]
        assert answered is None or answered.tokens.refresh_token == again.tokens.refresh_token
        assert works(made.deployment, again)
        assert works(made.deployment, made.deployment.sessions.refresh(again.tokens.refresh_token))
        assert "refresh_token_reused" not in made.deployment.recorded.events


# Logout: F10, F12


@pytest.mark.covers("F10", "F12")
@each_fault
def test_a_logout_that_was_acknowledged_has_ended_the_session_and_any_other_can_be_repeated(fault: Fault) -> None:
    made, held = signed_in_world()
    watched, store = made.watched()
    watched.sessions.close(held.tokens.access_token)
    calls = store.calls
    assert [call.method for call in calls] == ["get_all", "write"]
    for call in calls:
        made, held = signed_in_world()
        faulty = made.with_fault(call, fault)

        try:
            faulty.sessions.close(held.tokens.access_token)
            acknowledged = True
        except DependencyUnavailable:
            acknowledged = False

        assert acknowledged == (fault is Fault.ASKED_AGAIN)
        if not acknowledged and works(made.deployment, held):
            made.deployment.sessions.close(held.tokens.access_token)
        assert not works(made.deployment, held)
        with pytest.raises(SessionEnded):
            made.deployment.sessions.refresh(held.tokens.refresh_token)


# Using a session: what was not confirmed was not done


@each_fault
def test_a_use_that_was_not_answered_can_be_repeated(fault: Fault) -> None:
    made, held = signed_in_world()
    watched, store = made.watched()
    organization_id = str(held.user.organization_id)
    watched.authorizer.authorize(held.tokens.access_token, organization_id)
    calls = store.calls
    assert sorted(call.method for call in calls) == ["get", "get_all", "write"]
    for call in calls:
        made, held = signed_in_world()
        faulty = made.with_fault(call, fault)

        answered = attempt(faulty.authorizer.authorize, held.tokens.access_token, organization_id)

        assert (answered is not None) == (fault is Fault.ASKED_AGAIN)
        caller = made.deployment.authorizer.authorize(held.tokens.access_token, organization_id)
        assert caller.role == "CLIENT_OWNER"
        (family,) = [family for family in families(made) if family["sk"] == held.family_id]
        assert family["confirmed"] == 1
