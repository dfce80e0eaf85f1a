"""Handlers for tables, secrets and buckets."""

from collections.abc import Mapping
from typing import Any, override

from tests.deploy.clients import client
from tests.deploy.moto_cloudformation.handler import Handler, Resource, is_true


class Table(Handler):
    TYPE = "AWS::DynamoDB::Table"
    ATTRIBUTES = frozenset({"Arn", "StreamArn"})

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        dynamodb = client("dynamodb")
        specified = properties.pop("SSESpecification")
        encryption = {key: specified[key] for key in ("SSEType", "KMSMasterKeyId") if key in specified}
        encryption["Enabled"] = is_true(specified["SSEEnabled"])
        separate = {
            key: properties.pop(key, None) for key in ("TimeToLiveSpecification", "PointInTimeRecoverySpecification")
        }
        properties["DeletionProtectionEnabled"] = is_true(properties.get("DeletionProtectionEnabled", False))
        if "StreamSpecification" in properties:
            properties["StreamSpecification"] = {"StreamEnabled": True, **properties["StreamSpecification"]}
        created = dynamodb.create_table(TableName=name, SSESpecification=encryption, **properties)["TableDescription"]
        cls._set_ttl_and_recovery(dynamodb, name, separate)
        return Resource(name, {"Arn": created["TableArn"], "StreamArn": created.get("LatestStreamArn", "")})

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        dynamodb = client("dynamodb")
        dynamodb.update_table(
            TableName=resource.physical_resource_id,
            DeletionProtectionEnabled=is_true(properties.get("DeletionProtectionEnabled", False)),
        )
        cls._set_ttl_and_recovery(dynamodb, resource.physical_resource_id, properties)

    @staticmethod
    def _set_ttl_and_recovery(dynamodb: Any, name: str, properties: Mapping[str, Any]) -> None:
        """Set what `CreateTable` and `UpdateTable` cannot set."""
        if properties.get("TimeToLiveSpecification"):
            ttl = properties["TimeToLiveSpecification"]
            dynamodb.update_time_to_live(
                TableName=name, TimeToLiveSpecification=ttl | {"Enabled": is_true(ttl["Enabled"])}
            )
        if properties.get("PointInTimeRecoverySpecification"):
            backups = properties["PointInTimeRecoverySpecification"]
            dynamodb.update_continuous_backups(
                TableName=name,
                PointInTimeRecoverySpecification={key: is_true(value) for key, value in backups.items()},
            )

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        client("dynamodb").delete_table(TableName=physical_id)


class Secret(Handler):
    TYPE = "AWS::SecretsManager::Secret"
    ATTRIBUTES = frozenset({"Id"})

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        manager = client("secretsmanager")
        text = manager.get_random_password(**properties.pop("GenerateSecretString"))["RandomPassword"]
        arn = manager.create_secret(Name=name, SecretString=text, **properties)["ARN"]
        return Resource(arn, {"Id": arn})

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        updatable = {name: properties[name] for name in ("Description", "KmsKeyId") if name in properties}
        client("secretsmanager").update_secret(SecretId=resource.physical_resource_id, **updatable)

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        client("secretsmanager").delete_secret(SecretId=physical_id, ForceDeleteWithoutRecovery=True)


class Rotation(Handler):
    """Does not rotate, because moto would run the function in Docker. tests/deploy/scenarios rotates instead."""

    TYPE = "AWS::SecretsManager::RotationSchedule"

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        return Resource(properties["SecretId"])

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        """Do nothing."""

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        """Do nothing: the schedule is deleted with its secret."""


class BucketPolicy(Handler):
    """The policy of the bucket that SAM CLI creates. It is ignored: it requires TLS, which moto does not support."""

    TYPE = "AWS::S3::BucketPolicy"

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        return Resource(properties["Bucket"])
