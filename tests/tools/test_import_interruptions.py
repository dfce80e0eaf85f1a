"""`gerbang_import` after failures and interruptions, and with large files."""

import itertools
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, override

import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.store import Action, CommitOutcome
from gerbang_import.importing import BATCH, Count
from gerbang_import.writing import TRIES

from tests.deployment import TABLES
from tests.fakes import Call, Fault, FaultyStore, MemoryStore, PassingStore, at_once
from tests.tools.imports import (
    STRONG,
    Import,
    Imported,
    import_into,
    lines_of,
    table_of,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


def call_number(number: int) -> Callable[[Call], bool]:
    calls = itertools.count()
    return lambda _: next(calls) == number


def test_a_failing_call_is_repeated_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    """For every call and every kind of failure, the import waits, repeats the call, and has the same result."""
    header = ("email", "password_hash", "username")
    text = table_of(("a@example.com", STRONG, "ann"), ("b@example.com", STRONG, ""), header=header)
    without_faults = PassingStore(MemoryStore())
    expected = import_into(without_faults, tmp_path)(text)

    for number in range(len(without_faults.calls)):
        for fault in Fault:
            memory, pauses = MemoryStore(), list[float]()
            store = FaultyStore(memory, at=call_number(number), fault=fault)
            outcome = import_into(store, tmp_path, pause=pauses.append)(text)

            assert outcome == expected
            assert len(memory.items(TABLES["Users"])) == 2 + 2 + 2 + 1  # accounts, addresses, numbers, a user name
            assert pauses == ([] if fault is Fault.RETRIED else [1])


class Outage(MemoryStore):
    """Accepts some commits, and then fails."""

    def __init__(self, *, after_commits: int) -> None:
        super().__init__()
        self._left = after_commits
        self._counting = Lock()

    @override
    def commit(self, *actions: Action) -> CommitOutcome:
        with self._counting:
            self._left -= 1
            has_failed = self._left < 0
        if has_failed:
            raise DependencyUnavailable("outage")
        return super().commit(*actions)

    def end(self) -> None:
        self._left = 1000


def test_an_import_that_ends_in_an_outage_can_be_continued(tmp_path: Path) -> None:
    text = table_of(*((f"user{number}@example.com", STRONG) for number in range(4 * BATCH)))
    store, pauses, count = Outage(after_commits=2), list[float](), Count()
    run_import = import_into(store, tmp_path, pause=pauses.append)

    with run_import.notes() as notes, pytest.raises(DependencyUnavailable):
        run_import.importer.run(lines_of(text), count, notes, on_progress=lambda: None)
    store.end()
    outcome = run_import(text)

    assert count.imported == 2 * BATCH
    assert (outcome.count.imported, outcome.count.already_there) == (2 * BATCH, 2 * BATCH)
    assert sum(sorted(pauses)[-TRIES + 1 :]) >= 60


def test_an_interrupted_import_reports_its_progress_and_can_be_continued(import_in_memory: Import) -> None:
    text = table_of(*((f"user{number}@example.com", STRONG) for number in range(20 * BATCH)))
    count = Count()

    def interrupt() -> None:
        if count.users >= 3 * BATCH:
            raise KeyboardInterrupt

    with import_in_memory.notes() as notes, pytest.raises(KeyboardInterrupt):
        import_in_memory.importer.run(lines_of(text), count, notes, on_progress=interrupt)
    outcome = import_in_memory(text)

    assert count.imported >= 3 * BATCH
    assert outcome.count.already_there == count.imported
    assert outcome.count.imported == 20 * BATCH - count.imported


@pytest.mark.storage
def test_two_concurrent_imports_of_one_file_create_each_account_once(
    dynamodb_client: "DynamoDBClient", tables: Mapping[str, str], tmp_path: Path
) -> None:
    text = table_of(*((f"user{number}@example.com", STRONG) for number in range(3 * BATCH)))
    imports = [
        import_into(DynamoStore(dynamodb_client), tmp_path / name, series=series, tables=tables)
        for series, name in enumerate("ab", start=1)
    ]
    for one in imports:
        one.folder.mkdir()

    outcomes = at_once([partial(one, text) for one in imports])

    counts = [outcome.count for outcome in outcomes if isinstance(outcome, Imported)]
    assert sum(count.imported for count in counts) == 3 * BATCH
    assert sum(count.already_there for count in counts) == 3 * BATCH


def test_an_import_reads_only_a_few_batches_in_advance(import_in_memory: Import) -> None:
    """So the memory does not grow with the file."""
    lines = lines_of(table_of(*((f"user{number}@example.com", STRONG) for number in range(60 * BATCH))))
    count, unwritten = Count(), list[int]()

    with import_in_memory.notes() as notes:
        import_in_memory.importer.run(
            lines, count, notes, on_progress=lambda: unwritten.append(lines.read - count.users)
        )

    assert count.imported == 60 * BATCH
    assert max(unwritten) <= (2 * import_in_memory.importer.workers + 1) * BATCH


def test_accounts_with_many_identities_fit_into_transactions(
    run_import: Import,
) -> None:
    """A transaction has at most 100 actions: 25 accounts of ten items each need three transactions."""
    providers = ("google", "apple", "github")
    users = [
        {
            "email": f"user{number}@example.com",
            "email_verified": True,
            "identities": [{"provider": name, "subject": f"{name}-{number}"} for name in providers],
        }
        for number in range(BATCH)
    ]

    outcome = run_import("\n".join(json.dumps(user) for user in users))

    assert (outcome.count.imported, outcome.rejections, outcome.dropped) == (BATCH, [], [])
    person = run_import.users.find_person(run_import.find("user7@example.com").user_id)
    assert person is not None
    assert {one.provider: one.subject for one in person.identities} == {name: f"{name}-7" for name in providers}
