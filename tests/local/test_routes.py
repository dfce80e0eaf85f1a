"""Route selection: docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html."""

import pytest
from gerbang_local.routes import Route, Router

# The documentation's example, with an additional ANY route.
ROUTES = [
    ("ANY", "$default"),
    ("ANY", "/{proxy+}"),
    ("GET", "/pets/{proxy+}"),
    ("GET", "/pets/dog/{id}"),
    ("GET", "/pets/dog/1"),
    ("ANY", "/auth/otp"),
    ("POST", "/auth/otp"),
]


def router(*, without: tuple[str, ...] = ()) -> Router:
    return Router(
        Route(method=method, path=path, function=f"{method} {path}", authorizer=None)
        for method, path in ROUTES
        if path not in without
    )


@pytest.mark.parametrize(
    ("method", "path", "function", "parameters"),
    [
        ("GET", "/pets/dog/1", "GET /pets/dog/1", {}),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET", "/pets/cat/1", "GET /pets/{proxy+}", {"proxy": "cat/1"}),
        ("POST", "/test/5", "ANY /{proxy+}", {"proxy": "test/5"}),
        ("POST", "/pets/cat/1", "ANY /{proxy+}", {"proxy": "pets/cat/1"}),
        ("POST", "/auth/otp", "POST /auth/otp", {}),
        ("DELETE", "/auth/otp", "ANY /auth/otp", {}),
        ("GET", "/", "ANY $default", {}),
        ("GET", "/auth/otp/", "ANY /{proxy+}", {"proxy": "auth/otp/"}),
        ("GET", "/pets/dog/", "GET /pets/{proxy+}", {"proxy": "dog/"}),
    ],
)
def test_the_most_specific_route_answers(method: str, path: str, function: str, parameters: dict[str, str]) -> None:
    match = router().match(method, path)

    assert match is not None
    assert (match.route.function, match.path_parameters) == (function, parameters)


@pytest.mark.parametrize(("method", "path"), [("GET", "/auth/otp/"), ("GET", "/auth"), ("POST", "/pets/dog/1")])
def test_without_a_catch_all_route_a_path_may_have_no_route(method: str, path: str) -> None:
    assert router(without=("$default", "/{proxy+}")).match(method, path) is None


def test_route_keys_are_those_of_aws() -> None:
    keys = {route.key for route in router().routes}

    assert {"$default", "ANY /{proxy+}", "POST /auth/otp"} <= keys
