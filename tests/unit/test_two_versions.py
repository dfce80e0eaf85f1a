"""During a deployment, functions of the old and the new version use the same tables (faults.md F41).

Each version reads the items of the other: it ignores and keeps attributes that it does not know, and uses defaults for
attributes that are missing.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Final

import pytest
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.store import Gone, Key, Update

from tests.conftest import Database
from tests.deployment import ALICE, HOME, Deployment, by_email

LATER: Final[Mapping[str, str | int | bool]] = {
    "later_text": "of a later version",
    "later_number": 7,
    "later_flag": True,
}
TABLES: Final = ("Users", "RefreshTokenFamilies", "RateLimits")


@pytest.fixture
def session(deployment: Deployment) -> SignedIn:
    """The session of a registration, which is also counted for its limit."""
    registered = deployment.registration.register(ALICE, HOME)
    return registered.signed_in


def keys_of(database: Database, table: str) -> list[Key]:
    return [
        Key(database.tables[table], str(item["pk"]), str(item["sk"]) if "sk" in item else None)
        for item in database.items(table)
    ]


@pytest.mark.covers("F41")
def test_attributes_of_a_later_version_are_ignored_and_kept(
    deployment: Deployment, database: Database, session: SignedIn
) -> None:
    written = [key for table in TABLES for key in keys_of(database, table)]
    for key in written:
        deployment.store.write(Update(key, LATER))

    deployment.sessions.authenticate(session.tokens.access_token)
    refreshed = deployment.sessions.refresh(session.tokens.refresh_token)
    deployment.sign_in.sign_in(by_email(), HOME)

    assert deployment.sessions.authenticate(refreshed.tokens.access_token).family.generation == 2
    assert len(written) > len(TABLES)
    for key in written:
        item = deployment.store.get(key)
        assert item is not None
        assert item.items() >= LATER.items(), key


@pytest.mark.covers("F41")
def test_missing_attributes_of_an_earlier_version_have_their_defaults(
    deployment: Deployment, database: Database, session: SignedIn
) -> None:
    user = deployment.users.key(session.user.user_id)
    optional = [
        field.name for field in fields(User) if field.default is not MISSING or field.default_factory is not MISSING
    ]
    needed = {"email", "password_hash", "epoch"}
    deployment.store.write(Update(user, {name: Gone() for name in optional if name not in needed}))
    for family in keys_of(database, "RefreshTokenFamilies"):
        deployment.store.write(Update(family, {name: Gone() for name in ("amr", "aal", "device", "address")}))

    refreshed = deployment.sessions.refresh(session.tokens.refresh_token)
    caller = deployment.sessions.authenticate(refreshed.tokens.access_token)

    assert (caller.user.role_id, caller.user.credit_balance, caller.user.is_anonymous) == (3, 0, False)
    assert (caller.family.amr, caller.family.aal) == ((), "aal1")
    assert deployment.sign_in.sign_in(by_email(), HOME).user.user_id == session.user.user_id
