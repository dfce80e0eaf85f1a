"""The error responses of Atourin's API."""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypedDict

from gerbang.apis.errors import COMMON
from gerbang.http.errors import Api, Problem
from gerbang.http.request import Request


class ErrorResponse(TypedDict):
    """What is wrong: `code` is the status, `msg` its phrase, `info` says more."""

    status: Literal[False]
    code: int
    info: str
    msg: str


def envelope(problem: Problem, _request: Request) -> Mapping[str, Any]:
    """Return the body of an error response: `msg` is the status's phrase, `info` what is wrong."""
    fields = "; ".join(f"{error.field}: {error.message}" for error in problem.field_errors)
    body: dict[str, Any] = {
        "status": False,
        "code": problem.status.value,
        "info": fields or problem.message,
        "msg": problem.status.phrase,
    }
    if problem.mfa_token is not None:
        body |= {"error_code": problem.code, "data": {"mfa_token": problem.mfa_token}}
    return body


API: Final = Api(name="Atourin", errors=COMMON, envelope=envelope, error_response=ErrorResponse)
