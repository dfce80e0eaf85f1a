"""Signing in with a password: the same guesses, the same work and the same answer for everyone who fails."""

from dataclasses import dataclass, field
from typing import Final

from gerbang.core.clock import Clock
from gerbang.core.concurrency import run_concurrently
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import LogEvent, Severity
from gerbang.limits.rate_limits import SignInAttempt, SignInGuard, uncount
from gerbang.passwords.bcrypt_sha256 import Verdict
from gerbang.passwords.hashing import Passwords, replacing
from gerbang.sessions.email_policy import EmailNotVerified, UnverifiedAddress
from gerbang.sessions.sessions import Client, Sessions, SignedIn, SignInOvertaken
from gerbang.storage.store import ConditionFailed, Equal
from gerbang.storage.users import Name, User, UserTable

_NO_ACCOUNT: Final = "nobody"
"""Read where there is no account, so that an unknown name costs as many reads as a known one."""


class InvalidCredentials(AuthError):
    """There is no such account, or the password is not its, or it is disabled: nobody is told which."""

    code = "invalid_credentials"

    def __init__(self, user_id: str | None) -> None:
        """Keep whose account was tried, for the log; None where there is none."""
        super().__init__(user_id or "unknown")
        self.user_id = user_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A name of an account, in its canonical form, and the password that goes with it."""

    name: Name
    value: str
    password: str = field(repr=False)


def is_right(password: str, user: User | None, *, passwords: Passwords, log_event: LogEvent) -> bool:
    """Say whether a password is an account's; None, which has none, costs the same work.

    A stored hash that cannot be read is noted, for somebody to look at.
    """
    verdict = passwords.verify(password, None if user is None else user.password_hash)
    if verdict is Verdict.UNUSABLE and user is not None:
        log_event("password_hash_unusable", Severity.ERROR, user_id=user.user_id)
    return verdict is Verdict.RIGHT


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordSignIn:
    """Signs people in by a name of theirs and their password."""

    users: UserTable
    sessions: Sessions
    passwords: Passwords
    guard: SignInGuard
    unverified: UnverifiedAddress
    log_event: LogEvent
    now: Clock

    def sign_in(self, shown: Credentials, client: Client) -> SignedIn:
        """Sign in the account that the credentials name. Three round trips, one after the other, and one hash.

        Raises:
            InvalidCredentials: no such account, wrong password, or disabled; all after the same work.
            TooManyAttempts: there were too many guesses, counted before the password is looked at.
            EmailNotVerified: the address must be verified first; said to whoever knows the password only.
        """
        user_id = self.users.find_id(shown.name, shown.value)
        user, attempt = run_concurrently(
            lambda: self.users.find(user_id or _NO_ACCOUNT),
            lambda: self.guard.reserve(user_id or f"{shown.name}#{shown.value}", client.address),
        )
        if user is not None and user.disabled_at is not None:
            user = None  # as if there were none: a cheaper hash would tell by its speed that the password is right
        right = is_right(shown.password, user, passwords=self.passwords, log_event=self.log_event)
        if user is None or not right:
            raise InvalidCredentials(user_id)
        if self.unverified.refuses(user):
            self._uncount(attempt)
            raise EmailNotVerified(user.user_id)
        try:
            signed_in, _ = run_concurrently(
                lambda: self.sessions.open(user, client, "password"), lambda: self._uncount(attempt)
            )
        except SignInOvertaken as overtaken:
            raise InvalidCredentials(user.user_id) from overtaken
        self._renew_hash(user, shown.password)
        return signed_in

    def _uncount(self, attempt: SignInAttempt) -> None:
        uncount(lambda: self.guard.succeeded(attempt), self.log_event, user_id=attempt.account)

    def _renew_hash(self, user: User, password: str) -> None:
        """Put today's hash in the place of an inherited or cheaper one, if that is still the one there (F18, F19)."""
        old = user.password_hash
        if old is None or not self.passwords.needs_rehash(old):
            return
        changes = replacing(old, self.passwords.hash(password), at=self.now())
        try:
            outcome = self.users.change(user, changes, Equal("password_hash", old))
        except DependencyUnavailable:
            self.log_event("password_hash_not_renewed", Severity.WARNING, user_id=user.user_id)
            return
        if not isinstance(outcome, ConditionFailed):
            self.log_event("password_hash_renewed", user_id=user.user_id)
