"""The store on DynamoDB: renders conditions and queries, translates failures, and retries what the SDK does not retry.

botocore (standard mode) sends a call again after time-outs, throttling and 5xx. It does not retry transactions that
were cancelled for a conflict, nor single writes that meet a running transaction. Those are retried here, with jitter.
botocore adds a client token to each transaction, so one that is sent again is executed once.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.store import (
    Absent,
    Action,
    AnyOf,
    Change,
    CommitOutcome,
    Condition,
    ConditionFailed,
    CopyOf,
    Delete,
    Differs,
    Equal,
    Gone,
    Greater,
    IfAbsent,
    Item,
    Key,
    Less,
    Order,
    Outcome,
    Page,
    Plus,
    Present,
    Put,
    Query,
    Select,
    Update,
    Value,
    Written,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

CONFLICT_TRIES: Final = 6
"""How often a write in conflict with a transaction is tried before 503. With the pauses below, about 0.6 s in all."""

CONFLICT_PAUSE_SECONDS: Final = 0.02
"""The first pause's upper bound; each further one may be twice as long (full jitter, as in the AWS architecture
blog's "Exponential Backoff And Jitter")."""

BATCH_TRIES: Final = 4
"""How often keys that a BatchGetItem left unprocessed are asked for again, before 503."""

_TEMPORARY_REASONS: Final = frozenset(
    {"None", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"},
)
"""Temporary cancellation reasons. A transaction that was cancelled for these alone is tried again."""


_COMPARATORS: Final[Mapping[type[Condition], str]] = {Equal: "=", Differs: "<>", Less: "<", Greater: ">"}
"""DynamoDB's comparators. Only `<>` is true for an absent attribute."""


def to_wire(item: Item) -> dict[str, Any]:
    """Return the item as DynamoDB's API writes it."""
    return {name: _wire_value(value) for name, value in item.items()}


def from_wire(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, Value]:
    """Return the item that DynamoDB's API wrote. Attributes of types that we never write are left out."""
    item: dict[str, Value] = {}
    for name, typed in attributes.items():
        if "S" in typed:
            item[name] = str(typed["S"])
        elif "N" in typed:
            item[name] = int(typed["N"])
        elif "BOOL" in typed:
            item[name] = bool(typed["BOOL"])
    return item


def _wire_value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):  # before int: a bool is one
        return {"BOOL": value}
    if isinstance(value, int):
        return {"N": str(value)}
    return {"S": value}


class _Expression:
    """Collects placeholders while conditions and changes are rendered. The text contains only #n and :n."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, dict[str, Any]] = {}

    def name(self, attribute: str) -> str:
        return self.names.setdefault(attribute, f"#{len(self.names)}")

    def value(self, value: Value) -> str:
        placeholder = f":{len(self.values)}"
        self.values[placeholder] = _wire_value(value)
        return placeholder

    def conditions(self, conditions: Sequence[Condition], joiner: str = " AND ") -> str:
        return joiner.join(self._condition(condition) for condition in conditions)

    def _condition(self, condition: Condition) -> str:
        match condition:
            case Absent(attribute):
                return f"attribute_not_exists({self.name(attribute)})"
            case Present(attribute):
                return f"attribute_exists({self.name(attribute)})"
            case (
                Equal(attribute, value) | Differs(attribute, value) | Less(attribute, value) | Greater(attribute, value)
            ):
                return f"{self.name(attribute)} {_COMPARATORS[type(condition)]} {self.value(value)}"
            case AnyOf(conditions):
                return f"({self.conditions(conditions, ' OR ')})"

    def changes(self, changes: Mapping[str, Change]) -> str:
        sets, removes, adds = [], [], []
        for attribute, change in changes.items():
            name = self.name(attribute)
            match change:
                case Plus(amount):
                    adds.append(f"{name} {self.value(amount)}")
                case CopyOf(source):
                    sets.append(f"{name} = {self.name(source)}")
                case IfAbsent(value):
                    sets.append(f"{name} = if_not_exists({name}, {self.value(value)})")
                case Gone():
                    removes.append(name)
                case value:
                    sets.append(f"{name} = {self.value(value)}")
        clauses = {"SET": sets, "REMOVE": removes, "ADD": adds}
        return " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses.items() if parts)

    def placeholders(self) -> dict[str, Any]:
        rendered: dict[str, Any] = {}
        if self.names:
            rendered["ExpressionAttributeNames"] = {placeholder: name for name, placeholder in self.names.items()}
        if self.values:
            rendered["ExpressionAttributeValues"] = self.values
        return rendered


def _render(action: Action) -> dict[str, Any]:
    """Return the parameters of an action, the same for a single call and in a transaction."""
    expression = _Expression()
    rendered: dict[str, Any] = {
        "TableName": action.key.table,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    if isinstance(action, Put):
        rendered["Item"] = to_wire({**action.item, **action.key.attributes})
    else:
        rendered["Key"] = to_wire(action.key.attributes)
    if isinstance(action, Update):
        rendered["UpdateExpression"] = expression.changes(action.changes)
    if action.when:
        rendered["ConditionExpression"] = expression.conditions(action.when)
    return rendered | expression.placeholders()


def _render_query(query: Query) -> dict[str, Any]:
    expression = _Expression()
    partition, sort = ("pk", "sk") if query.index is None else (query.index.partition, query.index.sort)
    conditions = [f"{expression.name(partition)} = {expression.value(query.pk)}"]
    if query.prefix is not None:
        conditions.append(f"begins_with({expression.name(sort)}, {expression.value(query.prefix)})")
    rendered: dict[str, Any] = {
        "TableName": query.table,
        "KeyConditionExpression": " AND ".join(conditions),
        "ScanIndexForward": query.order is Order.ASCENDING,
        "ConsistentRead": query.index is None,  # DynamoDB reads no global secondary index consistently
    }
    if query.index is not None:
        rendered["IndexName"] = query.index.name
    if query.limit is not None:
        rendered["Limit"] = query.limit
    if query.select is Select.COUNT:
        rendered["Select"] = "COUNT"
    if query.after is not None:
        rendered["ExclusiveStartKey"] = to_wire(query.after)
    return rendered | expression.placeholders()


@dataclass(frozen=True, slots=True)
class DynamoStore:
    """A `gerbang.storage.store.Store` on DynamoDB."""

    client: "DynamoDBClient"
    pause: Callable[[float], None] = time.sleep

    def get(self, key: Key) -> Item | None:
        """Return the item, None if there is none; strongly consistent."""
        with _Translated():
            answer = self.client.get_item(TableName=key.table, Key=to_wire(key.attributes), ConsistentRead=True)
        return from_wire(answer["Item"]) if "Item" in answer else None

    def get_all(self, *keys: Key) -> tuple[Item | None, ...]:
        """Return the items in the order asked; strongly consistent, in one round trip unless DynamoDB leaves some."""
        wanted: dict[str, Any] = {}
        for key in dict.fromkeys(keys):
            table = wanted.setdefault(key.table, {"Keys": [], "ConsistentRead": True})
            table["Keys"].append(to_wire(key.attributes))
        found: dict[Key, Item] = {}
        for attempt in range(BATCH_TRIES):
            if attempt:
                self._wait(attempt)
            with _Translated():
                answer = self.client.batch_get_item(RequestItems=wanted)
            for table_name, items in answer["Responses"].items():
                for item in map(from_wire, items):
                    sort_key = item.get("sk")
                    key = Key(table_name, str(item["pk"]), None if sort_key is None else str(sort_key))
                    found[key] = item
            wanted = dict(answer.get("UnprocessedKeys", {}))
            if not wanted:
                return tuple(found.get(key) for key in keys)
        raise DependencyUnavailable("BatchGetItem left keys unprocessed")

    def query(self, query: Query) -> Page:
        """Return one page of items; strongly consistent, except of an index."""
        with _Translated():
            answer = self.client.query(**_render_query(query))
        last = answer.get("LastEvaluatedKey")
        items = tuple(map(from_wire, answer.get("Items", [])))  # none where they are only counted
        return Page(items, from_wire(last) if last else None, answer["Count"])

    def write(self, action: Action) -> Outcome:
        """Do one action, atomically with its conditions; try again while a transaction is running on the item."""
        call, wants_item = self._call(action)
        for attempt in range(CONFLICT_TRIES):
            if attempt:
                self._wait(attempt)
            try:
                with _Translated():
                    answer = call(**_render(action), **wants_item)
            except ClientError as error:
                if _code(error) == "ConditionalCheckFailedException":
                    item: Any = error.response.get("Item")
                    return ConditionFailed(from_wire(item) if item else None)
                if _code(error) != "TransactionConflictException":
                    raise
            else:
                return Written(from_wire(answer.get("Attributes", {})))
        raise DependencyUnavailable("a write stayed in conflict with transactions")

    def commit(self, *actions: Action) -> CommitOutcome:
        """Do all of the actions or none; cancellations for conflict or throttling alone are tried again."""
        items = [{type(action).__name__: _render(action)} for action in actions]
        for attempt in range(CONFLICT_TRIES):
            if attempt:
                self._wait(attempt)
            try:
                with _Translated():
                    self.client.transact_write_items(TransactItems=items)  # type: ignore[arg-type]
            except ClientError as error:
                if _code(error) != "TransactionCanceledException":
                    raise
                reasons: Any = error.response.get("CancellationReasons", [])
                codes = {reason.get("Code", "None") for reason in reasons}
                if "ConditionalCheckFailed" in codes:  # also besides a conflict: the condition decides
                    return tuple(_failed_condition(reason) for reason in reasons)
                if not codes <= _TEMPORARY_REASONS:
                    raise
            else:
                return ()
        raise DependencyUnavailable("a transaction stayed in conflict or throttled")

    def _call(self, action: Action) -> tuple[Callable[..., Any], dict[str, str]]:
        match action:
            case Put():
                return self.client.put_item, {}
            case Delete():
                return self.client.delete_item, {}
            case Update():
                return self.client.update_item, {"ReturnValues": "ALL_NEW"}

    def _wait(self, attempt: int) -> None:
        self.pause(random.uniform(0, CONFLICT_PAUSE_SECONDS * 2**attempt))  # noqa: S311 - jitter, not a secret


def _failed_condition(reason: Mapping[str, Any]) -> ConditionFailed | None:
    if reason.get("Code") != "ConditionalCheckFailed":
        return None
    item = reason.get("Item")
    return ConditionFailed(from_wire(item) if item else None)


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


_NOT_TRANSLATED: Final = frozenset(
    {
        "AccessDeniedException",
        "ConditionalCheckFailedException",
        "IdempotentParameterMismatchException",
        "ResourceNotFoundException",
        "TransactionCanceledException",
        "TransactionConflictException",
        "ValidationException",
    },
)
"""Errors that do not mean "unavailable": answers that the caller reads; and bugs and missing permissions, which must be
a 500 and an alarm, not a 503 that asks clients to try again."""


class _Translated:
    """Raises DependencyUnavailable when there was no answer; lets answers and bugs through."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ClientError):
            if _code(error) not in _NOT_TRANSLATED:
                raise DependencyUnavailable(_code(error)) from error
        elif isinstance(error, BotoCoreError) and not isinstance(error, ParamValidationError):
            raise DependencyUnavailable(type(error).__name__) from error
