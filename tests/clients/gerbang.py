"""What apps and users do with the server of `make run`: create clients, read mails, get Google tokens."""

import itertools
import re
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest
from supabase_auth import SyncGoTrueAdminAPI, SyncGoTrueClient, SyncMemoryStorage
from supabase_auth.constants import STORAGE_KEY
from supabase_auth.errors import AuthApiError
from supabase_auth.types import AuthResponse, EmailOtpType, Session, User, UserResponse

PASSWORD: Final = "Violet-tram-42"
OTHER_PASSWORD: Final = "Amber-ferry-43"
MAIL_SECONDS: Final = 10.0

Client = SyncGoTrueClient

_PREPARED: Final = 6
"""The number of accounts that are created in advance."""

_CODE: Final = re.compile(r"^[0-9]{6}$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Inbox:
    """The mails to an e-mail address, read in order."""

    http: httpx.Client
    address: str = field(default_factory=lambda: f"mira-{uuid.uuid4().hex[:12]}@example.com")
    _read: Iterator[int] = field(default_factory=itertools.count)

    def next_code(self) -> str:
        """Return the code of the next mail that has one; wait until it arrives."""
        number = next(self._read)
        deadline = time.monotonic() + MAIL_SECONDS
        while time.monotonic() < deadline:
            if len(codes := self.codes()) > number:
                return codes[number]
            time.sleep(0.02)
        raise AssertionError(f"no mail with code {number + 1} to {self.address} arrived")

    def next_link(self) -> str:
        """Return the link of the next mail that has a code; wait until it arrives."""
        code = self.next_code()
        mails = self.http.get("/_local/mailbox.json").raise_for_status().json()
        [link] = [
            line
            for mail in mails
            if mail["to"] == self.address and code in mail["text"].splitlines()
            for line in mail["text"].splitlines()
            if line.startswith("http")
        ]
        return str(link)

    def codes(self) -> list[str]:
        """Return the codes of all mails that have arrived."""
        mails = self.http.get("/_local/mailbox.json").raise_for_status().json()
        found = [_CODE.search(mail["text"]) for mail in mails if mail["to"] == self.address]
        return [code[0] for code in found if code is not None]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A client that is signed in, and the inbox of its user."""

    client: Client
    session: Session
    inbox: Inbox

    @property
    def id(self) -> str:
        return self.session.user.id


@dataclass(frozen=True, slots=True)
class Gerbang:
    """A server with the actions of an app and its users."""

    http: httpx.Client
    """Its base URL is the server's."""
    key: str
    secret_key: str
    threads: Executor
    _prepared: deque[Future[SignedIn]] = field(default_factory=deque)

    def new_client(self, session: Session | None = None) -> Client:
        """Return a client as an app creates it. It is signed out, unless it has a session that the app stored."""
        return Client(
            url=str(self.http.base_url.join("/auth/v1")),
            headers={"apikey": self.key, "Authorization": f"Bearer {self.key}"},  # as the package `supabase` sends them
            storage=None if session is None else stored(session),
            auto_refresh_token=False,
            http_client=self.http,  # saves a tenth of a second for reading the certificates
        )

    def new_pkce_client(self) -> Client:
        """Return a client of an app that uses PKCE."""
        return Client(
            url=str(self.http.base_url.join("/auth/v1")),
            headers={"apikey": self.key, "Authorization": f"Bearer {self.key}"},
            auto_refresh_token=False,
            flow_type="pkce",
            http_client=self.http,
        )

    def follow(self, link: str) -> str:
        """Open a link as a browser does. Return the URL of the redirect."""
        answer = self.http.get(link, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def new_admin(self) -> SyncGoTrueAdminAPI:
        """Return the administrator's methods of a client with the secret key."""
        return Client(
            url=str(self.http.base_url.join("/auth/v1")),
            headers={"apikey": self.secret_key, "Authorization": f"Bearer {self.secret_key}"},
            auto_refresh_token=False,
            http_client=self.http,
        ).admin

    def new_inbox(self) -> Inbox:
        """Return the inbox of an address that no account has."""
        return Inbox(self.http)

    def sign_up(self) -> SignedIn:
        """Return a new account with a confirmed address, signed in.

        Accounts are created in advance, because the mail of a sign-up takes a second.
        """
        while len(self._prepared) < _PREPARED:
            self._prepared.append(self.threads.submit(self._sign_up))
        return self._prepared.popleft().result()

    def _sign_up(self) -> SignedIn:
        client, inbox = self.new_client(), self.new_inbox()
        client.sign_up({"email": inbox.address, "password": PASSWORD, "options": {"data": {"nickname": "Mira"}}})
        return SignedIn(client=client, session=session_of(verify(client, inbox, "signup")), inbox=inbox)

    def sign_in(self, address: str, password: str = PASSWORD) -> Client:
        """Return a new client, signed in with a password."""
        client = self.new_client()
        client.sign_in_with_password({"email": address, "password": password})
        return client

    def google_token(self, address: str, **claims: str) -> str:
        """Return an ID token as Google gives it to the app."""
        fields = {"email": address, "name": "Mira Silva", "google_id": uuid.uuid4().hex, **claims}
        return str(self.post("/_local/google/id_token", fields)["id_token"])

    def wait_for_all_mail(self) -> None:
        """Wait until all mails that were requested so far have arrived. Mails arrive in order."""
        inbox = self.new_inbox()
        self.new_client().sign_in_with_otp({"email": inbox.address})
        inbox.next_code()

    def refresh(self, refresh_token: str) -> httpx.Response:
        """Refresh a session without a client."""
        return self.http.post(
            "/auth/v1/token?grant_type=refresh_token",
            json={"refresh_token": refresh_token},
            headers={"apikey": self.key},
        )

    def get(self, path: str, *, bearer: str) -> Any:
        """Return the body of a successful answer of any API."""
        return self.http.get(path, headers={"Authorization": f"Bearer {bearer}"}).raise_for_status().json()

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the body of a successful answer of any API."""
        return self.http.post(path, json=body).raise_for_status().json()


def verify(client: Client, inbox: Inbox, kind: EmailOtpType) -> AuthResponse:
    """Verify the code of the next mail."""
    return client.verify_otp({"email": inbox.address, "token": inbox.next_code(), "type": kind})


def session_of(response: AuthResponse) -> Session:
    """Return the session of an answer that has one."""
    assert response.session is not None
    return response.session


def user_of(response: AuthResponse | UserResponse | None) -> User:
    """Return the user of an answer that has one."""
    assert response is not None
    assert response.user is not None
    return response.user


def stored(session: Session) -> SyncMemoryStorage:
    """Return the storage of an app that is signed in."""
    storage = SyncMemoryStorage()
    storage.set_item(STORAGE_KEY, session.model_dump_json())
    return storage


def method_of(client: Client) -> str:
    """Return the sign-in method in the access token of a client."""
    return str(client.mfa.get_authenticator_assurance_level().current_authentication_methods[0].method)


@contextmanager
def fails(status: int, code: str) -> Iterator[pytest.ExceptionInfo[AuthApiError]]:
    """Check that the block ends with this error of the server."""
    with pytest.raises(AuthApiError) as caught:
        yield caught
    assert (caught.value.status, caught.value.code) == (status, code), caught.value.message
