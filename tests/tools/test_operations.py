"""docs/operations.md is run: every command of it, in bash, against the whole stack on moto.

`aws` is tests/tools/aws_cli.py there. Where moto rotates secrets otherwise than AWS, it is set right below.
"""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import pytest
from gerbang.container import Container
from gerbang.core.emails import EmailAddress
from gerbang.sessions import rotation_events as secret_rotation
from gerbang.sessions.rotation import Rotation
from gerbang.sessions.sessions import SessionEnded
from gerbang.storage.accounts import Identity, Name, User
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.removal import removal
from gerbang.storage.secret_versions import SecretVersionHistory
from gerbang.storage.secrets import Secret
from gerbang_local.declarations import template
from gerbang_local.stack import ACCOUNT_ID, REGION
from gerbang_local.template import chosen_parameters
from moto.awslambda.models import LambdaBackend
from moto.backends import get_backend
from moto.dynamodb.models import DynamoDBBackend
from moto.secretsmanager.models import SecretsManagerBackend
from moto.server import ThreadedMotoServer

from tests.deploy.resource_handlers import client
from tests.deploy.stacks import Stack, created_stack
from tests.deployment import ALICE, BOB, HOME, Deployment, by_email
from tests.fakes import FakeClock, RecordingLog
from tests.tools import aws_cli

ROOT: Final = Path(__file__).parents[2]
MIRA: Final = replace(ALICE, email=EmailAddress("mira@example.com"), name="Mira", username="mira", founds="Mira's")
MIRAS_ID: Final = "3c662a10-d9b1-438c-bfa7-eac70051f5ac"
"""In the guide."""


def sections() -> dict[str, tuple[str, ...]]:
    """The guide's commands by the titles they stand under."""
    found, title, in_block = dict[str, tuple[str, ...]](), "", False
    for line in (ROOT / "docs" / "operations.md").read_text("utf-8").splitlines():
        if line.startswith("```"):
            in_block = line == "```console"
        elif not in_block and line.startswith("#"):
            title = line.lstrip("# ")
        elif in_block:
            assert line.startswith("$ "), line
            found[title] = (*found.get(title, ()), line.removeprefix("$ "))
    return found


SECTIONS: Final = sections()
HELPERS: Final = "Preparing your shell"


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands of the guide, after its helpers."""

    environment: Mapping[str, str]
    folder: Path

    def run(self, title: str) -> str:
        """Run the commands under a title one after the other, none of which may fail; return what they print."""
        commands = [*SECTIONS[HELPERS], *(() if title == HELPERS else SECTIONS[title])]
        script = "\n".join(["set -euo pipefail", *commands])
        script = script.replace("tools/bootstrap/sam", "sam").replace("person.json", f"{self.folder}/person.json")
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, env=dict(self.environment), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with created_stack(DeletionProtection="true") as made, rotating_as_aws_does(made):
        yield made


@contextmanager
def rotating_as_aws_does(stack: Stack) -> Iterator[None]:
    """Let `RotateSecret` call the function that is attached, and take AWSPENDING off what has become current."""
    begin = SecretsManagerBackend.rotate_secret
    secret_arn, function_arn = stack.outputs()["MasterSecretArn"], stack.function_arn("RotationFunction")
    handler = secret_rotation.handler(
        Rotation(
            history=SecretVersionHistory(lambda: client("secretsmanager"), secret_arn),
            new_secret=Container({}).new_secret,
            new_key_pair=Container({}).new_key_pair,
            tokens_with=lambda keys: replace(environment_of(stack).tokens, keys=keys),
            log_event=RecordingLog(),
            now=FakeClock(),
        )
    )

    def rotate(backend: Any, secret_id: str, **asked: Any) -> Any:
        for version in backend.secrets[secret_id].versions.values():
            if {"AWSPENDING", "AWSCURRENT"} <= set(version["version_stages"]):
                version["version_stages"].remove("AWSPENDING")
        asked["rotation_lambda_arn"] = function_arn
        return begin(backend, secret_id, **asked)

    def invoke(_backend: Any, function: str, **asked: Any) -> None:
        assert function == function_arn
        handler({**json.loads(asked["body"]), "SecretId": secret_arn}, None)

    with (
        patch.object(SecretsManagerBackend, "rotate_secret", rotate),
        patch.object(LambdaBackend, "invoke", invoke),
        patch.dict(os.environ, POWERTOOLS_METRICS_NAMESPACE="Gerbang"),
    ):
        yield


@pytest.fixture(scope="module")
def shell(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder, make = tmp_path_factory.mktemp("shell"), shutil.which("make")
    (folder / "client.py").write_text(aws_cli.CLIENT)
    for name, text in {
        "aws": f'exec "{sys.executable}" -SEs "{folder}/client.py" "$@"',
        "sleep": 'echo "sleep $*"',
        "sam": 'echo "sam $*"',
        # The API is not served here, and nobody is at the terminal to say yes.
        "make": f"""
            case " $* " in
                *" smoke "*) echo "make $*" ;;
                *"ARGS=delete "* | *"ARGS=unlink "* | *"ARGS=end-all-sessions"*) exec {make} "$@ --yes" ;;
                *) exec {make} "$@" ;;
            esac
            """,
    }.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    environment = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "AWS_CLI_SOCKET": f"{folder}/socket",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.get_host_and_port()[1]}",
        "MAKEFLAGS": f"ENVIRONMENT=true PYTHON={sys.executable}",
    }
    with aws_cli.served(folder / "socket"):
        assert stack.name in SECTIONS[HELPERS][0]
        yield Shell(environment, folder)
    server.stop()


def environment_of(stack: Stack) -> Deployment:
    """An environment of the stack's functions that has read nothing yet."""
    outputs = stack.outputs()
    names = ("Users", "Organizations", "RefreshTokenFamilies", "OneTimeCodes", "RateLimits")
    container = Container({})
    return Deployment(
        store=DynamoStore(client("dynamodb")),
        tables={name: outputs[f"{name}Table"] for name in names},
        clock=FakeClock(datetime.now(UTC)),
        new_id=container.new_id,
        new_number=container.new_number,
        log_event=RecordingLog(),
        secret=Secret(lambda: client("secretsmanager"), outputs["MasterSecretArn"]),
    )


@pytest.fixture
def functions(stack: Stack) -> Deployment:
    """The stack's functions, with Mira registered under the id that the guide has."""
    functions = environment_of(stack)
    if functions.users.find(MIRAS_ID) is None:
        functions.register(MIRA, user_id=MIRAS_ID)
    return functions


def mira(functions: Deployment) -> User | None:
    user_id = functions.users.find_id(Name.EMAIL, MIRA.email)
    return None if user_id is None else functions.users.find(user_id)


def test_every_command_of_the_guide_is_run() -> None:
    """Below; a new section needs a test."""
    source = Path(__file__).read_text("utf-8")

    assert [title for title in SECTIONS if f'shell.run("{title}")' not in source] == [HELPERS]


def test_a_deployment_is_tested(shell: Shell) -> None:
    assert "make smoke STACK=gerbang" in shell.run("Testing a deployment")


def test_cloudfronts_secret_has_a_hash_that_the_template_takes(shell: Shell, stack: Stack) -> None:
    said = shell.run("CloudFront and AWS WAF in front").split()[-1]

    assert re.fullmatch(stack.template["Parameters"]["CloudFrontSecretSha256"]["AllowedPattern"], said)


def test_failures_are_found_in_the_log(shell: Shell, stack: Stack) -> None:
    logs, group = client("logs"), stack.ids["Logs"]
    logs.create_log_stream(logGroupName=group, logStreamName="1")
    line = {"timestamp": int(datetime.now(UTC).timestamp() * 1000), "message": '{"event": "unexpected_failure"}'}
    logs.put_log_events(logGroupName=group, logStreamName="1", logEvents=[line])

    assert "unexpected_failure" in shell.run("Logs")


def test_mails_that_failed_are_sent_again(shell: Shell) -> None:
    shell.run("Mails that failed")


def test_accounts_are_looked_after(shell: Shell, functions: Deployment) -> None:
    session = functions.sign_in.sign_in(by_email(MIRA.email), HOME).tokens

    said = shell.run("Managing accounts")

    user = mira(functions)
    assert user is not None
    assert (user.role_id, user.credit_balance, user.disabled_at, user.epoch) == (2, 5000, None, 2)
    assert "mira@example.com, not verified" in said
    with pytest.raises(SessionEnded):
        functions.sessions.authenticate(session.access_token)


def test_an_identity_that_its_owner_lost_is_unlinked(shell: Shell, functions: Deployment) -> None:
    user = mira(functions)
    assert user is not None
    lost = Identity(
        user_id=user.user_id, provider="google", subject="1081", email=MIRA.email, created_at=user.created_at
    )
    assert functions.store.commit(*functions.users.linking(user, lost, {})) == ()

    said = shell.run("A lost Google identity")

    assert "identities    none" in said
    assert functions.users.find_id(Name.IDENTITY, "google#1081") is None


def test_keys_are_rotated_and_a_stuck_rotation_is_given_up(shell: Shell, functions: Deployment, stack: Stack) -> None:
    secrets, outputs = client("secretsmanager"), stack.outputs()
    session = functions.sign_in.sign_in(by_email(MIRA.email), HOME).tokens
    api_key = secrets.get_secret_value(SecretId=outputs["SecretApiKeyArn"])["SecretString"]
    key_ids = [key.kid for key in functions.__replace__().keys.verifying()]
    with patch.object(LambdaBackend, "invoke", lambda *_, **__: None):
        stuck = secrets.rotate_secret(SecretId=outputs["MasterSecretArn"])["VersionId"]

    shell.run("Rotating the keys")
    shell.run("A rotation that is stuck")
    shell.run("The secret API key")

    assert [key.kid for key in functions.__replace__().keys.verifying()][1] == key_ids[0]
    assert functions.__replace__().accepts(session)
    labels = secrets.describe_secret(SecretId=outputs["MasterSecretArn"])["VersionIdsToStages"]
    assert "AWSPENDING" not in labels.get(stuck, [])
    changed = secrets.get_secret_value(SecretId=outputs["SecretApiKeyArn"])["SecretString"]
    assert changed != api_key
    assert (len(changed), changed.isalnum()) == (48, True)


def test_all_sessions_are_ended(shell: Shell, functions: Deployment) -> None:
    session = functions.sign_in.sign_in(by_email(MIRA.email), HOME).tokens

    assert "Every token issued before now is invalid in five minutes" in shell.run("Ending all sessions")

    assert not functions.__replace__().accepts(session)
    after = functions.__replace__()
    assert after.accepts(after.sign_in.sign_in(by_email(MIRA.email), HOME).tokens)


def test_all_second_factors_are_ended(shell: Shell, functions: Deployment) -> None:
    before = functions.__replace__().keys
    newest, lasting = before.verifying()[0], before.lasting()

    shell.run("Ending all second factors")

    after = functions.__replace__().keys
    assert after.lasting() != lasting
    assert after.verifying()[1].kid == newest.kid  # as after any rotation


@pytest.fixture
def then(stack: Stack, functions: Deployment) -> Iterator[User]:
    """The point in time that is restored: Mira as she is now. (moto restores what stands when it is asked.)"""
    backend: Any = get_backend("dynamodb")[ACCOUNT_ID][REGION]
    stood = {name: copy.deepcopy(table.items) for name, table in backend.tables.items()}
    restore = DynamoDBBackend.restore_table_to_point_in_time

    def restore_as_it_stood(backend: Any, target_table_name: str, source_table_name: str) -> Any:
        table = restore(backend, target_table_name, source_table_name)
        table.items = copy.deepcopy(stood[source_table_name])
        return table

    user = mira(functions)
    assert user is not None
    with patch.object(DynamoDBBackend, "restore_table_to_point_in_time", restore_as_it_stood):
        yield user
    assert len(backend.tables) == len(stack.logical_ids("AWS::DynamoDB::Table"))  # the copies are gone


def test_one_person_comes_back_with_every_name_and_without_sessions(
    shell: Shell, functions: Deployment, then: User
) -> None:
    session = functions.sign_in.sign_in(by_email(MIRA.email), HOME).tokens
    mira_now = functions.users.find_person(then.user_id)
    assert mira_now is not None
    functions.store.commit(*removal(functions.users, mira_now))

    shell.run("One account")

    after = mira(functions)
    assert after is not None
    assert (after.user_id, after.username, after.epoch) == (MIRAS_ID, "mira", then.epoch + 1)
    assert functions.users.find_id(Name.USERNAME, "mira") == MIRAS_ID
    assert functions.users.find_id(Name.NUMBER, after.number or 0) == MIRAS_ID
    with pytest.raises(SessionEnded):
        functions.sessions.authenticate(session.access_token)


@pytest.mark.covers("F44")
def test_everything_comes_back_as_it_stood_and_nobody_is_signed_in(
    shell: Shell, functions: Deployment, stack: Stack, then: User
) -> None:
    """A session that was ended since would stand again, for the account's epoch does."""
    session = functions.sign_in.sign_in(by_email(MIRA.email), HOME).tokens
    functions.users.change(then, {"epoch": then.epoch + 1, "password_hash": "lost"})  # as a reset does
    functions.register(BOB)

    said = shell.run("Everything")

    assert mira(functions) == then
    assert functions.users.find_id(Name.EMAIL, BOB.email) is None
    after = functions.__replace__()
    assert not after.accepts(session)
    again = after.sign_in.sign_in(by_email(MIRA.email), HOME).tokens
    assert after.sessions.authenticate(again.access_token).user.user_id == MIRAS_ID
    assert said.index("sleep 300") < said.rindex("make smoke STACK=gerbang")
    for name in ("Users", "Organizations"):
        assert_protected(functions.tables[name])
    for logical_id in stack.logical_ids("AWS::Lambda::Function"):
        answer = client("lambda").get_function_concurrency(FunctionName=stack.ids[logical_id])
        assert "ReservedConcurrentExecutions" not in answer


def assert_protected(table: str) -> None:
    """It has what template.yaml gives it and a restored table does not have by itself."""
    dynamodb = client("dynamodb")
    description = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert description["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert dynamodb.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"] is True
    expiry = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert expiry.get("AttributeName") == "expires_at"


def test_a_person_s_data_is_deleted(shell: Shell, functions: Deployment) -> None:
    assert f"{MIRAS_ID} is deleted." in shell.run("Deleting a user's data")

    assert mira(functions) is None


def test_mail_leaves_the_sandbox(shell: Shell) -> None:
    shell.run("Mail and the SES sandbox")

    assert client("sesv2").get_email_identity(EmailIdentity="example.com")["IdentityType"] == "DOMAIN"


def test_a_domain_of_ones_own_needs_three_values(shell: Shell) -> None:
    """What they make of the stack: tests/deploy/test_sam_cli.py."""
    said = shell.run("A domain of your own")

    [values] = [line for line in said.splitlines() if line.startswith("DomainName=")]
    assert chosen_parameters(template(), dict(one.split("=", 1) for one in values.split()))
    assert "make smoke STACK=gerbang URL=https://auth.example.com" in said


def test_what_a_stack_leaves_is_taken_down(shell: Shell, stack: Stack) -> None:
    outputs = stack.outputs()

    assert "sam delete --stack-name gerbang" in shell.run("Taking it down")

    left = client("dynamodb").list_tables()["TableNames"]
    assert not {outputs["UsersTable"], outputs["OrganizationsTable"]} & set(left)
    for secret in ("MasterSecretArn", "SecretApiKeyArn"):
        assert "DeletedDate" in client("secretsmanager").describe_secret(SecretId=outputs[secret])
