"""The description of a system: the form of its export, where the data of a user is, how hashes are written."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from gerbang_import.fields import Fields

type Row = dict[str, object]
"""A user in the columns of the generic form, as the system wrote the values."""

COLUMNS: Final = frozenset(
    {"email", "password_hash", "password_salt", "name", "username", "id", "number", "created_at", "last_sign_in_at"}
    | {"email_verified", "disabled", "enabled", "banned_until", "role_id", "credit_balance", "locale"}
    | {"user_metadata", "app_metadata", "identities", "google_id"}
    | {"organization_id", "organization_name", "organization_role"}
)
"""The columns of the generic form, and those that only presets fill."""


class FileForm(Enum):
    """The forms of files."""

    DETECTED = "detected"
    """CSV or JSON, as the file's beginning shows."""
    LDIF = "ldif"
    SHADOW = "shadow"


class NotAUser(Exception):
    """A record is not a user to import; the text says what it is."""


class InvalidHash(ValueError):
    """A hash cannot be read; the text says why, without quoting it."""


class InvalidConfig(ValueError):
    """An option, or a file that it names, is missing or wrong; the text is a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a preset reads in addition to the record."""

    now: datetime
    hash_config: Mapping[str, str] = field(default_factory=dict[str, str])
    """The parameters of the project's hashes."""
    domain: str = ""
    """For addresses, where the system has user names only."""
    others: Mapping[str, list[Fields]] = field(default_factory=dict[str, list[Fields]])
    """The records of other files of the same export, by the id of the user that they belong to."""

    def of(self, *keys: str) -> tuple[Fields, ...]:
        """Return the other records that belong to a user."""
        return tuple(record for key in keys for record in self.others.get(key, ()))


type Paths = str | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A system that users come from."""

    title: str
    columns: Mapping[str, Paths]
    """Each column of the generic form, with the paths in a record where its value may be."""
    more: Callable[[Fields, Context], Mapping[str, object]] = lambda _record, _context: {}
    """Returns the columns that must be computed. May raise `NotAUser` or `InvalidHash`."""
    leaves_out: str
    """What is not imported, in a few words."""
    form: FileForm = FileForm.DETECTED
    collection: str = "users"
    """The member of a JSON document that holds the users."""
    positions: tuple[str, ...] = ()
    """Names for the columns of a CSV file without a header."""
    needed: tuple[str, ...] = ()
    """Columns that a CSV file must have; alternatives are separated by a bar."""
    rejects_unknown_hash_columns: bool = False
    """Whether a CSV file is rejected if a column looks like hashes and none is named `password_hash`."""
    has_hashes: bool = True
    owner: Callable[[Fields], str] = lambda _: ""
    """Returns the id of the user that a record of another file of the export belongs to."""

    def row(self, record: Fields, context: Context) -> Row:
        """Return a record in the columns of the generic form.

        Raises:
            NotAUser: it is not a user to import.
            InvalidHash: its hash is in a form that cannot be read.
        """
        found = {column: record.get(*_listed(paths)) for column, paths in self.columns.items()}
        row = {column: value for column, value in found.items() if value is not None}
        row |= {column: value for column, value in self.more(record, context).items() if value not in (None, "")}
        return row


def _listed(paths: Paths) -> Iterable[str]:
    return (paths,) if isinstance(paths, str) else paths
