"""What all scenarios need: a stack, its API, and accounts in different states."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, override
from urllib.parse import parse_qsl, urlsplit

import bcrypt
from gerbang_local.google import StandInIssuer

from tests.deploy.api import Functions, Response, StackApi
from tests.deploy.clients import client
from tests.deploy.stacks import Stack
from tests.http_servers import Handler, serving

PASSWORD: Final = "Violet-tram-42"
NEW_PASSWORD: Final = "Amber-ferry-77"
OTHER_ADDRESS: Final = "198.51.100.7"
ATTEMPTS: Final = 3
"""Failed sign-ins that an account allows, from all addresses."""
CODE: Final = r"\b([0-9]{6})\b"
"""Finds the one-time code in a mail."""


@dataclass(frozen=True, slots=True)
class World:
    """A stack, its API and functions, and Google's stand-in."""

    stack: Stack
    api: StackApi
    issuer: StandInIssuer
    functions: Functions

    def new_person(self) -> Mapping[str, Any]:
        """Register a new account in the BotLaunch API. Return the session and the e-mail address."""
        email = self.api.new_email()
        made = success(self.api.post("/api/auth/register", {"email": email, "password": PASSWORD, "name": "Mira"}))
        return {**made["data"], "email": email}

    def secret_key(self) -> str:
        """Return the API key of trusted back ends."""
        value = client("secretsmanager").get_secret_value(SecretId=self.stack.ids["SecretApiKey"])
        return str(value["SecretString"])

    def publishable_key(self) -> str:
        """Return the API key of clients."""
        return self.stack.outputs()["PublishableKey"]

    def set_legacy_hash(self, email: str) -> None:
        """Give an account a hash of an old system, which the next sign-in replaces."""
        dynamodb, users = client("dynamodb"), self.stack.ids["Users"]
        marker = dynamodb.get_item(TableName=users, Key={"pk": {"S": f"EMAIL#{email}"}, "sk": {"S": "-"}})["Item"]
        dynamodb.update_item(
            TableName=users,
            Key={"pk": {"S": f"USER#{marker['user_id']['S']}"}, "sk": {"S": "ACCOUNT"}},
            UpdateExpression="SET password_hash = :legacy",
            ExpressionAttributeValues={":legacy": {"S": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}},
        )

    def backdate_session(self, access_token: str) -> None:
        """Change a session's start to two days before."""
        payload = access_token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        client("dynamodb").update_item(
            TableName=self.stack.ids["RefreshTokenFamilies"],
            Key={"pk": {"S": claims["sub"]}, "sk": {"S": claims["session_id"]}},
            UpdateExpression="SET created_at = created_at - :two_days",
            ExpressionAttributeValues={":two_days": {"N": str(2 * 86400)}},
        )

    def exhaust_attempts(self, email: str) -> None:
        """Fail to sign in from another address up to the account's limit. Known addresses can still sign in."""
        for _ in range(ATTEMPTS):
            self.api.post("/api/auth/login", {"email": email, "password": "wrong"}, address=OTHER_ADDRESS)
        limited = self.api.post("/api/auth/login", {"email": email, "password": PASSWORD}, address=OTHER_ADDRESS)
        assert limited.status == 429


def sign_in_on_new_devices(world: World, email: str) -> None:
    """Sign in to a verified account from new addresses. Each time, a mail tells its owner."""
    for number, path in enumerate(("api/auth/login", "auth/login_with_email_password", "auth/verify_legacy_password")):
        credentials = {"email": email, "password": PASSWORD}
        success(world.api.post(f"/{path}", credentials, address=f"10.{number}.0.1"))
        assert world.api.read_mail(email, r"(10[.][0-9.]+)") == f"10.{number}.0.1"


def sign_in_header(world: World, email: str) -> dict[str, str]:
    """Sign in, and return the authorization header of the new session."""
    session = success(world.api.post("/api/auth/login", {"email": email, "password": PASSWORD}))["data"]
    return {"authorization": bearer(session["accessToken"])}


def verified_user(world: World) -> dict[str, str]:
    """Register an account and verify its address. Return the headers of its session."""
    api, email = world.api, world.api.new_email()
    success(api.post("/auth/register", {"email": email, "password": PASSWORD, "name": "Mira"}))
    code = api.read_mail(email, CODE)
    session = success(api.post("/auth/verify_otp", {"email": email, "otp": code}))["data"]
    return {"apikey": world.publishable_key(), "authorization": bearer(session["access_token"])}


def verified_email(world: World) -> str:
    """Register an account, verify its address and set its password to PASSWORD. Return the address."""
    api, email = world.api, str(world.new_person()["email"])
    api.deliver_mails()  # the registration's mail contains a code as well
    success(api.post("/auth/otp", {"email": email}))
    success(api.post("/auth/verify_otp", {"email": email, "otp": api.read_mail(email, CODE)}))
    success(api.post("/api/auth/reset-password", {"token": reset_token(world, email), "password": PASSWORD}))
    return email


def link_to(world: World, email: str) -> str:
    """Return the path of the link in the newest mail to an address."""
    return world.api.read_mail(email, r"(?m)^https://api(/\S+)$")


def follow_link(world: World, email: str) -> Mapping[str, str]:
    """Follow the link in the newest mail to an address. Return the parameters of the redirect's fragment."""
    answer = world.api.get(link_to(world, email))
    assert answer.status == 303, answer
    return dict(parse_qsl(urlsplit(answer.location).fragment))


def reset_token(world: World, email: str) -> str:
    """Request a password reset, and return the token from the mail."""
    success(world.api.post("/api/auth/forgot-password", {"email": email}))
    return world.api.read_mail(email, r"(?m)^\s*([A-Za-z0-9_.-]{20,})\s*$")


def sign_in_in_every_way(world: World, path: str, email: str, **headers: str) -> None:
    """Sign in at an endpoint: with a legacy hash, with a wrong password, and from a known address over the limit."""
    api, credentials = world.api, {"email": email, "password": PASSWORD}
    world.set_legacy_hash(email)
    success(api.post(path, credentials, **headers))
    assert api.post(path, credentials | {"password": "wrong"}, **headers).status == 400
    world.exhaust_attempts(email)
    success(api.post(path, credentials, **headers))


def reuse_refresh_token(world: World, refresh: Callable[[str], Response]) -> None:
    """Use a refresh token again after its successor was used. This ends the session."""
    token = world.new_person()["refreshToken"]
    successor = success(refresh(token))
    session = successor.get("data", successor)
    access_token = session.get("token") or session["access_token"]
    success(world.api.get("/api/auth/me", authorization=bearer(access_token)))

    assert refresh(token).status in {400, 401}
    assert world.api.get("/api/auth/me", authorization=bearer(access_token)).status == 401


def success(response: Response) -> Mapping[str, Any]:
    """Check that the response is a success, and return its body."""
    assert response.status in {200, 201}, response
    return response.body


def bearer(token: str) -> str:
    return f"Bearer {token}"


def another_code(code: str) -> str:
    """Return a code that differs from *code*."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


@contextmanager
def serve_json(document: Mapping[str, Any]) -> Iterator[str]:
    """Serve a JSON document on this machine until the block ends. Yield its URL."""

    class Document(Handler):
        @override
        def respond(self, body: bytes) -> None:
            self.reply(json.dumps(document).encode())

    with serving(Document) as port:
        yield f"http://127.0.0.1:{port}/certs"
