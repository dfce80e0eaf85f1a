"""The guide docs/operations.md: its commands, and the stack on moto in which they run."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from gerbang.container import Container
from gerbang.core.emails import EmailAddress
from gerbang.sessions import rotation_events as secret_rotation
from gerbang.sessions.rotation import Rotation
from gerbang.storage.accounts import Name, User
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.secret_versions import SecretVersionHistory
from gerbang.storage.secrets import Secret
from moto.awslambda.models import LambdaBackend
from moto.secretsmanager.models import SecretsManagerBackend

from tests.deploy.clients import client
from tests.deploy.stacks import Stack
from tests.deployment import ALICE, Deployment
from tests.fakes import FakeClock, RecordingLog

ROOT: Final = Path(__file__).parents[2]
MIRA: Final = replace(ALICE, email=EmailAddress("mira@example.com"), name="Mira", username="mira", founds="Mira's")
MIRAS_ID: Final = "3c662a10-d9b1-438c-bfa7-eac70051f5ac"
"""The id in the guide."""


def sections() -> dict[str, tuple[str, ...]]:
    """Return the guide's commands by the heading above them."""
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
HELPERS: Final = "Operations"


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs commands of the guide, after the guide's helper functions."""

    environment: Mapping[str, str]
    folder: Path

    def run(self, title: str) -> str:
        """Run the commands under a heading, none of which may fail. Return their output."""
        commands = [*SECTIONS[HELPERS], *(() if title == HELPERS else SECTIONS[title])]
        script = "\n".join(["set -euo pipefail", *commands])
        script = script.replace("tools/bootstrap/sam", "sam").replace("person.json", f"{self.folder}/person.json")
        done = subprocess.run(
            ["bash", "-c", script], cwd=ROOT, env=dict(self.environment), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@contextmanager
def rotating_as_aws_does(stack: Stack) -> Iterator[None]:
    """Make `RotateSecret` call the attached function, and remove AWSPENDING from a version that became current."""
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

    def rotate(backend: Any, secret_id: str, **parameters: Any) -> Any:
        for version in backend.secrets[secret_id].versions.values():
            if {"AWSPENDING", "AWSCURRENT"} <= set(version["version_stages"]):
                version["version_stages"].remove("AWSPENDING")
        parameters["rotation_lambda_arn"] = function_arn
        return begin(backend, secret_id, **parameters)

    def invoke(_backend: Any, function: str, **parameters: Any) -> None:
        assert function == function_arn
        handler({**json.loads(parameters["body"]), "SecretId": secret_arn}, None)

    with (
        patch.object(SecretsManagerBackend, "rotate_secret", rotate),
        patch.object(LambdaBackend, "invoke", invoke),
        patch.dict(os.environ, POWERTOOLS_METRICS_NAMESPACE="Gerbang"),
    ):
        yield


def environment_of(stack: Stack) -> Deployment:
    """Return a new environment of the stack's functions."""
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


def mira(functions: Deployment) -> User | None:
    user_id = functions.users.find_id(Name.EMAIL, MIRA.email)
    return None if user_id is None else functions.users.find(user_id)


def assert_protected(table: str) -> None:
    """Check the settings of template.yaml that a restored table does not have by default."""
    dynamodb = client("dynamodb")
    description = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert description["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED"
    assert dynamodb.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"] is True
    expiry = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    assert expiry.get("AttributeName") == "expires_at"
