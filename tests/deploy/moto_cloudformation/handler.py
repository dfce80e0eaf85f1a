"""The base class of handlers for CloudFormation resource types."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(slots=True)
class Resource:
    """A resource in the form that moto's CloudFormation stores."""

    physical_resource_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    cf_resource_type: str = ""
    logical_resource_id: str = ""
    handler: "type[Handler] | None" = None

    def delete(self, _account_id: str, _region: str) -> None:
        """Delete the resource. moto calls this."""
        assert self.handler is not None
        self.handler.delete(self.physical_resource_id)

    def is_created(self) -> bool:
        return True

    def get_cfn_attribute(self, name: str) -> str:
        return self.attributes[name]


class Handler:
    """Creates, updates and deletes the resources of one type."""

    TYPE: ClassVar[str]
    ATTRIBUTES: ClassVar[frozenset[str]] = frozenset()
    """Names for `GetAtt`."""

    @classmethod
    def create(cls, name: str, properties: dict[str, Any]) -> Resource:
        raise NotImplementedError

    @classmethod
    def update(cls, resource: Resource, properties: dict[str, Any]) -> None:
        raise NotImplementedError

    @classmethod
    def delete(cls, physical_id: str) -> None:
        raise NotImplementedError

    # Called by moto.

    @classmethod
    def has_cfn_attr(cls, name: str) -> bool:
        return name in cls.ATTRIBUTES

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: dict[str, Any], *_location: str, **_more: Any
    ) -> Resource:
        resource = cls.create(resource_name, dict(cloudformation_json["Properties"]))
        resource.handler = cls
        return resource

    @classmethod
    def update_from_cloudformation_json(
        cls, original_resource: Resource | None, cloudformation_json: dict[str, Any], **_more: Any
    ) -> Resource:
        if original_resource is None:  # moto also updates resources whose condition does not hold
            return Resource("", {})
        cls.update(original_resource, dict(cloudformation_json["Properties"]))
        return original_resource


def is_true(value: Any) -> bool:
    return value is True or value == "true"
