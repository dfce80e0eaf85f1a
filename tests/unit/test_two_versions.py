"""While a new version is deployed, functions of the old one run beside it on the same tables (faults.md F41).

Either reads what the other wrote: an attribute that it does not know is passed over and kept, one that an older version
did not write has its default.
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
    "later_text": "of a version to come",
    "later_number": 7,
    "later_flag": True,
}
TABLES: Final = ("Users", "RefreshTokenFamilies", "RateLimits")


@pytest.fixture
def session(deployment: Deployment) -> SignedIn:
    """Of somebody who has registered, which is counted."""
    registered = deployment.registration.register(ALICE, HOME)
    return registered.signed_in


def keys_of(database: Database, table: str) -> list[Key]:
    return [
        Key(database.tables[table], str(item["pk"]), str(item["sk"]) if "sk" in item else None)
        for item in database.items(table)
    ]


@pytest.mark.covers("F41")
def test_what_a_later_version_added_is_passed_over_and_kept(
    deployment: Deployment, database: Database, session: SignedIn
) -> None:
    written = [key for table in TABLES for key in keys_of(database, table)]
    for key in written:
        deployment.store.write(Update(key, LATER))

    deployment.sessions.authenticate(session.tokens.access_token)
    traded = deployment.sessions.refresh(session.tokens.refresh_token)
    deployment.sign_in.sign_in(by_email(), HOME)

    assert deployment.sessions.authenticate(traded.tokens.access_token).family.generation == 2
    assert len(written) > len(TABLES)
    for key in written:
        item = deployment.store.get(key)
        assert item is not None
        assert item.items() >= LATER.items(), key


@pytest.mark.covers("F41")
def test_what_an_earlier_version_left_out_has_its_default(
    deployment: Deployment, database: Database, session: SignedIn
) -> None:
    user = deployment.users.key(session.user.user_id)
    since_then = [
        field.name for field in fields(User) if field.default is not MISSING or field.default_factory is not MISSING
    ]
    needed = {"email", "password_hash", "epoch"}
    deployment.store.write(Update(user, {name: Gone() for name in since_then if name not in needed}))
    for family in keys_of(database, "RefreshTokenFamilies"):
        deployment.store.write(Update(family, {name: Gone() for name in ("amr", "aal", "device", "address")}))

    traded = deployment.sessions.refresh(session.tokens.refresh_token)
    standing = deployment.sessions.authenticate(traded.tokens.access_token)

    assert (standing.user.role_id, standing.user.credit_balance, standing.user.is_anonymous) == (3, 0, False)
    assert (standing.family.amr, standing.family.aal) == ((), "aal1")
    assert deployment.sign_in.sign_in(by_email(), HOME).user.user_id == session.user.user_id
