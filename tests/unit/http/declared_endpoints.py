"""Endpoints that tests declare, and an API for them."""

from typing import Any, Final

from gerbang.apis.errors import COMMON
from gerbang.apis.fields import Body, Text
from gerbang.core.init import LambdaHandler
from gerbang.http.endpoint import Call, Endpoint
from gerbang.http.errors import Api, Problem
from gerbang.http.request import Request
from pydantic import Field

PATH: Final = "/things/{id}"


def envelope(problem: Problem, _request: Request) -> dict[str, Any]:
    return {
        "code": problem.code,
        "message": problem.message,
        "fields": {error.field: error.message for error in problem.field_errors},
    }


API: Final = Api(name="Tests", errors=COMMON, envelope=envelope, error_response=dict)


class Greeting(Body):
    """A model with a required and an optional field."""

    name: Text
    familiar_name: Text | None = Field(default=None, alias="familiarName")


def greeting_handler() -> LambdaHandler:
    """The handler of an endpoint that reads a body."""
    endpoint = Endpoint(PATH)

    @endpoint.post(API, request=Greeting)
    def greet(call: Call[Greeting, None]) -> dict[str, Any]:
        return call.body.model_dump()

    return endpoint.handler()


def handler_that_raises(error: Exception, **declared: Any) -> LambdaHandler:
    """The handler of an endpoint that raises an error."""
    endpoint = Endpoint(PATH)

    @endpoint.post(API, **declared)
    def fail(_call: Call[None, None]) -> None:
        raise error

    return endpoint.handler()
