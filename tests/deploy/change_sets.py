"""What moto's CloudFormation leaves undone of change sets and updates, done as CloudFormation's documentation says.

moto 5.2.5 runs no macro, checks no rule, sees no change where only parameters differ, makes or deletes nothing when a
condition changes, deletes before it creates, and keeps the old outputs, and no exports, after a change set.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final
from unittest.mock import patch

import yaml
from gerbang_local.intrinsics import References, Resolver
from gerbang_local.stack import PSEUDO_PARAMETERS
from gerbang_local.template import Template, TemplateError, chosen_parameters
from moto.cloudformation import parsing
from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.models import ChangeSet, CloudFormationBackend, cloudformation_backends

from tests.deploy.resource_handlers import HANDLERS

_SERVERLESS: Final = "AWS::Serverless::"
"""What the macro turns into resources; SAM CLI's own template, of the bucket for artefacts, names it but has none."""
_HANDLED: Final = {handler.TYPE for handler in HANDLERS}


def update(resources: Any, template: dict[str, Any], parameters: dict[str, Any] | None = None) -> None:
    """Bring a stack's resources to a template: create, then change, then delete what is no longer wanted."""
    old = resources._resource_json_map
    stands = {name: made for name in old if (made := resources._parsed_resources.get(name)) is not None}
    changed = set(resources.build_resource_diff(template, parameters)["Modify"])
    resources._template = template
    resources.input_parameters = parameters or resources.input_parameters
    resources._resource_json_map = wanted_json = template["Resources"]
    for name in old.keys() - stands.keys():  # moto remembers that a condition did not hold
        resources._parsed_resources.pop(name, None)
    resources.load()
    wanted = [
        name
        for name, resource in wanted_json.items()
        if "Condition" not in resource or resources.lazy_condition_map[resource["Condition"]]
    ]
    for name in wanted:
        if resources[name] is stands.get(name) and (name in changed or wanted_json[name]["Type"] in _HANDLED):
            made = parsing.parse_and_update_resource(
                name, wanted_json[name], resources, resources._account_id, resources._region_name
            )
            resources._parsed_resources[name] = made
    unwanted = [name for name in stands if name not in wanted]
    for name in unwanted:
        del resources._parsed_resources[name]
        if old[name].get("DeletionPolicy") != "Retain":
            resources._delete_resource(stands[name], old[name])


@contextmanager
def complete_change_sets(transform: Callable[[Path, dict[str, str]], dict[str, Any]]) -> Iterator[None]:
    """Have moto's change sets check rules and run the macro of SAM, as *transform* does, until the block ends."""
    create = CloudFormationBackend.create_change_set

    def create_change_set(backend: Any, *, template: str, parameters: dict[str, Any], **more: Any) -> Any:
        # Previous values are as moto has worked them out.
        parameters = {name: ",".join(one) if isinstance(one, list) else str(one) for name, one in parameters.items()}
        if _SERVERLESS in template:
            # moto keeps what was sent; the next change set sends every value that stands.
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
