"""gerbang.storage.dynamodb when DynamoDB fails in ways that no emulator can, simulated (docs/faults.md)."""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import (
    ClientError,
    ParamValidationError,
)
from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.dynamodb import BATCH_TRIES, CONFLICT_PAUSE_SECONDS, CONFLICT_TRIES, DynamoStore
from gerbang.storage.store import (
    ConditionFailed,
    Key,
    Put,
    Written,
)

from tests.dynamodb_local import TRIES, create_client
from tests.storage.scripted import CALLS, NO_RESPONSE, SUCCESS, WIRE_ITEM, ScriptedStore
from tests.wire_faults import Step, cancelled, error, failing, reply

CONFLICT = error("TransactionConflictException")
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
