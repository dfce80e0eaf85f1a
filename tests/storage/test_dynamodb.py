"""gerbang.storage.dynamodb when DynamoDB fails in ways that no emulator can, simulated (docs/faults.md)."""

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
WIRE_ITEM = {"pk": {"S": "USER#1"}, "generation": {"N": "2"}}

CONFLICT = error("TransactionConflictException")
SUCCESS = reply()


@dataclass(frozen=True, slots=True)
class ScriptedStore:
    """A store whose requests are scripted, and the pauses it made."""

    wire: Wire
    pauses: list[float] = field(default_factory=list[float])

    @property
    def store(self) -> DynamoStore:
        return DynamoStore(self.wire.client, self.pauses.append)


@pytest.fixture
def scripted(wire: Wire) -> ScriptedStore:
    return ScriptedStore(wire)


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
def test_a_write_in_conflict_with_a_transaction_is_repeated_after_a_pause(
    scripted: ScriptedStore, call: Callable[[DynamoStore], object]
) -> None:
    scripted.wire.script = [CONFLICT, CONFLICT, reply(Attributes=WIRE_ITEM)]

    outcome = call(scripted.store)

    assert outcome == Written({"pk": "USER#1", "generation": 2})
    assert len(scripted.wire.sent) == 3
    assert len({repr(sent) for sent in scripted.wire.sent}) == 1


@pytest.mark.covers("F30")
@each_write
def test_a_write_that_stays_in_conflict_fails_as_unavailable(
    scripted: ScriptedStore, call: Callable[[DynamoStore], object]
) -> None:
    scripted.wire.script = [CONFLICT]

    with pytest.raises(DependencyUnavailable):
        call(scripted.store)

    assert len(scripted.wire.sent) == CONFLICT_TRIES


@pytest.mark.covers("D10")
def test_a_cancelled_transaction_is_repeated_with_a_new_client_token(scripted: ScriptedStore) -> None:
    scripted.wire.script = [
        cancelled("None", "TransactionConflict"),
        cancelled("TransactionConflict", "TransactionConflict"),
        cancelled("ThrottlingError", "None"),
        cancelled("ProvisionedThroughputExceeded", "TransactionConflict"),
        SUCCESS,
    ]

    assert CALLS["commit"](scripted.store) == ()

    tokens = [sent.body["ClientRequestToken"] for sent in scripted.wire.sent]
    assert len(set(tokens)) == 5


@pytest.mark.covers("F30")
def test_a_transaction_that_stays_in_conflict_fails_as_unavailable(scripted: ScriptedStore) -> None:
    scripted.wire.script = [cancelled("TransactionConflict", "None")]

    with pytest.raises(DependencyUnavailable):
        CALLS["commit"](scripted.store)

    assert len(scripted.wire.sent) == CONFLICT_TRIES


@pytest.mark.parametrize("name", ["update", "commit"])
def test_pauses_grow_are_random_and_take_less_than_two_seconds(scripted: ScriptedStore, name: str) -> None:
    scripted.wire.script = [CONFLICT if name == "update" else cancelled("TransactionConflict", "None")]

    for _ in range(20):
        with pytest.raises(DependencyUnavailable):
            CALLS[name](scripted.store)

    pauses_in_a_round = CONFLICT_TRIES - 1
    bounds = [CONFLICT_PAUSE_SECONDS * 2**attempt for attempt in range(1, CONFLICT_TRIES)]
    starts = range(0, len(scripted.pauses), pauses_in_a_round)
    rounds = [scripted.pauses[start : start + pauses_in_a_round] for start in starts]
    assert len(rounds) == 20
    assert all(0 <= pause <= bound for pauses in rounds for pause, bound in zip(pauses, bounds, strict=True))
    assert len({pauses[-1] for pauses in rounds}) == 20
    assert max(pauses[-1] for pauses in rounds) > bounds[0]
    assert sum(bounds) < 2


@pytest.mark.covers("F31")
def test_a_conflict_together_with_a_failed_condition_is_a_failed_condition(scripted: ScriptedStore) -> None:
    failed = {"Code": "ConditionalCheckFailed", "Item": WIRE_ITEM}
    scripted.wire.script = [cancelled("TransactionConflict", failed, "ThrottlingError", "None")]

    failures = scripted.store.commit(*(Put(Key("Users", f"USER#{n}"), {}) for n in range(4)))

    assert failures == (None, ConditionFailed({"pk": "USER#1", "generation": 2}), None, None)
    assert len(scripted.wire.sent) == 1


def test_a_cancellation_because_of_a_bug_is_raised_unchanged(scripted: ScriptedStore) -> None:
    scripted.wire.script = [cancelled("ValidationError", "TransactionConflict")]

    with pytest.raises(ClientError, match="TransactionCanceledException"):
        CALLS["commit"](scripted.store)

    assert len(scripted.wire.sent) == 1


# Throttling, server errors and missing responses: D17, F27, F29

TEMPORARY_ERRORS = {
    "ThrottlingException": 400,
    "ProvisionedThroughputExceededException": 400,
    "RequestLimitExceeded": 400,
    "InternalServerError": 500,
    "ServiceUnavailable": 503,
}
NO_RESPONSE = [
    ReadTimeoutError(endpoint_url="http://dynamodb.invalid"),
    ConnectTimeoutError(endpoint_url="http://dynamodb.invalid"),
    ConnectionClosedError(endpoint_url="http://dynamodb.invalid"),
    EndpointConnectionError(endpoint_url="http://dynamodb.invalid"),
]


@pytest.mark.covers("F27", "D17")
@each_call
@pytest.mark.parametrize("code", TEMPORARY_ERRORS)
def test_a_lasting_server_error_is_unavailable_after_the_sdks_tries(
    scripted: ScriptedStore, call: Callable[[DynamoStore], object], code: str
) -> None:
    scripted.wire.script = [error(code, TEMPORARY_ERRORS[code])]

    with pytest.raises(DependencyUnavailable, match=code):
        call(scripted.store)

    assert len(scripted.wire.sent) == TRIES


@pytest.mark.covers("F29")
@each_call
@pytest.mark.parametrize("failure", NO_RESPONSE, ids=lambda failure: type(failure).__name__)
def test_a_missing_response_is_unavailable_after_the_sdks_tries(
    scripted: ScriptedStore, call: Callable[[DynamoStore], object], failure: Exception
) -> None:
    scripted.wire.script = [failing(failure)]

    with pytest.raises(DependencyUnavailable, match=type(failure).__name__):
        call(scripted.store)

    assert len(scripted.wire.sent) == TRIES


@each_call
@pytest.mark.parametrize(
    "step",
    [error("ThrottlingException"), error("InternalServerError", 500), failing(NO_RESPONSE[0])],
    ids=["throttling", "server error", "no response"],
)
def test_a_temporary_error_is_repeated_by_the_sdk(
    scripted: ScriptedStore, call: Callable[[DynamoStore], object], step: Step
) -> None:
    scripted.wire.script = [step, reply(Responses={})]

    call(scripted.store)

    assert len(scripted.wire.sent) == 2


@pytest.fixture
def unresponsive_url() -> Iterator[str]:
    """The URL of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.covers("F29")
@each_call
def test_calls_to_an_unresponsive_database_end_in_time(
    unresponsive_url: str,
    botocore_session: botocore.session.Session,
    sleepless: list[float],
    call: Callable[[DynamoStore], object],
) -> None:
    """Uses a real socket."""
    client = create_client(botocore_session, unresponsive_url, seconds=0.1)
    started = time.monotonic()

    with pytest.raises(DependencyUnavailable):
        call(DynamoStore(client))

    assert time.monotonic() - started < 2
    assert len(sleepless) == TRIES - 1


# Bugs and missing permissions are not temporary: they lead to a 500 and an alarm, not to a retry


@each_call
@pytest.mark.parametrize("code", ["ValidationException", "AccessDeniedException", "ResourceNotFoundException"])
def test_a_bug_or_a_missing_permission_is_raised_unchanged(
    scripted: ScriptedStore, call: Callable[[DynamoStore], object], code: str
) -> None:
    scripted.wire.script = [error(code)]

    with pytest.raises(ClientError, match=code):
        call(scripted.store)

    assert len(scripted.wire.sent) == 1


def test_a_request_that_botocore_rejects_is_raised_unchanged(scripted: ScriptedStore) -> None:
    with pytest.raises(ParamValidationError):
        scripted.store.commit()

    assert scripted.wire.sent == []


# Unprocessed keys of a batch


def batch(items: list[dict[str, Any]], unprocessed: list[dict[str, Any]]) -> Any:
    keys = {"Users": {"Keys": unprocessed, "ConsistentRead": True}} if unprocessed else {}
    return reply(Responses={"Users": items}, UnprocessedKeys=keys)


FIRST, SECOND, THIRD = ({"pk": {"S": f"USER#{n}"}} for n in (1, 2, 3))


def test_only_unprocessed_keys_are_requested_again(scripted: ScriptedStore) -> None:
    scripted.wire.script = [batch([SECOND], [FIRST, THIRD]), batch([], [THIRD, FIRST]), batch([THIRD, FIRST], [])]

    items = scripted.store.get_all(*(Key("Users", f"USER#{n}") for n in (1, 2, 3)))

    assert items == ({"pk": "USER#1"}, {"pk": "USER#2"}, {"pk": "USER#3"})
    requested = [sent.body["RequestItems"]["Users"]["Keys"] for sent in scripted.wire.sent]
    assert requested == [[FIRST, SECOND, THIRD], [FIRST, THIRD], [THIRD, FIRST]]
    assert len(scripted.pauses) == 2


def test_keys_that_stay_unprocessed_are_unavailable_and_not_absent(scripted: ScriptedStore) -> None:
    scripted.wire.script = [batch([SECOND], [FIRST])]

    with pytest.raises(DependencyUnavailable):
        scripted.store.get_all(Key("Users", "USER#1"), Key("Users", "USER#2"))

    assert len(scripted.wire.sent) == BATCH_TRIES


# The requests


@pytest.mark.covers("F12", "D12")
def test_every_read_is_strongly_consistent(scripted: ScriptedStore) -> None:
    scripted.wire.script = [reply(Responses={})]

    scripted.store.get(KEY)
    scripted.store.get_all(KEY, OTHER)

    get, batch_get = scripted.wire.sent
    assert get.body["ConsistentRead"] is True
    assert [table["ConsistentRead"] for table in batch_get.body["RequestItems"].values()] == [True, True]


@pytest.mark.covers("D8")
def test_a_transaction_that_the_sdk_repeats_has_the_same_client_token(scripted: ScriptedStore) -> None:
    """So DynamoDB does it only once."""
    scripted.wire.script = [failing(NO_RESPONSE[0]), error("InternalServerError", 500), SUCCESS, SUCCESS]

    CALLS["commit"](scripted.store)
    CALLS["commit"](scripted.store)

    tokens = [sent.body["ClientRequestToken"] for sent in scripted.wire.sent]
    assert [tokens.count(token) for token in dict.fromkeys(tokens)] == [3, 1]


@pytest.mark.covers("D4")
def test_the_item_of_a_failed_condition_comes_from_the_response_without_another_request(
    scripted: ScriptedStore,
) -> None:
    scripted.wire.script = [error("ConditionalCheckFailedException", Item=WIRE_ITEM)]

    assert CALLS["update"](scripted.store) == ConditionFailed({"pk": "USER#1", "generation": 2})

    (sent,) = scripted.wire.sent
    assert sent.body["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"


def test_every_action_of_a_transaction_requests_the_item_of_a_failed_condition(scripted: ScriptedStore) -> None:
    scripted.wire.script = [SUCCESS]

    scripted.store.commit(Put(KEY, {}), Update(OTHER, {"n": 1}), Delete(Key("Users", "2")))

    (sent,) = scripted.wire.sent
    actions = [action for item in sent.body["TransactItems"] for action in item.values()]
    assert [action["ReturnValuesOnConditionCheckFailure"] for action in actions] == ["ALL_OLD"] * 3


def test_attributes_of_unsupported_types_are_ignored(scripted: ScriptedStore) -> None:
    unsupported = {"L": {"L": []}, "M": {"M": {}}, "NULL": {"NULL": True}, "B": {"B": "AA=="}, "SS": {"SS": ["a"]}}
    scripted.wire.script = [reply(Item={**WIRE_ITEM, **unsupported})]

    assert scripted.store.get(KEY) == {"pk": "USER#1", "generation": 2}


def test_expressions_contain_only_placeholders(scripted: ScriptedStore) -> None:
    """ASVS 1.2.4: no name or value of a request becomes part of an expression's text."""
    hostile = "x) OR attribute_exists(pk) --"
    changes: dict[str, Change] = {
        hostile: hostile,
        "a": Plus(1),
        "b": CopyOf(hostile),
        "c": IfAbsent(hostile),
        "d": Gone(),
    }
    when = (Equal(hostile, hostile), Less("a", 1), Greater("b", 2), AnyOf((Absent(hostile), Present("d"))))
    scripted.wire.script = [SUCCESS]

    scripted.store.write(Update(Key("Users", hostile), changes, when))

    (sent,) = scripted.wire.sent
    words = re.compile(r"SET|REMOVE|ADD|AND|OR|if_not_exists|attribute_(not_)?exists|[#:]\d+|[=<>(),\s]")
    for expression in ("UpdateExpression", "ConditionExpression"):
        assert words.sub("", sent.body[expression]) == ""
    assert hostile in sent.body["ExpressionAttributeNames"].values()
    assert {"S": hostile} in sent.body["ExpressionAttributeValues"].values()


def test_missing_credentials_are_unavailable_until_they_exist(scripted: ScriptedStore) -> None:
    scripted.wire.script = [failing(NoCredentialsError()), reply()]

    with pytest.raises(DependencyUnavailable, match="NoCredentialsError"):
        scripted.store.get(KEY)

    assert scripted.store.get(KEY) is None
