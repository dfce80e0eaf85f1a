"""Make an account of a record, or say why that is not possible."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from gerbang.apis.fields import LONGEST_NAME, Name, Username
from gerbang.core.clock import Clock
from gerbang.core.emails import InvalidEmail, canonical
from gerbang.passwords import legacy as legacy_passwords
from gerbang.passwords.legacy import LegacyHashError
from gerbang.storage.accounts import User
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from gerbang_import.hash_options import HashOptions
from gerbang_import.reading import Record, Rejection

LONGEST_LOCALE: Final = 35
"""Characters that RFC 5646, section 4.4.1, expects of a language tag at most."""


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except OverflowError:  # the first or last hours there are, by the clock of another time zone
        raise PydanticCustomError("out_of_range", "Must be in the years 1 to 9999, in UTC, too") from None


class Row(BaseModel):
    """The columns that are read, with what they may hold."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    email: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    password_hash: Annotated[str, StringConstraints(min_length=1)]
    password_salt: str | None = None
    name: Name | None = None
    username: Username | None = None
    id: UUID | None = None
    created_at: Annotated[datetime, AfterValidator(_in_utc)] | None = None
    email_verified: bool = False
    locale: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=LONGEST_LOCALE)]
        | None
    ) = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An account that may be written."""

    line: int
    email: str
    user: User
    """Complete, except that its hash may have to be wrapped."""
    inherited: legacy_passwords.Inherited

    def finished(self, cost: int) -> User:
        """Return the account as it is to be stored: a weak hash is wrapped, which takes one bcrypt hash of *cost*."""
        password_hash = legacy_passwords.to_store(self.user.password_hash or "", cost=cost)
        return replace(self.user, password_hash=password_hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafter:
    """Makes accounts of records."""

    now: Clock
    new_id: Callable[[], str]
    new_number: Callable[[], int]
    hash_options: HashOptions = field(default_factory=HashOptions)

    def draft(self, record: Record) -> Draft | Rejection:
        """Return the account that a record describes, or why the record is rejected."""
        try:
            row = Row.model_validate(record.fields)
            email = canonical(row.email)
            notation = self.hash_options.notation(row.password_hash, row.password_salt)
            inherited = legacy_passwords.parse(notation)
            user = replace(self._user(row, email), password_hash=notation)
            return Draft(line=record.line, email=email, user=user, inherited=inherited)
        except ValidationError as invalid:
            return Rejection(record.line, "; ".join(_reasons(invalid)))
        except InvalidEmail:
            return Rejection(record.line, "email: is not a valid address")
        except LegacyHashError as error:
            return Rejection(record.line, f"password_hash: {error}")

    def _user(self, row: Row, email: str) -> User:
        now = self.now()
        created_at = now if row.created_at is None else min(row.created_at, now)
        return User(
            user_id=str(row.id) if row.id else self.new_id(),
            name=row.name or email.partition("@")[0][:LONGEST_NAME],
            number=self.new_number(),
            email=email,
            email_as_typed=row.email,
            email_verified_at=created_at if row.email_verified else None,
            username=row.username,
            password_hash=row.password_hash,
            locale=row.locale,
            created_at=created_at,
            updated_at=now,
        )


def _reasons(invalid: ValidationError) -> list[str]:
    """Return what is wrong, column by column, in pydantic's words, which do not quote the value."""
    return [
        f"{error['loc'][0]}: {'is missing' if error['type'] == 'missing' else error['msg']}"
        for error in invalid.errors(include_url=False, include_input=False, include_context=False)
    ]
