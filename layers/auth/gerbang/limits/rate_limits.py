"""Limits: an attempt is counted before it is worth anything, so that guessing in parallel gains nothing.

Counted is who asks (the client address that API Gateway saw, never a header) and who is asked for (an account, or
the name of none: unknown names are counted alike, else the limit itself would tell who exists).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

from gerbang.core.clock import Clock
from gerbang.core.concurrency import run_concurrently
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import LogEvent, Severity
from gerbang.storage.counters import CounterTable, Full, Taken

KNOWN_FOR: Final = timedelta(days=90)
"""For how long a client address that signed in to an account is known to it: a session's longest life by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """At most so many attempts within a window that begins with the first of them."""

    name: str
    attempts: int
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLimits:
    """The limits that guard every door with a password, together; `template.yaml` has the defaults (LimitSignIn…)."""

    account_and_address: Limit
    """Failed sign-ins to one account from one client address."""
    address: Limit
    """Failed sign-ins from one client address, to whatever accounts (spraying)."""
    account: Limit
    """Failed sign-ins to one account from everywhere; does not stop addresses that the account has used before."""


class TooManyAttempts(AuthError):
    """A limit is reached. Its name and the time until it ends are for the log and for `Retry-After`."""

    code = "over_request_rate_limit"

    def __init__(self, limit: str, retry_after: timedelta) -> None:
        """Keep which limit it was and how long to wait."""
        super().__init__(limit)
        self.limit = limit
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Reservation:
    """Attempts that were counted in advance and can be given back."""

    taken: tuple[tuple[str, Taken], ...]

    def without(self, key: str) -> "Reservation":
        """Return what is left of it when the counter of *key* is cleared instead."""
        return Reservation(tuple((each, taken) for each, taken in self.taken if each != key))


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Counts attempts of a subject against a limit."""

    counters: CounterTable
    now: Clock
    new_id: Callable[[], str]

    def take(self, limit: Limit, subject: str) -> None:
        """Count an attempt.

        Raises:
            TooManyAttempts: there have been enough.
            DependencyUnavailable: it could not be counted.
        """
        self.reserve((limit, subject))

    def reserve(self, *pairs: tuple[Limit, str]) -> Reservation:
        """Count an attempt against several limits beside one another, or against none of them.

        Raises:
            TooManyAttempts: one of them is reached; it says the one that takes longest.
            DependencyUnavailable: one could not be counted.
        """
        nonce = self.new_id()
        outcomes = run_concurrently(*[self._taking(limit, subject, nonce) for limit, subject in pairs])
        keyed = [(self.key(limit, subject), outcome) for (limit, subject), outcome in zip(pairs, outcomes, strict=True)]
        reservation = Reservation(tuple((key, outcome) for key, outcome in keyed if isinstance(outcome, Taken)))
        full = [
            (outcome, limit) for (limit, _), outcome in zip(pairs, outcomes, strict=True) if isinstance(outcome, Full)
        ]
        if full:
            self.give_back(reservation)
            longest, limit = max(full, key=lambda pair: pair[0].window.until)
            raise TooManyAttempts(limit.name, longest.window.until - self.now())
        return reservation

    def give_back(self, reservation: Reservation) -> None:
        """Uncount what was reserved."""
        run_concurrently(*[self._giving_back(key, taken) for key, taken in reservation.taken])

    def _taking(self, limit: Limit, subject: str, nonce: str) -> Callable[[], Taken | Full]:
        key = self.key(limit, subject)
        return lambda: self.counters.take(key, most=limit.attempts, at=self.now(), window=limit.window, nonce=nonce)

    def _giving_back(self, key: str, taken: Taken) -> Callable[[], None]:
        return lambda: self.counters.give_back(key, taken)

    @staticmethod
    def key(limit: Limit, subject: str) -> str:
        """Return what a subject's attempts are counted under."""
        return f"{limit.name}#{digest(subject)}"


def digest(subject: str) -> str:
    """Return a text of fixed length for a subject: keys must be short, and the table need not list addresses."""
    return sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def uncount(undo: Callable[[], object], log_event: LogEvent, **whose: str) -> None:
    """Take back what was counted, the answer having been right; if it cannot be, that is noted and no more.

    What stays counted makes a limit a little tighter until its window ends; whoever was right is in all the same.
    """
    try:
        undo()
    except DependencyUnavailable:
        log_event("attempt_not_uncounted", Severity.WARNING, **whose)


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """A password attempt that was counted before the password was looked at."""

    account: str
    address: str
    reservation: Reservation


@dataclass(frozen=True, slots=True)
class SignInGuard:
    """Bounds guesses at passwords, the same at every door.

    An *account* is named by its id or, where there is none, by the name that was tried.
    """

    limits: SignInLimits
    rate_limits: RateLimits

    def reserve(self, account: str, address: str) -> SignInAttempt:
        """Count an attempt; to be called before the password is hashed.

        Raises:
            TooManyAttempts: one of the three limits is reached.
            DependencyUnavailable: it could not be counted.
        """
        near = ((self.limits.account_and_address, f"{account} {address}"), (self.limits.address, address))
        everywhere = (self.limits.account, account)
        try:
            reservation = self.rate_limits.reserve(*near, everywhere)
        except TooManyAttempts as refusal:
            if refusal.limit != self.limits.account.name or not self._knows(account, address):
                raise
            # Strangers have used up the account's attempts: whoever has signed in from here before still may.
            reservation = self.rate_limits.reserve(*near)
        return SignInAttempt(account, address, reservation)

    def succeeded(self, attempt: SignInAttempt) -> None:
        """Uncount a right password, forget its account's failures from this address, and know the address from now on.

        Attempts that were counted stay counted if this fails, so a failure here need not fail the sign-in.
        """
        pair = self.rate_limits.key(self.limits.account_and_address, f"{attempt.account} {attempt.address}")
        known, until = self._known(attempt.account, attempt.address), self.rate_limits.now() + KNOWN_FOR
        counters = self.rate_limits.counters
        run_concurrently(
            lambda: counters.clear(pair),
            lambda: counters.remember(known, until=until),
            lambda: self.rate_limits.give_back(attempt.reservation.without(pair)),
        )

    def reopen(self, account: str, address: str) -> None:
        """Forget an account's failures everywhere, and those from one client address.

        Raises:
            DependencyUnavailable: they could not be forgotten.
        """
        counters, limits, key = self.rate_limits.counters, self.limits, self.rate_limits.key
        run_concurrently(
            lambda: counters.clear(key(limits.account, account)),
            lambda: counters.clear(key(limits.account_and_address, f"{account} {address}")),
        )

    def _knows(self, account: str, address: str) -> bool:
        return self.rate_limits.counters.remembers(self._known(account, address), at=self.rate_limits.now())

    @staticmethod
    def _known(account: str, address: str) -> str:
        return f"known-device#{digest(f'{account} {address}')}"
