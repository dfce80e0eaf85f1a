"""The OpenAPI document (https://spec.openapis.org/oas/v3.1.1.html)."""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict


class OpenApiDocument(TypedDict):
    """An OpenAPI document."""

    openapi: str
    info: Mapping[str, Any]
    paths: Mapping[str, Any]
    components: Mapping[str, Any]
    servers: Sequence[Mapping[str, Any]]
    tags: Sequence[Mapping[str, Any]]
