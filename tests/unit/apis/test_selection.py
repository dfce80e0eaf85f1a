"""gerbang.apis: which API answers a request, at paths that serve two, and at unknown paths."""

from typing import Final

import pytest
from gerbang.apis import atourin, botlaunch, by_path, gotrue, snapotp
from gerbang.http.errors import Api
from gerbang.http.request import Request
from gerbang_local.declarations import endpoints, operations

from tests.gateway_events import json_event


def api_of(path: str, body: object) -> Api:
    """Return the API of the operation that a path and a body select."""
    [endpoint] = [endpoint for endpoint in endpoints().values() if endpoint.paths == (path,)]
    operation = endpoint.find(Request.from_event(json_event(body, path=path)))
    assert isinstance(operation.api, Api)
    return operation.api


@pytest.mark.parametrize(
    ("path", "body", "api"),
    [
        ("/api/auth/login", {"email": "a@example.com", "password": "x"}, botlaunch.API),
        ("/api/auth/login", {"username": "a", "password": "x"}, snapotp.API),
        ("/api/auth/login", {"username": "a", "email": "a@example.com"}, snapotp.API),
        ("/api/auth/login", {"username": None}, snapotp.API),
        ("/api/auth/login", {}, botlaunch.API),
        ("/api/auth/register", {"username": "a"}, snapotp.API),
        ("/api/auth/register", {"refresh_token": "x"}, botlaunch.API),
        ("/api/auth/refresh", {"refresh_token": "x"}, snapotp.API),
        ("/api/auth/refresh", {"refreshToken": "x"}, botlaunch.API),
        ("/api/auth/refresh", {"refresh_token": "x", "refreshToken": "x"}, botlaunch.API),
        ("/api/auth/refresh", {"username": "a"}, botlaunch.API),
        ("/api/auth/refresh", {}, botlaunch.API),
    ],
    ids=range(12),
)
def test_the_body_chooses_the_api(path: str, body: object, api: Api) -> None:
    assert api_of(path, body) is api


DISTINGUISHING_FIELDS: Final = {
    "/api/auth/login": ("username",),
    "/api/auth/register": ("username",),
    "/api/auth/refresh": ("refresh_token", "refreshToken"),
}
"""For each path that serves two APIs, the fields that choose the API. The first field chooses SnapOTP."""

FIELDS: Final = sorted(
    {
        field.alias or name
        for _, operation in operations()
        for name, field in getattr(operation.request, "model_fields", {}).items()
    }
    | {"nothing"}
)
"""The fields of all request bodies, and one that no request has."""


@pytest.mark.parametrize("path", DISTINGUISHING_FIELDS)
@pytest.mark.parametrize("value", ["x", None, 7, ["x"]], ids=repr)
def test_a_field_of_another_endpoint_does_not_choose_the_api(path: str, value: object) -> None:
    """A field that a path does not know is ignored, so it does not change the format of the answer."""
    for field in {*FIELDS} - {*DISTINGUISHING_FIELDS[path]}:
        assert api_of(path, {field: value}) is botlaunch.API
        assert api_of(path, {field: value, DISTINGUISHING_FIELDS[path][0]: "x"}) is snapotp.API


@pytest.mark.parametrize(
    ("path", "api"),
    [
        ("/auth/v1/nothing", gotrue.API),
        ("/auth/v1", gotrue.API),
        ("/auth/v1x", atourin.API),
        ("/auth/nothing", atourin.API),
        ("/auth", atourin.API),
        ("/api/auth/nothing", botlaunch.API),
        ("/api/nothing", botlaunch.API),
        ("/", botlaunch.API),
        ("", botlaunch.API),
        ("/authentic", botlaunch.API),
    ],
    ids=range(10),
)
def test_an_unknown_path_is_answered_by_the_api_of_its_prefix(path: str, api: Api) -> None:
    assert by_path.api_of(Request(method="POST", path=path)) is api
