"""The monthly bill for so many users, by AWS's list prices, next to Cognito's."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gerbang_bench.memory import Load

PRICES: Final = Path(__file__).with_name("prices.toml")
MEASURED: Final = Path(__file__).with_name("measured.json")

_MILLION: Final = 1e6
_GIGABYTE: Final = 1e9
_CALLS_PER_MAIL: Final = 3
"""SQS requests a message: sent, received, deleted."""

_FUNCTION_OF: Final = {
    "sign_ins": "api/auth/login",
    "refreshes": "api/auth/refresh",
    "authorized_calls": "authorizer",
    "mails": "auth/otp",
    "registrations": "api/auth/register",
}
"""Which function serves each habit."""

_MAILER: Final = "mailer"
_BEHIND_NO_ROUTE: Final = frozenset({"authorized_calls"})
"""What API Gateway does not bill to this deployment: the request is the other API's."""


class NotMeasured(Exception):
    """There are no measurements, or they lack a function; the message says what to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """A month's bill, in US dollars."""

    users: int
    region: str
    as_of: str
    parts: Mapping[str, float]
    cognito: float

    @property
    def total(self) -> float:
        """Everything together."""
        return sum(self.parts.values())

    @property
    def dominant(self) -> str:
        """The part that costs most."""
        return max(self.parts, key=lambda part: self.parts[part])


def measured(path: Path = MEASURED) -> dict[str, Any]:
    """Return what the last whole run of the bench measured.

    Raises:
        NotMeasured: there was none.
    """
    if not path.exists():
        raise NotMeasured("Nothing is measured yet: run `make bench`.")
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def bill(users: int, region: str, results: Mapping[str, Any], prices: Path = PRICES) -> Bill:
    """Return the bill of *users* who are active in a month.

    Raises:
        NotMeasured: the measurements lack a function that is needed.
        KeyError: there are no prices of the region.
    """
    listed = tomllib.loads(prices.read_text("utf-8"))
    price, habits, assumed = listed["regions"][region], listed["habits"], listed["assumed"]
    names = ("API Gateway", "Lambda", "DynamoDB", "SQS", "SES", "Secrets Manager", "Logs")
    parts: dict[str, float] = dict.fromkeys(names, 0.0)

    for habit, each in habits.items():
        events = users * each
        parts["API Gateway"] += 0 if habit in _BEHIND_NO_ROUTE else events / _MILLION * price["api_million_requests"]
        for folder in (_FUNCTION_OF[habit], *([_MAILER] if habit == "mails" else [])):
            function = _of(results, folder)
            parts["Lambda"] += events * _invocation(function, price, assumed["cold_share"])
            parts["DynamoDB"] += events / _MILLION * _units(function, price)
            parts["Logs"] += events * assumed["log_bytes"] / _GIGABYTE * price["log_gigabyte"]
    mails = users * habits["mails"]
    parts["SES"] = mails / 1000 * price["mail_thousand"]
    parts["SQS"] = mails * _CALLS_PER_MAIL / _MILLION * price["sqs_million_requests"]
    parts["Secrets Manager"] = assumed["secrets"] * price["secret_month"]

    cognito = listed["cognito"]
    paying = max(0, users - cognito["free_users"])
    return Bill(
        users=users,
        region=region,
        as_of=listed["as_of"],
        parts=parts,
        cognito=paying * cognito["user_month"] + parts["SES"],
    )


def _of(results: Mapping[str, Any], folder: str) -> Mapping[str, Any]:
    function: Mapping[str, Any] | None = results["functions"].get(folder)
    if function is None:
        raise NotMeasured(f"{folder} is not measured: run `make bench`.")
    return function


def _invocation(function: Mapping[str, Any], price: Mapping[str, float], cold_share: float) -> float:
    """Return what one invocation costs, starts shared out: Lambda bills init as it bills calls."""
    load = load_of(function)
    memory_mb = int(function["memory_mb"])
    seconds = (load.call_ms(memory_mb) + cold_share * load.start_ms(memory_mb)) / 1000
    return (
        price["lambda_million_requests"] / _MILLION + memory_mb / 1024 * seconds * price["lambda_gigabyte_second_arm64"]
    )


def _units(function: Mapping[str, Any], price: Mapping[str, float]) -> float:
    reads, writes = float(function["read_units"]), float(function["write_units"])
    return reads * price["dynamodb_million_reads"] + writes * price["dynamodb_million_writes"]


def load_of(function: Mapping[str, Any]) -> Load:
    """Return a measured function's load."""
    return Load(
        start_cpu_ms=function["start_cpu_ms"],
        call_cpu_ms=function["call_cpu_ms"] or 0.0,
        round_trips=function["round_trips"],
        peak_mb=function["peak_mb"],
    )


def line(made: Bill) -> str:
    """Return the one line that the README carries."""
    return (
        f"{made.users:,} active users a month cost about ${made.total:,.0f} in {made.region} "
        f"(AWS list prices of {made.as_of}, `make price`); Cognito would be ${made.cognito:,.0f}."
    )
