"""The routes of `template.yaml`, and what each takes when all is well."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, override

from gerbang_local.template import Resource, Template

from tests.wire.server import ROOT

FUNCTION: Final = "AWS::Serverless::Function"
DEFAULT: Final = "$default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route with a path; its method is what its function's description says, the template has ANY for all."""

    method: str
    path: str
    logical_id: str
    folder: str
    authorizer: str | None

    @override
    def __str__(self) -> str:
        return self.path


def template() -> Template:
    return Template.parse((ROOT / "template.yaml").read_text("utf-8"))


def _routes() -> Iterator[Route]:
    for resource in template().resources.values():
        if resource.type == FUNCTION:
            description: str = resource.properties["Description"]
            method = description.partition(" ")[0]
            for path, authorizers in _authorizers_by_path(resource).items():
                yield Route(
                    method=method,
                    path=path,
                    logical_id=resource.logical_id,
                    folder=resource.properties["CodeUri"],
                    authorizer=authorizers.get(method, authorizers.get("ANY")),
                )


def _authorizers_by_path(function: Resource) -> dict[str, dict[str, str | None]]:
    """The paths of a function, and the authorizer of each method that is declared on them."""
    found: dict[str, dict[str, str | None]] = {}
    for event in (function.properties.get("Events") or {}).values():
        properties = event["Properties"]
        if event["Type"] == "HttpApi" and properties["Path"] != DEFAULT:
            authorizer = properties.get("Auth", {}).get("Authorizer")
            found.setdefault(properties["Path"], {})[properties["Method"]] = authorizer
    return found


ROUTES: Final = tuple(_routes())
"""In the order of the template, each path once."""

BODIES: Final[Mapping[str, Mapping[str, str]]] = {
    "/api/auth/change-password": {"current_password": "Battery-staple-43", "new_password": "Third-password-44"},
    "/api/auth/forgot-password": {"email": "nobody@example.com"},
    "/api/auth/google": {"id_token": "x.y.z", "google_id": "g-1", "email": "nobody@example.com", "name": "Ada"},
    "/api/auth/login": {"email": "nobody@example.com", "password": "Battery-staple-43"},
    "/api/auth/logout": {},
    "/api/auth/refresh": {"refreshToken": "x.y.z"},
    "/api/auth/register": {
        "email": "nobody@example.com",
        "password": "short",
        "name": "Ada",
        "organizationName": "Analytical Engines",
    },
    "/api/auth/reset-password": {"token": "x", "password": "Battery-staple-43"},
    "/auth/login_with_anonymous": {},
    "/auth/login_with_email_password": {"email": "nobody@example.com", "password": "Battery-staple-43"},
    "/auth/otp": {"email": "nobody@example.com"},
    "/auth/register": {"name": "Ada", "email": "nobody@example.com", "password": "short"},
    "/auth/v1/token": {"refresh_token": "x.y.z"},
    "/auth/verify_legacy_password": {"email": "nobody@example.com", "password": "Battery-staple-43"},
    "/auth/verify_otp": {"email": "nobody@example.com", "otp": "x"},
}
"""The fields of every POST, with values that do no harm: of the right type, and nobody's."""

OPTIONAL: Final[Mapping[str, frozenset[str]]] = {
    "/api/auth/google": frozenset({"id_token", "google_id", "email", "name"}),
    "/api/auth/register": frozenset({"organizationName"}),
}
"""Fields that may be null."""
