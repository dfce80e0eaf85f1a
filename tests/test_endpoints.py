"""Every function agrees with its declaration: paths, models, errors and environment variables."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from importlib import import_module
from types import NoneType
from typing import Any, Final, get_args, get_type_hints, is_typeddict, override

import pytest
from gerbang.apis.fields import Body
from gerbang.container import Container
from gerbang.http import cloudfront
from gerbang.http.endpoint import Endpoint, Operation
from gerbang.http.errors import Api
from gerbang.http.request import Request
from gerbang.http.response import HtmlPage, Response
from gerbang_local.declarations import (
    ROOT,
    code_of_class,
    endpoints,
    function_in,
    functions,
    modules,
    operations,
    template,
    without_aws,
)
from gerbang_local.template import ParameterValue

SPECIAL_FOLDERS: Final = {
    "$default": "default",
    "/.well-known/jwks.json": "jwks",
    "/.well-known/openid-configuration": "openid-configuration",
}
"""Folders of paths that cannot be folder names. (Many tools skip folders whose name begins with a dot.)"""

WITHOUT_PATH: Final = {"AuthorizerFunction", "EventsFunction", "MailerFunction", "RotationFunction"}
"""Functions that are invoked by API Gateway's authorizer, table streams, the mail queue and Secrets Manager."""

MAX_ENVIRONMENT_BYTES: Final = 3_600
"""Limit for the names and values of a function's environment (docs/decisions). Lambda allows 4,096."""

WITHOUT_BODY: Final = {HTTPStatus.SEE_OTHER, HTTPStatus.NO_CONTENT}
"""Statuses of responses without a JSON body."""

of_every_function = pytest.mark.parametrize("logical_id", functions())
of_every_endpoint = pytest.mark.parametrize("logical_id", endpoints())
of_every_operation = pytest.mark.parametrize(
    ("path", "operation"),
    operations(),
    ids=[f"{operation.method} {path} {operation.run.__name__}" for path, operation in operations()],
)


# Declarations


def test_every_function_has_a_path_except_those_that_aws_invokes() -> None:
    assert functions().keys() - endpoints().keys() == WITHOUT_PATH


@of_every_endpoint
def test_paths_match_the_template_and_the_folder_matches_the_first_path(logical_id: str) -> None:
    endpoint, function = endpoints()[logical_id], functions()[logical_id]
    [first, *_] = endpoint.paths

    assert endpoint.paths == function.paths
    assert function.folder == ROOT / "functions" / SPECIAL_FOLDERS.get(first, folder_of(first))


def folder_of(path: str) -> str:
    """Return the folder of a path. A path parameter is the folder `one`, because some tools fail on braces."""
    return re.sub(r"\{\w+\}", "one", path.removeprefix("/"))


@of_every_endpoint
def test_the_handler_belongs_to_the_endpoint(logical_id: str) -> None:
    module = modules()[logical_id]

    assert isinstance(module.endpoint, Endpoint)
    assert module.handler.__self__ is module.endpoint


@of_every_endpoint
def test_each_method_has_one_operation_without_a_condition(logical_id: str) -> None:
    declared = endpoints()[logical_id].operations
    unconditional = [operation.method for operation in declared if operation.when is None]

    assert sorted(unconditional) == sorted({operation.method for operation in declared})


@of_every_operation
def test_the_types_of_the_handler_match_the_declaration(path: str, operation: Operation) -> None:
    hints = get_type_hints(operation.run)
    [call] = [hint for name, hint in hints.items() if name != "return"]

    assert get_args(call)[0] == (operation.request or NoneType)
    if operation.request is not None:
        assert issubclass(operation.request, Body)
    if hints["return"] is NoneType:  # it always raises, or its response has no body
        assert operation.response is None
        assert operation.errors
    elif operation.status in WITHOUT_BODY:
        assert operation.response is None
        assert hints["return"] is Response
    else:
        assert operation.response is HtmlPage or is_typeddict(operation.response)
        assert hints["return"] in {operation.response, Response}
    assert operation.summary, path


@of_every_operation
def test_every_declared_error_has_a_spec_in_its_api(path: str, operation: Operation) -> None:
    api = operation.api if isinstance(operation.api, Api) else operation.api(Request(method="GET", path=path))

    assert {code_of_class(error) for error in operation.errors} | {*operation.caller.errors} <= api.errors.keys()
    assert operation.overrides.keys() <= api.errors.keys()


# The environment


class RecordingEnvironment(Mapping[str, str]):
    """An environment that records which of its variables are read."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.read: set[str] = set()

    @override
    def __getitem__(self, name: str) -> str:
        self.read.add(name)
        return self._environment[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    @override
    def __len__(self) -> int:
        return len(self._environment)


CLIENTS: Final = {
    r"\w+_TABLE": "DYNAMODB",
    "MASTER_SECRET|SECRET_API_KEY": "SECRETS_MANAGER",
    "MAIL_QUEUE_URL": "SQS",
    "MAIL_SENDER": "SESV2",
    "EVENTS": "EVENTBRIDGE",
}
"""A function that reads such a variable creates a client of the service, which reads `AWS_ENDPOINT_URL_<service>`."""

READ_BY_LIBRARIES: Final = {
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_LOG_LEVEL",
    "PYDANTIC_DISABLE_PLUGINS",
}
READ_BY_ALL: Final = READ_BY_LIBRARIES | {cloudfront.VARIABLE}
"""Variables that `Globals` give to every function. Four functions do not read the last one."""


def variables_read(logical_id: str, **chosen: str) -> set[str]:
    """Return the variables that a function, its clients and its libraries read."""
    environment = RecordingEnvironment(functions()[logical_id].environment() | chosen)
    functions()[logical_id].load(Container(environment, client=without_aws))
    services = {
        service for pattern, service in CLIENTS.items() if any(re.fullmatch(pattern, name) for name in environment.read)
    }
    if logical_id == "EventsFunction":  # it knows the tables' names but makes no DynamoDB client
        services.remove("DYNAMODB")
    return environment.read | {f"AWS_ENDPOINT_URL_{service}" for service in services} | READ_BY_ALL


@of_every_function
def test_a_function_receives_exactly_the_variables_that_it_reads(logical_id: str) -> None:
    received = functions()[logical_id].environment().keys()

    read = variables_read(logical_id)
    if "AsksForClaims" in str(template().resources[logical_id].properties.get("Policies")):
        read.add("AWS_ENDPOINT_URL_LAMBDA")  # it opens or refreshes sessions (tests/deploy/test_permissions.py)
    if logical_id == "ApiRegisterFunction":  # it sends mail only if addresses must be verified
        read |= variables_read(logical_id, REQUIRE_VERIFIED_EMAIL="true")

    assert received == read


LONGEST_STACK_NAME: Final = "gerbang-production-europe"
"""Longer than any stack name in samconfig.toml."""


def longest(parameter: Mapping[str, Any]) -> ParameterValue:
    """Return the longest value, in bytes, that a parameter allows."""
    if parameter["Type"] == "Number":
        return str(parameter["MaxValue"] if "MaxValue" in parameter else max(parameter["AllowedValues"]))
    if "AllowedValues" in parameter:
        return str(max(parameter["AllowedValues"], key=len))
    width: int = import_module("re._parser").parse(parameter["AllowedPattern"]).getwidth()[1]
    characters = min(width, int(parameter.get("MaxLength", width)))
    assert characters <= 1_000, "a text parameter needs a MaxLength or a pattern of limited length"
    takes_any_character = re.fullmatch(parameter["AllowedPattern"], "\U0001f600" * characters) is not None
    return ("\U0001f600" if takes_any_character else "x") * characters


def longest_reference(logical_id: str) -> str:
    """Return the longest value that `Ref` can have for such a resource."""
    name = f"{LONGEST_STACK_NAME}-{logical_id}-1A2B3C4D5E6F7"
    if logical_id.endswith("Queue"):
        return f"https://sqs.ap-southeast-1.amazonaws.com/123456789012/{name}"
    if logical_id in {"MasterSecret", "SecretApiKey"}:
        return f"arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:{logical_id}-1A2B3C4D5E6F-a1b2c3"
    return name


@of_every_function
def test_an_environment_with_the_longest_settings_is_within_the_limit(logical_id: str) -> None:
    parameters = {
        name: longest(parameter)
        for name, parameter in template().parameters.items()
        if parameter["Type"] != "CommaDelimitedList"  # a list of origins, which no function receives
    }

    variables = functions()[logical_id].environment(parameters, longest_reference)

    assert sum(len(name) + len(value.encode()) for name, value in variables.items()) <= MAX_ENVIRONMENT_BYTES


def test_the_default_function_receives_only_the_shared_variables() -> None:
    assert function_in("default").environment().keys() == READ_BY_ALL
