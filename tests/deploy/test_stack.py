"""Outputs, tables, secrets, mail queues and updates of a stack as CloudFormation creates it on moto.

A test of something that moto does not support reads the transformed template instead, and its name says so.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final

import pytest
from gerbang.mail.codes import REMEMBERED
from gerbang.storage.clients import CONNECT_SECONDS, READ_SECONDS, TRIES

from tests.deploy.clients import client
from tests.deploy.conftest import (
    IRREPLACEABLE,
    TABLES,
    TRUE_BY_DEFAULT,
    queue_attributes,
)
from tests.deploy.stacks import Stack, created_stack

CHANGED: Final = {
    "AccessTokenSeconds": "600",
    "CorsAllowOrigins": "https://app.example.com, https://www.example.com",
    "DeletionProtection": "true",
    "LogRetentionDays": "90",
    "PublicUrl": "https://auth.example.com",
    "Stage": "production",
}


def omitted_by_default(members: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Return the names of resources or outputs whose condition does not hold by default."""
    return {name for name, member in members.items() if member.get("Condition") not in {None, *TRUE_BY_DEFAULT}}


def test_every_resource_of_the_template_is_created(stack: Stack) -> None:
    resources = stack.template["Resources"]

    assert stack.ids.keys() == resources.keys() - omitted_by_default(resources)


def test_every_output_has_a_value(stack: Stack) -> None:
    outputs, declared = stack.outputs(), stack.template["Outputs"]

    assert outputs.keys() == declared.keys() - omitted_by_default(declared)
    assert [name for name, value in outputs.items() if not value or "${" in value] == []


def test_outputs_match_the_resources_of_the_stack(stack: Stack) -> None:
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


def test_resources_are_tagged_with_the_stage(stack: Stack) -> None:
    untagged = {
        name
        for name, resource in stack.template["Resources"].items()
        if resource["Type"] in {"AWS::DynamoDB::Table", "AWS::IAM::Role", "AWS::Lambda::Function", "AWS::SNS::Topic"}
        or resource["Type"] in {"AWS::SQS::Queue", "AWS::SecretsManager::Secret"}
        if {"Key": "stage", "Value": {"Ref": "Stage"}} not in resource["Properties"].get("Tags", [])
    }

    assert untagged == set()


def test_irreplaceable_resources_are_retained(stack: Stack) -> None:
    retained = {
        name: (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
        for name, resource in stack.template["Resources"].items()
        if resource.get("DeletionPolicy") not in {None, "Delete"}
    }

    # After a failed creation they are deleted: they are empty, and their names would block the next creation.
    policies = ("RetainExceptOnCreate", "Retain")
    secrets = ["MasterSecret", "SecretApiKey", "CaptchaSecret", "LegacyVerifySecret"]
    assert retained == dict.fromkeys([*IRREPLACEABLE, *secrets], policies)


# --- tables -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_is_on_demand_and_encrypted_and_irreplaceable_ones_can_be_restored(stack: Stack, name: str) -> None:
    dynamodb, table = client("dynamodb"), stack.ids[name]
    described = dynamodb.describe_table(TableName=table)["Table"]
    backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]

    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert described["SSEDescription"]["Status"] == "ENABLED"
    recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    assert recovery == ("ENABLED" if name in IRREPLACEABLE else "DISABLED")
    indexes = {index["IndexName"]: index["Projection"] for index in described.get("GlobalSecondaryIndexes", [])}
    assert indexes == ({"newest-first": {"ProjectionType": "KEYS_ONLY"}} if name == "Users" else {})


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_has_a_ttl(stack: Stack, name: str) -> None:
    ttl = client("dynamodb").describe_time_to_live(TableName=stack.ids[name])["TimeToLiveDescription"]

    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_has_the_key_that_the_code_uses(stack: Stack, name: str) -> None:
    schema = client("dynamodb").describe_table(TableName=stack.ids[name])["Table"]["KeySchema"]

    keys = {key["KeyType"]: key["AttributeName"] for key in schema}

    assert keys == ({"HASH": "pk"} if name in {"OneTimeCodes", "RateLimits"} else {"HASH": "pk", "RANGE": "sk"})


def test_deletion_protection_and_point_in_time_recovery_follow_the_settings(customized: Stack) -> None:
    dynamodb = client("dynamodb")
    protected, backed_up = set(), set()
    for name in TABLES:
        table = customized.ids[name]
        if dynamodb.describe_table(TableName=table)["Table"]["DeletionProtectionEnabled"]:
            protected.add(name)
        backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        if backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "ENABLED":
            backed_up.add(name)

    assert protected == IRREPLACEABLE
    assert backed_up == set()


# --- secrets and mail -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "characters"), [("MasterSecret", 64), ("SecretApiKey", 48)])
def test_a_secret_is_generated(stack: Stack, name: str, characters: int) -> None:
    text = client("secretsmanager").get_secret_value(SecretId=stack.ids[name])["SecretString"]

    assert re.fullmatch(rf"[A-Za-z0-9]{{{characters}}}", text)


def test_the_template_sets_the_rotation_of_the_master_secret(stack: Stack) -> None:
    """Reads the transformed template, because moto rotates only with Docker."""
    rotation = stack.template["Resources"]["MasterSecretRotation"]

    assert rotation["Properties"]["SecretId"] == {"Ref": "MasterSecret"}
    assert rotation["Properties"]["RotationLambdaARN"] == {"Fn::GetAtt": ["RotationFunction", "Arn"]}
    assert rotation["DependsOn"] == "RotationPermission"  # the first rotation starts at once and needs the permission


def test_a_mail_job_that_fails_twelve_times_goes_to_the_dead_letter_queue(stack: Stack) -> None:
    mails, dead_letters = queue_attributes(stack, "MailQueue"), queue_attributes(stack, "MailDeadLetterQueue")

    redrive = json.loads(mails["RedrivePolicy"])

    assert redrive == {"deadLetterTargetArn": dead_letters["QueueArn"], "maxReceiveCount": 12}
    assert int(dead_letters["MessageRetentionPeriod"]) > int(mails["MessageRetentionPeriod"])
    assert {mails["SqsManagedSseEnabled"], dead_letters["SqsManagedSseEnabled"]} == {"true"}


def test_sent_mails_and_spent_codes_are_remembered_longer_than_a_queue_keeps_their_job(
    stack: Stack,
) -> None:
    queues = [queue_attributes(stack, name) for name in ("MailQueue", "MailDeadLetterQueue")]

    assert all(timedelta(seconds=int(queue["MessageRetentionPeriod"])) < REMEMBERED for queue in queues)


def test_a_mail_job_is_not_delivered_again_while_the_mailer_works_on_it(stack: Stack) -> None:
    visibility_seconds = int(queue_attributes(stack, "MailQueue")["VisibilityTimeout"])
    mailer = stack.function("MailerFunction")

    assert (
        visibility_seconds >= 6 * mailer["Timeout"]
    )  # docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html


def test_the_mailer_reads_the_queue_and_reports_each_failed_job(stack: Stack) -> None:
    queue = queue_attributes(stack, "MailQueue")["QueueArn"]

    [mapping] = client("lambda").list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]

    assert mapping["FunctionArn"] == stack.function_arn("MailerFunction")
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_a_batch_ends_before_the_mailer_times_out_even_if_ses_never_answers(stack: Stack) -> None:
    """Otherwise the sent mails of the batch are not reported, and the whole batch is repeated."""
    queue = queue_attributes(stack, "MailQueue")["QueueArn"]
    [mapping] = client("lambda").list_event_source_mappings(EventSourceArn=queue)["EventSourceMappings"]
    longest_seconds = TRIES * (CONNECT_SECONDS + READ_SECONDS) + 1  # a pause of at most 1 s between two tries

    assert mapping["BatchSize"] * longest_seconds < stack.function("MailerFunction")["Timeout"]


# --- an update --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def updated() -> Iterator[tuple[dict[str, str], Stack]]:
    """The ids before an update, and the stack after an update of its parameters."""
    with created_stack("gerbang-updated") as created:
        before = dict(created.ids)
        yield before, created.updated(**CHANGED)


def test_an_update_changes_settings_without_replacing_resources(updated: tuple[dict[str, str], Stack]) -> None:
    before, stack = updated

    variables = stack.function("ApiLoginFunction")["Environment"]["Variables"]

    assert {name: stack.ids[name] for name in before} == before
    assert "access=600" in variables["SESSIONS"].split()
    assert variables["TOKEN_ISSUER"] == stack.outputs()["TokenIssuer"] == "https://auth.example.com"
    assert variables["USERS_TABLE"] == before["Users"]


def test_an_update_changes_tables_logs_and_the_api(updated: tuple[dict[str, str], Stack]) -> None:
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


def test_the_template_gives_no_names_to_resources_that_a_new_name_would_replace(stack: Stack) -> None:
    """CloudFormation replaces a table, queue, secret or role when its name changes. The data is lost."""
    named = {
        name
        for name, resource in stack.template["Resources"].items()
        if {"FunctionName", "Name", "QueueName", "RoleName", "TableName"} & resource.get("Properties", {}).keys()
        and resource["Type"] not in {"AWS::Lambda::EventSourceMapping", "AWS::Lambda::Permission"}
    }

    assert named == set()
