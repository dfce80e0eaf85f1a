"""CORS in the HTTP API of `make run`."""

from typing import Any

import pytest
from gerbang_local.cors import Cors

from tests.local.gateway_service import ORIGIN, PREFLIGHT, Answer, Service, echo, raising

CORS = Cors(
    origins=(ORIGIN, "http://*"),
    methods=("GET", "POST"),
    headers=("authorization",),
    exposed_headers=("retry-after",),
    max_age_seconds=600,
    allows_credentials=True,
)


def cors_headers(answer: Answer) -> dict[str, str]:
    prefix = "access-control-"
    return {name.removeprefix(prefix): value for name, value in answer.headers.items() if name.startswith(prefix)}


def test_the_gateway_answers_a_preflight_without_a_route() -> None:
    answer = Service(cors=CORS, echo=raising).ask("/echo", method="OPTIONS", headers=PREFLIGHT)

    assert answer.status == 204
    assert answer.body == b""
    assert "content-length" not in answer.headers
    assert cors_headers(answer) == {
        "allow-origin": ORIGIN,
        "allow-credentials": "true",
        "allow-methods": "GET,POST",
        "allow-headers": "authorization",
        "expose-headers": "retry-after",
        "max-age": "600",
    }


def test_a_catch_all_route_receives_preflights() -> None:
    def default(_event: Any, _context: Any) -> Any:
        return {"statusCode": 405, "headers": {"access-control-allow-origin": "https://evil.example"}}

    answer = Service(cors=CORS, with_default=True, default=default).ask("/x", method="OPTIONS", headers=PREFLIGHT)

    assert answer.status == 405
    assert cors_headers(answer)["allow-origin"] == ORIGIN
    assert cors_headers(answer)["allow-methods"] == "GET,POST"


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"origin": ORIGIN}, ORIGIN),
        ({"origin": "http://any.example"}, "http://any.example"),
        ({"origin": "https://app.example.evil"}, None),
        ({"origin": "null"}, None),
        ({}, None),
    ],
)
def test_the_gateways_cors_headers_replace_those_of_the_function(headers: dict[str, str], allowed: str | None) -> None:
    def own(_event: Any, _context: Any) -> Any:
        return {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "https://evil.example"}}

    answer = Service(cors=CORS, own=own).ask("/own", headers=headers)

    assert cors_headers(answer).get("allow-origin") == allowed
    assert ("expose-headers" in cors_headers(answer)) is (allowed is not None)


def test_errors_of_the_gateway_have_cors_headers() -> None:
    answer = Service(cors=CORS, guarded=echo, guard=echo).ask("/guarded", headers={"origin": ORIGIN})

    assert answer.status == 401
    assert cors_headers(answer)["allow-origin"] == ORIGIN


def test_allowing_every_origin_answers_with_a_star() -> None:
    answer = Service(cors=Cors(origins=("*",)), echo=echo).ask("/echo", headers={"origin": ORIGIN})

    assert cors_headers(answer) == {"allow-origin": "*"}


def test_without_cors_settings_a_functions_headers_are_kept() -> None:
    def own(_event: Any, _context: Any) -> Any:
        return {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}}

    service = Service(own=own)

    assert cors_headers(service.ask("/own", headers={"origin": ORIGIN})) == {"allow-origin": "*"}
    assert service.ask("/own", method="OPTIONS", headers=PREFLIGHT).status == 404
