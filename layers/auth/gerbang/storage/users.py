"""The table of accounts, their identities, and the markers that make their names unique.

| partition key | sort key | holds |
|---|---|---|
| `USER#<uuid>` | `ACCOUNT` | the account, a `User` |
| `USER#<uuid>` | `IDENTITY#<provider>#<subject>` | an identity of the account, an `Identity` |
| `USER#<uuid>` | `ORGANIZATION#<id>` | that the person belongs to it, besides the account's default organization |
| `EMAIL#…`, `USERNAME#…`, `NUMBER#…`, `IDENTITY#<provider>#<subject>` | `-` | a marker: the account's id |

A name is taken exactly when its marker exists. Account and markers are always written in one transaction, so there is
no account without its markers and no marker without its account.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from gerbang.core.client import Client
from gerbang.core.clock import to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.storage.accounts import Identity, Name, Person, User, identity_name
from gerbang.storage.devices import learned_device
from gerbang.storage.metadata import check_metadata
from gerbang.storage.records import from_item, to_item, to_value
from gerbang.storage.store import (
    Absent,
    AnyOf,
    Change,
    Condition,
    Delete,
    Equal,
    Index,
    Key,
    Less,
    Outcome,
    Present,
    Put,
    Query,
    Store,
    Update,
    Value,
    query_all,
)

NEWEST_FIRST: Final = Index("newest-first", partition="created_month", sort="created_at")
"""The index of accounts, without guests, by month and time of creation. Both never change, so only the creation and
deletion of an account write to it."""

FIRST_MONTH: Final = "2000-01"
"""The oldest month of the index: accounts imported with an earlier time of creation are in this one."""

NUMBER_DRAWS: Final = 8
"""How often a random number is drawn until one is free. At 10 million accounts one in 200 is taken."""

_ACCOUNT: Final = "ACCOUNT"
_MARKER: Final = "-"
_PERSON: Final = "USER#"
_BELONGS_TO: Final = "ORGANIZATION#"


ATTRIBUTES: Final = {Name.EMAIL: "email", Name.USERNAME: "username", Name.NUMBER: "number"}
"""The account's attribute for each kind of unique name."""


@dataclass(frozen=True, slots=True)
class UserTable:
    """The table of accounts: keys `pk` and `sk`, index `newest-first`, TTL on `expires_at` (guests)."""

    store: Store
    table: str

    def key(self, user_id: str) -> Key:
        """Return the key of an account."""
        return Key(self.table, f"{_PERSON}{user_id}", _ACCOUNT)

    def marker(self, name: Name, value: str | int) -> Key:
        """Return the key of the marker that makes a name unique. User names are compared without regard to case."""
        text = str(value).lower() if name is Name.USERNAME else str(value)
        return Key(self.table, f"{name}#{text}", _MARKER)

    def find(self, user_id: str) -> User | None:
        """Return the account, None if there is none."""
        return from_item(User, self.store.get(self.key(user_id)))

    def find_id(self, name: Name, value: str | int) -> str | None:
        """Return the id of the account that has a name, None if there is none."""
        item = self.store.get(self.marker(name, value))
        return None if item is None else str(item["user_id"])

    def find_by_name(self, name: Name, value: str | int) -> User | None:
        """Return the account that has a name, None if there is none. Two calls, one if no account has it."""
        user_id = self.find_id(name, value)
        return None if user_id is None else self.find(user_id)

    def find_person(self, user_id: str) -> Person | None:
        """Return everything about one person, None if there is no account. One call a megabyte, consistent."""
        account = self.key(user_id)
        items = {str(item["sk"]): item for item in query_all(self.store, Query(table=self.table, pk=account.pk))}
        user = from_item(User, items.get(_ACCOUNT))
        if user is None:
            return None
        found = (from_item(Identity, item) for sk, item in items.items() if sk.startswith(f"{Name.IDENTITY}#"))
        return Person(
            user=user,
            identities=tuple(identity for identity in found if identity is not None),
            keys=tuple(Key(self.table, account.pk, sk) for sk in items),
        )

    def identities_of(self, user: User) -> tuple[Identity, ...]:
        """Return the identities that sign in to an account. One call, none for an account without any."""
        if not user.subjects:
            return ()
        names = (identity_name(provider, subject) for provider, subject in user.subjects.items())
        items = self.store.get_all(*(self.identity_key(user.user_id, name) for name in names))
        found = (from_item(Identity, item) for item in items)
        return tuple(identity for identity in found if identity is not None)

    def creation(self, user: User) -> dict[Name | None, Put]:
        """Return the actions that write a new account with its markers, by the name they claim; None: the account.

        Raises:
            MetadataTooLarge: its metadata is too large.
        """
        item = to_item(user)
        check_metadata(item)
        if not user.is_anonymous:
            item[NEWEST_FIRST.partition] = month_of(user.created_at)
        actions: dict[Name | None, Put] = {None: Put(self.key(user.user_id), item, (Absent("pk"),))}
        for name, value in names_of(user).items():
            actions[name] = self.claim(name, value, user.user_id)
        return actions

    def identity_creation(self, identity: Identity) -> tuple[Put, Put]:
        """Return the actions that write an identity with its marker. They fail if it is linked already."""
        name = identity_name(identity.provider, identity.subject)
        key = self.identity_key(identity.user_id, name)
        return (
            Put(key, to_item(identity), (Absent("pk"),)),
            self.claim(Name.IDENTITY, name, identity.user_id),
        )

    def linking(
        self, user: User, identity: Identity, changes: Mapping[str, Change], *conditions: Condition
    ) -> tuple[Update, Put, Put]:
        """Return the actions that link an identity to an account as it was read, with other changes of the account.

        They fail if an identity was linked or unlinked since, the account was disabled, or its epoch has changed.
        So a caller that found no identity of the provider in `user.subjects` links the only one.
        """
        subjects = {**user.subjects, identity.provider: identity.subject}
        update = self.changing(
            user,
            {**changes, "subjects": to_value(subjects)},
            *not_disabled(identity.created_at),
            unchanged("subjects", user),
            *conditions,
        )
        return (update, *self.identity_creation(identity))

    def unlinking(
        self, user: User, provider: str, changes: Mapping[str, Change], *conditions: Condition
    ) -> tuple[Update, Delete, Delete]:
        """Return the actions that unlink a provider's identity, with other changes of the account as it was read.

        They fail if an identity was linked or unlinked since, or the account's epoch has changed.
        """
        subjects = dict(user.subjects)
        name = identity_name(provider, subjects.pop(provider))
        update = self.changing(
            user, {**changes, "subjects": to_value(subjects)}, unchanged("subjects", user), *conditions
        )
        return (
            update,
            Delete(self.identity_key(user.user_id, name)),
            self.release(Name.IDENTITY, name, user.user_id),
        )

    def changing(self, user: User, changes: Mapping[str, Change], *conditions: Condition) -> Update:
        """Return the action that changes an account as it was read: it fails if its epoch has changed since.

        Raises:
            MetadataTooLarge: its metadata would be too large.
        """
        check_metadata(changes)
        when = (Present("pk"), Equal("epoch", user.epoch), *conditions)
        return Update(self.key(user.user_id), changes, when)

    def change(self, user: User, changes: Mapping[str, Change], *conditions: Condition) -> Outcome:
        """Do one change of an account as it was read, but not if its epoch has changed since.

        Raises:
            MetadataTooLarge: its metadata would be too large.
        """
        return self.store.write(self.changing(user, changes, *conditions))

    def signing_in(self, user: User, at: datetime, client: Client) -> Update:
        """Return the action that records a sign-in: it fails if the account was disabled or its epoch raised.

        The account gets the client's device and, if it has no language, the client's.
        """
        changes = {
            "last_sign_in_at": to_epoch(at),
            **learned_locale(user, client.locale),
            **learned_device(user, client),
        }
        return self.changing(user, changes, *not_disabled(at))

    def identity_key(self, user_id: str, name: str) -> Key:
        """Return the key of an account's identity, by its unique name."""
        return Key(self.table, self.key(user_id).pk, f"{Name.IDENTITY}#{name}")

    def organization_key(self, user_id: str, organization_id: str) -> Key:
        """Return the key of the note that a person belongs to an organization. Only the membership has the role."""
        return Key(self.table, self.key(user_id).pk, f"{_BELONGS_TO}{organization_id}")

    def organization_ids(self, user: User) -> tuple[str, ...]:
        """Return the ids of the organizations that an account may belong to, the default one first. One call."""
        pk = self.key(user.user_id).pk
        noted = query_all(self.store, Query(table=self.table, pk=pk, prefix=_BELONGS_TO))
        return organizations_of(user, (str(item["sk"]) for item in noted))

    def claim(self, name: Name, value: str | int, user_id: str) -> Put:
        """Return the action that takes a name for an account. It fails if the name is taken."""
        return Put(self.marker(name, value), {"user_id": user_id}, (Absent("pk"),))

    def release(self, name: Name, value: str | int, user_id: str) -> Delete:
        """Return the action that frees an account's name. It fails if the name is another account's."""
        return Delete(self.marker(name, value), (AnyOf((Absent("pk"), Equal("user_id", user_id))),))


def organizations_of(user: User, sort_keys: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of an account's organizations, the default one first. *sort_keys* are those of its items."""
    default = () if user.organization_id is None else (user.organization_id,)
    noted = (sk.removeprefix(_BELONGS_TO) for sk in sort_keys if sk.startswith(_BELONGS_TO))
    return tuple(dict.fromkeys((*default, *noted)))


def month_of(at: datetime) -> str:
    """Return the month of the index that an account created then is in, such as `2026-01`."""
    return max(f"{at.year:04}-{at.month:02}", FIRST_MONTH)


def names_of(user: User) -> dict[Name, str | int]:
    """Return the unique names in an account's attributes. Each has a marker."""
    names = {name: getattr(user, attribute) for name, attribute in ATTRIBUTES.items()}
    return {name: value for name, value in names.items() if value is not None}


def not_disabled(at: datetime) -> tuple[Condition, Condition]:
    """Return the conditions that an account is not disabled at an instant, as `User.is_disabled` does."""
    ban_has_ended = Less("banned_until", to_epoch(at) + 1)
    return Absent("disabled_at"), AnyOf((Absent("banned_until"), ban_has_ended))


def unchanged(attribute: str, user: User) -> Condition:
    """Return the condition that the account still has the value of an attribute that was read."""
    value = getattr(user, attribute)
    if value is None:
        return Absent(attribute)
    equal = Equal(attribute, to_value(value))
    return AnyOf((equal, Absent(attribute))) if value in ({}, ()) else equal  # items may be older than the attribute


def learned_locale(user: User, locale: str | None) -> dict[str, Value]:
    """Return the change that gives an account the language of a sign-in, if it has none and the sign-in has one."""
    return {} if locale is None or user.locale is not None else {"locale": locale}
