"""What every store promises (gerbang.storage.store), asked of the one in memory and of the one on DynamoDB.

So a test that passes on the store in memory says something about DynamoDB.
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

OUR_BUG = (ValueError, ClientError, ParamValidationError)
"""What a request that could never succeed comes to: no answer, and nothing to try again."""

NUMBERED: dict[str, Value] = {"text": "seven", "number": 7, "flag": True}


@pytest.fixture
def key(database: Database) -> Key:
    return Key(database.tables["RateLimits"], "USER#1")


@pytest.fixture
def other(database: Database) -> Key:
    return Key(database.tables["RateLimits"], "USER#2")


@pytest.fixture
def far(database: Database) -> Key:
    """An item of another table, one with a sort key."""
    return Key(database.tables["Organizations"], "org_1", "MEMBER#1")


# Reads


def test_what_was_put_is_there_with_its_key(store: Store, key: Key, far: Key) -> None:
    assert store.write(Put(key, NUMBERED)) == Written({})
    store.write(Put(far, {"role": "CLIENT_OWNER"}))

    assert store.get(key) == {**NUMBERED, "pk": "USER#1"}
    assert store.get(far) == {"role": "CLIENT_OWNER", "pk": "org_1", "sk": "MEMBER#1"}


def test_what_was_never_put_is_none(store: Store, key: Key, far: Key) -> None:
    assert store.get(key) is None
    assert store.get_all(key, far) == (None, None)


def test_items_come_in_the_order_asked_from_several_tables(store: Store, key: Key, other: Key, far: Key) -> None:
    for number, each in enumerate((key, other, far)):
        store.write(Put(each, {"number": number}))
    nobody = Key(key.table, "USER#nobody")

    items = store.get_all(far, nobody, other, key)

    assert [None if item is None else item["number"] for item in items] == [2, None, 1, 0]


def test_an_item_asked_for_twice_comes_twice(store: Store, key: Key, other: Key) -> None:
    store.write(Put(key, {"number": 1}))

    assert [item and item["number"] for item in store.get_all(key, other, key)] == [1, None, 1]


def test_sort_keys_tell_items_of_one_partition_apart(store: Store, far: Key) -> None:
    sibling = Key(far.table, far.pk, "MEMBER#2")
    store.write(Put(far, {"number": 1}))
    store.write(Put(sibling, {"number": 2}))

    assert [item and item["number"] for item in store.get_all(sibling, far)] == [2, 1]


@pytest.mark.parametrize(
    "value",
    ["", "a", "\0", "naïve \U0001f600", "x" * 10_000, 0, -1, 2**31, 2**62, True, False],
    ids=lambda value: repr(value)[:12],
)
def test_every_kind_of_value_comes_back_as_it_was(store: Store, key: Key, value: Value) -> None:
    store.write(Put(key, {"attribute": value}))

    item = store.get(key)

    assert item is not None
    assert (type(item["attribute"]), item["attribute"]) == (type(value), value)


def test_the_member_of_an_enumeration_comes_back_as_text(store: Store, key: Key) -> None:
    store.write(Put(key, {"role": Role.CLIENT_OWNER}, (Absent("pk"),)))

    item = store.get(key)

    assert item is not None
    assert (type(item["role"]), item["role"]) == (str, "CLIENT_OWNER")
    assert store.write(Update(key, {"seen": 1}, (Equal("role", Role.CLIENT_OWNER),))) == Written({**item, "seen": 1})


def test_changing_what_was_read_or_written_changes_nothing_stored(store: Store, key: Key) -> None:
    given = dict(NUMBERED)
    store.write(Put(key, given))
    given["number"] = 8

    read = dict(store.get(key) or {})
    read["number"] = 9

    assert (store.get(key) or {})["number"] == 7


# Queries


BY_NUMBER = Index("newest-first", partition="created_month", sort="created_at")
SORT_KEYS = ("A", "B#1", "B#10", "B#2", "C", "b")
"""In the order of their bytes."""


@pytest.fixture
def partition(store: Store, far: Key) -> Query:
    """A partition with `SORT_KEYS`, and an item of another one whose key begins alike."""
    for number, sk in enumerate(reversed(SORT_KEYS)):
        store.write(Put(Key(far.table, "org_1", sk), {"number": number}))
    store.write(Put(Key(far.table, "org_11", "A"), {"number": 99}))
    return Query(table=far.table, pk="org_1")


def sort_keys(items: Iterable[Item]) -> list[Value]:
    return [item["sk"] for item in items]


def test_a_query_returns_every_item_of_one_partition_whole_and_in_order(store: Store, partition: Query) -> None:
    page = store.query(partition)

    assert sort_keys(page.items) == list(SORT_KEYS)
    assert page.items[0] == {"pk": "org_1", "sk": "A", "number": 5}
    assert page.cursor is None


def test_a_query_of_a_partition_without_items_returns_none(store: Store, partition: Query) -> None:
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


def test_a_query_returns_the_sort_keys_that_begin_as_asked(store: Store, partition: Query) -> None:
    assert sort_keys(store.query(replace(partition, prefix="B#")).items) == ["B#1", "B#10", "B#2"]
    assert sort_keys(store.query(replace(partition, prefix="B#1")).items) == ["B#1", "B#10"]
    assert store.query(replace(partition, prefix="B#3")).items == ()


def test_a_query_in_descending_order_returns_the_last_first(store: Store, partition: Query) -> None:
    assert sort_keys(store.query(replace(partition, order=Order.DESCENDING)).items) == list(reversed(SORT_KEYS))


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("limit", [1, 2, 4, 6, 7])
def test_pages_together_are_the_whole_partition(store: Store, partition: Query, order: Order, limit: int) -> None:
    query = replace(partition, order=order, limit=limit)

    assert len(store.query(query).items) == min(limit, 6)
    assert list(query_all(store, query)) == list(query_all(store, replace(query, limit=None)))


def test_a_page_goes_on_after_an_item_that_is_gone_and_finds_one_that_is_new(store: Store, partition: Query) -> None:
    first = store.query(replace(partition, limit=3))
    assert first.cursor is not None
    store.write(Delete(Key(partition.table, "org_1", "B#10")))
    store.write(Put(Key(partition.table, "org_1", "B#11"), {}))

    second = store.query(replace(partition, after=first.cursor))

    assert sort_keys(first.items) == ["A", "B#1", "B#10"]
    assert sort_keys(second.items) == ["B#11", "B#2", "C", "b"]


@pytest.fixture
def indexed(store: Store, database: Database) -> Query:
    """Items of an index: two of one number, one of another month, one without the index's attributes."""
    table = database.tables["Users"]
    for name, month, number in (("a", "2026-01", 7), ("b", "2026-01", 10), ("c", "2026-01", 7), ("d", "2026-02", 8)):
        item: dict[str, Value] = {"created_month": month, "created_at": number, "name": name}
        store.write(Put(Key(table, name, "ACCOUNT"), item))
    store.write(Put(Key(table, "e", "ACCOUNT"), {"created_at": 9}))
    return Query(table=table, pk="2026-01", index=BY_NUMBER, order=Order.DESCENDING)


def test_a_query_of_an_index_returns_the_keys_of_the_items_that_are_in_it(store: Store, indexed: Query) -> None:
    items = list(query_all(store, indexed))

    assert items[0] == {"pk": "b", "sk": "ACCOUNT", "created_month": "2026-01", "created_at": 10}
    assert [item["created_at"] for item in items] == [10, 7, 7]
    assert {item["pk"] for item in items} == {"a", "b", "c"}
    ascending = [item["created_at"] for item in query_all(store, replace(indexed, order=Order.ASCENDING))]
    assert ascending == [7, 7, 10]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_of_an_index_have_each_item_once_though_sort_keys_are_equal(
    store: Store, indexed: Query, limit: int
) -> None:
    items = list(query_all(store, replace(indexed, limit=limit)))

    assert sorted(str(item["pk"]) for item in items) == ["a", "b", "c"]


def test_an_item_leaves_the_index_with_its_attributes(store: Store, indexed: Query) -> None:
    store.write(Update(Key(indexed.table, "a", "ACCOUNT"), {"created_month": Gone()}))
    store.write(Delete(Key(indexed.table, "b", "ACCOUNT")))

    assert [item["pk"] for item in query_all(store, indexed)] == ["c"]


@pytest.mark.parametrize(
    "wrong", [{"pk": ""}, {"limit": 0}, {"index": BY_NUMBER, "prefix": "B"}], ids=["empty key", "limit 0", "prefix"]
)
def test_a_query_that_means_nothing_is_our_bug(store: Store, partition: Query, wrong: dict[str, Any]) -> None:
    with pytest.raises(OUR_BUG):
        store.query(replace(partition, **wrong))


# Conditions: of an item with NUMBERED, of an item without, and of none

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
OF_ANOTHER_KIND: list[Condition] = [
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
def test_a_condition_that_holds_lets_the_write_be_done(store: Store, key: Key, condition: Condition) -> None:
    store.write(Put(key, NUMBERED))

    assert isinstance(store.write(Update(key, {"seen": 1}, (condition,))), Written)


@pytest.mark.parametrize("condition", [*DO_NOT_HOLD, *OF_ANOTHER_KIND, *OF_AN_ABSENT_ATTRIBUTE], ids=repr)
def test_a_condition_that_does_not_hold_refuses_with_the_item(store: Store, key: Key, condition: Condition) -> None:
    store.write(Put(key, NUMBERED))
    before = store.get(key)

    outcome = store.write(Update(key, {"seen": 1}, (condition,)))

    assert outcome == ConditionFailed({**NUMBERED, "pk": "USER#1"})
    assert store.get(key) == before


@pytest.mark.parametrize(
    "condition", [Present("pk"), Equal("number", 7), Less("number", 8), Greater("number", 6)], ids=repr
)
def test_where_there_is_no_item_the_refusal_says_so(store: Store, key: Key, condition: Condition) -> None:
    for write in (Put(key, NUMBERED, (condition,)), Update(key, {"seen": 1}, (condition,)), Delete(key, (condition,))):
        assert store.write(write) == ConditionFailed(None)

    assert store.get(key) is None


def test_all_of_several_conditions_must_hold(store: Store, key: Key) -> None:
    store.write(Put(key, NUMBERED))

    both = store.write(Update(key, {"seen": 1}, (Equal("number", 7), Less("number", 8))))
    one = store.write(Update(key, {"seen": 2}, (Equal("number", 7), Less("number", 7))))

    assert isinstance(both, Written)
    assert isinstance(one, ConditionFailed)


def test_names_of_attributes_may_be_words_of_the_database(store: Store, key: Key) -> None:
    reserved: dict[str, Change] = {"name": "n", "role": "r", "state": "s", "count": Plus(1), "size": IfAbsent(1)}

    outcome = store.write(Update(key, reserved, (Absent("timestamp"), Absent("value"))))

    assert outcome == Written({"pk": "USER#1", "name": "n", "role": "r", "state": "s", "count": 1, "size": 1})


# Puts


def test_a_put_replaces_the_whole_item(store: Store, key: Key) -> None:
    store.write(Put(key, NUMBERED))

    store.write(Put(key, {"text": "eight"}, (Equal("number", 7),)))

    assert store.get(key) == {"text": "eight", "pk": "USER#1"}


def test_a_put_where_something_is_can_be_refused_and_changes_nothing(store: Store, key: Key) -> None:
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
def test_a_change_of_an_attribute_that_is_there(store: Store, key: Key, change: Change, after: Value | None) -> None:
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
def test_a_change_where_there_is_no_item_makes_one(store: Store, key: Key, change: Change, after: Value | None) -> None:
    outcome = store.write(Update(key, {"number": change}))

    expected: dict[str, Value] = {"pk": "USER#1"}
    if after is not None:
        expected["number"] = after
    assert outcome == Written(expected)
    assert store.get(key) == expected


def test_changes_of_one_update_see_what_was_before_it(store: Store, key: Key) -> None:
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


def test_an_update_of_an_item_with_a_sort_key_makes_it_with_both(store: Store, far: Key) -> None:
    outcome = store.write(Update(far, {"role": "CLIENT_MEMBER"}))

    assert outcome == Written({"pk": "org_1", "sk": "MEMBER#1", "role": "CLIENT_MEMBER"})


@pytest.mark.parametrize(
    "changes",
    [{}, {"pk": "USER#2"}, {"copy": CopyOf("nothing")}, {"text": Plus(1)}],
    ids=["of nothing", "of the key", "a copy of nothing", "a sum with a text"],
)
def test_an_update_that_means_nothing_is_our_bug_and_changes_nothing(
    store: Store, key: Key, changes: dict[str, Change]
) -> None:
    store.write(Put(key, NUMBERED))

    with pytest.raises(OUR_BUG):
        store.write(Update(key, changes))

    assert store.get(key) == {**NUMBERED, "pk": "USER#1"}


# Deletes


def test_what_was_deleted_is_gone_and_deleting_it_again_is_no_failure(store: Store, key: Key) -> None:
    store.write(Put(key, NUMBERED))

    assert store.write(Delete(key)) == Written({})
    assert store.write(Delete(key)) == Written({})
    assert store.get(key) is None


def test_a_refused_delete_carries_the_item_and_leaves_it(store: Store, key: Key) -> None:
    store.write(Put(key, {"user_id": "owner"}))

    outcome = store.write(Delete(key, (Equal("user_id", "somebody else"),)))

    assert outcome == ConditionFailed({"user_id": "owner", "pk": "USER#1"})
    assert store.get(key) == {"user_id": "owner", "pk": "USER#1"}


# Keys: faults.md, D18


@pytest.mark.covers("D18")
@pytest.mark.parametrize("text", ["", "x" * 2049, "é" * 1025], ids=["empty", "too long", "too long in UTF-8"])
def test_a_key_that_cannot_be_is_our_bug(store: Store, key: Key, text: str) -> None:
    impossible = Key(key.table, text)
    calls: list[Callable[[], object]] = [
        lambda: store.get(impossible),
        lambda: store.get_all(key, impossible),
        lambda: store.write(Put(impossible, NUMBERED)),
        lambda: store.write(Update(impossible, {"seen": 1})),
        lambda: store.write(Delete(impossible)),
        lambda: store.commit(Put(impossible, NUMBERED)),
    ]
    for call in calls:
        with pytest.raises(OUR_BUG):
            call()


@pytest.mark.parametrize("text", ["", "x" * 1025], ids=["empty", "too long"])
def test_a_sort_key_that_cannot_be_is_our_bug(store: Store, far: Key, text: str) -> None:
    with pytest.raises(OUR_BUG):
        store.write(Put(Key(far.table, far.pk, text), NUMBERED))


@pytest.mark.covers("D18")
def test_the_longest_keys_are_kept(store: Store, key: Key, far: Key) -> None:
    longest = Key(far.table, "p" * 2048, "s" * 1024)

    store.write(Put(longest, NUMBERED))
    store.write(Put(Key(key.table, "é" * 1024), NUMBERED))

    assert store.get(longest) is not None
    assert store.get(Key(key.table, "é" * 1024)) is not None


# Transactions


def test_a_commit_does_every_kind_of_action_in_several_tables(store: Store, key: Key, other: Key, far: Key) -> None:
    doomed = Key(key.table, "USER#doomed")
    store.write(Put(other, {"epoch": 3}))
    store.write(Put(doomed, NUMBERED))

    refusals = store.commit(
        Put(key, NUMBERED, (Absent("pk"),)),
        Update(other, {"epoch": Plus(1)}, (Equal("epoch", 3),)),
        Put(far, {"role": "CLIENT_OWNER"}),
        Delete(doomed, (Present("pk"),)),
    )

    assert refusals == ()
    assert store.get_all(key, other, far, doomed) == (
        {**NUMBERED, "pk": "USER#1"},
        {"pk": "USER#2", "epoch": 4},
        {"pk": "org_1", "sk": "MEMBER#1", "role": "CLIENT_OWNER"},
        None,
    )


def test_a_commit_refused_anywhere_does_nothing_and_says_where_in_order(
    store: Store, key: Key, other: Key, far: Key
) -> None:
    store.write(Put(other, {"user_id": "first"}))
    untouched = Key(key.table, "USER#untouched")

    refusals = store.commit(
        Put(key, NUMBERED, (Absent("pk"),)),
        Put(other, {"user_id": "second"}, (Absent("pk"),)),
        Update(untouched, {"number": Plus(1)}),
        Delete(far, (Present("pk"),)),
    )

    assert refusals == (None, ConditionFailed({"pk": "USER#2", "user_id": "first"}), None, ConditionFailed(None))
    assert store.get_all(key, other, untouched, far) == (None, {"pk": "USER#2", "user_id": "first"}, None, None)


@pytest.mark.parametrize("position", [0, 1, 2], ids=["first", "middle", "last"])
@pytest.mark.parametrize("kind", ["put", "update", "delete"])
def test_an_action_of_any_kind_at_any_place_refuses_the_commit(
    store: Store, key: Key, kind: str, position: int
) -> None:
    store.write(Put(key, NUMBERED))
    refused: dict[str, Action] = {
        "put": Put(key, {"text": "eight"}, (Absent("pk"),)),
        "update": Update(key, {"text": "eight"}, (Equal("number", 8),)),
        "delete": Delete(key, (Equal("number", 8),)),
    }
    siblings = [Key(key.table, "USER#before"), Key(key.table, "USER#after")]
    actions: list[Action] = [Put(sibling, NUMBERED) for sibling in siblings]
    actions.insert(position, refused[kind])

    refusals = store.commit(*actions)

    expected: list[ConditionFailed | None] = [None, None]
    expected.insert(position, ConditionFailed({**NUMBERED, "pk": "USER#1"}))
    assert refusals == tuple(expected)
    assert store.get_all(key, *siblings) == ({**NUMBERED, "pk": "USER#1"}, None, None)


@pytest.mark.covers("D7")
def test_a_commit_takes_a_hundred_actions_and_no_more(store: Store, key: Key) -> None:
    puts = [Put(Key(key.table, f"USER#{number}"), NUMBERED) for number in range(101)]

    with pytest.raises(OUR_BUG):
        store.commit(*puts)
    assert store.get(puts[0].key) is None

    assert store.commit(*puts[:100]) == ()
    assert None not in store.get_all(*(put.key for put in puts[:100]))


def test_two_actions_on_one_item_are_our_bug(store: Store, key: Key) -> None:
    with pytest.raises(OUR_BUG):
        store.commit(Put(key, NUMBERED), Update(key, {"number": Plus(1)}))

    assert store.get(key) is None


# Races: faults.md, D1

RACERS = 50


@pytest.mark.covers("D1")
def test_of_fifty_puts_of_one_new_item_exactly_one_is_done(store: Store, key: Key) -> None:
    def claim(racer: int) -> Callable[[], object]:
        return lambda: store.write(Put(key, {"user_id": f"racer {racer}"}, (Absent("pk"),)))

    outcomes = at_once([claim(racer) for racer in range(RACERS)])

    standing = store.get(key)
    assert outcomes.count(Written({})) == 1
    assert outcomes.count(ConditionFailed(standing)) == RACERS - 1
    assert outcomes[int(str((standing or {})["user_id"]).removeprefix("racer "))] == Written({})


@pytest.mark.covers("D1")
def test_of_fifty_moves_from_one_state_exactly_one_is_done(store: Store, key: Key) -> None:
    store.write(Put(key, {"generation": 1}))

    def move(racer: int) -> Callable[[], object]:
        changes: dict[str, Change] = {"generation": Plus(1), "nonce": f"racer {racer}"}
        return lambda: store.write(Update(key, changes, (Equal("generation", 1),)))

    outcomes = at_once([move(racer) for racer in range(RACERS)])

    standing = store.get(key) or {}
    assert standing["generation"] == 2
    assert [outcome for outcome in outcomes if isinstance(outcome, Written)] == [Written(standing)]
    assert outcomes.count(ConditionFailed(standing)) == RACERS - 1


def test_fifty_sums_at_once_are_all_counted(store: Store, key: Key) -> None:
    outcomes = at_once([lambda: store.write(Update(key, {"attempts": Plus(1)}))] * RACERS)

    assert sorted(int(outcome.item["attempts"]) for outcome in outcomes if isinstance(outcome, Written)) == list(
        range(1, RACERS + 1)
    )


def test_a_ceiling_holds_however_many_count_at_once(store: Store, key: Key) -> None:
    below = AnyOf((Absent("pk"), Less("attempts", 10)))

    outcomes = at_once([lambda: store.write(Update(key, {"attempts": Plus(1)}, (below,)))] * RACERS)

    assert sum(isinstance(outcome, Written) for outcome in outcomes) == 10
    assert (store.get(key) or {})["attempts"] == 10


def test_of_commits_that_share_one_item_exactly_one_is_done_and_the_others_leave_nothing(
    store: Store, key: Key
) -> None:
    racers = 20

    def own(racer: int) -> Key:
        return Key(key.table, f"USER#racer {racer}")

    def register(racer: int) -> Callable[[], object]:
        return lambda: store.commit(
            Put(own(racer), NUMBERED, (Absent("pk"),)),
            Put(key, {"user_id": own(racer).pk}, (Absent("pk"),)),
        )

    outcomes = at_once([register(racer) for racer in range(racers)])

    standing = store.get(key)
    written = [item for item in store.get_all(*(own(racer) for racer in range(racers))) if item is not None]
    assert outcomes.count(()) == 1
    assert outcomes.count((None, ConditionFailed(standing))) == racers - 1
    assert [item["pk"] for item in written] == [(standing or {})["user_id"]]
