"""Decides whether a role allows a call: identity policies with Allow, wildcards and StringEquals.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html. Anything else (Deny,
NotAction, NotResource, other conditions) is an error when the policy is read.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, override

_KNOWN: Final = frozenset({"Action", "Condition", "Effect", "Resource", "Sid"})


class UnknownPolicy(Exception):
    """The policy has an element that this module does not support."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call to AWS: the action, the resource and the values of condition keys."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)
    """Condition keys and their values."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One action on one resource that a statement allows. Both may contain wildcards."""

    action: str
    resource: str
    condition: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Condition keys and their allowed values."""

    def allows(self, call: Call) -> bool:
        """Say whether this grant allows *call*."""
        return (
            _matches(self.action.lower(), call.action.lower())  # action names are case-insensitive
            and _matches(self.resource, call.resource)
            and all(call.context.get(key) in values for key, values in self.condition.items())
        )

    @override
    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


def grants(document: Mapping[str, Any]) -> Iterator[Grant]:
    """Yield the grants of a policy document.

    Raises:
        UnknownPolicy: a statement is not supported.
    """
    for statement in _listed(document["Statement"]):
        if statement["Effect"] != "Allow" or not statement.keys() <= _KNOWN:
            raise UnknownPolicy(statement)
        condition = _condition(statement.get("Condition", {}))
        for action in _listed(statement["Action"]):
            for resource in _listed(statement["Resource"]):
                yield Grant(action, resource, condition)


def _condition(written: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    if not written.keys() <= {"StringEquals"}:
        raise UnknownPolicy(written)
    return {key: tuple(_listed(values)) for key, values in written.get("StringEquals", {}).items()}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _matches(pattern: str, text: str) -> bool:
    """Say whether *text* matches *pattern*. `*` matches any text, `?` any character."""
    expression = "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None
