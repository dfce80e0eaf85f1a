"""The conditions and intrinsic functions of a template, resolved: `Ref`, `Fn::Sub`, `Fn::If` and others."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, override

from gerbang_local.template import ParameterValue, Resource, Template, TemplateError, is_intrinsic, text_of


class _NoValue:
    """The value of `!Ref AWS::NoValue`: the property or list entry with this value is left out."""

    @override
    def __repr__(self) -> str:
        return "AWS::NoValue"


NO_VALUE: Final = _NoValue()


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What other parts of a template can refer to: a resource's `Ref`, and `GetAtt` by attribute."""

    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


_SUB_VARIABLE: Final = re.compile(r"\$\{(!?)([^}]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """Resolves properties and conditions.

    *references* is called for a resource when something refers to it, so that resources can be created in the order in
    which they are needed.
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
        """Return whether a condition of the template is true.

        Raises:
            TemplateError: there is no such condition, it refers to itself, or it uses an unknown function.
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
        """Return *value* with every intrinsic function resolved and every `AWS::NoValue` left out.

        Raises:
            TemplateError: a function is unknown, or refers to something that does not exist.
        """
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if not is_intrinsic(value):
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
