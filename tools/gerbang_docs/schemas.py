"""JSON Schemas of what the endpoints read and answer, as pydantic makes them, under names that are unique."""

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

type Json = dict[str, Any]

PREFIXES: Final[Mapping[str, str]] = {"Supabase Auth": "Supabase", "SnapOTP": "SnapOtp"}
"""What the names of an API's schemas begin with, where it is not the API's name."""

_NEW_PASSWORD: Final = "NewPassword"  # noqa: S105 - the name of a type
_LONGEST_PASSWORD: Final = 256
_REFERENCE: Final = "#/components/schemas/"


def prefix_of(api: str) -> str:
    """Return what the names of an API's schemas begin with."""
    return PREFIXES.get(api, api.replace(" ", ""))


class Schemas:
    """Collects the schemas of a document."""

    def __init__(self) -> None:
        """Start without any."""
        self.components: Final[dict[str, Json]] = {}

    def request(self, model: type, *, api: str) -> Json:
        """Return a reference to the schema of a request body."""
        return self._add(model, api=api, mode="validation")

    def response(self, model: Any, *, api: str) -> Json:
        """Return a reference to the schema of an answer, `oneOf` for a union."""
        return self._add(model, api=api, mode="serialization")

    def resolve(self, reference: Json) -> Json:
        """Return the schema that a reference is to."""
        return self.components[name_of(reference)]

    def _add(self, model: Any, *, api: str, mode: JsonSchemaMode) -> Json:
        prefix = prefix_of(api)
        made = TypeAdapter(model).json_schema(mode=mode, ref_template=f"{_REFERENCE}{{model}}")
        definitions: dict[str, Json] = made.pop("$defs", {})
        inlined = {name: schema for name, schema in definitions.items() if schema.get("type") != "object"}
        inlined |= {name: schema for name, schema in definitions.items() if "additionalProperties" in schema}
        tidy = _Tidy(inlined, prefix)
        for name, schema in definitions.items():
            if name not in inlined:
                self.components[f"{prefix}{name}"] = tidy.of(schema)
        if "anyOf" in made:
            return {"oneOf": [tidy.of(each) for each in made["anyOf"]]}
        name = f"{prefix}{model.__name__}"
        schema = tidy.of(made)
        if mode == "validation":
            schema.pop("description", None)  # it says where the body is sent, which the document says by itself
        self.components[name] = schema
        return reference_to(name)


def reference_to(name: str) -> Json:
    """Return a reference to a schema."""
    return {"$ref": f"{_REFERENCE}{name}"}


def name_of(reference: Json) -> str:
    """Return the name of the schema that a reference is to."""
    return str(reference["$ref"]).rpartition("/")[2]


class _Tidy:
    """Brings pydantic's schemas into the form of a document: short, without titles, with prefixed names."""

    def __init__(self, inlined: Mapping[str, Json], prefix: str) -> None:
        self._inlined: Final = inlined
        self._prefix: Final = prefix

    def of(self, schema: Json) -> Json:
        reference = schema.get("$ref")
        if reference is not None:
            return self._referred(str(reference).rpartition("/")[2])
        kept = {
            key: self._value(key, value)
            for key, value in schema.items()
            if key not in {"title", "default"} or (key == "default" and value is not None)
        }
        branches = kept.get("anyOf", ())
        if {"type": "null"} in branches and len(branches) == 2:  # noqa: PLR2004 - a type or null
            [other] = [branch for branch in branches if branch != {"type": "null"}]
            if isinstance(other.get("type"), str):
                del kept["anyOf"]
                return _optional({**kept, **other})
        return kept

    def _referred(self, name: str) -> Json:
        if name == _NEW_PASSWORD:
            return {"type": "string", "minLength": 8, "maxLength": _LONGEST_PASSWORD, "format": "password"}
        if name in self._inlined:
            return self.of(self._inlined[name])
        return reference_to(f"{self._prefix}{name}")

    def _value(self, key: str, value: Any) -> Any:
        if key in {"properties", "$defs"}:
            return {name: self.of(member) for name, member in value.items()}
        if isinstance(value, dict):
            return self.of(value)
        if isinstance(value, list):
            return [self.of(each) if isinstance(each, dict) else each for each in value]
        if key == "pattern":
            return re.sub(r"\(\?i:(.*)\)", r"\1", value)
        return value


def _optional(schema: Json) -> Json:
    """Return the schema of a field that may be null. Empty text was not given, either (contracts)."""
    kind = schema["type"]
    if kind == "string":
        schema.pop("minLength", None)
    return {**schema, "type": [kind, "null"]}
