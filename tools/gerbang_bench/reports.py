"""The results as a page: `docs/performance.md`. No figure on it is typed by hand."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gerbang_bench.builds import ROOT
from gerbang_bench.memory import ROUND_TRIP_MS, SETTINGS_MB
from gerbang_bench.prices import Bill, load_of

PAGE: Final = ROOT / "docs" / "performance.md"

BUDGETS: Final[Mapping[str, int]] = {
    "api/auth/forgot-password": 1,
    "api/auth/login": 3,
    "api/auth/logout": 2,
    "api/auth/me": 2,
    "api/auth/refresh": 2,
    "api/auth/register": 2,
    "auth/otp": 1,
    "authorizer": 2,
}
"""Round trips to DynamoDB, one after the other, that an endpoint may make."""

START_RATIO: Final = 1.15
"""Of sign-in and refresh, to the start of a plain boto3 client."""

START_RATIO_OF_ANY: Final = 1.45
HASH_RATIO: Final = 1.02
CALL_CPU_MS: Final = 2.0
FIRST_OVER_WARM_MS: Final = 3.0

_SIGN_IN: Final = "api/auth/login"
_REFRESH: Final = "api/auth/refresh"
_QUICK: Final = (_REFRESH, "api/auth/me", "authorizer")


def targets(results: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Return each target's name, bound and measured value; those whose functions were not measured are left out."""
    functions: Mapping[str, Mapping[str, Any]] = results["functions"]
    found: list[tuple[str, float, float]] = []
    found += [
        (f"start of {folder}, ratio", START_RATIO, functions[folder]["start_ratio"])
        for folder in (_SIGN_IN, _REFRESH)
        if folder in functions
    ]
    slowest = max(functions, key=lambda folder: float(functions[folder]["start_ratio"]))
    found.append((f"slowest start ({slowest}), ratio", START_RATIO_OF_ANY, functions[slowest]["start_ratio"]))
    if _SIGN_IN in functions:
        found.append(("CPU of a sign-in, ratio to its hash", HASH_RATIO, functions[_SIGN_IN]["hash_ratio"]))
    found += [
        (f"CPU of {folder}, ms", CALL_CPU_MS, functions[folder]["call_cpu_ms"])
        for folder in _QUICK
        if folder in functions
    ]
    invoked = {folder: one for folder, one in functions.items() if one["first_over_warm_cpu_ms"] is not None}
    if invoked:
        coldest = max(invoked, key=lambda folder: float(invoked[folder]["first_over_warm_cpu_ms"]))
        name = f"first event over the warm one ({coldest}), ms of CPU"
        found.append((name, FIRST_OVER_WARM_MS, invoked[coldest]["first_over_warm_cpu_ms"]))
    found += [
        (f"round trips of {folder}", most, functions[folder]["round_trips"])
        for folder, most in BUDGETS.items()
        if folder in functions
    ]
    return found


def page(results: Mapping[str, Any], bills: Sequence[Bill]) -> str:
    """Return the page."""
    functions: Mapping[str, Mapping[str, Any]] = results["functions"]
    machine, base = results["machine"], results["base"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    parts = [
        "# Performance",
        "Written by `make bench`; nothing here is typed by hand.",
        (
            f"Measured {results['measured_at']}, {results['rounds']} rounds, on {machine['cores']} cores of "
            f"{machine['processor']}, {machine['system']}, Python {machine['python']}, "
            f"load {machine['load']:.1f}. {versions}."
        ),
        (
            "Functions run out of `.aws-sam/build` under Lambda's runtime client, each start in a fresh process on a "
            "core of its own; AWS is DynamoDB Local and stand-ins over TLS. Ratios are medians of ratios within a "
            f"round to the start of `import boto3` and one client ({base['start_ms']:.0f} ms here; a bare handler "
            f"{base['bare_ratio']:.2f} of that; one hash {base['hash_cpu_ms']:.0f} ms of CPU). Other work on the "
            "machine moves milliseconds by as much as it likes, ratios by little, counts not at all."
        ),
        "## Targets",
        _table(
            ("target", "at most", "measured", ""),
            (
                (name, f"{most:g}", f"{value:.2f}", "met" if value <= most else "missed")
                for name, most, value in targets(results)
            ),
        ),
        "## Starts and calls",
        _table(
            ("function", "start ratio", "by CPU", "first ms", "warm ms", "CPU ms a call", "of its hash", "peak MB"),
            (
                (
                    folder,
                    f"{one['start_ratio']:.2f}",
                    f"{one['start_cpu_ratio']:.2f}",
                    _number(one["first_ms"]),
                    _number(one["warm_ms"]),
                    _number(one["call_cpu_ms"], 2),
                    _number(one["hash_ratio"], 3),
                    f"{one['peak_mb']:.0f}",
                )
                for folder, one in functions.items()
            ),
        ),
        "## Calls to AWS",
        "The most of the events counted; units as DynamoDB Local gives them, refused writes counted as billed.",
        _table(
            ("function", "round trips", "budget", "calls", "read units", "write units", "messages queued"),
            (
                (
                    folder,
                    f"{one['round_trips']:g}",
                    str(BUDGETS.get(folder, "")),
                    str(one["calls"]),
                    f"{one['read_units']:g}",
                    f"{one['write_units']:g}",
                    str(one["queued"]),
                )
                for folder, one in functions.items()
            ),
        ),
        "## Memory",
        (
            "Milliseconds of a call, and gigabyte-seconds of a million of them, at the share of a core that Lambda "
            f"gives (a whole one at 1,769 MB); a round trip to DynamoDB is taken to wait {ROUND_TRIP_MS:g} ms. "
            "Recommended is the cheapest that is quick enough."
        ),
        _table(
            ("function", *(f"{setting} MB" for setting in SETTINGS_MB), "recommended", "set"),
            (
                (
                    folder,
                    *(_at(one, setting) for setting in SETTINGS_MB),
                    str(one["recommended_mb"]),
                    str(one["memory_mb"]),
                )
                for folder, one in functions.items()
                if one["call_cpu_ms"] is not None
            ),
        ),
    ]
    if "traffic" in results:
        parts += [
            "## Requests a second",
            "`GET /api/auth/me` through `make run`: one process, AWS in memory, callers on the same machine.",
            _table(
                ("callers", "requests a second", "errors"),
                (
                    (str(one["callers"]), f"{one['requests_per_second']:.0f}", str(one["errors"]))
                    for one in results["traffic"]
                ),
            ),
        ]
    if bills:
        parts += ["## The bill", *(bill_of(one) for one in bills)]
    return "\n\n".join(parts) + "\n"


def bill_of(made: Bill) -> str:
    """Return a bill as a table, and which part of it dominates."""
    rows = [(part, f"{dollars:,.2f}") for part, dollars in made.parts.items()]
    table = _table(
        ("part", "US dollars"), [*rows, ("together", f"{made.total:,.2f}"), ("Cognito", f"{made.cognito:,.2f}")]
    )
    head = (
        f"{made.users:,} active users in a month, {made.region}, list prices of {made.as_of}, habits in `prices.toml`."
    )
    share = made.parts[made.dominant] / made.total
    return f"{head} {made.dominant} is the largest part, {share:.0%}.\n\n{table}"


def write(results: Mapping[str, Any], bills: Sequence[Bill], to: Path = PAGE) -> None:
    """Write the page."""
    to.write_text(page(results, bills), "utf-8")


def _at(function: Mapping[str, Any], memory_mb: int) -> str:
    load = load_of(function)
    return f"{load.call_ms(memory_mb):.0f} ms, {load.gigabyte_seconds(memory_mb) * 1e6:,.0f}"


def _number(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
