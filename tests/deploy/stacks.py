"""Creates stacks from template.yaml with SAM's macro and CloudFormation on moto."""

import io
import json
import os
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

from gerbang_local.aws import behave_as_in_lambda
from gerbang_local.declarations import template
from gerbang_local.mailbox import Mailbox
from gerbang_local.memory import aws_in_memory
from gerbang_local.stack import Function
from gerbang_local.template import Resource

from tests.deploy.clients import client
from tests.deploy.moto_cloudformation.change_sets import complete_change_sets
from tests.deploy.moto_cloudformation.registry import complete_cloudformation
from tests.not_run import not_run

ROOT: Final = Path(__file__).parents[2]
TEMPLATE: Final = ROOT / "template.yaml"
BUCKET: Final = "artefacts"
STACK_NAME: Final = "gerbang"


@cache
def transformed(overrides: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """Return the transformed template.yaml. *overrides* are the parameters that differ from their defaults.

    Skips the test (in CI: fails it) if SAM CLI's environment cannot be installed.
    """
    return transform(TEMPLATE, dict(overrides))


def transform(template: Path, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return a transformed template. Skips or fails the test like `transformed`."""
    run = subprocess.run(
        [
            *(ROOT / "tools/bootstrap/uv", "run", "--quiet", "--frozen", "--project", ROOT / "tools/sam"),
            *("python", Path(__file__).with_name("transform.py"), template, json.dumps(dict(parameters))),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0 and "Traceback" not in run.stderr:
        not_run("tests of the transformed template", f"SAM CLI's environment: {run.stderr.strip()[-200:]}")
    assert run.returncode == 0, run.stderr[-2000:]
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def written(kind: str) -> dict[str, Resource]:
    """Return the resources of a type in template.yaml, by logical id."""
    return {name: resource for name, resource in template().resources.items() if resource.type == kind}


def default_parameters() -> dict[str, str]:
    """Return every parameter's default, as text."""
    return {name: str(parameter["Default"]) for name, parameter in template().parameters.items()}


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that exists on moto. Its state is read from the services, not from the template."""

    name: str
    template: Mapping[str, Any]
    mailbox: Mailbox
    ids: Mapping[str, str] = field(default_factory=dict)
    """Logical to physical ids."""

    def logical_ids(self, kind: str) -> list[str]:
        """Return the logical ids of the stack's resources of a type. Resources with a false condition do not exist."""
        resources = self.template["Resources"].items()
        return [name for name, resource in resources if resource["Type"] == kind and name in self.ids]

    def outputs(self) -> dict[str, str]:
        [described] = client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}

    def function(self, logical_id: str) -> dict[str, Any]:
        """Return the configuration of a function."""
        configuration: dict[str, Any] = client("lambda").get_function_configuration(FunctionName=self.ids[logical_id])
        return configuration

    def described(self, logical_id: str, folder: Path) -> Function:
        """Return a function as CloudFormation created it, with its code in *folder* and no layers."""
        configuration = self.function(logical_id)
        return Function(
            logical_id=logical_id,
            name=configuration["FunctionName"],
            arn=configuration["FunctionArn"],
            folder=folder,
            handler=configuration["Handler"],
            environment=configuration["Environment"]["Variables"],
            layers=(),
            timeout_seconds=configuration["Timeout"],
            memory_mb=configuration["MemorySize"],
        )

    def routes(self) -> dict[str, dict[str, Any]]:
        """Return the API's routes by key, each with the `function` (logical id) that serves it."""
        gateway, api_id = client("apigatewayv2"), self.ids["Api"]
        uris = {one["IntegrationId"]: one["IntegrationUri"] for one in gateway.get_integrations(ApiId=api_id)["Items"]}
        functions = {self.function_arn(name): name for name in self.logical_ids("AWS::Lambda::Function")}

        def function_at(uri: str) -> str:
            """Return the function of an integration's URI."""
            return functions[uri.partition("/functions/")[2].removesuffix("/invocations")]

        return {
            route["RouteKey"]: route | {"function": function_at(uris[route["Target"].rpartition("/")[2]])}
            for route in gateway.get_routes(ApiId=api_id)["Items"]
        }

    def function_arn(self, logical_id: str) -> str:
        return str(self.function(logical_id)["FunctionArn"])

    def updated(self, **parameters: str) -> Self:
        """Update parameters of the stack, and return the stack after that."""
        result = transformed(tuple(parameters.items()))
        client("cloudformation").update_stack(
            StackName=self.name,
            TemplateBody=json.dumps(result),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=_listed(default_parameters() | parameters),
        )
        return replace(self, template=result, ids=physical_ids(self.name))


@contextmanager
def created_stack(name: str = STACK_NAME, /, **parameters: str) -> Iterator[Stack]:
    """Create a stack. Parameters that are not given have their defaults.

    It uses a new AWS in memory, or that of an enclosing block, and disappears after the block.
    """
    result = transformed(tuple(parameters.items()))
    mailbox = Mailbox(now=lambda: datetime.now(UTC))
    with cloudformation_in_memory(mailbox):
        _upload_artefacts(result)
        client("cloudformation").create_stack(
            StackName=name,
            TemplateBody=json.dumps(result),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=_listed(default_parameters() | parameters),
        )
        yield Stack(name, result, mailbox, physical_ids(name))


@contextmanager
def cloudformation_in_memory(mailbox: Mailbox, **variables: str) -> Iterator[None]:
    """Run AWS in memory, with a complete CloudFormation, until the block ends. *variables* are set meanwhile."""
    with ExitStack() as until_the_end:
        until_the_end.callback(_restore_environment, dict(os.environ))
        behave_as_in_lambda(dynamodb_endpoint=None)
        os.environ |= {"MOTO_IAM_LOAD_MANAGED_POLICIES": "true", **variables}
        until_the_end.enter_context(aws_in_memory(mailbox))
        until_the_end.enter_context(complete_cloudformation())
        until_the_end.enter_context(complete_change_sets(transform))
        yield


def physical_ids(stack_name: str) -> dict[str, str]:
    """Return logical to physical ids of a stack's resources."""
    resources = client("cloudformation").list_stack_resources(StackName=stack_name)["StackResourceSummaries"]
    # moto also lists resources whose condition is false, without a name.
    existing = [resource for resource in resources if resource["LogicalResourceId"]]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in existing}


def _listed(parameters: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]


def _restore_environment(variables: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


def _upload_artefacts(template: Mapping[str, Any]) -> None:
    """Upload an archive to each S3 location of code in the template."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as target:
        target.writestr("app.py", "")
    s3 = client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for place in (properties.get("Code"), properties.get("Content")):
            if place is not None:
                s3.put_object(Bucket=place["S3Bucket"], Key=place["S3Key"], Body=archive.getvalue())
