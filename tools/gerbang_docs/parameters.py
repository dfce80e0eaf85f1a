"""The parameters of an operation in the OpenAPI document: of its path, its query and its headers.

Those that a request cannot do without have an example, which programs that import the document fill in.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from gerbang.http.callers import ORGANIZATION_HEADER
from gerbang.http.endpoint import Parameter

from gerbang_docs.examples import UUID
from gerbang_docs.operations import Documented
from gerbang_docs.schemas import Json

_IDS: Final[Mapping[str, str]] = {"userId": "usr_abc123"}
"""Examples of path parameters that are no UUID."""


def parameters_of(here: list[Documented]) -> Iterator[Json]:
    """Yield the parameters of the operations at a path that have the same method."""
    for name in [part.strip("{}") for part in here[0].path.split("/") if part.startswith("{")]:
        schema: Json = {"type": "string", "format": "uuid"} if "_" in name else {"type": "string"}
        yield {"name": name, "in": "path", "required": True, "schema": schema, "example": _IDS.get(name, UUID)}
    chosen = [each.query for each in here if each.query]
    for name in dict.fromkeys(name for query in chosen for name in query):
        values = list(dict.fromkeys(query[name] for query in chosen))
        schema = {"type": "string", "enum": values}
        yield {"name": name, "in": "query", "required": True, "schema": schema, "example": values[0]}
    if any(ORGANIZATION_HEADER in each.operation.caller.credentials for each in here):
        yield {
            "name": ORGANIZATION_HEADER,
            "in": "header",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            "example": "org_abc123",
        }
    for parameter in dict.fromkeys(each for one in here for each in one.operation.parameters):
        yield _parameter(parameter)


def _parameter(parameter: Parameter) -> Json:
    schema: Json = {"type": "string"}
    if parameter.values:
        schema["enum"] = list(parameter.values)
    made: Json = {"name": parameter.name, "in": parameter.where, "description": parameter.description}
    if parameter.is_required:
        made["required"] = True
        schema["minLength"] = 1
    if parameter.largest is not None:
        schema = {"type": "integer", "minimum": 1, "maximum": parameter.largest}
        made["allowEmptyValue"] = True
    made["schema"] = schema
    return made if parameter.example is None else {**made, "example": parameter.example}
