"""Each call of each action fails in each way, then the client tries again (docs/faults.md).

After any fault, an address has one account, a session family has one active generation, a success has been written,
and after an acknowledged logout no token works.
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

for_each_fault = pytest.mark.parametrize("fault", Fault)


@dataclass(frozen=True, slots=True)
class Run:
    """A new deployment for one run of a test, and a function that reads its tables."""

    deployment: Deployment
    contents: Callable[[str], list[Item]]

    def with_fault(self, call: Call, fault: Fault) -> Deployment:
        """The deployment on a store that fails at one call."""
        return replace(self.deployment, store=FaultyStore(self.deployment.store, at=call.__eq__, fault=fault))

    def recording(self) -> tuple[Deployment, PassingStore]:
        """The deployment on a store that records its calls."""
        store = PassingStore(self.deployment.store)
        return replace(self.deployment, store=store), store


def new_run() -> Run:
    """The same deployment every time, with the same ids, so that a call of one run is found in another one."""
    database = in_memory()
    deployment = deployed_on(database, clock=FakeClock(), log_event=RecordingLog(), secret=FakeSecret())
    return Run(deployment, database.contents)


def run_with_session() -> tuple[Run, SignedIn]:
    run = new_run()
    user = run.deployment.register(ALICE)
    return run, run.deployment.sessions.open(user, ABROAD, "password")


def assert_consistent(run: Run) -> None:
    """Check that accounts, markers, organisations and sessions belong together."""
    accounts = [item for item in run.contents("Users") if str(item["pk"]).startswith("USER#")]
    markers = {str(item["pk"]): str(item["user_id"]) for item in run.contents("Users") if item not in accounts}
    assert len({account["email"] for account in accounts}) == len(accounts)
    for account in accounts:
        for name in ("EMAIL", "USERNAME", "NUMBER"):
            assert markers.pop(f"{name}#{account[name.lower()]}") == account["user_id"]
        organization = [
            item for item in run.contents("Organizations") if item["pk"] == f"ORG#{account['organization_id']}"
        ]
        assert {item["sk"] for item in organization} == {"ORG", f"MEMBER#{account['user_id']}"}
    assert markers == {}
    assert len(run.contents("Organizations")) == 2 * len(accounts)
    assert all(family["user_id"] in {account["user_id"] for account in accounts} for family in families(run))


def families(run: Run) -> list[Item]:
    return run.contents("RefreshTokenFamilies")


def try_once[**P, T](step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Return what an action returned; None if it failed."""
    try:
        return step(*args, **kwargs)
    except DependencyUnavailable:
        return None


def session_works(deployment: Deployment, session: SignedIn) -> bool:
    try:
        deployment.sessions.authenticate(session.tokens.access_token)
    except SessionEnded:
        return False
    return True


# Registration: F2, F3, F32


def register(deployment: Deployment) -> SignedIn:
    return deployment.registration.register(ALICE, HOME).signed_in


def calls_of_registering() -> list[Call]:
    recorded, store = new_run().recording()
    register(recorded)
    return store.calls


@pytest.mark.covers("F2", "F3", "F32")
@for_each_fault
def test_a_registration_is_atomic_and_can_be_repeated(fault: Fault) -> None:
    calls = calls_of_registering()
    assert [call.method for call in calls] == ["write", "commit"]
    for call in calls:
        run = new_run()

        result = try_once(register, run.with_fault(call, fault))

        assert_consistent(run)
        accounts = len([item for item in run.contents("Users") if str(item["pk"]).startswith("USER#")])
        if result is not None:
            assert fault is Fault.RETRIED
            assert session_works(run.deployment, result)
        try:
            second_result = register(run.deployment)
        except EmailTaken:
            assert accounts == 1
        else:
            assert accounts == 0
            assert session_works(run.deployment, second_result)
        assert_consistent(run)
        signed_in = run.deployment.sign_in.sign_in(by_email(), HOME)
        assert run.deployment.users.find_id(Name.EMAIL, ALICE.email) == signed_in.user.user_id


# Sign-in: F28, F32


@pytest.mark.covers("F28", "F32")
@for_each_fault
def test_a_sign_in_stores_its_session_or_fails_and_can_be_repeated(fault: Fault) -> None:
    run, _ = run_with_session()
    recorded, store = run.recording()
    recorded.sign_in.sign_in(by_email(), HOME)
    calls = store.calls
    assert len(calls) == 7
    without_answer = 0
    for call in calls:
        run, session = run_with_session()
        before = len(families(run))

        result = try_once(run.with_fault(call, fault).sign_in.sign_in, by_email(), HOME)

        assert_consistent(run)
        if result is None:
            without_answer += 1
        else:
            assert len(families(run)) == before + 1
            assert session_works(run.deployment, result)
        assert session_works(run.deployment, session)
        for _ in range(12):  # an attempt that could not be given back does not lock the user out
            assert session_works(run.deployment, run.deployment.sign_in.sign_in(by_email(), HOME))
    # Reads, counting and opening the session are necessary. Giving back an attempt is not.
    assert without_answer == (0 if fault is Fault.RETRIED else 6)


# Refreshing: F7, F9, F32


@pytest.mark.covers("F7", "F9", "F32")
@for_each_fault
def test_a_refresh_advances_the_family_once_and_can_be_repeated_with_the_same_token(fault: Fault) -> None:
    run, session = run_with_session()
    recorded, store = run.recording()
    recorded.sessions.refresh(session.tokens.refresh_token)
    calls = store.calls
    assert [call.method for call in calls] == ["get", "write"]
    for call in calls:
        run, session = run_with_session()
        refresh_token = session.tokens.refresh_token

        result = try_once(run.with_fault(call, fault).sessions.refresh, refresh_token)

        assert (result is not None) == (fault is Fault.RETRIED)
        second_result = run.deployment.sessions.refresh(refresh_token)
        generations = [family["generation"] for family in families(run) if family["sk"] == session.family_id]
        assert generations == [2]
        assert result is None or result.tokens.refresh_token == second_result.tokens.refresh_token
        assert session_works(run.deployment, second_result)
        assert session_works(run.deployment, run.deployment.sessions.refresh(second_result.tokens.refresh_token))
        assert "refresh_token_reused" not in run.deployment.recorded.events


# Logout: F10, F12


@pytest.mark.covers("F10", "F12")
@for_each_fault
def test_an_acknowledged_logout_has_ended_the_session_and_a_failed_one_can_be_repeated(fault: Fault) -> None:
    run, session = run_with_session()
    recorded, store = run.recording()
    recorded.sessions.close(session.tokens.access_token)
    calls = store.calls
    assert [call.method for call in calls] == ["get_all", "write"]
    for call in calls:
        run, session = run_with_session()
        faulty = run.with_fault(call, fault)

        try:
            faulty.sessions.close(session.tokens.access_token)
            is_acknowledged = True
        except DependencyUnavailable:
            is_acknowledged = False

        assert is_acknowledged == (fault is Fault.RETRIED)
        if not is_acknowledged and session_works(run.deployment, session):
            run.deployment.sessions.close(session.tokens.access_token)
        assert not session_works(run.deployment, session)
        with pytest.raises(SessionEnded):
            run.deployment.sessions.refresh(session.tokens.refresh_token)


# Using a session


@for_each_fault
def test_an_authorization_that_failed_can_be_repeated(fault: Fault) -> None:
    run, session = run_with_session()
    recorded, store = run.recording()
    organization_id = str(session.user.organization_id)
    recorded.authorizer.authorize(session.tokens.access_token, organization_id)
    calls = store.calls
    assert sorted(call.method for call in calls) == ["get", "get_all", "write"]
    for call in calls:
        run, session = run_with_session()
        faulty = run.with_fault(call, fault)

        result = try_once(faulty.authorizer.authorize, session.tokens.access_token, organization_id)

        assert (result is not None) == (fault is Fault.RETRIED)
        caller = run.deployment.authorizer.authorize(session.tokens.access_token, organization_id)
        assert caller.role == "CLIENT_OWNER"
        (family,) = [family for family in families(run) if family["sk"] == session.family_id]
        assert family["confirmed"] == 1
