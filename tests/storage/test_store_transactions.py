"""Transactions and races of every store (gerbang.storage.store).

The tests run on the fake in memory and on DynamoDB Local. Both pass, so a test with the fake is valid for DynamoDB.
"""

from collections.abc import Callable

import pytest
from gerbang.storage.store import (
    Absent,
    Action,
    AnyOf,
    Change,
    ConditionFailed,
    Delete,
    Equal,
    Key,
    Less,
    Plus,
    Present,
    Put,
    Store,
    Update,
    Written,
)

from tests.fakes import at_once
from tests.storage.conftest import INVALID, NUMBERED

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
