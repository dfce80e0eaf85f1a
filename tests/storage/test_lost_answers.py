"""One fault in any single request to DynamoDB has no effect on the result.

The faults are simulated between the SDK and a real DynamoDB Local. When the SDK or our code repeats a request, the
first one may have been done already; the caller must not notice (faults.md, D6, D8, D10).
"""

from collections.abc import Callable, Iterator
from copy import replace
from typing import TYPE_CHECKING

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from gerbang.accounts.registration import EmailTaken
from gerbang.core.emails import EmailAddress
from gerbang.sessions.sessions import SessionEnded, SignedIn

from tests.conftest import CleanupStore, Database, deployed_on
from tests.deployment import ALICE, HOME, Choices, Deployment, by_email
from tests.fakes import FakeClock, FakeSecret, RecordingLog
from tests.wire_faults import Step, Wire, cancelled, error, let_through, scripted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.storage


def conflict(request: AWSPreparedRequest) -> AWSResponse | None:
    """Answer a write with a transaction conflict, which DynamoDB Local never does. Reads have no conflicts (D11)."""
    target = str(request.headers["X-Amz-Target"])
    if "Get" in target:
        return None
    if "TransactWriteItems" in target:
        return cancelled("TransactionConflict", "None")(request)
    return error("TransactionConflictException")(request)


def fault_of(wire: Wire, name: str) -> Step:
    return {
        "an answer lost": wire.answer_lost,
        "a throttle": error("ThrottlingException"),
        "a failure": error("InternalServerError", 500),
        "a conflict": conflict,
    }[name]


each_fault = pytest.mark.parametrize("name", ["an answer lost", "a throttle", "a failure", "a conflict"])


@pytest.fixture
def wire(dynamodb_client: "DynamoDBClient", sleepless: list[float]) -> Iterator[Wire]:
    """Simulates faults in requests to DynamoDB Local."""
    del sleepless
    with scripted(dynamodb_client) as wire:
        yield wire


@pytest.fixture
def deployment(
    wire: Wire, dynamodb_tables: "Mapping[str, str]", clock: FakeClock, log: RecordingLog, secret: FakeSecret
) -> Iterator[Deployment]:
    """Every service, without grace periods: only the nonce shows that a refresh is the caller's own."""
    store = CleanupStore(wire.client)
    built = deployed_on(Database(store, dynamodb_tables, store.items), clock=clock, log_event=log, secret=secret)
    none = Choices().grace * 0
    yield replace(built, choices=Choices(grace=none, unconfirmed_grace=none))
    wire.script = [let_through]
    store.delete_written()


def with_one_fault[T](wire: Wire, name: str, step: Callable[[], T]) -> Iterator[T]:
    """Run the step with the fault in its first request, then in its second, up to the last. Yield each result."""
    nth, reached = 0, True
    while reached:
        wire.sent.clear()
        wire.script = [*[let_through] * nth, fault_of(wire, name), let_through]
        result = step()
        reached = len(wire.sent) > nth
        wire.script = [let_through]
        if reached:
            yield result
        nth += 1


@pytest.mark.covers("D6")
@each_fault
def test_a_sign_in_succeeds_despite_a_fault(deployment: Deployment, wire: Wire, name: str) -> None:
    deployment.register(ALICE)

    sessions = list(with_one_fault(wire, name, lambda: deployment.sign_in.sign_in(by_email(), HOME)))

    assert len(sessions) >= 7
    assert len({signed_in.family_id for signed_in in sessions}) == len(sessions)
    for signed_in in (sessions[0], sessions[-1]):
        assert deployment.sessions.authenticate(signed_in.tokens.access_token).family.generation == 1


@pytest.mark.covers("F9", "D6")
@each_fault
def test_a_refresh_succeeds_despite_a_fault_and_needs_no_grace(
    deployment: Deployment, wire: Wire, log: RecordingLog, name: str
) -> None:
    tokens = [deployment.sessions.open(deployment.register(ALICE), HOME, "password")]

    def refresh() -> SignedIn:
        tokens.append(deployment.sessions.refresh(tokens[-1].tokens.refresh_token))
        return tokens[-1]

    refreshed = list(with_one_fault(wire, name, refresh))

    assert len(refreshed) == 2
    session = deployment.sessions.authenticate(tokens[-1].tokens.access_token)
    assert session.family.generation == len(tokens)
    assert "refresh_forgiven" not in log.events


@pytest.mark.covers("D8")
@each_fault
def test_a_registration_succeeds_once_despite_a_fault(deployment: Deployment, wire: Wire, name: str) -> None:
    """A repeated transaction is done once, and its conditions do not fail because of its own first run."""
    names = iter("abcdefgh")

    def register() -> SignedIn:
        new = replace(ALICE, email=EmailAddress(f"{next(names)}@example.com"), username=None)
        return deployment.registration.register(new, HOME).signed_in

    registered = list(with_one_fault(wire, name, register))

    assert len(registered) == 2
    for signed_in in registered:
        assert deployment.sessions.authenticate(signed_in.tokens.access_token).user == signed_in.user
        with pytest.raises(EmailTaken):
            deployment.register(replace(ALICE, email=EmailAddress(str(signed_in.user.email)), username=None))


@pytest.mark.covers("D6")
@each_fault
def test_a_session_is_used_and_closed_despite_a_fault(deployment: Deployment, wire: Wire, name: str) -> None:
    user = deployment.register(ALICE)

    def use_and_end() -> SignedIn:
        signed_in = deployment.sessions.open(user, HOME, "password")
        caller = deployment.authorizer.authorize(signed_in.tokens.access_token, str(user.organization_id))
        assert caller.session_id == signed_in.family_id
        deployment.sessions.close(signed_in.tokens.access_token)
        return signed_in

    closed = list(with_one_fault(wire, name, use_and_end))

    assert len(closed) >= 6
    for signed_in in closed:
        with pytest.raises(SessionEnded):
            deployment.sessions.authenticate(signed_in.tokens.access_token)
        with pytest.raises(SessionEnded):
            deployment.sessions.refresh(signed_in.tokens.refresh_token)


def test_a_lost_response_makes_the_sdk_repeat_the_request(deployment: Deployment, wire: Wire) -> None:
    """Shows that the simulated fault of the tests above has an effect."""
    user = deployment.register(ALICE)
    wire.sent.clear()
    wire.script = [wire.answer_lost, let_through]

    assert deployment.users.find(user.user_id) == user

    assert [sent.operation for sent in wire.sent] == ["GetItem", "GetItem"]
