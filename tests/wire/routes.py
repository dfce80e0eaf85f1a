"""The routes of the API, and a harmless request to each, derived from the endpoints' declarations."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, override
from urllib.parse import urlencode

from gerbang.apis.fields import Body
from gerbang.http.endpoint import BodyGives, BodyHas, Operation, QueryIs, QueryIsAndBodySets
from gerbang_local.declarations import DEFAULT_PATH, endpoints

ADDRESS: Final = "unknown@example.com"
TEXT: Final = "x.y.z"
"""An address without an account, and a text that is not a valid token, code, password or user name."""
NO_ID: Final = "00000000-0000-4000-8000-000000000000"
VALID_PASSWORD: Final = "Battery-staple-43"
"""A password that meets all rules for new passwords."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An operation at one of the paths of its endpoint."""

    path: str
    operation: Operation
    methods: frozenset[str]
    """All methods of the path."""

    @override
    def __str__(self) -> str:
        return f"{self.operation.method} {self.target} {self.operation.run.__name__}"

    @property
    def method(self) -> str:
        return self.operation.method

    @property
    def target(self) -> str:
        """The path, with the query that selects the operation, if any. Path parameters are an unknown id."""
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
        """A body with every field, each of the right type, that has no effect."""
        return {name: {"email": ADDRESS, "new_password": VALID_PASSWORD}.get(name, TEXT) for name in self.fields}

    @property
    def choice(self) -> dict[str, str]:
        """A body with only the fields that select the operation among those of its path."""
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

UNKNOWN_PATHS: Final = (
    "/",
    "/api",
    "/api/auth/",
    "/api/auth/login/",
    "/api/auth/login/x",
    "/api/auth/login.json",
    "/api/auth/login;x=1",
    "/api/auth/login%00",
    "/api/auth/login%20",
    "/api/auth/login%2f",
    "/api/auth/login%0d%0aset-cookie:a=b",
    "/api/auth/../auth/login",
    "/api/auth/%2e%2e/auth/login",
    "/api//auth/login",
    "//api/auth/login",
    "/API/auth/login",
    "/api/auth/%ff%fe",
    "/api/auth/{proxy+}",
    "/api/auth/$default",
    "/auth",
    "/auth/otp/",
    "/auth//otp",
    "/auth/OTP",
    "/auth/v1",
    "/auth/v1/token/",
    "/auth/v1/admin",
    "/auth/v1/admin/users/",
    "/auth/v1/admin/users/x/y",
    "/auth/v2/token",
    "/authorizer",
    "/default",
    "/mailer",
    "/.env",
    "/.git/config",
    "/docs/",
    "/openapi.yaml",
    "/local/config.json",
    "/" + "a" * 8000,
)
