"""Handlers for functions and what belongs to them: roles, layers, event sources, log groups."""

import json
from collections.abc import Mapping
from typing import Any, override

from tests.deploy.clients import client
from tests.deploy.moto_cloudformation.handler import Handler, Resource


class Role(Handler):
    TYPE = "AWS::IAM::Role"
    ATTRIBUTES = frozenset({"Arn"})

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        iam, trust = client("iam"), json.dumps(properties["AssumeRolePolicyDocument"])
        created = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, Tags=properties.get("Tags", []))[
            "Role"
        ]
        if "PermissionsBoundary" in properties:
            iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=properties["PermissionsBoundary"])
        for arn in properties.get("ManagedPolicyArns", []):
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        cls._write(name, properties)
        return Resource(name, {"Arn": created["Arn"]})

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        cls._write(resource.physical_resource_id, properties)

    @staticmethod
    def _write(name: str, properties: Mapping[str, Any]) -> None:
        for policy in properties.get("Policies", []):
            # IAM allows a policy without a version; moto does not.
            document = json.dumps({"Version": "2012-10-17", **policy["PolicyDocument"]})
            client("iam").put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        iam = client("iam")
        for name in iam.list_role_policies(RoleName=physical_id)["PolicyNames"]:
            iam.delete_role_policy(RoleName=physical_id, PolicyName=name)
        for policy in iam.list_attached_role_policies(RoleName=physical_id)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=physical_id, PolicyArn=policy["PolicyArn"])
        iam.delete_role(RoleName=physical_id)


class Function(Handler):
    TYPE = "AWS::Lambda::Function"
    ATTRIBUTES = frozenset({"Arn"})

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        functions = client("lambda")
        tags = {tag["Key"]: str(tag["Value"]) for tag in properties.pop("Tags", [])}
        reserved = properties.pop("ReservedConcurrentExecutions", None)
        created = functions.create_function(FunctionName=name, Tags=tags, **_with_text_variables(properties))
        if reserved is not None:
            functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=int(reserved))
        return Resource(name, {"Arn": created["FunctionArn"]})

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        for name in ("ReservedConcurrentExecutions", "Tags"):
            properties.pop(name, None)  # these need separate calls, which no test uses
        client("lambda").update_function_code(
            FunctionName=resource.physical_resource_id,
            Architectures=properties.pop("Architectures"),
            **properties.pop("Code"),
        )
        client("lambda").update_function_configuration(
            FunctionName=resource.physical_resource_id, **_with_text_variables(properties)
        )

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        client("lambda").delete_function(FunctionName=physical_id)


class LayerVersion(Handler):
    TYPE = "AWS::Lambda::LayerVersion"

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        return Resource(client("lambda").publish_layer_version(**{"LayerName": name, **properties})["LayerVersionArn"])

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        """Do nothing: the logical id contains a hash, so new content is a new resource."""

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        name, _, version = physical_id.rpartition(":")
        client("lambda").delete_layer_version(LayerName=name, VersionNumber=int(version))


class EventSource(Handler):
    """Is created but disabled: moto would run the function in Docker. tests/deploy/api.py invokes it instead."""

    TYPE = "AWS::Lambda::EventSourceMapping"

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        return Resource(client("lambda").create_event_source_mapping(**{**properties, "Enabled": False})["UUID"])

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        """Do nothing."""

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        client("lambda").delete_event_source_mapping(UUID=physical_id)


class LogGroup(Handler):
    TYPE = "AWS::Logs::LogGroup"

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        group = properties.get("LogGroupName", name)
        encryption = {"kmsKeyId": properties["KmsKeyId"]} if "KmsKeyId" in properties else {}
        client("logs").create_log_group(logGroupName=group, **encryption)
        created = Resource(group)
        cls.update(created, properties)
        return created

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        client("logs").put_retention_policy(
            logGroupName=resource.physical_resource_id, retentionInDays=int(properties["RetentionInDays"])
        )

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        client("logs").delete_log_group(logGroupName=physical_id)


def _with_text_variables(properties: Mapping[str, Any]) -> dict[str, Any]:
    variables = properties.get("Environment", {}).get("Variables", {})
    return {**properties, "Environment": {"Variables": {name: str(value) for name, value in variables.items()}}}
