"""`REPLACE=1`: an import replaces imported accounts that were not used since."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, override

import pytest
from gerbang.accounts.administration import Accounts
from gerbang.core.clock import to_epoch
from gerbang.storage.accounts import Name, User
from gerbang.storage.store import Action, CommitOutcome, Update
from gerbang_import.replacing import is_replaceable

from tests.deployment import HOME, Deployment, by_email
from tests.fakes import MemoryStore
from tests.tools.imports import BCRYPT, BCRYPT_PASSWORD, STRONG, Import, import_into, table_of

EMAIL = "jane@example.com"


@pytest.fixture
def run(deployment: Deployment, tmp_path: Path) -> Import:
    return import_into(deployment.store, tmp_path, tables=deployment.tables, now=deployment.clock)


def lines(*users: Mapping[str, Any]) -> str:
    return "\n".join(json.dumps(user) for user in users)


INCOMPLETE = {"email": EMAIL, "username": "jane", "email_verified": True, "google_id": "google-1"}
"""A first import without the hash, and with a wrong user name and identity."""

CORRECT = {
    "email": "Jane@example.com",
    "password_hash": BCRYPT,
    "username": "jane.d",
    "email_verified": True,
    "identities": [{"provider": "google", "subject": "google-2"}, {"provider": "apple", "subject": "apple-2"}],
    "organization_id": "org_b",
    "last_sign_in_at": "2020-01-02",
}


def test_an_unused_account_is_replaced(run: Import, deployment: Deployment) -> None:
    run(lines({**INCOMPLETE, "organization_id": "org_a"}))
    before = run.find(EMAIL)
    deployment.clock.advance(timedelta(minutes=1))

    outcome = run.replacing()(lines(CORRECT))

    after = run.find(EMAIL)
    assert (outcome.count.imported, outcome.count.replaced, outcome.count.already_there) == (1, 1, 0)
    assert (after.user_id, after.number) == (before.user_id, before.number)
    assert (after.username, after.email_as_typed) == ("jane.d", "Jane@example.com")
    assert after.subjects == {"google": "google-2", "apple": "apple-2"}
    person = run.users.find_person(after.user_id)
    assert person is not None
    assert {one.subject for one in person.identities} == {"google-2", "apple-2"}
    assert run.users.find_id(Name.USERNAME, "jane") is None
    assert run.users.find_id(Name.IDENTITY, "google#google-1") is None
    assert run.users.find_id(Name.IDENTITY, "google#google-2") == after.user_id
    assert run.organizations.find_membership("org_a", after.user_id) is None
    assert run.organizations.find_membership("org_b", after.user_id) is not None
    deployment.sign_in.sign_in(by_email(EMAIL, BCRYPT_PASSWORD), HOME)


def test_a_replacement_can_set_the_id(run: Import, deployment: Deployment) -> None:
    run(lines(INCOMPLETE))
    old = run.find(EMAIL)
    deployment.clock.advance(timedelta(minutes=1))
    user_id = "3c662a10-d9b1-438c-bfa7-eac70051f5ac"

    run.replacing()(lines({**CORRECT, "id": user_id, "number": 77}))

    after = run.find(EMAIL)
    assert (after.user_id, after.number) == (user_id, 77)
    assert run.users.find(old.user_id) is None
    assert old.number is not None
    assert run.users.find_id(Name.NUMBER, old.number) is None
    assert run.users.find_id(Name.USERNAME, "jane.d") == user_id


def test_an_account_can_be_replaced_again(run: Import, deployment: Deployment) -> None:
    run(lines(INCOMPLETE))
    for name in ("one", "two"):
        outcome = run.replacing()(lines({**CORRECT, "name": name}))
        assert (outcome.count.replaced, run.find(EMAIL).name) == (1, name)
    deployment.sign_in.sign_in(by_email(EMAIL, BCRYPT_PASSWORD), HOME)


def sign_in(deployment: Deployment, _user: User) -> None:
    deployment.sign_in.sign_in(by_email(EMAIL, BCRYPT_PASSWORD), HOME)


def disable(deployment: Deployment, user: User) -> None:
    accounts = Accounts(
        store=deployment.store,
        users=deployment.users,
        organizations=deployment.organizations.table,
        deletion=deployment.deletion,
        own_sessions=deployment.own_sessions,
        now=deployment.clock,
    )
    accounts.disable(user)


def sign_in_with_code(deployment: Deployment, user: User) -> None:
    """Sign in without changing the hash."""
    deployment.store.write(deployment.users.signing_in(user, deployment.clock(), HOME))


@pytest.mark.parametrize("use", [sign_in, disable, sign_in_with_code])
def test_an_account_that_was_used_or_changed_is_not_replaced(
    run: Import, deployment: Deployment, use: Callable[[Deployment, User], None]
) -> None:
    run(lines({**CORRECT, "name": "first"}))
    deployment.clock.advance(timedelta(minutes=1))
    use(deployment, run.find(EMAIL))
    before = run.find(EMAIL)

    outcome = run.replacing()(lines({**CORRECT, "name": "second", "password_hash": STRONG}))

    assert (outcome.count.replaced, outcome.count.already_there) == (0, 1)
    assert run.find(EMAIL) == before


def test_a_registered_account_is_not_replaced(run: Import, deployment: Deployment) -> None:
    registered = deployment.register()

    outcome = run.replacing()(table_of(("alice@example.com", BCRYPT)))

    assert outcome.count.already_there == 1
    assert run.find("alice@example.com").password_hash == registered.password_hash
    assert not is_replaceable(registered)


def test_new_users_are_imported(run: Import) -> None:
    outcome = run.replacing()(table_of(("new@example.com", BCRYPT)))

    assert (outcome.count.imported, outcome.count.replaced) == (1, 0)


def test_names_of_other_accounts_are_dropped(run: Import, deployment: Deployment) -> None:
    run(lines(INCOMPLETE, {**INCOMPLETE, "email": "joe@example.com", "username": "joe", "google_id": "google-joe"}))
    deployment.clock.advance(timedelta(minutes=1))

    outcome = run.replacing()(lines({**CORRECT, "username": "JOE", "identities": {"google": "google-joe"}, "id": "7"}))

    after = run.find(EMAIL)
    assert outcome.count.replaced == 1
    assert sorted(column for _, column, _ in outcome.dropped) == ["identities", "username"]
    assert (after.username, after.subjects, after.number) == (None, {}, 7)
    assert run.find("joe@example.com").subjects == {"google": "google-joe"}


class Meanwhile(MemoryStore):
    """Changes the account between the read and the transaction."""

    change: Update | None = None

    @override
    def commit(self, *actions: Action) -> CommitOutcome:
        if self.change is not None:
            change, self.change = self.change, None
            self.write(change)
        return super().commit(*actions)


def test_an_account_that_is_used_concurrently_is_not_replaced(tmp_path: Path) -> None:
    store = Meanwhile()
    run = import_into(store, tmp_path)
    run(lines(INCOMPLETE))
    user = run.find(EMAIL)
    store.change = run.users.changing(user, {"last_sign_in_at": to_epoch(user.updated_at + timedelta(hours=1))})

    outcome = run.replacing()(lines(CORRECT))

    assert outcome.count.already_there == 1
    assert replace(run.find(EMAIL), last_sign_in_at=None) == user
    assert run.users.find_id(Name.USERNAME, "jane.d") is None
