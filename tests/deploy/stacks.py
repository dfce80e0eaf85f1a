"""template.yaml as a stack: transformed by the macro of SAM, created by CloudFormation on moto."""

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

import pytest
from gerbang_local.aws import behave_as_in_lambda
from gerbang_local.declarations import template
from gerbang_local.mailbox import Mailbox
from gerbang_local.memory import aws_in_memory
from gerbang_local.stack import Function
from gerbang_local.template import Resource

from tests.deploy.clients import client
from tests.deploy.moto_cloudformation.change_sets import complete_change_sets
from tests.deploy.moto_cloudformation.registry import complete_cloudformation

ROOT: Final = Path(__file__).parents[2]
TEMPLATE: Final = ROOT / "template.yaml"
BUCKET: Final = "artefacts"
STACK_NAME: Final = "gerbang"


@cache
def transformed(overrides: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    """Return what CloudFormation makes of template.yaml with the parameters that are not at their defaults.

    Skips the test (in CI: fails it) where SAM CLI's environment cannot be had.
    """
    return transform(TEMPLATE, dict(overrides))


def transform(template: Path, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return what the macro makes of a template; as `transformed` where SAM CLI's environment cannot be had."""
    run = subprocess.run(
        [
            *(ROOT / "tools/bootstrap/uv", "run", "--quiet", "--frozen", "--project", ROOT / "tools/sam"),
            *("python", Path(__file__).with_name("transform.py"), template, json.dumps(dict(parameters))),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        reason = f"{template} could not be transformed: {run.stderr[-2000:]}"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def written(kind: str) -> dict[str, Resource]:
    """Return the resources of a type, as template.yaml has them, by logical id."""
    return {name: resource for name, resource in template().resources.items() if resource.type == kind}


def default_parameters() -> dict[str, str]:
    """Return every parameter's default, as text."""
    return {name: str(parameter["Default"]) for name, parameter in template().parameters.items()}


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that stands. Everything is asked of the services, not of the template."""

    name: str
    template: Mapping[str, Any]
    mailbox: Mailbox
    ids: Mapping[str, str] = field(default_factory=dict)
    """Logical to physical ids."""

    def logical_ids(self, kind: str) -> list[str]:
        """Return the ids of the template's resources of a type that were made: a condition may leave some out."""
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
        """Return a function as CloudFormation made it, with its code in *folder* and no layers."""
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
            """Return the function that API Gateway calls at *uri*."""
            return functions[uri.partition("/functions/")[2].removesuffix("/invocations")]

        return {
            route["RouteKey"]: route | {"function": function_at(uris[route["Target"].rpartition("/")[2]])}
            for route in gateway.get_routes(ApiId=api_id)["Items"]
        }

    def function_arn(self, logical_id: str) -> str:
        return str(self.function(logical_id)["FunctionArn"])

    def updated(self, **parameters: str) -> Self:
        """Return the stack as it stands after CloudFormation has changed parameters of it."""
        result = transformed(tuple(parameters.items()))
        client("cloudformation").update_stack(
            StackName=self.name,
            TemplateBody=json.dumps(result),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=_listed(default_parameters() | parameters),
        )
        return replace(self, template=result, ids=_physical_ids(self.name))


@contextmanager
def created_stack(name: str = STACK_NAME, /, **parameters: str) -> Iterator[Stack]:
    """Create a stack with *parameters*, the others at their defaults.

    On an AWS of its own, or within another such block on that one's; it is gone after the block.
    """
    result = transformed(tuple(parameters.items()))
    mailbox = Mailbox(now=lambda: datetime.now(UTC))
    with ExitStack() as until_the_end:
        until_the_end.callback(_restore_environment, dict(os.environ))
        behave_as_in_lambda(dynamodb_endpoint=None)
        os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
        until_the_end.enter_context(aws_in_memory(mailbox))
        until_the_end.enter_context(complete_cloudformation())
        until_the_end.enter_context(complete_change_sets(transform))
        _upload_artefacts(result)
        client("cloudformation").create_stack(
            StackName=name,
            TemplateBody=json.dumps(result),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=_listed(default_parameters() | parameters),
        )
        yield Stack(name, result, mailbox, _physical_ids(name))


def _physical_ids(stack_name: str) -> dict[str, str]:
    resources = client("cloudformation").list_stack_resources(StackName=stack_name)["StackResourceSummaries"]
    # moto lists what no condition lets exist, too, without a name.
    made = [resource for resource in resources if resource["LogicalResourceId"]]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in made}


def _listed(parameters: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()]


def _restore_environment(variables: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)


def _upload_artefacts(template: Mapping[str, Any]) -> None:
    """Put an archive where the template says that the code of a function or layer is."""
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
