"""The functions of `template.yaml`, and the endpoints that they declare, for tests and documents.

Each `app.py` is loaded with its own container, which has the function's settings and no AWS.
"""

import importlib.util
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from unittest.mock import patch

from gerbang.container import Container
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.http.endpoint import Endpoint, Operation

from gerbang_local.intrinsics import References, Resolver
from gerbang_local.stack import PSEUDO_PARAMETERS
from gerbang_local.template import ParameterValue, Template, chosen_parameters

ROOT: Final = Path(__file__).parents[2]
DEFAULT_PATH: Final = "$default"
_FUNCTION: Final = "AWS::Serverless::Function"


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of the template."""

    logical_id: str
    folder: Path
    paths: tuple[str, ...]
    """The paths of its HttpApi events, in the template's order; none for functions that AWS invokes."""
    variables: Mapping[str, Any]
    """Its environment as the template has it, Globals included."""

    def environment(
        self,
        parameters: Mapping[str, ParameterValue] | None = None,
        references: Callable[[str], str] = lambda logical_id: logical_id,
    ) -> dict[str, str]:
        """Return the environment at the template's defaults, or with these values of every parameter."""
        resolver = Resolver(
            template=template(),
            parameters=chosen_parameters(template(), {}) if parameters is None else parameters,
            pseudo_parameters=PSEUDO_PARAMETERS,
            references=lambda logical_id: References(
                ref=references(logical_id), attributes=defaultdict(lambda: "attribute")
            ),
        )
        return {name: str(value) for name, value in resolver.resolve(self.variables).items()}

    def load(self, container: Container) -> ModuleType:
        """Return the function's module, made with a container."""
        spec = importlib.util.spec_from_file_location(f"{__name__}.{self.logical_id}", self.folder / "app.py")
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.folder / 'app.py'} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        with patch("gerbang.container.container", container):
            spec.loader.exec_module(module)
        return module


@cache
def template() -> Template:
    """Return `template.yaml` as written."""
    return Template.parse((ROOT / "template.yaml").read_text("utf-8"))


@cache
def functions() -> Mapping[str, Function]:
    """Return every function of the template by its logical id."""
    return {
        resource.logical_id: Function(
            logical_id=resource.logical_id,
            folder=ROOT / resource.properties["CodeUri"],
            paths=tuple(
                event["Properties"]["Path"]
                for event in (resource.properties.get("Events") or {}).values()
                if event["Type"] == "HttpApi"
            ),
            variables=resource.properties["Environment"]["Variables"],
        )
        for resource in template().resources.values()
        if resource.type == _FUNCTION
    }


def function_in(folder: str) -> Function:
    """Return the function whose code is in a folder below `functions`."""
    [found] = [function for function in functions().values() if function.folder == ROOT / "functions" / folder]
    return found


def without_aws(service: str) -> object:
    """Return an object in place of an AWS client; any use of it fails."""
    del service
    return object()


@cache
def modules() -> Mapping[str, ModuleType]:
    """Return the module of every function that has a path, by its logical id."""
    return {
        logical_id: function.load(Container(function.environment(), client=without_aws))
        for logical_id, function in functions().items()
        if function.paths
    }


def endpoints() -> Mapping[str, Endpoint]:
    """Return the endpoint of every function that has a path, by the function's logical id."""
    return {logical_id: module.endpoint for logical_id, module in modules().items()}


def operations() -> tuple[tuple[str, Operation], ...]:
    """Return every operation with the first path of its endpoint."""
    return tuple(
        (endpoint.paths[0], operation) for endpoint in endpoints().values() for operation in endpoint.operations
    )


FRAME_ERRORS: Final = frozenset({"method_not_allowed", "not_through_cloudfront", "service_unavailable"})
"""The codes of errors that every endpoint may answer."""

BODY_ERRORS: Final = frozenset(
    {"bad_json", "request_entity_too_large", "unsupported_media_type"}
    | {"validation_failed", "email_address_invalid", "weak_password"}
)
"""The codes of errors that every endpoint which reads a body may answer."""


def codes_declared(endpoint: Endpoint) -> frozenset[str]:
    """Return the codes of every error that an endpoint may answer, by its declaration."""
    codes = set(FRAME_ERRORS)
    for operation in endpoint.operations:
        codes |= {code_of_class(error) for error in operation.errors} | {*operation.caller.errors}
        if operation.request is not None:
            codes |= BODY_ERRORS
    return frozenset(codes)


def code_of_class(error: type[Exception]) -> str:
    """Return the code of an error's class.

    Raises:
        TypeError: the class has none.
    """
    if not issubclass(error, AuthError | DependencyUnavailable):
        raise TypeError(f"{error.__name__} has no code")
    return error.code
