"""Adds to moto's CloudFormation what it lacks of change sets and updates, by CloudFormation's documentation.

moto 5.2.5 runs no macros and checks no rules. It sees no change if only parameters differ, creates and deletes nothing
when a condition changes, deletes before it creates, and does not update outputs and exports after a change set.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final
from unittest.mock import patch

import yaml
from gerbang_local.stack import PSEUDO_PARAMETERS
from gerbang_local.template import References, Resolver, Template, TemplateError, chosen_parameters
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import ChangeSet, CloudFormationBackend, cloudformation_backends

from tests.deploy.moto_cloudformation.registry import HANDLERS

_SERVERLESS: Final = "AWS::Serverless::"
"""Prefix of the resource types that need the macro. SAM CLI's template of its bucket has no such resources."""
_HANDLED: Final = {handler.TYPE for handler in HANDLERS}


def update(resources: Any, template: dict[str, Any], parameters: dict[str, Any] | None = None) -> None:
    """Update a stack's resources to a template: first create, then update, then delete."""
    old = resources._resource_json_map
    existing = {name: found for name in old if (found := resources._parsed_resources.get(name)) is not None}
    changed = set(resources.build_resource_diff(template, parameters)["Modify"])
    resources._template = template
    resources.input_parameters = parameters or resources.input_parameters
    resources._resource_json_map = wanted_json = template["Resources"]
    for name in old.keys() - existing.keys():  # moto stores None where a condition did not hold
        resources._parsed_resources.pop(name, None)
    resources.load()
    wanted = [
        name
        for name, resource in wanted_json.items()
        if "Condition" not in resource or resources.lazy_condition_map[resource["Condition"]]
    ]
    for name in wanted:
        if resources[name] is existing.get(name) and (name in changed or wanted_json[name]["Type"] in _HANDLED):
            updated = parsing.parse_and_update_resource(
                name, wanted_json[name], resources, resources._account_id, resources._region_name
            )
            resources._parsed_resources[name] = updated
    unwanted = [name for name in existing if name not in wanted]
    for name in unwanted:
        del resources._parsed_resources[name]
        if old[name].get("DeletionPolicy") != "Retain":
            resources._delete_resource(existing[name], old[name])


@contextmanager
def complete_change_sets(transform: Callable[[Path, dict[str, str]], dict[str, Any]]) -> Iterator[None]:
    """Make moto's change sets check rules and run SAM's macro (*transform*) until the block ends."""
    create = CloudFormationBackend.create_change_set

    def create_change_set(backend: Any, *, template: str, parameters: dict[str, Any], **more: Any) -> Any:
        # moto passes previous values in their resolved form.
        parameters = {name: ",".join(one) if isinstance(one, list) else str(one) for name, one in parameters.items()}
        if _SERVERLESS in template:
            # moto stores the values that were sent; the next change set sends all current values.
            declared = Template.parse(template).parameters
            parameters = {name: str(one["Default"]) for name, one in declared.items()} | parameters
            _check_rules(template, parameters)
            with NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(template)
                file.flush()
                processed = json.dumps(transform(Path(file.name), parameters))
        else:
            processed = json.dumps(yaml.safe_load(template))
        return create(backend, template=processed, parameters=parameters, **more)

    def parse(change_set: Any) -> None:
        change_set.template_dict = change_set.stack.parse_template(change_set.template)

    def apply(change_set: Any) -> None:
        stack = change_set.stack
        stack.template_dict = change_set.template_dict
        stack.resource_map.update(change_set.template_dict, change_set.parameters)
        stack.parameters = change_set.parameters
        stack.output_map = stack._create_output_map()
        exports = cloudformation_backends[stack.account_id][stack.region_name].exports
        exports.update({export.name: export for export in stack.exports})

    with ExitStack() as changes:
        changes.enter_context(patch.object(parsing.ResourceMap, "update", update))
        changes.enter_context(patch.object(CloudFormationBackend, "create_change_set", create_change_set))
        changes.enter_context(patch.object(ChangeSet, "_parse_template", parse))
        changes.enter_context(patch.object(ChangeSet, "apply", apply))
        yield


def _check_rules(text: str, parameters: dict[str, str]) -> None:
    template = Template.parse(text)
    try:
        chosen = chosen_parameters(template, parameters)
        Resolver(
            template=template,
            parameters=chosen,
            pseudo_parameters=PSEUDO_PARAMETERS,
            references=lambda name: References(ref=name),
        ).check_rules()
    except TemplateError as error:
        raise ValidationError(message=str(error)) from error
