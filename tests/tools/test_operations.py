"""Every command in docs/operations.md works: it runs in bash, with the whole stack on moto.

The command `aws` is tests/tools/aws_cli.py. The module also corrects how moto rotates secrets.
"""

import copy
import os
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from gerbang.sessions.sessions import SessionEnded
from gerbang.storage.accounts import Identity, Name, User
from gerbang.storage.removal import removal
from gerbang_local.declarations import template
from gerbang_local.stack import ACCOUNT_ID, REGION
from gerbang_local.template import chosen_parameters
from moto.awslambda.models import LambdaBackend
from moto.backends import get_backend
from moto.dynamodb.models import DynamoDBBackend
from moto.server import ThreadedMotoServer

from tests.deploy.clients import client
from tests.deploy.stacks import Stack, created_stack
from tests.deployment import BOB, HOME, Deployment, by_email
from tests.tools import aws_cli
from tests.tools.operations_guide import (
    HELPERS,
    MIRA,
    MIRAS_ID,
    SECTIONS,
    Shell,
    assert_protected,
    environment_of,
    mira,
    rotating_as_aws_does,
)


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with created_stack(DeletionProtection="true") as created, rotating_as_aws_does(created):
        yield created


@pytest.fixture(scope="module")
def shell(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder, make = tmp_path_factory.mktemp("shell"), shutil.which("make")
    (folder / "client.py").write_text(aws_cli.CLIENT)
    for name, text in {
        "aws": f'exec "{sys.executable}" -SEs "{folder}/client.py" "$@"',
        "sleep": 'echo "sleep $*"',
        "sam": 'echo "sam $*"',
        # The API is not running, and there is no terminal to confirm.
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


@pytest.fixture
def functions(stack: Stack) -> Deployment:
    """The stack's functions. Mira is registered with the id in the guide."""
    functions = environment_of(stack)
    if functions.users.find(MIRAS_ID) is None:
        functions.register(MIRA, user_id=MIRAS_ID)
    return functions


def test_every_section_of_the_guide_has_a_test() -> None:
    """In this module."""
    source = Path(__file__).read_text("utf-8")

    assert [title for title in SECTIONS if f'shell.run("{title}")' not in source] == [HELPERS]


def test_the_helpers_find_outputs_and_resources(shell: Shell) -> None:
    assert "make smoke STACK=gerbang" in shell.run(HELPERS)


def test_the_hash_of_cloudfronts_secret_is_a_valid_parameter(shell: Shell, stack: Stack) -> None:
    digest = shell.run("CloudFront and AWS WAF in front").split()[-1]

    assert re.fullmatch(stack.template["Parameters"]["CloudFrontSecretSha256"]["AllowedPattern"], digest)


def test_failures_are_found_in_the_log(shell: Shell, stack: Stack) -> None:
    logs, group = client("logs"), stack.ids["Logs"]
    logs.create_log_stream(logGroupName=group, logStreamName="1")
    line = {"timestamp": int(datetime.now(UTC).timestamp() * 1000), "message": '{"event": "unexpected_failure"}'}
    logs.put_log_events(logGroupName=group, logStreamName="1", logEvents=[line])

    assert "unexpected_failure" in shell.run("Alarms")


def test_accounts_are_managed(shell: Shell, functions: Deployment) -> None:
    session = functions.sign_in.sign_in(by_email(MIRA.email), HOME).tokens

    output = shell.run("Managing accounts")

    user = mira(functions)
    assert user is not None
    assert (user.role_id, user.credit_balance, user.disabled_at, user.epoch) == (2, 5000, None, 2)
    assert "mira@example.com, not verified" in output
    with pytest.raises(SessionEnded):
        functions.sessions.authenticate(session.access_token)


def test_a_lost_identity_is_unlinked(shell: Shell, functions: Deployment) -> None:
    user = mira(functions)
    assert user is not None
    lost = Identity(
        user_id=user.user_id, provider="google", subject="1081", email=MIRA.email, created_at=user.created_at
    )
    assert functions.store.commit(*functions.users.linking(user, lost, {})) == ()

    output = shell.run("A lost Google identity")

    assert "identities    none" in output
    assert functions.users.find_id(Name.IDENTITY, "google#1081") is None


def test_keys_are_rotated_and_a_stuck_rotation_is_cancelled(shell: Shell, functions: Deployment, stack: Stack) -> None:
    secrets, outputs = client("secretsmanager"), stack.outputs()
    session = functions.sign_in.sign_in(by_email(MIRA.email), HOME).tokens
    api_key = secrets.get_secret_value(SecretId=outputs["SecretApiKeyArn"])["SecretString"]
    key_ids = [key.kid for key in functions.__replace__().keys.verifying()]
    with patch.object(LambdaBackend, "invoke", lambda *_, **__: None):
        stuck = secrets.rotate_secret(SecretId=outputs["MasterSecretArn"])["VersionId"]

    shell.run("Rotating the keys")

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
    assert after.verifying()[1].kid == newest.kid  # like after every rotation


@pytest.fixture
def restored(stack: Stack, functions: Deployment) -> Iterator[User]:
    """Mira's account at the time that is restored. (moto itself would restore the current items.)"""
    backend: Any = get_backend("dynamodb")[ACCOUNT_ID][REGION]
    saved = {name: copy.deepcopy(table.items) for name, table in backend.tables.items()}
    restore = DynamoDBBackend.restore_table_to_point_in_time

    def restore_saved(backend: Any, target_table_name: str, source_table_name: str) -> Any:
        table = restore(backend, target_table_name, source_table_name)
        table.items = copy.deepcopy(saved[source_table_name])
        return table

    user = mira(functions)
    assert user is not None
    with patch.object(DynamoDBBackend, "restore_table_to_point_in_time", restore_saved):
        yield user
    assert len(backend.tables) == len(stack.logical_ids("AWS::DynamoDB::Table"))  # the copies are gone


def test_one_account_is_restored_with_its_names_and_without_sessions(
    shell: Shell, functions: Deployment, restored: User
) -> None:
    session = functions.sign_in.sign_in(by_email(MIRA.email), HOME).tokens
    mira_now = functions.users.find_person(restored.user_id)
    assert mira_now is not None
    functions.store.commit(*removal(functions.users, mira_now))

    shell.run("One account")

    after = mira(functions)
    assert after is not None
    assert (after.user_id, after.username, after.epoch) == (MIRAS_ID, "mira", restored.epoch + 1)
    assert functions.users.find_id(Name.USERNAME, "mira") == MIRAS_ID
    assert functions.users.find_id(Name.NUMBER, after.number or 0) == MIRAS_ID
    with pytest.raises(SessionEnded):
        functions.sessions.authenticate(session.access_token)


@pytest.mark.covers("F44")
def test_all_tables_are_restored_and_all_users_are_signed_out(
    shell: Shell, functions: Deployment, stack: Stack, restored: User
) -> None:
    """The restored epochs would make sessions valid again that were ended after that time."""
    session = functions.sign_in.sign_in(by_email(MIRA.email), HOME).tokens
    functions.users.change(restored, {"epoch": restored.epoch + 1, "password_hash": "lost"})  # as a reset does
    functions.register(BOB)

    output = shell.run("Everything")

    assert mira(functions) == restored
    assert functions.users.find_id(Name.EMAIL, BOB.email) is None
    after = functions.__replace__()
    assert not after.accepts(session)
    again = after.sign_in.sign_in(by_email(MIRA.email), HOME).tokens
    assert after.sessions.authenticate(again.access_token).user.user_id == MIRAS_ID
    assert output.index("sleep 300") < output.rindex("make smoke STACK=gerbang")
    for name in ("Users", "Organizations"):
        assert_protected(functions.tables[name])
    for logical_id in stack.logical_ids("AWS::Lambda::Function"):
        answer = client("lambda").get_function_concurrency(FunctionName=stack.ids[logical_id])
        assert "ReservedConcurrentExecutions" not in answer


def test_a_users_data_is_deleted(shell: Shell, functions: Deployment) -> None:
    assert f"{MIRAS_ID} is deleted." in shell.run("Deleting a user's data")

    assert mira(functions) is None


def test_the_commands_for_leaving_the_ses_sandbox_work(shell: Shell) -> None:
    shell.run("Mail and the SES sandbox")

    assert client("sesv2").get_email_identity(EmailIdentity="example.com")["IdentityType"] == "DOMAIN"


def test_a_custom_domain_needs_three_values(shell: Shell) -> None:
    """tests/deploy/test_sam_cli.py tests their effect."""
    output = shell.run("A domain of your own")

    [values] = [line for line in output.splitlines() if line.startswith("DomainName=")]
    assert chosen_parameters(template(), dict(one.split("=", 1) for one in values.split()))
    assert "make smoke STACK=gerbang URL=https://auth.example.com" in output


def test_retained_resources_of_a_stack_are_deleted(shell: Shell, stack: Stack) -> None:
    outputs = stack.outputs()

    assert "sam delete --stack-name gerbang" in shell.run("Taking it down")

    remaining = client("dynamodb").list_tables()["TableNames"]
    assert not {outputs["UsersTable"], outputs["OrganizationsTable"]} & set(remaining)
    for secret in ("MasterSecretArn", "SecretApiKeyArn"):
        assert "DeletedDate" in client("secretsmanager").describe_secret(SecretId=outputs[secret])
