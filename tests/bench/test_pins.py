"""Limits for the built functions under Lambda's runtime client: start time, imports, and the cost of events.

Calls and units do not depend on the machine. Of the times, only starts have a limit: a ratio to boto3, with a margin.
`make bench` measures the rest.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import inf
from types import MappingProxyType
from typing import Final

import pytest
from gerbang_bench import benches
from gerbang_bench.benches import HASHING, Bench
from gerbang_bench.measuring import Base, Counted, Counts, count, sample
from gerbang_bench.reports import BUDGETS, START_RATIO_OF_ANY, page, targets
from gerbang_bench.supabase_scenarios import ID_TOKEN_GRANT, PASSWORD_GRANT, PKCE_GRANT
from sam_deploy import this_machine

from tests.bench.test_scenarios import CASES
from tests.bench.timed import TIMED
from tests.build.artefacts import build_for

SIGNING_IN: Final = frozenset(
    {"api/auth/login", "auth/login_with_email_password", "auth/verify_legacy_password", PASSWORD_GRANT}
)
MAILING: Final = frozenset(
    {
        "api/auth/change-password",
        "api/auth/forgot-password",
        "api/auth/reset-password",
        "api/organization/invitations",
        "auth/otp",
        "auth/register",
        "auth/v1/otp",
        "auth/v1/reauthenticate",
        "auth/v1/recover",
        "auth/v1/resend",
        "auth/v1/signup",
        "auth/v1/user",
        "auth/v1/user/identities/one",
        "mailer",
    }
)

WITHOUT_BODY: Final = frozenset(
    {"authorizer", "default", "jwks", "mailer", "openid-configuration", "rotation"}
    | {
        "api/auth/logout",
        "api/auth/logout-all",
        "api/auth/me",
        "api/auth/sessions",
        "api/auth/sessions/one",
        "api/organization/invitations/one",
        "api/organization/members",
        "auth/login_with_anonymous",
        "auth/logout",
        "auth/v1/admin/users/one/factors",
        "auth/v1/factors/one",
        "auth/v1/factors/one/challenge",
        "auth/v1/factors/recovery-codes",
        "auth/v1/health",
        "auth/v1/logout",
        "auth/v1/reauthenticate",
        "auth/v1/settings",
        "auth/v1/user/identities/one",
        "auth/v1/user/sessions",
        "auth/v1/user/sessions/one",
    }
)
"""Functions that read no request body."""

ONLY_IN: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "boto3": frozenset(),
        "aws_lambda_powertools.event_handler": frozenset(),  # the router: a third of a start
        "cryptography": frozenset({"api/auth/google", ID_TOKEN_GRANT}),  # reads asymmetric keys
        "pydantic": frozenset(CASES) - WITHOUT_BODY,
    }
)
"""The libraries that slow down a start most, and the functions that may import them during init."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The maximum cost of an event."""

    round_trips: int
    calls: float = inf
    """Calls to DynamoDB. Without a limit, the units limit them."""
    reads: float = 0
    writes: float = 0
    queued: int = 0


SIGN_IN: Final = Cost(round_trips=3, calls=7, reads=2, writes=8)
SIGN_IN_WITH_ROLE: Final = Cost(round_trips=3, calls=8, reads=3, writes=8)
ASK_FOR_MAIL: Final = Cost(round_trips=1, writes=3, queued=1)
ASK_FOR_CODE: Final = Cost(round_trips=1, reads=1, writes=3, queued=1)
LOGOUT: Final = Cost(round_trips=2, reads=2, writes=1)
LOGOUT_EVERYWHERE: Final = Cost(round_trips=2, reads=2, writes=2)
REFRESH: Final = Cost(round_trips=2, reads=1, writes=1)
REFRESH_WITH_ROLE: Final = Cost(round_trips=2, reads=2, writes=1)
NOTHING: Final = Cost(round_trips=0)

AGAIN: Final[Mapping[str, Cost]] = MappingProxyType(
    {
        "api/auth/change-password": Cost(round_trips=4, reads=2, writes=8),
        "api/auth/forgot-password": ASK_FOR_MAIL,
        "api/auth/google": Cost(round_trips=3, reads=2, writes=4),
        "api/auth/login": SIGN_IN_WITH_ROLE,
        "api/auth/logout": LOGOUT,
        "api/auth/me": Cost(round_trips=1, reads=2),
        "api/auth/mfa/verify": Cost(round_trips=2, reads=2, writes=9),
        "api/auth/refresh": REFRESH_WITH_ROLE,
        "api/auth/register": Cost(round_trips=2, writes=11),
        "api/auth/reset-password": Cost(round_trips=5, reads=2, writes=8, queued=1),
        "api/auth/invitations/accept": Cost(round_trips=4, reads=2, writes=20),
        "api/auth/logout-all": LOGOUT_EVERYWHERE,
        "api/auth/sessions": Cost(round_trips=2, reads=3),
        "api/auth/sessions/one": Cost(round_trips=3, reads=3, writes=1),
        "api/organization": Cost(round_trips=2, reads=4),
        "api/organization/invitations": Cost(round_trips=6, reads=6, writes=8, queued=1),
        "api/organization/invitations/one": Cost(round_trips=4, reads=4, writes=4),
        "api/organization/members": Cost(round_trips=4, reads=5),
        "api/organization/members/one": Cost(round_trips=4, reads=4, writes=4),
        "api/organizations": Cost(round_trips=3, reads=5),
        "auth/v1/user/sessions": Cost(round_trips=2, reads=3),
        "auth/v1/user/sessions/one": Cost(round_trips=3, reads=3, writes=1),
        "auth/login_with_anonymous": Cost(round_trips=2, writes=5),
        "auth/login_with_email_password": SIGN_IN,
        "auth/logout": LOGOUT,
        "auth/mfa/verify": Cost(round_trips=2, reads=1, writes=9),
        "auth/otp": ASK_FOR_CODE,
        "auth/register": Cost(round_trips=3, writes=8, queued=1),
        "auth/v1/admin/generate_link": Cost(round_trips=3, reads=2, writes=1),
        "auth/v1/admin/users": Cost(round_trips=2, reads=2),
        "auth/v1/admin/users/one": Cost(round_trips=1, reads=1),
        "auth/v1/admin/users/one/factors": Cost(round_trips=1, reads=1),
        "auth/v1/admin/users/one/factors/one": Cost(round_trips=2, reads=1, writes=4),
        "auth/v1/factors": Cost(round_trips=2, reads=2, writes=4),
        "auth/v1/factors/one": Cost(round_trips=3, reads=3, writes=6),
        "auth/v1/factors/one/challenge": Cost(round_trips=1, reads=2),
        "auth/v1/factors/one/verify": Cost(round_trips=3, reads=3, writes=8),
        "auth/v1/factors/recovery-codes": Cost(round_trips=2, reads=2, writes=4),
        "auth/v1/health": NOTHING,
        "auth/v1/invite": Cost(round_trips=3, reads=2, writes=6, queued=1),
        "auth/v1/reauthenticate": Cost(round_trips=2, reads=3, writes=3, queued=1),
        "auth/v1/user/identities/one": Cost(round_trips=2, reads=2, writes=3, queued=1),
        "auth/v1/logout": LOGOUT_EVERYWHERE,
        "auth/v1/otp": ASK_FOR_CODE,
        "auth/v1/recover": ASK_FOR_CODE,
        "auth/v1/resend": ASK_FOR_CODE,
        "auth/v1/settings": NOTHING,
        "auth/v1/signup": Cost(round_trips=5, reads=2, writes=11, queued=1),
        "auth/v1/token": REFRESH,
        ID_TOKEN_GRANT: Cost(round_trips=4, reads=3, writes=4),
        PASSWORD_GRANT: SIGN_IN,
        PKCE_GRANT: Cost(round_trips=3, reads=2, writes=7),
        "auth/v1/user": Cost(round_trips=1, reads=2),
        "auth/v1/verify": Cost(round_trips=3, reads=4, writes=9),
        "auth/verify_legacy_password": SIGN_IN,
        "auth/verify_otp": Cost(round_trips=3, reads=4, writes=9),
        "authorizer": Cost(round_trips=1, reads=3),
        "default": NOTHING,
        "jwks": NOTHING,
        "openid-configuration": NOTHING,
        "mailer": Cost(round_trips=5, reads=2, writes=3),
    }
)

FIRST_USE: Final[Mapping[str, Cost]] = MappingProxyType(
    {
        "api/auth/change-password": Cost(round_trips=5, reads=2, writes=9),
        "api/auth/google": Cost(round_trips=4, reads=2, writes=9),
        "api/auth/me": Cost(round_trips=2, reads=2, writes=1),
        "api/organization": Cost(round_trips=3, reads=4, writes=1),
        ID_TOKEN_GRANT: Cost(round_trips=5, reads=3, writes=9),
        "auth/v1/user": Cost(round_trips=2, reads=2, writes=1),
        "auth/v1/verify": Cost(round_trips=3, reads=4, writes=9, queued=1),
        "auth/verify_otp": Cost(round_trips=3, reads=4, writes=9, queued=1),
        "authorizer": Cost(round_trips=2, reads=3, writes=1),
    }
)

CONNECTIONS_LEFT: Final[Mapping[str, int]] = MappingProxyType(
    {
        # They make concurrent calls, and init may have needed fewer connections.
        **dict.fromkeys(SIGNING_IN | MAILING | {"auth/verify_otp", "auth/v1/verify"}, 1),
        "api/auth/reset-password": 2,
        "mailer": 2,  # no user waits for it
        ID_TOKEN_GRANT: 1,  # to the provider, for its keys; the other grants need none
    }
)
"""The number of connections that a first event may open if init does not open all."""


BUSY: Final = 1.15
"""The margin of a start ratio for a busy machine: 1.47 was measured during another measurement, 1.30 alone."""

TRIES: Final = 5
"""How often a value beyond its limit is measured, because the machine may be busy. The best value counts."""


@pytest.fixture(scope="module")
def bench(dynamodb_endpoint: str) -> Iterator[Bench]:
    build = build_for(this_machine())
    parameters = {"PasswordHashCost": "10"}  # the limits do not depend on it
    with benches.started(
        build.folder, lambda _: None, dynamodb_endpoint=dynamodb_endpoint, parameters=parameters
    ) as bench:
        yield bench


@pytest.fixture(scope="module")
def base(bench: Bench) -> Base:
    """`import boto3` and one client."""
    [case] = [case for case in bench.compared() if case.deployed.name == benches.BASE]
    return Base(case.deployed, bench.machine)


@pytest.fixture(scope="module")
def counts_of(bench: Bench) -> Callable[[str], Counts]:
    """Returns the calls and imports of a function. Each function is measured once."""
    return cache(lambda function: count(bench.cases[function], bench.machine))


@pytest.mark.build
@pytest.mark.parametrize("function", CASES)
def test_the_start_of_a_function_is_within_its_limit(bench: Bench, base: Base, function: str) -> None:
    only_start = replace(bench.cases[function], events=lambda: None)
    ratios: list[float] = []
    while len(ratios) < TRIES and min(ratios, default=inf) > START_RATIO_OF_ANY * BUSY:
        taken = sample(only_start, bench.machine, base)
        ratios.append(taken.start.cpu_ms / taken.base.cpu_ms)

    assert min(ratios) <= START_RATIO_OF_ANY * BUSY


@pytest.mark.build
@pytest.mark.parametrize("function", CASES)
def test_a_function_does_not_import_what_it_does_not_need(counts_of: Callable[[str], Counts], function: str) -> None:
    assert forbidden_imports(counts_of(function).modules, function) == []


def forbidden_imports(modules: Collection[str], function: str) -> list[str]:
    return [module for module, allowed in ONLY_IN.items() if module in modules and function not in allowed]


@pytest.mark.build
@pytest.mark.parametrize("function", sorted(set(CASES) - {"rotation"}))
def test_events_cost_at_most_the_allowed_calls_and_units(
    bench: Bench, counts_of: Callable[[str], Counts], function: str
) -> None:
    wrong = list(beyond(counts_of(function), function))
    for _ in range(TRIES - 1):  # on a busy machine, concurrent calls may be counted as consecutive
        if wrong:
            wrong = list(beyond(count(bench.cases[function], bench.machine), function))

    assert wrong == []


def beyond(counts: Counts, function: str) -> Iterator[str]:
    yield from more(counts.again, AGAIN[function], f"an event of {function}")
    yield from more(counts.first_use, FIRST_USE.get(function, NOTHING), f"a first use of {function}")
    if counts.connections_first > CONNECTIONS_LEFT.get(function, 0):
        yield f"the first event of {function} opens {counts.connections_first} connections"


def more(counted: Counted | None, most: Cost, what: str) -> Iterator[str]:
    if counted is None:
        return
    for name, found, allowed in (
        ("round trips", counted.round_trips, most.round_trips),
        ("calls", counted.calls, most.calls),
        ("read units", counted.read_units, most.reads),
        ("write units", counted.write_units, most.writes),
        ("messages", counted.queued, most.queued),
    ):
        if found > allowed:
            yield f"{what} costs {found:g} {name}; the limit is {allowed:g}"


def test_no_limit_exceeds_its_budget() -> None:
    for function, most in BUDGETS.items():
        for uses in (AGAIN, FIRST_USE):
            assert uses.get(function, NOTHING).round_trips <= most, function


def test_every_limit_belongs_to_an_existing_function() -> None:
    limited = {*AGAIN, *FIRST_USE, *CONNECTIONS_LEFT, *(name for names in ONLY_IN.values() for name in names)}

    assert set(AGAIN) == set(CASES) - {"rotation"}
    assert limited - set(CASES) == set()


def test_a_cost_beyond_its_limit_is_named() -> None:
    expensive = Counted(round_trips=2, waits=2, calls=2, queued=0, read_units=1.0, write_units=3.0, connections=0)

    assert list(more(expensive, Cost(round_trips=2, reads=1, writes=1), "it")) == [
        "it costs 3 write units; the limit is 1"
    ]


def test_a_forbidden_import_is_named() -> None:
    assert forbidden_imports({"app", "boto3", "cryptography"}, "api/auth/google") == ["boto3"]
    assert forbidden_imports({"app", "pydantic"}, "authorizer") == ["pydantic"]


@pytest.mark.build
def test_the_bench_measures_all_values_of_the_page(
    bench: Bench, record_property: Callable[[str, object], None]
) -> None:
    """Runs the bench with a few functions in one round. Times are only printed."""
    chosen = ["authorizer", "api/auth/login", "api/auth/me", "api/auth/refresh"]

    results = benches.run(bench, chosen, 1, lambda _: None)

    for name, most, value in targets(results):
        record_property(TIMED, f"{name}: {value:.2f} (target: at most {most:g})")
    for function, measured in results["functions"].items():
        assert measured["start_cpu_ms"] > 0.1 * results["base"]["start_cpu_ms"]
        assert 20 < measured["peak_mb"] < 120
        assert measured["modules"] > 100
        assert measured["call_cpu_ms"] > measured["own_cpu_ms"] > 0
        assert measured["again"]["read_units"] == AGAIN[function].reads
        assert (measured["hash_ratio"] is None) == (function not in HASHING)
    assert "| `api/auth/login` |" in page(results)
