"""Make an account of a record, or say why that is not possible.

A user needs a valid address, and a password hash that can be read or none. Any other value that cannot be read is left
out and listed, and the user is imported without it.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from gerbang.accounts.administration import ROLES
from gerbang.apis.fields import LONGEST_NAME, is_username
from gerbang.core.clock import Clock
from gerbang.core.emails import InvalidEmail, canonical
from gerbang.core.identifiers import LARGEST_NUMBER, USER, read_public_id
from gerbang.passwords import legacy as legacy_passwords
from gerbang.passwords.legacy import LegacyHashError
from gerbang.storage.accounts import Identity, User
from gerbang.storage.metadata import LARGEST_APP_METADATA, LARGEST_USER_METADATA, size_of
from gerbang.storage.organizations import Membership, Organization

from gerbang_import.belonging import identities_of, organization_of
from gerbang_import.columns import Columns, Dropped
from gerbang_import.fields import Fields
from gerbang_import.records import Record, Rejection
from gerbang_import.systems.system import Context, InvalidHash, NotAUser, Row, System
from gerbang_import.values import (
    FAR_FUTURE,
    InvalidValue,
    boolean,
    display_name,
    instant,
    json_object,
    locale,
    since,
    whole_number,
)

NO_PASSWORD: Final = "no password"  # noqa: S105 - a word
"""The format of accounts without a hash."""

_CREDIT: Final = range(2**53)
"""What every JSON reader reads exactly (RFC 8259, section 6)."""

_USER: Final = 3
"""The key of `ROLES` for records without a role."""

_LONGEST_ID: Final = 128
"""Characters of another system's id that are kept."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that is not a user to import."""

    line: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An account that may be written."""

    record: Record
    user: User
    """Complete, except that its hash may have to be wrapped."""
    format: str
    """Of its hash."""
    identities: tuple[Identity, ...] = ()
    organization: Organization | None = None
    membership: Membership | None = None
    dropped: tuple[Dropped, ...] = ()
    generated: frozenset[str] = frozenset()
    """Which of `id` and `number` the record does not have."""

    @property
    def line(self) -> int:
        """Where its record begins."""
        return self.record.line

    @property
    def email(self) -> str:
        """Its address in the form that is compared."""
        return self.user.email or ""

    def finished(self, cost: int) -> User:
        """Return the account as it is to be stored: a weak hash is wrapped, which takes one bcrypt hash of *cost*."""
        if self.user.password_hash is None:
            return self.user
        return replace(self.user, password_hash=legacy_passwords.to_store(self.user.password_hash, cost=cost))

    def without(self, column: str, reason: str, user: User) -> "Draft":
        """Return the draft with an account that lacks the value of a column."""
        dropped = (*self.dropped, Dropped(self.line, column, reason))
        return replace(self, user=user, dropped=dropped)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafter:
    """Makes accounts of records."""

    system: System
    context: Context
    now: Clock
    new_id: Callable[[], str]
    new_number: Callable[[], int]
    to_notation: Callable[[str, str | None], str] = lambda text, _salt: text
    """Returns a hash, and its salt if that has its own column, in a notation of `gerbang.passwords.legacy`. This is the
    only place where options change how hashes are read."""
    addresses_are_verified: bool = False
    """Whether the old system has verified every address, as the operator says."""

    def draft(self, record: Record) -> Draft | Rejection | Skipped:
        """Return the account that a record describes, or why there is none."""
        try:
            row = self.system.row(Fields(record.fields), self.context)
            email, typed = _email(row)
            password_hash, name = self._hash(row)
        except NotAUser as error:
            return Skipped(record.line, str(error))
        except (InvalidHash, LegacyHashError) as error:
            return Rejection(record.line, f"password_hash: {error}", record)
        except InvalidValue as error:
            return Rejection(record.line, str(error), record)
        columns = Columns(row, record.line)
        user, generated = self._user(columns, email, typed, password_hash)
        identities = identities_of(columns, user)
        organization, membership = organization_of(columns, user)
        user = replace(
            user,
            subjects={identity.provider: identity.subject for identity in identities},
            organization_id=None if organization is None else organization.organization_id,
        )
        return Draft(
            record=record,
            user=user,
            format=name,
            identities=identities,
            organization=organization,
            membership=membership,
            dropped=tuple(columns.dropped),
            generated=generated,
        )

    def _hash(self, row: Row) -> tuple[str | None, str]:
        value = row.get("password_hash")
        if value is None:
            return None, NO_PASSWORD
        if not isinstance(value, str):
            raise InvalidValue("password_hash: is not text")
        salt = row.get("password_salt")
        text = self.to_notation(value.strip(), None if salt is None else str(salt))
        return text, legacy_passwords.parse(text).format

    def _user(self, columns: Columns, email: str, typed: str, password_hash: str | None) -> tuple[User, frozenset[str]]:
        now = self.now()
        created_at = min(columns.read("created_at", instant) or now, now)
        user_id, number, app_metadata = _ids(columns)
        disabled_at, banned_until = _disabling(columns, now)
        generated = {name for name, given in (("id", user_id), ("number", number)) if given is None}
        user = User(
            user_id=user_id or self.new_id(),
            number=number or self.new_number(),
            name=columns.read("name", display_name) or email.partition("@")[0][:LONGEST_NAME],
            email=email,
            email_as_typed=typed,
            email_verified_at=self._verified_at(columns, created_at),
            username=columns.read("username", lambda value: _username(value, typed)),
            password_hash=password_hash,
            locale=columns.read("locale", locale),
            created_at=created_at,
            updated_at=now,
            imported_at=now,
            last_sign_in_at=_earlier(columns.read("last_sign_in_at", instant), now),
            credit_balance=columns.read("credit_balance", lambda value: whole_number(value, _CREDIT)) or 0,
            role_id=columns.read("role_id", _role) or _USER,
            user_metadata=columns.read("user_metadata", lambda value: _metadata(value, LARGEST_USER_METADATA)) or {},
            app_metadata=app_metadata,
            disabled_at=disabled_at,
            banned_until=banned_until,
        )
        return user, frozenset(generated)

    def _verified_at(self, columns: Columns, created_at: datetime) -> datetime | None:
        verified = columns.read("email_verified", since)
        if isinstance(verified, datetime):
            return min(verified, self.now())
        return created_at if verified or self.addresses_are_verified else None


def _email(row: Row) -> tuple[str, str]:
    value = row.get("email")
    if value is None:
        raise InvalidValue("email: is missing")
    typed = value.strip() if isinstance(value, str) else ""
    try:
        return canonical(typed), typed
    except InvalidEmail:
        raise InvalidValue("email: is not a valid address") from None


def _ids(columns: Columns) -> tuple[str | None, int | None, Mapping[str, object]]:
    """Return the account's id and number, and its `app_metadata`, which keeps an id that is neither."""
    app_metadata = columns.read("app_metadata", lambda value: _metadata(value, LARGEST_APP_METADATA)) or {}
    number = columns.read("number", _number)
    given = columns.read("id", _id)
    if isinstance(given, UUID):
        return str(given), number, app_metadata
    if isinstance(given, int):
        return None, number or given, app_metadata
    if given is not None:
        kept = {**app_metadata, "previous_id": given}
        if size_of(kept) <= LARGEST_APP_METADATA:
            return None, number, kept
        columns.drop("id", "is no UUID and no number, and app_metadata has no room for it")
    return None, number, app_metadata


def _id(value: object) -> UUID | int | str:
    text = str(value).strip()
    try:
        return UUID(text)
    except ValueError:
        pass
    try:
        return read_public_id(USER, text)
    except ValueError:
        pass
    if text.isascii() and text.isdecimal() and 0 < int(text) <= LARGEST_NUMBER:
        return int(text)
    if not text.isprintable() or len(text) > _LONGEST_ID:
        raise InvalidValue("cannot be kept: it is too long, or not printable")
    return text


def _number(value: object) -> int:
    return whole_number(value, range(1, LARGEST_NUMBER + 1))


def _username(value: object, email: str) -> str | None:
    text = str(value).strip()
    if text.lower() == email.lower():  # many systems write the address there
        return None
    if not is_username(text):
        raise InvalidValue("is not 3 to 30 of the letters a to z, digits, _, . and -")
    return text


def _role(value: object) -> int:
    for role_id, name in ROLES.items():
        if str(value).strip().lower() == name:
            return role_id
    return whole_number(value, range(min(ROLES), max(ROLES) + 1))


def _metadata(value: object, most_bytes: int) -> dict[str, object]:
    metadata = json_object(value)
    try:
        size = len(json.dumps(metadata, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError):  # also NaN, and half a surrogate pair
        raise InvalidValue("is not JSON") from None
    if size > most_bytes:
        raise InvalidValue(f"has more than {most_bytes // 1024} KiB")
    return metadata


def _disabling(columns: Columns, now: datetime) -> tuple[datetime | None, datetime | None]:
    """Return since when the account is disabled, and until when banned. It is disabled if a value cannot be read."""
    disabled = columns.read("disabled", since)
    enabled = columns.read("enabled", boolean)
    until = columns.read("banned_until", instant)
    is_unclear = columns.has_dropped("disabled", "enabled", "banned_until")
    if disabled or enabled is False or is_unclear or (until is not None and until.year == FAR_FUTURE.year):
        at = min(disabled, now) if isinstance(disabled, datetime) else now
        return at, None
    return None, until if until is not None and until > now else None


def _earlier(at: datetime | None, now: datetime) -> datetime | None:
    return None if at is None else min(at, now)
