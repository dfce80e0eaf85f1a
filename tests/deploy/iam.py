"""As much of IAM as tells whether a role allows a call: identity policies with Allow, wildcards, and StringEquals.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html. What is not known here
(Deny, NotAction, NotResource, other conditions) is refused when it is read, not passed over.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, override

_KNOWN: Final = frozenset({"Action", "Condition", "Effect", "Resource", "Sid"})


class UnknownPolicy(Exception):
    """A policy says something that is not evaluated here."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call to AWS, as IAM is asked about it."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)
    """Values of condition keys."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One action on one resource, both perhaps with wildcards, that a statement allows."""

    action: str
    resource: str
    condition: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of condition keys, the values that will do."""

    def allows(self, call: Call) -> bool:
        """Say whether *call* is one of those."""
        return (
            _matches(self.action.lower(), call.action.lower())  # actions have no case
            and _matches(self.resource, call.resource)
            and all(call.context.get(key) in values for key, values in self.condition.items())
        )

    @override
    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


def grants(document: Mapping[str, Any]) -> Iterator[Grant]:
    """Yield what a policy document allows, one action and one resource at a time.

    Raises:
        UnknownPolicy: it has statements that cannot be evaluated here.
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
    """Say whether *text* is like *pattern*, in which `*` is any text and `?` any character."""
    expression = "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None
