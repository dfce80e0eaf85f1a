"""The recipes of docs/legacy-users.md, as printed, on the small exports of tests/vectors/exports."""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from gerbang.passwords import legacy
from gerbang.passwords.bcrypt_sha256 import Verdict
from gerbang.storage.accounts import User
from gerbang.storage.dynamodb import to_wire
from gerbang_import.__main__ import main
from gerbang_import.arguments import arguments, context_of
from gerbang_import.importing import Count
from gerbang_import.records import Lines
from gerbang_import.systems import SYSTEMS

from tests.deployment import ALICE, Deployment
from tests.fakes import MemoryStore
from tests.tools.imports import BCRYPT_PASSWORD, STRONG, Import, Imported, import_into, rejections_in

ROOT: Final = Path(__file__).parents[2]
EXPORTS: Final = ROOT / "tests" / "vectors" / "exports"
DOCUMENT: Final = (ROOT / "docs" / "legacy-users.md").read_text("utf-8")
CREATED: Final = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
SIGNED_IN: Final = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
GOOGLE: Final = {"google": "108123456789012345678"}
FIRST: Final = "a0000000-0000-4000-8000-000000000001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A command, and what it should do."""

    command: str
    """As printed, from the export on."""
    users: Mapping[str, Mapping[str, Any]]
    """What is expected of each account, by its address; without `password`, it has none."""
    rejected: int = 0
    skipped: int = 0
    dropped: frozenset[str] = field(default_factory=frozenset)
    """Columns of which a value is left out."""


def person(**more: Any) -> dict[str, Any]:
    return {"verified": False, "disabled": False, "password": None, "subjects": {}, **more}


def mira(**more: Any) -> dict[str, Any]:
    return person(**{"verified": True, "password": BCRYPT_PASSWORD, **more})


def googler(**more: Any) -> dict[str, Any]:
    return person(**{"verified": True, "subjects": GOOGLE, **more})


RECIPES: Final = {
    "firebase": Recipe(
        command="FROM=firebase FILE=users.json HASH_CONFIG=hash_config.txt",
        users={
            "mira@example.com": mira(
                name='Mira, "the" first',
                created_at=CREATED,
                last_sign_in_at=SIGNED_IN,
                app_metadata={"plan": "gold", "previous_id": "Kx9aMira"},
            ),
            "google@example.com": googler(disabled=True, name="Gül", subjects={**GOOGLE, "apple": "001234.abc"}),
        },
        rejected=1,
        skipped=1,
    ),
    "firebase csv": Recipe(
        command="FROM=firebase FILE=users.csv HASH_CONFIG=hash_config.txt",
        users={
            "mira@example.com": mira(
                name='Mira, "the" first',
                created_at=CREATED,
                last_sign_in_at=SIGNED_IN,
                app_metadata={"plan": "gold", "previous_id": "Kx9aMira"},
            ),
            "google@example.com": googler(disabled=True, name="Gül", subjects={**GOOGLE, "apple": "001234.abc"}),
        },
        rejected=1,
        skipped=1,
    ),
    "auth0": Recipe(
        command="FROM=auth0 FILE=users.json ALSO=passwords.json",
        users={
            "mira@example.com": mira(
                name="Mira Lind",
                created_at=CREATED,
                last_sign_in_at=SIGNED_IN,
                user_metadata={"theme": "dark"},
                app_metadata={"plan": "gold", "previous_id": "auth0|60425dc43519d90068f82973"},
            ),
            "google@example.com": googler(disabled=True),
        },
    ),
    "auth0, hashes alone": Recipe(
        command="FROM=auth0 FILE=passwords.json", users={"mira@example.com": mira(name="mira")}
    ),
    "auth0, import file": Recipe(
        command="FROM=auth0 FILE=bulk.json",
        users={
            "mira@example.com": mira(number=17),
            **{f"{name}@example.com": mira(verified=False) for name in ("hmac", "scrypt", "pbkdf2")},
        },
    ),
    "supabase": Recipe(
        command="FROM=supabase FILE=users.csv ALSO=identities.csv",
        users={
            "mira@example.com": mira(
                user_id=FIRST,
                name="Mira",
                email_verified_at=datetime(2020, 1, 2, 3, 5, tzinfo=UTC),
                created_at=CREATED,
                last_sign_in_at=SIGNED_IN,
                app_metadata={"provider": "email", "providers": ["email"]},
                user_metadata={"sub": FIRST, "name": "Mira", "favourite": 'say "hi", twice'},
            ),
            "google@example.com": googler(name="Gül"),
            "banned@example.com": mira(
                verified=False, disabled=True, banned_until=datetime(2123, 1, 2, 3, 5, tzinfo=UTC)
            ),
        },
        skipped=2,
    ),
    "cognito": Recipe(
        command="FROM=cognito FILE=users.json",
        users={
            "mira@example.com": person(
                verified=True,
                user_id=FIRST,
                username="mira",
                name="Mira",
                locale="en",
                created_at=CREATED,
                user_metadata={"plan": "gold"},
            ),
            "google@example.com": googler(disabled=True, name="Gül Ay", created_at=CREATED),
        },
    ),
    "cognito csv": Recipe(
        command="FROM=cognito FILE=users.csv",
        users={"mira@example.com": person(verified=True, username="mira", name="Mira", locale="en")},
    ),
    "keycloak": Recipe(
        command="FROM=keycloak FILE=shop-realm.json",
        users={
            "mira@example.com": mira(
                user_id=FIRST,
                username="mira",
                name="Mira Lind",
                locale="id",
                created_at=CREATED,
                user_metadata={"locale": ["id"], "plan": ["gold"]},
            ),
            "google@example.com": googler(disabled=True, username=None),
            "sha512@example.com": mira(verified=False),
            "argon2@example.com": mira(verified=False),
        },
        skipped=1,
    ),
    "clerk": Recipe(
        command="FROM=clerk FILE=users.csv ALSO=users.json",
        users={
            "mira@example.com": mira(
                username="mira",
                name="Mira Lind",
                created_at=CREATED,
                last_sign_in_at=SIGNED_IN,
                user_metadata={"plan": "gold"},
                app_metadata={"crm": 7, "previous_id": "user_2abcMira"},
            ),
            "google@example.com": googler(disabled=True, name="Gül"),
        },
    ),
    "clerk, API alone": Recipe(
        command="FROM=clerk FILE=users.json",
        users={"mira@example.com": mira(password=None, username="mira"), "google@example.com": googler(disabled=True)},
    ),
    "wordpress": Recipe(
        command="FROM=wordpress FILE=users.tsv",
        users={
            "mira@example.com": mira(verified=False, number=1, username="mira", name="Mira Lind", created_at=CREATED),
            "old@example.com": mira(verified=False, number=2, username=None, name="Old User"),
            "reset@example.com": mira(verified=False, number=3, username="reset"),
        },
        dropped=frozenset({"username"}),
    ),
    "wordpress csv": Recipe(
        command="FROM=wordpress FILE=wp_users.csv",
        users={
            "mira@example.com": mira(verified=False, name="Mira Lind", created_at=CREATED),
            "old@example.com": mira(verified=False),
            "reset@example.com": mira(verified=False),
        },
        dropped=frozenset({"username"}),
    ),
    "django": Recipe(
        command="FROM=django FILE=users.json ALSO=addresses.json",
        users={
            "mira@example.com": mira(
                number=1, username="mira", name="Mira Lind", created_at=CREATED, last_sign_in_at=SIGNED_IN
            ),
            "jo@example.com": person(disabled=True, username=None),
        },
        skipped=1,
    ),
    "django csv": Recipe(
        command="FROM=django FILE=auth_user.csv VERIFIED=1",
        users={
            "mira@example.com": mira(number=1, created_at=CREATED, last_sign_in_at=SIGNED_IN),
            "jo@example.com": person(verified=True, disabled=True),
        },
    ),
    "laravel": Recipe(
        command="FROM=laravel FILE=users.csv",
        users={
            "mira@example.com": mira(
                number=1,
                name="Mira Lind",
                created_at=CREATED,
                email_verified_at=datetime(2020, 1, 2, 3, 5, tzinfo=UTC),
            ),
            "jo@example.com": mira(verified=False),
        },
        skipped=1,
    ),
    "aspnet": Recipe(
        command="FROM=aspnet FILE=AspNetUsers.csv ALSO=AspNetUserLogins.csv",
        users={
            "mira@example.com": mira(user_id=FIRST, username=None),
            "locked@example.com": mira(verified=False, disabled=True, username="locked", banned_until=None),
            "google@example.com": googler(banned_until=None),
        },
    ),
    "better-auth": Recipe(
        command="FROM=better-auth FILE=user.json ALSO=account.json",
        users={"mira@example.com": mira(verified=False, name="Mira"), "google@example.com": googler(name="Gül")},
    ),
    "lucia": Recipe(
        command="FROM=lucia FILE=auth_user.csv ALSO=user_key.csv",
        users={"mira@example.com": mira(name="Mira"), "google@example.com": googler(name="Gül")},
    ),
    "lucia 3": Recipe(command="FROM=lucia FILE=user.csv", users={"mira@example.com": mira(verified=False)}),
    "kratos": Recipe(
        command="FROM=kratos FILE=identities.json",
        users={
            "mira@example.com": mira(
                user_id=FIRST,
                name="Mira Lind",
                created_at=CREATED,
                user_metadata={"theme": "dark"},
                app_metadata={"plan": "gold"},
            ),
            "google@example.com": googler(disabled=True),
            "pbkdf2@example.com": mira(verified=False),
        },
    ),
    "supertokens": Recipe(
        command="FROM=supertokens FILE=emailpassword_users.csv ALSO=emailverification_verified_emails.csv",
        users={
            "mira@example.com": mira(user_id=FIRST, created_at=CREATED),
            "jo@example.com": mira(verified=False),
        },
    ),
    "supertokens, third parties": Recipe(
        command="FROM=supertokens FILE=thirdparty_users.csv ALSO=emailverification_verified_emails.csv",
        users={"google@example.com": googler(created_at=CREATED)},
    ),
    "fusionauth": Recipe(
        command="FROM=fusionauth FILE=users.csv ALSO=identities.csv",
        users={
            "mira@example.com": mira(
                user_id=FIRST,
                username="mira",
                name="Mira Lind",
                created_at=CREATED,
                user_metadata={"plan": "gold"},
            )
        },
    ),
    "fusionauth json": Recipe(
        command="FROM=fusionauth FILE=users.json",
        users={
            "mira@example.com": mira(username="mira", locale="en", user_metadata={"plan": "gold"}),
            "bcrypt@example.com": mira(verified=False, disabled=True),
        },
    ),
    "ldap": Recipe(
        command="FROM=ldap FILE=people.ldif",
        users={
            "mira@example.com": mira(
                verified=False,
                user_id=FIRST,
                username="mira",
                name="Mira Lind",
                locale="en-GB",
                created_at=CREATED,
            ),
            "guel@example.com": mira(verified=False, disabled=True, username=None, name="Ay"),
        },
        skipped=1,
        dropped=frozenset({"username"}),
    ),
    "shadow": Recipe(
        command="FROM=shadow FILE=shadow DOMAIN=example.com",
        users={
            "mira@example.com": mira(verified=False, username="mira"),
            "locked@example.com": mira(verified=False, disabled=True),
            "expired@example.com": mira(verified=False, disabled=True),
        },
        skipped=3,
    ),
}


def argv_of(command: str, folder: Path) -> list[str]:
    """The arguments that make gives to the tool, for files in a folder."""
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
    """Run an import as the command does, into memory."""
    options = arguments().parse_args(argv)
    system = SYSTEMS[options.system]
    run = import_into(MemoryStore(), folder, system=system)
    run = run.with_drafter(
        context=context_of(options, system, run.importer.drafter.now()), addresses_are_verified=options.verified
    )
    count = Count()
    with Path(options.file).open("rb") as stream, run.notes() as notes:
        run.importer.run(Lines(stream), count, notes, on_progress=lambda: None)
    return run, Imported(count, [])


@pytest.mark.parametrize("name", RECIPES)
def test_an_export_comes_over(name: str, tmp_path: Path) -> None:
    recipe = RECIPES[name]

    run, outcome = imported(argv_of(recipe.command, folder_of(recipe.command)), tmp_path)

    assert {email: as_expected(run.find(email), wanted, run) for email, wanted in recipe.users.items()} == recipe.users
    assert outcome.count.imported == len(recipe.users)
    assert (outcome.count.rejected, outcome.count.skipped.total()) == (recipe.rejected, recipe.skipped)
    assert frozenset(outcome.count.dropped) == recipe.dropped


def as_expected(user: User, wanted: Mapping[str, Any], run: Import) -> dict[str, Any]:
    """What the account has of what is wanted; times to the second."""
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


def test_the_document_has_the_commands_that_are_tested() -> None:
    tested = {recipe.command for recipe in RECIPES.values()}
    printed = [command for command in commands_in_the_document() if "FROM=gerbang " not in command]

    assert len(printed) >= len(SYSTEMS) - 1
    assert [command for command in printed if command not in tested] == []


@pytest.mark.parametrize("name", ["supabase", "keycloak", "shadow"])
def test_a_recipe_is_checked_by_the_command(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = RECIPES[name]

    status = main([*argv_of(recipe.command, folder_of(recipe.command)), "--check", "--rejected", str(tmp_path / "r")])

    assert status == 0
    assert f"{len(recipe.users)} would be imported, 0 rejected." in capsys.readouterr().out


# --- Gerbang itself


def test_an_export_of_gerbang_comes_over(deployment_in_memory: Deployment, tmp_path: Path) -> None:
    """As `aws dynamodb scan` writes its tables."""
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
    """The export with a hash of another system in the place of Gerbang's."""
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
def test_what_is_missing_is_said_in_a_sentence(
    argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(EXPORTS)

    status = main([*argv, "--check", "--rejected", str(tmp_path / "rejected")])

    assert status == 2
    assert sentence in capsys.readouterr().err


def test_a_rejected_row_of_a_preset_can_be_imported_once_it_is_mended(tmp_path: Path) -> None:
    argv = argv_of(RECIPES["firebase csv"].command, EXPORTS / "firebase")
    run, _ = imported(argv, tmp_path)
    [(line, reason)] = rejections_in(run.rejected)
    mended = tmp_path / "mended.csv"
    mended.write_text(run.rejected.read_text("utf-8").replace("Kx9aPhone,,", "Kx9aPhone,p@example.com,"), "utf-8")

    argv[argv.index("--file") + 1] = str(mended)
    again, outcome = imported(argv, tmp_path)

    assert (line, reason) == ("3", "email: is missing")
    assert outcome.count.imported == 1
    assert again.find("p@example.com").created_at == CREATED
