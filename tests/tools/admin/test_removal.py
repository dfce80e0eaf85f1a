"""`gerbang-admin`: unlink identities, delete accounts, end all sessions."""

import io
import sys
from dataclasses import dataclass
from typing import Any, cast

import pytest
from gerbang.storage.accounts import Name, User
from gerbang.storage.store import Gone, Put
from gerbang_admin.__main__ import DONE, NOT_DONE
from gerbang_admin.all_sessions import ROTATION_SECONDS, NotRotated, end_all_sessions
from moto import mock_aws

from tests.conftest import Database
from tests.deployment import BOB, Deployment
from tests.tools.admin.conftest import REGION, SESSION, STACK, Admin, Answer, created, link, type_answer
from tests.unit.accounts.operations import join

# --- unlinking --------------------------------------------------------------------------------------------------------


def test_unlinking_asks_for_confirmation_and_explains_the_effect(
    admin: Admin, deployment: Deployment, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(deployment, alice)
    type_answer(monkeypatch, "no\n")
    declined = admin("unlink", "alice", "google")
    assert (declined.status, admin("show", "alice", "--json").json["identities"] != []) == (NOT_DONE, True)
    type_answer(monkeypatch, "yes\n")

    done = admin("unlink", "alice", "google")

    assert "This unlinks the google identity and ends the account's sessions at once." in done.error
    assert "The owner can still sign in with the password." in done.error
    assert "The next google sign-in with the address alice@example.com links that identity." in done.error
    assert (done.status, "identities    none" in done.out.splitlines()) == (DONE, True)
    assert deployment.users.find_id(Name.IDENTITY, "google#1081") is None


def test_unlinking_an_unknown_identity_is_an_error(admin: Admin, deployment: Deployment, alice: User) -> None:
    link(deployment, alice)

    assert admin("unlink", "alice", "apple") == Answer(
        NOT_DONE, "", "Nothing was changed: the account has no apple identity.\n"
    )


def test_the_only_way_to_sign_in_cannot_be_unlinked(admin: Admin, deployment: Deployment, alice: User) -> None:
    link(deployment, alice)
    deployment.users.change(alice, {"password_hash": Gone()})

    assert admin("unlink", "alice", "google", "--yes") == Answer(
        NOT_DONE, "", "Nothing was changed: the owner could not sign in without the google identity.\n"
    )


# --- deleting ---------------------------------------------------------------------------------------------------------


def test_deleting_asks_for_confirmation_and_explains_the_effect(
    admin: Admin, database: Database, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    type_answer(monkeypatch, "yes\n")

    answer = admin("delete", "alice")

    assert (answer.status, answer.out) == (DONE, f"{alice.user_id} is deleted.\n")
    assert "alice@example.com" in answer.error
    assert f"Organisation {alice.organization_id} has no other members: it is deleted, too." in answer.error
    assert "The account has a credit of 5000." in answer.error
    assert not database.items("Users") + database.items("Organizations")


@pytest.mark.parametrize("typed", ["", "\n", "y\n", "no\n", "yes please\n"])
@pytest.mark.usefixtures("alice")
def test_only_yes_confirms_a_deletion(
    admin: Admin, database: Database, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    before = database.items("Users")
    type_answer(monkeypatch, typed)

    answer = admin("delete", "alice")

    assert (answer.status, answer.out) == (NOT_DONE, "")
    assert database.items("Users") == before


@pytest.mark.usefixtures("alice")
def test_without_a_terminal_deleting_needs_the_option_yes(
    admin: Admin, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))

    declined = admin("delete", "alice")
    assert (declined.status, bool(database.items("Users"))) == (NOT_DONE, True)
    assert "Add --yes to confirm." in declined.error

    assert admin("delete", "alice", "--yes", "--json").status == DONE
    assert database.items("Users") == []


def test_an_organisation_that_loses_its_last_owner_is_reported(
    admin: Admin, deployment: Deployment, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = deployment.register(BOB)
    join(deployment.organizations.table, str(alice.organization_id), bob.user_id)
    type_answer(monkeypatch, "yes\n")

    answer = admin("delete", "alice")

    assert f"Organisation {alice.organization_id} stays, with 1 other member and NO OWNER." in answer.error
    assert deployment.organizations.membership(str(alice.organization_id), bob.user_id).role == "CLIENT_MEMBER"


@pytest.mark.covers("F45")
def test_an_organisation_with_a_damaged_member_item_is_not_deleted(
    admin: Admin, deployment: Deployment, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = deployment.organizations.table
    membership = table.membership_deletion(str(alice.organization_id), deployment.register(BOB).user_id).key
    deployment.store.write(Put(membership, {"since": 0}))
    type_answer(monkeypatch, "yes\n")

    answer = admin("delete", "alice")

    assert f"Organisation {alice.organization_id} stays, with 1 other member and NO OWNER." in answer.error
    assert deployment.store.get(membership) is not None
    assert table.find(str(alice.organization_id)) is not None


# --- all sessions -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Rotations:
    """Simulates rotations: the new version becomes current after some calls of `describe_secret`."""

    polls: int
    labels: dict[str, list[str]]
    rotations: int = 0
    _left: int = 0

    def rotate_secret(self, **parameters: str) -> dict[str, str]:
        assert parameters == {"SecretId": "arn:master"}
        self.rotations, self._left = self.rotations + 1, self.polls
        return {"VersionId": f"version-{self.rotations}"}

    def describe_secret(self, **_: str) -> dict[str, Any]:
        self._left -= 1
        label = "AWSPENDING" if self._left > 0 else "AWSCURRENT"
        return {"VersionIdsToStages": {**self.labels, f"version-{self.rotations}": [label]}}


def test_ending_all_sessions_rotates_the_secret_twice() -> None:
    aws, pauses = Rotations(polls=3, labels={"version-0": ["AWSPREVIOUS"]}), list[float]()

    end_all_sessions(cast("Any", aws), "arn:master", pause=pauses.append)

    assert aws.rotations == 2
    assert len(pauses) == 4


def test_waiting_for_a_rotation_has_a_time_limit() -> None:
    aws, pauses = Rotations(polls=10**9, labels={}), list[float]()

    with pytest.raises(NotRotated):
        end_all_sessions(cast("Any", aws), "arn:master", pause=pauses.append)

    assert aws.rotations == 1
    assert sum(pauses) == ROTATION_SECONDS


def test_ending_all_sessions_asks_for_confirmation(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_aws():
        secrets: Any = SESSION.client("secretsmanager", region_name=REGION)
        secret_id = secrets.create_secret(Name="master", SecretString="one")["ARN"]
        created(STACK, {"Resources": {}, "Outputs": {"MasterSecretArn": {"Value": secret_id}}})
        type_answer(monkeypatch, "no\n")
        declined = admin("end-all-sessions")
        [before] = secrets.describe_secret(SecretId=secret_id)["VersionIdsToStages"]
        done = admin("end-all-sessions", "--yes", "--json")
        after = secrets.describe_secret(SecretId=secret_id)["VersionIdsToStages"]

        assert declined.status == NOT_DONE
        assert f"Every user of {STACK} in {REGION} has to sign in again, on every device." in declined.error
        assert (done.status, done.json) == (DONE, {"ended": "all sessions"})
        assert after.get(before, []) == []  # neither current nor previous
