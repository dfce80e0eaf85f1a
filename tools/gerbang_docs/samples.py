"""An example of each operation's request and answer."""

from functools import cache
from typing import Any

from gerbang.http.response import HtmlPage

from gerbang_docs.examples import AnswerExample, request_example
from gerbang_docs.operations import Documented
from gerbang_docs.schemas import Json, Schemas, prefix_of


@cache
def _schemas() -> Schemas:
    return Schemas()


def request_schema(each: Documented) -> Json | None:
    """Return the schema of an operation's body, None if it reads none."""
    if each.model is None:
        return None
    return _schemas().resolve(_schemas().request(each.model, api=each.api.name))


def request_of(each: Documented) -> Json | None:
    """Return an example of an operation's body, None if it reads none."""
    schema = request_schema(each)
    if schema is None or each.model is None:
        return None
    example = request_example(schema, api=each.api.name, model=each.model.__name__)
    return {**example, **dict.fromkeys(each.set_to_true, True)}


def answer_of(each: Documented) -> Any:
    """Return an example of an operation's answer, None if it has no JSON."""
    response = each.operation.response
    if response is None or response is HtmlPage:
        return None
    schema = _schemas().response(response, api=each.api.name)
    return AnswerExample(
        api=each.api.name,
        function=each.operation.run.__name__,
        prefix=prefix_of(each.api.name),
        definitions=_schemas().components,
    ).of(schema)
