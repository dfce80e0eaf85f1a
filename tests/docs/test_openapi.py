"""The OpenAPI document is valid and complete, and its examples match their schemas."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from gerbang.http.endpoint import IsForm
from gerbang_docs.openapi import FILE
from gerbang_docs.operations import documented
from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.wire import examples as printed_examples

DOCUMENT: Final[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))
METHODS_AND_PATHS: Final = sorted({(each.method.lower(), each.path) for each in documented()})
of_every_operation = pytest.mark.parametrize(("method", "path"), METHODS_AND_PATHS)


def resolved(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the component that a reference names, or the value itself."""
    if "$ref" not in value:
        return value
    found: Any = DOCUMENT
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def mistakes(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """Return the schema violations of a value."""
    referred = {"components": DOCUMENT["components"]}  # `#/components/schemas/` begins at the schema
    validator = Draft202012Validator({**schema, **referred}, format_checker=FormatChecker())
    return [error.message for error in validator.iter_errors(value)]


def examples(media: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the names and values of a body's examples."""
    for name, example in media.get("examples", {}).items():
        yield name, resolved(example)["value"]
    if "example" in media:
        yield "example", media["example"]


def test_the_document_is_valid() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_the_document_contains_every_endpoint() -> None:
    assert sorted((method, path) for path, item in DOCUMENT["paths"].items() for method in item) == METHODS_AND_PATHS


def test_operation_ids_are_unique() -> None:
    names = [operation["operationId"] for item in DOCUMENT["paths"].values() for operation in item.values()]

    assert len(set(names)) == len(names)


@of_every_operation
def test_request_examples_match_the_schema(method: str, path: str) -> None:
    body = DOCUMENT["paths"][path][method].get("requestBody", {"content": {}})
    for media in body["content"].values():
        found_examples = dict(examples(media))
        assert found_examples
        for name, example in found_examples.items():
            assert mistakes(example, media["schema"]) == [], name


@of_every_operation
def test_response_examples_match_the_schema(method: str, path: str) -> None:
    for status, response in DOCUMENT["paths"][path][method]["responses"].items():
        for kind, media in resolved(response).get("content", {}).items():
            found_examples = dict(examples(media))
            assert found_examples or kind == "text/html"
            for name, example in found_examples.items():
                assert mistakes(example, media["schema"]) == [], (status, name)


@of_every_operation
def test_every_error_has_an_example(method: str, path: str) -> None:
    responses = DOCUMENT["paths"][path][method]["responses"]
    for each in documented():
        if (each.method.lower(), each.path) == (method, path):
            for error in each.errors():
                [media] = resolved(responses[str(error.status)])["content"].values()
                assert error.body in [value for _, value in examples(media)], error.code


@of_every_operation
def test_responses_that_need_headers_declare_them(method: str, path: str) -> None:
    responses = DOCUMENT["paths"][path][method]["responses"]
    for status, header in (("429", "Retry-After"), ("503", "Retry-After"), ("401", "WWW-Authenticate")):
        if status in responses:
            assert header in resolved(responses[status])["headers"]


@pytest.mark.parametrize("path", sorted({each.path for each in documented() if each.is_shared}))
def test_a_path_of_several_apis_declares_the_bodies_of_all(path: str) -> None:
    for method, operation in DOCUMENT["paths"][path].items():
        here = [each for each in documented() if (each.path, each.method.lower()) == (path, method)]
        reading = [each for each in here if each.model is not None and each.answers]
        forms = [each for each in here if isinstance(each.operation.when, IsForm)]
        content = operation.get("requestBody", {"content": {}})["content"]
        if len({each.model for each in reading}) > 1:
            schema = content["application/json"]["schema"]
            assert len(schema.get("oneOf", schema.get("anyOf"))) == len({each.model for each in reading})
        assert ("application/x-www-form-urlencoded" in content) == bool(forms)


PRINTED: Final = {
    name: text
    for name, text in vars(printed_examples).items()
    if isinstance(text, str)
    and text.startswith(("POST ", "GET "))
    and "\n\n{" in text
    and "_WRONG" not in name
    and name != "ATOURIN_GUEST"
}
"""The example requests of the published API documentation."""


@pytest.mark.parametrize("name", PRINTED)
def test_published_requests_match_the_schema(name: str) -> None:
    head, _, body = PRINTED[name].partition("\n\n")
    method, path = head.splitlines()[0].split(" ")
    operation = DOCUMENT["paths"][path.partition("?")[0]][method.lower()]

    assert mistakes(json.loads(body), operation["requestBody"]["content"]["application/json"]["schema"]) == []


@pytest.mark.parametrize("name", PRINTED)
def test_request_examples_have_the_fields_of_the_published_requests(name: str) -> None:
    head, _, body = PRINTED[name].partition("\n\n")
    method, path = head.splitlines()[0].split(" ")
    operation = DOCUMENT["paths"][path.partition("?")[0]][method.lower()]
    found_examples = [value for _, value in examples(operation["requestBody"]["content"]["application/json"])]

    assert any(json.loads(body).keys() <= value.keys() for value in found_examples)
