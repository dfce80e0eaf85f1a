"""Whatever a client sends to whatever path: a 4xx in the contract's own envelope, JSON, and nothing about our insides.

The routes are read out of template.yaml: a new one is tried here without another word. (faults.md F46; security.md 62,
77, 135 to 141, 149 and 164)
"""

import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import jwt
import pytest

from tests.wire.client import Answer, Client
from tests.wire.routes import BODIES, OPTIONAL, ROUTES, Route
from tests.wire.shapes import SENTENCE, Text
from tests.wire.world import PASSWORD, Person, World

LARGEST_BODY: Final = 16 * 1024
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"

POSTS: Final = tuple(route for route in ROUTES if route.method == "POST")
GETS: Final = tuple(route for route in ROUTES if route.method == "GET")
of_every_route = pytest.mark.parametrize("route", ROUTES, ids=str)
of_every_post = pytest.mark.parametrize("route", POSTS, ids=str)

SNAPOTP_PATHS: Final = frozenset(
    f"/api/auth/{name}" for name in ("change-password", "forgot-password", "google", "me", "reset-password")
)
TITLES: Final = {
    400: Text("Validation Error|Invalid Credentials"),
    401: Text("Unauthorized|Token Expired"),
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
}
INSIDES: Final = re.compile(
    r"Traceback|File \"|\.py\b|\barn:aws|dynamo|\bsqs\b|\bboto|\bmoto\b|pydantic|uvicorn|\bh11\b|python|powertools"
    r"|lambda|gerbang-local|bcrypt|NoneType|Exception|\bstack\b",
    re.IGNORECASE,
)
SECURITY_HEADERS: Final = {
    "content-type": "application/json; charset=utf-8",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
}


def refusal(path: str, status: int) -> dict[str, object]:
    """The envelope of a refusal of a path, but for details."""
    below = f"{path}/"
    if path in SNAPOTP_PATHS:
        return {"success": False, "message": SENTENCE}
    if below.startswith("/auth/v1/"):
        return {"code": status, "error_code": Text("[a-z_]{5,40}"), "msg": SENTENCE}
    if below.startswith("/auth/"):
        return {"status": False, "code": status, "info": Text(".{5,2000}"), "msg": HTTPStatus(status).phrase}
    return {"statusCode": status, "error": TITLES[status], "message": SENTENCE}


def assert_refused(answer: Answer, path: str, status: int) -> None:
    """Assert that an answer is a refusal in the envelope of the path's contract, with all that every answer has."""
    assert answer.status == status, answer.raw
    assert_sound(answer)
    body = dict(answer.json)
    for details in (body.pop("details", []), body.pop("errors", [])):
        assert all(detail == {"field": Text("[A-Za-z_.0-9]+"), "message": SENTENCE} for detail in details)
    assert body == refusal(path, status)


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


def target(route: Route, query: str = "") -> str:
    grant = "grant_type=refresh_token" if route.path == "/auth/v1/token" else ""
    joined = "&".join(part for part in (grant, query) if part)
    return f"{route.path}?{joined}" if joined else route.path


class Visitor:
    """Sends whatever to a route, with headers that bring it past everything that stands before the body."""

    def __init__(self, world: World, resident: Person) -> None:
        self._world = world
        self._resident = resident

    def headers(self, route: Route) -> dict[str, str]:
        headers = {"apikey": self._world.api_keys()["publishable_key"]} if route.path == "/auth/v1/token" else {}
        if route.path.endswith("/logout"):
            return headers | {"authorization": f"Bearer {self._world.guest()}"}
        if route.path in {"/api/auth/me", "/api/auth/change-password", "/api/organization"}:
            headers["x-organization-id"] = self._resident.organization_id
            headers["authorization"] = f"Bearer {self._resident.access_token}"
        return headers

    def send(
        self,
        route: Route,
        body: bytes | None,
        *,
        content_type: str | None = JSON,
        method: str = "",
        query: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        sent = self.headers(route) | dict(headers or {})
        if content_type is not None:
            sent["content-type"] = content_type
        method = method or route.method
        return self._world.client.request(method, target(route, query), body=body, headers=sent)


@pytest.fixture
def visitor(world: World, resident: Person) -> Visitor:
    return Visitor(world, resident)


def test_every_post_is_tried_with_its_fields() -> None:
    assert {route.path for route in POSTS} == BODIES.keys()


# --- bodies -----------------------------------------------------------------------------------------------------------

NOT_ONE_OBJECT: Final[Mapping[str, bytes]] = {
    "array": b"[]",
    "array of an object": b"[{}]",
    "null": b"null",
    "text": b'"text"',
    "number": b"7",
    "true": b"true",
    "white space": b"  \n",
    "cut off": b'{"email": "a',
    "two objects": b"{} {}",
    "trailing comma": b'{"email": "a@example.com",}',
    "single quotes": b"{'email': 'a@example.com'}",
    "comment": b'{"email": "a@example.com" /* me */}',
    "unquoted name": b'{email: "a@example.com"}',
    "control character": b'{"email": "a\x01"}',
    "NUL byte": b'{"email": "a\x00"}',
    "7,000 brackets": b"[" * 7000 + b"]" * 7000,
    "14,000 open brackets": b"[" * 14_000,
    "6,000 digits": b'{"email": ' + b"7" * 6000 + b"}",
    "6,000 digits and a sign": b'{"x": -' + b"7" * 6000 + b"}",
    "a name twice": b'{"email": "a@example.com", "email": "b@example.com"}',
    "a name twice, once escaped": b'{"email": "a@example.com", "\\u0065mail": "b@example.com"}',
    "a name twice, further in": b'{"x": {"y": 1, "y": 2}}',
    "NaN": b'{"email": NaN}',
    "Infinity": b'{"x": Infinity}',
    "minus Infinity": b'{"x": -Infinity}',
    "lone surrogate": b'{"email": "\\ud800"}',
    "lone surrogate as a name": b'{"\\udfff": 1}',
    "surrogates the wrong way round": b'{"x": "\\udc00\\ud800"}',
    "surrogate in UTF-8": b'{"email": "\xed\xa0\x80"}',
    "invalid UTF-8": b'{"email": "\xff"}',
    "overlong UTF-8": b'{"email": "\xc0\xaf"}',
    "UTF-8 with a BOM": b"\xef\xbb\xbf{}",
    "UTF-16": '{"email": "a"}'.encode("utf-16"),
    "UTF-16 without a BOM": '{"email": "a"}'.encode("utf-16-le"),
    "UTF-32": '{"email": "a"}'.encode("utf-32"),
    "form": b"email=a%40example.com&password=x",
    "XML": b"<email>a@example.com</email>",
}


@pytest.mark.covers("F46")
@pytest.mark.parametrize("body", NOT_ONE_OBJECT.values(), ids=NOT_ONE_OBJECT.keys())
@of_every_route
def test_a_body_that_is_not_one_json_object_is_400(visitor: Visitor, route: Route, body: bytes) -> None:
    answer = visitor.send(route, body)

    assert_refused(answer, route.path, 400)
    assert answer.seconds < 5


DEEP: Final[Mapping[str, bytes]] = {
    "7,000 brackets": b'{"x": ' + b"[" * 7000 + b"]" * 7000 + b"}",
    "1,600 objects": b'{"x":' * 1600 + b"1" + b"}" * 1600,
}


@pytest.mark.covers("F46")
@pytest.mark.parametrize("body", DEEP.values(), ids=DEEP.keys())
@of_every_route
def test_a_member_nested_deep_is_refused_though_nobody_reads_it(visitor: Visitor, route: Route, body: bytes) -> None:
    assert_refused(visitor.send(route, body), route.path, 400)


OTHER_TYPES: Final = (
    FORM,
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/json",
    "application/xml",
    "application/x-json",
    "application/jsonp",
    "application/json-patch+json",
    "application/json, text/plain",
    "application",
    ";",
    "json",
    "application/json; charset=latin1",
    "application/json;charset=utf-16",
    'application/json; charset="iso-8859-1"',
)


@pytest.mark.covers("140")
@pytest.mark.parametrize("content_type", OTHER_TYPES)
@of_every_route
def test_a_body_that_is_called_something_else_is_415(visitor: Visitor, route: Route, content_type: str) -> None:
    answer = visitor.send(route, json.dumps(BODIES.get(route.path, {})).encode(), content_type=content_type)

    assert_refused(answer, route.path, 415)


@pytest.mark.parametrize(
    "content_type",
    [JSON, "Application/JSON", "application/json; charset=UTF-8", 'application/json;charset="utf8"', None],
)
@of_every_post
def test_json_may_be_called_json_in_every_way(visitor: Visitor, route: Route, content_type: str | None) -> None:
    answer = visitor.send(route, b"{}", content_type=content_type)

    assert answer.status in {200, 400, 401}
    assert_sound(answer)


@pytest.mark.covers("F46")
@pytest.mark.parametrize("content_type", [JSON, FORM, None])
@pytest.mark.parametrize(
    "body", [b'{"x": "%s"}' % (b"x" * 20_000), b"x" * (LARGEST_BODY + 1), b" " * 200_000 + b"{}"], ids=len
)
@of_every_route
def test_a_body_over_16_kib_is_413(visitor: Visitor, route: Route, body: bytes, content_type: str | None) -> None:
    assert_refused(visitor.send(route, body, content_type=content_type), route.path, 413)


@of_every_post
def test_a_body_of_16_kib_is_read(visitor: Visitor, route: Route) -> None:
    body = b'{"x": "%s"}' % (b"x" * (LARGEST_BODY - 9))
    assert len(body) == LARGEST_BODY

    assert visitor.send(route, body).status in {200, 400, 401}


@of_every_post
def test_no_body_is_an_empty_one(visitor: Visitor, route: Route) -> None:
    nothing, empty = visitor.send(route, None, content_type=None), visitor.send(route, b"{}")

    assert nothing.status == empty.status
    if empty.status != 200:
        assert nothing.raw == empty.raw
        assert_refused(nothing, route.path, 401 if route.path == "/api/auth/google" else 400)


# --- fields -----------------------------------------------------------------------------------------------------------

WRONG_TYPES: Final[tuple[object, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**300,
    [],
    ["x"],
    {},
    {"$gt": ""},
    [None],
    "",
)


@pytest.mark.covers("136")
@of_every_post
def test_a_field_of_another_type_is_400(visitor: Visitor, route: Route) -> None:
    for field in BODIES[route.path]:
        for value in WRONG_TYPES:
            if value is None and field in OPTIONAL.get(route.path, ()):
                continue

            answer = visitor.send(route, json.dumps({**BODIES[route.path], field: value}).encode())

            assert_refused(answer, route.path, 400)
            assert field.encode() in answer.raw or route.path.startswith("/auth/v1/"), (field, value)


ODD_TEXTS: Final = (
    "x" * 12_000,
    "\0",
    "\r\nSet-Cookie: a=b",
    "' OR '1'='1",
    "<script>alert(1)</script>",
    "\u202e\u200b\ufeff",
    "e\u0301" * 200,
    "${jndi:ldap://localhost/a}",
    "(" * 3000 + "a" * 3000 + "!",
    "a@" + "a." * 3000,
)


@of_every_post
def test_odd_text_in_a_field_is_taken_as_text(world: World, route: Route) -> None:
    person = world.register()  # whose guesses are counted
    for field in BODIES[route.path]:
        for text in ODD_TEXTS:
            unused = {"email": world.email()} if "email" in BODIES[route.path] else {}
            visitor = Visitor(replace(world, client=world.new_client()), person)

            answer = visitor.send(route, json.dumps({**BODIES[route.path], **unused, field: text}).encode())

            assert answer.seconds < 2, (field, text[:40])
            if answer.status in {400, 401}:
                assert_refused(answer, route.path, answer.status)
            else:
                assert answer.status in {200, 201}, (field, text[:40], answer.raw)
                assert route.path.endswith("/register"), (field, text[:40], answer.raw)
                assert_sound(answer)


@of_every_post
def test_unknown_members_are_ignored(visitor: Visitor, route: Route) -> None:
    unknown = {"__proto__": {"x": 1}, "constructor": "x", "": 1, "$where": "1", "email ": 7, "a.b": [{}], "ünï": None}

    plain = visitor.send(route, json.dumps({**BODIES[route.path]}).encode())
    more = visitor.send(route, json.dumps({**BODIES[route.path], **unknown}).encode())

    if plain.status == 429 or more.status == 429:
        assert route.path in {"/auth/otp", "/api/auth/forgot-password"}
    else:
        assert more.status == plain.status
        assert more.json.keys() == plain.json.keys()


@pytest.mark.covers("62")
@of_every_post
def test_fields_in_the_query_are_not_read(visitor: Visitor, route: Route) -> None:
    nothing = visitor.send(route, None, content_type=None)

    answer = visitor.send(route, None, content_type=None, query=urlencode(BODIES[route.path]))
    form = visitor.send(route, b"{}", query=urlencode(BODIES[route.path]))

    assert answer.status == form.status == nothing.status


def test_a_password_in_the_query_signs_nobody_in(world: World, resident: Person) -> None:
    query = urlencode({"email": resident.email, "username": resident.email, "password": resident.password})

    for path in ("/api/auth/login", "/auth/login_with_email_password", "/auth/verify_legacy_password"):
        for answer in (world.client.post(f"{path}?{query}", {}), world.client.post_nothing(f"{path}?{query}")):
            assert answer.status == 400
        assert world.client.get(f"{path}?{query}").status == 405


# --- methods and paths ------------------------------------------------------------------------------------------------

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get")


@pytest.mark.covers("141")
@pytest.mark.parametrize("method", METHODS)
@of_every_route
def test_another_method_is_405_and_says_which_there_is(visitor: Visitor, route: Route, method: str) -> None:
    if method == route.method:
        return

    answer = visitor.send(route, None, content_type=None, method=method)

    assert answer.status == 405
    assert answer.headers["allow"] == route.method
    if method == "HEAD":
        assert answer.raw == b""
        assert_silent(answer)
    else:
        assert_refused(answer, route.path, 405)


@of_every_route
def test_a_header_does_not_change_the_method(visitor: Visitor, route: Route) -> None:
    names = ("x-http-method-override", "x-http-method", "x-method-override")
    other = "POST" if route.method == "GET" else "GET"

    answer = visitor.send(
        route,
        None,
        content_type=None,
        method=other,
        query="_method=" + route.method,
        headers=dict.fromkeys(names, route.method),
    )

    assert_refused(answer, route.path, 405)


UNKNOWN_PATHS: Final = (
    "/",
    "/api",
    "/api/",
    "/api/auth",
    "/api/auth/",
    "/api/auth/login/",
    "/api/auth/login/x",
    "/api/auth/login.json",
    "/api/auth/login;x=1",
    "/api/auth/login%00",
    "/api/auth/login%20",
    "/api/auth/login%2f",
    "/api/auth/login%0d%0aset-cookie:a=b",
    "/api/auth/./login",
    "/api/auth/../auth/login",
    "/api/auth/%2e%2e/auth/login",
    "/api/auth/..%2fauth/login",
    "/api//auth/login",
    "//api/auth/login",
    "/API/auth/login",
    "/api/auth/LOGIN",
    "/api/auth/%ff%fe",
    "/api/auth/{proxy+}",
    "/api/auth/$default",
    "/auth",
    "/auth/",
    "/auth/otp/",
    "/auth//otp",
    "/auth/login",
    "/auth/OTP",
    "/auth/v1",
    "/auth/v1/",
    "/auth/v1/token/",
    "/auth/v1/admin/users",
    "/auth/v2/token",
    "/authorizer",
    "/default",
    "/mailer",
    "/.env",
    "/.git/config",
    "/docs",
    "/openapi.json",
    "/metrics",
    "/local",
    "/local/config.json",
    "/" + "a" * 8000,
)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize("path", UNKNOWN_PATHS, ids=lambda path: path[:40])
def test_an_unknown_path_is_404_in_the_contract_it_lies_under(client: Client, path: str, method: str) -> None:
    assert_refused(client.request(method, path), path, 404)


def test_bytes_that_are_no_ascii_in_a_path_are_404(client: Client) -> None:
    answer = client.send(b"GET /api/auth/\xc3\xbc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.status in {400, 404}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_a_body_at_an_unknown_path_is_held_to_the_same_rules(client: Client, method: str) -> None:
    answer = client.request(method, "/auth/nowhere", body=b"x" * 20_000, headers={"content-type": JSON})

    assert answer.status in {404, 413}
    assert_refused(answer, "/auth/nowhere", answer.status)


# --- headers ----------------------------------------------------------------------------------------------------------

ODD_HEADERS: Final[Mapping[str, Mapping[str, str]]] = {
    "accept": {"accept": "text/html, application/xml;q=0.9, image/*"},
    "accept-language": {"accept-language": "x" * 5000 + ";q=" + "9" * 1000},
    "accept-encoding": {"accept-encoding": "gzip, br, nonsense;q=7"},
    "user-agent": {"user-agent": "${jndi:ldap://localhost}" * 50},
    "user-agent outside ASCII": {"user-agent": "m\u00f6b\u00e4l \u00ff"},
    "no user-agent": {"user-agent": ""},
    "cookies": {"cookie": "a=b; =; ;;; access_token=x; " + "c=d; " * 500},
    "host": {"host": "evil.example.com"},
    "forwarded": {
        "x-forwarded-for": "1.2.3.4, ::1, nonsense",
        "x-forwarded-host": "evil.example.com",
        "forwarded": "for=_x",
    },
    "origin": {"origin": "https://evil.example.com"},
    "null origin": {"origin": "null"},
    "100 headers": {f"x-{number}": "y" for number in range(100)},
    "7 KB": {"x-large": "x" * 7000},
    "expect": {"expect": "100-continue"},
    "conditions": {"if-match": "*", "if-none-match": "*", "range": "bytes=0-1", "if-modified-since": "yesterday"},
    "content-encoding": {"content-encoding": "gzip"},
}


@pytest.mark.parametrize("headers", ODD_HEADERS.values(), ids=ODD_HEADERS.keys())
@of_every_route
def test_odd_headers_change_nothing(visitor: Visitor, route: Route, headers: Mapping[str, str]) -> None:
    answer = visitor.send(route, b"{", headers=headers)

    assert_refused(answer, route.path, 400)
    assert "evil" not in answer.raw.decode()


@of_every_route
def test_a_head_over_10_kb_is_the_gateways_431(visitor: Visitor, route: Route) -> None:
    answer = visitor.send(route, None, headers={"x-large": "x" * 11_000})

    assert answer.status == 431
    assert answer.json == {"message": "Request Header Fields Too Large"}


@of_every_post
def test_a_body_in_chunks_is_a_body(client: Client, route: Route) -> None:
    request = (
        f"POST {route.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n1\r\n[\r\n1\r\n]\r\n0\r\n\r\n"
    )

    assert_refused(client.send(request.encode()), route.path, 400)


# --- tokens and keys --------------------------------------------------------------------------------------------------

BEARER_ROUTES: Final = tuple(
    route for route in ROUTES if route.path.endswith(("/logout", "/me", "/change-password", "/organization"))
)


def _segment(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def junk_tokens(good: str, kid: str) -> list[str]:
    """Tokens that are none, some with the payload of a good one."""
    header, payload, signature = good.split(".")
    headers: list[object] = [
        {"alg": "none", "kid": kid},
        {"alg": "None", "kid": kid},
        {"alg": "nOnE"},
        {"alg": "HS512", "kid": kid},
        {"alg": "RS256", "kid": kid},
        {"alg": "ES256", "kid": kid},
        {"alg": "HS256"},
        {"alg": "HS256", "kid": "../../../../dev/null"},
        {"alg": "HS256", "kid": "' UNION SELECT 'x"},
        {"alg": "HS256", "kid": [kid]},
        {"alg": "HS256", "kid": {"x": 1}},
        {"alg": "HS256", "kid": None},
        {"alg": "HS256", "kid": kid, "jwk": {"kty": "oct", "k": "AAAA"}},
        {"alg": "HS256", "kid": kid, "jku": "http://127.0.0.1:1/keys"},
        {"alg": "HS256", "kid": kid, "crit": ["x"], "x": 1},
        {"alg": "HS256", "kid": kid, "b64": False, "crit": ["b64"]},
        {"alg": "HS256", "kid": kid, "zip": "DEF"},
        {"alg": ["HS256"], "kid": kid},
        {"alg": 7, "kid": kid},
        {},
        [],
        None,
        b"{",
        b"\xff",
        b"[" * 2000,
    ]
    return [
        *("null", "undefined", "true", "a.b.c", "...", "..", ".", "eyJ", "eyJ.eyJ.eyJ", "x" * 5000, "-_-._-_.-_-"),
        *(f"{_segment(other)}.{payload}.{signature}" for other in headers),
        *(f"{_segment(other)}.{payload}." for other in headers[:3]),
        f"{good}.{signature}",
        good[:-1],
        good[1:],
        good.swapcase(),
        f"{header}.{_segment([])}.{signature}",
        f"{header}.{_segment(b'{')}.{signature}",
    ]


@pytest.mark.parametrize("route", BEARER_ROUTES, ids=str)
def test_a_junk_token_is_401(world: World, resident: Person, route: Route) -> None:
    kid = jwt.get_unverified_header(resident.access_token)["kid"]
    body = json.dumps(BODIES.get(route.path, {})).encode() if route.method == "POST" else None

    for token in junk_tokens(resident.access_token, kid):
        answer = world.client.request(
            route.method,
            route.path,
            body=body,
            headers={
                "authorization": f"Bearer {token}",
                "x-organization-id": resident.organization_id,
                "content-type": JSON,
            },
        )

        if route.authorizer is None:
            assert_refused(answer, route.path, 401)
            assert answer.headers["www-authenticate"] == "Bearer"
        else:
            assert (answer.status, answer.json) == (401, {"message": "Unauthorized"}), token[:80]
    assert world.is_signed_in(resident.access_token)


@pytest.mark.parametrize("apikey", ["", "x", "null", "x" * 5000, "\u00fc\u00ff", "sb_secret_guess", "Bearer x", "a,b"])
def test_a_junk_key_is_401(client: Client, apikey: str) -> None:
    token = client.post("/auth/v1/token?grant_type=refresh_token", {"refresh_token": "x"}, apikey=apikey)
    google = client.post("/api/auth/google", {"google_id": "g", "email": "a@example.com", "name": "A"}, apikey=apikey)

    assert_refused(token, "/auth/v1/token", 401)
    assert_refused(google, "/api/auth/google", 401)


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
