"""`gerbang-admin`: show, list and change accounts, and find them."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from gerbang.core.identifiers import botlaunch_id
from gerbang.sessions.sessions import SessionEnded
from gerbang.storage.accounts import User
from gerbang_admin.__main__ import DONE, FAILED, NOT_DONE

from tests.conftest import Database
from tests.deployment import ALICE, BOB, HOME, Deployment, by_email
from tests.fakes import FakeClock
from tests.tools.admin.conftest import REGION, STACK, Admin, Answer, created, link, template

# --- showing ----------------------------------------------------------------------------------------------------------


def test_an_account_is_shown_as_text(admin: Admin, alice: User) -> None:
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
        f"organisation  {alice.organization_id}, CLIENT_OWNER",
        "sessions      `sessions` lists them, end-sessions ends them all",
    ):
        assert fact in answer.out.splitlines()


@pytest.mark.parametrize("who", ["alice", "Alice@example.com"])
def test_an_account_is_shown_as_json(admin: Admin, alice: User, who: str) -> None:
    account = admin("show", who, "--json").json

    assert account["id"] == alice.user_id
    assert account["public_id"] == botlaunch_id(alice.user_id)
    assert account["number"] == alice.number
    assert account["created_at"] == "2026-01-15T12:00:00Z"
    assert (account["state"], account["disabled_at"]) == ("active", None)
    assert (account["password"], account["identities"], account["email_verified_at"]) == ("set", [], None)
    assert (account["organization_id"], account["organization_role"]) == (alice.organization_id, "CLIENT_OWNER")


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_secrets_are_not_shown(
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


def test_an_identity_is_shown_with_its_address(admin: Admin, deployment: Deployment, alice: User) -> None:
    link(deployment, alice)

    assert "identities    google Alice@googlemail.com" in admin("show", "alice").out.splitlines()
    assert admin("show", "alice", "--json").json["identities"] == [
        {"provider": "google", "email": "Alice@googlemail.com", "created_at": "2026-01-15T12:00:00Z"}
    ]


def test_accounts_are_listed_newest_first(admin: Admin, deployment: Deployment, alice: User, clock: FakeClock) -> None:
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


def test_a_legacy_password_is_shown_as_inherited(admin: Admin, deployment: Deployment, alice: User) -> None:
    deployment.users.change(alice, {"password_hash": "$P$Bhash"})

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
    deployment.clock.at = datetime.now(UTC)  # the clock of the tool
    signed_in = deployment.sessions.open(alice, replace(HOME, device=firefox), "password")

    listed, parsed = admin("sessions", "alice"), admin("sessions", "alice", "--json")

    assert listed.status == DONE
    [_, line] = listed.out.splitlines()
    assert [signed_in.family_id, "Firefox on Ubuntu", HOME.address] == [
        word for word in (signed_in.family_id, "Firefox on Ubuntu", HOME.address) if word in line
    ]
    assert signed_in.tokens.refresh_token not in listed.out + parsed.out
    assert signed_in.family_id in parsed.out
    admin("end-sessions", "alice")
    assert signed_in.family_id not in admin("sessions", "alice").out


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
def test_invalid_arguments_change_nothing(admin: Admin, database: Database, wrong: tuple[str, ...]) -> None:
    before = database.items("Users")

    with pytest.raises(SystemExit) as exit_:
        admin(*wrong)

    assert exit_.value.code == FAILED
    assert database.items("Users") == before


@pytest.mark.usefixtures("alice")
def test_a_change_without_effect_is_reported(admin: Admin) -> None:
    answer = admin("enable", "alice")

    assert answer == Answer(
        NOT_DONE,
        "",
        "Nothing was changed: the account already has this state, or was changed in the meantime. "
        "Run `show`, then decide again.\n",
    )


# --- accounts and stacks ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("stack")
def test_an_unknown_account_is_reported(admin: Admin) -> None:
    assert admin("show", "carol@example.com") == Answer(
        NOT_DONE, "", f"No account matches 'carol@example.com' in stack {STACK}.\n"
    )


def test_an_ambiguous_name_is_reported(admin: Admin, deployment: Deployment) -> None:
    bob = deployment.register(BOB)
    alice = deployment.register(replace(ALICE, username=str(bob.number)))

    answer = admin("disable", str(bob.number))

    assert answer.status == NOT_DONE
    assert alice.user_id in answer.error
    assert bob.user_id in answer.error


@pytest.mark.parametrize(("name", "region"), [("another", REGION), (STACK, "eu-west-1")])
@pytest.mark.usefixtures("stack")
def test_a_missing_stack_is_reported(admin: Admin, name: str, region: str) -> None:
    answer = admin("show", "alice", stack=name, region=region)

    assert answer == Answer(
        FAILED,
        "",
        f"There is no stack {name} in {region}, in the account of these credentials. "
        "Check --stack, --region and --profile.\n",
    )


@pytest.mark.usefixtures("stack")
def test_a_stack_of_another_application_is_reported(admin: Admin) -> None:
    created("shop", template("Users", "RefreshTokenFamilies"))

    answer = admin("show", "alice", stack="shop")

    assert answer == Answer(
        FAILED,
        "",
        "The stack shop has no output OrganizationsTable. Name a stack of Gerbang, or deploy this version.\n",
    )


@pytest.mark.usefixtures("stack")
def test_an_aws_error_is_reported_without_a_traceback(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "missing-profile")

    answer = admin("show", "alice")

    assert answer.status == FAILED
    assert answer.error == "The AWS request failed: The config profile (missing-profile) could not be found.\n"


def test_it_runs_as_a_module() -> None:
    ran = subprocess.run([sys.executable, "-m", "gerbang_admin", "--help"], capture_output=True, text=True, check=True)

    assert ran.stdout.startswith("usage: gerbang-admin")
