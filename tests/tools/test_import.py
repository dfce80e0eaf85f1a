"""`gerbang_import`: which users are imported, which are rejected, and what happens after an interruption."""

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, override

import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.passwords import legacy as legacy_passwords
from gerbang.passwords.bcrypt_sha256 import Verdict, is_current_format
from gerbang.storage.accounts import Name, User
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.store import Action, CommitOutcome
from gerbang_import.importing import BATCH, FIRST_ROWS, Count
from gerbang_import.records import Unreadable
from gerbang_import.writing import TRIES

from tests.deployment import ALICE, HOME, TABLES, Deployment, by_email
from tests.fakes import Call, FakeClock, Fault, FaultyStore, MemoryStore, PassingStore, at_once
from tests.tools.imports import (
    BCRYPT,
    BCRYPT_PASSWORD,
    STRONG,
    Import,
    Imported,
    import_into,
    lines_of,
    table_of,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KNOWN_ANSWERS: Final = Path(__file__).parents[1] / "vectors" / "legacy_passwords" / "known_answers.jsonl"
MD5: Final = "md5:5f4dcc3b5aa765d61d8327deb882cf99"  # of "password"


@pytest.fixture
def run_import(deployment: Deployment, tmp_path: Path) -> Import:
    return import_into(deployment.store, tmp_path, tables=deployment.tables, now=deployment.clock)


@pytest.fixture
def import_in_memory(clock: FakeClock, tmp_path: Path) -> Import:
    return import_into(MemoryStore(), tmp_path, now=clock)


# --- imported users


def test_an_imported_user_signs_in_with_the_old_password_and_gets_todays_hash(
    run_import: Import, deployment: Deployment
) -> None:
    run_import(table_of(("Old.User@Example.com", BCRYPT)))

    signed_in = deployment.sign_in.sign_in(by_email("old.user@example.com", BCRYPT_PASSWORD), HOME)

    migrated = run_import.find("old.user@example.com")
    assert signed_in.user.email == "old.user@example.com"
    assert migrated.password_hash is not None
    assert migrated.password_hash.startswith("$bcrypt-sha256$")
    assert migrated.migrated_at == deployment.clock()


@pytest.mark.covers("116")
def test_users_with_every_known_hash_format_are_imported_and_sign_in(
    deployment_in_memory: Deployment, tmp_path: Path
) -> None:
    """Each hash was made by the system it names."""
    answers = [json.loads(line) for line in KNOWN_ANSWERS.read_text("utf-8").splitlines()]
    passwords = {known["format"]: known["password"] for known in reversed(answers)}
    hashes = {known["format"]: known["hash"] for known in reversed(answers)}
    emails = {name: f"user{number}@example.com" for number, name in enumerate(hashes)}
    users = deployment_in_memory.users

    outcome = import_into(deployment_in_memory.store, tmp_path)(
        table_of(*((emails[name], hashes[name]) for name in hashes))
    )
    for name, password in passwords.items():
        deployment_in_memory.sign_in.sign_in(by_email(emails[name], password), HOME)

    assert outcome.count.formats == dict.fromkeys(hashes, 1)
    for email in emails.values():
        migrated = users.find(users.find_id(Name.EMAIL, email) or "")
        assert migrated is not None
        assert is_current_format(migrated.password_hash or "")


def test_every_known_column_is_imported(import_in_memory: Import, clock: FakeClock) -> None:
    header = ("id", "created_at", "locale", "email", "username", "name", "email_verified", "password_hash", "shoe_size")
    identity = ("3C662A10-D9B1-438C-BFA7-EAC70051F5AC", "2020-01-02T03:04:05+01:00", "id")
    row = (*identity, " Jane@Example.com ", "Jane.D", " Jané ", "true", STRONG, "38")

    import_in_memory(table_of(row, header=header))

    created_at = datetime(2020, 1, 2, 2, 4, 5, tzinfo=UTC)
    assert import_in_memory.find("jane@example.com") == User(
        user_id="3c662a10-d9b1-438c-bfa7-eac70051f5ac",
        name="Jané",
        number=1_000_001,
        email="jane@example.com",
        email_as_typed="Jane@Example.com",
        email_verified_at=created_at,
        username="Jane.D",
        password_hash=STRONG,
        locale="id",
        created_at=created_at,
        updated_at=clock(),
        imported_at=clock(),
    )


def test_missing_values_have_defaults(import_in_memory: Import, clock: FakeClock) -> None:
    import_in_memory(table_of(("jane@example.com", STRONG, "", ""), header=("email", "password_hash", "name", "id")))

    user = import_in_memory.find("jane@example.com")
    assert (user.name, user.username, user.locale) == ("jane", None, None)
    assert (user.created_at, user.email_verified_at) == (clock(), None)
    assert user.number is not None


def test_a_creation_date_in_the_future_becomes_today(import_in_memory: Import, clock: FakeClock) -> None:
    import_in_memory(table_of(("a@example.com", STRONG, "2999-01-01"), header=("email", "password_hash", "created_at")))

    assert import_in_memory.find("a@example.com").created_at == clock()


@pytest.mark.covers("117")
def test_a_weak_hash_is_wrapped_and_a_strong_one_is_not(import_in_memory: Import) -> None:
    """So no fast hash is stored."""
    outcome = import_in_memory(table_of(("weak@example.com", MD5), ("strong@example.com", STRONG)))

    weak, strong = (import_in_memory.find(f"{name}@example.com").password_hash for name in ("weak", "strong"))
    assert strong == STRONG
    assert weak is not None
    assert MD5.removeprefix("md5:") not in weak
    assert legacy_passwords.check(weak, "password").verdict is Verdict.RIGHT
    assert outcome.count.formats == {"digest md5": 1, "bcrypt": 1}


@pytest.mark.parametrize(
    "text",
    [
        f'{{"email": "jane@example.com", "password_hash": "{STRONG}", "name": null, "email_verified": true}}\n',
        f'\n{{"email": "jane@example.com", "password_hash": "{STRONG}", "email_verified": "yes", "age": [1]}}',
        f"email;password_hash;email_verified\r\njane@example.com;{STRONG};1\r\n",
        f"\n\nemail\tpassword_hash\temail_verified\njane@example.com\t{STRONG}\tTRUE\n\n",
        f'\ufeff"email","password_hash","email_verified"\n"jane@example.com","{STRONG}","true"',
    ],
    ids=["json lines", "json lines, loosely", "semicolons", "tabs", "byte order mark"],
)
def test_csv_and_json_lines_are_detected(import_in_memory: Import, text: str) -> None:
    outcome = import_in_memory(text)

    assert (outcome.count.imported, outcome.rejections) == (1, [])
    assert import_in_memory.find("jane@example.com").email_verified_at is not None


# --- existing accounts: F39


@pytest.mark.covers("F39")
def test_importing_twice_changes_nothing(run_import: Import) -> None:
    text = table_of(*((f"user{number}@example.com", STRONG) for number in range(BATCH + 3)))

    first = run_import(text)
    before = run_import.find("user0@example.com")
    second = run_import(text)

    assert (first.count.imported, first.count.already_there) == (BATCH + 3, 0)
    assert (second.count.imported, second.count.already_there) == (0, BATCH + 3)
    assert run_import.find("user0@example.com") == before


@pytest.mark.covers("F39")
def test_a_second_import_does_not_overwrite_a_new_password(run_import: Import, deployment: Deployment) -> None:
    text = table_of(("old@example.com", BCRYPT))
    run_import(text)
    imported = run_import.find("old@example.com")
    deployment.users.change(imported, {"password_hash": deployment.passwords.hash("Since then 1")})

    outcome = run_import(text)

    assert (outcome.count.imported, outcome.count.already_there) == (0, 1)
    deployment.sign_in.sign_in(by_email("old@example.com", "Since then 1"), HOME)


def test_registered_accounts_are_not_changed(run_import: Import, deployment: Deployment) -> None:
    registered = deployment.register(ALICE)

    outcome = run_import(table_of(("ALICE@example.com", BCRYPT), ("new@example.com", BCRYPT)))

    assert (outcome.count.imported, outcome.count.already_there) == (1, 1)
    assert run_import.find("alice@example.com").password_hash == registered.password_hash


def test_a_repeated_address_is_imported_once_and_reported(run_import: Import) -> None:
    outcome = run_import(table_of(("a@example.com", STRONG), ("A@EXAMPLE.COM", BCRYPT), ("b@example.com", STRONG)))

    assert (outcome.count.imported, outcome.count.already_there) == (2, 0)
    assert outcome.rejections == [("3", "email: is in line 2, too")]
    assert run_import.find("a@example.com").password_hash == STRONG


def test_names_and_identities_of_other_accounts_are_dropped_and_a_taken_id_rejects_the_row(
    run_import: Import, deployment: Deployment
) -> None:
    alice = deployment.register(ALICE)
    header = ("email", "password_hash", "username", "id", "email_verified", "google_id")
    rows = [
        ("a@example.com", STRONG, "ALICE", "", "", ""),
        ("b@example.com", STRONG, "bob", "", "t", "google-b"),
        ("c@example.com", STRONG, "Bob", "", "t", "google-b"),
        ("d@example.com", STRONG, "", alice.user_id, "", ""),
        ("e@example.com", STRONG, "", str(alice.number), "", ""),
    ]

    outcome = run_import(table_of(*rows, header=header))

    assert outcome.count.imported == 4
    assert outcome.rejections == [("5", "id: belongs to another account")]
    assert sorted(outcome.dropped) == [
        ("2", "username", "belongs to another account"),
        ("4", "identities", "belongs to another account"),
        ("4", "username", "belongs to another account"),
        ("6", "number", "belongs to another account"),
    ]
    assert run_import.find("b@example.com").subjects == {"google": "google-b"}
    assert (run_import.find("c@example.com").username, run_import.find("c@example.com").subjects) == (None, {})


def test_a_taken_number_is_replaced_by_another_random_number(run_import: Import) -> None:
    run_import.drawing(7)(table_of(("a@example.com", STRONG)))

    outcome = run_import.drawing(7, 7, 8, 7, 9)(table_of(("b@example.com", STRONG), ("c@example.com", STRONG)))

    assert outcome.count.imported == 2
    assert sorted(run_import.find(f"{name}@example.com").number or 0 for name in "abc") == [7, 8, 9]


# --- interruptions


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


# --- rejected rows


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("", STRONG), "email: is missing"),
        (("jane", STRONG), "email: is not a valid address"),
        (("jane\x00@example.com", STRONG), "email: is not a valid"),
        (
            ("jane@example.com", "$2y$31$" + "u" * 53),
            "password_hash: bcrypt: takes 131,072.0 times as long to compute as is allowed",
        ),
        (("jane@example.com", "hunter2"), "password_hash: hash: is in no known format"),
        (("jane@example.com", STRONG, "x"), "has more fields than the first line"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_rejected_row_is_reported_with_its_line_and_reason(
    import_in_memory: Import, row: Sequence[str], reason: str
) -> None:
    outcome = import_in_memory(table_of(("first@example.com", STRONG), row, ("last@example.com", STRONG)))

    assert (outcome.count.imported, outcome.count.rejected) == (2, 1)
    [(line, reported)] = outcome.rejections
    assert line == "3"
    assert reported.startswith(reason)


def test_the_reason_of_a_rejection_contains_no_value_of_the_row(import_in_memory: Import) -> None:
    secret = "5ecre7"
    rows = [
        (f"{secret}@", STRONG, ""),
        (f"a{secret}@example.com", f"$2y${secret}", ""),
        (f"b{secret}@example.com", f"md5({secret}):{secret}", ""),
        (f"c{secret}@example.com", STRONG, f"not a date {secret}"),
    ]

    outcome = import_in_memory(table_of(*rows, header=("email", "password_hash", "created_at")))

    assert (outcome.count.rejected, len(outcome.dropped)) == (3, 1)
    assert secret not in repr([reason for _, reason in outcome.rejections])
    assert secret not in repr(outcome.dropped)


def test_the_file_of_rejections_can_be_corrected_and_imported(import_in_memory: Import) -> None:
    header = ("email", "password_hash", "name")
    first = import_in_memory(table_of(("jane", STRONG, "Doe, Jane"), ("x@example.com", "wrong", "X"), header=header))
    corrected = import_in_memory.rejected.read_text("utf-8").replace("jane,", "jane@example.com,")

    second = import_in_memory(corrected)
    third = import_in_memory(import_in_memory.rejected.read_text("utf-8").replace(",wrong,", f",{STRONG},"))

    assert [line for line, _ in first.rejections] == ["2", "3"]
    assert second.rejections == [("3", "password_hash: hash: is in no known format")]
    assert (second.count.imported, third.count.imported) == (1, 1)
    assert import_in_memory.find("jane@example.com").name == "Doe, Jane"


def test_a_file_of_rejections_exists_only_if_needed_and_is_private(
    import_in_memory: Import,
) -> None:
    import_in_memory(table_of(("jane", STRONG)))
    mode = import_in_memory.rejected.stat().st_mode
    import_in_memory(table_of(("jane@example.com", STRONG)))

    assert mode & 0o777 == 0o600
    assert not import_in_memory.rejected.exists()


def test_rejections_are_written_immediately(import_in_memory: Import) -> None:
    """So a killed import loses none of them."""
    text = table_of(("jane", STRONG), *((f"user{number}@example.com", STRONG) for number in range(20 * BATCH)))
    seen = list[str]()

    with import_in_memory.notes() as notes:
        import_in_memory.importer.run(
            lines_of(text),
            Count(),
            notes,
            on_progress=lambda: seen.append(import_in_memory.rejected.read_text("utf-8")),
        )

    assert "jane" in seen[0]


def test_the_import_stops_when_the_first_thousand_rows_fail_for_one_reason(import_in_memory: Import) -> None:
    bad = [(f"user{number}@example.com", "bad") for number in range(3 * FIRST_ROWS)]

    with pytest.raises(Unreadable, match=r"first 1,000 rows were all rejected for one reason\. password_hash"):
        import_in_memory(table_of(*bad))
    outcome = import_in_memory(table_of(("good@example.com", STRONG), *bad))

    assert outcome.count.rejected == len(bad)


def test_users_before_a_syntax_error_are_imported(import_in_memory: Import) -> None:
    users = ",\n".join(json.dumps({"email": f"user{number}@example.com"}) for number in range(3))

    with pytest.raises(Unreadable, match=r"not JSON\. Line 4"):
        import_in_memory(f"[{users},\n nonsense]")

    assert import_in_memory.find("user2@example.com").password_hash is None
