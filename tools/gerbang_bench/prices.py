"""The monthly bill for so many users, by AWS's list prices, next to Cognito's.

In it is what this deployment is billed for. Not in it: API Gateway's requests and the functions of the APIs behind the
authorizer, which are those APIs' own; KMS, X-Ray, the storage of logs, mails of alarms: cents, or off by default.
Every call behind the Lambda authorizer invokes it, since its cache is off in the README. The bill is made both ways:
with it, and with API Gateway's JWT authorizers in its place, which cost nothing.
"""

import json
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gerbang_bench.memory import load_of
from gerbang_bench.tables import table

PRICES: Final = Path(__file__).with_name("prices.toml")
MEASURED: Final = Path(__file__).with_name("measured.json")

USERS: Final = 100_000
"""Active users of the bill in the README and on the page."""

REGION: Final = "eu-west-1"
"""The region of the bill in the README."""

FIXED: Final = "fixed"
"""The part of the bill that does not grow with use."""

_MILLION: Final = 1e6
_GIGABYTE: Final = 1e9
_CALLS_PER_MESSAGE: Final = 3
"""SQS requests: a message is sent, received, deleted."""

_REFRESHES_OF_SECRETS: Final = 30 * 24 * 12
"""How many times in 30 days an environment reads a secret again: every five minutes."""

_WITHOUT_ROUTE: Final = frozenset({"authorizer", "mailer"})
"""Functions that this API does not invoke: another API or a queue does."""

_MAILER: Final = "mailer"

AUTHORIZED: Final = "authorized_calls"
"""The habit that costs nothing where API Gateway verifies tokens by itself (docs/decisions/0037-rs256.md)."""


class NotMeasured(Exception):
    """There are no measurements, or they lack a function; the message says what to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A month's bill, in US dollars."""

    users: int
    region: str
    as_of: str
    parts: Mapping[str, Mapping[str, float]]
    """By habit, then by what is billed."""
    given: Mapping[str, float]
    """What AWS gives every account of what is billed, at its price."""
    cognito: Mapping[str, float]
    """By tier, with the same mails by SES."""

    @property
    def services(self) -> dict[str, float]:
        """What is billed for, over all habits."""
        names = dict.fromkeys(name for part in self.parts.values() for name in part)
        return {name: sum(part.get(name, 0.0) for part in self.parts.values()) for name in names}

    @property
    def habits(self) -> dict[str, float]:
        """What each habit comes to."""
        return {habit: sum(part.values()) for habit, part in self.parts.items()}

    @property
    def total(self) -> float:
        """Everything together."""
        return sum(self.habits.values())

    @property
    def total_with_jwt_authorizers(self) -> float:
        """Everything, where API Gateway's JWT authorizers take the place of the Lambda authorizer."""
        return self.total - self.habits.get(AUTHORIZED, 0.0)

    @property
    def free(self) -> float:
        """What of it AWS gives away, if nothing else of the account uses it."""
        return sum(min(dollars, self.given.get(name, 0.0)) for name, dollars in self.services.items())


def measured(path: Path = MEASURED) -> dict[str, Any]:
    """Return what the last whole run of the bench measured.

    Raises:
        NotMeasured: there was none.
    """
    if not path.exists():
        raise NotMeasured("Nothing is measured yet: run `make bench`.")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def regions(prices: Path = PRICES) -> list[str]:
    """Return the regions whose prices are known."""
    return list(_listed(prices)["regions"])


def bill(users: int, region: str, results: Mapping[str, Any], prices: Path = PRICES) -> Bill:
    """Return the bill of *users* who are active in a month.

    Raises:
        NotMeasured: the measurements lack a function that is needed.
        KeyError: there are no prices of the region.
    """
    listed = _listed(prices)
    price, assumed, habits = listed["regions"][region], listed["assumed"], listed["habits"]
    requests = sum(
        users * habit["times"] * sum(folder not in _WITHOUT_ROUTE for folder in habit["functions"])
        for habit in habits.values()
    )
    request_price = stepped(requests / _MILLION, price["api_million_requests"]) / requests if requests else 0.0
    parts = {FIXED: _fixed(price, assumed)}
    for name, habit in habits.items():
        functions = [(folder, _function(results, folder)) for folder in habit["functions"]]
        each = _sum(
            _use(
                folder, function, first_share=habit.get("first_uses", 0) / habit["times"], price=price, assumed=assumed
            )
            for folder, function in functions
        )
        routed = sum(folder not in _WITHOUT_ROUTE for folder, _ in functions)
        parts[name] = {
            "API Gateway": users * habit["times"] * routed * request_price,
            **{part: users * habit["times"] * dollars for part, dollars in each.items()},
        }
    parts["registrations"] = _sum([parts["registrations"], _storage(users, price, assumed)])
    mails = sum(part.get("SES", 0.0) for part in parts.values())
    return Bill(
        users=users,
        region=region,
        as_of=listed["as_of"],
        parts=parts,
        given={
            name: sum(amount * price[of] for of, amount in units.items()) for name, units in listed["given"].items()
        },
        cognito={tier: stepped(users, steps) + mails for tier, steps in listed["cognito"].items()},
    )


def stepped(amount: float, steps: Iterable[Sequence[float]]) -> float:
    """Return the price of an amount whose units cost less from one step to the next.

    Each step is up to how much it reaches, and what a unit of it costs.
    """
    dollars, below = 0.0, 0.0
    for up_to, each in steps:
        dollars += max(0.0, min(amount, up_to) - below) * each
        below = up_to
    return dollars


def line(made: Bill) -> str:
    """Return the one line that the README carries."""
    essentials, lite = made.cognito["Essentials"], made.cognito["Lite"]
    return (
        f"{made.users:,} active users cost about ${made.total:,.0f} a month in {made.region}, by AWS's list prices of "
        f"{made.as_of}, and ${made.total_with_jwt_authorizers:,.0f} with JWT authorizers in front of your other APIs. "
        f"Cognito costs ${essentials:,.0f}, its Lite tier ${lite:,.0f}."
    )


def as_text(made: Bill) -> str:
    """Return a bill in Markdown: its largest parts, by service, and by habit."""
    largest = max(made.services, key=lambda name: made.services[name])
    dearest = max(made.habits, key=lambda habit: made.habits[habit])
    head = (
        f"{made.users:,} active users in a month, {made.region}, list prices of {made.as_of}. The largest service is "
        f"{largest} ({made.services[largest] / made.total:.0%}), the largest habit `{dearest}` "
        f"({made.habits[dearest] / made.total:.0%})."
    )
    services = _descending(made.services)
    cognito = [(f"Cognito {tier}, for comparison", f"{dollars:,.2f}") for tier, dollars in made.cognito.items()]
    return "\n\n".join(
        [
            head,
            table(
                ("service", "US dollars"),
                [
                    *services,
                    ("total", f"{made.total:,.2f}"),
                    ("total with JWT authorizers", f"{made.total_with_jwt_authorizers:,.2f}"),
                    ("of it AWS's free tier", f"{made.free:,.2f}"),
                    *cognito,
                ],
            ),
            table(("habit", "US dollars"), _descending(made.habits)),
        ]
    )


def explained(prices: Path = PRICES) -> str:
    """Return the habits, assumptions and omissions of the bill in Markdown."""
    listed = _listed(prices)
    habits = [
        (name, f"{habit['times']:g}", f"{habit.get('first_uses', 0):g}", ", ".join(habit["functions"]))
        for name, habit in listed["habits"].items()
    ]
    assumed = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in listed["assumed"].items())
    return "\n\n".join(
        [
            (
                "`make price MAU=100000` calculates it from the durations, units and bytes measured above, for arm64 "
                "and the memory that is set. A round trip to a service is taken as 5 ms, and init is billed as calls "
                "are. `tools/gerbang_bench/prices.toml` has the prices, their sources and the habits."
            ),
            (
                "The bill includes every call of the Lambda authorizer, but not the other API's requests and "
                "functions. With JWT authorizers, `authorized_calls` cost nothing: API Gateway verifies tokens at no "
                "charge, and reads the key set every two hours. It "
                "leaves out KMS, X-Ray, stored logs and taxes. It does not subtract AWS's free tier, which the account "
                "may use for other things. *Fixed* does not grow with use; an idle stack pays only for two secrets of "
                "it. Cognito's free users are subtracted. API Gateway verifies Cognito's tokens at no cost, but it "
                "accepts them after a sign-out until they expire. Mails cost the same with both."
            ),
            table(("habit of one user in a month", "times", "first uses among them", "functions"), habits),
            f"Assumed: {assumed}.",
        ]
    )


def _listed(prices: Path) -> dict[str, Any]:
    return tomllib.loads(prices.read_text("utf-8"))


def _function(results: Mapping[str, Any], folder: str) -> Mapping[str, Any]:
    function: Mapping[str, Any] | None = results["functions"].get(folder)
    if function is None or function["again"] is None:
        raise NotMeasured(f"{folder} is not measured: run `make bench`.")
    return function


def _use(
    folder: str,
    function: Mapping[str, Any],
    *,
    first_share: float,
    price: Mapping[str, Any],
    assumed: Mapping[str, float],
) -> dict[str, float]:
    """Return what one use of a function costs, by what is billed, API Gateway left out."""
    again, cold_share = function["again"], assumed["cold_share"]
    first = function["first_use"] or again
    reads, writes, messages = (
        first_share * first[name] + (1 - first_share) * again[name] for name in ("read_units", "write_units", "queued")
    )
    logged = function["logged_bytes"] + assumed["platform_log_bytes"]
    answered = 0 if folder in _WITHOUT_ROUTE else function["answered_bytes"]
    seconds = (_billed_ms(function) + cold_share * _start_ms(function)) / 1000
    gigabyte_seconds = function["memory_mb"] / 1024 * seconds
    return {
        "Lambda duration": gigabyte_seconds * price["lambda_gigabyte_second"],
        "Lambda requests": price["lambda_million_requests"] / _MILLION,
        "DynamoDB": (reads * price["dynamodb_million_reads"] + writes * price["dynamodb_million_writes"]) / _MILLION,
        "CloudWatch logs": logged / _GIGABYTE * price["log_gigabyte"],
        "Secrets Manager": cold_share * function["secrets_read"] / _MILLION * price["secret_million_reads"],
        "SQS": messages * _CALLS_PER_MESSAGE / _MILLION * price["sqs_million_requests"],
        "SES": price["mail_thousand"] / 1000 if folder == _MAILER else 0.0,
        "data transfer": answered / _GIGABYTE * price["transfer_gigabyte"],
    }


def _billed_ms(function: Mapping[str, Any]) -> int:
    """Return what Lambda bills a call for: whole milliseconds."""
    return math.ceil(load_of(function).call_ms(function["memory_mb"]))


def _start_ms(function: Mapping[str, Any]) -> float:
    return load_of(function).start_ms(function["memory_mb"])


def _fixed(price: Mapping[str, Any], assumed: Mapping[str, float]) -> dict[str, float]:
    reads = assumed["environments"] * _REFRESHES_OF_SECRETS
    return {
        "CloudWatch metrics": assumed["metrics"] * price["metric_month"],
        "CloudWatch alarms, dashboard": assumed["alarms"] * price["alarm_month"]
        + assumed["dashboards"] * price["dashboard_month"],
        "Secrets Manager": assumed["secrets"] * price["secret_month"]
        + reads / _MILLION * price["secret_million_reads"],
        "SQS": assumed["idle_receives"] / _MILLION * price["sqs_million_requests"],
    }


def _storage(users: int, price: Mapping[str, Any], assumed: Mapping[str, float]) -> dict[str, float]:
    gigabytes = users * assumed["stored_bytes_per_user"] / _GIGABYTE
    return {
        "DynamoDB storage": gigabytes * price["dynamodb_gigabyte_month"],
        "DynamoDB backups": gigabytes * price["dynamodb_backup_gigabyte_month"],
    }


def _sum(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    together: dict[str, float] = {}
    for part in parts:
        for name, dollars in part.items():
            together[name] = together.get(name, 0.0) + dollars
    return together


def _descending(dollars: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(name, f"{dollars[name]:,.2f}") for name in sorted(dollars, key=lambda name: -dollars[name])]
