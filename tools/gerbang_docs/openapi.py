"""The OpenAPI 3.1 document, made of the endpoints' declarations (https://spec.openapis.org/oas/v3.1.1.html)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import count, groupby
from typing import Any, Final

from gerbang import __version__
from gerbang.apis.gotrue.requests import SLOTS
from gerbang.http.callers import ORGANIZATION_HEADER
from gerbang.http.conditions import IsForm
from gerbang.http.response import HtmlPage
from gerbang_local.declarations import ROOT, template

from gerbang_docs.links import links_of
from gerbang_docs.operations import EVERY_API, Documented, DocumentedError, documented
from gerbang_docs.parameters import parameters_of
from gerbang_docs.samples import answer_of, request_of
from gerbang_docs.schemas import Json, Schemas, name_of, prefix_of

FILE: Final = ROOT / "functions/docs/openapi.json"

TAGS: Final[Mapping[str, str]] = {
    "BotLaunch": "camelCase, `{data, message}`. Accounts with organizations.",
    "SnapOTP": "snake_case, `{success, data}`. Accounts with user names.",
    "Atourin": "snake_case, `{status, code, info, msg, data}`. One-time codes, guests, users of an old system.",
    "Supabase Auth": "What the official clients of Supabase call.",
    EVERY_API: "What belongs to no API: keys, this document.",
}

_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_HTML: Final = "text/html"
_SECURITY: Final[Mapping[str, str]] = {"access token": "accessToken", "apikey": "apikey", "secret key": "secretKey"}
_SCHEMES: Final[Json] = {
    "accessToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a session, from any API.",
    },
    "apikey": {
        "type": "apiKey",
        "in": "header",
        "name": "apikey",
        "description": "The publishable key, which is not secret, or the secret key.",
    },
    "secretKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "The secret key, for back ends alone.",
    },
}
_LINK_FIELDS: Final[Json] = {
    "token": {"type": "string", "minLength": 1},
    "type": {"type": "string", "enum": list(SLOTS)},
    "redirect_to": {"type": "string"},
}
_CAPTCHA: Final[Json] = {
    "description": '`{"captcha_token": "…"}`. It is read if `CaptchaProvider` is set.',
    "examples": [{"captcha_token": "10000000-aaaa-bbbb-cccc-000000000001"}],
}
_DESCRIPTION: Final = """\
Auth for your own AWS account, behind the APIs of three products and of Supabase Auth. All of them use the same \
accounts and sessions.

Bodies are JSON objects of at most 16 KiB. Fields that are not listed are ignored, and a field of `null` or `""` was \
not given. An access token works for an hour, a refresh token for seven days; each refresh returns a new one.

A request above a limit is answered 429 with `Retry-After`, in seconds. By default:

"""


def limits() -> Iterator[tuple[str, int, int]]:
    """Yield every rate limit: what it counts, how many, and in how many seconds."""
    for name, parameter in template().parameters.items():
        if name.startswith("Limit"):
            number, seconds = parameter["Default"].split("/")
            yield parameter["Description"].partition(".")[0] + ".", int(number), int(seconds)


def make_document() -> Json:
    """Return the document."""
    return _Document().make()


def text_of(document: Json) -> str:
    """Return a document as it is stored: a line for each operation and component, so that changes can be read."""
    lines = ["{"]
    for section, value in document.items():
        lines.append(f'"{section}":' + ("{" if section in {"paths", "components"} else f"{_compact(value)},"))
        if section in {"paths", "components"}:
            for name, members in value.items():
                lines.append(f"{_compact(name)}:{{")
                lines += _separated(f"{_compact(key)}:{_compact(member)}" for key, member in members.items())
                lines.append("},")
            lines[-1] = "}"
            lines.append("},")
    lines[-1] = lines[-1].removesuffix(",")
    return "\n".join([*lines, "}", ""])


def _separated(lines: Iterable[str]) -> list[str]:
    separated = [f"{line}," for line in lines]
    return [*separated[:-1], *(line.removesuffix(",") for line in separated[-1:])]


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class _Document:
    def __init__(self) -> None:
        self._schemas: Final = Schemas()
        self._examples: Final[dict[str, Json]] = {}
        self._shared: Final[dict[str, Json]] = {}

    def make(self) -> Json:
        paths: dict[str, Json] = {}
        ordered = sorted(documented(), key=lambda each: (each.path, each.method))
        for (path, method), group in groupby(ordered, key=lambda each: (each.path, each.method)):
            here = list(group)
            paths.setdefault(path, {})[method.lower()] = self._operation(here)
        lines = [f"- {what.removesuffix('.')}: {number} in {seconds} seconds" for what, number, seconds in limits()]
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Gerbang",
                "version": __version__,
                "summary": "Auth back end for your own AWS account",
                "description": _DESCRIPTION + "\n".join(lines),
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            # Where the document is served, the function writes its own URL here (functions/docs/app.py).
            "servers": [{"url": "http://127.0.0.1:3000", "description": "Where this document is served"}],
            "tags": [{"name": name, "description": what} for name, what in TAGS.items()],
            "paths": paths,
            "components": {
                "schemas": dict(sorted(self._schemas.components.items())),
                "securitySchemes": _SCHEMES,
                "headers": {
                    "RetryAfter": {
                        "description": "Seconds to wait. A request sent then is let through.",
                        "required": True,
                        "schema": {"type": "integer", "minimum": 1},
                    },
                    "WwwAuthenticate": {
                        "description": "The scheme of the `Authorization` header.",
                        "required": True,
                        "schema": {"const": "Bearer"},
                    },
                    "Location": {"description": "Where to go on.", "required": True, "schema": {"type": "string"}},
                },
                "responses": dict(sorted(self._shared.items())),
                "examples": dict(sorted(self._examples.items())),
            },
        }

    def _operation(self, here: list[Documented]) -> Json:
        answering = [each for each in here if each.answers] or here
        first = answering[0]
        operation: Json = {
            "operationId": _operation_id(first),
            "tags": list(dict.fromkeys(each.api_name for each in answering)),
            "summary": first.operation.summary if len(answering) == 1 else first.common_summary,
        }
        if len(answering) > 1:
            operation["description"] = "\n".join(f"- {each.choice}: {each.operation.summary}" for each in answering)
        parameters = list(parameters_of(answering))
        if parameters:
            operation["parameters"] = parameters
        security = list(_security(answering))
        if security:
            operation["security"] = security
        body = self._body(answering)
        if body is not None:
            operation["requestBody"] = body
        operation["responses"] = self._responses(here, answering)
        return operation

    # --- what is sent

    def _body(self, here: list[Documented]) -> Json | None:
        content: Json = {}
        reading = [each for each in here if each.model is not None]
        if reading:
            schemas = [self._request_schema(each, reading) for each in reading]
            examples = {each.key: {"summary": each.operation.summary, "value": request_of(each)} for each in reading}
            schema = _one_of(schemas)
            if "oneOf" in schema and len({each.api.name for each in reading}) == 1:  # a body may fit several
                schema = {"anyOf": schema["oneOf"]}
            if "$ref" not in schema:
                schema = {**schema, "example": request_of(reading[0])}
            content[_JSON] = {"schema": schema, "examples": examples}
        if any(isinstance(each.operation.when, IsForm) for each in here):
            content[_FORM] = {"schema": {"type": "object", "properties": _LINK_FIELDS, "required": ["token", "type"]}}
            content[_FORM]["example"] = {"token": "9f86d081884c7d65", "type": "magiclink"}
        required = all(self._model_schema(each).get("required") for each in reading)
        return {"required": required, "content": content} if content else None

    def _model_schema(self, each: Documented) -> Json:
        return self._schemas.resolve(self._schemas.request(each.read_model, api=each.api.name))

    def _request_schema(self, each: Documented, reading: list[Documented]) -> Json:
        """Return the schema of a body. If APIs share a path, the schema of each accepts only its own bodies."""
        reference = self._schemas.request(each.read_model, api=each.api.name)
        self._model_schema(each).setdefault("example", request_of(each))  # Insomnia reads no other example
        if "captcha_failed" in each.operation.caller.errors:
            self._model_schema(each)["properties"]["gotrue_meta_security"] = _CAPTCHA
        if len({other.api.name for other in reading}) == 1:
            return reference
        if each.operation.when is not None:
            return {"allOf": [reference], "required": list(each.chosen_by)}
        others = [{"required": [name]} for other in reading for name in other.chosen_by]
        return {"allOf": [reference], "not": others[0] if len(others) == 1 else {"anyOf": others}}

    # --- what is answered

    def _responses(self, here: list[Documented], answering: list[Documented]) -> Json:
        responses: dict[str, Json] = {}
        for each in answering:
            self._add_answer(responses, each)
        for each in here:
            for error in each.errors():
                response = responses.setdefault(str(error.status), {"description": HTTPStatus(error.status).phrase})
                name = self._error_example(each, error)
                schema = self._schemas.response(each.api.error_response, api=each.api.name)
                media = response.setdefault("content", {}).setdefault(_JSON, {"schema": schema, "examples": {}})
                media["schema"] = _widened(media["schema"], schema)
                media["examples"][name] = {"$ref": f"#/components/examples/{name}"}
                headers = _headers(error.status)
                if headers:
                    response["headers"] = headers
        prefixes = "".join(dict.fromkeys(prefix_of(each.api.name) for each in here))
        return {
            status: self._numbered(self._shared, f"{prefixes}.{status}", response)
            if status >= str(HTTPStatus.BAD_REQUEST.value)
            else response
            for status, response in sorted(responses.items())
        }

    def _add_answer(self, responses: dict[str, Json], each: Documented) -> None:
        operation = each.operation
        status = str(operation.status.value)
        phrase = operation.status.phrase
        json_types = [kind for kind in (operation.response, *operation.other_responses) if kind not in {None, HtmlPage}]
        if HtmlPage in (operation.response, *operation.other_responses):
            page_status = HTTPStatus.OK
            page = responses.setdefault(str(page_status.value), {"description": page_status.phrase})
            page.setdefault("content", {})[_HTML] = {"schema": {"type": "string"}}
        if operation.status is HTTPStatus.SEE_OTHER:
            location = {"$ref": "#/components/headers/Location"}
            responses[status] = {"description": phrase, "headers": {"Location": location}}
        elif not json_types:
            if operation.response is not HtmlPage:
                responses.setdefault(status, {"description": phrase})
        else:
            response = responses.setdefault(status, {"description": phrase})
            for kind in json_types:
                schema = self._schemas.response(kind, api=each.api.name)
                media = response.setdefault("content", {}).setdefault(_JSON, {"schema": schema, "examples": {}})
                media["schema"] = _widened(media["schema"], schema)
            response["content"][_JSON]["examples"][each.key] = {"value": answer_of(each)}
            links = links_of(each)
            if links:
                response.setdefault("links", {}).update(links)

    def _error_example(self, each: Documented, error: DocumentedError) -> str:
        """Return the name of an error's example."""
        example = {"summary": error.message, "value": error.body}
        reference = self._numbered(self._examples, f"{prefix_of(each.api.name)}.{error.code}", example)
        return name_of(reference)

    @staticmethod
    def _numbered(components: dict[str, Json], name: str, value: Json) -> Json:
        """Return a reference to a component. Equal components are one; others of the same name get a number."""
        numbers = count(2)
        unique = name
        while components.setdefault(unique, value) != value:
            unique = f"{name}.{next(numbers)}"
        return {"$ref": f"#/components/{'examples' if 'value' in value else 'responses'}/{unique}"}


def _operation_id(each: Documented) -> str:
    words = [word for part in each.path.split("/") for word in part.strip("{}").replace(".", "-").split("-")]
    words = [piece for word in words for piece in word.split("_") if piece]
    return each.method.lower() + "".join(word[0].upper() + word[1:] for word in words)


def _security(here: list[Documented]) -> Iterator[Json]:
    wanted: list[Json] = [
        {_SECURITY[name]: [] for name in each.operation.caller.credentials if name != ORGANIZATION_HEADER}
        for each in here
    ]
    if any(wanted):
        yield from [each for number, each in enumerate(wanted) if each not in wanted[:number]]


def _headers(status: int) -> Json:
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    if status == HTTPStatus.UNAUTHORIZED:
        return {"WWW-Authenticate": {"$ref": "#/components/headers/WwwAuthenticate"}}
    return {}


def _one_of(schemas: list[Json]) -> Json:
    distinct = [schema for number, schema in enumerate(schemas) if schema not in schemas[:number]]
    return distinct[0] if len(distinct) == 1 else {"oneOf": distinct}


def _widened(schema: Json, other: Json) -> Json:
    """Return the schema of either: those of a union count one by one."""
    return _one_of([*schema.get("oneOf", [schema]), *other.get("oneOf", [other])])
