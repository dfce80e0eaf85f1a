"""Attempts at a limit, and limits of several sizes."""

from copy import replace
from datetime import timedelta

import pytest
from gerbang.core.errors import AuthError
from gerbang.limits.rate_limits import Counted, Limit, OnSuccess, RateLimits, TooManyAttempts
from gerbang.storage.store import Store

from tests.deployment import MINUTE, Deployment

THREE = Limit(name="three", attempts=3, window=MINUTE)
FIVE = Limit(name="five", attempts=5, window=timedelta(hours=1))
TEN = Limit(name="ten", attempts=10, window=timedelta(hours=1))

MANY = Limit(name="many", attempts=100, window=timedelta(hours=1))
"""Half of this limit is the largest number of attempts that stay unsettled."""


class Wrong(AuthError):
    """A wrong answer."""


def fail(limits: RateLimits, *counted: Counted) -> None:
    """Make an attempt with a wrong answer."""
    with pytest.raises(Wrong), limits.attempt(*counted):
        raise Wrong


def succeed_and_stay_counted(limits: RateLimits, limit: Limit, subject: str) -> None:
    """Make an attempt that stays counted when it succeeds."""
    with limits.attempt(Counted(limit, subject, OnSuccess.STAYS)):
        pass


def attempts_left(limits: RateLimits, limit: Limit, subject: str) -> int:
    """How many wrong answers are accepted before the limit is reached."""
    for taken in range(1000):
        try:
            fail(limits, Counted(limit, subject))
        except TooManyAttempts:
            return taken
    raise AssertionError("no end")


def too_many(limits: RateLimits, *counted: Counted) -> TooManyAttempts:
    with pytest.raises(TooManyAttempts) as caught:
        limits.attempt(*counted)
    return caught.value


def on(deployment: Deployment, store: Store) -> RateLimits:
    """The same limits in another environment, with another store."""
    return replace(deployment, store=store).rate_limits
