"""Common steps of the tests over HTTP: register accounts, read mails, read and change stored items."""

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import jwt
from gerbang.limits.rate_limits import digest
from gerbang.mail.jobs import MailKind
from gerbang.sessions.keys import MasterKey, Purpose
from gerbang.storage.accounts import User
from gerbang.storage.dynamodb import from_wire, to_wire
from gerbang.storage.store import Value
from gerbang.storage.users import UserTable

from tests.fakes import MemoryStore
from tests.wire.client import Answer, Client
from tests.wire.server import Server, ServerControl
from tests.wire.shapes import claims_of

PASSWORD: Final = "Correct-horse-42"
OTHER_PASSWORD: Final = "Battery-staple-43"
MAIL_SECONDS: Final = 10.0
STACK: Final = "gerbang-local"

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A registered account, and the session of its registration."""

    email: str
    password: str
    name: str
    username: str | None = None
    organization_id: str = ""
    access_token: str
    refresh_token: str

    @property
    def user_id(self) -> str:
        return str(claims_of(self.access_token)["sub"])

    @property
    def session_id(self) -> str:
        return str(claims_of(self.access_token)["session_id"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    to: str
    subject: str
    text: str
    html: str
    at: str

    @property
    def code(self) -> str:
        """The only one-time code in the text."""
        [code] = self.codes
        return code

    @property
    def codes(self) -> list[str]:
        """The one-time codes in the text: lines of six digits."""
        return [line for line in self.text.splitlines() if len(line) == 6 and line.isdecimal()]

    @property
    def link(self) -> str:
        """The path and query of the only link in the text."""
        [link] = [line for line in self.text.splitlines() if line.startswith("http")]
        parts = urlsplit(link)
        return f"{parts.path}?{parts.query}"

    @property
    def link_token(self) -> str:
        """The token in the link."""
        [token] = parse_qs(urlsplit(self.link).query)["token"]
        return token

    @property
    def reset_token(self) -> str:
        """The only reset token in the text."""
        [token] = self.reset_tokens
        return token

    @property
    def reset_tokens(self) -> list[str]:
        """The lines of the text with reset tokens."""
        return [line for line in self.text.splitlines() if len(line) == 65 and " " not in line]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A running server, and a client for one test."""

    server: Server
    control: ServerControl
    client: Client
    new_client: Callable[[], Client]

    # --- people -------------------------------------------------------------------------------------------------------

    def email(self) -> str:
        return f"person-{next(_numbers)}@example.com"

    def username(self) -> str:
        return f"person.{next(_numbers)}"

    def register(self, *, email: str = "", password: str = PASSWORD, name: str = "Ada Lovelace") -> Person:
        """Register an account with an organisation, in the BotLaunch API."""
        request = {"email": email or self.email(), "password": password, "name": name}
        answer = self.new_client().post("/api/auth/register", request)
        assert answer.status == 201, answer.raw
        return Person(
            **request,
            organization_id=answer.data["organization"]["id"],
            access_token=answer.data["accessToken"],
            refresh_token=answer.data["refreshToken"],
        )

    def register_by_username(self, *, username: str = "", email: str = "", password: str = PASSWORD) -> Person:
        """Register an account with a user name, in the SnapOTP API."""
        request = {
            "username": username or self.username(),
            "email": email or self.email(),
            "password": password,
            "name": "Grace Hopper",
        }
        answer = self.new_client().post("/api/auth/register", request)
        assert answer.status == 201, answer.raw
        return Person(**request, access_token=answer.data["token"], refresh_token=answer.data["refresh_token"])

    def register_without_session(
        self, *, email: str = "", password: str = PASSWORD, name: str = "Alan Turing"
    ) -> tuple[str, Mail]:
        """Register an account in the Atourin API. Return its address and the mail with the code."""
        request = {"email": email or self.email(), "password": password, "name": name}
        answer = self.new_client().post("/auth/register", request)
        assert answer.status == 200, answer.raw
        return request["email"], self.mail(request["email"])

    def add_legacy_account(self, password_hash: str, *, email: str = "", name: str = "Ada Lovelace") -> str:
        """Store an account with the password hash of an old system, as an import does. Return its address."""
        email = email or self.email()
        now = datetime.now(UTC)
        self.store_account(
            User(
                user_id=f"{next(_numbers):08x}-0000-4000-8000-000000000000",
                number=2**31 - 1 - next(_numbers),
                name=name,
                email=email,
                password_hash=password_hash,
                created_at=now,
                updated_at=now,
            )
        )
        return email

    def guest(self) -> str:
        """Return the access token of a new guest."""
        answer = self.new_client().post("/auth/login_with_anonymous", {"email": "null", "password": "null"})
        assert answer.status == 200, answer.raw
        return str(answer.data["access_token"])

    def google_token(
        self,
        *,
        email: str,
        google_id: str = "",
        name: str = "Ada Lovelace",
        claims: Mapping[str, object] = MappingProxyType({}),
    ) -> str:
        """Return an ID token of the stand-in for Google. *claims* replace the default ones."""
        request = {"email": email, "name": name, "google_id": google_id or f"google-{next(_numbers)}", **claims}
        answer = self.client.post("/_local/google/id_token", request)
        assert answer.status == 200, answer.raw
        return str(answer.json["id_token"])

    def me(self, access_token: str) -> Answer:
        return self.client.get("/api/auth/me", bearer=access_token)

    def is_signed_in(self, access_token: str) -> bool:
        """Say whether an access token is valid. A status other than 200 and 401 fails the test."""
        answer = self.me(access_token)
        assert answer.status in {200, 401}, answer.raw
        return answer.status == 200

    def can_sign_in(self, email: str, password: str) -> bool:
        """Say whether a password is right. A status other than 200 and 400 fails the test."""
        answer = self.new_client().post("/auth/login_with_email_password", {"email": email, "password": password})
        assert answer.status in {200, 400}, answer.raw
        return answer.status == 200

    def refresh(self, refresh_token: str, *, client: Client | None = None) -> Answer:
        return (client or self.client).post("/api/auth/refresh", {"refreshToken": refresh_token})

    # --- mail ---------------------------------------------------------------------------------------------------------

    def mails(self, email: str) -> list[Mail]:
        """Return all mails to an address, the newest last."""
        return [Mail(**mail) for mail in self.control.call("mails", email, {})]

    def mail(self, email: str, *, nth: int = 1, having: Callable[[Mail], object] = lambda _: True) -> Mail:
        """Wait for the *nth* mail to an address of those that *having* selects, and return it."""
        deadline = time.monotonic() + MAIL_SECONDS
        while time.monotonic() < deadline:
            mails = [mail for mail in self.mails(email) if having(mail)]
            if len(mails) >= nth:
                return mails[nth - 1]
            time.sleep(0.02)
        raise AssertionError(f"mail {nth} to {email} did not arrive")

    def request_code(self, email: str) -> Mail:
        """Request a sign-in code from a new client. Return the mail with it."""
        before = sum(bool(mail.codes) for mail in self.mails(email))
        answer = self.new_client().post("/auth/otp", {"email": email})
        assert answer.status == 200, answer.raw
        return self.mail(email, nth=before + 1, having=lambda mail: mail.codes)

    def request_reset(self, email: str) -> str:
        """Request a password reset from a new client. Return the token from the mail."""
        before = sum(bool(mail.reset_tokens) for mail in self.mails(email))
        answer = self.new_client().post("/api/auth/forgot-password", {"email": email})
        assert answer.status == 200, answer.raw
        return self.mail(email, nth=before + 1, having=lambda mail: mail.reset_tokens).reset_token

    def end_cooldown(self, kind: MailKind, email: str) -> None:
        """Allow another mail to an address at once, without waiting for a minute."""
        self.remove("RateLimits", pk=f"mail_minute#{digest(f'{kind} {email}')}")

    # --- stored items -------------------------------------------------------------------------------------------------

    def api_keys(self) -> dict[str, str]:
        keys: dict[str, str] = self.client.get("/_local/config.json").json
        return keys

    @property
    def publishable_key(self) -> str:
        return self.api_keys()["publishable_key"]

    @property
    def secret_key(self) -> str:
        return self.api_keys()["secret_key"]

    def account(self, user_id: str) -> dict[str, Any]:
        """Return the stored item of an account."""
        item = self.item("Users", pk=f"USER#{user_id}", sk="ACCOUNT")
        assert item is not None
        return item

    def account_of(self, email: str) -> dict[str, Any]:
        """Return the stored item of the account with an address."""
        marker = self.item("Users", pk=f"EMAIL#{email}", sk="-")
        assert marker is not None
        return self.account(marker["user_id"])

    def item(self, table: str, **key: str) -> dict[str, Any] | None:
        wire_key = {name: {"S": value} for name, value in key.items()}
        request = {"TableName": f"{STACK}-{table}", "Key": wire_key, "ConsistentRead": True}
        answer = self.control.call("dynamodb", "GetItem", request)
        return dict(from_wire(answer["Item"])) if "Item" in answer else None

    def items(self, table: str) -> list[dict[str, Any]]:
        answer = self.control.call("dynamodb", "Scan", {"TableName": f"{STACK}-{table}"})
        return [dict(from_wire(item)) for item in answer["Items"]]

    def set_account(self, user_id: str, **values: Value) -> None:
        """Change attributes of an account."""
        self.set("Users", {"pk": f"USER#{user_id}", "sk": "ACCOUNT"}, **values)

    def set(self, table: str, key: Mapping[str, str], **values: Value) -> None:
        """Change attributes of an item."""
        for name, value in values.items():
            self.control.call(
                "dynamodb",
                "UpdateItem",
                {
                    "TableName": f"{STACK}-{table}",
                    "Key": to_wire(key),
                    "UpdateExpression": "SET #n = :v",
                    "ExpressionAttributeNames": {"#n": name},
                    "ExpressionAttributeValues": to_wire({":v": value}),
                },
            )

    def remove(self, table: str, **key: str) -> None:
        self.control.call("dynamodb", "DeleteItem", {"TableName": f"{STACK}-{table}", "Key": to_wire(key)})

    def store_account(self, user: User) -> None:
        """Store an account and its markers."""
        for put in UserTable(MemoryStore(), f"{STACK}-Users").creation(user).values():
            item = to_wire({**put.key.attributes, **put.item})
            self.control.call("dynamodb", "PutItem", {"TableName": put.key.table, "Item": item})

    def forge(self, access_token: str, **claims: object) -> str:
        """Return an access token with other claims, signed with the deployment's key. None removes a claim."""
        secret = self.control.call("secretsmanager", "GetSecretValue", {"SecretId": f"{STACK}-MasterSecret"})
        key = MasterKey.from_secret(secret["SecretString"])
        changed = {name: value for name, value in (claims_of(access_token) | claims).items() if value is not None}
        return jwt.encode(changed, key.derive(Purpose.ACCESS_TOKEN), algorithm="HS256", headers={"kid": key.kid})
