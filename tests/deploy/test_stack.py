"""The stack as CloudFormation makes it on moto: every resource there, as the template means it, outputs filled.

What moto cannot do has a test of its own that says so in its name and looks at the transformed template instead.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import pytest
from gerbang.core.log import metric_name
from gerbang.mail.codes import REMEMBERED
from gerbang.storage.clients import CONNECT_SECONDS, READ_SECONDS, TRIES
from gerbang_local.declarations import template

from tests.deploy.clients import client
from tests.deploy.stacks import ROOT, STACK_NAME, Stack, created_stack, transformed, written

TABLES: Final = {"Users", "Organizations", "RefreshTokenFamilies", "OneTimeCodes", "RateLimits"}
SECRETS: Final = ("MasterSecret", "SecretApiKey")
KEY: Final = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BOUNDARY: Final = "arn:aws:iam::123456789012:policy/boundary"
CERTIFICATE: Final = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
KEPT: Final = {"Users", "Organizations"}
"""Tables with what cannot be made again."""

ALARMS_FOR_NOTHING: Final = 10
"""https://aws.amazon.com/cloudwatch/pricing/: ten alarms of one metric each are free."""

METRICS_ON_A_DASHBOARD_FOR_NOTHING: Final = 50
"""The same page."""

CHANGED: Final = {
    "AccessTokenSeconds": "600",
    "CorsAllowOrigins": "https://app.example.com, https://www.example.com",
    "DeletionProtection": "true",
    "LogRetentionDays": "90",
    "PublicUrl": "https://auth.example.com",
    "Stage": "production",
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with created_stack() as made:
        yield made


@pytest.fixture(scope="module")
def chosen() -> Iterator[Stack]:
    """A stack with settings that add to it."""
    with created_stack(
        "gerbang-chosen",
        AlarmEmail="ops@example.com",
        Architecture="x86_64",
        CertificateArn=CERTIFICATE,
        CorsAllowOrigins="https://app.example.com,https://www.example.com",
        DeletionProtection="true",
        DomainName="auth.example.com",
        ExtraAlarms="true",
        KmsKeyArn=KEY,
        MailConcurrency="3",
        PermissionsBoundary=BOUNDARY,
        PointInTimeRecovery="false",
        ReservedConcurrency="7",
        ThrottleBurst="20",
        ThrottleRate="10",
        Tracing="Active",
    ) as made:
        yield made


def every_function() -> list[str]:
    functions = written("AWS::Serverless::Function").items()
    return [name for name, resource in functions if resource.condition in {None, *HOLD_BY_DEFAULT}]


HOLD_BY_DEFAULT: Final = {"HasApiDocs"}
"""Conditions of the template."""


def left_out(members: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Return the names of resources or outputs whose condition does not hold by default."""
    return {name for name, member in members.items() if member.get("Condition") not in {None, *HOLD_BY_DEFAULT}}


# --- all of it --------------------------------------------------------------------------------------------------------


def test_every_resource_of_the_template_is_made(stack: Stack) -> None:
    resources = stack.template["Resources"]

    assert stack.ids.keys() == resources.keys() - left_out(resources)


def test_every_output_is_filled(stack: Stack) -> None:
    outputs, declared = stack.outputs(), stack.template["Outputs"]

    assert outputs.keys() == declared.keys() - left_out(declared)
    assert [name for name, value in outputs.items() if not value or "${" in value] == []


def test_outputs_say_where_things_are(stack: Stack) -> None:
    outputs = stack.outputs()

    assert outputs["ApiUrl"] == f"https://{stack.ids['Api']}.execute-api.us-east-1.amazonaws.com"
    assert outputs["JwksUrl"] == f"{outputs['ApiUrl']}/.well-known/jwks.json"
    assert {outputs[f"{name}Table"] for name in TABLES} == {stack.ids[name] for name in TABLES}
    assert outputs["MailDeadLetterQueueUrl"] == stack.ids["MailDeadLetterQueue"]
    assert outputs["AlarmTopicArn"] == stack.ids["AlarmTopic"]
    assert outputs["DashboardUrl"].endswith(f"/{stack.ids['Dashboard']}")
    assert outputs["TokenIssuer"] == stack.function("ApiLoginFunction")["Environment"]["Variables"]["TOKEN_ISSUER"]
    assert (
        outputs["PublishableKey"]
        == stack.function("SupabaseTokenFunction")["Environment"]["Variables"]["PUBLISHABLE_KEY"]
    )


def test_what_can_be_tagged_has_its_stage(stack: Stack) -> None:
    untagged = {
        name
        for name, resource in stack.template["Resources"].items()
        if resource["Type"] in {"AWS::DynamoDB::Table", "AWS::IAM::Role", "AWS::Lambda::Function", "AWS::SNS::Topic"}
        or resource["Type"] in {"AWS::SQS::Queue", "AWS::SecretsManager::Secret"}
        if {"Key": "stage", "Value": {"Ref": "Stage"}} not in resource["Properties"].get("Tags", [])
    }

    assert untagged == set()


def test_what_cannot_be_made_again_outlives_the_stack(stack: Stack) -> None:
    kept = {
        name: (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
        for name, resource in stack.template["Resources"].items()
        if resource.get("DeletionPolicy") not in {None, "Delete"}
    }

    # Not kept of a creation that failed: there is nothing in it, and its name would be in the way of the next one.
    policies = ("RetainExceptOnCreate", "Retain")
    secrets = ["MasterSecret", "SecretApiKey", "CaptchaSecret", "LegacyVerifySecret"]
    assert kept == dict.fromkeys([*KEPT, *secrets], policies)


# --- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_is_on_demand_encrypted_and_restorable_if_operators_are_told_how(stack: Stack, name: str) -> None:
    dynamodb, table = client("dynamodb"), stack.ids[name]
    described = dynamodb.describe_table(TableName=table)["Table"]
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]

    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert described["SSEDescription"]["Status"] == "ENABLED"
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    assert recovery == ("ENABLED" if name in KEPT else "DISABLED")
    indexes = {index["IndexName"]: index["Projection"] for index in described.get("GlobalSecondaryIndexes", [])}
    assert indexes == ({"newest-first": {"ProjectionType": "KEYS_ONLY"}} if name == "Users" else {})


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_sweeps_what_has_expired(stack: Stack, name: str) -> None:
    ttl = client("dynamodb").describe_time_to_live(TableName=stack.ids[name])["TimeToLiveDescription"]

    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_has_the_key_that_the_code_uses(stack: Stack, name: str) -> None:
    schema = client("dynamodb").describe_table(TableName=stack.ids[name])["Table"]["KeySchema"]

    keys = {key["KeyType"]: key["AttributeName"] for key in schema}

    assert keys == ({"HASH": "pk"} if name in {"OneTimeCodes", "RateLimits"} else {"HASH": "pk", "RANGE": "sk"})


def test_tables_of_accounts_can_be_protected_and_all_do_without_backups(chosen: Stack) -> None:
    dynamodb = client("dynamodb")
    protected, backed_up = set(), set()
    for name in TABLES:
        table = chosen.ids[name]
        if dynamodb.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"]:
            protected.add(name)
        backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        if backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED":
            backed_up.add(name)

    assert protected == KEPT
    assert backed_up == set()


# --- secrets and mail -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "characters"), [("MasterSecret", 64), ("SecretApiKey", 48)])
def test_a_secret_is_generated(stack: Stack, name: str, characters: int) -> None:
    text = client("secretsmanager").get_secret_value(SecretId=stack.ids[name])["SecretString"]

    assert re.fullmatch(rf"[A-Za-z0-9]{{{characters}}}", text)


def test_moto_rotates_in_docker_alone_so_the_rotation_is_read_from_the_template(stack: Stack) -> None:
    rotation = stack.template["Resources"]["MasterSecretRotation"]

    assert rotation["Properties"]["SecretId"] == {"Ref": "MasterSecret"}
    assert rotation["Properties"]["RotationLambdaARN"] == {"Fn::GetAtt": ["RotationFunction", "Arn"]}
    assert rotation["DependsOn"] == "RotationPermission"  # it runs at once: not before it may be called


def test_mail_that_fails_eight_times_is_put_aside(stack: Stack) -> None:
    mails, aside = attributes_of(stack, "MailQueue"), attributes_of(stack, "MailDeadLetterQueue")

    redrive = json.loads(mails["RedrivePolicy"])

    assert redrive == {"deadLetterTargetArn": aside["QueueArn"], "maxReceiveCount": 12}
    assert int(aside["MessageRetentionPeriod"]) > int(mails["MessageRetentionPeriod"])
    assert {mails["SqsManagedSseEnabled"], aside["SqsManagedSseEnabled"]} == {"true"}


def test_a_sent_mail_and_a_spent_code_are_remembered_for_longer_than_any_queue_keeps_their_message(
    stack: Stack,
) -> None:
    queues = [attributes_of(stack, name) for name in ("MailQueue", "MailDeadLetterQueue")]

    assert all(timedelta(seconds=int(queue["MessageRetentionPeriod"])) < REMEMBERED for queue in queues)


def test_mail_is_not_delivered_twice_while_it_is_being_sent(stack: Stack) -> None:
    visibility_seconds = int(attributes_of(stack, "MailQueue")["VisibilityTimeout"])
    mailer = stack.function("MailerFunction")

    assert (
        visibility_seconds >= 6 * mailer["Timeout"]
    )  # docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html


def test_the_mailer_reads_the_queue_and_reports_failures_one_by_one(stack: Stack) -> None:
    queue = attributes_of(stack, "MailQueue")["QueueArn"]

    [mapping] = client("lambda").list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]

    assert mapping["FunctionArn"] == stack.function_arn("MailerFunction")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_a_batch_whose_every_mail_hangs_at_ses_ends_before_the_mailer_does(stack: Stack) -> None:
    """Else those of the batch that were sent are not reported, and all of it is tried again."""
    queue = attributes_of(stack, "MailQueue")["QueueArn"]
    [mapping] = client("lambda").list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]
    longest_seconds = TRIES * (CONNECT_SECONDS + READ_SECONDS) + 1  # a pause of at most 1 s between two tries

    assert mapping["BatchSize"] * longest_seconds < stack.function("MailerFunction")["Timeout"]


def attributes_of(stack: Stack, queue: str) -> dict[str, str]:
    attributes: dict[str, str] = client("sqs").get_queue_attributes(QueueUrl=stack.ids[queue], AttributeNames=["All"])[
        "Attributes"
    ]
    return attributes


# --- functions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", every_function())
def test_a_function_runs_what_is_built_with_a_role_of_its_own(stack: Stack, name: str) -> None:
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
def test_a_function_has_the_layers_of_its_architecture(chosen: Stack, name: str) -> None:
    configuration = chosen.function(name)

    assert configuration["Architectures"] == ["x86_64"]
    assert [layer["Arn"].split(":")[-2] for layer in configuration["Layers"]] == [
        "gerbang-chosen-dependencies-x86-64",
        "gerbang-chosen-asymmetric-x86-64",
        "gerbang-chosen-gerbang",
    ]


def test_functions_share_a_log_that_is_kept_as_long_as_asked(stack: Stack) -> None:
    [group] = client("logs").describe_log_groups(logGroupNamePrefix=stack.ids["Logs"])["logGroups"]

    assert stack.outputs()["LogGroup"] == stack.ids["Logs"]
    assert group["retentionInDays"] == 30


@pytest.mark.parametrize("name", every_function())
def test_a_function_ends_before_whoever_waits_for_it_gives_up(stack: Stack, name: str) -> None:
    patience_seconds = 30  # API Gateway's

    assert stack.function(name)["Timeout"] <= patience_seconds


def test_functions_have_all_settings_resolved(stack: Stack) -> None:
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


def test_no_concurrency_is_reserved_unless_asked_for(stack: Stack) -> None:
    properties = transformed()["Resources"]["ApiLoginFunction"]["Properties"]
    reserved = client("lambda").get_function_concurrency(FunctionName=stack.ids["ApiLoginFunction"])

    assert properties["ReservedConcurrentExecutions"]["Fn::If"][2] == {"Ref": "AWS::NoValue"}
    assert reserved.get("ReservedConcurrentExecutions") is None


@pytest.mark.parametrize("name", every_function())
def test_concurrency_and_tracing_are_as_asked_for(chosen: Stack, name: str) -> None:
    reserved = client("lambda").get_function_concurrency(FunctionName=chosen.ids[name])

    assert reserved["ReservedConcurrentExecutions"] == 7
    assert chosen.function(name)["TracingConfig"] == {"Mode": "Active"}


def test_functions_may_write_traces_only_if_they_are_traced(stack: Stack, chosen: Stack) -> None:
    def policies(one: Stack) -> list[str]:
        return [
            str(arn) for arn in one.template["Resources"]["ApiLoginFunctionRole"]["Properties"]["ManagedPolicyArns"]
        ]

    assert [arn for arn in policies(stack) if "xray" in arn.lower()] == []
    assert len([arn for arn in policies(chosen) if "xray" in arn.lower()]) == 1


def test_moto_forgets_log_formats_so_they_are_read_from_the_template(stack: Stack) -> None:
    formats = [stack.template["Resources"][name]["Properties"]["LoggingConfig"] for name in every_function()]

    assert formats == [{"LogFormat": "Text", "LogGroup": {"Ref": "Logs"}}] * len(formats)


def test_reserved_concurrency_never_asks_for_more_than_an_account_has() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html: 1,000, of which 100 stay free."""
    parameter = template().parameters["ReservedConcurrency"]
    functions = [one for one in template().resources.values() if one.type == "AWS::Serverless::Function"]

    assert int(parameter["MaxValue"]) == (1000 - 100) // len(functions)
    assert f"each of the {len(functions)} functions" in parameter["Description"]
    assert f"each of the {len(functions)} functions" in (ROOT / "docs" / "operations.md").read_text("utf-8")


@pytest.mark.parametrize("name", every_function())
def test_a_role_has_the_boundary_that_the_organization_demands(stack: Stack, chosen: Stack, name: str) -> None:
    def boundary(one: Stack) -> str | None:
        role = client("iam").get_role(RoleName=one.ids[f"{name}Role"])["Role"]
        arn: str | None = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        return arn

    assert (boundary(stack), boundary(chosen)) == (None, BOUNDARY)


def test_a_key_of_ones_own_encrypts_tables_secrets_queues_and_logs(stack: Stack, chosen: Stack) -> None:
    def keys(one: Stack) -> set[str | None]:
        tables = [client("dynamodb").describe_table(TableName=one.ids[name])["Table"] for name in TABLES]
        secrets = [client("secretsmanager").describe_secret(SecretId=one.ids[name]) for name in SECRETS]
        queues = [attributes_of(one, name) for name in ("MailQueue", "MailDeadLetterQueue")]
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

    assert keys(chosen) == {KEY}
    assert KEY not in keys(stack)


def test_mails_are_sent_no_faster_than_asked(chosen: Stack) -> None:
    queue = attributes_of(chosen, "MailQueue")["QueueArn"]

    [mapping] = client("lambda").list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]

    assert mapping["ScalingConfig"] == {"MaximumConcurrency": 3}


# --- the API ----------------------------------------------------------------------------------------------------------


def test_every_function_with_a_path_has_its_route_and_lets_the_api_call_it(stack: Stack) -> None:
    served = {route["function"] for route in stack.routes().values()}
    not_served = {"AuthorizerFunction", "MailerFunction", "RotationFunction"}

    assert served == set(every_function()) - not_served
    for function in served:
        policy = json.loads(client("lambda").get_policy(FunctionName=stack.ids[function])["Policy"])
        assert "apigateway.amazonaws.com" in json.dumps(policy)


def test_paths_without_a_route_have_a_function(stack: Stack) -> None:
    assert stack.routes()["$default"]["function"] == "DefaultFunction"


def test_no_route_has_an_authorizer_because_endpoints_check_tokens_themselves(stack: Stack) -> None:
    """The Lambda authorizer is for the account's other APIs, which find it by the output."""
    document = stack.template["Resources"]["Api"]["Properties"]["Body"]

    assert "securitySchemes" not in document.get("components", {})
    assert not any("security" in operation for path in document["paths"].values() for operation in path.values())
    assert stack.outputs()["AuthorizerArn"] == stack.function_arn("AuthorizerFunction")


def test_the_openapi_document_refers_to_no_parameter_that_has_to_be_a_number(stack: Stack) -> None:
    """`Ref` of one gives text (CloudFormation User Guide, "Parameters"), which a typed property takes, and JSON not."""
    numbers = {name for name, parameter in template().parameters.items() if parameter["Type"] == "Number"}
    document = json.dumps(stack.template["Resources"]["Api"]["Properties"]["Body"])

    assert {name for name in numbers if f'{{"Ref": "{name}"}}' in document} == set()


def test_pages_of_every_origin_or_of_those_named_may_call_the_api(stack: Stack, chosen: Stack) -> None:
    gateway = client("apigatewayv2")

    assert stack.template["Resources"]["Api"]["Properties"]["Body"]["x-amazon-apigateway-cors"]["allowOrigins"] == ["*"]
    assert gateway.get_api(ApiId=chosen.ids["Api"])["CorsConfiguration"]["AllowOrigins"] == [
        "https://app.example.com",
        "https://www.example.com",
    ]


def test_the_stage_deploys_by_itself_and_has_the_throttles_asked_for(chosen: Stack) -> None:
    [stage] = client("apigatewayv2").get_stages(ApiId=chosen.ids["Api"])["Items"]

    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == 10
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == 20


def test_the_api_logs_what_no_function_sees(stack: Stack) -> None:
    """What API Gateway answers by itself: 404, 413, 429, and 5xx where a function failed."""
    [stage] = client("apigatewayv2").get_stages(ApiId=stack.ids["Api"])["Items"]
    settings = stage["AccessLogSettings"]
    line = json.loads(re.sub(r"\$context[.A-Za-z]+", "-", settings["Format"]))  # JSON, whatever is absent

    [group] = client("logs").describe_log_groups(logGroupNamePrefix=stack.ids["AccessLogs"])["logGroups"]
    assert settings["DestinationArn"].endswith(f":log-group:{stack.ids['AccessLogs']}")
    assert group["retentionInDays"] == 30
    assert {"request_id", "route", "status", "error", "client"} <= line.keys()
    assert "$context.path" not in settings["Format"]  # which may hold anything, such as a token


def test_a_domain_of_ones_own_is_part_of_the_stack(stack: Stack, chosen: Stack) -> None:
    gateway = client("apigatewayv2")

    domain = gateway.get_domain_name(DomainName="auth.example.com")
    [mapping] = gateway.get_api_mappings(DomainName="auth.example.com")["Items"]

    assert domain["DomainNameConfigurations"][0]["CertificateArn"] == CERTIFICATE
    assert (mapping["ApiId"], mapping["Stage"]) == (chosen.ids["Api"], "$default")
    assert chosen.outputs()["DomainTarget"]
    assert "DomainOfTheApi" not in stack.ids


# --- operations -------------------------------------------------------------------------------------------------------


def alarms_of(stack: Stack) -> dict[str, dict[str, Any]]:
    names = {stack.ids[name]: name for name in stack.logical_ids("AWS::CloudWatch::Alarm") if name in stack.ids}
    described = client("cloudwatch").describe_alarms(AlarmNames=list(names))["MetricAlarms"]
    return {names[alarm["AlarmName"]]: alarm for alarm in described}


def test_every_alarm_tells_the_topic_when_it_goes_off_and_when_it_ends(stack: Stack) -> None:
    topic = [stack.ids["AlarmTopic"]]

    deaf = [
        name
        for name, alarm in alarms_of(stack).items()
        if (alarm["AlarmActions"], alarm["OKActions"]) != (topic, topic)
    ]

    assert deaf == []


def test_alarms_cost_nothing(stack: Stack) -> None:
    alarms = alarms_of(stack)

    assert len(alarms) <= ALARMS_FOR_NOTHING
    assert [name for name, alarm in alarms.items() if "MetricName" not in alarm] == []  # metric math counts several


def test_alarms_on_latency_and_throttled_tables_are_extra(stack: Stack, chosen: Stack) -> None:
    more = {name: alarm for name, alarm in alarms_of(chosen).items() if name not in alarms_of(stack)}

    assert more.keys() == {"LatencyAlarm", "TableThrottlesAlarm"}
    assert (more["LatencyAlarm"]["MetricName"], more["LatencyAlarm"]["ExtendedStatistic"]) == ("Latency", "p99")
    watched = [one["MetricStat"]["Metric"] for one in more["TableThrottlesAlarm"]["Metrics"] if "MetricStat" in one]
    assert {(one["MetricName"], one["Dimensions"][0]["Value"]) for one in watched} == {
        (f"{kind}ThrottleEvents", chosen.ids[table]) for kind in ("Read", "Write") for table in TABLES
    }


def test_extra_alarms_cost_what_the_setting_says(chosen: Stack) -> None:
    """https://aws.amazon.com/cloudwatch/pricing/: $0.10 for each metric of an alarm."""
    more = [alarms_of(chosen)[name] for name in ("LatencyAlarm", "TableThrottlesAlarm")]
    metrics = sum(sum("MetricStat" in one for one in alarm.get("Metrics", [])) or 1 for alarm in more)

    assert f"${metrics * 0.1:.2f} a month" in template().parameters["ExtraAlarms"]["Description"]


@pytest.mark.parametrize(
    ("alarm", "metric", "dimension"),
    [
        ("ServerErrorsAlarm", "AWS/ApiGateway 5xx", "Api"),
        ("ThrottlesAlarm", "AWS/Lambda Throttles", None),
        ("RotationErrorsAlarm", "AWS/Lambda Errors", "RotationFunction"),
        ("MailBouncesAlarm", "AWS/SES Reputation.BounceRate", None),
        ("MailComplaintsAlarm", "AWS/SES Reputation.ComplaintRate", None),
    ],
)
def test_what_goes_wrong_at_aws_is_noticed(stack: Stack, alarm: str, metric: str, dimension: str | None) -> None:
    described = alarms_of(stack)[alarm]

    assert f"{described['Namespace']} {described['MetricName']}" == metric
    assert [one["Value"] for one in described["Dimensions"]] == ([] if dimension is None else [stack.ids[dimension]])


def test_a_single_reused_refresh_token_is_no_alarm_and_more_than_five_in_an_hour_are(stack: Stack) -> None:
    alarm = alarms_of(stack)["RefreshTokenReusedAlarm"]

    assert (alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"]) == ("Sum", 3600, 1)
    assert (alarm["ComparisonOperator"], alarm["Threshold"]) == ("GreaterThanThreshold", 5)
    assert "Possible reuse_refresh_token" in alarm["AlarmDescription"]


@pytest.mark.parametrize(
    ("alarm", "queue"), [("MailLateAlarm", "MailQueue"), ("MailDeadLetterAlarm", "MailDeadLetterQueue")]
)
def test_mail_that_waits_is_noticed(stack: Stack, alarm: str, queue: str) -> None:
    [dimension] = alarms_of(stack)[alarm]["Dimensions"]

    assert dimension == {"Name": "QueueName", "Value": attributes_of(stack, queue)["QueueArn"].rpartition(":")[2]}


@pytest.mark.parametrize("event", ["refresh_token_reused", "password_hash_unusable", "mail_refused"])
def test_an_event_that_somebody_has_to_look_at_is_noticed(stack: Stack, event: str) -> None:
    variables = stack.function("ApiLoginFunction")["Environment"]["Variables"]

    [alarm] = [one for one in alarms_of(stack).values() if one["MetricName"] == metric_name(event)]

    assert alarm["Namespace"] == variables["POWERTOOLS_METRICS_NAMESPACE"]
    assert alarm["Dimensions"] == [{"Name": "service", "Value": variables["POWERTOOLS_SERVICE_NAME"]}]


def test_somebody_is_told_by_mail_if_an_address_is_given(stack: Stack, chosen: Stack) -> None:
    def told(one: Stack) -> list[tuple[str, str]]:
        subscriptions = client("sns").list_subscriptions_by_topic(TopicArn=one.ids["AlarmTopic"])["Subscriptions"]
        return [(subscription["Protocol"], subscription["Endpoint"]) for subscription in subscriptions]

    assert told(stack) == []
    assert told(chosen) == [("email", "ops@example.com")]


def widgets_of(stack: Stack) -> list[dict[str, Any]]:
    body = client("cloudwatch").get_dashboard(DashboardName=stack.ids["Dashboard"])["DashboardBody"]
    widgets: list[dict[str, Any]] = json.loads(body)["widgets"]
    return widgets


def test_the_dashboard_shows_every_alarm(stack: Stack) -> None:
    [shown] = [widget["properties"]["alarms"] for widget in widgets_of(stack) if widget["type"] == "alarm"]

    assert set(shown) == {alarm["AlarmArn"] for alarm in alarms_of(stack).values()}


def test_the_dashboard_costs_nothing(stack: Stack) -> None:
    metrics = [metric for widget in widgets_of(stack) for metric in widget["properties"].get("metrics", [])]

    assert len(metrics) <= METRICS_ON_A_DASHBOARD_FOR_NOTHING


def test_the_dashboard_and_the_alarms_show_events_that_there_are(stack: Stack) -> None:
    """By the text of the sources: an event is counted under the name that is noted."""
    sources = [path.read_text("utf-8") for path in (ROOT / "layers/auth/gerbang").rglob("*.py")]
    noted = {metric_name(word) for source in sources for word in re.findall(r'"([a-z]+(?:_[a-z]+)*)"', source)}
    shown = {alarm["MetricName"] for alarm in alarms_of(stack).values() if alarm["Namespace"] == "Gerbang"}
    for widget in widgets_of(stack):
        metrics = widget["properties"].get("metrics", [[""]])
        if metrics[0][0] == "Gerbang":
            shown |= {metric[1] for metric in metrics}

    assert shown - noted == set()


# --- an update --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def updated() -> Iterator[tuple[dict[str, str], Stack]]:
    """What the ids were, and the stack after its parameters were changed."""
    with created_stack("gerbang-updated") as made:
        before = dict(made.ids)
        yield before, made.updated(**CHANGED)


def test_an_update_changes_settings_in_place(updated: tuple[dict[str, str], Stack]) -> None:
    before, stack = updated

    variables = stack.function("ApiLoginFunction")["Environment"]["Variables"]

    assert {name: stack.ids[name] for name in before} == before
    assert "access=600" in variables["SESSIONS"].split()
    assert variables["TOKEN_ISSUER"] == stack.outputs()["TokenIssuer"] == "https://auth.example.com"
    assert variables["USERS_TABLE"] == before["Users"]


def test_an_update_reaches_tables_logs_and_the_api(updated: tuple[dict[str, str], Stack]) -> None:
    _, stack = updated

    table = client("dynamodb").describe_table(TableName=stack.ids["Users"])["Table"]
    [group] = client("logs").describe_log_groups(logGroupNamePrefix=stack.ids["Logs"])["logGroups"]
    api = client("apigatewayv2").get_api(ApiId=stack.ids["Api"])

    assert table["DeletionProtectionEnabled"] is True
    assert group["retentionInDays"] == 90
    assert api["CorsConfiguration"]["AllowOrigins"] == ["https://app.example.com", "https://www.example.com"]


def test_an_update_keeps_the_secrets(updated: tuple[dict[str, str], Stack]) -> None:
    before, stack = updated

    versions = client("secretsmanager").list_secret_version_ids(SecretId=before["MasterSecret"])["Versions"]

    assert stack.function("ApiLoginFunction")["Environment"]["Variables"]["MASTER_SECRET"] == before["MasterSecret"]
    assert len(versions) == 1


def test_moto_replaces_nothing_so_names_that_would_force_it_are_not_given(stack: Stack) -> None:
    """CloudFormation replaces a table, queue, secret or role whose name changes, and its content with it."""
    named = {
        name
        for name, resource in stack.template["Resources"].items()
        if {"FunctionName", "Name", "QueueName", "RoleName", "TableName"} & resource.get("Properties", {}).keys()
        and resource["Type"] not in {"AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission"}
    }

    assert named == set()
