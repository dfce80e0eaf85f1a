"""Requests to the Supabase Auth API, as its official clients send them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from tests.wire.client import Answer
from tests.wire.world import World

USER: Final = "/auth/v1/user"
SITE: Final = "http://localhost:3000"
"""The default target of links."""

ALWAYS_SENT: Final = {
    "gotrue_meta_security": {"captcha_token": None},
    "code_challenge": None,
    "code_challenge_method": None,
}
"""Fields that the JavaScript client sends with every request for a mail."""


def post(world: World, name: str, body: object, **headers: str) -> Answer:
    return world.client.post(f"/auth/v1/{name}", body, apikey=world.publishable_key, **headers)


def call(
    world: World,
    method: str,
    path: str,
    token: str | None,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Answer:
    """Send a request with the headers of the official clients, which send a media type even without a body."""
    usual = {
        "apikey": world.publishable_key,
        "content-type": "application/json;charset=UTF-8",
        **({} if token is None else {"authorization": f"Bearer {token}"}),
        **headers,
    }
    return world.client.request(method, path, body=body, headers=usual)


def get_user(world: World, token: str | None, headers: Mapping[str, str] = MappingProxyType({})) -> Answer:
    return call(world, "GET", USER, token, headers=headers)


def set_verified(world: World, user_id: str) -> None:
    """Mark the address of an account as verified."""
    world.set_account(user_id, email_verified_at=1_700_000_000)


# One-time codes


def request_mail(world: World, name: str, email: str, **more: object) -> None:
    """Request a mail from a new client. The response does not depend on whether a mail is sent."""
    body = {**ALWAYS_SENT, "email": email, **more}
    answer = world.new_client().post(f"/auth/v1/{name}", body, apikey=world.publishable_key)
    assert (answer.status, answer.json) == (200, {})


def verify(world: World, email: str, token: str, kind: str = "email") -> Answer:
    body = {"gotrue_meta_security": {}, "email": email, "token": token, "type": kind}
    return post(world, "verify?redirect_to=https%3A%2F%2Fapp.example.com", body)


def other_code(code: str) -> str:
    """Return a code that differs from *code*."""
    return "000000" if code != "000000" else "000001"


def new_user(world: World, **more: object) -> tuple[str, Answer]:
    """Create an account with a one-time code. Return its address and the session."""
    email = world.email()
    request_mail(world, "otp", email, **more)
    answer = verify(world, email, world.mail(email).code)
    assert answer.status == 200, answer.raw
    return email, answer


# Links


def new_link(world: World, **more: object) -> tuple[str, str]:
    """Request a link for a new address. Return the address and the link."""
    email = world.email()
    request_mail(world, "otp", email, **more)
    return email, world.mail(email).link


def follow(world: World, link: str, method: str = "GET") -> Answer:
    """Open a link without an API key, as browsers do."""
    return world.client.request(method, link)


def fragment_of(answer: Answer) -> dict[str, str]:
    """Return the parameters in the fragment of a redirect."""
    assert answer.status == 303, answer.raw
    return dict(parse_qsl(urlsplit(answer.headers["location"]).fragment, keep_blank_values=True))


def query_of(answer: Answer) -> dict[str, str]:
    """Return the parameters in the query of a redirect."""
    assert answer.status == 303, answer.raw
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query, keep_blank_values=True))
