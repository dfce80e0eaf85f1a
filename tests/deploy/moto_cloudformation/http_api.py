"""Handlers for the HTTP API, its stage and its domain."""

from collections.abc import Mapping
from typing import Any, override

from tests.deploy.clients import client
from tests.deploy.moto_cloudformation.handler import Handler, Resource


class HttpApi(Handler):
    """Creates routes, integrations and CORS settings from the OpenAPI document in `Body`, as API Gateway does.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-open-api.html
    """

    TYPE = "AWS::ApiGatewayV2::Api"
    ATTRIBUTES = frozenset({"ApiEndpoint", "ApiId"})

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        gateway, body = client("apigatewayv2"), properties["Body"]
        created = gateway.create_api(Name=name, ProtocolType="HTTP", CorsConfiguration=_cors(body))
        for path, methods in body["paths"].items():
            for method, operation in methods.items():
                verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
                key = path if operation.get("isDefaultRoute") else f"{verb} {path}"
                cls._route(gateway, created["ApiId"], key, operation)
        return Resource(created["ApiId"], {"ApiId": created["ApiId"], "ApiEndpoint": created["ApiEndpoint"]})

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        cors = _cors(properties["Body"])
        client("apigatewayv2").update_api(ApiId=resource.physical_resource_id, CorsConfiguration=cors)

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

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        """Delete the API. Raise an error if a domain is still mapped to it, as API Gateway does and moto does not."""
        gateway = client("apigatewayv2")
        for domain in gateway.get_domain_names().get("Items", []):
            mappings = gateway.get_api_mappings(DomainName=domain["DomainName"])["Items"]
            if any(mapping["ApiId"] == physical_id for mapping in mappings):
                raise StillMapped(f"Cannot delete API {physical_id}: {domain['DomainName']} is mapped to it.")
        gateway.delete_api(ApiId=physical_id)


class Stage(Handler):
    TYPE = "AWS::ApiGatewayV2::Stage"

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        client("apigatewayv2").create_stage(**properties)
        return Resource(properties.get("StageName", name))

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        gateway = client("apigatewayv2")  # moto has no UpdateStage
        gateway.delete_stage(ApiId=properties["ApiId"], StageName=resource.physical_resource_id)
        gateway.create_stage(**properties)

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        """Do nothing: the stage is deleted with its API."""


class StillMapped(Exception):
    """An API is still mapped to a domain."""


class Domain(Handler):
    TYPE = "AWS::ApiGatewayV2::DomainName"
    ATTRIBUTES = frozenset({"RegionalDomainName", "RegionalHostedZoneId"})

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        created = client("apigatewayv2").create_domain_name(**properties)
        # moto does not return the name that a DNS record points to.
        return Resource(created["DomainName"], {"RegionalDomainName": "d-1.execute-api.us-east-1.amazonaws.com"})

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        """Do nothing: moto cannot change a domain."""

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        client("apigatewayv2").delete_domain_name(DomainName=physical_id)


class ApiMapping(Handler):
    TYPE = "AWS::ApiGatewayV2::ApiMapping"

    @classmethod
    @override
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        return Resource(client("apigatewayv2").create_api_mapping(**properties)["ApiMappingId"])

    @classmethod
    @override
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        """Do nothing: a change of the API or the domain creates a new resource."""

    @classmethod
    @override
    def delete(cls, physical_id: str) -> None:
        domain = _domain_of(physical_id)
        if domain is not None:  # moto may have deleted the domain first, and the mapping with it
            client("apigatewayv2").delete_api_mapping(ApiMappingId=physical_id, DomainName=domain)


def _domain_of(mapping_id: str) -> str | None:
    gateway = client("apigatewayv2")
    for domain in gateway.get_domain_names()["Items"]:
        name: str = domain["DomainName"]
        if any(one["ApiMappingId"] == mapping_id for one in gateway.get_api_mappings(DomainName=name)["Items"]):
            return name
    return None


def _cors(body: Mapping[str, Any]) -> dict[str, Any]:
    written = body["x-amazon-apigateway-cors"]
    return {f"{name[0].upper()}{name[1:]}": value for name, value in written.items()}
