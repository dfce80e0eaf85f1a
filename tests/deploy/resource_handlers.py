"""What moto's CloudFormation leaves undone, done as CloudFormation's own handlers do it: by calling the service.

moto 5.2.5 knows no secrets, rotations, HTTP APIs, stages, alarms and subscriptions. Of tables it drops TTL and
point-in-time recovery, of functions layers, architecture and tracing, of layers their ARN, of log groups every update;
topics it replaces, and policies of roles it keeps as Python's repr. Each handler here passes on the properties as the
template has them, so that botocore refuses a property that the service's API does not have.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, override
from unittest.mock import patch

import botocore.session
from moto.awslambda.models import LambdaBackend
from moto.cloudformation import parsing
from moto.cloudformation.models import Stack

_clients: Final[dict[str, Any]] = {}


def client(service: str) -> Any:
    """Return the client of a service, made once: loading a service's model costs a tenth of a second."""
    if service not in _clients:
        _clients[service] = botocore.session.get_session().create_client(service)
    return _clients[service]


@dataclass(slots=True)
class Made:
    """A resource, as moto's CloudFormation keeps it."""

    physical_resource_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    cf_resource_type: str = ""
    logical_resource_id: str = ""

    def is_created(self) -> bool:
        return True

    def get_cfn_attribute(self, name: str) -> str:
        return self.attributes[name]


class Handler:
    """One type of resource."""

    TYPE: ClassVar[str]
    ATTRIBUTES: ClassVar[frozenset[str]] = frozenset()
    """For `GetAtt`."""

    @classmethod
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        raise NotImplementedError

    @classmethod
    def change(cls, made: Made, properties: dict[str, Any]) -> None:
        raise NotImplementedError

    # What moto calls.

    @classmethod
    def has_cfn_attr(cls, name: str) -> bool:
        return name in cls.ATTRIBUTES

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], *_where: str, **_more: Any
    ) -> Made:
        return cls.make(resource_name, dict(cloudformation_json["Properties"]))

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Made | None, cloudformation_json: dict[str, Any], **_more: Any
    ) -> Made:
        if original_resource is None:  # moto changes what no condition lets exist, too
            return Made("", {})
        cls.change(original_resource, dict(cloudformation_json["Properties"]))
        return original_resource


class Table(Handler):
    TYPE = "AWS::DynamoDB::Table"
    ATTRIBUTES = frozenset({"Arn", "StreamArn"})

    @classmethod
    @override
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        dynamodb = client("dynamodb")
        encryption = {"Enabled": _truth(properties.pop("SSESpecification")["SSEEnabled"])}
        aside = {
            key: properties.pop(key, None) for key in ("TimeToLiveSpecification", "PointInTimeRecoverySpecification")
        }
        properties["DeletionProtectionEnabled"] = _truth(properties.get("DeletionProtectionEnabled", False))
        if "StreamSpecification" in properties:
            properties["StreamSpecification"] = {"StreamEnabled": True, **properties["StreamSpecification"]}
        made = dynamodb.create_table(TableName=name, SSESpecification=encryption, **properties)["TableDescription"]
        cls._apart(dynamodb, name, aside)
        return Made(name, {"Arn": made["TableArn"], "StreamArn": made.get("LatestStreamArn", "")})

    @classmethod
    @override
    def change(cls, made: Made, properties: dict[str, Any]) -> None:
        dynamodb = client("dynamodb")
        dynamodb.update_table(
            TableName=made.physical_resource_id,
            DeletionProtectionEnabled=_truth(properties.get("DeletionProtectionEnabled", False)),
        )
        cls._apart(dynamodb, made.physical_resource_id, properties)

    @staticmethod
    def _apart(dynamodb: Any, name: str, properties: Mapping[str, Any]) -> None:
        """Do what `CreateTable` and `UpdateTable` do not."""
        if properties.get("TimeToLiveSpecification"):
            ttl = properties["TimeToLiveSpecification"]
            dynamodb.update_time_to_live(
                TableName=name, TimeToLiveSpecification=ttl | {"Enabled": _truth(ttl["Enabled"])}
            )
        if properties.get("PointInTimeRecoverySpecification"):
            backups = properties["PointInTimeRecoverySpecification"]
            dynamodb.update_continuous_backups(
                TableName=name,
                PointInTimeRecoverySpecification={key: _truth(value) for key, value in backups.items()},
            )


class Secret(Handler):
    TYPE = "AWS::SecretsManager::Secret"
    ATTRIBUTES = frozenset({"Id"})

    @classmethod
    @override
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        manager = client("secretsmanager")
        text = manager.get_random_password(**properties.pop("GenerateSecretString"))["RandomPassword"]
        arn = manager.create_secret(Name=name, SecretString=text, **properties)["ARN"]
        return Made(arn, {"Id": arn})

    @classmethod
    @override
    def change(cls, made: Made, properties: dict[str, Any]) -> None:
        client("secretsmanager").update_secret(
            SecretId=made.physical_resource_id, Description=properties["Description"]
        )


class Rotation(Handler):
    """Is kept and not carried out: moto would run the function in Docker. test_permissions.py rotates."""

    TYPE = "AWS::SecretsManager::RotationSchedule"

    @classmethod
    @override
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        return Made(properties["SecretId"])

    @classmethod
    @override
    def change(cls, made: Made, properties: dict[str, Any]) -> None:
        """Do nothing."""


class Role(Handler):
    TYPE = "AWS::IAM::Role"
    ATTRIBUTES = frozenset({"Arn"})

    @classmethod
    @override
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        iam, trust = client("iam"), json.dumps(properties["AssumeRolePolicyDocument"])
        made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=properties.get("Tags", []))["Role"]
        for arn in properties.get("ManagedPolicyArns", []):
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        cls._write(name, properties)
        return Made(name, {"Arn": made["Arn"]})

    @classmethod
    @override
    def change(cls, made: Made, properties: dict[str, Any]) -> None:
        cls._write(made.physical_resource_id, properties)

    @staticmethod
    def _write(name: str, properties: Mapping[str, Any]) -> None:
        for policy in properties.get("Policies", []):
            # IAM takes a policy without a version for one of 2008-10-17, which differs in variables; moto refuses it.
            document = json.dumps({"Version": "2012-10-17", **policy["PolicyDocument"]})
            client("iam").put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)


class Function(Handler):
    TYPE = "AWS::Lambda::Function"
    ATTRIBUTES = frozenset({"Arn"})

    @classmethod
    @override
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        functions = client("lambda")
        tags = {tag["Key"]: str(tag["Value"]) for tag in properties.pop("Tags", [])}
        reserved = properties.pop("ReservedConcurrentExecutions", None)
        made = functions.create_function(FunctionName=name, Tags=tags, **_with_text_variables(properties))
        if reserved is not None:
            functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=int(reserved))
        return Made(name, {"Arn": made["FunctionArn"]})

    @classmethod
    @override
    def change(cls, made: Made, properties: dict[str, Any]) -> None:
        for name in ("Architectures", "Code", "ReservedConcurrentExecutions", "Tags"):
            properties.pop(name, None)  # with calls of their own, which no test here needs
        client("lambda").update_function_configuration(
            FunctionName=made.physical_resource_id, **_with_text_variables(properties)
        )


class LayerVersion(Handler):
    TYPE = "AWS::Lambda::LayerVersion"

    @classmethod
    @override
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        return Made(client("lambda").publish_layer_version(**{"LayerName": name, **properties})["LayerVersionArn"])


class EventSource(Handler):
    """Is made and switched off: moto would run the function in Docker at every message. doors.py reads the queue."""

    TYPE = "AWS::Lambda::EventSourceMapping"

    @classmethod
    @override
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        return Made(client("lambda").create_event_source_mapping(**{**properties, "Enabled": False})["UUID"])

    @classmethod
    @override
    def change(cls, made: Made, properties: dict[str, Any]) -> None:
        """Do nothing."""


class LogGroup(Handler):
    TYPE = "AWS::Logs::LogGroup"

    @classmethod
    @override
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        client("logs").create_log_group(logGroupName=properties.get("LogGroupName", name))
        made = Made(properties.get("LogGroupName", name))
        cls.change(made, properties)
        return made

    @classmethod
    @override
    def change(cls, made: Made, properties: dict[str, Any]) -> None:
        client("logs").put_retention_policy(
            logGroupName=made.physical_resource_id, retentionInDays=int(properties["RetentionInDays"])
        )


class HttpApi(Handler):
    """Takes routes, integrations and CORS out of the OpenAPI document in `Body`, as API Gateway does.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
    """

    TYPE = "AWS::ApiGatewayV2::Api"
    ATTRIBUTES = frozenset({"ApiEndpoint", "ApiId"})

    @classmethod
    @override
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        gateway, body = client("apigatewayv2"), properties["Body"]
        made = gateway.create_api(Name=name, ProtocolType="HTTP", CorsConfiguration=_cors(body))
        for path, methods in body["paths"].items():
            for method, operation in methods.items():
                verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
                key = path if operation.get("isDefaultRoute") else f"{verb} {path}"
                cls._route(gateway, made["ApiId"], key, operation)
        return Made(made["ApiId"], {"ApiId": made["ApiId"], "ApiEndpoint": made["ApiEndpoint"]})

    @classmethod
    @override
    def change(cls, made: Made, properties: dict[str, Any]) -> None:
        cors = _cors(properties["Body"])
        client("apigatewayv2").update_api(ApiId=made.physical_resource_id, CorsConfiguration=cors)

    @staticmethod
    def _route(gateway: Any, api_id: str, key: str, operation: Mapping[str, Any]) -> None:
        described = operation["x-amazon-apigateway-integration"]
        integration = gateway.create_integration(
            ApiId=api_id,
            IntegrationType=described["type"].upper(),
            IntegrationMethod=described["httpMethod"],
            IntegrationUri=described["uri"],
            PayloadFormatVersion=described["payloadFormatVersion"],
        )
        gateway.create_route(ApiId=api_id, RouteKey=key, Target=f"integrations/{integration['IntegrationId']}")


class Stage(Handler):
    TYPE = "AWS::ApiGatewayV2::Stage"

    @classmethod
    @override
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        client("apigatewayv2").create_stage(**properties)
        return Made(properties.get("StageName", name))

    @classmethod
    @override
    def change(cls, made: Made, properties: dict[str, Any]) -> None:
        gateway = client("apigatewayv2")  # moto has no UpdateStage
        gateway.delete_stage(ApiId=properties["ApiId"], StageName=made.physical_resource_id)
        gateway.create_stage(**properties)


class Alarm(Handler):
    TYPE = "AWS::CloudWatch::Alarm"
    ATTRIBUTES = frozenset({"Arn"})

    @classmethod
    @override
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        cloudwatch = client("cloudwatch")
        cloudwatch.put_metric_alarm(AlarmName=name, **properties)
        [alarm] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return Made(name, {"Arn": alarm["AlarmArn"]})

    @classmethod
    @override
    def change(cls, made: Made, properties: dict[str, Any]) -> None:
        client("cloudwatch").put_metric_alarm(AlarmName=made.physical_resource_id, **properties)


class Topic(Handler):
    TYPE = "AWS::SNS::Topic"

    @classmethod
    @override
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        return Made(client("sns").create_topic(Name=name, **properties)["TopicArn"])

    @classmethod
    @override
    def change(cls, made: Made, properties: dict[str, Any]) -> None:
        client("sns").tag_resource(ResourceArn=made.physical_resource_id, Tags=properties["Tags"])


class Subscription(Handler):
    TYPE = "AWS::SNS::Subscription"

    @classmethod
    @override
    def make(cls, name: str, properties: dict[str, Any]) -> Made:
        return Made(client("sns").subscribe(**properties)["SubscriptionArn"])

    @classmethod
    @override
    def change(cls, made: Made, properties: dict[str, Any]) -> None:
        """Do nothing: every property of a subscription that we use makes another one of it."""


HANDLERS: Final = (
    *(Alarm, EventSource, Function, HttpApi, LayerVersion, LogGroup, Role),
    *(Rotation, Secret, Stage, Subscription, Table, Topic),
)


@contextmanager
def complete_cloudformation() -> Iterator[None]:
    """Have moto's CloudFormation use the handlers above until the block ends."""
    parse_resource = parsing.parse_resource

    def parse(resource_json: dict[str, Any], resources_map: Any) -> Any:
        parsed: Any = parse_resource(resource_json, resources_map)
        return parsed and (parsed[0], _without_nothing(parsed[1]), parsed[2])

    update_resource = parsing.parse_and_update_resource

    def update(logical_id: str, resource_json: dict[str, Any], resources_map: Any, **more: Any) -> Any:
        """Leave out resources whose condition does not hold, which moto updates all the same."""
        if resources_map[logical_id] is None:
            return None
        return update_resource(logical_id, resource_json, resources_map, **more)

    with ExitStack() as changes:
        changes.callback(_clients.clear)
        changes.enter_context(patch.object(parsing, "parse_and_update_resource", update))
        changes.enter_context(patch.dict(parsing.get_model_map(), {handler.TYPE: handler for handler in HANDLERS}))
        changes.enter_context(patch.object(parsing, "parse_resource", parse))
        # moto would start Docker for the records of streams; `tests.deploy.walk` passes some on by itself.
        changes.enter_context(patch.object(LambdaBackend, "send_dynamodb_items", lambda *_: True))
        # Our templates are JSON there; moto reads them as YAML, in two seconds each.
        changes.enter_context(patch.object(Stack, "parse_template", staticmethod(json.loads)))
        yield


def _without_nothing(value: Any) -> Any:
    """Return *value* without the None that moto puts in lists where a template has `AWS::NoValue`."""
    match value:
        case list():
            return [_without_nothing(one) for one in value if one is not None]
        case dict():
            return {key: _without_nothing(one) for key, one in value.items()}
        case _:
            return value


def _truth(value: Any) -> bool:
    return value is True or value == "true"


def _with_text_variables(properties: Mapping[str, Any]) -> dict[str, Any]:
    variables = properties.get("Environment", {}).get("Variables", {})
    return {**properties, "Environment": {"Variables": {name: str(value) for name, value in variables.items()}}}


def _cors(body: Mapping[str, Any]) -> dict[str, Any]:
    written = body["x-amazon-apigateway-cors"]
    return {f"{name[0].upper()}{name[1:]}": value for name, value in written.items()}
