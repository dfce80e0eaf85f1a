"""JSON Schemas of requests and answers, made by pydantic, with unique names."""

from collections.abc import Mapping
from typing import Any, Final

from gerbang.apis.gotrue.admin_requests import CreateUserRequest
from gerbang.apis.gotrue.requests import AddressedRequest
from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

type Json = dict[str, Any]

PREFIXES: Final[Mapping[str, str]] = {"Supabase Auth": "Supabase", "SnapOTP": "SnapOtp"}
"""The prefix of the names of an API's schemas, if it is not the API's name."""

_NEW_PASSWORD: Final = "NewPassword"  # noqa: S105 - the name of a type
_LONGEST_PASSWORD: Final = 256
_REFERENCE: Final = "#/components/schemas/"
_NULL: Final = {"type": "null"}


def prefix_of(api: str) -> str:
    """Return the prefix of the names of an API's schemas."""
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
        component = f"{prefix}{getattr(model, '__name__', '')}"
        if component in self.components:
            return reference_to(component)
        generated = TypeAdapter(model).json_schema(mode=mode, ref_template=f"{_REFERENCE}{{model}}")
        definitions: dict[str, Json] = generated.pop("$defs", {})
        inlined = {name: schema for name, schema in definitions.items() if schema.get("type") != "object"}
        inlined |= {name: schema for name, schema in definitions.items() if "additionalProperties" in schema}
        tidy = _Tidy(inlined, prefix, is_answer=mode == "serialization")
        for name, schema in definitions.items():
            if name not in inlined:
                self.components[f"{prefix}{name}"] = tidy.of(schema)
        if "anyOf" in generated:
            return {"oneOf": [tidy.of(each) for each in generated["anyOf"]]}
        schema = tidy.of(generated)
        if schema.get("type") == "array":
            return schema
        if mode == "validation":
            schema.pop("description", None)  # it names the endpoint, which the document has already
            if issubclass(model, (AddressedRequest, CreateUserRequest)) and "token_hash" not in schema["properties"]:
                schema["properties"]["email"] = schema["properties"]["email"]["anyOf"][0]
                schema["required"] = ["email", *schema.get("required", ())]
        self.components[component] = schema
        return reference_to(component)


def reference_to(name: str) -> Json:
    """Return a reference to a schema."""
    return {"$ref": f"{_REFERENCE}{name}"}


def name_of(reference: Json) -> str:
    """Return the name of the schema that a reference is to."""
    return str(reference["$ref"]).rpartition("/")[2]


class _Tidy:
    """Shortens pydantic's schemas: no titles, prefixed names."""

    def __init__(self, inlined: Mapping[str, Json], prefix: str, *, is_answer: bool) -> None:
        self._inlined: Final = inlined
        self._prefix: Final = prefix
        self._is_answer: Final = is_answer

    def of(self, schema: Json) -> Json:
        reference = schema.get("$ref")
        if reference is not None:
            return self._referred(str(reference).rpartition("/")[2])
        kept = {
            key: self._value(key, value)
            for key, value in schema.items()
            if key not in {"title", "default"} or (key == "default" and value is not None)
        }
        if "properties" in kept:
            required = kept.get("required", ())
            properties = kept["properties"].items()
            kept["properties"] = {
                name: member if name in required or self._is_answer else _optional(member)
                for name, member in properties
            }
        return _without_any(kept)

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
        return value


def _without_any(schema: Json) -> Json:
    """Return a schema of one type or null in the short form."""
    branches = schema.get("anyOf", ())
    others = [branch for branch in branches if branch != _NULL]
    if len(branches) != len(others) + 1 or len(others) != 1 or not isinstance(others[0].get("type"), str):
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**rest, **others[0], "type": [others[0]["type"], "null"]}


def _optional(schema: Json) -> Json:
    """Return the schema of a field that may be left out: null and empty text are not given, either (contracts)."""
    kind = schema.get("type")
    kinds = [kind] if isinstance(kind, str) else list(kind or ())
    others = [each for each in kinds if each != "null"]
    if others == ["string"] and not {"pattern", "format", "enum"} & schema.keys():
        return {**{key: value for key, value in schema.items() if key != "minLength"}, "type": ["string", "null"]}
    given = {**schema, "type": others[0]} if len(others) == 1 else schema
    return {"anyOf": [given, _NULL, {"const": ""}]}
