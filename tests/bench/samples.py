"""Samples and results of the bench, with figures that tests choose."""

from typing import Any

from gerbang_bench.environments import Invocation, Start
from gerbang_bench.measuring import Sample, Taken


def taken(ms: float, *, cpu_ms: float | None = None, hash_ms: float = 0.0, waited_ms: float = 0.0) -> Taken:
    invocation = Invocation(
        ms=ms,
        cpu_ms=ms if cpu_ms is None else cpu_ms,
        hash_ms=hash_ms,
        hash_cpu_ms=hash_ms,
        logged_bytes=100,
        answer={"statusCode": 200},
    )
    return Taken(invocation=invocation, waited_ms=waited_ms)


def sample(start_ms: float, *events: Taken, base_ms: float = 100.0, peak_mb: float = 50.0) -> Sample:
    return Sample(
        start=Start(ms=start_ms, cpu_ms=start_ms / 2),
        base=Start(ms=base_ms, cpu_ms=base_ms / 2),
        first=events[0] if events else None,
        warm=events[1:],
        peak_mb=peak_mb,
    )


def cost(**changes: float) -> dict[str, float]:
    usual = {"round_trips": 2, "waits": 2, "calls": 2, "queued": 0, "read_units": 2.0, "write_units": 1.0}
    return {**usual, "connections": 0, **changes}


def function(**changes: Any) -> dict[str, Any]:
    usual = {
        "start_ratio": 1.1,
        "start_cpu_ratio": 1.1,
        "start_cpu_ms": 100.0,
        "peak_mb": 50.0,
        "first_ms": 5.0,
        "warm_ms": 4.0,
        "first_over_warm_ms": 1.0,
        "first_over_warm_waited_ms": 0.5,
        "first_over_warm_cpu_ms": 0.5,
        "waited_ms": 3.0,
        "call_cpu_ms": 2.0,
        "own_cpu_ms": 1.4,
        "logged_bytes": 300,
        "answered_bytes": 1000,
        "hash_ratio": None,
        "bare_hash_ratio": None,
        "first_use": None,
        "again": cost(),
        "secrets_read": 2,
        "connections_first": 0,
        "modules": 400,
        "memory_mb": 512,
        "recommended_mb": 512,
    }
    return {**usual, **changes}


def results(**functions: Any) -> dict[str, Any]:
    """Return the results of a run. *functions* (by folder) replace or extend the default ones."""
    usual = {
        "api/auth/login": function(hash_ratio=1.01, bare_hash_ratio=1.02, call_cpu_ms=200.0, memory_mb=1769),
        "api/auth/me": function(),
        "api/auth/refresh": function(),
        "api/auth/register": function(hash_ratio=1.01, bare_hash_ratio=1.02, call_cpu_ms=200.0, memory_mb=1769),
        "auth/otp": function(again=cost(queued=1, round_trips=1)),
        "auth/verify_otp": function(first_use=cost(write_units=9.0)),
        "authorizer": function(first_use=cost(write_units=1.0), again=cost(round_trips=1, write_units=0.0)),
        "mailer": function(),
    }
    return {
        "measured_at": "2026-01-02T03:04:05+00:00",
        "rounds": 3,
        "machine": {"processor": "Z80", "cores": 1, "system": "CP/M 2.2", "python": "3.13.0", "load": 0.5},
        "versions": {"botocore": "1.0"},
        "base": {
            "start_ms": 150.0,
            "start_cpu_ms": 150.0,
            "bare_start_ratio": 0.2,
            "bare_call_cpu_ms": 0.4,
            "hash_cpu_ms": 200.0,
            "read_cpu_ms": 0.7,
        },
        "functions": {**usual, **functions},
    }
