"""Live migration: an address without an account signs in with its password of the old system.

Address and password are sent to an endpoint of the operator, in requests signed as Standard Webhooks 1.0 says. If the
password is right, the account is made, with today's hash. (docs/decisions/0034-passwords-of-old-systems.md)
"""

import hmac
import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import field
from datetime import datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import Any, Final, Protocol

from gerbang.accounts.outbound import Outbound, Unanswered
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.user_creation import NewUser, UserCreation
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import LogEvent, Severity
from gerbang.passwords.bcrypt_sha256 import Verdict
from gerbang.passwords.policy import LONGEST
from gerbang.sessions.cached_secret import CachedSecret
from gerbang.storage.accounts import Name, User
from gerbang.storage.users import UserTable

DEADLINE: Final = timedelta(seconds=3)
"""For a whole request."""

FAILURES_THAT_OPEN: Final = 3
"""Failures in a row after which the endpoint is not called for `OPEN_FOR`, then called once more."""

OPEN_FOR: Final = timedelta(seconds=30)

LONGEST_NAME: Final = 200
"""Characters, the same for every account."""

_UNKNOWN_ADDRESS: Final = "nobody@example.invalid"
"""An address that no system has: RFC 2606 reserves the domain."""

_LEAST_SECRET_BYTES: Final = 24  # Standard Webhooks 1.0, "Signature scheme"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldUser:
    """A user of the old system whose password is right."""

    name: str | None = field(default=None, repr=False)
    email_verified: bool = False


class Verifier(Protocol):
    """Verifies passwords of the old system."""

    def verify(self, email: str, password: str) -> OldUser | None:
        """Return the user with this address and password; None if it is wrong, or the old system does not answer."""
        ...


@dataclass(slots=True)
class Circuit:
    """A circuit breaker: after several failures in a row, a service is not called for a while. In this process only."""

    failures: int = 0
    open_until: datetime | None = None
    _lock: Lock = field(default_factory=Lock)

    def admits(self, at: datetime) -> bool:
        """Return whether a call may be made. While the circuit is open, one call may be made every `OPEN_FOR`."""
        with self._lock:
            if self.open_until is None:
                return True
            if at < self.open_until:
                return False
            self.open_until = at + OPEN_FOR
            return True

    def succeed(self) -> None:
        """Record a call that was answered, and close the circuit."""
        with self._lock:
            self.failures, self.open_until = 0, None

    def fail(self, at: datetime) -> bool:
        """Record a call that failed; return whether that opens the circuit."""
        with self._lock:
            self.failures += 1
            if self.failures < FAILURES_THAT_OPEN:
                return False
            self.open_until = at + OPEN_FOR
            return self.failures == FAILURES_THAT_OPEN


@dataclass(frozen=True, kw_only=True)
class EndpointVerifier:
    """Calls the operator's endpoint."""

    url: str
    secret: CachedSecret[str]
    """In base64, with or without the prefix `whsec_` of Standard Webhooks."""
    now: Clock
    new_id: Callable[[], str]
    log_event: LogEvent
    trust: Callable[[], ssl.SSLContext] = ssl.create_default_context
    """Makes the TLS context that verifies certificate and host name."""
    deadline: timedelta = DEADLINE
    circuit: Circuit = field(default_factory=Circuit)

    def verify(self, email: str, password: str) -> OldUser | None:
        """Return the user with this address and password; None if it is wrong, or the endpoint did not answer.

        A failure is logged only: the client's answer is the same as after a wrong password.
        """
        if not self.circuit.admits(self.now()):
            return None
        try:
            answer = _read(self._ask(email, password))
        except (Unanswered, DependencyUnavailable) as failure:
            self.log_event("legacy_verify_failed", Severity.WARNING, why=str(failure))
            if self.circuit.fail(self.now()):
                self.log_event("legacy_verify_suspended", Severity.ERROR)
            return None
        self.circuit.succeed()
        return answer

    @cached_property
    def _outbound(self) -> Outbound:
        return Outbound(context=self.trust(), step_timeout=self.deadline, deadline=self.deadline)

    def _ask(self, email: str, password: str) -> bytes:
        body = json.dumps({"email": email, "password": password}).encode("ascii")
        message_id, timestamp = f"msg_{self.new_id()}", str(to_epoch(self.now()))
        signature = sign(self.secret.get(), message_id, timestamp, body)
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature,
        }
        return self._outbound.post(self.url, body, headers)


def sign(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a message: `v1,` and base64 of an HMAC-SHA-256 (Standard Webhooks 1.0).

    Raises:
        Unanswered: the secret is not 24 bytes or more, in base64.
    """
    try:
        key = b64decode(secret.strip().removeprefix("whsec_"), validate=True)
    except ValueError:
        key = b""
    if len(key) < _LEAST_SECRET_BYTES:
        raise Unanswered("the secret is not 24 bytes or more, in base64")
    digest = hmac.digest(key, b".".join((message_id.encode(), timestamp.encode(), body)), "sha256")
    return f"v1,{b64encode(digest).decode('ascii')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveMigration:
    """Makes the accounts of users of the old system."""

    verifier: Verifier
    creation: UserCreation
    users: UserTable
    log_event: LogEvent
    new_id: Callable[[], str]

    def migrate(self, email: EmailAddress, password: str) -> User | None:
        """Make the account of an address without one, if the password is right in the old system.

        Returns the account, or one that was made meanwhile with the same password; None if the password is wrong, or
        the old system does not answer.

        Raises:
            DependencyUnavailable: the account could not be written.
        """
        if len(password) > LONGEST:
            self.ask_about_unknown()
            return None
        found = self.verifier.verify(email, password)
        if found is None:
            return None
        new = NewUser(
            email=email,
            is_verified=found.email_verified,
            name=found.name or email.partition("@")[0][:LONGEST_NAME],
            password=password,
        )
        try:
            user = self.creation.create(new)
        except EmailTaken:
            return self._find_other(email, password)
        self.log_event("legacy_user_moved_in", user_id=user.user_id)
        return user

    def _find_other(self, email: EmailAddress, password: str) -> User | None:
        """Return the account that another request has made meanwhile, if the password is its own."""
        user = self.users.find_by_name(Name.EMAIL, email)
        if user is None or self.creation.passwords.verify(password, user.password_hash) is not Verdict.RIGHT:
            return None
        return user

    def ask_about_unknown(self) -> None:
        """Ask about an address that no system has, so that the time does not reveal which address has an account."""
        self.verifier.verify(_UNKNOWN_ADDRESS, self.new_id())


def _read(answer: bytes) -> OldUser | None:
    try:
        verdict: Any = json.loads(answer.decode())
    except (ValueError, RecursionError):
        raise Unanswered("answered no JSON") from None
    verified = verdict.get("verified") if isinstance(verdict, dict) else None
    if not isinstance(verified, bool):
        raise Unanswered("answered no verdict: a JSON object with verified, true or false")
    if not verified:
        return None
    name = verdict.get("name")
    name = name.strip() if isinstance(name, str) and name.isprintable() else ""
    usable = name if len(name) <= LONGEST_NAME else ""
    return OldUser(name=usable or None, email_verified=verdict.get("email_verified") is True)
