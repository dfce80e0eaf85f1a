"""Gradual deployments and SnapStart: the resources that SAM's macro creates for functions with versions."""

import shutil
from pathlib import Path
from typing import Any, Final

import pytest
from sam_deploy import this_machine, versions

from tests.build.artefacts import build_for
from tests.deploy.stacks import transform, written

pytestmark = pytest.mark.build

CANARY: Final = "Canary10Percent5Minutes"
RESOURCES_OF_A_STACK: Final = 500
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html"""
BYTES_OF_A_TEMPLATE: Final = 1_000_000
"""The same page, for a template in S3, where `sam deploy` puts it."""


def published(folder: Path, *, release: str, snap_start: str = "all", **parameters: str) -> dict[str, Any]:
    """Return the resources of a stack with gradual deployments and SnapStart."""
    build = build_for(this_machine())
    file = folder / "template.yaml"
    shutil.copy(build.folder / "template.yaml", file)
    settings = {"DeploymentPreference": CANARY, "SnapStart": snap_start}
    versions.publish(file, settings, release=release)
    assert file.stat().st_size < BYTES_OF_A_TEMPLATE
    text = (
        file.read_text().replace("CodeUri: ", "CodeUri: s3://artefacts/").replace("ContentUri: ", "ContentUri: s3://a/")
    )
    file.write_text(text)
    resources: dict[str, Any] = transform(file, settings | parameters)["Resources"]
    return resources


def ids(resources: dict[str, Any], kind: str) -> set[str]:
    return {name for name, resource in resources.items() if resource["Type"] == f"AWS::{kind}"}


def test_each_function_has_an_alias_that_is_deployed_gradually_and_rolled_back_on_alarms(tmp_path: Path) -> None:
    resources = published(tmp_path, release="1")
    functions = set(written("AWS::Serverless::Function"))

    assert len(resources) <= RESOURCES_OF_A_STACK
    assert ids(resources, "Lambda::Alias") == {f"{name}Aliaslive" for name in functions}
    assert all("CodeDeployLambdaAliasUpdate" in resources[f"{name}Aliaslive"]["UpdatePolicy"] for name in functions)
    group = resources["ApiLoginFunctionDeploymentGroup"]["Properties"]
    assert group["AlarmConfiguration"]["Alarms"][0] == {"Name": {"Ref": "ServerErrorsAlarm"}}
    assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
    assert CANARY in str(group["DeploymentConfigName"])
    assert resources["ApiLoginFunction"]["Properties"]["SnapStart"] == {"ApplyOn": "PublishedVersions"}


def test_routes_and_the_mail_queue_invoke_the_alias(tmp_path: Path) -> None:
    resources = published(tmp_path, release="1")
    paths = resources["Api"]["Properties"]["Body"]["paths"]

    uri = paths["/api/auth/login"]["x-amazon-apigateway-any-method"]["x-amazon-apigateway-integration"]["uri"]

    assert "ApiLoginFunctionAliaslive" in str(uri)
    assert resources["MailerFunctionQueue"]["Properties"]["FunctionName"] == {"Ref": "MailerFunctionAliaslive"}


def test_a_release_publishes_every_function_even_if_only_a_parameter_has_changed(tmp_path: Path) -> None:
    """Without the release number the macro would not, because the template is the same."""
    first = published(tmp_path, release="1", LogLevel="INFO")
    second = published(tmp_path, release="2", LogLevel="ERROR")

    assert ids(first, "Lambda::Version") & ids(second, "Lambda::Version") == set()


def test_snap_start_for_sign_in_covers_exactly_the_sign_in_functions(tmp_path: Path) -> None:
    resources = published(tmp_path, release="1", snap_start="sign-in")

    started = {name for name in ids(resources, "Lambda::Function") if "SnapStart" in resources[name]["Properties"]}

    assert started == versions.SIGN_IN
