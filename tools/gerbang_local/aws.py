"""Creates the tables, queues and secrets of a template, in moto or DynamoDB Local."""

import json
import os
import secrets
import string
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from gerbang.container import Container
from gerbang.sessions.keys import MasterKey, version_text

from gerbang_local.intrinsics import References, Resolver
from gerbang_local.stack import ACCOUNT_ID, PSEUDO_PARAMETERS, REGION, STACK_NAME, serverless_references
from gerbang_local.template import (
    ParameterValue,
    Resource,
    Template,
    TemplateError,
    check_known,
    is_true,
    text_of,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

# Resources that do nothing on this machine. `Ref` returns the property named here, otherwise a made-up name.
_IGNORED: Final[Mapping[str, str | None]] = {
    "AWS::ApiGatewayV2::ApiMapping": None,
    "AWS::ApiGatewayV2::DomainName": "DomainName",
    "AWS::CertificateManager::Certificate": None,
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::CompositeAlarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::IAM::ManagedPolicy": None,
    "AWS::IAM::Policy": None,
    "AWS::IAM::Role": "RoleName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::KMS::Key": None,
    "AWS::Lambda::EventInvokeConfig": None,
    "AWS::Lambda::Permission": None,
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::Logs::MetricFilter": None,
    "AWS::Logs::QueryDefinition": None,
    "AWS::Logs::ResourcePolicy": None,
    "AWS::Route53::RecordSet": "Name",
    "AWS::Route53::RecordSetGroup": None,
    "AWS::SES::ConfigurationSet": "Name",
    "AWS::SES::ConfigurationSetEventDestination": None,
    "AWS::SES::EmailIdentity": "EmailIdentity",
    "AWS::SNS::Subscription": None,
    "AWS::SNS::Topic": "TopicName",
    "AWS::SNS::TopicPolicy": None,
    "AWS::SQS::QueueInlinePolicy": None,
    "AWS::SQS::QueuePolicy": None,
    "AWS::SecretsManager::ResourcePolicy": None,
}

# Properties that are read, and those that change nothing here. Any other stops the start.
_TABLE_PROPERTIES: Final = frozenset(
    {"AttributeDefinitions", "GlobalSecondaryIndexes", "KeySchema", "LocalSecondaryIndexes", "TableName"}
    | {"TimeToLiveSpecification"}
    | {"BillingMode", "ContributorInsightsSpecification", "DeletionProtectionEnabled", "OnDemandThroughput"}
    | {"PointInTimeRecoverySpecification", "ProvisionedThroughput", "ResourcePolicy", "SSESpecification", "TableClass"}
    | {"StreamSpecification", "Tags"}
)
_QUEUE_ATTRIBUTES: Final = frozenset(
    {"DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds"}
    | {"RedriveAllowPolicy", "RedrivePolicy", "VisibilityTimeout"}
)
_QUEUE_PROPERTIES: Final = _QUEUE_ATTRIBUTES | frozenset(
    {"QueueName"} | {"KmsDataKeyReusePeriodSeconds", "KmsMasterKeyId", "SqsManagedSseEnabled", "Tags"}
)
_SECRET_PROPERTIES: Final = frozenset(
    {"GenerateSecretString", "Name", "SecretString"} | {"Description", "KmsKeyId", "ReplicaRegions", "Tags"}
)
_GENERATED_PROPERTIES: Final = frozenset(
    {"ExcludeCharacters", "ExcludeLowercase", "ExcludeNumbers", "ExcludePunctuation", "ExcludeUppercase"}
    | {"GenerateStringKey", "IncludeSpace", "PasswordLength", "RequireEachIncludedType", "SecretStringTemplate"}
)
_INDEX_PROPERTIES: Final = frozenset({"IndexName", "KeySchema", "Projection"})
_PASSWORD_LENGTH: Final = 32  # Secrets Manager's default

# If DynamoDB Local does not answer, the start fails after about two seconds.
_CONFIG: Final = Config(connect_timeout=1, read_timeout=5, retries={"mode": "standard", "max_attempts": 2}, proxies={})


def behave_as_in_lambda(*, dynamodb_endpoint: str | None, lambda_endpoint: str | None = None) -> None:
    """Give this process the AWS settings of a function, and remove those of the developer's shell.

    No profile, credential or endpoint of the developer is left: a call that moto does not know cannot reach AWS.
    """
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if dynamodb_endpoint is not None:
        os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = dynamodb_endpoint
    if lambda_endpoint is not None:
        os.environ["AWS_ENDPOINT_URL_LAMBDA"] = lambda_endpoint


class Aws:
    """The clients of this process, and the resources made with them."""

    def __init__(self) -> None:
        """Make the clients. Call `behave_as_in_lambda` first, and stay inside `memory.aws_in_memory`."""
        session = boto3.Session()
        self.dynamodb: Final[DynamoDBClient] = session.client("dynamodb", config=_CONFIG)
        self.streams: Final[DynamoDBStreamsClient] = session.client(
            "dynamodbstreams",
            config=_CONFIG.merge(Config(account_id_endpoint_mode="disabled")),  # moto has no others
            endpoint_url=os.environ.get("AWS_ENDPOINT_URL_DYNAMODB"),
        )
        self.sqs: Final[SQSClient] = session.client("sqs", config=_CONFIG)
        self.secrets: Final[SecretsManagerClient] = session.client("secretsmanager", config=_CONFIG)


class Resources:
    """Creates a template's resources, each when something first refers to it."""

    def __init__(self, aws: Aws, template: Template, parameters: Mapping[str, ParameterValue]) -> None:
        """Start without any; *parameters* has a value for every parameter of *template*."""
        self._aws: Final = aws
        self._made: Final[dict[str, References]] = {}
        self._under_way: Final[list[str]] = []
        self.resolver: Final = Resolver(
            template=template,
            parameters=parameters,
            pseudo_parameters=PSEUDO_PARAMETERS,
            references=self.references,
        )

    def make_all(self) -> None:
        """Create every resource whose condition is true.

        Raises:
            TemplateError: one is of a type, or has a property, that is not known here; or a rule is broken.
        """
        self.resolver.check_rules()
        for resource in self.resolver.active_resources():
            self.references(resource.logical_id)

    def references(self, logical_id: str) -> References:
        """Return what the template can refer to of a resource, which is created if it does not exist.

        Raises:
            TemplateError: as `make_all`, or the resource refers to itself.
        """
        if logical_id not in self._made:
            if logical_id in self._under_way:
                raise TemplateError(f"{logical_id} refers to itself")
            self._under_way.append(logical_id)
            try:
                self._made[logical_id] = self._make(self.resolver.template.resources[logical_id])
            except TemplateError as error:
                raise TemplateError(f"{logical_id}: {error}") from error
            finally:
                self._under_way.pop()
        return self._made[logical_id]

    def secret_value(self, logical_id: str) -> str | None:
        """Return the value of the secret *logical_id*; None if the template has no such secret."""
        if logical_id not in self._made:
            return None
        return self._aws.secrets.get_secret_value(SecretId=self._made[logical_id].ref)["SecretString"]

    def _make(self, resource: Resource) -> References:
        if (references := serverless_references(resource)) is not None:
            return references
        makers: Mapping[str, Callable[[Resource], References]] = {
            "AWS::DynamoDB::Table": self._table,
            "AWS::SQS::Queue": self._queue,
            "AWS::SecretsManager::RotationSchedule": self._rotation,
            "AWS::SecretsManager::Secret": self._secret,
        }
        if resource.type in makers:
            return makers[resource.type](resource)
        if resource.type in _IGNORED:
            return self._ignored(resource)
        raise TemplateError(f"resources of type {resource.type} are not served here")

    def _ignored(self, resource: Resource) -> References:
        name_property = _IGNORED[resource.type]
        if name_property is not None and name_property in resource.properties:
            return References(ref=text_of(self.resolver.resolve(resource.properties[name_property])))
        return References(ref=_name(resource))

    def _properties(self, resource: Resource, known: frozenset[str]) -> dict[str, Any]:
        check_known(resource.properties, known, "property ")
        properties: dict[str, Any] = self.resolver.resolve(resource.properties)
        return properties

    def _table(self, resource: Resource) -> References:
        """Make a table, always on demand; an existing one is kept."""
        properties = self._properties(resource, _TABLE_PROPERTIES)
        name = properties.get("TableName", _name(resource))
        indexes: Any = {
            kind: [{key: index[key] for key in sorted(_INDEX_PROPERTIES)} for index in properties[kind]]
            for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
            if kind in properties
        }
        stream: Any = {}
        if "StreamSpecification" in properties:
            stream = {"StreamSpecification": {"StreamEnabled": True, **properties["StreamSpecification"]}}
        try:
            self._aws.dynamodb.create_table(
                TableName=name,
                AttributeDefinitions=properties["AttributeDefinitions"],
                KeySchema=properties["KeySchema"],
                BillingMode="PAY_PER_REQUEST",
                **indexes,
                **stream,
            )
        except self._aws.dynamodb.exceptions.ResourceInUseException:
            pass
        else:
            if (ttl := properties.get("TimeToLiveSpecification")) is not None:
                self._aws.dynamodb.update_time_to_live(
                    TableName=name,
                    TimeToLiveSpecification={
                        "AttributeName": ttl["AttributeName"],
                        "Enabled": is_true(ttl["Enabled"]),
                    },
                )
        attributes = {"Arn": f"arn:aws:dynamodb:{REGION}:{ACCOUNT_ID}:table/{name}"}
        if stream:
            table = self._aws.dynamodb.describe_table(TableName=name)["Table"]
            attributes["StreamArn"] = table.get("LatestStreamArn", "")
        return References(ref=name, attributes=attributes)

    def _queue(self, resource: Resource) -> References:
        properties = self._properties(resource, _QUEUE_PROPERTIES)
        name = properties.get("QueueName", _name(resource))
        attributes: Any = {
            key: _attribute_text(properties[key]) for key in sorted(_QUEUE_ATTRIBUTES) if key in properties
        }
        url = self._aws.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:{name}"
        return References(ref=url, attributes={"Arn": arn, "QueueName": name, "QueueUrl": url})

    def _secret(self, resource: Resource) -> References:
        properties = self._properties(resource, _SECRET_PROPERTIES)
        if "SecretString" in properties:
            value = text_of(properties["SecretString"])
        else:
            value = _generated_secret(properties.get("GenerateSecretString", {}))
        created = self._aws.secrets.create_secret(Name=properties.get("Name", _name(resource)), SecretString=value)
        return References(ref=created["ARN"], attributes={"Id": created["ARN"]})

    def _rotation(self, resource: Resource) -> References:
        """Give the master secret the version that its first rotation makes, and never rotate it again.

        With CloudFormation, Secrets Manager calls the rotation function. Here the same version is made without it.
        """
        container = Container({})
        secret_id = text_of(self.resolver.resolve(resource.properties["SecretId"]))
        first = self._aws.secrets.get_secret_value(SecretId=secret_id)["SecretString"]
        lasting = MasterKey.from_secret(first).lasting
        text = version_text(container.new_secret(), container.new_key_pair(), lasting=lasting)
        self._aws.secrets.put_secret_value(SecretId=secret_id, SecretString=text)
        return References(ref=secret_id)


def _name(resource: Resource) -> str:
    """Return a name for a resource that has none, with CloudFormation's beginning."""
    return f"{STACK_NAME}-{resource.logical_id}"


def _attribute_text(value: Any) -> str:
    """Return a queue's property as the SQS API expects it: text, or JSON as text."""
    return json.dumps(value) if isinstance(value, dict) else text_of(value)


def _generated_secret(rules: Mapping[str, Any]) -> str:
    """Return a secret generated by the rules of `GenerateSecretString`.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-secretsmanager-secret-generatesecretstring.html

    Raises:
        TemplateError: a rule is not known here, or no character is left to choose from.
    """
    check_known(rules, _GENERATED_PROPERTIES, "GenerateSecretString.")
    kinds = {
        "ExcludeLowercase": string.ascii_lowercase,
        "ExcludeUppercase": string.ascii_uppercase,
        "ExcludeNumbers": string.digits,
        "ExcludePunctuation": string.punctuation,
    }
    excluded = set(rules.get("ExcludeCharacters", ""))
    alphabets = [
        sorted(set(characters) - excluded) for rule, characters in kinds.items() if not is_true(rules.get(rule))
    ]
    if is_true(rules.get("IncludeSpace")):
        alphabets.append([" "])
    alphabets = [alphabet for alphabet in alphabets if alphabet]
    if not alphabets:
        raise TemplateError("GenerateSecretString leaves no character to choose from")
    # One of each kind, as RequireEachIncludedType (on unless switched off) has it, then any.
    characters = [secrets.choice(alphabet) for alphabet in alphabets]
    everything = [character for alphabet in alphabets for character in alphabet]
    length = int(rules.get("PasswordLength", _PASSWORD_LENGTH))
    characters += [secrets.choice(everything) for _ in range(length - len(characters))]
    secrets.SystemRandom().shuffle(characters)
    value = "".join(characters[:length])
    if "GenerateStringKey" not in rules:
        return value
    return json.dumps(json.loads(rules.get("SecretStringTemplate", "{}")) | {rules["GenerateStringKey"]: value})
