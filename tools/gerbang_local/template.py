"""A CloudFormation template read and worked out: parameters, conditions, intrinsic functions. No AWS, no files.

An element that this module does not know is a `TemplateError` that names it: a template that is half understood would
be served differently from how it deploys.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, cast, override

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
    """The template, or a value chosen for it, cannot be served. Its text is one sentence for its author."""


class _NoValue:
    """What `!Ref AWS::NoValue` gives: the property or list entry that holds it is left out."""

    @override
    def __repr__(self) -> str:
        return "AWS::NoValue"


NO_VALUE: Final = _NoValue()

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
    """One entry of `Resources`; its properties still hold intrinsics, Globals are merged in."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    condition: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template as written: nothing resolved yet."""

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


def _is_intrinsic(value: Any) -> bool:
    if not isinstance(value, dict) or len(value) != 1:
        return False
    [name] = value
    return bool(name == "Ref" or name.startswith("Fn::"))


def _merged(inherited: Any, own: Any) -> Any:
    """Return *own* over *inherited* as SAM merges Globals: mappings key by key, lists added up, the rest replaced."""
    if isinstance(inherited, list) and isinstance(own, list):
        return [*inherited, *own]
    if not isinstance(inherited, dict) or not isinstance(own, dict) or _is_intrinsic(inherited) or _is_intrinsic(own):
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


def is_true(value: Any) -> bool:
    """Say whether a property is switched on: `true`, or the text `true` that a parameter gives."""
    return value is True or value == "true"


# --- intrinsics -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What other parts of a template may say of a resource: `Ref`, and `GetAtt` by attribute."""

    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


_SUB_VARIABLE: Final = re.compile(r"\$\{(!?)([^}]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """Works out properties and conditions.

    *references* is asked for a resource when something refers to it, so that what is created can be created in the
    order in which it is needed.
    """

    template: Template
    parameters: Mapping[str, ParameterValue]
    pseudo_parameters: Mapping[str, str]
    references: Callable[[str], References]
    _under_way: list[str] = field(default_factory=list)

    def active_resources(self) -> Iterator[Resource]:
        """Yield the resources whose condition holds, in the template's order."""
        for resource in self.template.resources.values():
            if resource.condition is None or self.holds(resource.condition):
                yield resource

    def holds(self, condition: str) -> bool:
        """Say whether a condition of the template is true.

        Raises:
            TemplateError: there is no such condition, it refers to itself, or it uses what is not known here.
        """
        if condition not in self.template.conditions:
            raise TemplateError(f"there is no condition {condition}")
        if condition in self._under_way:
            raise TemplateError(f"condition {condition} refers to itself")
        self._under_way.append(condition)
        try:
            return self._truth(self.template.conditions[condition])
        finally:
            self._under_way.pop()

    def check_rules(self) -> None:
        """Check the parameters by the template's rules, as CloudFormation does before it changes anything.

        Raises:
            TemplateError: an assertion fails; the text is its description.
        """
        for rule in self.template.rules.values():
            if self._truth(rule.get("RuleCondition", {"Fn::Equals": ["", ""]})):
                for assertion in rule["Assertions"]:
                    if not self._truth(assertion["Assert"]):
                        raise TemplateError(assertion["AssertDescription"])

    def resolve(self, value: Any) -> Any:
        """Return *value* with every intrinsic worked out and every `AWS::NoValue` left out.

        Raises:
            TemplateError: an intrinsic is unknown or refers to what is not there.
        """
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if not _is_intrinsic(value):
            resolved = {key: self.resolve(one) for key, one in value.items()}
            return {key: one for key, one in resolved.items() if one is not NO_VALUE}
        [(name, argument)] = value.items()
        return self._intrinsic(name, argument)

    def _intrinsic(self, name: str, argument: Any) -> Any:  # noqa: C901, PLR0911 - one branch a function
        match name, argument:
            case "Ref", str(target):
                return self._ref(target)
            case "Fn::GetAtt", [str(target), str(attribute)]:
                return self._attribute(target, attribute)
            case "Fn::Sub", str(pattern):
                return self._substitute(pattern, {})
            case "Fn::Sub", [str(pattern), dict(variables)]:
                return self._substitute(pattern, self.resolve(variables))
            case "Fn::If", [str(condition), then, otherwise]:
                return self.resolve(then if self.holds(condition) else otherwise)
            case "Fn::Join", [str(delimiter), parts]:
                return delimiter.join(text_of(part) for part in self.resolve(parts))
            case "Fn::Select", [index, choices]:
                return self._select(self.resolve(index), self.resolve(choices))
            case "Fn::Split", [str(delimiter), whole]:
                return text_of(self.resolve(whole)).split(delimiter)
            case "Fn::FindInMap", [mapping, first, second]:
                return self._find(*(text_of(self.resolve(key)) for key in (mapping, first, second)))
            case (("Fn::Equals" | "Fn::Not" | "Fn::And" | "Fn::Or"), _):
                return self._truth({name: argument})
            case _:
                raise TemplateError(f"{name} of {argument!r} is not known here")

    def _truth(self, test: Any) -> bool:
        match test:
            case {"Condition": str(name)}:
                return self.holds(name)
            case {"Fn::Equals": [left, right]}:
                return bool(_comparable(self.resolve(left)) == _comparable(self.resolve(right)))
            case {"Fn::Not": [inner]}:
                return not self._truth(inner)
            case {"Fn::And": list(inner)}:
                return all(map(self._truth, inner))
            case {"Fn::Or": list(inner)}:
                return any(map(self._truth, inner))
            case _:
                raise TemplateError(f"the condition {test!r} is not known here")

    def _ref(self, target: str) -> Any:
        if target == "AWS::NoValue":
            return NO_VALUE
        if target in self.pseudo_parameters:
            return self.pseudo_parameters[target]
        if target in self.parameters:
            return self.parameters[target]
        return self.references(self._existing(target)).ref

    def _attribute(self, target: str, attribute: str) -> str:
        attributes = self.references(self._existing(target)).attributes
        if attribute not in attributes:
            raise TemplateError(f"{target}.{attribute} is not known here")
        return attributes[attribute]

    def _existing(self, target: str) -> str:
        resource = self.template.resources.get(target)
        if resource is None:
            raise TemplateError(f"there is no parameter and no resource {target}")
        if resource.condition is not None and not self.holds(resource.condition):
            raise TemplateError(f"{target} is referred to, but its condition {resource.condition} does not hold")
        return target

    def _substitute(self, pattern: str, variables: Mapping[str, Any]) -> str:
        def value_of(found: re.Match[str]) -> str:
            literal, name = found[1], found[2].strip()
            if literal:
                return f"${{{name}}}"
            if name in variables:
                value = variables[name]
            elif "." in name:
                value = self._attribute(*name.split(".", 1))
            else:
                value = self._ref(name)
            return ",".join(value) if isinstance(value, list) else text_of(value)

        return _SUB_VARIABLE.sub(value_of, pattern)

    def _find(self, mapping: str, first: str, second: str) -> Any:
        try:
            return self.template.mappings[mapping][first][second]
        except KeyError:
            raise TemplateError(f"there is no {mapping}.{first}.{second} in Mappings") from None

    @staticmethod
    def _select(index: Any, choices: Sequence[Any]) -> Any:
        try:
            return choices[int(index)]
        except IndexError:
            raise TemplateError(f"Fn::Select takes number {index} of {len(choices)}") from None


def _comparable(value: Any) -> Any:
    """Return what `Fn::Equals` compares: scalars as text, so that `"1"` equals `1`."""
    return value if isinstance(value, list | dict) else text_of(value)
