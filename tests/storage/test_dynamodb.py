"""gerbang.storage.dynamodb on DynamoDB's bad days: what no emulator does, played on the wire (docs/faults.md)."""

import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
)
from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.dynamodb import BATCH_TRIES, CONFLICT_PAUSE_SECONDS, CONFLICT_TRIES, DynamoStore
from gerbang.storage.store import (
    Absent,
    AnyOf,
    Change,
    ConditionFailed,
    CopyOf,
    Delete,
    Equal,
    Gone,
    Greater,
    IfAbsent,
    Key,
    Less,
    Plus,
    Present,
    Put,
    Update,
    Written,
)

from tests.dynamodb_local import TRIES, create_client
from tests.wire_faults import Step, Wire, cancelled, error, failing, reply

KEY = Key("Users", "USER#1")
OTHER = Key("Organizations", "org_1", "MEMBER#1")
ON_THE_WIRE = {"pk": {"S": "USER#1"}, "generation": {"N": "2"}}

CONFLICT = error("TransactionConflictException")
DONE = reply()


@dataclass(frozen=True, slots=True)
class Patient:
    """A store on the wire, and the pauses it made."""

    wire: Wire
    pauses: list[float] = field(default_factory=list[float])

    @property
    def store(self) -> DynamoStore:
        return DynamoStore(self.wire.client, self.pauses.append)


@pytest.fixture
def patient(wire: Wire) -> Patient:
    return Patient(wire)


CALLS: dict[str, Callable[[DynamoStore], object]] = {
    "get": lambda store: store.get(KEY),
    "get_all": lambda store: store.get_all(KEY, OTHER),
    "put": lambda store: store.write(Put(KEY, {"name": "n"}, (Absent("pk"),))),
    "update": lambda store: store.write(Update(KEY, {"generation": Plus(1)}, (Equal("generation", 1),))),
    "delete": lambda store: store.write(Delete(KEY)),
    "commit": lambda store: store.commit(Put(KEY, {"name": "n"}), Update(OTHER, {"n": 1}, (Present("pk"),))),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
WRITES = ("put", "update", "delete")
each_write = pytest.mark.parametrize("call", [CALLS[name] for name in WRITES], ids=WRITES)


# Conflicts with transactions: D10, F30


@pytest.mark.covers("D10")
@each_write
def test_a_write_that_meets_a_transaction_is_tried_again_after_a_pause(
    patient: Patient, call: Callable[[DynamoStore], object]
) -> None:
    patient.wire.script = [CONFLICT, CONFLICT, reply(Attributes=ON_THE_WIRE)]

    outcome = call(patient.store)

    assert outcome == Written({"pk": "USER#1", "generation": 2})
    assert len(patient.wire.sent) == 3
    assert len({repr(sent) for sent in patient.wire.sent}) == 1


@pytest.mark.covers("F30")
@each_write
def test_a_write_that_stays_in_conflict_is_given_up_as_unavailable(
    patient: Patient, call: Callable[[DynamoStore], object]
) -> None:
    patient.wire.script = [CONFLICT]

    with pytest.raises(DependencyUnavailable):
        call(patient.store)

    assert len(patient.wire.sent) == CONFLICT_TRIES


@pytest.mark.covers("D10")
def test_a_cancelled_transaction_is_tried_again_under_a_new_client_token(patient: Patient) -> None:
    patient.wire.script = [
        cancelled("None", "TransactionConflict"),
        cancelled("TransactionConflict", "TransactionConflict"),
        cancelled("ThrottlingError", "None"),
        cancelled("ProvisionedThroughputExceeded", "TransactionConflict"),
        DONE,
    ]

    assert CALLS["commit"](patient.store) == ()

    tokens = [sent.body["ClientRequestToken"] for sent in patient.wire.sent]
    assert len(set(tokens)) == 5


@pytest.mark.covers("F30")
def test_a_transaction_that_stays_in_conflict_is_given_up_as_unavailable(patient: Patient) -> None:
    patient.wire.script = [cancelled("TransactionConflict", "None")]

    with pytest.raises(DependencyUnavailable):
        CALLS["commit"](patient.store)

    assert len(patient.wire.sent) == CONFLICT_TRIES


@pytest.mark.parametrize("name", ["update", "commit"])
def test_pauses_grow_are_random_and_end_within_two_seconds(patient: Patient, name: str) -> None:
    patient.wire.script = [CONFLICT if name == "update" else cancelled("TransactionConflict", "None")]

    for _ in range(20):
        with pytest.raises(DependencyUnavailable):
            CALLS[name](patient.store)

    each = CONFLICT_TRIES - 1
    bounds = [CONFLICT_PAUSE_SECONDS * 2**attempt for attempt in range(1, CONFLICT_TRIES)]
    rounds = [patient.pauses[start : start + each] for start in range(0, len(patient.pauses), each)]
    assert len(rounds) == 20
    assert all(0 <= pause <= bound for pauses in rounds for pause, bound in zip(pauses, bounds, strict=True))
    assert len({pauses[-1] for pauses in rounds}) == 20
    assert max(pauses[-1] for pauses in rounds) > bounds[0]
    assert sum(bounds) < 2


@pytest.mark.covers("F31")
def test_a_conflict_beside_a_failed_condition_is_a_failed_condition(patient: Patient) -> None:
    refusal = {"Code": "ConditionalCheckFailed", "Item": ON_THE_WIRE}
    patient.wire.script = [cancelled("TransactionConflict", refusal, "ThrottlingError", "None")]

    refusals = patient.store.commit(*(Put(Key("Users", f"USER#{n}"), {}) for n in range(4)))

    assert refusals == (None, ConditionFailed({"pk": "USER#1", "generation": 2}), None, None)
    assert len(patient.wire.sent) == 1


def test_a_cancellation_for_our_bug_comes_out_as_it_is(patient: Patient) -> None:
    patient.wire.script = [cancelled("ValidationError", "TransactionConflict")]

    with pytest.raises(ClientError, match="TransactionCanceledException"):
        CALLS["commit"](patient.store)

    assert len(patient.wire.sent) == 1


# Throttling, failures and silence: D17, F27, F29

PASSING = {
    "ThrottlingException": 400,
    "ProvisionedThroughputExceededException": 400,
    "RequestLimitExceeded": 400,
    "InternalServerError": 500,
    "ServiceUnavailable": 503,
}
SILENCE = [
    ReadTimeoutError(endpoint_url="http://dynamodb.invalid"),
    ConnectTimeoutError(endpoint_url="http://dynamodb.invalid"),
    ConnectionClosedError(endpoint_url="http://dynamodb.invalid"),
    EndpointConnectionError(endpoint_url="http://dynamodb.invalid"),
]


@pytest.mark.covers("F27", "D17")
@each_call
@pytest.mark.parametrize("code", PASSING)
def test_what_stays_throttled_or_broken_is_unavailable_after_the_sdks_tries(
    patient: Patient, call: Callable[[DynamoStore], object], code: str
) -> None:
    patient.wire.script = [error(code, PASSING[code])]

    with pytest.raises(DependencyUnavailable, match=code):
        call(patient.store)

    assert len(patient.wire.sent) == TRIES


@pytest.mark.covers("F29")
@each_call
@pytest.mark.parametrize("failure", SILENCE, ids=lambda failure: type(failure).__name__)
def test_what_does_not_answer_is_unavailable_after_the_sdks_tries(
    patient: Patient, call: Callable[[DynamoStore], object], failure: Exception
) -> None:
    patient.wire.script = [failing(failure)]

    with pytest.raises(DependencyUnavailable, match=type(failure).__name__):
        call(patient.store)

    assert len(patient.wire.sent) == TRIES


@each_call
@pytest.mark.parametrize(
    "step",
    [error("ThrottlingException"), error("InternalServerError", 500), failing(SILENCE[0])],
    ids=["a throttle", "a failure", "silence"],
)
def test_what_passes_is_passed_over(patient: Patient, call: Callable[[DynamoStore], object], step: Step) -> None:
    patient.wire.script = [step, reply(Responses={})]

    call(patient.store)

    assert len(patient.wire.sent) == 2


@pytest.fixture
def black_hole() -> Iterator[str]:
    """An address that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.covers("F29")
@each_call
def test_a_database_that_takes_calls_and_never_answers_is_given_up_in_time(
    black_hole: str,
    botocore_session: botocore.session.Session,
    sleepless: list[float],
    call: Callable[[DynamoStore], object],
) -> None:
    """On a real socket."""
    client = create_client(botocore_session, black_hole, seconds=0.1)
    started = time.monotonic()

    with pytest.raises(DependencyUnavailable):
        call(DynamoStore(client))

    assert time.monotonic() - started < 2
    assert len(sleepless) == TRIES - 1


# Bugs and missing permissions are not a bad day: they are a 500 and an alarm, not "try again"


@each_call
@pytest.mark.parametrize("code", ["ValidationException", "AccessDeniedException", "ResourceNotFoundException"])
def test_a_bug_or_a_missing_permission_comes_out_as_it_is(
    patient: Patient, call: Callable[[DynamoStore], object], code: str
) -> None:
    patient.wire.script = [error(code)]

    with pytest.raises(ClientError, match=code):
        call(patient.store)

    assert len(patient.wire.sent) == 1


def test_a_request_that_botocore_itself_finds_wrong_comes_out_as_it_is(patient: Patient) -> None:
    with pytest.raises(ParamValidationError):
        patient.store.commit()

    assert patient.wire.sent == []


# Keys that a batch left unprocessed


def batch(of: list[dict[str, Any]], left: list[dict[str, Any]]) -> Any:
    unprocessed = {"Users": {"Keys": left, "ConsistentRead": True}} if left else {}
    return reply(Responses={"Users": of}, UnprocessedKeys=unprocessed)


FIRST, SECOND, THIRD = ({"pk": {"S": f"USER#{n}"}} for n in (1, 2, 3))


def test_keys_left_unprocessed_are_asked_for_again_and_only_they(patient: Patient) -> None:
    patient.wire.script = [batch([SECOND], [FIRST, THIRD]), batch([], [THIRD, FIRST]), batch([THIRD, FIRST], [])]

    items = patient.store.get_all(*(Key("Users", f"USER#{n}") for n in (1, 2, 3)))

    assert items == ({"pk": "USER#1"}, {"pk": "USER#2"}, {"pk": "USER#3"})
    asked = [sent.body["RequestItems"]["Users"]["Keys"] for sent in patient.wire.sent]
    assert asked == [[FIRST, SECOND, THIRD], [FIRST, THIRD], [THIRD, FIRST]]
    assert len(patient.pauses) == 2


def test_keys_that_stay_unprocessed_are_unavailable_not_absent(patient: Patient) -> None:
    patient.wire.script = [batch([SECOND], [FIRST])]

    with pytest.raises(DependencyUnavailable):
        patient.store.get_all(Key("Users", "USER#1"), Key("Users", "USER#2"))

    assert len(patient.wire.sent) == BATCH_TRIES


# What goes out


@pytest.mark.covers("F12", "D12")
def test_every_read_is_strongly_consistent(patient: Patient) -> None:
    patient.wire.script = [reply(Responses={})]

    patient.store.get(KEY)
    patient.store.get_all(KEY, OTHER)

    get, batch_get = patient.wire.sent
    assert get.body["ConsistentRead"] is True
    assert [table["ConsistentRead"] for table in batch_get.body["RequestItems"].values()] == [True, True]


@pytest.mark.covers("D8")
def test_a_transaction_sent_again_by_the_sdk_carries_the_same_client_token(patient: Patient) -> None:
    """So it is done once."""
    patient.wire.script = [failing(SILENCE[0]), error("InternalServerError", 500), DONE, DONE]

    CALLS["commit"](patient.store)
    CALLS["commit"](patient.store)

    tokens = [sent.body["ClientRequestToken"] for sent in patient.wire.sent]
    assert [tokens.count(token) for token in dict.fromkeys(tokens)] == [3, 1]


@pytest.mark.covers("D4")
def test_a_refusal_reads_the_item_from_the_answer_and_asks_nothing_more(patient: Patient) -> None:
    patient.wire.script = [error("ConditionalCheckFailedException", Item=ON_THE_WIRE)]

    assert CALLS["update"](patient.store) == ConditionFailed({"pk": "USER#1", "generation": 2})

    (sent,) = patient.wire.sent
    assert sent.body["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


def test_every_member_of_a_transaction_asks_for_the_item_that_refuses(patient: Patient) -> None:
    patient.wire.script = [DONE]

    patient.store.commit(Put(KEY, {}), Update(OTHER, {"n": 1}), Delete(Key("Users", "2")))

    (sent,) = patient.wire.sent
    members = [member for item in sent.body["TransactItems"] for member in item.values()]
    assert [member["ReturnValuesOnConditionCheckFailure"] for member in members] == ["ALL_OLD"] * 3


def test_attributes_of_kinds_that_are_never_written_are_left_out(patient: Patient) -> None:
    odd = {"L": {"L": []}, "M": {"M": {}}, "NULL": {"NULL": True}, "B": {"B": "AA=="}, "SS": {"SS": ["a"]}}
    patient.wire.script = [reply(Item={**ON_THE_WIRE, **odd})]

    assert patient.store.get(KEY) == {"pk": "USER#1", "generation": 2}


def test_nothing_of_a_request_is_ever_in_the_text_of_an_expression(patient: Patient) -> None:
    """ASVS 1.2.4: names and values are placeholders, all of them."""
    hostile = "x) OR attribute_exists(pk) --"
    changes: dict[str, Change] = {
        hostile: hostile,
        "a": Plus(1),
        "b": CopyOf(hostile),
        "c": IfAbsent(hostile),
        "d": Gone(),
    }
    when = (Equal(hostile, hostile), Less("a", 1), Greater("b", 2), AnyOf((Absent(hostile), Present("d"))))
    patient.wire.script = [DONE]

    patient.store.write(Update(Key("Users", hostile), changes, when))

    (sent,) = patient.wire.sent
    words = re.compile(r"SET|REMOVE|ADD|AND|OR|if_not_exists|attribute_(not_)?exists|[#:]\d+|[=<>(),\s]")
    for expression in ("UpdateExpression", "ConditionExpression"):
        assert words.sub("", sent.body[expression]) == ""
    assert hostile in sent.body["ExpressionAttributeNames"].values()
    assert {"S": hostile} in sent.body["ExpressionAttributeValues"].values()


def test_missing_credentials_are_unavailable_until_there_are_some(patient: Patient) -> None:
    patient.wire.script = [failing(NoCredentialsError()), reply()]

    with pytest.raises(DependencyUnavailable, match="NoCredentialsError"):
        patient.store.get(KEY)

    assert patient.store.get(KEY) is None
