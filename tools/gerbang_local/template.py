"""A CloudFormation template as it is written, and the values of its parameters. No AWS, no files.

`intrinsics` resolves what it contains. An element that these modules do not know is a `TemplateError` that names it: a
template that is half understood would be served differently from how it deploys.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self, cast

import yaml

if TYPE_CHECKING:
    from yaml import SafeLoader as _YamlLoader
else:
    try:
        from yaml import CSafeLoader as _YamlLoader  # ten times faster
    except ImportError:  # pragma: no cover - PyYAML was built without libyaml
        from yaml import SafeLoader as _YamlLoader

type ParameterValue = str | list[str]
"""What `Ref` of a parameter gives: text, or a list for `CommaDelimitedList`."""


class TemplateError(Exception):
    """The template, or a value chosen for it, cannot be served. The text is one sentence for its author."""


# --- reading ----------------------------------------------------------------------------------------------------------


class _Loader(_YamlLoader):
    """YAML as CloudFormation reads it: short intrinsics, dates left as text, no key twice."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """Return `!Name value` in its long form, `{"Fn::Name": value}`."""
    value: Any
    match node:
        case yaml.ScalarNode():
            value = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_mapping(cast("yaml.MappingNode", node), deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[str, Any]:
    """Return a mapping; a key given twice is an error, because PyYAML would silently drop the first."""
    mapping: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        if key in mapping:
            raise TemplateError(f"line {key_node.start_mark.line + 1} gives {key} a second time")
        mapping[key] = loader.construct_object(value_node, deep=True)
    return mapping


_Loader.add_multi_constructor("!", _intrinsic)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
# `Version: 2012-10-17` is text to CloudFormation, not a date.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One entry of `Resources`. Globals are merged in; intrinsic functions are not resolved yet."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    condition: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template as it is written: nothing is resolved yet."""

    parameters: Mapping[str, Mapping[str, Any]]
    conditions: Mapping[str, Any]
    mappings: Mapping[str, Mapping[str, Mapping[str, Any]]]
    resources: Mapping[str, Resource]
    outputs: Mapping[str, Mapping[str, Any]]
    globals: Mapping[str, Mapping[str, Any]]
    rules: Mapping[str, Mapping[str, Any]]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a template.

        Raises:
            TemplateError: it is not YAML, not a SAM template, or a resource has no type.
        """
        try:
            document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with our constructors
        except yaml.YAMLError as error:
            raise TemplateError(f"it is not YAML: {' '.join(str(error).split())}") from error
        if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
            raise TemplateError("it has no Resources")
        global_properties = document.get("Globals") or {}
        resources = {}
        for logical_id, body in document["Resources"].items():
            if not isinstance(body, dict) or not isinstance(body.get("Type"), str):
                raise TemplateError(f"resource {logical_id} has no Type")
            inherited = global_properties.get(body["Type"].removeprefix("AWS::Serverless::")) or {}
            resources[logical_id] = Resource(
                logical_id=logical_id,
                type=body["Type"],
                properties=_merged(inherited, body.get("Properties") or {}),
                condition=body.get("Condition"),
            )
        return cls(
            parameters=document.get("Parameters") or {},
            conditions=document.get("Conditions") or {},
            mappings=document.get("Mappings") or {},
            resources=resources,
            outputs=document.get("Outputs") or {},
            globals=global_properties,
            rules=document.get("Rules") or {},
        )


def is_intrinsic(value: Any) -> bool:
    """Return whether a value is a call of an intrinsic function, in its long form."""
    if not isinstance(value, dict) or len(value) != 1:
        return False
    [name] = value
    return bool(name == "Ref" or name.startswith("Fn::"))


def _merged(inherited: Any, own: Any) -> Any:
    """Return *own* over *inherited* as SAM merges Globals: mappings key by key, lists added up, the rest replaced."""
    if isinstance(inherited, list) and isinstance(own, list):
        return [*inherited, *own]
    if not isinstance(inherited, dict) or not isinstance(own, dict) or is_intrinsic(inherited) or is_intrinsic(own):
        return own
    both = {key: _merged(inherited[key], own[key]) for key in own if key in inherited}
    return {**inherited, **own, **both}


# --- parameters -------------------------------------------------------------------------------------------------------

_LIST_TYPES: Final = frozenset({"CommaDelimitedList", "List<Number>", "List<String>"})
_TEXT_TYPES: Final = frozenset({"String", "Number"})


def chosen_parameters(template: Template, overrides: Mapping[str, str]) -> dict[str, ParameterValue]:
    """Return a value for every parameter: the override, else the default, checked as CloudFormation would.

    Raises:
        TemplateError: an override names no parameter, a parameter has neither override nor default, or a value
            breaks the parameter's own rules. No value is repeated in the message: it may be a secret.
    """
    for name in overrides:
        if name not in template.parameters:
            known = ", ".join(sorted(template.parameters)) or "none"
            raise TemplateError(f"there is no parameter {name} (there are: {known})")
    return {
        name: _parameter_value(name, declared, overrides.get(name)) for name, declared in template.parameters.items()
    }


def _parameter_value(name: str, declared: Mapping[str, Any], override: str | None) -> ParameterValue:
    kind = declared.get("Type")
    if kind not in _LIST_TYPES | _TEXT_TYPES:
        raise TemplateError(f"parameter {name} is of type {kind}, which is not served here")
    if override is None and "Default" not in declared:
        raise TemplateError(f"parameter {name} has no default: give it as PARAMETERS='{name}=...'")
    given = text_of(declared["Default"]) if override is None else override
    values = [value.strip() for value in given.split(",")] if kind in _LIST_TYPES else [given]
    for value in values:
        if (why := _broken_rule(declared, value)) is not None:
            raise TemplateError(f"parameter {name} {why}")
    return values if kind in _LIST_TYPES else given


def _broken_rule(declared: Mapping[str, Any], value: str) -> str | None:
    """Return the rule of the parameter that *value* breaks, in words that follow its name; None if it breaks none."""
    if "AllowedValues" in declared and value not in (allowed := [text_of(one) for one in declared["AllowedValues"]]):
        return f"must be one of {', '.join(allowed)}"
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], value):
        return f"must be {declared.get('ConstraintDescription') or f'of the form {declared["AllowedPattern"]}'}"
    if not int(declared.get("MinLength", 0)) <= len(value) <= int(declared.get("MaxLength", len(value))):
        return f"must have {declared.get('MinLength', 0)} to {declared.get('MaxLength', 'any number of')} characters"
    if declared["Type"] in {"Number", "List<Number>"}:
        try:
            number = float(value)
        except ValueError:
            return "must be a number"
        if not float(declared.get("MinValue", number)) <= number <= float(declared.get("MaxValue", number)):
            return f"must be from {declared.get('MinValue', 'any')} to {declared.get('MaxValue', 'any')}"
    return None


def text_of(value: Any) -> str:
    """Return a scalar as CloudFormation writes it: `true`, `0.5`, `3600`.

    Raises:
        TemplateError: the value is a list, a mapping or nothing.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case _:
            raise TemplateError(f"text is wanted where there is {type(value).__name__}")


def check_known(properties: Mapping[str, Any], known: frozenset[str], where: str = "") -> None:
    """Check that every property is known; *where* begins the sentence.

    Raises:
        TemplateError: one is not known.
    """
    for name in properties:
        if name not in known:
            raise TemplateError(f"{where}{name} is not served here")


def is_true(value: Any) -> bool:
    """Return whether a property is switched on: `true`, or the text `true` that a parameter gives."""
    return value is True or value == "true"
