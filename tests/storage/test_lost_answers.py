"""One fault at any one request to DynamoDB, played on the wire before a real DynamoDB Local, is invisible to a caller.

What the SDK asks again, and what we do, was perhaps done the first time: that must not show (faults.md, D6, D8, D10).
"""

from collections.abc import Callable, Iterator
from copy import replace
from typing import TYPE_CHECKING

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from gerbang.accounts.registration import EmailTaken
from gerbang.core.emails import EmailAddress
from gerbang.sessions.sessions import SessionEnded, SignedIn

from tests.conftest import Database, CleanupStore, deployed_on
from tests.deployment import ALICE, HOME, Choices, Deployment, by_email
from tests.fakes import FakeClock, FakeSecret, RecordingLog
from tests.wire_faults import Step, Wire, cancelled, error, let_through, scripted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.storage


def conflict(request: AWSPreparedRequest) -> AWSResponse | None:
    """Say that another transaction is on the item, as DynamoDB Local never does. Reads do not meet any (D11)."""
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
    """The wire to DynamoDB Local."""
    del sleepless
    with scripted(dynamodb_client) as wire:
        yield wire


@pytest.fixture
def deployment(
    wire: Wire, dynamodb_tables: "Mapping[str, str]", clock: FakeClock, log: RecordingLog, secret: FakeSecret
) -> Iterator[Deployment]:
    """Every service, forgiving nothing: what is told apart here is told apart by the nonce alone."""
    store = CleanupStore(wire.client)
    built = deployed_on(Database(store, dynamodb_tables, store.items), clock=clock, log_event=log, secret=secret)
    nothing = Choices().grace * 0
    yield replace(built, choices=Choices(grace=nothing, unconfirmed_grace=nothing))
    wire.script = [let_through]
    store.delete_written()


def with_one_fault[T](wire: Wire, name: str, step: Callable[[], T]) -> Iterator[T]:
    """What the step comes to with the fault at its first request, then with it at the second, to the last."""
    nth, reached = 0, True
    while reached:
        wire.sent.clear()
        wire.script = [*[let_through] * nth, fault_of(wire, name), let_through]
        answer = step()
        reached = len(wire.sent) > nth
        wire.script = [let_through]
        if reached:
            yield answer
        nth += 1


@pytest.mark.covers("D6")
@each_fault
def test_signing_in(deployment: Deployment, wire: Wire, name: str) -> None:
    deployment.register(ALICE)

    opened = list(with_one_fault(wire, name, lambda: deployment.sign_in.sign_in(by_email(), HOME)))

    assert len(opened) >= 7
    assert len({signed_in.family_id for signed_in in opened}) == len(opened)
    for signed_in in (opened[0], opened[-1]):
        assert deployment.sessions.authenticate(signed_in.tokens.access_token).family.generation == 1


@pytest.mark.covers("F9", "D6")
@each_fault
def test_refreshing(deployment: Deployment, wire: Wire, log: RecordingLog, name: str) -> None:
    held = [deployment.sessions.open(deployment.register(ALICE), HOME, "password")]

    def refresh() -> SignedIn:
        held.append(deployment.sessions.refresh(held[-1].tokens.refresh_token))
        return held[-1]

    traded = list(with_one_fault(wire, name, refresh))

    assert len(traded) == 2
    standing = deployment.sessions.authenticate(held[-1].tokens.access_token)
    assert standing.family.generation == len(held)
    assert "refresh_forgiven" not in log.events


@pytest.mark.covers("D8")
@each_fault
def test_registering(deployment: Deployment, wire: Wire, name: str) -> None:
    """A transaction asked for again is done once, and not refused by what it did itself."""
    names = iter("abcdefgh")

    def register() -> SignedIn:
        new = replace(ALICE, email=EmailAddress(f"{next(names)}@example.com"), username=None)
        return deployment.registration.register(new, HOME).signed_in

    made = list(with_one_fault(wire, name, register))

    assert len(made) == 2
    for signed_in in made:
        assert deployment.sessions.authenticate(signed_in.tokens.access_token).user == signed_in.user
        with pytest.raises(EmailTaken):
            deployment.register(replace(ALICE, email=EmailAddress(str(signed_in.user.email)), username=None))


@pytest.mark.covers("D6")
@each_fault
def test_using_and_ending_a_session(deployment: Deployment, wire: Wire, name: str) -> None:
    user = deployment.register(ALICE)

    def use_and_end() -> SignedIn:
        held = deployment.sessions.open(user, HOME, "password")
        caller = deployment.authorizer.authorize(held.tokens.access_token, str(user.organization_id))
        assert caller.session_id == held.family_id
        deployment.sessions.close(held.tokens.access_token)
        return held

    ended = list(with_one_fault(wire, name, use_and_end))

    assert len(ended) >= 6
    for held in ended:
        with pytest.raises(SessionEnded):
            deployment.sessions.authenticate(held.tokens.access_token)
        with pytest.raises(SessionEnded):
            deployment.sessions.refresh(held.tokens.refresh_token)


def test_the_wire_does_lose_answers(deployment: Deployment, wire: Wire) -> None:
    """The tests above would prove nothing if the fault did nothing."""
    user = deployment.register(ALICE)
    wire.sent.clear()
    wire.script = [wire.answer_lost, let_through]

    assert deployment.users.find(user.user_id) == user

    assert [sent.operation for sent in wire.sent] == ["GetItem", "GetItem"]
