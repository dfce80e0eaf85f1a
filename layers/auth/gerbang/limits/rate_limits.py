"""Rate limits: an attempt is counted before its outcome is known, so that guessing in parallel gains nothing.

Attempts are counted by caller (the client address that API Gateway saw) and by target (an account, or a name that no
account has: unknown names are counted too, or the limit itself would reveal which accounts exist).
(docs/decisions/0023-limits.md)
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import field
from datetime import timedelta
from enum import Enum
from functools import partial
from hashlib import sha256
from typing import Any, Final, Self, overload

from gerbang.core.clock import Clock
from gerbang.core.concurrency import run_concurrently
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import LogEvent, Severity
from gerbang.storage.counters import Count, CounterTable, Full, Taken

KNOWN_FOR: Final = timedelta(days=90)
"""For how long a client address that signed in to an account is known to it: a session's longest life by default."""

IN_FLIGHT_WAIT: Final = timedelta(seconds=1)
"""The wait while attempts that are still running fill a limit: a password hash takes less (docs/performance.md)."""

_MOST_UNSETTLED: Final = 50
"""The largest number of attempts that are left unsettled: their tokens keep the counter's item below 1 KiB, which is
what one write unit pays for."""

_MOST_NOT_GIVEN_BACK: Final = 30
"""The largest number of failed give-backs that are kept: ten attempts against three limits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most attempts in a window of time, which begins with the first attempt."""

    name: str
    attempts: int
    window: timedelta


class TooManyAttempts(AuthError):
    """A limit is reached. Its name and the time to wait are for the log and for `Retry-After`."""

    code = "over_request_rate_limit"

    def __init__(self, limit: str, retry_after: timedelta) -> None:
        """Keep which limit it was and how long to wait."""
        super().__init__(limit)
        self.limit = limit
        self.wait = self.retry_after = retry_after


class OnSuccess(Enum):
    """What happens to a counter when the attempt succeeds. A wrong answer always stays counted."""

    STAYS = "The attempt stays counted: the limit is on successes, too (mails, registrations)."
    GIVEN_BACK = "The attempt is given back once the counter is past half of its limit."
    CLEARED = "All attempts are forgotten."
    REMEMBERED = "All attempts are forgotten, and the subject is known for `KNOWN_FOR`."


@dataclass(frozen=True, slots=True)
class Counted:
    """What an attempt is counted against: a limit and the subject that it bounds."""

    limit: Limit
    subject: str
    on_success: OnSuccess = OnSuccess.GIVEN_BACK
    spares_known: bool = False
    """When this counter is full, it does not stop an attempt whose subject is known to another of its counters."""

    @property
    def key(self) -> str:
        """The key of the counter in the table."""
        return f"{self.limit.name}#{digest(self.subject)}"

    @property
    def unsettled(self) -> int:
        """Up to this number of attempts, the counter is far from its limit, and no call is made to settle them."""
        match self.on_success:
            case OnSuccess.STAYS:
                return _MOST_UNSETTLED
            case OnSuccess.GIVEN_BACK:
                return min(self.limit.attempts // 2, _MOST_UNSETTLED)
            case OnSuccess.CLEARED | OnSuccess.REMEMBERED:
                return 0


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Counts attempts of a subject against limits."""

    counters: CounterTable
    now: Clock
    new_id: Callable[[], str]
    log_event: LogEvent
    _not_given_back: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=_MOST_NOT_GIVEN_BACK))
    """Key and token of attempts that could not be given back; tried again before the next count."""

    @overload
    def attempt(self, *counted: Counted) -> "Attempt[None]": ...
    @overload
    def attempt[T](self, *counted: Counted, alongside: Callable[[], T]) -> "Attempt[T]": ...
    def attempt(self, *counted: Counted, alongside: Callable[[], Any] = lambda: None) -> "Attempt[Any]":
        """Count an attempt against several limits, or against none of them; to be used in a `with` statement.

        *alongside* runs at the same time; what it returns is the attempt's `alongside`. When it raises, the attempt is
        not counted. One round trip.

        Raises:
            TooManyAttempts: A limit is reached; the one with the longest wait is named.
            DependencyUnavailable: The attempt could not be counted against one of the limits.
        """
        self._repay()
        token, now = self.new_id()[:8], self.now()

        def take(each: Counted) -> Taken | Full:
            limit = each.limit
            return self.counters.take(each.key, most=limit.attempts, at=now, window=limit.window, token=token)

        calls: list[Callable[[], Any]] = [alongside, *[partial(take, each) for each in counted]]
        alongside_answer, *answers = run_concurrently(*[partial(_returned_or_raised, call) for call in calls])
        outcomes = dict(zip(counted, answers, strict=True))
        errors = [answer for answer in (alongside_answer, *answers) if isinstance(answer, Exception)]
        error = errors[0] if errors else self._too_many(outcomes)
        if error is not None:
            # A counter that raised may have counted: its answer can be lost.
            self.give_back(*[(each.key, token) for each, answer in outcomes.items() if not isinstance(answer, Full)])
            raise error
        taken = {each: answer for each, answer in outcomes.items() if isinstance(answer, Taken)}
        return Attempt(self, token, taken, alongside_answer)

    def check(self, limit: Limit, subject: str) -> None:
        """Read whether a limit that a success clears is reached, and count nothing.

        Raises:
            TooManyAttempts: It is.
        """
        counted = Counted(limit, subject, OnSuccess.CLEARED)
        count = self.counters.read(counted.key, at=self.now())
        if count is not None and count.attempts >= limit.attempts:
            raise TooManyAttempts(limit.name, self._wait(counted, count))

    def give_back(self, *attempts: tuple[str, str]) -> None:
        """Uncount attempts, each given by its counter's key and its token, if they were counted."""
        calls = [partial(self.counters.give_back, key, token) for key, token in attempts]
        run_concurrently(
            *[partial(self.uncount, *attempt, call) for attempt, call in zip(attempts, calls, strict=True)]
        )

    def uncount(self, key: str, token: str, call: Callable[[], None]) -> None:
        """Make a call that uncounts an attempt. If it fails, the attempt is given back before the next one is counted.

        Never raises DependencyUnavailable.
        """
        try:
            call()
        except DependencyUnavailable:
            self._not_given_back.append((key, token))
            self.log_event("attempt_not_given_back", Severity.WARNING, limit=key.partition("#")[0])

    def forget(self, counted: Counted) -> None:
        """Forget all attempts of a counter, as a success does.

        Raises:
            DependencyUnavailable: They could not be forgotten.
        """
        if counted.on_success is OnSuccess.REMEMBERED:
            until = self.now() + KNOWN_FOR
            self.counters.remember(counted.key, until=until, window=counted.limit.window)
        else:
            self.counters.clear(counted.key)

    def _repay(self) -> None:
        late = [*self._not_given_back]
        self._not_given_back.clear()
        self.give_back(*late)

    def _too_many(self, outcomes: Mapping[Counted, Taken | Full]) -> TooManyAttempts | None:
        known = any(count.known for count in outcomes.values())
        full = [
            (self._wait(each, count), each.limit.name)
            for each, count in outcomes.items()
            if isinstance(count, Full) and not (known and each.spares_known)
        ]
        if not full:
            return None
        wait, name = max(full)
        return TooManyAttempts(name, wait)

    def _wait(self, counted: Counted, count: Count) -> timedelta:
        """Return the wait for a counter that is full. Attempts that need no settling are not running."""
        if count.in_flight > counted.unsettled:
            return IN_FLIGHT_WAIT
        return count.until - self.now()


@dataclass(slots=True)
class Attempt[T]:
    """An attempt that was counted before its outcome is known. Leaving its `with` block settles it.

    No exception: it has succeeded. An AuthError: it was a wrong answer, and stays counted. Any other exception: it is
    given back to every counter.
    """

    limits: RateLimits
    token: str
    taken: dict[Counted, Taken]
    """The counters at which it is still counted and can be given back."""
    alongside: T
    _settled: bool = False

    def __enter__(self) -> Self:
        """Return the attempt."""
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Settle the attempt by what ended the block."""
        if error is not None and not isinstance(error, AuthError):
            self.give_back()
        elif not self._settled and error is None:
            self.succeed()
        elif not self._settled:
            self._keep(self.taken)

    def succeed(self) -> None:
        """Settle a right answer before the end of the block. Never raises DependencyUnavailable."""
        self._settled = True
        limits, token = self.limits, self.token
        self._keep(each for each in self.taken if each.on_success is OnSuccess.STAYS)
        calls: dict[Counted, Callable[[], None]] = {}
        for each in self.taken:
            if each.on_success in {OnSuccess.CLEARED, OnSuccess.REMEMBERED}:
                calls[each] = partial(limits.forget, each)
            elif each.on_success is OnSuccess.GIVEN_BACK and not self._needs_no_settling(each):
                calls[each] = partial(limits.counters.give_back, each.key, token)
        run_concurrently(*[partial(limits.uncount, each.key, token, call) for each, call in calls.items()])
        self.taken = {each: count for each, count in self.taken.items() if each not in calls}

    def give_back(self) -> None:
        """Uncount the attempt: it was neither right nor wrong, because another request was first."""
        self._settled = True
        taken, self.taken = self.taken, {}
        self.limits.give_back(*[(each.key, self.token) for each in taken])

    def _keep(self, counted: Iterable[Counted]) -> None:
        """Record that the attempt has ended and stays counted. If that fails, it seems to run for `LONGEST_RUN`."""
        keys = [each.key for each in counted if not self._needs_no_settling(each)]
        with suppress(DependencyUnavailable):
            run_concurrently(*[partial(self.limits.counters.settle, key, self.token) for key in keys])

    def _needs_no_settling(self, counted: Counted) -> bool:
        return self.taken[counted].attempts <= counted.unsettled


def _returned_or_raised(call: Callable[[], Any]) -> Any:
    """Return what a call returns or, as a value, the exception that it raises."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - raised by the caller, when what was counted is given back
        return error


def digest(subject: str) -> str:
    """Return a text of fixed length for a subject: keys must be short, and the table should not list addresses."""
    return sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()[:40]
