"""Durations as Go writes them, such as `1h30m`: Supabase's clients send them for bans."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Final

LONGEST: Final = timedelta(microseconds=(2**63 - 1) // 1000)
"""Some 292 years: Go counts nanoseconds in 64 bits (package time, type Duration)."""

_LONGEST_TEXT: Final = 64
_PART: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_NANOSECONDS: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}


class InvalidDuration(ValueError):
    """The text is not a duration, or the duration is negative or too long."""


def parse_duration(text: str) -> timedelta:
    """Return the duration that a text names (Go, package time, function ParseDuration); microseconds, rounded down.

    Raises:
        InvalidDuration: it is not a duration, or it is negative or above `LONGEST`.
    """
    if text == "0":
        return timedelta()
    parts = [match.groups() for match in _PART.finditer(text)] if len(text) <= _LONGEST_TEXT else []
    if not parts or "".join(f"{number}{unit}" for number, unit in parts) != text:
        raise InvalidDuration(text)
    nanoseconds = sum(Decimal(number) * _NANOSECONDS[unit] for number, unit in parts)
    if nanoseconds > 2**63 - 1:
        raise InvalidDuration(text)
    return timedelta(microseconds=int(nanoseconds) // 1000)
