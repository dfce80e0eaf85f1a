"""Every function is declared once: its endpoint, its path in the template, its models, its errors, its environment."""

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

NO_FOLDER_OF_THEIR_OWN: Final = {
    "$default": "default",
    "/.well-known/jwks.json": "jwks",
    "/.well-known/openid-configuration": "openid-configuration",
}
"""Paths that cannot be folders below `functions`: one is none, two begin with a dot, which tools pass over."""

BEHIND_NO_PATH: Final = {"AuthorizerFunction", "EventsFunction", "MailerFunction", "RotationFunction"}
"""Functions that API Gateway's authorizer, the tables' streams, the queue and Secrets Manager invoke."""

MOST_BYTES: Final = 3_600
"""Of a function's environment, names and values together (docs/decisions); Lambda allows 4,096."""

WITHOUT_BODY: Final = {HTTPStatus.SEE_OTHER, HTTPStatus.NO_CONTENT}
"""Statuses of answers that have no JSON: redirects, and nothing at all."""

of_every_function = pytest.mark.parametrize("logical_id", functions())
of_every_endpoint = pytest.mark.parametrize("logical_id", endpoints())
of_every_operation = pytest.mark.parametrize(
    ("path", "operation"),
    operations(),
    ids=[f"{operation.method} {path} {operation.run.__name__}" for path, operation in operations()],
)


# Declarations


def test_every_function_but_those_that_aws_invokes_has_a_path() -> None:
    assert functions().keys() - endpoints().keys() == BEHIND_NO_PATH


def test_every_folder_is_a_function_of_the_template() -> None:
    folders = {path.parent for path in (ROOT / "functions").rglob("app.py")}

    assert folders == {function.folder for function in functions().values()}


@of_every_endpoint
def test_paths_are_the_templates_and_the_folder_is_the_first_of_them(logical_id: str) -> None:
    endpoint, function = endpoints()[logical_id], functions()[logical_id]
    [first, *_] = endpoint.paths

    assert endpoint.paths == function.paths
    assert function.folder == ROOT / "functions" / NO_FOLDER_OF_THEIR_OWN.get(first, folder_of(first))


def folder_of(path: str) -> str:
    """The folder of a path: a parameter is the folder `one`, because tools stumble over braces."""
    return re.sub(r"\{\w+\}", "one", path.removeprefix("/"))


@of_every_endpoint
def test_the_handler_is_the_endpoints(logical_id: str) -> None:
    module = modules()[logical_id]

    assert isinstance(module.endpoint, Endpoint)
    assert module.handler.__self__ is module.endpoint


@of_every_endpoint
def test_each_method_has_one_operation_for_requests_that_meet_no_condition(logical_id: str) -> None:
    declared = endpoints()[logical_id].operations
    unconditional = [operation.method for operation in declared if operation.when is None]

    assert sorted(unconditional) == sorted({operation.method for operation in declared})


@of_every_operation
def test_what_the_handler_takes_and_returns_is_what_is_declared(path: str, operation: Operation) -> None:
    hints = get_type_hints(operation.run)
    [call] = [hint for name, hint in hints.items() if name != "return"]

    assert get_args(call)[0] == (operation.request or NoneType)
    if operation.request is not None:
        assert issubclass(operation.request, Body)
    if hints["return"] is NoneType:  # it raises in every case, or answers without a body
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
def test_every_error_that_is_declared_has_a_spec_in_its_api(path: str, operation: Operation) -> None:
    api = operation.api if isinstance(operation.api, Api) else operation.api(Request(method="GET", path=path))

    assert {code_of_class(error) for error in operation.errors} | {*operation.caller.errors} <= api.errors.keys()
    assert operation.overrides.keys() <= api.errors.keys()


# The environment


class Watched(Mapping[str, str]):
    """An environment that remembers which of its variables were read."""

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
"""A function that reads such a variable makes a client of that service, which reads `AWS_ENDPOINT_URL_<service>`."""

READ_BY_LIBRARIES: Final = {
    "POWERTOOLS_SERVICE_NAME",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_LOG_LEVEL",
    "PYDANTIC_DISABLE_PLUGINS",
}
READ_BY_ALL: Final = READ_BY_LIBRARIES | {cloudfront.VARIABLE}
"""What Globals give: one line in the place of one for each function. Four functions do not read the last."""


def variables_read(logical_id: str, **chosen: str) -> set[str]:
    """Return the variables that a function reads, and those that its clients and the libraries do."""
    environment = Watched(functions()[logical_id].environment() | chosen)
    functions()[logical_id].load(Container(environment, client=without_aws))
    services = {
        service for pattern, service in CLIENTS.items() if any(re.fullmatch(pattern, name) for name in environment.read)
    }
    if logical_id == "EventsFunction":  # it is told the tables' names, and reads none
        services.remove("DYNAMODB")
    return environment.read | {f"AWS_ENDPOINT_URL_{service}" for service in services} | READ_BY_ALL


@of_every_function
def test_a_function_receives_the_variables_that_it_reads_and_no_others(logical_id: str) -> None:
    received = functions()[logical_id].environment().keys()

    read = variables_read(logical_id)
    if "AsksForClaims" in str(template().resources[logical_id].properties.get("Policies")):
        read.add("AWS_ENDPOINT_URL_LAMBDA")  # it opens or refreshes sessions (tests/deploy/test_permissions.py)
    if logical_id == "ApiRegisterFunction":  # it mails only where addresses must be verified
        read |= variables_read(logical_id, REQUIRE_VERIFIED_EMAIL="true")

    assert received == read


LONGEST_STACK_NAME: Final = "gerbang-production-europe"
"""Longer than any that samconfig.toml has."""


def longest(parameter: Mapping[str, Any]) -> ParameterValue:
    """Return the longest value that a parameter takes, in bytes."""
    if parameter["Type"] == "Number":
        return str(parameter["MaxValue"] if "MaxValue" in parameter else max(parameter["AllowedValues"]))
    if "AllowedValues" in parameter:
        return str(max(parameter["AllowedValues"], key=len))
    width: int = import_module("re._parser").parse(parameter["AllowedPattern"]).getwidth()[1]
    characters = min(width, int(parameter.get("MaxLength", width)))
    assert characters <= 1_000, "a text parameter needs a MaxLength, or a pattern that bounds it"
    takes_any_character = re.fullmatch(parameter["AllowedPattern"], "\U0001f600" * characters) is not None
    return ("\U0001f600" if takes_any_character else "x") * characters


def longest_reference(logical_id: str) -> str:
    """Return a name as CloudFormation makes it, of the longest form that `Ref` has for such a resource."""
    name = f"{LONGEST_STACK_NAME}-{logical_id}-1A2B3C4D5E6F7"
    if logical_id.endswith("Queue"):
        return f"https://sqs.ap-southeast-1.amazonaws.com/123456789012/{name}"
    if logical_id in {"MasterSecret", "SecretApiKey"}:
        return f"arn:aws:secretsmanager:ap-southeast-1:123456789012:secret:{logical_id}-1A2B3C4D5E6F-a1b2c3"
    return name


@of_every_function
def test_an_environment_of_the_longest_settings_is_small(logical_id: str) -> None:
    parameters = {
        name: longest(parameter)
        for name, parameter in template().parameters.items()
        if parameter["Type"] != "CommaDelimitedList"  # of origins, which no function receives
    }

    variables = functions()[logical_id].environment(parameters, longest_reference)

    assert sum(len(name) + len(value.encode()) for name, value in variables.items()) <= MOST_BYTES


def test_variables_that_all_functions_share_are_read_by_libraries_or_every_endpoint() -> None:
    assert function_in("default").environment().keys() == READ_BY_ALL
