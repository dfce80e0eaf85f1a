"""Conditions and writes of every store (gerbang.storage.store).

The tests run on the fake in memory and on DynamoDB Local. Both pass, so a test with the fake is valid for DynamoDB.
"""

from typing import TYPE_CHECKING

import pytest
from gerbang.storage.store import (
    Absent,
    AnyOf,
    Change,
    Condition,
    ConditionFailed,
    CopyOf,
    Delete,
    Differs,
    Equal,
    Gone,
    Greater,
    IfAbsent,
    Key,
    Less,
    Plus,
    Present,
    Put,
    Store,
    Update,
    Value,
    Written,
)

from tests.storage.conftest import INVALID, NUMBERED

if TYPE_CHECKING:
    from collections.abc import Callable

# Conditions on an item with the attributes of NUMBERED, and on a missing item

HOLD: list[Condition] = [
    Present("pk"),
    Present("number"),
    Absent("nothing"),
    Equal("number", 7),
    Equal("text", "seven"),
    Equal("flag", True),  # noqa: FBT003 - a value to compare with
    Differs("number", 8),
    Differs("number", "7"),
    Differs("nothing", 7),
    Less("number", 8),
    Greater("number", 6),
    AnyOf((Equal("number", 8), Equal("text", "seven"))),
    AnyOf((AnyOf((Less("number", 7), Greater("number", 6))), Absent("pk"))),
]

DO_NOT_HOLD: list[Condition] = [
    Absent("pk"),
    Absent("number"),
    Present("nothing"),
    Equal("number", 8),
    Equal("text", "SEVEN"),
    Equal("flag", False),  # noqa: FBT003
    Differs("number", 7),
    Differs("text", "seven"),
    Less("number", 7),
    Greater("number", 7),
    AnyOf((Equal("number", 8), Equal("text", "eight"))),
]

OF_ANOTHER_TYPE: list[Condition] = [
    Equal("number", "7"),
    Equal("text", 7),
    Equal("flag", 1),
    Equal("flag", "true"),
    Equal("number", True),  # noqa: FBT003
    Less("text", 8),
    Greater("text", 6),
    Less("flag", 8),
    Greater("flag", -1),
]

OF_AN_ABSENT_ATTRIBUTE: list[Condition] = [
    Equal("nothing", 0),
    Equal("nothing", ""),
    Equal("nothing", False),  # noqa: FBT003
    Less("nothing", 1),
    Greater("nothing", -1),
    AnyOf((Equal("nothing", 0), Less("nothing", 1))),
]


@pytest.mark.parametrize("condition", HOLD, ids=repr)
def test_a_write_is_done_if_its_condition_holds(store: Store, key: Key, condition: Condition) -> None:
    store.write(Put(key, NUMBERED))

    assert isinstance(store.write(Update(key, {"seen": 1}, (condition,))), Written)


@pytest.mark.parametrize("condition", [*DO_NOT_HOLD, *OF_ANOTHER_TYPE, *OF_AN_ABSENT_ATTRIBUTE], ids=repr)
def test_a_write_fails_and_returns_the_item_if_its_condition_does_not_hold(
    store: Store, key: Key, condition: Condition
) -> None:
    store.write(Put(key, NUMBERED))
    before = store.get(key)

    outcome = store.write(Update(key, {"seen": 1}, (condition,)))

    assert outcome == ConditionFailed({**NUMBERED, "pk": "USER#1"})
    assert store.get(key) == before


@pytest.mark.parametrize(
    "condition", [Present("pk"), Equal("number", 7), Less("number", 8), Greater("number", 6)], ids=repr
)
def test_a_failed_condition_on_a_missing_item_returns_none(store: Store, key: Key, condition: Condition) -> None:
    for write in (Put(key, NUMBERED, (condition,)), Update(key, {"seen": 1}, (condition,)), Delete(key, (condition,))):
        assert store.write(write) == ConditionFailed(None)

    assert store.get(key) is None


def test_all_of_several_conditions_must_hold(store: Store, key: Key) -> None:
    store.write(Put(key, NUMBERED))

    both = store.write(Update(key, {"seen": 1}, (Equal("number", 7), Less("number", 8))))
    one = store.write(Update(key, {"seen": 2}, (Equal("number", 7), Less("number", 7))))

    assert isinstance(both, Written)
    assert isinstance(one, ConditionFailed)


def test_attribute_names_may_be_reserved_words(store: Store, key: Key) -> None:
    reserved: dict[str, Change] = {"name": "n", "role": "r", "state": "s", "count": Plus(1), "size": IfAbsent(1)}

    outcome = store.write(Update(key, reserved, (Absent("timestamp"), Absent("value"))))

    assert outcome == Written({"pk": "USER#1", "name": "n", "role": "r", "state": "s", "count": 1, "size": 1})


# Puts


def test_a_put_replaces_the_whole_item(store: Store, key: Key) -> None:
    store.write(Put(key, NUMBERED))

    store.write(Put(key, {"text": "eight"}, (Equal("number", 7),)))

    assert store.get(key) == {"text": "eight", "pk": "USER#1"}


def test_a_conditional_put_does_not_overwrite_an_item(store: Store, key: Key) -> None:
    store.write(Put(key, {"user_id": "first"}, (Absent("pk"),)))

    second = store.write(Put(key, {"user_id": "second"}, (Absent("pk"),)))

    assert second == ConditionFailed({"user_id": "first", "pk": "USER#1"})
    assert store.get(key) == {"user_id": "first", "pk": "USER#1"}


# Updates


@pytest.mark.parametrize(
    ("change", "after"),
    [
        ("text", "text"),
        (9, 9),
        (False, False),
        (Plus(3), 10),
        (Plus(-8), -1),
        (CopyOf("text"), "seven"),
        (IfAbsent(9), 7),
        (Gone(), None),
    ],
    ids=repr,
)
def test_an_update_changes_an_existing_attribute(store: Store, key: Key, change: Change, after: Value | None) -> None:
    store.write(Put(key, NUMBERED))

    outcome = store.write(Update(key, {"number": change}))

    expected: dict[str, Value] = {"pk": "USER#1", "text": "seven", "flag": True}
    if after is not None:
        expected["number"] = after
    assert outcome == Written(expected)
    assert store.get(key) == expected


@pytest.mark.parametrize(
    ("change", "after"), [("text", "text"), (Plus(3), 3), (Plus(-3), -3), (IfAbsent(9), 9), (Gone(), None)], ids=repr
)
def test_an_update_of_a_missing_item_creates_it(store: Store, key: Key, change: Change, after: Value | None) -> None:
    outcome = store.write(Update(key, {"number": change}))

    expected: dict[str, Value] = {"pk": "USER#1"}
    if after is not None:
        expected["number"] = after
    assert outcome == Written(expected)
    assert store.get(key) == expected


def test_all_changes_of_an_update_use_the_values_before_it(store: Store, key: Key) -> None:
    store.write(Put(key, {"rotated_at": 100, "previous_rotated_at": 50, "generation": 3}))

    changes: dict[str, Change] = {
        "rotated_at": 200,
        "previous_rotated_at": CopyOf("rotated_at"),
        "generation": Plus(1),
        "gone": Gone(),
        "first": IfAbsent(1),
    }

    expected: dict[str, Value] = {
        "pk": "USER#1",
        "rotated_at": 200,
        "previous_rotated_at": 100,
        "generation": 4,
        "first": 1,
    }
    assert store.write(Update(key, changes)) == Written(expected)


def test_an_update_creates_an_item_with_partition_key_and_sort_key(store: Store, with_sort_key: Key) -> None:
    outcome = store.write(Update(with_sort_key, {"role": "CLIENT_MEMBER"}))

    assert outcome == Written({"pk": "org_1", "sk": "MEMBER#1", "role": "CLIENT_MEMBER"})


@pytest.mark.parametrize(
    "changes",
    [{}, {"pk": "USER#2"}, {"copy": CopyOf("nothing")}, {"text": Plus(1)}],
    ids=["no changes", "the key", "a copy of a missing attribute", "adding to a text"],
)
def test_an_invalid_update_raises_an_error_and_changes_nothing(
    store: Store, key: Key, changes: dict[str, Change]
) -> None:
    store.write(Put(key, NUMBERED))

    with pytest.raises(INVALID):
        store.write(Update(key, changes))

    assert store.get(key) == {**NUMBERED, "pk": "USER#1"}


# Deletes


def test_an_item_can_be_deleted_twice(store: Store, key: Key) -> None:
    store.write(Put(key, NUMBERED))

    assert store.write(Delete(key)) == Written({})
    assert store.write(Delete(key)) == Written({})
    assert store.get(key) is None


def test_a_delete_whose_condition_fails_returns_the_item_and_keeps_it(store: Store, key: Key) -> None:
    store.write(Put(key, {"user_id": "owner"}))

    outcome = store.write(Delete(key, (Equal("user_id", "another"),)))

    assert outcome == ConditionFailed({"user_id": "owner", "pk": "USER#1"})
    assert store.get(key) == {"user_id": "owner", "pk": "USER#1"}


# Keys: faults.md, D18


@pytest.mark.covers("D18")
@pytest.mark.parametrize("text", ["", "x" * 2049, "é" * 1025], ids=["empty", "too long", "too long in UTF-8"])
def test_an_invalid_partition_key_raises_an_error(store: Store, key: Key, text: str) -> None:
    invalid = Key(key.table, text)
    calls: list[Callable[[], object]] = [
        lambda: store.get(invalid),
        lambda: store.get_all(key, invalid),
        lambda: store.write(Put(invalid, NUMBERED)),
        lambda: store.write(Update(invalid, {"seen": 1})),
        lambda: store.write(Delete(invalid)),
        lambda: store.commit(Put(invalid, NUMBERED)),
    ]
    for call in calls:
        with pytest.raises(INVALID):
            call()


@pytest.mark.parametrize("text", ["", "x" * 1025], ids=["empty", "too long"])
def test_an_invalid_sort_key_raises_an_error(store: Store, with_sort_key: Key, text: str) -> None:
    with pytest.raises(INVALID):
        store.write(Put(Key(with_sort_key.table, with_sort_key.pk, text), NUMBERED))


@pytest.mark.covers("D18")
def test_keys_of_the_maximum_length_are_stored(store: Store, key: Key, with_sort_key: Key) -> None:
    longest = Key(with_sort_key.table, "p" * 2048, "s" * 1024)

    store.write(Put(longest, NUMBERED))
    store.write(Put(Key(key.table, "é" * 1024), NUMBERED))

    assert store.get(longest) is not None
    assert store.get(Key(key.table, "é" * 1024)) is not None
