"""Reads and queries of every store (gerbang.storage.store).

The tests run on the fake in memory and on DynamoDB Local. Both pass, so a test with the fake is valid for DynamoDB.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from gerbang.accounts.roles import Role
from gerbang.storage.store import (
    Absent,
    Delete,
    Equal,
    Gone,
    Index,
    Item,
    Key,
    Order,
    Page,
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
from tests.storage.conftest import INVALID, NUMBERED

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
