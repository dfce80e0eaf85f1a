"""What holds for every endpoint, over HTTP and from the declarations: a new endpoint is tried here by itself.

How requests are read and errors told is tested on the shared layer (tests/unit/test_request.py, test_endpoint.py). That
every error that is answered here and elsewhere is declared is checked when the server ends (conftest.py).
"""

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import pytest
from gerbang.apis import atourin, botlaunch, gotrue, snapotp
from gerbang.http.conditions import IsForm
from gerbang.http.errors import Api
from gerbang.http.request import Request

from tests.wire.client import Answer, Client
from tests.wire.routes import PATHS, ROUTES, Route
from tests.wire.shapes import SENTENCE, Text
from tests.wire.world import PASSWORD, Person, World

JSON: Final = {"content-type": "application/json"}
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
LARGE: Final = b'{"x": "%s"}' % (b"x" * 20_000)

READING: Final = tuple(route for route in ROUTES if route.fields)

of_every_route = pytest.mark.parametrize("route", ROUTES, ids=str)
of_every_route_with_a_body = pytest.mark.parametrize("route", READING, ids=str)

INSIDES: Final = re.compile(
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
    """What an error looks like in an API, but for the fields that are wrong."""
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
    """The API of a path for errors that are raised before the body is read."""
    return next(api_of(route) for route in ROUTES if route.path == path and route.operation.when is None)


def assert_error(answer: Answer, status: int, api: Api) -> None:
    """Assert that an answer is an error in an API's envelope, with all that every answer has."""
    assert answer.status == status, answer.raw
    assert_sound(answer)
    body = dict(answer.json)
    for details in (body.pop("details", []), body.pop("errors", [])):
        assert all(detail == {"field": Text("[A-Za-z_.0-9-]+"), "message": SENTENCE} for detail in details)
    assert body == envelope(api, status)


def assert_sound(answer: Answer) -> None:
    """Assert what holds for every answer of a function: never a 5xx, JSON, the security headers, no insides."""
    assert answer.status < 500, answer.raw
    assert isinstance(answer.json, dict)
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert_silent(answer)


def assert_silent(answer: Answer) -> None:
    """Assert that an answer says nothing of what is behind it."""
    assert INSIDES.search(answer.raw.decode()) is None
    assert INSIDES.search(str(answer.lasting_headers)) is None
    assert answer.headers.keys().isdisjoint({"server", "x-powered-by", "set-cookie"})


def credentials(world: World, person: Person, route: Route) -> dict[str, str]:
    """Headers with every credential that a route may demand; where sessions are ended, a guest's."""
    keys = world.api_keys()
    if (route.method, route.path) == ("DELETE", "/api/organization"):
        person = world.register()  # whose organization it may be the end of
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
def test_a_body_that_cannot_be_read_is_400_413_or_415(world: World, resident: Person, route: Route) -> None:
    known, client = credentials(world, resident, route), world.client

    def sent(body: bytes, headers: Mapping[str, str] = JSON) -> Answer:
        return client.request(route.method, route.target, body=body, headers={**known, **headers})

    # Before the body is read, no member of it can say which API it speaks.
    api = api_without_body(route.path)
    assert_error(sent(b'{"x": '), 400, api)
    assert_error(sent(b"null"), 400, api)
    assert_error(sent(b'{"x":' * 1600 + b"1" + b"}" * 1600), 400, api)
    assert_error(sent(LARGE), 413, api)
    assert_error(sent(urlencode(route.body).encode(), FORM), 415, api)


@pytest.mark.covers("F46", "136")
@of_every_route_with_a_body
def test_every_wrong_field_is_named(world: World, resident: Person, route: Route) -> None:
    known, client, api = credentials(world, resident, route), world.client, api_of(route)
    missing = send(client, route, route.choice, known)
    mistyped = send(client, route, {name: ["x"] for name in route.fields}, known)

    if any(route.fields.values()):
        assert_error(missing, 400, api)
        assert_names(missing, api, {name for name, is_required in route.fields.items() if is_required})
    assert_error(mistyped, 400, api)
    assert_names(mistyped, api, {*route.fields})


def assert_names(answer: Answer, api: Api, fields: set[str]) -> None:
    """Assert that an answer names these fields; GoTrue's envelope has no place for them."""
    if api is atourin.API:
        assert {part.partition(":")[0] for part in answer.json["info"].split("; ")} == fields
    elif api is not gotrue.API:
        assert {detail["field"] for detail in answer.json.get("details", answer.json.get("errors"))} == fields


@pytest.mark.covers("62")
@of_every_route_with_a_body
def test_fields_in_the_query_are_not_read(world: World, resident: Person, route: Route) -> None:
    known = credentials(world, resident, route)
    query = urlencode(route.body)
    joined = f"{route.target}&{query}" if "?" in route.target else f"{route.target}?{query}"

    without = world.client.request(route.method, route.target, headers=known)
    answer = world.client.request(route.method, joined, headers=known)

    if route.path == "/auth/v1/signup":  # each admits a guest
        assert answer.status == without.status == 200
        assert answer.json["user"]["is_anonymous"] is without.json["user"]["is_anonymous"] is True
    else:
        assert (answer.status, answer.raw) == (without.status, without.raw)


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if not route.fields and not isinstance(route.operation.when, IsForm)], ids=str
)
def test_a_body_that_is_not_read_changes_nothing(world: World, resident: Person, route: Route) -> None:
    plain = world.client.request(route.method, route.target, headers=credentials(world, resident, route))

    for body, headers in ((b"null", JSON), (b'""', JSON), (b"[]", JSON), (b" ", JSON), (LARGE, FORM)):
        known = credentials(world, resident, route)
        answer = world.client.request(route.method, route.target, body=body, headers={**known, **headers})

        assert answer.status == plain.status
        if plain.raw.startswith(b"{"):  # not a page, nor without a body, as signing out at Supabase's API is
            assert answer.json.keys() == plain.json.keys()


# Methods and paths


@pytest.mark.covers("141")
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get"])
@pytest.mark.parametrize("path", PATHS)
def test_another_method_is_405_and_names_those_that_there_are(client: Client, path: str, method: str) -> None:
    methods = next(route.methods for route in ROUTES if route.path == path)
    if method in methods:
        return
    pretended: dict[str, str] = dict.fromkeys(
        ("x-http-method-override", "x-http-method", "x-method-override"), next(iter(methods))
    )

    answer = client.request(method, path, headers=pretended)

    assert answer.status == 405
    assert {*answer.headers["allow"].split(", ")} == methods
    if method == "HEAD":
        assert answer.raw == b""
        assert_silent(answer)
    else:
        assert_error(answer, 405, api_without_body(path))


UNKNOWN_PATHS: Final = (
    "/",
    "/api",
    "/api/auth/",
    "/api/auth/login/",
    "/api/auth/login/x",
    "/api/auth/login.json",
    "/api/auth/login;x=1",
    "/api/auth/login%00",
    "/api/auth/login%20",
    "/api/auth/login%2f",
    "/api/auth/login%0d%0aset-cookie:a=b",
    "/api/auth/../auth/login",
    "/api/auth/%2e%2e/auth/login",
    "/api//auth/login",
    "//api/auth/login",
    "/API/auth/login",
    "/api/auth/%ff%fe",
    "/api/auth/{proxy+}",
    "/api/auth/$default",
    "/auth",
    "/auth/otp/",
    "/auth//otp",
    "/auth/OTP",
    "/auth/v1",
    "/auth/v1/token/",
    "/auth/v1/admin",
    "/auth/v1/admin/users/",
    "/auth/v1/admin/users/x/y",
    "/auth/v2/token",
    "/authorizer",
    "/default",
    "/mailer",
    "/.env",
    "/.git/config",
    "/docs/",
    "/openapi.yaml",
    "/local/config.json",
    "/" + "a" * 8000,
)


def api_below(path: str) -> Api:
    below = f"{path}/"
    if below.startswith("/auth/v1/"):
        return gotrue.API
    return atourin.API if below.startswith("/auth/") else botlaunch.API


@pytest.mark.parametrize("path", UNKNOWN_PATHS, ids=lambda path: path[:40])
def test_an_unknown_path_is_404_in_the_api_that_it_lies_under(client: Client, path: str) -> None:
    assert_error(client.get(path), 404, api_below(path))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_an_unknown_path_is_404_whatever_is_sent_to_it(client: Client, method: str) -> None:
    for path in ("/nowhere", "/auth/nowhere", "/auth/v1/nowhere"):
        assert_error(client.request(method, path, body=LARGE, headers=FORM), 404, api_below(path))


def test_bytes_that_are_not_ascii_in_a_path_are_404(client: Client) -> None:
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
def test_odd_headers_change_nothing(client: Client, headers: Mapping[str, str]) -> None:
    answer = client.request("POST", "/auth/register", body=b"{", headers={**JSON, **headers})

    assert_error(answer, 400, atourin.API)
    assert "evil" not in answer.raw.decode()


def test_a_body_in_chunks_is_a_body(client: Client) -> None:
    request = (
        b"POST /auth/otp HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n"
    )

    assert_error(client.send(request), 400, atourin.API)


# Credentials


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if "access token" in route.operation.caller.credentials], ids=str
)
def test_without_a_good_token_it_is_401(client: Client, resident: Person, route: Route) -> None:
    header, payload, _ = resident.access_token.split(".")
    for authorization in ("", "Bearer", "Bearer x.y.z", f"Bearer {header}.{payload}.", f"Basic {payload}"):
        headers = {"authorization": authorization, "x-organization-id": resident.organization_id}

        answer = send(client, route, route.body, headers)

        assert_error(answer, 401, api_of(route))
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if "apikey" in route.operation.caller.credentials], ids=str
)
def test_without_a_good_key_it_is_401(client: Client, route: Route) -> None:
    for apikey in ("", "x", "null", "x" * 5000, "\u00fc\u00ff", "sb_secret_guess", "Bearer x", "a,b"):
        assert_error(send(client, route, route.body, {"apikey": apikey}), 401, api_of(route))


def test_a_good_answer_has_the_headers_of_every_answer(world: World, resident: Person) -> None:
    answers = [
        world.client.post("/api/auth/register", {"email": world.email(), "password": PASSWORD, "name": "Ada Byron"}),
        world.client.post("/api/auth/login", {"username": resident.email, "password": resident.password}),
        world.client.post_nothing("/auth/login_with_anonymous"),
        world.client.post("/auth/otp", {"email": world.email()}),
        world.me(resident.access_token),
    ]

    for answer in answers:
        assert answer.status in {200, 201}
        assert_sound(answer)
