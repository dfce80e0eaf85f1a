"""The repository and the template agree: every function has a folder, a route, permissions, a log and an event."""

import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from sam_deploy.__main__ import SETTINGS

ROOT: Final = Path(__file__).parents[1]
FUNCTIONS: Final = ROOT / "functions"
EVENTS: Final = ROOT / "events"
LONGEST_APP: Final = 130
"""Lines of an app.py."""

ROUTES_OF_THEIR_OWN: Final = {
    "functions/default": {"$default"},
    "functions/docs": {"/docs", "/openapi.json"},
    "functions/jwks": {"/.well-known/jwks.json", "/auth/v1/.well-known/jwks.json"},
    "functions/openid-configuration": {"/.well-known/openid-configuration"},
}
"""Routes that do not follow from the folder: the default route, second paths, and paths that begin with a dot."""

WITHOUT_A_ROUTE: Final = {"functions/authorizer", "functions/events", "functions/mailer", "functions/rotation"}
WITHOUT_AWS: Final = {
    *("functions/auth/v1/health", "functions/default", "functions/docs", "functions/openid-configuration"),
}
FILES_OF_APPS: Final = {"functions/docs": {"explorer.html", "openapi.json"}}
"""Files that `make docs` writes next to an app.py, which serves them."""

IRREPLACEABLE: Final = {"Users", "Organizations"}
"""Tables that are kept when the stack is deleted, because their data exists nowhere else."""

OWN_KEY: Final = {"Fn::If": ["HasKmsKey", {"Ref": "KmsKeyArn"}, {"Ref": "AWS::NoValue"}]}
READ_BY_OTHERS: Final = ("AWS_", "POWERTOOLS_", "PYDANTIC_")
"""Prefixes of variables that libraries read."""

RESOURCE_WITH_A_WILDCARD: Final = {"MailerFunction"}
"""The settings may name any SES identity or configuration set, so the permission covers all of this account's."""


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms: `!Ref X` as `{"Ref": "X"}`."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _intrinsic)

TEMPLATE: Final[dict[str, Any]] = yaml.load((ROOT / "template.yaml").read_text("utf-8"), Loader=_Loader)  # noqa: S506
RESOURCES: Final[dict[str, dict[str, Any]]] = TEMPLATE["Resources"]
PARAMETERS: Final[dict[str, dict[str, Any]]] = TEMPLATE["Parameters"]


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """Return the properties of the resources of a type, by logical id."""
    return {name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == kind}


LAMBDAS: Final = of_type("AWS::Serverless::Function")
TABLES: Final = of_type("AWS::DynamoDB::Table")
FOLDERS: Final = sorted(str(app.parent.relative_to(ROOT)) for app in FUNCTIONS.rglob("app.py"))

of_every_function = pytest.mark.parametrize("logical_id", LAMBDAS)
of_every_parameter = pytest.mark.parametrize("name", PARAMETERS)


def paths(function: Mapping[str, Any]) -> set[str]:
    events: Mapping[str, Any] = function.get("Events", {})
    return {event["Properties"]["Path"] for event in events.values() if event["Type"] == "HttpApi"}


def statements(function: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for policy in function.get("Policies", []):
        for statement in policy["Statement"]:
            if "Fn::If" not in statement:
                yield statement
                continue
            _, granted, otherwise = statement["Fn::If"]
            assert otherwise == {"Ref": "AWS::NoValue"}
            yield granted


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- functions --------------------------------------------------------------------------------------------------------


def test_pytest_collects_every_folder_that_has_tests(pytestconfig: pytest.Config) -> None:
    ignored = pytestconfig.getini("norecursedirs")
    folders = {file.parent.relative_to(ROOT) for file in (ROOT / "tests").rglob("test_*.py")}
    assert len(folders) > 10
    assert not [folder for folder in folders if any(fnmatch(part, glob) for part in folder.parts for glob in ignored)]


def test_every_folder_has_one_function_and_every_function_a_folder() -> None:
    assert sorted(function["CodeUri"] for function in LAMBDAS.values()) == FOLDERS


@of_every_function
def test_a_functions_route_matches_its_folder(logical_id: str) -> None:
    function = LAMBDAS[logical_id]
    folder = function["CodeUri"]

    if folder in WITHOUT_A_ROUTE:
        assert paths(function) == set()
    else:
        found = {re.sub(r"\{\w+\}", "one", path) for path in paths(function)}
        assert found == ROUTES_OF_THEIR_OWN.get(folder, {f"/{folder.removeprefix('functions/')}"})


@of_every_function
def test_a_functions_description_names_the_methods_and_the_path_of_its_handler(logical_id: str) -> None:
    function = LAMBDAS[logical_id]
    source = (ROOT / function["CodeUri"] / "app.py").read_text("utf-8")
    method = "(?:GET|POST|PUT|PATCH|DELETE)"
    described = re.match(rf"({method}(?:(?:, | and ){method})*) (/\S*)$", function["Description"])

    if described is None:
        assert paths(function) <= {"$default"}
        return
    assert described[2] in paths(function)
    assert source.startswith(f'"""{described[1]} {described[2]}')
    declared = set(re.findall(r"^@endpoint\.(\w+)\(", source, re.MULTILINE))
    assert declared - {"head"} == {verb.lower() for verb in re.findall(method, described[1])}  # HEAD comes with GET


def test_a_function_without_a_route_is_invoked_by_something_else() -> None:
    invoked = {json.dumps(output["Value"]) for output in TEMPLATE["Outputs"].values()}  # by other stacks
    invoked |= {
        json.dumps(schedule["RotationLambdaARN"])
        for schedule in of_type("AWS::SecretsManager::RotationSchedule").values()
    }
    never_invoked = {
        function["CodeUri"]
        for logical_id, function in LAMBDAS.items()
        if not function.get("Events") and not any(f'"{logical_id}.Arn"' in arn for arn in invoked)
    }

    assert never_invoked == set()


@of_every_function
def test_a_function_has_its_own_permissions(logical_id: str) -> None:
    function = LAMBDAS[logical_id]

    assert "Role" not in function
    assert bool(list(statements(function))) == (function["CodeUri"] not in WITHOUT_AWS)


@of_every_function
def test_a_permission_names_actions_and_resources(logical_id: str) -> None:
    for statement in statements(LAMBDAS[logical_id]):
        assert statement["Effect"] == "Allow"
        assert all(re.fullmatch(r"[a-z]+:[A-Z][A-Za-z]+", action) for action in listed(statement["Action"]))
        for resource in listed(statement["Resource"]):
            if logical_id not in RESOURCE_WITH_A_WILDCARD:
                assert "*" not in json.dumps(resource)
            assert resource != "*"


@of_every_function
def test_every_function_writes_to_the_same_log(logical_id: str) -> None:
    assert "LoggingConfig" not in LAMBDAS[logical_id]
    assert TEMPLATE["Globals"]["Function"]["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": {"Ref": "Logs"}}


@pytest.mark.parametrize("logical_id", of_type("AWS::Logs::LogGroup"))
def test_a_log_expires_and_is_encrypted(logical_id: str) -> None:
    group = RESOURCES[logical_id]["Properties"]

    assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert group["KmsKeyId"] == OWN_KEY


@of_every_function
def test_a_function_has_an_event(logical_id: str) -> None:
    folder = EVENTS / LAMBDAS[logical_id]["CodeUri"].removeprefix("functions/")

    assert list(folder.glob("*.json"))


def test_every_event_belongs_to_a_function() -> None:
    folders = {f"functions/{event.parent.relative_to(EVENTS)}" for event in EVENTS.rglob("*.json")}

    assert folders <= set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_app_is_short_and_the_only_file_of_its_folder(folder: str) -> None:
    lines = (ROOT / folder / "app.py").read_text("utf-8").splitlines()
    files = {path.name for path in (ROOT / folder).iterdir() if path.is_file()}

    assert len(lines) <= LONGEST_APP
    assert files == {"app.py", *FILES_OF_APPS.get(folder, ())}


# --- parameters -------------------------------------------------------------------------------------------------------


@of_every_parameter
def test_a_parameter_has_a_default_and_a_description(name: str) -> None:
    parameter = PARAMETERS[name]

    assert "Default" in parameter
    assert len(parameter["Description"]) >= 20
    assert parameter["Description"].endswith((".", ")."))


@of_every_parameter
def test_a_parameter_restricts_its_values_and_its_default_is_valid(name: str) -> None:
    parameter = PARAMETERS[name]

    match parameter["Type"]:
        case "Number":
            assert "AllowedValues" in parameter or {"MinValue", "MaxValue"} <= parameter.keys()
        case "String":
            assert "AllowedValues" in parameter or {"AllowedPattern", "ConstraintDescription"} <= parameter.keys()
        case other:
            assert other == "CommaDelimitedList"
    default = str(parameter["Default"])
    assert re.fullmatch(parameter.get("AllowedPattern", ".*"), default)
    assert default in map(str, parameter.get("AllowedValues", [default]))


@of_every_parameter
def test_a_parameter_is_used(name: str) -> None:
    rest = json.dumps([TEMPLATE.get(part) for part in ("Conditions", "Globals", "Resources", "Outputs")])

    assert f'{{"Ref": "{name}"}}' in rest or f"${{{name}}}" in rest or name in SETTINGS


def test_every_parameter_is_in_exactly_one_group() -> None:
    groups = TEMPLATE["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]

    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(PARAMETERS)


def test_every_global_environment_variable_is_read() -> None:
    source = "".join(path.read_text("utf-8") for path in (ROOT / "layers/auth/gerbang").rglob("*.py"))
    variables: Mapping[str, Any] = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]

    ours = {name for name in variables if not name.startswith(READ_BY_OTHERS)}
    unread = {name for name in ours if f'"{name}"' not in source}

    assert unread == set()


# --- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("logical_id", TABLES)
def test_a_table_is_billed_by_request_and_encrypted(logical_id: str) -> None:
    table = TABLES[logical_id]

    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["SSESpecification"]["SSEEnabled"] is True
    assert table["SSESpecification"]["KMSMasterKeyId"] == OWN_KEY
    assert table["KeySchema"][0] == {"AttributeName": "pk", "KeyType": "HASH"}
    assert all(
        index["Projection"] == {"ProjectionType": "KEYS_ONLY"} for index in table.get("GlobalSecondaryIndexes", [])
    )


@pytest.mark.parametrize("logical_id", TABLES)
def test_a_table_has_a_ttl(logical_id: str) -> None:
    assert TABLES[logical_id]["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


@pytest.mark.parametrize("logical_id", TABLES)
def test_irreplaceable_tables_are_retained(logical_id: str) -> None:
    resource = RESOURCES[logical_id]
    kept = logical_id in IRREPLACEABLE
    policies = ("RetainExceptOnCreate", "Retain") if kept else ("Delete", "Delete")

    assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == policies
    assert ("DeletionProtectionEnabled" in resource["Properties"]) == kept


@pytest.mark.parametrize("logical_id", TABLES)
def test_irreplaceable_tables_have_point_in_time_recovery(logical_id: str) -> None:
    assert ("PointInTimeRecoverySpecification" in TABLES[logical_id]) == (logical_id in IRREPLACEABLE)


@pytest.mark.parametrize("logical_id", of_type("AWS::SecretsManager::Secret"))
def test_a_secret_is_retained_and_encrypted(logical_id: str) -> None:
    assert RESOURCES[logical_id]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert RESOURCES[logical_id]["UpdateReplacePolicy"] == "Retain"
    assert RESOURCES[logical_id]["Properties"]["KmsKeyId"] == OWN_KEY
