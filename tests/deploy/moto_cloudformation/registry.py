"""Adds to moto's CloudFormation the resource types and properties that it lacks.

moto 5.2.5 does not know secrets, rotations, HTTP APIs, stages, alarms and subscriptions. It ignores the TTL and
point-in-time recovery of tables, the layers, architecture and tracing of functions, the ARN of layers, and every update
of log groups. It replaces topics, and stores the policies of roles as Python's repr. The handlers here call the
services as CloudFormation's own handlers do. They pass on the template's properties, so botocore reports a property
that the service's API does not have.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest.mock import patch

import yaml
from moto.awslambda.models import LambdaBackend, LambdaFunction
from moto.cloudformation import parsing
from moto.cloudformation.models import Stack

from tests.deploy.clients import forget_clients
from tests.deploy.moto_cloudformation.alarms import Alarm, Subscription, Topic
from tests.deploy.moto_cloudformation.functions import EventSource, Function, LayerVersion, LogGroup, Role
from tests.deploy.moto_cloudformation.http_api import ApiMapping, Domain, HttpApi, Stage
from tests.deploy.moto_cloudformation.storage import BucketPolicy, Rotation, Secret, Table

HANDLERS: Final = (
    *(Alarm, ApiMapping, BucketPolicy, Domain, EventSource, Function, HttpApi, LayerVersion, LogGroup, Role),
    *(Rotation, Secret, Stage, Subscription, Table, Topic),
)


@contextmanager
def complete_cloudformation() -> Iterator[None]:
    """Make moto's CloudFormation use these handlers until the block ends."""
    parse_resource = parsing.parse_resource

    def parse(resource_json: dict[str, Any], resources_map: Any) -> Any:
        parsed: Any = parse_resource(resource_json, resources_map)
        return parsed and (parsed[0], _without_none(parsed[1]), parsed[2])

    with ExitStack() as changes:
        changes.callback(forget_clients)
        changes.enter_context(patch.dict(parsing.get_model_map(), {handler.TYPE: handler for handler in HANDLERS}))
        changes.enter_context(patch.object(parsing, "parse_resource", parse))
        changes.enter_context(patch.object(LambdaFunction, "update_function_code", _with_architectures))
        # moto would start Docker for stream records; tests/deploy/scenarios passes one on itself.
        changes.enter_context(patch.object(LambdaBackend, "send_dynamodb_items", lambda *_: True))
        # Our transformed templates are JSON. moto would parse them as YAML, which takes two seconds each.
        changes.enter_context(patch.object(Stack, "parse_template", staticmethod(_parsed)))
        yield


_update_function_code: Final = LambdaFunction.update_function_code


def _with_architectures(function: LambdaFunction, request: dict[str, Any]) -> dict[str, Any]:
    """Update a function's code and its architecture, which moto does not update."""
    function.architectures = request.get("Architectures", function.architectures)
    return _update_function_code(function, request)


def _parsed(text: str) -> Any:
    """Return the parsed template. `RetainExceptOnCreate`, which moto does not know, becomes `Retain`."""
    if not text.lstrip().startswith("{"):  # the template of the bucket that SAM CLI creates
        return yaml.load(text, Loader=yaml.Loader)  # noqa: S506 - moto has added its constructors to this loader
    parsed = json.loads(text)
    for resource in parsed.get("Resources", {}).values():
        if resource.get("DeletionPolicy") == "RetainExceptOnCreate":
            resource["DeletionPolicy"] = "Retain"
    return parsed


def _without_none(value: Any) -> Any:
    """Return *value* without the None that moto puts into lists for `AWS::NoValue`."""
    match value:
        case list():
            return [_without_none(one) for one in value if one is not None]
        case dict():
            return {key: _without_none(one) for key, one in value.items()}
        case _:
            return value
