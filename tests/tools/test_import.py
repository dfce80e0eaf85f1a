"""`python -m gerbang_import`: who comes over, who does not and why, and what happens when it is stopped."""

import csv
import io
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from copy import replace
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, override

import pytest
from gerbang.core.clock import Clock
from gerbang.core.errors import DependencyUnavailable
from gerbang.passwords import legacy as legacy_passwords
from gerbang.passwords.bcrypt_sha256 import CHEAPEST_COST, Verdict, is_current_format
from gerbang.storage.accounts import Name, User
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.store import Action, CommitOutcome, Store
from gerbang.storage.users import UserTable
from gerbang_import.__main__ import main
from gerbang_import.drafting import Drafter
from gerbang_import.importing import Count, Importer, Rejections
from gerbang_import.progress import Progress
from gerbang_import.reading import MOST_LINE_BYTES, Lines, Record, Rejection, Unreadable, records
from gerbang_import.writing import BATCH, TRIES, Writer

from tests.deployment import ALICE, HOME, TABLES, Deployment, by_email
from tests.fakes import Call, FakeClock, Fault, FaultyStore, MemoryStore, Numbers, PassingStore, SequenceIds, at_once

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KNOWN_ANSWERS: Final = Path(__file__).parents[1] / "vectors" / "legacy_passwords" / "known_answers.jsonl"
BCRYPT: Final = "$2y$05$kQxgmibTjzThHxMuva0nRu7V3RflyrjnGGvZ0ZIx5.MoZ9QibfiTu"
"""Of `BCRYPT_PASSWORD`, by PHP 8.2."""

BCRYPT_PASSWORD: Final = "hunter2 Hunter2"
MD5: Final = "5f4dcc3b5aa765d61d8327deb882cf99"  # of "password"
STRONG: Final = "$2y$10$WumynTbplu5PgdDINKxVwuF53OgqmhX9yPiOF/xMz35Z1dyFK/0xy"  # of BCRYPT_PASSWORD, by PHP 8.2


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import left behind."""

    count: Count
    rejections: list[tuple[str, str]]
    """Line and reason, as in the file of rejections."""


@dataclass(frozen=True, slots=True)
class Import:
    """Runs imports into one table."""

    importer: Importer
    users: UserTable
    folder: Path

    def __call__(self, text: str | bytes) -> Imported:
        count, path = Count(), self.folder / "rejected.csv"
        with Rejections(path) as rejections:
            self.importer.run(lines_of(text), count, rejections, on_progress=lambda: None)
        if not path.exists():
            return Imported(count, [])
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        assert header == ["line", "reason"]
        return Imported(count, [(line, reason) for line, reason in rows])

    def drawing(self, *numbers: int) -> "Import":
        """The same import, whose random numbers begin with these."""
        new_number = Numbers(*numbers)
        drafter = replace(self.importer.drafter, new_number=new_number)
        writer = replace(self.importer.writer, new_number=new_number)
        return replace(self, importer=replace(self.importer, drafter=drafter, writer=writer))

    def find(self, email: str) -> User:
        user_id = self.users.find_id(Name.EMAIL, email)
        user = None if user_id is None else self.users.find(user_id)
        assert user is not None
        return user


@pytest.fixture
def run_import(deployment: Deployment, tmp_path: Path) -> Import:
    return import_into(deployment.store, tmp_path, table=deployment.tables["Users"], now=deployment.clock)


@pytest.fixture
def import_in_memory(clock: FakeClock, tmp_path: Path) -> Import:
    return import_into(MemoryStore(), tmp_path, now=clock)


def import_into(
    store: Store,
    folder: Path,
    *,
    table: str = TABLES["Users"],
    series: int = 1001,
    now: Clock = FakeClock(),  # noqa: B008 - nobody sets it
    pause: Callable[[float], None] = lambda _: None,
) -> Import:
    new_number, users = Numbers(), UserTable(store, table)
    drafter = Drafter(now=now, new_id=SequenceIds(series), new_number=new_number)
    writer = Writer(store=store, users=users, cost=CHEAPEST_COST, new_number=new_number, pause=pause)
    return Import(Importer(drafter=drafter, writer=writer, workers=2), users, folder)


def lines_of(text: str | bytes) -> Lines:
    return Lines(io.BytesIO(text if isinstance(text, bytes) else text.encode()))


def table_of(*rows: Sequence[str], header: Sequence[str] = ("email", "password_hash")) -> str:
    text = io.StringIO()
    csv.writer(text).writerows((header, *rows))
    return text.getvalue()


# --- who comes over


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
def test_users_of_every_known_format_come_over_and_sign_in_once_with_the_old_hash(
    deployment_in_memory: Deployment, tmp_path: Path
) -> None:
    """By way of the file, the table and the sign-in; each answer made by the system it names."""
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


def test_every_column_is_taken_over(import_in_memory: Import, clock: FakeClock) -> None:
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
    )


def test_what_is_not_given_has_its_default(import_in_memory: Import, clock: FakeClock) -> None:
    import_in_memory(table_of(("jane@example.com", STRONG, "", ""), header=("email", "password_hash", "name", "id")))

    user = import_in_memory.find("jane@example.com")
    assert (user.name, user.username, user.locale) == ("jane", None, None)
    assert (user.created_at, user.email_verified_at) == (clock(), None)
    assert user.number is not None


def test_a_date_of_birth_in_the_future_becomes_today(import_in_memory: Import, clock: FakeClock) -> None:
    import_in_memory(table_of(("a@example.com", STRONG, "2999-01-01"), header=("email", "password_hash", "created_at")))

    assert import_in_memory.find("a@example.com").created_at == clock()


@pytest.mark.covers("117")
def test_a_weak_hash_is_wrapped_and_a_strong_one_kept(import_in_memory: Import) -> None:
    """No fast hash lies in the table."""
    outcome = import_in_memory(table_of(("weak@example.com", MD5), ("strong@example.com", STRONG)))

    weak, strong = (import_in_memory.find(f"{name}@example.com").password_hash for name in ("weak", "strong"))
    assert strong == STRONG
    assert weak is not None
    assert MD5 not in weak
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
def test_csv_and_json_lines_are_told_apart(import_in_memory: Import, text: str) -> None:
    outcome = import_in_memory(text)

    assert (outcome.count.imported, outcome.rejections) == (1, [])
    assert import_in_memory.find("jane@example.com").email_verified_at is not None


# --- nobody is changed: F39


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
def test_a_password_set_since_is_not_overwritten(run_import: Import, deployment: Deployment) -> None:
    text = table_of(("old@example.com", BCRYPT))
    run_import(text)
    imported = run_import.find("old@example.com")
    deployment.users.change(imported, {"password_hash": deployment.passwords.hash("Since then 1")})

    outcome = run_import(text)

    assert (outcome.count.imported, outcome.count.already_there) == (0, 1)
    deployment.sign_in.sign_in(by_email("old@example.com", "Since then 1"), HOME)


def test_whoever_has_registered_keeps_what_they_have(run_import: Import, deployment: Deployment) -> None:
    registered = deployment.register(ALICE)

    outcome = run_import(table_of(("ALICE@example.com", BCRYPT), ("new@example.com", BCRYPT)))

    assert (outcome.count.imported, outcome.count.already_there) == (1, 1)
    assert run_import.find("alice@example.com").password_hash == registered.password_hash


def test_an_address_that_is_in_the_file_twice_comes_over_once(run_import: Import) -> None:
    outcome = run_import(table_of(("a@example.com", STRONG), ("A@EXAMPLE.COM", BCRYPT), ("b@example.com", STRONG)))

    assert (outcome.count.imported, outcome.count.already_there, outcome.rejections) == (2, 1, [])
    assert run_import.find("a@example.com").password_hash == STRONG


def test_a_user_name_or_id_of_somebody_else_is_rejected_and_the_rest_of_the_batch_written(
    run_import: Import, deployment: Deployment
) -> None:
    alice = deployment.register(ALICE)
    header = ("email", "password_hash", "username", "id")
    rows = [
        ("a@example.com", STRONG, "ALICE", ""),
        ("b@example.com", STRONG, "bob", ""),
        ("c@example.com", STRONG, "Bob", ""),
        ("d@example.com", STRONG, "", alice.user_id),
        ("e@example.com", STRONG, "", ""),
    ]

    outcome = run_import(table_of(*rows, header=header))

    assert outcome.count.imported == 2
    assert sorted(outcome.rejections) == [
        ("2", "username: belongs to another account"),
        ("4", "username: belongs to another account"),
        ("5", "id: belongs to another account"),
    ]
    assert run_import.find("b@example.com").username == "bob"


def test_a_number_that_is_taken_is_drawn_again(run_import: Import) -> None:
    run_import.drawing(7)(table_of(("a@example.com", STRONG)))

    outcome = run_import.drawing(7, 7, 8, 7, 9)(table_of(("b@example.com", STRONG), ("c@example.com", STRONG)))

    assert outcome.count.imported == 2
    assert sorted(run_import.find(f"{name}@example.com").number or 0 for name in "abc") == [7, 8, 9]


# --- stopped half way


def call_number(number: int) -> Callable[[Call], bool]:
    calls = itertools.count()
    return lambda _: next(calls) == number


def test_a_failing_call_is_made_again_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    """Whichever call fails, and however: the import waits, asks again and ends as if nothing had been."""
    header = ("email", "password_hash", "username")
    text = table_of(("a@example.com", STRONG, "ann"), ("b@example.com", STRONG, ""), header=header)
    undisturbed = PassingStore(MemoryStore())
    expected = import_into(undisturbed, tmp_path)(text)

    for number in range(len(undisturbed.calls)):
        for fault in Fault:
            memory, pauses = MemoryStore(), list[float]()
            store = FaultyStore(memory, at=call_number(number), fault=fault)
            outcome = import_into(store, tmp_path, pause=pauses.append)(text)

            assert outcome == expected
            assert len(memory.items(TABLES["Users"])) == 2 + 2 + 2 + 1  # accounts, addresses, numbers, a user name
            assert pauses == ([] if fault is Fault.ASKED_AGAIN else [1])


class Outage(MemoryStore):
    """Keeps a few commits, and then no more."""

    def __init__(self, *, after_commits: int) -> None:
        super().__init__()
        self._left = after_commits
        self._counting = Lock()

    @override
    def commit(self, *actions: Action) -> CommitOutcome:
        with self._counting:
            self._left -= 1
            is_over = self._left < 0
        if is_over:
            raise DependencyUnavailable("gone")
        return super().commit(*actions)

    def end(self) -> None:
        self._left = 1000


def test_when_the_database_stays_away_the_import_ends_and_goes_on_the_next_time(tmp_path: Path) -> None:
    text = table_of(*((f"user{number}@example.com", STRONG) for number in range(4 * BATCH)))
    store, pauses, count = Outage(after_commits=2), list[float](), Count()
    run_import = import_into(store, tmp_path, pause=pauses.append)

    with Rejections(tmp_path / "rejected.csv") as rejections, pytest.raises(DependencyUnavailable):
        run_import.importer.run(lines_of(text), count, rejections, on_progress=lambda: None)
    store.end()
    outcome = run_import(text)

    assert count.imported == 2 * BATCH
    assert (outcome.count.imported, outcome.count.already_there) == (2 * BATCH, 2 * BATCH)
    assert sum(sorted(pauses)[-TRIES + 1 :]) >= 60


def test_stopped_by_hand_it_says_what_it_has_done_and_goes_on_the_next_time(import_in_memory: Import) -> None:
    text = table_of(*((f"user{number}@example.com", STRONG) for number in range(20 * BATCH)))
    count = Count()

    def interrupt() -> None:
        if count.records >= 3 * BATCH:
            raise KeyboardInterrupt

    rejections = Rejections(import_in_memory.folder / "rejected.csv")
    with rejections, pytest.raises(KeyboardInterrupt):
        import_in_memory.importer.run(lines_of(text), count, rejections, on_progress=interrupt)
    outcome = import_in_memory(text)

    assert count.imported >= 3 * BATCH
    assert outcome.count.already_there == count.imported
    assert outcome.count.imported == 20 * BATCH - count.imported


@pytest.mark.storage
def test_two_imports_of_one_file_at_once_make_each_account_once(
    dynamodb_client: "DynamoDBClient", tables: Mapping[str, str], tmp_path: Path
) -> None:
    text = table_of(*((f"user{number}@example.com", STRONG) for number in range(3 * BATCH)))
    imports = [
        import_into(DynamoStore(dynamodb_client), tmp_path / name, series=series, table=tables["Users"])
        for series, name in enumerate("ab", start=1)
    ]
    for one in imports:
        one.folder.mkdir()

    outcomes = at_once([partial(one, text) for one in imports])

    counts = [outcome.count for outcome in outcomes if isinstance(outcome, Imported)]
    assert sum(count.imported for count in counts) == 3 * BATCH
    assert sum(count.already_there for count in counts) == 3 * BATCH


def test_no_more_is_read_than_will_soon_be_written(import_in_memory: Import) -> None:
    """Memory does not grow with the file."""
    lines = lines_of(table_of(*((f"user{number}@example.com", STRONG) for number in range(60 * BATCH))))
    count, ahead = Count(), list[int]()

    with Rejections(import_in_memory.folder / "rejected.csv") as rejections:
        import_in_memory.importer.run(
            lines, count, rejections, on_progress=lambda: ahead.append(lines.read - count.records)
        )

    assert count.imported == 60 * BATCH
    assert max(ahead) <= (2 * import_in_memory.importer.workers + 1) * BATCH


# --- who does not come over


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("", STRONG), "email: is missing"),
        (("jane@example.com", ""), "password_hash: is missing"),
        (("jane", STRONG), "email: is not a valid address"),
        (("jane\x00@example.com", STRONG), "email: is not a valid"),
        (
            ("jane@example.com", "$2y$31$" + "u" * 53),
            "password_hash: bcrypt: takes 131,072.0 times as long to compute as is allowed",
        ),
        (("jane@example.com", "hunter2"), "password_hash: hash: is in no known format"),
        (("jane@example.com", STRONG, "x" * 201), "name: String should have at most 200 characters"),
        (("jane@example.com", STRONG, "Ja\nne"), "name: Must not contain control characters"),
        (
            ("jane@example.com", STRONG, "", "j d"),
            "username: Must be 3 to 30 of the letters a to z, digits, _, . and -",
        ),
        (("jane@example.com", STRONG, "", "", "17"), "id: Input should be a valid UUID"),
        (("jane@example.com", STRONG, "", "", "", "yesterday"), "created_at: Input should be a valid datetime"),
        (("jane@example.com", STRONG, "", "", "", "0001-01-01T00:00:00+14:00"), "created_at: Must be in the years"),
        (
            ("jane@example.com", STRONG, "", "", "", "9999-12-31T23:59:59-12:00"),
            "created_at: Must be in the years 1 to 9999",
        ),
        (("jane@example.com", STRONG, "", "", "", "", "perhaps"), "email_verified: Input should be a valid boolean"),
        (("jane@example.com", STRONG, "", "", "", "", "", "Bahasa"), "locale: String should match pattern"),
        (("jane@example.com", STRONG, "", "", "", "", "", "", "x"), "has more fields than the first line"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_row_that_cannot_come_over_is_listed_with_its_line_and_reason(
    import_in_memory: Import, row: Sequence[str], reason: str
) -> None:
    header = ("email", "password_hash", "name", "username", "id", "created_at", "email_verified", "locale")

    outcome = import_in_memory(
        table_of(("first@example.com", STRONG), row, ("last@example.com", STRONG), header=header)
    )

    assert (outcome.count.imported, outcome.count.rejected) == (2, 1)
    [(line, why)] = outcome.rejections
    assert line == "3"
    assert why.startswith(reason)


def test_a_rejection_quotes_nothing_of_the_row(import_in_memory: Import) -> None:
    secret = "5ecre7"
    rows = [
        (f"{secret}@", STRONG, ""),
        (f"{secret}@example.com", f"$2y${secret}", ""),
        (f"{secret}@example.com", f"md5({secret}):{secret}", ""),
        (f"{secret}@example.com", STRONG, f"not a date {secret}"),
    ]

    outcome = import_in_memory(table_of(*rows, header=("email", "password_hash", "created_at")))

    assert outcome.count.rejected == len(rows)
    assert secret not in repr(outcome.rejections)


def test_many_reasons_are_given_at_once() -> None:
    drafter = Drafter(now=FakeClock(), new_id=SequenceIds(), new_number=Numbers())

    rejection = drafter.draft(Record(7, {"email": 5, "username": "x"}))

    assert isinstance(rejection, Rejection)
    assert rejection.line == 7
    assert [reason.partition(":")[0] for reason in rejection.reason.split("; ")] == [
        "email",
        "password_hash",
        "username",
    ]


def test_a_file_of_rejections_is_there_only_when_there_are_some(import_in_memory: Import) -> None:
    stale = import_in_memory.folder / "rejected.csv"

    import_in_memory(table_of(("jane", STRONG)))
    was_there = stale.exists()
    import_in_memory(table_of(("jane@example.com", STRONG)))

    assert was_there
    assert not stale.exists()


# --- reading


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        ('[{"email": "jane@example.com"}]', "one JSON array"),
        ("name,hash\n", "does not name the column email and password_hash"),
        ("email,hash\n", "does not name the column password_hash"),
        ("email,password_hash,email\n", "a column twice"),
        ("email,password_hash\n".encode("utf-16"), "UTF-16"),
        (b"x" * (MOST_LINE_BYTES + 1), "Line 1 is longer"),
        ("email,password_hash," + "x" * 200_000 + "\n", "first line is not CSV"),
        ("email,password_hash\rjane@example.com,5ecre7\r", "first line is not CSV"),
    ],
    ids=[
        "nothing",
        "nothing to see",
        "array",
        "no columns",
        "no hash",
        "twice",
        "utf-16",
        "one long line",
        "one long column",
        "lines that end in a carriage return",
    ],
)
def test_a_file_that_is_no_list_of_users_is_rejected_as_a_whole(text: str | bytes, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence):
        list(records(lines_of(text)))


def test_a_file_without_a_header_is_rejected_without_quoting_its_first_user() -> None:
    with pytest.raises(Unreadable) as rejected:
        records(lines_of("jane@example.com,5ecre7\n"))

    assert "jane" not in str(rejected.value)
    assert "5ecre7" not in str(rejected.value)


def test_quotes_may_hold_separators_and_ends_of_lines() -> None:
    text = 'email,password_hash,bio\na@example.com,"$argon2id$v=19$m=8,t=1,p=1$x","one\ntwo"\nb@example.com,hash,\n'

    found = list(records(lines_of(text)))

    assert found == [
        Record(2, {"email": "a@example.com", "password_hash": "$argon2id$v=19$m=8,t=1,p=1$x", "bio": "one\ntwo"}),
        Record(4, {"email": "b@example.com", "password_hash": "hash"}),
    ]


def test_a_quote_that_is_never_closed_swallows_some_users_and_not_the_file() -> None:
    rows = "".join(f"user{number}@example.com,{STRONG}\n" for number in range(1000))

    found = list(records(lines_of(f'email,password_hash\na@example.com,"{STRONG}\n{rows}')))

    rejected = [record for record in found if isinstance(record, Rejection)]
    assert len(rejected) == 1
    assert rejected[0].line == 2
    assert "quotes do not match, up to line" in rejected[0].reason
    assert len(found) > 850


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "is not JSON"),
        ('{"email": NaN', "is not JSON"),
        ("[1]", "is not a JSON object"),
        ('"text"', "is not a JSON object"),
        ("[" * 100_000, "is not JSON"),
    ],
    ids=lambda value: value[:20],
)
def test_a_line_that_is_no_json_object_is_rejected_alone(line: str, reason: str) -> None:
    found = list(records(lines_of(f'{{"email": "a@example.com"}}\n{line}\n\n{{"email": "b@example.com"}}')))

    assert found == [Record(1, {"email": "a@example.com"}), Rejection(2, reason), Record(4, {"email": "b@example.com"})]


@pytest.mark.parametrize("column", ["email", "password_hash", "name", "username"])
def test_a_row_that_is_not_utf_8_is_rejected_alone(import_in_memory: Import, column: str) -> None:
    row = {"email": "jane@example.com", "password_hash": STRONG, "name": "Jane", "username": "jane"}
    latin = ",".join(value + ("\xe9" if name == column else "") for name, value in row.items()).encode("latin-1")

    outcome = import_in_memory(
        ",".join(row).encode() + b"\n" + latin + b"\nlast@example.com," + STRONG.encode() + b",,\n"
    )

    assert (outcome.count.imported, [line for line, _ in outcome.rejections]) == (1, ["2"])


# --- progress


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


@dataclass(slots=True)
class Seconds:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("output", "interval"), [(io.StringIO(), 10.0), (Terminal(), 0.2)], ids=["log", "terminal"])
def test_progress_is_shown_as_often_as_is_useful(output: io.StringIO, interval: float) -> None:
    seconds = Seconds()
    progress = Progress(count=Count(), lines=lines_of(""), total_bytes=None, output=output, seconds=seconds)

    progress.show()
    shown_at_once = output.getvalue()
    seconds.now = interval
    progress.show()
    progress.show()

    assert shown_at_once == ""
    assert output.getvalue().count("0 users") == 1


def test_progress_says_how_many_how_fast_and_how_long_still() -> None:
    seconds, lines = Seconds(), lines_of("x" * 99 + "\n" + "x" * 300)
    count = Count(records=1500, already_there=300, rejected=200)
    count.formats["bcrypt"] = 1000
    progress = Progress(count=count, lines=lines, total_bytes=400, output=io.StringIO(), seconds=seconds)
    next(lines)
    seconds.now = 30.0

    progress.show_now()

    assert progress.text() == (
        "1,500 users (25%), 1,000 imported, 300 already there, 200 rejected, 50 a second, 1:30 left"
    )


# --- the command


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    answer: str
    complaint: str


@pytest.fixture
def command(
    dynamodb_endpoint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tables: Mapping[str, str],
) -> Callable[..., Ran]:
    """Runs the command on DynamoDB Local."""
    monkeypatch.setenv("DYNAMODB_ENDPOINT", dynamodb_endpoint)

    def run(file: Path | str, *, table: str | None = None) -> Ran:
        status = main(["--file", str(file), "--table", table or tables["Users"]])
        captured = capsys.readouterr()
        return Ran(status, captured.out, captured.err)

    return run


@pytest.mark.storage
def test_the_command_imports_a_file_and_says_what_became_of_it(command: Callable[..., Ran], tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text(table_of(("a@example.com", STRONG), ("b", STRONG)), "utf-8")

    first = command(file)
    file.write_text(table_of(("a@example.com", STRONG), ("b@example.com", STRONG)), "utf-8")
    second = command(file)
    third = command(file)

    assert first.status == 1
    assert "Imported 1, already there 0, rejected 1." in first.answer
    assert str(tmp_path / "users.rejected.csv") in first.answer
    assert (second.status, second.answer.splitlines()[0]) == (0, "Imported 1, already there 1, rejected 0.")
    assert (third.status, third.answer.splitlines()[0]) == (0, "Imported 0, already there 2, rejected 0.")
    assert "2 users (100%), 0 imported, 2 already there" in third.complaint
    assert not (tmp_path / "users.rejected.csv").exists()


@pytest.mark.storage
def test_the_command_reads_standard_input(
    command: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "piped"
    file.write_text(json.dumps({"email": "a@example.com", "password_hash": STRONG}), "utf-8")

    with file.open(encoding="utf-8") as piped:
        monkeypatch.setattr("sys.stdin", piped)
        ran = command("-")

    assert (ran.status, ran.answer.splitlines()[0]) == (0, "Imported 1, already there 0, rejected 0.")


@pytest.mark.storage
def test_the_command_says_in_a_sentence_why_it_cannot_begin(command: Callable[..., Ran], tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("name,age\n", "utf-8")

    no_file, no_table, no_header = command(tmp_path / "none.csv"), command(file, table="nothing-here"), command(file)

    assert (no_file.status, no_table.status, no_header.status) == (2, 2, 2)
    assert "none.csv: No such file or directory." in no_file.complaint
    assert "The table nothing-here cannot be read" in no_table.complaint
    assert "The first line does not name the column email" in no_header.complaint


def test_options_that_make_no_sense_are_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--file", "users.csv", "--table", "Users", "--cost", "31"])

    assert ended.value.code == 2
    assert "--cost" in capsys.readouterr().err
