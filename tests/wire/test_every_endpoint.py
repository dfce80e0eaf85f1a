"""Rules for every endpoint, tested over HTTP. The endpoints come from the declarations, so new ones are included.

Reading requests and rendering errors is tested on the shared layer (tests/unit/http/). When the server stops,
conftest.py checks that endpoints gave only errors that they declare.
"""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import pytest
from gerbang.apis import atourin, botlaunch, gotrue, snapotp
from gerbang.http.endpoint import IsForm
from gerbang.http.errors import Api
from gerbang.http.request import Request

from tests.wire.client import Answer, Client
from tests.wire.routes import PATHS, ROUTES, UNKNOWN_PATHS, Route
from tests.wire.shapes import SENTENCE, Text
from tests.wire.world import PASSWORD, Person, World

JSON: Final = {"content-type": "application/json"}
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
LARGE: Final = b'{"x": "%s"}' % (b"x" * 20_000)

READING: Final = tuple(route for route in ROUTES if route.fields)

of_every_route = pytest.mark.parametrize("route", ROUTES, ids=str)
of_every_route_with_a_body = pytest.mark.parametrize("route", READING, ids=str)

INTERNALS: Final = re.compile(
    r"Traceback|File \"|\.py\b|\barn:aws|dynamo|\bsqs\b|\bboto|\bmoto\b|pydantic|uvicorn|\bh11\b|python|powertools"
    r"|lambda|gerbang-local|bcrypt|NoneType|Exception|\bstack\b",
    re.IGNORECASE,
)
SECURITY_HEADERS: Final = {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
}


def envelope(api: Api, status: int) -> dict[str, object]:
    """Return an API's error response, without the names of wrong fields."""
    if api is snapotp.API:
        return {"success": False, "message": SENTENCE}
    if api is gotrue.API:
        return {"code": status, "error_code": Text("[a-z_]{5,40}"), "msg": Text("[A-Z].{5,2000}")}
    if api is atourin.API:
        return {"status": False, "code": status, "info": Text(".{5,2000}"), "msg": HTTPStatus(status).phrase}
    assert api is botlaunch.API
    return {"statusCode": status, "error": Text("[A-Z][A-Za-z ]+"), "message": SENTENCE}


def api_of(route: Route) -> Api:
    api = route.operation.api
    return api if isinstance(api, Api) else api(Request(method=route.method, path=route.path))


def api_without_body(path: str) -> Api:
    """Return the API of a path for errors that are raised before the body is read."""
    return next(api_of(route) for route in ROUTES if route.path == path and route.operation.when is None)


def assert_error(answer: Answer, status: int, api: Api) -> None:
    """Check that an answer is an error in an API's format, and the rules for every answer."""
    assert answer.status == status, answer.raw
    assert_valid(answer)
    body = dict(answer.json)
    for details in (body.pop("details", []), body.pop("errors", [])):
        assert all(detail == {"field": Text("[A-Za-z_.0-9-]+"), "message": SENTENCE} for detail in details)
    assert body == envelope(api, status)


def assert_valid(answer: Answer) -> None:
    """Check the rules for every answer of a function: no 5xx, JSON, security headers, no internals."""
    assert answer.status < 500, answer.raw
    assert isinstance(answer.json, dict)
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert_no_internals(answer)


def assert_no_internals(answer: Answer) -> None:
    """Check that an answer does not reveal the implementation."""
    assert INTERNALS.search(answer.raw.decode()) is None
    assert INTERNALS.search(str(answer.stable_headers)) is None
    assert answer.headers.keys().isdisjoint({"server", "x-powered-by", "set-cookie"})


def credentials(world: World, person: Person, route: Route) -> dict[str, str]:
    """Return headers with all credentials that a route may need. A route that ends sessions gets a guest's token."""
    keys = world.api_keys()
    if (route.method, route.path) == ("DELETE", "/api/organization"):
        person = world.register()  # the request may delete its organization
    if "secret key" in route.operation.caller.credentials:
        token = keys["secret_key"]
    else:
        token = world.guest() if route.path.endswith(("/logout", "/logout-all")) else person.access_token
    return {
        "authorization": f"Bearer {token}",
        "apikey": keys["publishable_key"],
        "x-organization-id": person.organization_id,
    }


def send(client: Client, route: Route, document: object, headers: Mapping[str, str] | None = None) -> Answer:
    return client.request(
        route.method, route.target, body=json.dumps(document).encode(), headers={**JSON, **(headers or {})}
    )


# Bodies


@pytest.mark.covers("F46", "140")
@of_every_route_with_a_body
def test_an_invalid_body_is_400_413_or_415(world: World, shared_person: Person, route: Route) -> None:
    credential_headers, client = credentials(world, shared_person, route), world.client

    def sent(body: bytes, headers: Mapping[str, str] = JSON) -> Answer:
        return client.request(route.method, route.target, body=body, headers={**credential_headers, **headers})

    # Where the body selects the API, it cannot do so before it is read.
    api = api_without_body(route.path)
    assert_error(sent(b'{"x": '), 400, api)
    assert_error(sent(b"null"), 400, api)
    assert_error(sent(b'{"x":' * 1600 + b"1" + b"}" * 1600), 400, api)
    assert_error(sent(LARGE), 413, api)
    assert_error(sent(urlencode(route.body).encode(), FORM), 415, api)


@pytest.mark.covers("F46", "136")
@of_every_route_with_a_body
def test_every_wrong_field_is_named(world: World, shared_person: Person, route: Route) -> None:
    credential_headers, client, api = credentials(world, shared_person, route), world.client, api_of(route)
    missing = send(client, route, route.choice, credential_headers)
    mistyped = send(client, route, {name: ["x"] for name in route.fields}, credential_headers)

    if any(route.fields.values()):
        assert_error(missing, 400, api)
        assert_names(missing, api, {name for name, is_required in route.fields.items() if is_required})
    assert_error(mistyped, 400, api)
    assert_names(mistyped, api, {*route.fields})


def assert_names(answer: Answer, api: Api, fields: set[str]) -> None:
    """Check that an answer names these fields. GoTrue's error format has no field names."""
    if api is atourin.API:
        assert {part.partition(":")[0] for part in answer.json["info"].split("; ")} == fields
    elif api is not gotrue.API:
        assert {detail["field"] for detail in answer.json.get("details", answer.json.get("errors"))} == fields


@pytest.mark.covers("62")
@of_every_route_with_a_body
def test_fields_in_the_query_are_not_read(world: World, shared_person: Person, route: Route) -> None:
    credential_headers = credentials(world, shared_person, route)
    query = urlencode(route.body)
    joined = f"{route.target}&{query}" if "?" in route.target else f"{route.target}?{query}"

    without = world.client.request(route.method, route.target, headers=credential_headers)
    answer = world.client.request(route.method, joined, headers=credential_headers)

    if route.path == "/auth/v1/signup":  # both create guests
        assert answer.status == without.status == 200
        assert answer.json["user"]["is_anonymous"] is without.json["user"]["is_anonymous"] is True
    else:
        assert (answer.status, answer.raw) == (without.status, without.raw)


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if not route.fields and not isinstance(route.operation.when, IsForm)], ids=str
)
def test_a_body_that_is_not_read_changes_nothing(world: World, shared_person: Person, route: Route) -> None:
    plain = world.client.request(route.method, route.target, headers=credentials(world, shared_person, route))

    for body, headers in ((b"null", JSON), (b'""', JSON), (b"[]", JSON), (b" ", JSON), (LARGE, FORM)):
        credential_headers = credentials(world, shared_person, route)
        answer = world.client.request(route.method, route.target, body=body, headers={**credential_headers, **headers})

        assert answer.status == plain.status
        if plain.raw.startswith(b"{"):  # some answers are pages or have no body
            assert answer.json.keys() == plain.json.keys()


# Methods and paths


METHODS: Final = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get")
METHODS_OF: Final = {route.path: route.methods for route in ROUTES}


@pytest.mark.covers("141")
@pytest.mark.parametrize(
    ("path", "method"),
    [(path, method) for path in PATHS for method in METHODS if method not in METHODS_OF[path]],
)
def test_another_method_is_405_and_the_allowed_methods_are_named(client: Client, path: str, method: str) -> None:
    methods = METHODS_OF[path]
    override: dict[str, str] = dict.fromkeys(
        ("x-http-method-override", "x-http-method", "x-method-override"), next(iter(methods))
    )

    answer = client.request(method, path, headers=override)

    assert answer.status == 405
    assert {*answer.headers["allow"].split(", ")} == methods
    if method == "HEAD":
        assert answer.raw == b""
        assert_no_internals(answer)
    else:
        assert_error(answer, 405, api_without_body(path))


def api_below(path: str) -> Api:
    below = f"{path}/"
    if below.startswith("/auth/v1/"):
        return gotrue.API
    return atourin.API if below.startswith("/auth/") else botlaunch.API


@pytest.mark.parametrize("path", UNKNOWN_PATHS, ids=lambda path: path[:40])
def test_an_unknown_path_is_404_in_the_format_of_its_prefixs_api(client: Client, path: str) -> None:
    assert_error(client.get(path), 404, api_below(path))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_an_unknown_path_is_404_for_every_method_and_body(client: Client, method: str) -> None:
    for path in ("/nowhere", "/auth/nowhere", "/auth/v1/nowhere"):
        assert_error(client.request(method, path, body=LARGE, headers=FORM), 404, api_below(path))


def test_non_ascii_bytes_in_a_path_are_an_error(client: Client) -> None:
    answer = client.send(b"GET /api/auth/\xc3\xbc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.status in {400, 404}


# Headers


ODD_HEADERS: Final[Mapping[str, Mapping[str, str]]] = {
    "accept": {"accept": "text/html, application/xml;q=0.9, image/*"},
    "accept-language": {"accept-language": "x" * 5000 + ";q=" + "9" * 1000},
    "accept-encoding": {"accept-encoding": "gzip, br, nonsense;q=7"},
    "user-agent": {"user-agent": "${jndi:ldap://localhost}" * 50},
    "user-agent outside ASCII": {"user-agent": "m\u00f6b\u00e4l \u00ff"},
    "cookies": {"cookie": "a=b; =; ;;; access_token=x; " + "c=d; " * 500},
    "host": {"host": "evil.example.com"},
    "forwarded": {"x-forwarded-for": "1.2.3.4, ::1, nonsense", "x-forwarded-host": "evil.example.com"},
    "100 headers": {f"x-{number}": "y" for number in range(100)},
    "expect": {"expect": "100-continue"},
    "conditions": {"if-match": "*", "if-none-match": "*", "range": "bytes=0-1", "if-modified-since": "yesterday"},
    "content-encoding": {"content-encoding": "gzip"},
}


@pytest.mark.parametrize("headers", ODD_HEADERS.values(), ids=ODD_HEADERS.keys())
def test_unusual_headers_have_no_effect(client: Client, headers: Mapping[str, str]) -> None:
    answer = client.request("POST", "/auth/register", body=b"{", headers={**JSON, **headers})

    assert_error(answer, 400, atourin.API)
    assert "evil" not in answer.raw.decode()


def test_a_chunked_body_is_read(client: Client) -> None:
    request = (
        b"POST /auth/otp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n"
    )

    assert_error(client.send(request), 400, atourin.API)


# Credentials


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if "access token" in route.operation.caller.credentials], ids=str
)
def test_without_a_valid_token_it_is_401(client: Client, shared_person: Person, route: Route) -> None:
    header, payload, _ = shared_person.access_token.split(".")
    for authorization in ("", "Bearer", "Bearer x.y.z", f"Bearer {header}.{payload}.", f"Basic {payload}"):
        headers = {"authorization": authorization, "x-organization-id": shared_person.organization_id}

        answer = send(client, route, route.body, headers)

        assert_error(answer, 401, api_of(route))
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if "apikey" in route.operation.caller.credentials], ids=str
)
def test_without_a_valid_key_it_is_401(client: Client, route: Route) -> None:
    for apikey in ("", "x", "null", "x" * 5000, "\u00fc\u00ff", "sb_secret_guess", "Bearer x", "a,b"):
        assert_error(send(client, route, route.body, {"apikey": apikey}), 401, api_of(route))


def test_successful_answers_follow_the_rules_for_every_answer(world: World, shared_person: Person) -> None:
    answers = [
        world.client.post("/api/auth/register", {"email": world.email(), "password": PASSWORD, "name": "Ada Byron"}),
        world.client.post("/api/auth/login", {"username": shared_person.email, "password": shared_person.password}),
        world.client.post_without_body("/auth/login_with_anonymous"),
        world.client.post("/auth/otp", {"email": world.email()}),
        world.me(shared_person.access_token),
    ]

    for answer in answers:
        assert answer.status in {200, 201}
        assert_valid(answer)
