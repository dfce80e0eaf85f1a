"""Counting calls: consecutive round trips, waiting time, and the units that DynamoDB bills."""

import json
from typing import Any

import pytest
from gerbang_bench.measuring import counted
from gerbang_bench.stand_ins import Call, consumed, round_trips, waited_seconds


def call(began: float, ended: float, service: str = "DynamoDB_20120810", operation: str = "GetItem") -> Call:
    return Call(service=service, operation=operation, began=began, ended=ended)


@pytest.mark.parametrize(
    ("calls", "trips"),
    [
        ([], 0),
        ([call(0, 1)], 1),
        ([call(0, 1), call(1, 2), call(2, 3)], 3),
        ([call(0, 2), call(1, 3)], 1),
        ([call(0, 3), call(0, 1), call(1, 2)], 2),
        ([call(0, 1), call(0.5, 1.5), call(1, 2)], 2),
        ([call(5, 6), call(0, 1)], 2),
    ],
    ids=["none", "one", "consecutive", "concurrent", "two during a long one", "overlapping pairs", "unsorted"],
)
def test_round_trips_are_the_longest_chain_of_consecutive_calls(calls: list[Call], trips: int) -> None:
    assert round_trips(calls) == trips


@pytest.mark.parametrize(
    ("calls", "seconds"),
    [
        ([], 0.0),
        ([call(0, 1), call(2, 4)], 3.0),
        ([call(0, 2), call(1, 3)], 3.0),
        ([call(0, 4), call(1, 2)], 4.0),
    ],
    ids=["none", "separate", "overlapping", "nested"],
)
def test_a_function_waits_while_any_call_is_in_progress(calls: list[Call], seconds: float) -> None:
    assert waited_seconds(calls) == pytest.approx(seconds)


def test_round_trips_are_calls_to_dynamodb_and_waits_are_calls_to_any_service() -> None:
    queue = call(1, 2, "AmazonSQS", "SendMessage")

    cost = counted([call(0, 1), queue], connections=1)

    assert (cost.round_trips, cost.waits, cost.calls, cost.queued, cost.connections) == (1, 2, 1, 1, 1)


TRANSACTION: dict[str, Any] = {"TransactItems": [{}, {}, {}]}


@pytest.mark.parametrize(
    ("operation", "body", "status", "answer", "units"),
    [
        ("GetItem", {}, 200, {"ConsumedCapacity": {"CapacityUnits": 1.0}}, (1.0, 0.0)),
        ("BatchGetItem", {}, 200, {"ConsumedCapacity": [{"CapacityUnits": 1.0}, {"CapacityUnits": 2.0}]}, (3.0, 0.0)),
        ("UpdateItem", {}, 200, {"ConsumedCapacity": {"CapacityUnits": 1.0}}, (0.0, 1.0)),
        ("TransactWriteItems", TRANSACTION, 200, {"ConsumedCapacity": [{"CapacityUnits": 6.0}]}, (0.0, 6.0)),
        ("PutItem", {}, 400, {"__type": "com.amazonaws#ConditionalCheckFailedException"}, (0.0, 1.0)),
        ("TransactWriteItems", TRANSACTION, 400, {"__type": "x#TransactionCanceledException"}, (0.0, 6.0)),
        ("PutItem", {}, 400, {"__type": "x#ValidationException"}, (0.0, 0.0)),
    ],
    ids=["read", "batch", "write", "transaction", "failed write", "failed transaction", "invalid request"],
)
def test_units_are_those_that_dynamodb_bills(
    operation: str, body: dict[str, Any], status: int, answer: dict[str, Any], units: tuple[float, float]
) -> None:
    assert consumed(operation, body, status, json.dumps(answer).encode()) == units
