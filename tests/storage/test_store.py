"""The behaviour of every store (gerbang.storage.store), tested on the fake in memory and on DynamoDB Local.

Because both pass the same tests, a test that uses the fake is valid for DynamoDB.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from gerbang.accounts.roles import Role
from gerbang.storage.store import (
    Absent,
    Action,
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
    Index,
    Item,
    Key,
    Less,
    Order,
    Page,
    Plus,
    Present,
    Put,
    Query,
    Select,
    Store,
    Update,
    Value,
    Written,
    query_all,
)

from tests.conftest import Database
from tests.fakes import at_once

INVALID = (ValueError, ClientError, ParamValidationError)
"""Errors of a request that can never succeed, which is a bug in the caller. It is not repeated."""

NUMBERED: dict[str, Value] = {"text": "seven", "number": 7, "flag": True}


@pytest.fixture
def key(database: Database) -> Key:
    return Key(database.tables["RateLimits"], "USER#1")


@pytest.fixture
def other(database: Database) -> Key:
    return Key(database.tables["RateLimits"], "USER#2")


@pytest.fixture
def with_sort_key(database: Database) -> Key:
    """A key of another table, with a sort key."""
    return Key(database.tables["Organizations"], "org_1", "MEMBER#1")


# Reads


def test_a_stored_item_is_returned_with_its_key(store: Store, key: Key, with_sort_key: Key) -> None:
    assert store.write(Put(key, NUMBERED)) == Written({})
    store.write(Put(with_sort_key, {"role": "CLIENT_OWNER"}))

    assert store.get(key) == {**NUMBERED, "pk": "USER#1"}
    assert store.get(with_sort_key) == {"role": "CLIENT_OWNER", "pk": "org_1", "sk": "MEMBER#1"}


def test_a_missing_item_is_none(store: Store, key: Key, with_sort_key: Key) -> None:
    assert store.get(key) is None
    assert store.get_all(key, with_sort_key) == (None, None)


def test_items_of_several_tables_come_in_the_requested_order(
    store: Store, key: Key, other: Key, with_sort_key: Key
) -> None:
    for number, each in enumerate((key, other, with_sort_key)):
        store.write(Put(each, {"number": number}))
    missing = Key(key.table, "USER#missing")

    items = store.get_all(with_sort_key, missing, other, key)

    assert [None if item is None else item["number"] for item in items] == [2, None, 1, 0]


def test_an_item_that_is_requested_twice_is_returned_twice(store: Store, key: Key, other: Key) -> None:
    store.write(Put(key, {"number": 1}))

    assert [item and item["number"] for item in store.get_all(key, other, key)] == [1, None, 1]


def test_items_of_one_partition_are_distinguished_by_their_sort_keys(store: Store, with_sort_key: Key) -> None:
    sibling = Key(with_sort_key.table, with_sort_key.pk, "MEMBER#2")
    store.write(Put(with_sort_key, {"number": 1}))
    store.write(Put(sibling, {"number": 2}))

    assert [item and item["number"] for item in store.get_all(sibling, with_sort_key)] == [2, 1]


@pytest.mark.parametrize(
    "value",
    ["", "a", "\0", "naïve \U0001f600", "x" * 10_000, 0, -1, 2**31, 2**62, True, False],
    ids=lambda value: repr(value)[:12],
)
def test_every_kind_of_value_is_returned_unchanged(store: Store, key: Key, value: Value) -> None:
    store.write(Put(key, {"attribute": value}))

    item = store.get(key)

    assert item is not None
    assert (type(item["attribute"]), item["attribute"]) == (type(value), value)


def test_an_enumeration_member_is_returned_as_text(store: Store, key: Key) -> None:
    store.write(Put(key, {"role": Role.CLIENT_OWNER}, (Absent("pk"),)))

    item = store.get(key)

    assert item is not None
    assert (type(item["role"]), item["role"]) == (str, "CLIENT_OWNER")
    assert store.write(Update(key, {"seen": 1}, (Equal("role", Role.CLIENT_OWNER),))) == Written({**item, "seen": 1})


def test_changing_a_dictionary_that_was_read_or_written_does_not_change_the_stored_item(store: Store, key: Key) -> None:
    given = dict(NUMBERED)
    store.write(Put(key, given))
    given["number"] = 8

    read = dict(store.get(key) or {})
    read["number"] = 9

    assert (store.get(key) or {})["number"] == 7


# Queries


BY_NUMBER = Index("newest-first", partition="created_month", sort="created_at")
SORT_KEYS = ("A", "B#1", "B#10", "B#2", "C", "b")
"""Sorted by their bytes."""


@pytest.fixture
def partition(store: Store, with_sort_key: Key) -> Query:
    """A query of a partition with `SORT_KEYS`. Another partition's key has the same beginning."""
    for number, sk in enumerate(reversed(SORT_KEYS)):
        store.write(Put(Key(with_sort_key.table, "org_1", sk), {"number": number}))
    store.write(Put(Key(with_sort_key.table, "org_11", "A"), {"number": 99}))
    return Query(table=with_sort_key.table, pk="org_1")


def sort_keys(items: Iterable[Item]) -> list[Value]:
    return [item["sk"] for item in items]


def test_a_query_returns_all_items_of_one_partition_complete_and_in_order(store: Store, partition: Query) -> None:
    page = store.query(partition)

    assert sort_keys(page.items) == list(SORT_KEYS)
    assert page.items[0] == {"pk": "org_1", "sk": "A", "number": 5}
    assert page.cursor is None


def test_a_query_of_an_empty_partition_returns_no_items(store: Store, partition: Query) -> None:
    assert store.query(replace(partition, pk="org_2")) == Page((), None, 0)


@pytest.mark.parametrize(("limit", "counts"), [(None, [6]), (4, [4, 2])])
def test_items_are_counted_without_being_returned(
    store: Store, partition: Query, limit: int | None, counts: list[int]
) -> None:
    query = replace(partition, select=Select.COUNT, limit=limit)
    pages = [store.query(query)]
    while pages[-1].cursor is not None:
        pages.append(store.query(replace(query, after=pages[-1].cursor)))

    assert [page.count for page in pages] == counts
    assert [page.items for page in pages] == [()] * len(counts)
    assert store.query(partition).count == 6


def test_a_query_can_select_sort_keys_by_prefix(store: Store, partition: Query) -> None:
    assert sort_keys(store.query(replace(partition, prefix="B#")).items) == ["B#1", "B#10", "B#2"]
    assert sort_keys(store.query(replace(partition, prefix="B#1")).items) == ["B#1", "B#10"]
    assert store.query(replace(partition, prefix="B#3")).items == ()


def test_a_query_in_descending_order_returns_the_last_first(store: Store, partition: Query) -> None:
    assert sort_keys(store.query(replace(partition, order=Order.DESCENDING)).items) == list(reversed(SORT_KEYS))


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("limit", [1, 2, 4, 6, 7])
def test_all_pages_together_are_the_whole_partition(store: Store, partition: Query, order: Order, limit: int) -> None:
    query = replace(partition, order=order, limit=limit)

    assert len(store.query(query).items) == min(limit, 6)
    assert list(query_all(store, query)) == list(query_all(store, replace(query, limit=None)))


def test_the_next_page_works_after_the_cursors_item_is_deleted_and_includes_new_items(
    store: Store, partition: Query
) -> None:
    first = store.query(replace(partition, limit=3))
    assert first.cursor is not None
    store.write(Delete(Key(partition.table, "org_1", "B#10")))
    store.write(Put(Key(partition.table, "org_1", "B#11"), {}))

    second = store.query(replace(partition, after=first.cursor))

    assert sort_keys(first.items) == ["A", "B#1", "B#10"]
    assert sort_keys(second.items) == ["B#11", "B#2", "C", "b"]


@pytest.fixture
def indexed(store: Store, database: Database) -> Query:
    """A query of an index. Two items have equal sort keys, one has another month, one is not in the index."""
    table = database.tables["Users"]
    for name, month, number in (("a", "2026-01", 7), ("b", "2026-01", 10), ("c", "2026-01", 7), ("d", "2026-02", 8)):
        item: dict[str, Value] = {"created_month": month, "created_at": number, "name": name}
        store.write(Put(Key(table, name, "ACCOUNT"), item))
    store.write(Put(Key(table, "e", "ACCOUNT"), {"created_at": 9}))
    return Query(table=table, pk="2026-01", index=BY_NUMBER, order=Order.DESCENDING)


def test_a_query_of_an_index_returns_the_keys_of_its_items(store: Store, indexed: Query) -> None:
    items = list(query_all(store, indexed))

    assert items[0] == {"pk": "b", "sk": "ACCOUNT", "created_month": "2026-01", "created_at": 10}
    assert [item["created_at"] for item in items] == [10, 7, 7]
    assert {item["pk"] for item in items} == {"a", "b", "c"}
    ascending = [item["created_at"] for item in query_all(store, replace(indexed, order=Order.ASCENDING))]
    assert ascending == [7, 7, 10]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_of_an_index_contain_each_item_once_even_if_sort_keys_are_equal(
    store: Store, indexed: Query, limit: int
) -> None:
    items = list(query_all(store, replace(indexed, limit=limit)))

    assert sorted(str(item["pk"]) for item in items) == ["a", "b", "c"]


def test_an_item_leaves_the_index_when_it_loses_its_attributes(store: Store, indexed: Query) -> None:
    store.write(Update(Key(indexed.table, "a", "ACCOUNT"), {"created_month": Gone()}))
    store.write(Delete(Key(indexed.table, "b", "ACCOUNT")))

    assert [item["pk"] for item in query_all(store, indexed)] == ["c"]


@pytest.mark.parametrize(
    "wrong", [{"pk": ""}, {"limit": 0}, {"index": BY_NUMBER, "prefix": "B"}], ids=["empty key", "limit 0", "prefix"]
)
def test_an_invalid_query_raises_an_error(store: Store, partition: Query, wrong: dict[str, Any]) -> None:
    with pytest.raises(INVALID):
        store.query(replace(partition, **wrong))


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


# Transactions


def test_a_commit_does_every_kind_of_action_in_several_tables(
    store: Store, key: Key, other: Key, with_sort_key: Key
) -> None:
    deleted = Key(key.table, "USER#deleted")
    store.write(Put(other, {"epoch": 3}))
    store.write(Put(deleted, NUMBERED))

    failures = store.commit(
        Put(key, NUMBERED, (Absent("pk"),)),
        Update(other, {"epoch": Plus(1)}, (Equal("epoch", 3),)),
        Put(with_sort_key, {"role": "CLIENT_OWNER"}),
        Delete(deleted, (Present("pk"),)),
    )

    assert failures == ()
    assert store.get_all(key, other, with_sort_key, deleted) == (
        {**NUMBERED, "pk": "USER#1"},
        {"pk": "USER#2", "epoch": 4},
        {"pk": "org_1", "sk": "MEMBER#1", "role": "CLIENT_OWNER"},
        None,
    )


def test_a_failed_commit_does_nothing_and_returns_the_failures_in_the_order_of_its_actions(
    store: Store, key: Key, other: Key, with_sort_key: Key
) -> None:
    store.write(Put(other, {"user_id": "first"}))
    untouched = Key(key.table, "USER#untouched")

    failures = store.commit(
        Put(key, NUMBERED, (Absent("pk"),)),
        Put(other, {"user_id": "second"}, (Absent("pk"),)),
        Update(untouched, {"number": Plus(1)}),
        Delete(with_sort_key, (Present("pk"),)),
    )

    assert failures == (None, ConditionFailed({"pk": "USER#2", "user_id": "first"}), None, ConditionFailed(None))
    assert store.get_all(key, other, untouched, with_sort_key) == (
        None,
        {"pk": "USER#2", "user_id": "first"},
        None,
        None,
    )


@pytest.mark.parametrize("position", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize("kind", ["put", "update", "delete"])
def test_a_commit_fails_if_the_condition_of_any_action_fails(store: Store, key: Key, kind: str, position: int) -> None:
    store.write(Put(key, NUMBERED))
    failing: dict[str, Action] = {
        "put": Put(key, {"text": "eight"}, (Absent("pk"),)),
        "update": Update(key, {"text": "eight"}, (Equal("number", 8),)),
        "delete": Delete(key, (Equal("number", 8),)),
    }
    siblings = [Key(key.table, "USER#before"), Key(key.table, "USER#after")]
    actions: list[Action] = [Put(sibling, NUMBERED) for sibling in siblings]
    actions.insert(position, failing[kind])

    failures = store.commit(*actions)

    expected: list[ConditionFailed | None] = [None, None]
    expected.insert(position, ConditionFailed({**NUMBERED, "pk": "USER#1"}))
    assert failures == tuple(expected)
    assert store.get_all(key, *siblings) == ({**NUMBERED, "pk": "USER#1"}, None, None)


@pytest.mark.covers("D7")
def test_a_commit_accepts_at_most_a_hundred_actions(store: Store, key: Key) -> None:
    puts = [Put(Key(key.table, f"USER#{number}"), NUMBERED) for number in range(101)]

    with pytest.raises(INVALID):
        store.commit(*puts)
    assert store.get(puts[0].key) is None

    assert store.commit(*puts[:100]) == ()
    assert None not in store.get_all(*(put.key for put in puts[:100]))


def test_two_actions_on_one_item_raise_an_error(store: Store, key: Key) -> None:
    with pytest.raises(INVALID):
        store.commit(Put(key, NUMBERED), Update(key, {"number": Plus(1)}))

    assert store.get(key) is None


# Races: faults.md, D1

WRITERS = 50


@pytest.mark.covers("D1")
def test_exactly_one_of_fifty_concurrent_puts_of_a_new_item_succeeds(store: Store, key: Key) -> None:
    def claim(writer: int) -> Callable[[], object]:
        return lambda: store.write(Put(key, {"user_id": f"writer {writer}"}, (Absent("pk"),)))

    outcomes = at_once([claim(writer) for writer in range(WRITERS)])

    stored = store.get(key)
    assert outcomes.count(Written({})) == 1
    assert outcomes.count(ConditionFailed(stored)) == WRITERS - 1
    assert outcomes[int(str((stored or {})["user_id"]).removeprefix("writer "))] == Written({})


@pytest.mark.covers("D1")
def test_exactly_one_of_fifty_concurrent_updates_of_one_generation_succeeds(store: Store, key: Key) -> None:
    store.write(Put(key, {"generation": 1}))

    def move(writer: int) -> Callable[[], object]:
        changes: dict[str, Change] = {"generation": Plus(1), "nonce": f"writer {writer}"}
        return lambda: store.write(Update(key, changes, (Equal("generation", 1),)))

    outcomes = at_once([move(writer) for writer in range(WRITERS)])

    stored = store.get(key) or {}
    assert stored["generation"] == 2
    assert [outcome for outcome in outcomes if isinstance(outcome, Written)] == [Written(stored)]
    assert outcomes.count(ConditionFailed(stored)) == WRITERS - 1


def test_fifty_concurrent_increments_are_all_counted(store: Store, key: Key) -> None:
    outcomes = at_once([lambda: store.write(Update(key, {"attempts": Plus(1)}))] * WRITERS)

    assert sorted(int(outcome.item["attempts"]) for outcome in outcomes if isinstance(outcome, Written)) == list(
        range(1, WRITERS + 1)
    )


def test_concurrent_increments_do_not_exceed_a_limit(store: Store, key: Key) -> None:
    below = AnyOf((Absent("pk"), Less("attempts", 10)))

    outcomes = at_once([lambda: store.write(Update(key, {"attempts": Plus(1)}, (below,)))] * WRITERS)

    assert sum(isinstance(outcome, Written) for outcome in outcomes) == 10
    assert (store.get(key) or {})["attempts"] == 10


def test_exactly_one_of_concurrent_commits_with_a_shared_item_succeeds_and_the_others_write_nothing(
    store: Store, key: Key
) -> None:
    writers = 20

    def own(writer: int) -> Key:
        return Key(key.table, f"USER#writer {writer}")

    def register(writer: int) -> Callable[[], object]:
        return lambda: store.commit(
            Put(own(writer), NUMBERED, (Absent("pk"),)),
            Put(key, {"user_id": own(writer).pk}, (Absent("pk"),)),
        )

    outcomes = at_once([register(writer) for writer in range(writers)])

    stored = store.get(key)
    written = [item for item in store.get_all(*(own(writer) for writer in range(writers))) if item is not None]
    assert outcomes.count(()) == 1
    assert outcomes.count((None, ConditionFailed(stored))) == writers - 1
    assert [item["pk"] for item in written] == [(stored or {})["user_id"]]
