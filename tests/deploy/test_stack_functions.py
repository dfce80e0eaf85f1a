"""Functions and the HTTP API of a stack as CloudFormation creates it on moto."""

import json
import re

import pytest
from gerbang_local.declarations import template

from tests.deploy.clients import client
from tests.deploy.conftest import (
    BOUNDARY,
    CERTIFICATE,
    KEY,
    SECRETS,
    TABLES,
    every_function,
    queue_attributes,
)
from tests.deploy.stacks import ROOT, STACK_NAME, Stack, transformed


@pytest.mark.parametrize("name", every_function())
def test_a_function_runs_the_built_code_and_layers_with_its_own_role(stack: Stack, name: str) -> None:
    configuration = stack.function(name)

    assert configuration["Runtime"] == "python3.13"
    assert configuration["Handler"] == "app.handler"
    assert configuration["Role"].endswith(f":role/{stack.ids[f'{name}Role']}")
    assert configuration["Architectures"] == ["arm64"]
    assert [layer["Arn"].split(":")[-2] for layer in configuration["Layers"]] == [
        "gerbang-dependencies-arm64",
        "gerbang-asymmetric-arm64",
        "gerbang-gerbang",
    ]


@pytest.mark.parametrize("name", every_function())
def test_a_function_has_the_layers_of_its_architecture(customized: Stack, name: str) -> None:
    configuration = customized.function(name)

    assert configuration["Architectures"] == ["x86_64"]
    assert [layer["Arn"].split(":")[-2] for layer in configuration["Layers"]] == [
        "gerbang-customized-dependencies-x86-64",
        "gerbang-customized-asymmetric-x86-64",
        "gerbang-customized-gerbang",
    ]


def test_functions_share_a_log_with_the_retention_of_the_settings(stack: Stack) -> None:
    [group] = client("logs").describe_log_groups(logGroupNamePrefix=stack.ids["Logs"])["logGroups"]

    assert stack.outputs()["LogGroup"] == stack.ids["Logs"]
    assert group["retentionInDays"] == 30


@pytest.mark.parametrize("name", every_function())
def test_a_function_times_out_before_api_gateway_does(stack: Stack, name: str) -> None:
    api_gateway_seconds = 30

    assert stack.function(name)["Timeout"] <= api_gateway_seconds


def test_all_settings_in_a_functions_environment_are_resolved(stack: Stack) -> None:
    variables = stack.function("ApiRegisterFunction")["Environment"]["Variables"]

    assert variables["USERS_TABLE"] == stack.ids["Users"]
    assert variables["MASTER_SECRET"] == stack.ids["MasterSecret"]
    assert variables["MAIL_QUEUE_URL"] == stack.ids["MailQueue"]
    assert variables["POWERTOOLS_SERVICE_NAME"] == STACK_NAME
    assert variables["SESSIONS"].split() == [
        *("access=3600", "refresh=604800", "days=90", "grace=30", "unconfirmed=0", "user_metadata=true"),
        *("secure_password_change=false", "current_password=false", "second_factor=if-enrolled"),
        *("new_device_mail=true", "claims=", "claims_failure=503"),
    ]
    assert "registration=30/3600" in variables["LIMITS"].split()
    assert [name for name, value in variables.items() if "{" in value] == []


def test_no_concurrency_is_reserved_by_default(stack: Stack) -> None:
    properties = transformed()["Resources"]["ApiLoginFunction"]["Properties"]
    reserved = client("lambda").get_function_concurrency(FunctionName=stack.ids["ApiLoginFunction"])

    assert properties["ReservedConcurrentExecutions"]["Fn::If"][2] == {"Ref": "AWS::NoValue"}
    assert reserved.get("ReservedConcurrentExecutions") is None


@pytest.mark.parametrize("name", every_function())
def test_concurrency_and_tracing_follow_the_settings(customized: Stack, name: str) -> None:
    reserved = client("lambda").get_function_concurrency(FunctionName=customized.ids[name])

    assert reserved["ReservedConcurrentExecutions"] == 7
    assert customized.function(name)["TracingConfig"] == {"Mode": "Active"}


def test_functions_have_permission_to_write_traces_only_if_tracing_is_on(stack: Stack, customized: Stack) -> None:
    def policies(one: Stack) -> list[str]:
        return [
            str(arn) for arn in one.template["Resources"]["ApiLoginFunctionRole"]["Properties"]["ManagedPolicyArns"]
        ]

    assert [arn for arn in policies(stack) if "xray" in arn.lower()] == []
    assert len([arn for arn in policies(customized) if "xray" in arn.lower()]) == 1


def test_the_template_sets_the_log_format(stack: Stack) -> None:
    """Reads the transformed template, because moto does not store the format."""
    formats = [stack.template["Resources"][name]["Properties"]["LoggingConfig"] for name in every_function()]

    assert formats == [{"LogFormat": "Text", "LogGroup": {"Ref": "Logs"}}] * len(formats)


def test_reserved_concurrency_cannot_exceed_the_default_quota_of_an_account() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html: 1,000, of which 100 stay free."""
    parameter = template().parameters["ReservedConcurrency"]
    functions = [one for one in template().resources.values() if one.type == "AWS::Serverless::Function"]

    assert int(parameter["MaxValue"]) == (1000 - 100) // len(functions)
    assert f"each of the {len(functions)} functions" in parameter["Description"]
    assert f"each of the {len(functions)} functions" in (ROOT / "docs" / "operations.md").read_text("utf-8")


@pytest.mark.parametrize("name", every_function())
def test_a_role_has_the_permissions_boundary_of_the_settings(stack: Stack, customized: Stack, name: str) -> None:
    def boundary(one: Stack) -> str | None:
        role = client("iam").get_role(RoleName=one.ids[f"{name}Role"])["Role"]
        arn: str | None = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        return arn

    assert (boundary(stack), boundary(customized)) == (None, BOUNDARY)


def test_a_customer_managed_key_encrypts_tables_secrets_queues_and_logs(stack: Stack, customized: Stack) -> None:
    def keys(one: Stack) -> set[str | None]:
        tables = [client("dynamodb").describe_table(TableName=one.ids[name])["Table"] for name in TABLES]
        secrets = [client("secretsmanager").describe_secret(SecretId=one.ids[name]) for name in SECRETS]
        queues = [queue_attributes(one, name) for name in ("MailQueue", "MailDeadLetterQueue")]
        groups = [
            group
            for name in ("Logs", "AccessLogs")
            for group in client("logs").describe_log_groups(logGroupNamePrefix=one.ids[name])["logGroups"]
        ]
        return {
            *(table["SSEDescription"].get("KMSMasterKeyArn") for table in tables),
            *(secret.get("KmsKeyId") for secret in secrets),
            *(queue.get("KmsMasterKeyId") for queue in queues),
            *(group.get("kmsKeyId") for group in groups),
        }

    assert keys(customized) == {KEY}
    assert KEY not in keys(stack)


def test_the_mailers_concurrency_follows_the_settings(customized: Stack) -> None:
    queue = queue_attributes(customized, "MailQueue")["QueueArn"]

    [mapping] = client("lambda").list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]

    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 3}


# --- the API ----------------------------------------------------------------------------------------------------------


def test_every_function_with_a_path_has_a_route_and_lets_the_api_invoke_it(stack: Stack) -> None:
    served = {route["function"] for route in stack.routes().values()}
    not_served = {"AuthorizerFunction", "MailerFunction", "RotationFunction"}

    assert served == set(every_function()) - not_served
    for function in served:
        policy = json.loads(client("lambda").get_policy(FunctionName=stack.ids[function])["Policy"])
        assert "apigateway.amazonaws.com" in json.dumps(policy)


def test_unknown_paths_go_to_the_default_function(stack: Stack) -> None:
    assert stack.routes()["$default"]["function"] == "DefaultFunction"


def test_no_route_has_an_authorizer(stack: Stack) -> None:
    """Endpoints check tokens themselves. The Lambda authorizer is for other APIs, which find it by the output."""
    document = stack.template["Resources"]["Api"]["Properties"]["Body"]

    assert "securitySchemes" not in document.get("components", {})
    assert not any("security" in operation for path in document["paths"].values() for operation in path.values())
    assert stack.outputs()["AuthorizerArn"] == stack.function_arn("AuthorizerFunction")


def test_the_openapi_document_does_not_refer_to_number_parameters(stack: Stack) -> None:
    """`Ref` of a number is text (CloudFormation User Guide, "Parameters"), which is wrong inside a JSON document."""
    numbers = {name for name, parameter in template().parameters.items() if parameter["Type"] == "Number"}
    document = json.dumps(stack.template["Resources"]["Api"]["Properties"]["Body"])

    assert {name for name in numbers if f'{{"Ref": "{name}"}}' in document} == set()


def test_cors_allows_every_origin_or_those_of_the_settings(stack: Stack, customized: Stack) -> None:
    gateway = client("apigatewayv2")

    assert stack.template["Resources"]["Api"]["Properties"]["Body"]["x-amazon-apigateway-cors"]["allowOrigins"] == ["*"]
    assert gateway.get_api(ApiId=customized.ids["Api"])["CorsConfiguration"]["AllowOrigins"] == [
        "https://app.example.com",
        "https://www.example.com",
    ]


def test_the_stage_deploys_automatically_and_its_throttling_follows_the_settings(customized: Stack) -> None:
    [stage] = client("apigatewayv2").get_stages(ApiId=customized.ids["Api"])["Items"]

    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 10
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 20


def test_the_access_log_covers_responses_that_no_function_gives(stack: Stack) -> None:
    """API Gateway itself answers 404, 413, 429, and 5xx if a function fails."""
    [stage] = client("apigatewayv2").get_stages(ApiId=stack.ids["Api"])["Items"]
    settings = stage["AccessLogSettings"]
    line = json.loads(re.sub(r"\$context[.A-Za-z]+", "-", settings["Format"]))  # it is JSON for all values

    [group] = client("logs").describe_log_groups(logGroupNamePrefix=stack.ids["AccessLogs"])["logGroups"]
    assert settings["DestinationArn"].endswith(f":log-group:{stack.ids['AccessLogs']}")
    assert group["retentionInDays"] == 30
    assert {"request_id", "route", "status", "error", "client"} <= line.keys()
    assert "$context.path" not in settings["Format"]  # a path may contain a token


def test_a_custom_domain_is_part_of_the_stack(stack: Stack, customized: Stack) -> None:
    gateway = client("apigatewayv2")

    domain = gateway.get_domain_name(DomainName="auth.example.com")
    [mapping] = gateway.get_api_mappings(DomainName="auth.example.com")["Items"]

    assert domain["DomainNameConfigurations"][0]["CertificateArn"] == CERTIFICATE
    assert (mapping["ApiId"], mapping["Stage"]) == (customized.ids["Api"], "$default")
    assert customized.outputs()["DomainTarget"]
    assert "DomainOfTheApi" not in stack.ids
