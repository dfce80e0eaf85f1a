"""Accounts and the markers that make their names unique.

An account is one item, `USER#<uuid>`. Beside it lie markers, `EMAIL#…`, `USERNAME#…`, `NUMBER#…`, `GOOGLE#…`, each
holding the account's id: a name is taken exactly when its marker is there. Account and markers are always written in
one transaction, so there is no account without its markers and no marker without its account.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gerbang.core.clock import from_epoch, to_epoch
from gerbang.storage.store import (
    Absent,
    AnyOf,
    Change,
    Condition,
    Delete,
    Equal,
    Item,
    Key,
    Outcome,
    Present,
    Put,
    Store,
    Update,
    Value,
)


class Name(StrEnum):
    """The kinds of unique name, as their markers' keys begin."""

    EMAIL = "EMAIL"
    USERNAME = "USERNAME"
    NUMBER = "NUMBER"
    GOOGLE = "GOOGLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account, as kept. Times are instants in UTC; what is None has not happened or does not exist."""

    user_id: str
    """UUID, as text: the token's `sub`."""
    name: str
    created_at: datetime
    updated_at: datetime
    number: int | None = None
    """SnapOTP's integer id, 1 to 2^31 - 1; every registered account has one, guests have none."""
    email: str | None = None
    """Canonical: the form that is looked up and counted (`gerbang.core.emails`)."""
    email_as_typed: str | None = None
    email_verified_at: datetime | None = None
    """When its owner verified the address; until then the address is not an identity."""
    contested_at: datetime | None = None
    """When another registration of the unverified address was refused. Since then, no code keeps the password."""
    username: str | None = None
    """As typed; unique without regard to case."""
    password_hash: str | None = None
    """In a public format: today's (`gerbang.passwords.hashing`) or an inherited one (`gerbang.passwords.legacy`)."""
    migrated_at: datetime | None = None
    """When an inherited hash gave way to today's."""
    google_subject: str | None = None
    epoch: int = 0
    """Sessions opened at an older epoch are dead: password reset, sign-out everywhere and disabling raise it."""
    disabled_at: datetime | None = None
    role_id: int = 3
    """SnapOTP's: 1 administrator, 2 staff, 3 user."""
    credit_balance: int = 0
    organization_id: str | None = None
    organization_role: str | None = None
    is_anonymous: bool = False
    locale: str | None = None
    last_sign_in_at: datetime | None = None
    expires_at: datetime | None = None
    """When a guest is swept (TTL); None for people."""

    def may_sign_in(self, at: datetime) -> bool:
        """Say whether the account may be used: not disabled, not a guest past its time."""
        expired = self.expires_at is not None and at >= self.expires_at
        return self.disabled_at is None and not expired


_INSTANTS = (
    "created_at",
    "updated_at",
    "email_verified_at",
    "contested_at",
    "migrated_at",
    "disabled_at",
    "last_sign_in_at",
    "expires_at",
)
_TEXTS = (
    "user_id",
    "name",
    "email",
    "email_as_typed",
    "username",
    "password_hash",
    "google_subject",
    "organization_id",
    "organization_role",
    "locale",
)
_NUMBERS = ("number", "epoch", "role_id", "credit_balance")
_NAMES = {Name.EMAIL: "email", Name.USERNAME: "username", Name.NUMBER: "number", Name.GOOGLE: "google_subject"}


def to_item(user: User) -> dict[str, Value]:
    """Return the account as an item, without its key; what is None is left out."""
    item: dict[str, Value] = {"is_anonymous": user.is_anonymous}
    for name in (*_TEXTS, *_NUMBERS):
        value = getattr(user, name)
        if value is not None:
            item[name] = value
    for name in _INSTANTS:
        instant = getattr(user, name)
        if instant is not None:
            item[name] = to_epoch(instant)
    return item


def from_item(item: Item | None) -> User | None:
    """Return the account that an item holds, None for none or for an item that holds no account."""
    if item is None or "user_id" not in item or "created_at" not in item:
        return None
    fields: dict[str, object] = {name: item[name] for name in (*_TEXTS, *_NUMBERS) if name in item}
    fields |= {name: from_epoch(int(item[name])) for name in _INSTANTS if name in item}
    return User(**fields, is_anonymous=bool(item.get("is_anonymous", False)))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class UserTable:
    """The table of accounts and markers: partition key `pk`, TTL on `expires_at` (guests)."""

    store: Store
    table: str

    def key(self, user_id: str) -> Key:
        """Return the key of an account."""
        return Key(self.table, f"USER#{user_id}")

    def marker(self, name: Name, value: str | int) -> Key:
        """Return the key of the marker that makes a name unique. User names are compared without regard to case."""
        text = str(value).lower() if name is Name.USERNAME else str(value)
        return Key(self.table, f"{name}#{text}")

    def find(self, user_id: str) -> User | None:
        """Return the account, None if there is none."""
        return from_item(self.store.get(self.key(user_id)))

    def find_id(self, name: Name, value: str | int) -> str | None:
        """Return the id of the account that bears a name, None if nobody does."""
        item = self.store.get(self.marker(name, value))
        return None if item is None else str(item["user_id"])

    def creation(self, user: User) -> dict[Name | None, Put]:
        """Return the actions that write a new account with its markers, by the name they claim; None: the account."""
        actions: dict[Name | None, Put] = {None: Put(self.key(user.user_id), to_item(user), (Absent("pk"),))}
        for name, value in names_of(user).items():
            actions[name] = self.claim(name, value, user.user_id)
        return actions

    def removal(self, user: User) -> tuple[Delete, ...]:
        """Return the actions that remove an account with its markers.

        They fail when epoch or names have changed since, or a marker is another account's. A marker may be missing.
        """
        same: list[Condition] = [Present("pk"), Equal("epoch", user.epoch)]
        for attribute in _NAMES.values():
            value = getattr(user, attribute)
            same.append(Absent(attribute) if value is None else Equal(attribute, value))
        own = AnyOf((Absent("pk"), Equal("user_id", user.user_id)))
        releases = [Delete(self.marker(name, value), (own,)) for name, value in names_of(user).items()]
        return (Delete(self.key(user.user_id), tuple(same)), *releases)

    def claim(self, name: Name, value: str | int, user_id: str) -> Put:
        """Return the action that takes a name for an account, refused when it is taken."""
        return Put(self.marker(name, value), {"user_id": user_id}, (Absent("pk"),))

    def changing(self, user: User, changes: Mapping[str, Change], *conditions: Condition) -> Update:
        """Return the action that changes an account as it was read: refused when its epoch has moved since."""
        when = (Present("pk"), Equal("epoch", user.epoch), *conditions)
        return Update(self.key(user.user_id), changes, when)

    def change(self, user: User, changes: Mapping[str, Change], *conditions: Condition) -> Outcome:
        """Do one change of an account as it was read, and nothing when its epoch has moved since."""
        return self.store.write(self.changing(user, changes, *conditions))

    def signing_in(self, user: User, at: datetime, locale: str | None = None) -> Update:
        """Return the action that lets a session open. It fails when the account was disabled or its epoch raised.

        *locale*, the request's language, becomes the account's if it has none.
        """
        changes = {"last_sign_in_at": to_epoch(at), **learned_locale(user, locale)}
        return self.changing(user, changes, Absent("disabled_at"))


def learned_locale(user: User, locale: str | None) -> dict[str, Value]:
    """Return the change that gives an account the language of a sign-in, empty if it has one or none is known."""
    return {} if locale is None or user.locale is not None else {"locale": locale}


def names_of(user: User) -> dict[Name, str | int]:
    """Return the names that an account bears, each of which has a marker."""
    names = {name: getattr(user, attribute) for name, attribute in _NAMES.items()}
    return {name: value for name, value in names.items() if value is not None}
