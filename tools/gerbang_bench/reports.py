"""Writes the results to `docs/performance.md`, and the bill to README.md."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gerbang_bench import prices
from gerbang_bench.memory import LONGEST_CALL_MS, LONGEST_START_MS, ROUND_TRIP_MS, SETTINGS_MB, load_of
from gerbang_bench.prices import Bill
from gerbang_bench.tables import table

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "performance.md"
CHARTS: Final = PAGE.with_name("charts")
README: Final = ROOT / "README.md"

BUDGETS: Final[Mapping[str, int]] = {
    "api/auth/forgot-password": 1,
    "api/auth/login": 3,
    "api/auth/logout": 2,
    "api/auth/me": 2,
    "api/auth/refresh": 2,
    "api/auth/register": 2,
    "auth/otp": 1,
    "auth/v1/otp": 1,
    "auth/v1/recover": 1,
    "auth/v1/resend": 1,
    "authorizer": 2,
}
"""Round trips to DynamoDB, one after the other, that an endpoint may make, whether it is a first use or not."""

START_RATIO: Final = 1.4
"""The longest start of sign-in and refresh, as a ratio to that of a plain boto3 client. Measured: 1.2 to 1.37.
It was 1.3 until sign-ins came to know devices, second factors and claims of the operator's own."""

START_RATIO_OF_ANY: Final = 1.5
"""The longest start of any function, as a ratio to the same."""

FIRST_EVENT_READS: Final = 3.5
"""How much longer a first event may take than a warm one, without hash, as a multiple of a bare read's CPU time. The
first call of each operation is slower because botocore then builds its model."""

FIRST_EVENT_READS_OF: Final[Mapping[str, float]] = {"auth/v1/token?grant_type=id_token": 10}
"""Other bounds. The function loads RSA at the first ID token, so that a refresh, its commonest call, starts sooner."""

_SIGN_IN: Final = "api/auth/login"
_REFRESH: Final = "api/auth/refresh"
OWN_CPU: Final[Mapping[str, float]] = {_SIGN_IN: 1.35, _REFRESH: 1.75, "api/auth/me": 2.1, "authorizer": 1.75}
"""The most CPU that a warm event may take, as a ratio to as many bare reads as it makes calls, without hashes and the
runtime client. With fewer calls, the token and the log weigh more: a sign-in makes 8, and made 10 when its bound was
1.25."""

_UNATTENDED: Final = "mailer"
"""No client waits for its first event."""

_STARTS_CHART: Final = f"![Each function's start, compared with the base]({CHARTS.name}/starts.svg)"
_PRICE_CHART: Final = (
    f"![A month's price, compared with Cognito's, by the number of active users]({CHARTS.name}/price.svg)"
)
_BILL: Final = re.compile(r"(?<=<!-- bill -->\n).*?(?=\n<!-- /bill -->)", re.DOTALL)


def targets(results: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Return each target's name, bound and measured value; those whose functions were not measured are left out."""
    functions: Mapping[str, Mapping[str, Any]] = results["functions"]
    found: list[tuple[str, float, float]] = []
    found += [
        (f"start of `{folder}`, ratio", START_RATIO, functions[folder]["start_ratio"])
        for folder in (_SIGN_IN, _REFRESH)
        if folder in functions
    ]
    slowest = max(functions, key=lambda folder: float(functions[folder]["start_ratio"]))
    found.append((f"slowest start (`{slowest}`), ratio", START_RATIO_OF_ANY, functions[slowest]["start_ratio"]))
    read_ms = float(results["base"]["read_cpu_ms"])
    found += [
        (f"CPU of `{folder}`, ratio to its calls as bare reads", most, _to_bare_reads(functions[folder], read_ms))
        for folder, most in OWN_CPU.items()
        if folder in functions
    ]
    found += [
        (
            f"first event of `{folder}` over the warm one, in bare reads",
            FIRST_EVENT_READS_OF.get(folder, FIRST_EVENT_READS),
            over_ms / read_ms,
        )
        for folder, one in functions.items()
        if (over_ms := one["first_over_warm_ms"]) is not None and folder != _UNATTENDED
    ]
    found += [
        (f"round trips of `{folder}`", most, _most(functions[folder], "round_trips"))
        for folder, most in BUDGETS.items()
        if folder in functions
    ]
    return found


def _to_bare_reads(function: Mapping[str, Any], read_ms: float) -> float:
    return float(function["own_cpu_ms"] / (function["again"]["calls"] * read_ms))


def bills(results: Mapping[str, Any]) -> list[Bill]:
    """Return the bills of the page, one per region.

    Raises:
        NotMeasured: the measurements lack a function that is needed.
    """
    return [prices.bill(prices.USERS, region, results) for region in prices.regions()]


def page(results: Mapping[str, Any], bills: Sequence[Bill] = ()) -> str:
    """Return the page. Bills need a whole run."""
    starts = [_STARTS_CHART] if bills else []
    parts = [
        "# Performance",
        (
            "`make bench` writes this page. [performance-tried.md](performance-tried.md) lists what was tried and did "
            "not help."
        ),
        *_how(results),
        "## Targets",
        *_targets(results),
        *_next_to_bare_reads(results),
        "## Starts and calls",
        *starts,
        *_times(results["functions"]),
        "## Calls to AWS",
        *_calls(results["functions"]),
        "## Memory",
        *_memory(results["functions"]),
    ]
    if "traffic" in results:
        parts += ["## Requests per second", *_traffic(results["traffic"])]
    if bills:
        parts += ["## The bill", _PRICE_CHART, prices.explained(), *(prices.as_text(one) for one in bills)]
    return "\n\n".join(parts) + "\n"


def write(results: Mapping[str, Any], to: Path = PAGE, readme: Path = README) -> None:
    """Write the page of a whole run, and the bill into the README, between its comments.

    Raises:
        NotMeasured: the measurements lack a function that is needed.
    """
    made = bills(results)
    to.write_text(page(results, made), "utf-8")
    [own] = [one for one in made if one.region == prices.REGION]
    readme.write_text(_BILL.sub(prices.line(own), readme.read_text("utf-8")), "utf-8")


def _how(results: Mapping[str, Any]) -> list[str]:
    machine, base = results["machine"], results["base"]
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return [
        (
            f"Measured {results['measured_at']}, {results['rounds']} rounds, on {machine['cores']} cores of "
            f"{machine['processor']}, {machine['system']}, Python {machine['python']}, "
            f"load {machine['load']:.1f}. {versions}."
        ),
        (
            "The functions of `.aws-sam/build` run under Lambda's runtime client. Each start is a new process on its "
            "own core, like a vCPU of Lambda's at 1,769 MB. DynamoDB Local and simulated AWS services run on the other "
            "cores, over TLS. The *base* is `import boto3` and making one client: "
            f"{base['start_ms']:.0f} ms on this machine. Each start is compared with the base just before and after "
            f"it. A handler that does nothing starts in {base['bare_start_ratio']:.2f} of the base. All ratios are "
            "medians. Other work on the machine changes milliseconds a lot, ratios by up to 10 %, and counts hardly."
        ),
    ]


def _targets(results: Mapping[str, Any]) -> list[str]:
    rows = [
        (name, f"{most:g}", f"{value:.2f}".removesuffix(".00"), "met" if value <= most else "**missed**")
        for name, most, value in targets(results)
    ]
    return [table(("target", "at most", "measured", ""), rows)]


def _next_to_bare_reads(results: Mapping[str, Any]) -> list[str]:
    functions, read_ms = results["functions"], float(results["base"]["read_cpu_ms"])
    rows = [
        (
            f"`{folder}`",
            str(calls := functions[folder]["again"]["calls"]),
            f"{functions[folder]['own_cpu_ms']:.2f}",
            f"{calls * read_ms:.2f}",
            f"{_to_bare_reads(functions[folder], read_ms):.2f}",
        )
        for folder in OWN_CPU
        if folder in functions
    ]
    return [
        (
            "Most of a function's CPU time goes into calls to AWS. A *bare read* is one GetItem with plain boto3, of "
            f"an item that does not exist: {read_ms:.2f} ms of CPU in the same rounds. This table compares a warm "
            "event, without its hash, with as many bare reads as the event makes calls:"
        ),
        table(("function", "calls", "own CPU ms", "as many bare reads, ms", "ratio"), rows),
    ]


def _times(functions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    heads = (
        "function",
        "start ratio",
        "by CPU",
        "modules",
        "first ms",
        "warm ms",
        "first over warm: ms",
        "of it waiting",
        "CPU ms",
        "CPU ms a call",
        "own CPU ms",
        "to its hash",
        "to a bare hash",
        "peak MB",
    )
    rows = [
        (
            f"`{folder}`",
            f"{one['start_ratio']:.2f}",
            f"{one['start_cpu_ratio']:.2f}",
            str(one["modules"]),
            _number(one["first_ms"]),
            _number(one["warm_ms"]),
            _number(one["first_over_warm_ms"]),
            _number(one["first_over_warm_waited_ms"]),
            _number(one["first_over_warm_cpu_ms"]),
            _number(one["call_cpu_ms"], 2),
            _number(one["own_cpu_ms"], 2),
            _number(one["hash_ratio"], 3),
            _number(one["bare_hash_ratio"], 3),
            f"{one['peak_mb']:.0f}",
        )
        for folder, one in functions.items()
    ]
    return [
        (
            "Milliseconds are medians of wall-clock time, except where the column says CPU. *First over warm* is how "
            "much longer the first event takes than a warm one, without hashes; *of it waiting* is the part spent "
            "waiting for the simulated services. CPU is that of the whole process. *Own CPU*, which the targets limit, "
            "leaves out hashes and the cost of a handler that does nothing. *To its hash* compares an event with its "
            "own hash, *to a bare hash* with one in another process, which adds noise."
        ),
        table(heads, rows),
    ]


def _calls(functions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            f"`{folder}`",
            _first_and_again(one, "round_trips"),
            str(BUDGETS.get(folder, "")),
            _first_and_again(one, "calls"),
            _first_and_again(one, "read_units"),
            _first_and_again(one, "write_units"),
            _first_and_again(one, "queued"),
            str(one["connections_first"]),
            str(one["secrets_read"]),
        )
        for folder, one in functions.items()
        if one["again"] is not None
    ]
    heads = (
        "function",
        "round trips",
        "budget",
        "calls",
        "read units",
        "write units",
        "queued",
        "connections of the first event",
        "secrets read in init",
    )
    return [
        (
            "*Round trips* are calls to DynamoDB one after the other, *calls* are all calls to DynamoDB. Units are "
            "those that DynamoDB Local reports; writes whose condition fails are counted as AWS bills them. Of two "
            "figures, the first is for the first use (of an access token, which confirms its session; of an identity; "
            "of an unverified address), the second for later ones."
        ),
        table(heads, rows),
    ]


def _memory(functions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            f"`{folder}`",
            *(_at(one, setting) for setting in SETTINGS_MB),
            str(one["recommended_mb"]),
            str(one["memory_mb"]),
        )
        for folder, one in functions.items()
        if one["call_cpu_ms"] is not None
    ]
    return [
        (
            "Milliseconds per call, and gigabyte-seconds per million calls, at the share of a core that Lambda gives "
            f"(one core at 1,769 MB). A round trip to a service is taken as {ROUND_TRIP_MS:g} ms. The recommended "
            f"memory is the cheapest at which a call takes at most {LONGEST_CALL_MS:g} ms and a start "
            f"{LONGEST_START_MS:,.0f} ms, or else the fastest. For the mailer it is the cheapest, because no client "
            "waits for it."
        ),
        table(("function", *(f"{setting} MB" for setting in SETTINGS_MB), "recommended", "set"), rows),
    ]


def _traffic(served: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [(str(one["callers"]), f"{one['requests_per_second']:.0f}", str(one["errors"])) for one in served]
    return [
        "`GET /api/auth/me` through `make run`: one process, AWS simulated in memory, callers on the same machine.",
        table(("callers", "requests per second", "errors"), rows),
    ]


def _most(function: Mapping[str, Any], name: str) -> float:
    uses = (function["first_use"], function["again"])
    return max(float(use[name]) for use in uses if use is not None)


def _first_and_again(function: Mapping[str, Any], name: str) -> str:
    first, again = function["first_use"], function["again"]
    figures = [again[name]] if first is None or first[name] == again[name] else [first[name], again[name]]
    return ", then ".join(f"{figure:g}" for figure in figures)


def _at(function: Mapping[str, Any], memory_mb: int) -> str:
    load = load_of(function)
    return f"{load.call_ms(memory_mb):.0f} ms, {load.gigabyte_seconds(memory_mb) * 1e6:,.0f}"


def _number(value: float | None, digits: int = 1) -> str:
    return "" if value is None else f"{value:.{digits}f}"
