"""Authorizers in the HTTP API of `make run`."""

import time
from typing import Any

import pytest

from tests.local.gateway_service import Handler, Service, echo, event_from, raising

IDENTITY = {"authorization": "Bearer x", "x-organization-id": "org_1"}


@pytest.mark.parametrize("missing", ["authorization", "x-organization-id"])
@pytest.mark.parametrize("value", [None, ""])
def test_without_every_identity_source_the_authorizer_is_not_invoked(missing: str, value: str | None) -> None:
    headers = {name: text for name, text in (IDENTITY | {missing: value}).items() if text is not None}

    answer = Service(guard=lambda _event, _context: pytest.fail("it was invoked"), guarded=echo).ask(
        "/guarded", headers=headers
    )

    assert (answer.status, answer.message) == (401, "Unauthorized")


def test_an_authorized_request_has_the_authorizers_context() -> None:
    events = []

    def guard(event: Any, _context: Any) -> Any:
        events.append(event)
        return {"isAuthorized": True, "context": {"userId": "1", "scopes": ["a"]}}

    answer = Service(guard=guard, guarded=echo).ask("/guarded", headers=IDENTITY, body=b"{}")

    assert event_from(answer)["requestContext"]["authorizer"] == {"lambda": {"userId": "1", "scopes": ["a"]}}
    assert events[0]["identitySource"] == ["Bearer x", "org_1"]
    assert events[0]["routeKey"] == "POST /guarded"


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        ({"isAuthorized": False}, 403, "Forbidden"),
        ({}, 500, "Internal Server Error"),
        (None, 500, "Internal Server Error"),
        ({"isAuthorized": "true"}, 500, "Internal Server Error"),
    ],
)
def test_an_authorizers_result_is_interpreted_as_by_aws(answer: object, status: int, message: str) -> None:
    response = Service(guard=lambda _event, _context: answer, guarded=echo).ask("/guarded", headers=IDENTITY)

    assert (response.status, response.message) == (status, message)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("Unauthorized", 401, "Unauthorized"),
        ("unauthorized", 500, "Internal Server Error"),
        ("boom", 500, "Internal Server Error"),
    ],
)
def test_only_the_exception_text_unauthorized_is_a_401(words: str, status: int, message: str) -> None:
    response = Service(guard=raising, guarded=echo).ask("/guarded", headers=IDENTITY | {"say": words})

    assert (response.status, response.message) == (status, message)


@pytest.fixture
def counted() -> tuple[Handler, list[int]]:
    calls = [0]

    def guard(_event: Any, _context: Any) -> Any:
        calls[0] += 1
        return {"isAuthorized": True, "context": {"call": calls[0]}}

    return guard, calls


def test_an_authorizers_result_is_cached_by_identity(counted: tuple[Handler, list[int]]) -> None:
    guard, calls = counted
    service = Service(guard=guard, guarded=echo, remembered_seconds=1)

    first = service.ask("/guarded", headers=IDENTITY)
    again = service.ask("/guarded", headers=IDENTITY)
    other = service.ask("/guarded", headers=IDENTITY | {"x-organization-id": "org_2"})
    time.sleep(1.05)
    later = service.ask("/guarded", headers=IDENTITY)

    contexts = [event_from(one)["requestContext"]["authorizer"]["lambda"] for one in (first, again, other, later)]
    assert contexts == [{"call": 1}, {"call": 1}, {"call": 2}, {"call": 3}]
    assert calls == [3]


def test_an_authorizer_without_a_cache_is_invoked_every_time(counted: tuple[Handler, list[int]]) -> None:
    guard, calls = counted
    service = Service(guard=guard, guarded=echo)

    for _ in range(3):
        service.ask("/guarded", headers=IDENTITY)

    assert calls == [3]
