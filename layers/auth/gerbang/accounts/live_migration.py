"""Live migration: an address without an account signs in with the password that the old system knows.

An endpoint of the operator is asked with address and password, in requests signed after Standard Webhooks 1.0; yes
makes the account, with today's hash. (docs/decisions/0034-passwords-of-old-systems.md)
"""

import hmac
import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from threading import Lock
from typing import Any, Final, Protocol

from gerbang.accounts.outbound import Outbound, Unanswered
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.user_creation import NewUser, UserCreation
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import LogEvent, Severity
from gerbang.passwords.bcrypt_sha256 import Verdict
from gerbang.passwords.policy import LONGEST
from gerbang.sessions.cached_secret import CachedSecret
from gerbang.storage.accounts import Name, User
from gerbang.storage.users import UserTable

DEADLINE: Final = timedelta(seconds=3)
"""For one question, all in all."""

FAILURES_THAT_OPEN: Final = 3
"""Failures in a row after which the endpoint is left alone for `OPEN_FOR`, then asked once more."""

OPEN_FOR: Final = timedelta(seconds=30)

LONGEST_NAME: Final = 200
"""Characters, as of every account."""

_NOBODY: Final = "nobody@example.invalid"
"""Whom no system knows: RFC 2606 reserves the domain."""

_LEAST_SECRET_BYTES: Final = 24  # Standard Webhooks 1.0, "Signature scheme"


@dataclass(frozen=True, slots=True, kw_only=True)
class OldUser:
    """What the old system says of a user whose password is right."""

    name: str | None = field(default=None, repr=False)
    email_verified: bool = False


class Verifier(Protocol):
    """Knows the passwords of the old system."""

    def verify(self, email: str, password: str) -> OldUser | None:
        """Return the user whose password this is. None: there is none, or the old system cannot be asked."""
        ...


@dataclass(slots=True)
class Circuit:
    """Leaves a service alone for a while that has failed several times in a row; in this process only."""

    failures: int = 0
    open_until: datetime | None = None
    _lock: Lock = field(default_factory=Lock)

    def admits(self, at: datetime) -> bool:
        """Say whether a call may be made. While the circuit is open, one is, each time its wait has passed."""
        with self._lock:
            if self.open_until is None:
                return True
            if at < self.open_until:
                return False
            self.open_until = at + OPEN_FOR
            return True

    def succeed(self) -> None:
        """Note a call that was answered."""
        with self._lock:
            self.failures, self.open_until = 0, None

    def fail(self, at: datetime) -> bool:
        """Note a call that failed; return whether that opens the circuit."""
        with self._lock:
            self.failures += 1
            if self.failures < FAILURES_THAT_OPEN:
                return False
            self.open_until = at + OPEN_FOR
            return self.failures == FAILURES_THAT_OPEN


@dataclass(frozen=True, kw_only=True)
class EndpointVerifier:
    """Asks the operator's endpoint."""

    url: str
    secret: CachedSecret[str]
    """In base64, perhaps after `whsec_`, as Standard Webhooks has it."""
    now: Clock
    new_id: Callable[[], str]
    log_event: LogEvent
    trust: Callable[[], ssl.SSLContext] = ssl.create_default_context
    """Makes the TLS context that verifies certificate and host name."""
    deadline: timedelta = DEADLINE
    circuit: Circuit = field(default_factory=Circuit)

    def verify(self, email: str, password: str) -> OldUser | None:
        """Return the user whose password this is. None: there is none, or the endpoint did not say.

        A failure is logged, and does not show to the client: the answer is the same as to a wrong password.
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
    """Makes the accounts of users whom the old system knows."""

    verifier: Verifier
    creation: UserCreation
    users: UserTable
    log_event: LogEvent
    new_id: Callable[[], str]

    def move_in(self, email: EmailAddress, password: str) -> User | None:
        """Make the account of an address that has none, if the old system says that this is its password.

        Returns the account, or one that was made meanwhile with the same password. None: the password is wrong, or the
        old system cannot be asked.

        Raises:
            DependencyUnavailable: the account could not be written.
        """
        if len(password) > LONGEST:
            self.pretend()
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
            return self._made_meanwhile(email, password)
        self.log_event("legacy_user_moved_in", user_id=user.user_id)
        return user

    def _made_meanwhile(self, email: EmailAddress, password: str) -> User | None:
        user = self.users.find_by_name(Name.EMAIL, email)
        if user is None or self.creation.passwords.verify(password, user.password_hash) is not Verdict.RIGHT:
            return None
        return user

    def pretend(self) -> None:
        """Ask about a user whom no system knows: a wrong password of an account takes as long as one without."""
        self.verifier.verify(_NOBODY, self.new_id())


def _read(answer: bytes) -> OldUser | None:
    try:
        said: Any = json.loads(answer.decode())
    except (ValueError, RecursionError):
        raise Unanswered("answered no JSON") from None
    verified = said.get("verified") if isinstance(said, dict) else None
    if not isinstance(verified, bool):
        raise Unanswered("answered no verdict: a JSON object with verified, true or false")
    if not verified:
        return None
    name = said.get("name")
    name = name.strip() if isinstance(name, str) and name.isprintable() else ""
    usable = name if len(name) <= LONGEST_NAME else ""
    return OldUser(name=usable or None, email_verified=said.get("email_verified") is True)
