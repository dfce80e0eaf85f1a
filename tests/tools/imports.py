"""Helpers that run imports."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from copy import replace
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gerbang.core.clock import Clock
from gerbang.passwords.bcrypt_sha256 import CHEAPEST_COST
from gerbang.storage.accounts import Name, User
from gerbang.storage.organizations import OrganizationTable
from gerbang.storage.store import Store
from gerbang.storage.users import UserTable
from gerbang_import.drafting import Drafter
from gerbang_import.importing import Count, Importer
from gerbang_import.records import LINE, REASON, Lines
from gerbang_import.rejections import Notes
from gerbang_import.replacing import Replacer
from gerbang_import.systems import GENERIC
from gerbang_import.systems.system import Around, System
from gerbang_import.writing import Writer

from tests.deployment import TABLES
from tests.fakes import FakeClock, MemoryStore, Numbers, SequenceIds

BCRYPT_PASSWORD: Final = "hunter2 Hunter2"
BCRYPT: Final = "$2y$05$kQxgmibTjzThHxMuva0nRu7V3RflyrjnGGvZ0ZIx5.MoZ9QibfiTu"
"""Of `BCRYPT_PASSWORD`, by PHP 8.2."""

STRONG: Final = "$2y$10$WumynTbplu5PgdDINKxVwuF53OgqmhX9yPiOF/xMz35Z1dyFK/0xy"  # of BCRYPT_PASSWORD, by PHP 8.2


@dataclass(frozen=True, slots=True)
class Imported:
    """The result of an import."""

    count: Count
    rejections: list[tuple[str, str]]
    """Line and reason of every rejected row."""
    dropped: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """Line, column and reason of every value that was dropped."""


@dataclass(frozen=True, slots=True)
class Import:
    """Runs imports into one table."""

    importer: Importer
    users: UserTable
    organizations: OrganizationTable
    folder: Path

    @property
    def rejected(self) -> Path:
        return self.folder / "rejected"

    def notes(self) -> Notes:
        return Notes(self.rejected, self.folder / "dropped.csv")

    def __call__(self, text: str | bytes) -> Imported:
        count = Count()
        with self.notes() as notes:
            self.importer.run(lines_of(text), count, notes, on_progress=lambda: None)
        return Imported(count, rejections_in(self.rejected), self._dropped())

    def _dropped(self) -> list[tuple[str, str, str]]:
        path = self.folder / "dropped.csv"
        if not path.exists():
            return []
        header, *rows = csv.reader(io.StringIO(path.read_text("utf-8")))
        assert header == ["line", "column", "reason"]
        return [(line, column, reason) for line, column, reason in rows]

    def drawing(self, *numbers: int) -> "Import":
        """Return the same import, with random numbers that begin with these."""
        new_number = Numbers(*numbers)
        return self.with_drafter(new_number=new_number).with_writer(new_number=new_number)

    def with_drafter(self, **changes: Any) -> "Import":
        return replace(self, importer=replace(self.importer, drafter=replace(self.importer.drafter, **changes)))

    def with_writer(self, **changes: Any) -> "Import":
        assert isinstance(self.importer.writer, Writer)
        return replace(self, importer=replace(self.importer, writer=replace(self.importer.writer, **changes)))

    def replacing(self) -> "Import":
        """Return the same import, which replaces accounts that were not used."""
        drafter = self.importer.drafter
        replacer = Replacer(
            store=self.users.store,
            users=self.users,
            organizations=self.organizations,
            new_number=drafter.new_number,
            now=drafter.now,
        )
        return self.with_writer(replacer=replacer)

    def find(self, email: str) -> User:
        user_id = self.users.find_id(Name.EMAIL, email)
        user = None if user_id is None else self.users.find(user_id)
        assert user is not None
        return user


def rejections_in(path: Path) -> list[tuple[str, str]]:
    """Return line and reason of every row in a file of rejections, CSV or JSON Lines."""
    if not path.exists():
        return []
    text = path.read_text("utf-8", "surrogateescape")
    if text.startswith("{"):
        rows: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]
        return [(str(row[LINE]), row[REASON]) for row in rows]
    delimiter = next(mark for mark in ",;\t|" if text.startswith(f"{LINE}{mark}{REASON}{mark}"))
    parsed = csv.reader(io.StringIO(text), delimiter=delimiter)
    next(parsed)
    return [(row[0], row[1]) for row in parsed if len(row) > 1]


def import_into(
    store: Store,
    folder: Path,
    *,
    tables: Mapping[str, str] = TABLES,
    series: int = 1001,
    now: Clock = FakeClock(),  # noqa: B008 - no test changes it
    pause: Callable[[float], None] = lambda _: None,
    system: System = GENERIC,
    **around: Any,
) -> Import:
    new_number, users = Numbers(), UserTable(store, tables["Users"])
    organizations = OrganizationTable(store, tables["Organizations"])
    drafter = Drafter(
        system=system,
        around=Around(now=now(), **around),
        now=now,
        new_id=SequenceIds(series),
        new_number=new_number,
    )
    writer = Writer(
        store=store,
        users=users,
        organizations=organizations,
        cost=CHEAPEST_COST,
        new_number=new_number,
        pause=pause,
    )
    importer = Importer(system=system, drafter=drafter, writer=writer, workers=2)
    return Import(importer, users, organizations, folder)


def in_memory(folder: Path, **more: Any) -> Import:
    """Return an import into new tables in memory."""
    return import_into(MemoryStore(), folder, **more)


def lines_of(text: str | bytes) -> Lines:
    return Lines(io.BytesIO(text if isinstance(text, bytes) else text.encode()))


def table_of(*rows: Sequence[str], header: Sequence[str] = ("email", "password_hash")) -> str:
    text = io.StringIO()
    csv.writer(text).writerows((header, *rows))
    return text.getvalue()
