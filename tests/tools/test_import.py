"""`gerbang_import`: users that are imported, and existing accounts."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from gerbang.passwords import legacy as legacy_passwords
from gerbang.passwords.bcrypt_sha256 import Verdict, is_current_format
from gerbang.storage.accounts import Name, User
from gerbang_import.importing import BATCH

from tests.deployment import ALICE, HOME, Deployment, by_email
from tests.fakes import FakeClock
from tests.tools.imports import (
    BCRYPT,
    BCRYPT_PASSWORD,
    STRONG,
    Import,
    import_into,
    table_of,
)

KNOWN_ANSWERS: Final = Path(__file__).parents[1] / "vectors" / "legacy_passwords" / "known_answers.jsonl"
MD5: Final = "md5:5f4dcc3b5aa765d61d8327deb882cf99"  # of "password"


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
