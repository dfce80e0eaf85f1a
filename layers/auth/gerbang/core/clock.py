"""Clocks and instants. Classes take their clock by constructor; only `gerbang.components` passes the real one."""

from collections.abc import Callable
from datetime import UTC, datetime

type Clock = Callable[[], datetime]
"""Returns the present instant, aware and in UTC."""


def system_clock() -> datetime:
    """Return the present instant of this machine, in UTC."""
    return datetime.now(UTC)


def to_epoch(at: datetime) -> int:
    """Return *at* as whole seconds since 1970 (NumericDate of RFC 7519, section 2; DynamoDB's TTL), rounded down."""
    return int(at.timestamp())


def from_epoch(seconds: float) -> datetime:
    """Return the instant that is *seconds* after 1970, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def rfc3339(at: datetime) -> str:
    """Return an instant as the APIs write it: RFC 3339, UTC, whole seconds, `Z`."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
