"""`gerbang-admin` against a stack on moto: what it finds, says and does, and what it never says."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

import boto3
import pytest
from gerbang.core.identifiers import botlaunch_id
from gerbang.sessions.sessions import SessionEnded
from gerbang.storage.accounts import Identity, Name, User
from gerbang.storage.dynamodb import DynamoStore, from_wire
from gerbang.storage.store import Gone, Item, Put
from gerbang_admin.__main__ import DONE, FAILED, NOT_DONE, main
from gerbang_admin.all_sessions import ROTATION_SECONDS, NotRotated, end_all_sessions
from gerbang_local import declarations
from moto import mock_aws

from tests.conftest import Database, deployed_on
from tests.deployment import ALICE, BOB, HOME, Deployment, by_email
from tests.fakes import FakeClock, FakeSecret, RecordingLog
from tests.unit.test_accounts import join

STACK: Final = "gerbang-production"
REGION: Final = "ap-southeast-3"
SESSION: Final = boto3.Session()


def template(*tables: str) -> dict[str, Any]:
    """A stack that has these of the tables, and names them in its outputs as `template.yaml` does."""

    def table(name: str) -> dict[str, Any]:
        shape = {"AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema"}
        properties = declarations.template().resources[name].properties
        return {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {key: value for key, value in properties.items() if key in shape},
        }

    outputs = {f"{name}Table": {"Value": {"Ref": name}} for name in tables}
    return {"Resources": {name: table(name) for name in tables}, "Outputs": outputs}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a run of the tool came to."""

    status: int
    out: str
    error: str

    @property
    def json(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.out)
        return parsed


@dataclass(frozen=True, slots=True)
class Admin:
    """Runs the tool."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str, stack: str = STACK, region: str = REGION) -> Answer:
        self.capsys.readouterr()
        status = main([*arguments, "--stack", stack, "--region", region])
        said = self.capsys.readouterr()
        return Answer(status, said.out, said.err)


@pytest.fixture
def admin(capsys: pytest.CaptureFixture[str]) -> Admin:
    return Admin(capsys)


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mapping[str, str]]:
    """A stack in the region, nowhere else; its tables by their logical ids."""
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"AWS_{name}", "local")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        tables = ("Users", "Organizations", "RefreshTokenFamilies", "OneTimeCodes", "RateLimits")
        outputs = created(STACK, template(*tables))
        yield {name: outputs[f"{name}Table"] for name in tables}


def created(name: str, of_template: dict[str, Any]) -> dict[str, str]:
    cloudformation: Any = SESSION.client("cloudformation", region_name=REGION)
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(of_template))
    [made] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]}


@pytest.fixture
def database(stack: Mapping[str, str]) -> Database:
    client: Any = SESSION.client("dynamodb", region_name=REGION)

    def contents(table: str) -> list[Item]:
        return [from_wire(item) for item in client.scan(TableName=table)["Items"]]

    return Database(DynamoStore(client), stack, contents)


@pytest.fixture
def deployment(database: Database, clock: FakeClock, log: RecordingLog, secret: FakeSecret) -> Deployment:
    return deployed_on(database, clock=clock, log_event=log, secret=secret)


@pytest.fixture
def alice(deployment: Deployment) -> User:
    return deployment.register()


def answered(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let somebody at the terminal type *text*."""
    keyboard = io.StringIO(text)
    monkeypatch.setattr(keyboard, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", keyboard)


# --- showing ----------------------------------------------------------------------------------------------------------


def test_an_account_is_shown_to_people(admin: Admin, alice: User) -> None:
    answer = admin("show", "alice")

    assert answer.status == DONE
    for fact in (
        f"account       {alice.user_id}  {botlaunch_id(alice.user_id)}  {alice.number}",
        "e-mail        alice@example.com, not verified",
        "user name     alice",
        "state         active",
        "password      set",
        "identities    none",
        "role          3, user",
        "credit        5000",
        f"organization  {alice.organization_id}, CLIENT_OWNER",
        "sessions      `sessions` lists them, end-sessions ends them all",
    ):
        assert fact in answer.out.splitlines()


@pytest.mark.parametrize("who", ["alice", "Alice@example.com"])
def test_an_account_is_shown_to_programs(admin: Admin, alice: User, who: str) -> None:
    shown = admin("show", who, "--json").json

    assert shown["id"] == alice.user_id
    assert shown["public_id"] == botlaunch_id(alice.user_id)
    assert shown["number"] == alice.number
    assert shown["created_at"] == "2026-01-15T12:00:00Z"
    assert (shown["state"], shown["disabled_at"]) == ("active", None)
    assert (shown["password"], shown["identities"], shown["email_verified_at"]) == ("set", [], None)
    assert (shown["organization_id"], shown["organization_role"]) == (alice.organization_id, "CLIENT_OWNER")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_secrets_are_never_shown(
    admin: Admin, deployment: Deployment, alice: User, form: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    subject = "104930111112222333344"
    link(deployment, alice, subject)

    answer = admin("show", alice.user_id, *form)

    written = answer.out + answer.error + caplog.text
    assert "Alice@googlemail.com" in written
    assert str(alice.password_hash) not in written
    assert str(alice.password_hash).split("$")[-1] not in written
    assert subject not in written


def link(deployment: Deployment, user: User, subject: str = "1081") -> None:
    identity = Identity(
        user_id=user.user_id,
        provider="google",
        subject=subject,
        email="Alice@googlemail.com",
        created_at=deployment.clock(),
    )
    assert deployment.store.commit(*deployment.users.linking(user, identity, {})) == ()


def test_an_identity_is_shown_with_its_address(admin: Admin, deployment: Deployment, alice: User) -> None:
    link(deployment, alice)

    assert "identities    google Alice@googlemail.com" in admin("show", "alice").out.splitlines()
    assert admin("show", "alice", "--json").json["identities"] == [
        {"provider": "google", "email": "Alice@googlemail.com", "created_at": "2026-01-15T12:00:00Z"}
    ]


def test_accounts_are_listed_the_newest_first(
    admin: Admin, deployment: Deployment, alice: User, clock: FakeClock
) -> None:
    clock.advance(timedelta(days=40))
    bob = deployment.register(BOB)

    lines = admin("list").out.splitlines()
    [newest] = admin("list", "--limit", "1", "--json").out.splitlines()

    assert lines == [
        f"2026-02-24 12:00:00 UTC  {bob.user_id}  active    bob@example.com",
        f"2026-01-15 12:00:00 UTC  {alice.user_id}  active    alice@example.com",
    ]
    assert json.loads(newest) == {
        "id": bob.user_id,
        "email": BOB.email,
        "username": None,
        "name": "Bob",
        "state": "active",
        "created_at": "2026-02-24T12:00:00Z",
    }


def test_an_inherited_password_is_told_from_today_s(admin: Admin, deployment: Deployment, alice: User) -> None:
    deployment.users.change(alice, {"password_hash": "$P$Bwhatever"})

    assert admin("show", "alice", "--json").json["password"] == "inherited"


# --- changing ---------------------------------------------------------------------------------------------------------


def test_a_user_is_disabled_and_enabled(admin: Admin, deployment: Deployment, alice: User) -> None:
    token = deployment.sign_in.sign_in(by_email(), HOME).tokens.access_token

    assert admin("disable", "alice", "--json").json["state"] == "disabled"
    with pytest.raises(SessionEnded):
        deployment.sessions.authenticate(token)
    assert admin("enable", alice.user_id, "--json").json["state"] == "active"
    deployment.sign_in.sign_in(by_email(), HOME)


def test_active_sessions_are_listed(admin: Admin, deployment: Deployment, alice: User) -> None:
    firefox = "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
    deployment.clock.at = datetime.now(UTC)  # as the tool sees it
    held = deployment.sessions.open(alice, replace(HOME, device=firefox), "password")

    shown, parsed = admin("sessions", "alice"), admin("sessions", "alice", "--json")

    assert shown.status == DONE
    [_, line] = shown.out.splitlines()
    assert [held.family_id, "Firefox on Ubuntu", HOME.address] == [
        word for word in (held.family_id, "Firefox on Ubuntu", HOME.address) if word in line
    ]
    assert held.tokens.refresh_token not in shown.out + parsed.out
    assert held.family_id in parsed.out
    admin("end-sessions", "alice")
    assert held.family_id not in admin("sessions", "alice").out


def test_sessions_are_ended(admin: Admin, deployment: Deployment, alice: User) -> None:
    token = deployment.sign_in.sign_in(by_email(), HOME).tokens.access_token

    assert admin("end-sessions", str(alice.number)).status == DONE

    with pytest.raises(SessionEnded):
        deployment.sessions.authenticate(token)


@pytest.mark.parametrize("role", ["1", "administrator"])
@pytest.mark.usefixtures("alice")
def test_role_and_credit_are_set(admin: Admin, role: str) -> None:
    assert admin("set-role", "alice", role, "--json").json["role_id"] == 1
    assert admin("set-credit", "alice", "0", "--json").json["credit_balance"] == 0


@pytest.mark.parametrize(
    "wrong",
    [("set-role", "alice", "4"), ("set-role", "alice", "king"), ("set-credit", "alice", "-1"), ("fire", "alice")],
)
@pytest.mark.usefixtures("alice")
def test_wrong_usage_changes_nothing(admin: Admin, database: Database, wrong: tuple[str, ...]) -> None:
    before = database.items("Users")

    with pytest.raises(SystemExit) as refused:
        admin(*wrong)

    assert refused.value.code == FAILED
    assert database.items("Users") == before


@pytest.mark.usefixtures("alice")
def test_what_is_so_already_is_said(admin: Admin) -> None:
    answer = admin("enable", "alice")

    assert answer == Answer(
        NOT_DONE,
        "",
        "Nothing was changed: the account already has this state, or was changed in the meantime. "
        "Run `show`, then decide again.\n",
    )


# --- unlinking --------------------------------------------------------------------------------------------------------


def test_unlinking_is_confirmed_and_says_what_it_does(
    admin: Admin, deployment: Deployment, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    link(deployment, alice)
    answered(monkeypatch, "no\n")
    refused = admin("unlink", "alice", "google")
    assert (refused.status, admin("show", "alice", "--json").json["identities"] != []) == (NOT_DONE, True)
    answered(monkeypatch, "yes\n")

    done = admin("unlink", "alice", "google")

    assert "This unlinks the google identity and ends the account's sessions at once." in done.error
    assert "The owner can still sign in with the password." in done.error
    assert "The next google sign-in with the address alice@example.com links that identity." in done.error
    assert (done.status, "identities    none" in done.out.splitlines()) == (DONE, True)
    assert deployment.users.find_id(Name.IDENTITY, "google#1081") is None


def test_unlinking_what_is_not_linked_is_an_error(admin: Admin, deployment: Deployment, alice: User) -> None:
    link(deployment, alice)

    assert admin("unlink", "alice", "apple") == Answer(
        NOT_DONE, "", "Nothing was changed: the account has no apple identity.\n"
    )


def test_the_only_way_to_sign_in_is_not_unlinked(admin: Admin, deployment: Deployment, alice: User) -> None:
    link(deployment, alice)
    deployment.users.change(alice, {"password_hash": Gone()})

    assert admin("unlink", "alice", "google", "--yes") == Answer(
        NOT_DONE, "", "Nothing was changed: the owner could not sign in without the google identity.\n"
    )


# --- deleting ---------------------------------------------------------------------------------------------------------


def test_deleting_is_asked_first_and_says_what_goes(
    admin: Admin, database: Database, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered(monkeypatch, "yes\n")

    answer = admin("delete", "alice")

    assert (answer.status, answer.out) == (DONE, f"{alice.user_id} is deleted.\n")
    assert "alice@example.com" in answer.error
    assert f"Organization {alice.organization_id} has no other members: it is deleted, too." in answer.error
    assert "The account has a credit of 5000." in answer.error
    assert not database.items("Users") + database.items("Organizations")


@pytest.mark.parametrize("typed", ["", "\n", "y\n", "no\n", "yes please\n"])
@pytest.mark.usefixtures("alice")
def test_anything_but_yes_deletes_nothing(
    admin: Admin, database: Database, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    before = database.items("Users")
    answered(monkeypatch, typed)

    answer = admin("delete", "alice")

    assert (answer.status, answer.out) == (NOT_DONE, "")
    assert database.items("Users") == before


@pytest.mark.usefixtures("alice")
def test_without_a_terminal_deleting_needs_to_be_meant(
    admin: Admin, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))

    refused = admin("delete", "alice")
    assert (refused.status, bool(database.items("Users"))) == (NOT_DONE, True)
    assert "Add --yes to confirm." in refused.error

    assert admin("delete", "alice", "--yes", "--json").status == DONE
    assert database.items("Users") == []


def test_an_organisation_left_without_an_owner_is_pointed_out(
    admin: Admin, deployment: Deployment, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = deployment.register(BOB)
    join(deployment.organizations.table, str(alice.organization_id), bob.user_id)
    answered(monkeypatch, "yes\n")

    answer = admin("delete", "alice")

    assert f"Organization {alice.organization_id} stays, with 1 other member and NO OWNER." in answer.error
    assert deployment.organizations.membership(str(alice.organization_id), bob.user_id).role == "CLIENT_MEMBER"


@pytest.mark.covers("F45")
def test_an_organisation_is_not_dissolved_because_a_members_item_is_damaged(
    admin: Admin, deployment: Deployment, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = deployment.organizations.table
    membership = table.membership_deletion(str(alice.organization_id), deployment.register(BOB).user_id).key
    deployment.store.write(Put(membership, {"since": 0}))
    answered(monkeypatch, "yes\n")

    answer = admin("delete", "alice")

    assert f"Organization {alice.organization_id} stays, with 1 other member and NO OWNER." in answer.error
    assert deployment.store.get(membership) is not None
    assert table.find(str(alice.organization_id)) is not None


# --- everybody --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Rotations:
    """Plays what AWS does when it is asked to rotate: after some looks, the new version is current."""

    looks: int
    labels: dict[str, list[str]]
    asked: int = 0
    _left: int = 0

    def rotate_secret(self, **asked: str) -> dict[str, str]:
        assert asked == {"SecretId": "arn:master"}
        self.asked, self._left = self.asked + 1, self.looks
        return {"VersionId": f"version-{self.asked}"}

    def describe_secret(self, **_: str) -> dict[str, Any]:
        self._left -= 1
        label = "AWSPENDING" if self._left > 0 else "AWSCURRENT"
        return {"VersionIdsToStages": {**self.labels, f"version-{self.asked}": [label]}}


def test_all_sessions_end_by_two_rotations_one_after_the_other() -> None:
    aws, pauses = Rotations(looks=3, labels={"version-0": ["AWSPREVIOUS"]}), list[float]()

    end_all_sessions(cast("Any", aws), "arn:master", pause=pauses.append)

    assert aws.asked == 2
    assert len(pauses) == 4


def test_a_rotation_that_does_not_end_is_not_waited_for_for_ever() -> None:
    aws, pauses = Rotations(looks=10**9, labels={}), list[float]()

    with pytest.raises(NotRotated):
        end_all_sessions(cast("Any", aws), "arn:master", pause=pauses.append)

    assert aws.asked == 1
    assert sum(pauses) == ROTATION_SECONDS


def test_ending_all_sessions_is_asked_first(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    with mock_aws():
        secrets: Any = SESSION.client("secretsmanager", region_name=REGION)
        secret_id = secrets.create_secret(Name="master", SecretString="one")["ARN"]
        created(STACK, {"Resources": {}, "Outputs": {"MasterSecretArn": {"Value": secret_id}}})
        answered(monkeypatch, "no\n")
        refused = admin("end-all-sessions")
        [before] = secrets.describe_secret(SecretId=secret_id)["VersionIdsToStages"]
        done = admin("end-all-sessions", "--yes", "--json")
        after = secrets.describe_secret(SecretId=secret_id)["VersionIdsToStages"]

        assert refused.status == NOT_DONE
        assert f"Every user of {STACK} in {REGION} has to sign in again, on every device." in refused.error
        assert (done.status, done.json) == (DONE, {"ended": "all sessions"})
        assert after.get(before, []) == []  # neither current nor previous


# --- whom and where ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("stack")
def test_who_is_unknown_is_said(admin: Admin) -> None:
    assert admin("show", "carol@example.com") == Answer(
        NOT_DONE, "", f"No account matches 'carol@example.com' in stack {STACK}.\n"
    )


def test_a_name_that_means_two_is_said(admin: Admin, deployment: Deployment) -> None:
    bob = deployment.register(BOB)
    alice = deployment.register(replace(ALICE, username=str(bob.number)))

    answer = admin("disable", str(bob.number))

    assert answer.status == NOT_DONE
    assert alice.user_id in answer.error
    assert bob.user_id in answer.error


@pytest.mark.parametrize(("name", "region"), [("another", REGION), (STACK, "eu-west-1")])
@pytest.mark.usefixtures("stack")
def test_a_stack_that_is_not_there_is_said(admin: Admin, name: str, region: str) -> None:
    answer = admin("show", "alice", stack=name, region=region)

    assert answer == Answer(
        FAILED,
        "",
        f"There is no stack {name} in {region}, in the account of these credentials. "
        "Check --stack, --region and --profile.\n",
    )


@pytest.mark.usefixtures("stack")
def test_a_stack_that_is_not_gerbang_s_is_said(admin: Admin) -> None:
    created("shop", template("Users", "RefreshTokenFamilies"))

    answer = admin("show", "alice", stack="shop")

    assert answer == Answer(
        FAILED,
        "",
        "The stack shop has no output OrganizationsTable. Name a stack of Gerbang, or deploy this version.\n",
    )


@pytest.mark.usefixtures("stack")
def test_what_aws_refuses_is_said_without_a_trace(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-s")

    answer = admin("show", "alice")

    assert answer.status == FAILED
    assert answer.error == "The AWS request failed: The config profile (nobody-s) could not be found.\n"


def test_it_is_a_command_of_its_own() -> None:
    said = subprocess.run([sys.executable, "-m", "gerbang_admin", "--help"], capture_output=True, text=True, check=True)

    assert said.stdout.startswith("usage: gerbang-admin")
