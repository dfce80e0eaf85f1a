"""The commands in docs/legacy-users.md import the small exports of tests/vectors/exports."""

import json
import re
import shlex
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pytest
from gerbang.passwords import legacy
from gerbang.passwords.bcrypt_sha256 import Verdict
from gerbang.storage.accounts import User
from gerbang.storage.dynamodb import to_wire
from gerbang_import.__main__ import main
from gerbang_import.arguments import arguments, around_of
from gerbang_import.importing import Count
from gerbang_import.records import Lines
from gerbang_import.systems import SYSTEMS

from tests.deployment import ALICE, Deployment
from tests.fakes import MemoryStore
from tests.tools.imports import STRONG, Import, Imported, import_into, rejections_in
from tests.tools.recipes import CREATED, RECIPES

ROOT: Final = Path(__file__).parents[2]
EXPORTS: Final = ROOT / "tests" / "vectors" / "exports"
DOCUMENT: Final = (ROOT / "docs" / "legacy-users.md").read_text("utf-8")


def argv_of(command: str, folder: Path) -> list[str]:
    """Return the arguments that `make` passes to the tool, for files in a folder."""
    variables = dict(word.split("=", 1) for word in shlex.split(command))
    flags = {"FILE": "--file", "FROM": "--from", "ALSO": "--also", "HASH_CONFIG": "--hash-config", "DOMAIN": "--domain"}
    argv = []
    for name, value in variables.items():
        if name == "VERIFIED":
            argv += ["--verified"]
        elif name in flags:
            path = str(folder / value) if name in {"FILE", "ALSO", "HASH_CONFIG"} else value
            argv += [flags[name], path]
    return argv


def folder_of(command: str) -> Path:
    return EXPORTS / dict(word.split("=", 1) for word in shlex.split(command))["FROM"]


def imported(argv: list[str], folder: Path) -> tuple[Import, Imported]:
    """Run an import like the command, into memory."""
    options = arguments().parse_args(argv)
    system = SYSTEMS[options.system]
    run = import_into(MemoryStore(), folder, system=system)
    run = run.with_drafter(
        around=around_of(options, system, run.importer.drafter.now()), vouches_for_addresses=options.verified
    )
    count = Count()
    with Path(options.file).open("rb") as stream, run.notes() as notes:
        run.importer.run(Lines(stream), count, notes, on_progress=lambda: None)
    return run, Imported(count, [])


@pytest.mark.parametrize("name", RECIPES)
def test_an_export_is_imported(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]

    run, outcome = imported(argv_of(recipe.command, folder_of(recipe.command)), tmp_path)

    assert {email: as_expected(run.find(email), wanted, run) for email, wanted in recipe.users.items()} == recipe.users
    assert outcome.count.imported == len(recipe.users)
    assert (outcome.count.rejected, outcome.count.skipped.total()) == (recipe.rejected, recipe.skipped)
    assert frozenset(outcome.count.dropped) == recipe.dropped


def as_expected(user: User, wanted: Mapping[str, Any], run: Import) -> dict[str, Any]:
    """Return the account's values of the expected fields. Times have no fractions of seconds."""
    now = run.importer.drafter.now()
    found: dict[str, Any] = {}
    for name, value in wanted.items():
        match name:
            case "verified":
                found[name] = user.email_verified_at is not None
            case "disabled":
                found[name] = user.is_disabled(now)
            case "password":
                found[name] = value if verifies(user, value) else f"not {value}"
            case _:
                one = getattr(user, name)
                found[name] = one.replace(microsecond=0) if isinstance(one, datetime) else one
    return found


def verifies(user: User, password: str | None) -> bool:
    if password is None or user.password_hash is None:
        return password == user.password_hash
    return legacy.check(user.password_hash, password).verdict is Verdict.RIGHT


# --- the document


def test_every_system_has_a_recipe_in_the_document_and_a_test() -> None:
    tested = {re.split(r"[, ]", name)[0] for name in RECIPES}

    assert tested | {"gerbang"} == SYSTEMS.keys()
    for name in SYSTEMS:
        assert f"FROM={name} " in DOCUMENT, name


def commands_in_the_document() -> list[str]:
    found = re.findall(r"^\$ make import-legacy (FROM=.*)$", DOCUMENT, re.MULTILINE)
    return [re.sub(r" (STACK|REGION|LOCAL|CHECK|TRY)=\S+", "", command) for command in found]


def test_every_command_of_the_document_is_tested() -> None:
    tested = {recipe.command for recipe in RECIPES.values()}
    printed = [command for command in commands_in_the_document() if "FROM=gerbang " not in command]

    assert len(printed) >= len(SYSTEMS) - 1
    assert [command for command in printed if command not in tested] == []


@pytest.mark.parametrize("name", ["supabase", "keycloak", "shadow"])
def test_a_recipe_passes_the_check_of_the_command(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = RECIPES[name]

    status = main([*argv_of(recipe.command, folder_of(recipe.command)), "--check", "--rejected", str(tmp_path / "r")])

    assert status == 0
    assert f"{len(recipe.users)} would be imported, 0 rejected." in capsys.readouterr().out


# --- Gerbang itself


def test_an_export_of_gerbang_is_imported(deployment_in_memory: Deployment, tmp_path: Path) -> None:
    """The files are in the format of `aws dynamodb scan`."""
    alice = deployment_in_memory.register(ALICE)
    store = deployment_in_memory.store
    assert isinstance(store, MemoryStore)
    for name in ("Users", "Organizations"):
        items = [to_wire(item) for item in store.items(deployment_in_memory.tables[name])]
        (tmp_path / f"{name}.json").write_text(json.dumps({"Items": items, "Count": len(items)}, indent=2), "utf-8")
    inherited = replaced_hash(tmp_path / "Users.json")

    run, outcome = imported(
        ["--from", "gerbang", "--file", str(inherited), "--also", str(tmp_path / "Organizations.json")], tmp_path
    )

    user = run.find("alice@example.com")
    assert outcome.count.imported == 1
    assert (user.user_id, user.number, user.username) == (alice.user_id, alice.number, alice.username)
    assert (user.created_at, user.credit_balance, user.role_id) == (alice.created_at, alice.credit_balance, 3)
    membership = run.organizations.find_membership(user.organization_id or "", user.user_id)
    assert membership is not None
    assert membership.role == "CLIENT_OWNER"
    organization = run.organizations.find(alice.organization_id or "")
    assert organization is not None
    assert organization == deployment_in_memory.organizations.table.find(alice.organization_id or "")


def replaced_hash(path: Path) -> Path:
    """Replace Gerbang's hash in the export with one of another system."""
    text = re.sub(r'"\$bcrypt-sha256\$[^"]*"', json.dumps(STRONG), path.read_text("utf-8"))
    path.write_text(text, "utf-8")
    return path


# --- joined files and parameters that are missing or wrong


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--from", "firebase", "--file", "firebase/users.json"], "Password hash parameters, copy them into a file"),
        (["--from", "firebase", "--file", "firebase/users.json", "--hash-config", "shadow/shadow"], "parameters"),
        (["--from", "shadow", "--file", "shadow/shadow"], "Set DOMAIN="),
        (["--from", "supabase", "--file", "supabase/users.csv", "--also", "wordpress/users.tsv"], "no records that"),
        (["--from", "supabase", "--file", "wordpress/users.tsv"], "does not name the column email and encrypted_"),
        (["--from", "keycloak", "--file", "kratos/none.json"], "none.json: No such file or directory."),
        (["--from", "auth0", "--file", "auth0/users.json", "--also", "none.json"], "none.json: No such file"),
    ],
    ids=["no parameters", "wrong parameters", "no domain", "wrong other file", "wrong file", "no file", "no other"],
)
def test_missing_files_and_parameters_are_reported_in_a_sentence(
    argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(EXPORTS)

    status = main([*argv, "--check", "--rejected", str(tmp_path / "rejected")])

    assert status == 2
    assert sentence in capsys.readouterr().err


def test_a_corrected_row_of_an_export_can_be_imported(tmp_path: Path) -> None:
    argv = argv_of(RECIPES["firebase csv"].command, EXPORTS / "firebase")
    run, _ = imported(argv, tmp_path)
    [(line, reason)] = rejections_in(run.rejected)
    corrected = tmp_path / "corrected.csv"
    corrected.write_text(run.rejected.read_text("utf-8").replace("Kx9aPhone,,", "Kx9aPhone,p@example.com,"), "utf-8")

    argv[argv.index("--file") + 1] = str(corrected)
    again, outcome = imported(argv, tmp_path)

    assert (line, reason) == ("3", "email: is missing")
    assert outcome.count.imported == 1
    assert again.find("p@example.com").created_at == CREATED
