"""What tests over HTTP do all the time: register people, read mail, look behind the wall."""

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
from tests.wire.server import BackDoor, Server
from tests.wire.shapes import claims_of

PASSWORD: Final = "Correct-horse-42"
OTHER_PASSWORD: Final = "Battery-staple-43"
MAIL_SECONDS: Final = 10.0
STACK: Final = "gerbang-local"

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody registered, and the session they were given."""

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
        """The one line of the text that is six digits."""
        [code] = self.codes
        return code

    @property
    def codes(self) -> list[str]:
        """The lines of the text that are six digits."""
        return [line for line in self.text.splitlines() if len(line) == 6 and line.isdecimal()]

    @property
    def link(self) -> str:
        """The one line of the text that is a link, without the server's address."""
        [link] = [line for line in self.text.splitlines() if line.startswith("http")]
        parts = urlsplit(link)
        return f"{parts.path}?{parts.query}"

    @property
    def link_token(self) -> str:
        """The token of that link."""
        [token] = parse_qs(urlsplit(self.link).query)["token"]
        return token

    @property
    def reset_token(self) -> str:
        """The one line of the text that is a reset token."""
        [token] = self.reset_tokens
        return token

    @property
    def reset_tokens(self) -> list[str]:
        """The lines of the text that are reset tokens."""
        return [line for line in self.text.splitlines() if len(line) == 65 and " " not in line]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A deployment, and a client of its own for each test."""

    server: Server
    door: BackDoor
    client: Client
    new_client: Callable[[], Client]

    # --- people -------------------------------------------------------------------------------------------------------

    def email(self) -> str:
        return f"person-{next(_numbers)}@example.com"

    def username(self) -> str:
        return f"person.{next(_numbers)}"

    def register(self, *, email: str = "", password: str = PASSWORD, name: str = "Ada Lovelace") -> Person:
        """Register somebody at BotLaunch, with an organisation of their own."""
        asked = {"email": email or self.email(), "password": password, "name": name}
        answer = self.new_client().post("/api/auth/register", asked)
        assert answer.status == 201, answer.raw
        return Person(
            **asked,
            organization_id=answer.data["organization"]["id"],
            access_token=answer.data["accessToken"],
            refresh_token=answer.data["refreshToken"],
        )

    def register_by_username(self, *, username: str = "", email: str = "", password: str = PASSWORD) -> Person:
        """Register somebody at SnapOTP."""
        asked = {
            "username": username or self.username(),
            "email": email or self.email(),
            "password": password,
            "name": "Grace Hopper",
        }
        answer = self.new_client().post("/api/auth/register", asked)
        assert answer.status == 201, answer.raw
        return Person(**asked, access_token=answer.data["token"], refresh_token=answer.data["refresh_token"])

    def register_without_session(
        self, *, email: str = "", password: str = PASSWORD, name: str = "Alan Turing"
    ) -> tuple[str, Mail]:
        """Register somebody at Atourin; return their address and the mail that came of it."""
        asked = {"email": email or self.email(), "password": password, "name": name}
        answer = self.new_client().post("/auth/register", asked)
        assert answer.status == 200, answer.raw
        return asked["email"], self.mail(asked["email"])

    def inherit(self, password_hash: str, *, email: str = "", name: str = "Ada Lovelace") -> str:
        """Put an account into the tables as an import does, with the hash of an old system; return its address."""
        email = email or self.email()
        now = datetime.now(UTC)
        self.keep(
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
        """Return an ID token of the stand-in for Google; *claims* take the place of the usual ones."""
        asked = {"email": email, "name": name, "google_id": google_id or f"google-{next(_numbers)}", **claims}
        answer = self.client.post("/_local/google/id_token", asked)
        assert answer.status == 200, answer.raw
        return str(answer.json["id_token"])

    def me(self, access_token: str) -> Answer:
        return self.client.get("/api/auth/me", bearer=access_token)

    def is_signed_in(self, access_token: str) -> bool:
        """Say whether a token opens its account; anything but yes and 401 fails the test."""
        answer = self.me(access_token)
        assert answer.status in {200, 401}, answer.raw
        return answer.status == 200

    def can_sign_in(self, email: str, password: str) -> bool:
        """Say whether a password opens an account; anything but yes and 400 fails the test."""
        answer = self.new_client().post("/auth/login_with_email_password", {"email": email, "password": password})
        assert answer.status in {200, 400}, answer.raw
        return answer.status == 200

    def refresh(self, refresh_token: str, *, client: Client | None = None) -> Answer:
        return (client or self.client).post("/api/auth/refresh", {"refreshToken": refresh_token})

    # --- mail ---------------------------------------------------------------------------------------------------------

    def mails(self, email: str) -> list[Mail]:
        """Every mail to an address, the newest last."""
        return [Mail(**mail) for mail in self.door.ask("mails", email, {})]

    def mail(self, email: str, *, nth: int = 1, having: Callable[[Mail], object] = lambda _: True) -> Mail:
        """The *nth* mail to an address, of those that have something; waited for."""
        deadline = time.monotonic() + MAIL_SECONDS
        while time.monotonic() < deadline:
            mails = [mail for mail in self.mails(email) if having(mail)]
            if len(mails) >= nth:
                return mails[nth - 1]
            time.sleep(0.02)
        raise AssertionError(f"mail {nth} to {email} did not arrive")

    def request_code(self, email: str) -> Mail:
        """Ask for a sign-in code as nobody else does; return the mail with it."""
        before = sum(bool(mail.codes) for mail in self.mails(email))
        answer = self.new_client().post("/auth/otp", {"email": email})
        assert answer.status == 200, answer.raw
        return self.mail(email, nth=before + 1, having=lambda mail: mail.codes)

    def request_reset(self, email: str) -> str:
        """Ask for a password reset as nobody else does; return the token that was mailed."""
        before = sum(bool(mail.reset_tokens) for mail in self.mails(email))
        answer = self.new_client().post("/api/auth/forgot-password", {"email": email})
        assert answer.status == 200, answer.raw
        return self.mail(email, nth=before + 1, having=lambda mail: mail.reset_tokens).reset_token

    def end_cooldown(self, kind: MailKind, email: str) -> None:
        """Let an address be mailed again at once, as after a minute."""
        self.remove("RateLimits", pk=f"mail_minute#{digest(f'{kind} {email}')}")

    # --- behind the wall ----------------------------------------------------------------------------------------------

    def api_keys(self) -> dict[str, str]:
        keys: dict[str, str] = self.client.get("/_local/config.json").json
        return keys

    def account(self, user_id: str) -> dict[str, Any]:
        """The stored item of an account."""
        item = self.item("Users", pk=f"USER#{user_id}", sk="ACCOUNT")
        assert item is not None
        return item

    def account_of(self, email: str) -> dict[str, Any]:
        """The stored item of whoever has an address."""
        marker = self.item("Users", pk=f"EMAIL#{email}", sk="-")
        assert marker is not None
        return self.account(marker["user_id"])

    def item(self, table: str, **key: str) -> dict[str, Any] | None:
        wire_key = {name: {"S": value} for name, value in key.items()}
        asked = {"TableName": f"{STACK}-{table}", "Key": wire_key, "ConsistentRead": True}
        answer = self.door.ask("dynamodb", "GetItem", asked)
        return dict(from_wire(answer["Item"])) if "Item" in answer else None

    def items(self, table: str) -> list[dict[str, Any]]:
        answer = self.door.ask("dynamodb", "Scan", {"TableName": f"{STACK}-{table}"})
        return [dict(from_wire(item)) for item in answer["Items"]]

    def set(self, table: str, key: Mapping[str, str], **values: Value) -> None:
        """Change attributes of an item."""
        for name, value in values.items():
            self.door.ask(
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
        self.door.ask("dynamodb", "DeleteItem", {"TableName": f"{STACK}-{table}", "Key": to_wire(key)})

    def keep(self, user: User) -> None:
        """Write an account with its markers."""
        for put in UserTable(MemoryStore(), f"{STACK}-Users").creation(user).values():
            item = to_wire({**put.key.attributes, **put.item})
            self.door.ask("dynamodb", "PutItem", {"TableName": put.key.table, "Item": item})

    def forge(self, access_token: str, **claims: object) -> str:
        """Return an access token with other claims, signed with the deployment's own key; None takes one away."""
        secret = self.door.ask("secretsmanager", "GetSecretValue", {"SecretId": f"{STACK}-MasterSecret"})
        key = MasterKey.from_secret(secret["SecretString"])
        changed = {name: value for name, value in (claims_of(access_token) | claims).items() if value is not None}
        return jwt.encode(changed, key.derive(Purpose.ACCESS_TOKEN), algorithm="HS256", headers={"kid": key.kid})
