"""CORS: preflight requests on every path, and CORS headers on every answer, including errors."""

import pytest

from tests.wire.client import Client
from tests.wire.routes import PATHS
from tests.wire.world import Person, World

ORIGIN = "https://app.example.com"
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
CLIENTS_SEND = {
    "apikey",
    "authorization",
    "baggage",
    "content-type",
    "accept-language",
    "traceparent",
    "tracestate",
    "x-client-info",
    "x-organization-id",
    "x-supabase-api-version",
}
CLIENTS_READ = {"retry-after", "x-supabase-api-version", "x-total-count", "link"}


def listed(header: str) -> set[str]:
    return {name.strip() for name in header.split(",")}


@pytest.mark.parametrize("path", [*PATHS, "/nowhere", "/auth/nowhere", "/auth/v1/nowhere"])
def test_a_preflight_is_answered_on_every_path(client: Client, path: str) -> None:
    answer = client.request(
        "OPTIONS",
        path,
        headers={
            "origin": ORIGIN,
            "access-control-request-method": "POST",
            "access-control-request-headers": "apikey,authorization,content-type,traceparent,x-organization-id",
        },
    )

    assert answer.status in {200, 204}
    assert answer.raw == b""
    assert answer.headers["access-control-allow-origin"] == "*"
    assert listed(answer.headers["access-control-allow-methods"]) == METHODS
    assert listed(answer.headers["access-control-allow-headers"]) >= CLIENTS_SEND
    assert int(answer.headers["access-control-max-age"]) > 0
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
def test_an_error_has_cors_headers(client: Client, path: str) -> None:
    unknown = "PUT" if path.startswith("/api/organization") else "PATCH"

    answer = client.request(unknown, path, headers={"origin": ORIGIN})

    assert answer.status == 405
    assert answer.headers["access-control-allow-origin"] == "*"
    assert listed(answer.headers["access-control-expose-headers"]) >= CLIENTS_READ
    assert "access-control-allow-credentials" not in answer.headers


def test_retry_after_is_an_exposed_header(world: World) -> None:
    world.client.post("/auth/otp", {"email": "cors@example.com"})

    answer = world.client.post("/auth/otp", {"email": "cors@example.com"}, origin=ORIGIN)

    assert answer.status == 429
    assert "retry-after" in listed(answer.headers["access-control-expose-headers"])


def test_a_successful_answer_has_cors_headers(client: Client, shared_person: Person) -> None:
    answer = client.get("/api/auth/me", bearer=shared_person.access_token, origin=ORIGIN)

    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("origin", ["null", "https://evil.example.com", "file://", "x" * 500])
def test_the_origin_is_not_echoed(client: Client, origin: str) -> None:
    answer = client.get("/api/auth/me", origin=origin)

    assert answer.headers["access-control-allow-origin"] == "*"
    assert origin not in str(answer.headers)


def test_without_an_origin_there_are_no_cors_headers(client: Client, shared_person: Person) -> None:
    answer = client.get("/api/auth/me", bearer=shared_person.access_token)

    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_options_without_preflight_headers_is_405(client: Client) -> None:
    assert client.request("OPTIONS", "/api/auth/login").status == 405
    assert client.request("OPTIONS", "/api/auth/login", headers={"origin": ORIGIN}).status == 405
