"""gerbang.storage.users: how accounts and other records are stored, and limits of metadata."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from gerbang.storage.accounts import Factor, Identity, User
from gerbang.storage.metadata import LARGEST_APP_METADATA, LARGEST_USER_METADATA, MetadataTooLarge
from gerbang.storage.organizations import Invitation, Membership, Organization
from gerbang.storage.records import from_item, to_item
from gerbang.storage.store import Key, Put
from gerbang.storage.users import UserTable

from tests.conftest import Database

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)
USER = User(user_id="00000001-0000-4000-8000-000000000000", name="Mira", created_at=AT, updated_at=AT)
FULL = User(
    user_id=USER.user_id,
    name="Mira",
    created_at=AT,
    updated_at=AT,
    number=7,
    email="mira@example.com",
    email_as_typed="Mira@example.com",
    email_verified_at=AT,
    contested_at=AT,
    confirmation_sent_at=AT,
    invited_at=AT,
    new_email="mira@new.example",
    new_email_as_typed="Mira@new.example",
    email_change_sent_at=AT,
    email_change_confirmed="new",
    username="mira",
    password_hash="$bcrypt-sha256$",
    migrated_at=AT,
    imported_at=AT,
    subjects={"google": "1081"},
    epoch=2,
    disabled_at=AT,
    banned_until=AT,
    role_id=1,
    credit_balance=5,
    factors=(
        Factor(factor_id="f1", friendly_name="phone", created_at=AT, updated_at=AT, verified_at=AT, last_step=59),
        Factor(factor_id="f2", friendly_name="", created_at=AT, updated_at=AT),
    ),
    recovery_codes=("0a1b", "2c3d"),
    organization_id="org_1",
    is_anonymous=True,
    locale="id",
    last_sign_in_at=AT,
    devices=("0123456789ab",),
    expires_at=AT,
    user_metadata={"theme": {"dark": True}},
    app_metadata={"plan": "pro"},
)
IDENTITY = Identity(user_id=USER.user_id, provider="google", subject="1081", email="M@x.org", created_at=AT)


@pytest.fixture
def users(database: Database) -> UserTable:
    return UserTable(database.store, database.tables["Users"])


def test_every_field_of_an_account_is_stored(users: UserTable) -> None:
    assert all(getattr(FULL, field.name) not in {None, field.default} for field in fields(User) if field.hash is None)
    users.store.commit(*users.creation(FULL).values())

    assert users.find(USER.user_id) == FULL


@pytest.mark.parametrize(
    "record",
    [
        IDENTITY,
        Organization(organization_id="org_1", name="Acme", created_at=AT, revision=3),
        Invitation(
            invitation_id="inv_1",
            organization_id="org_1",
            email="a@example.com",
            email_as_typed="A@example.com",
            role="CLIENT_ADMIN",
            invited_by="1",
            created_at=AT,
            expires_at=AT,
        ),
        Membership(organization_id="org_1", user_id="1", role="CLIENT_OWNER", since=AT),
    ],
    ids=lambda record: type(record).__name__,
)
def test_every_field_of_a_record_is_stored(record: Any) -> None:
    item = to_item(record)

    assert item.keys() == {field.name for field in fields(record)}
    assert from_item(type(record), item) == record


def test_an_incomplete_item_is_no_account(users: UserTable) -> None:
    users.store.write(Put(users.key(USER.user_id), {"user_id": USER.user_id}))

    assert users.find(USER.user_id) is None
    assert users.find_person(USER.user_id) is None


def test_a_person_has_the_account_its_identities_and_all_keys(users: UserTable) -> None:
    pk = users.key(USER.user_id).pk
    users.store.commit(*users.creation(FULL).values(), *users.identity_creation(IDENTITY))
    users.store.write(Put(Key(users.table, pk, "FACTOR#1"), {}))
    users.store.write(Put(Key(users.table, pk, "IDENTITY#apple#1"), {"provider": "damaged"}))

    person = users.find_person(USER.user_id)

    assert person is not None
    assert (person.user, person.identities) == (FULL, (IDENTITY,))
    assert [key.sk for key in person.keys] == ["ACCOUNT", "FACTOR#1", "IDENTITY#apple#1", "IDENTITY#google#1081"]


# Metadata


def with_metadata(name: str, size_bytes: int) -> User:
    """An account with metadata of this size as JSON, half of it in characters of two bytes."""
    padding = size_bytes - len('{"k":""}')
    changed: Any = {name: {"k": "é" * (padding // 4) + "x" * (padding - padding // 4 * 2)}}
    return replace(USER, **changed)


LIMITS = [("user_metadata", LARGEST_USER_METADATA), ("app_metadata", LARGEST_APP_METADATA)]


@pytest.mark.parametrize(("name", "largest"), LIMITS)
def test_metadata_of_the_largest_size_is_stored(users: UserTable, name: str, largest: int) -> None:
    user = with_metadata(name, largest)

    users.store.commit(*users.creation(user).values())

    assert users.find(USER.user_id) == user


@pytest.mark.parametrize(("name", "largest"), LIMITS)
def test_larger_metadata_is_an_error_at_creation_and_change(
    users: UserTable, database: Database, name: str, largest: int
) -> None:
    too_large = with_metadata(name, largest + 1)

    with pytest.raises(MetadataTooLarge) as created:
        users.creation(too_large)
    users.store.commit(*users.creation(USER).values())
    with pytest.raises(MetadataTooLarge) as changed:
        users.change(USER, {name: to_item(too_large)[name]})

    for error in (created.value, changed.value):
        assert (error.attribute, error.size_bytes) == (name, largest + 1)
    assert users.find(USER.user_id) == USER
    assert len(database.items("Users")) == 1
