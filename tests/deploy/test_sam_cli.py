"""The real SAM CLI deploys, updates and deletes the stack, with the real build and moto instead of AWS.

What this test shows and what it cannot show: docs/decisions/0046-deploying.md.
"""

import logging
import os
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from gerbang_local.mailbox import Mailbox
from moto.server import ThreadedMotoServer
from sam_deploy import this_machine

from tests.build.artefacts import build_for
from tests.deploy.clients import client
from tests.deploy.stacks import ROOT, cloudformation_in_memory, physical_ids

pytestmark = [pytest.mark.build, pytest.mark.timeout(600)]

STACK: Final = "gerbang"
REGION: Final = "eu-west-1"
CERTIFICATE: Final = f"arn:aws:acm:{REGION}:123456789012:certificate/12345678-1234-1234-1234-123456789012"
KEY: Final = f"arn:aws:kms:{REGION}:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
DOMAIN: Final = "auth.example.com"

CHANGED: Final = {
    "Architecture": "x86_64",
    "CertificateArn": CERTIFICATE,
    "DomainName": DOMAIN,
    "KmsKeyArn": KEY,
    "LogLevel": "WARNING",
    "RotationDays": "90",
    "TokenAlgorithm": "ES256",
}
"""Parameters of the update."""


@dataclass(frozen=True, slots=True)
class Sam:
    """Runs SAM CLI in a project folder, with moto's server as AWS."""

    folder: Path
    endpoint: str

    def __call__(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,  # the variable of AWS CLI 2; tools/bootstrap/sam passes it on
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(self.folder),
        }
        return subprocess.run(
            [ROOT / "tools/bootstrap/sam", command, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def deploy(self, **parameters: str) -> subprocess.CompletedProcess[str]:
        """Deploy the build with the settings of samconfig.toml, then *parameters*, as the README describes."""
        section = tomllib.loads((self.folder / "samconfig.toml").read_text("utf-8"))["default"]
        settings = shlex.split(section["global"]["parameters"]["parameter_overrides"])
        changed = [f"{name}={value}" for name, value in parameters.items()]
        return self("deploy", "--no-confirm-changeset", "--parameter-overrides", *settings, *changed)


@pytest.fixture(scope="module")
def sam(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sam]:
    """SAM CLI with this project's build and samconfig.toml. AWS is empty."""
    build_for(this_machine())
    folder = tmp_path_factory.mktemp("project")
    for name in ("samconfig.toml", "template.yaml", ".aws-sam"):
        (folder / name).symlink_to(ROOT / name)
    mailbox = Mailbox(now=lambda: datetime.now(UTC))
    with cloudformation_in_memory(mailbox, AWS_REGION=REGION, AWS_DEFAULT_REGION=REGION):
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server.start()
        try:
            # moto recognizes its own URLs by the name localhost.
            yield Sam(folder, f"http://localhost:{server.get_host_and_port()[1]}")
        finally:
            server.stop()


def ids() -> dict[str, str]:
    return physical_ids(STACK)


def function(logical_id: str) -> dict[str, Any]:
    configuration: dict[str, Any] = client("lambda").get_function_configuration(FunctionName=ids()[logical_id])
    return configuration


def layers(logical_id: str) -> list[str]:
    return [layer["Arn"].split(":")[-2] for layer in function(logical_id)["Layers"]]


def test_a_stack_is_deployed_updated_and_deleted(sam: Sam) -> None:
    """In this order: creation, an update without changes, two invalid updates, an update, deletion."""
    created = sam.deploy()
    assert created.returncode == 0, created.stdout + created.stderr
    assert "Successfully created/updated stack - gerbang in eu-west-1" in created.stdout
    assert f"https://{ids()['Api']}.execute-api.{REGION}.amazonaws.com" in created.stdout
    before = ids()
    assert layers("ApiLoginFunction")[0] == "gerbang-dependencies-arm64"

    unchanged = sam.deploy()
    assert unchanged.returncode == 0, unchanged.stdout + unchanged.stderr
    output = unchanged.stdout + unchanged.stderr
    assert "No changes to deploy" in output, output

    without_certificate = sam.deploy(DomainName=DOMAIN)
    assert without_certificate.returncode == 1
    assert "DomainName needs its certificate. Set CertificateArn too." in without_certificate.stderr

    gradual = sam.deploy(DeploymentPreference="Canary10Percent5Minutes")
    assert gradual.returncode == 1
    assert "Deploy with `make deploy`" in gradual.stderr
    assert ids() == before

    changed = sam.deploy(**CHANGED)
    assert changed.returncode == 0, changed.stdout + changed.stderr
    after = ids()
    assert {name: after[name] for name in before if name in after} == before  # nothing is replaced
    assert after.keys() - before.keys() == {"DomainMapping", "DomainOfTheApi"}
    login = function("ApiLoginFunction")
    assert (login["Architectures"], layers("ApiLoginFunction")[0]) == (["x86_64"], "gerbang-dependencies-x86-64")
    variables = login["Environment"]["Variables"]
    assert (variables["TOKEN_ALGORITHM"], variables["POWERTOOLS_LOG_LEVEL"]) == ("ES256", "WARNING")
    assert client("secretsmanager").describe_secret(SecretId=after["MasterSecret"])["KmsKeyId"] == KEY
    assert "DomainTarget" in changed.stdout

    deleted = sam("delete", "--no-prompts", "--stack-name", STACK, "--region", REGION)
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr
    assert STACK not in {stack["StackName"] for stack in client("cloudformation").describe_stacks()["Stacks"]}
    retained = set(client("dynamodb").list_tables()["TableNames"])
    assert retained == {before["Users"], before["Organizations"]}
    assert {one["ARN"] for one in client("secretsmanager").list_secrets()["SecretList"]} == {
        before["MasterSecret"],
        before["SecretApiKey"],
    }
    assert client("lambda").list_functions()["Functions"] == []
    assert client("apigatewayv2").get_apis()["Items"] == []
    assert client("apigatewayv2").get_domain_names()["Items"] == []
    assert client("logs").describe_log_groups()["logGroups"] == []
