"""The routes of the API and a harmless request to each, from what the endpoints declare."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, override
from urllib.parse import urlencode

from gerbang.apis.fields import Body
from gerbang.http.conditions import BodyGives, BodyHas, QueryIs, QueryIsAndBodySets
from gerbang.http.endpoint import Operation
from gerbang_local.declarations import DEFAULT_PATH, endpoints

ADDRESS: Final = "nobody@example.com"
TEXT: Final = "x.y.z"
"""No account's address, and a text that is no token, code, password or user name of any account."""
NO_ID: Final = "00000000-0000-4000-8000-000000000000"
ACCEPTABLE: Final = "Battery-staple-43"
"""What no rule for new passwords objects to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An operation at one of its endpoint's paths."""

    path: str
    operation: Operation
    methods: frozenset[str]
    """That the path takes."""

    @override
    def __str__(self) -> str:
        return f"{self.operation.method} {self.target} {self.operation.run.__name__}"

    @property
    def method(self) -> str:
        return self.operation.method

    @property
    def target(self) -> str:
        """The path, with the query by which the operation is chosen, if any. A parameter is an id that nothing has."""
        path = re.sub(r"\{\w+\}", NO_ID, self.path)
        match self.operation.when:
            case QueryIs(name, value) | QueryIsAndBodySets(name, value, _):
                return f"{path}?{urlencode({name: value})}"
            case _:
                return path

    @property
    def fields(self) -> Mapping[str, bool]:
        """The fields of the body, and whether each is required."""
        model = self.operation.request
        if model is None:
            return {}
        assert issubclass(model, Body)
        return {field.alias or name: field.is_required() for name, field in model.model_fields.items()}

    @property
    def body(self) -> dict[str, str]:
        """A body with every field, each of the right type, that changes nothing."""
        return {name: {"email": ADDRESS, "new_password": ACCEPTABLE}.get(name, TEXT) for name in self.fields}

    @property
    def choice(self) -> dict[str, str]:
        """The fields by which the operation is chosen among those of its path, with the least that chooses it."""
        match self.operation.when:
            case BodyHas(member, _):
                return {member: ""}
            case BodyGives((member, *_)):
                return {member: ADDRESS}
            case _:
                return {}


def _routes() -> Iterator[Route]:
    for endpoint in endpoints().values():
        methods = frozenset(operation.method for operation in endpoint.operations)
        for path in endpoint.paths:
            if path != DEFAULT_PATH:
                for operation in endpoint.operations:
                    yield Route(path=path, operation=operation, methods=methods)


ROUTES: Final = tuple(_routes())
PATHS: Final = tuple(dict.fromkeys(route.path for route in ROUTES))
