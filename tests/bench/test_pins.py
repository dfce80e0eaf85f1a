"""What does not hang on the machine's mood, of the built functions under Lambda's own runtime client.

What init imports, connects and executes, what events execute and cost in calls and units. `make bench` measures the
rest; what is timed here is only shown.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import pytest
from gerbang_bench import benches
from gerbang_bench.benches import HASHING, Bench
from gerbang_bench.environments import Executed
from gerbang_bench.measuring import Counted, Counts, Trace, count, trace
from gerbang_bench.reports import BUDGETS, page, targets
from sam_deploy import this_machine

from tests.bench.test_scenarios import FUNCTIONS
from tests.bench.timed import TIMED
from tests.build.artefacts import build_for

SIGNING_IN: Final = frozenset({"api/auth/login", "auth/login_with_email_password", "auth/verify_legacy_password"})
MAILING: Final = frozenset(
    {
        "api/auth/change-password",
        "api/auth/forgot-password",
        "api/auth/reset-password",
        "auth/otp",
        "auth/register",
        "mailer",
    }
)
SNAPOTP: Final = frozenset(function for function in FUNCTIONS if function.startswith("api/auth/"))
ATOURIN: Final = frozenset(
    function for function in FUNCTIONS if function.startswith("auth/") and function != "auth/v1/token"
)
BY_BODY: Final = frozenset({"api/auth/login", "api/auth/refresh", "api/auth/register"})

MAY_IMPORT: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        # Third parties, by what they cost a start.
        "boto3": frozenset(),
        "s3transfer": frozenset(),
        "asyncio": frozenset(),
        "aws_lambda_powertools.event_handler": frozenset(),
        "aws_xray_sdk": frozenset(),
        "idna": frozenset(),  # only for domains that are not ASCII
        "cryptography": frozenset({"api/auth/google"}),
        "bcrypt": HASHING | {"api/auth/google", "mailer"},  # cryptography imports it where it finds it
        "jwt": frozenset(FUNCTIONS)
        - (MAILING - {"api/auth/change-password", "auth/register"})
        - {"api/organization", "default", "rotation"},
        "pydantic": frozenset(FUNCTIONS) - {"authorizer", "jwks", "mailer", "rotation"},
        "botocore.client": frozenset(FUNCTIONS) - {"default", "rotation"},
        # Ours, by whose they are.
        "gerbang.sessions.api_keys": frozenset({"api/auth/google", "auth/v1/token"}),
        "gerbang.accounts.authorization": frozenset({"authorizer"}),
        "gerbang.apis.atourin": ATOURIN | {"default"},
        "gerbang.apis.botlaunch": BY_BODY | {"api/auth/logout", "api/organization", "default"},
        "gerbang.apis.gotrue": frozenset({"auth/v1/token", "default"}),
        "gerbang.apis.snapotp": SNAPOTP - {"api/auth/logout"} | {"default"},
        "gerbang.accounts.google": frozenset({"api/auth/google"}),
        "gerbang.accounts.guests": frozenset({"auth/login_with_anonymous"}),
        "gerbang.passwords.legacy": frozenset(),  # when an inherited hash is met
        "gerbang.mail.composing": frozenset({"mailer"}),
        "gerbang.mail.mailer": frozenset({"mailer"}),
        "gerbang.mail.service": MAILING | {"auth/verify_otp"},
        "gerbang.accounts.code_sign_in": frozenset({"auth/verify_otp", "mailer"}),
        "gerbang.passwords.hashing": HASHING | {"mailer"},
        "gerbang.accounts.registration": frozenset({"api/auth/register", "auth/register"}),
        "gerbang.sessions.rotation": frozenset({"rotation"}),
        "gerbang.accounts.sign_in": SIGNING_IN | {"api/auth/change-password", "api/auth/reset-password", "mailer"},
    }
)
"""Modules that cost a start something or say whose work is done, and the functions that may import them in init."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What an event may cost at most."""

    round_trips: int
    reads: float = 0
    writes: float = 0
    queued: int = 0


SIGN_IN: Final = Cost(round_trips=3, reads=2, writes=11)
ASK_FOR_MAIL: Final = Cost(round_trips=1, writes=3, queued=1)
LOGOUT: Final = Cost(round_trips=2, reads=2, writes=1)
REFRESH: Final = Cost(round_trips=2, reads=1, writes=1)
NOTHING: Final = Cost(round_trips=0)

AGAIN: Final[Mapping[str, Cost]] = MappingProxyType(
    {
        "api/auth/change-password": Cost(round_trips=4, reads=2, writes=11),
        "api/auth/forgot-password": ASK_FOR_MAIL,
        "api/auth/google": Cost(round_trips=3, reads=2, writes=4),
        "api/auth/login": SIGN_IN,
        "api/auth/logout": LOGOUT,
        "api/auth/me": Cost(round_trips=1, reads=2),
        "api/auth/refresh": REFRESH,
        "api/auth/register": Cost(round_trips=2, writes=7),
        "api/auth/reset-password": Cost(round_trips=6, reads=2, writes=9, queued=1),
        "api/organization": Cost(round_trips=1, reads=1),
        "auth/login_with_anonymous": Cost(round_trips=2, writes=5),
        "auth/login_with_email_password": SIGN_IN,
        "auth/logout": LOGOUT,
        "auth/otp": ASK_FOR_MAIL,
        "auth/register": Cost(round_trips=2, writes=3, queued=1),
        "auth/v1/token": REFRESH,
        "auth/verify_legacy_password": SIGN_IN,
        "auth/verify_otp": Cost(round_trips=4, reads=3, writes=10),
        "authorizer": Cost(round_trips=1, reads=3),
        "default": NOTHING,
        "jwks": NOTHING,
        "mailer": Cost(round_trips=5, reads=2, writes=3),
    }
)

FIRST_USE: Final[Mapping[str, Cost]] = MappingProxyType(
    {
        "api/auth/change-password": Cost(round_trips=5, reads=2, writes=12),
        "api/auth/google": Cost(round_trips=4, reads=2, writes=5),
        "api/auth/me": Cost(round_trips=2, reads=2, writes=1),
        "auth/verify_otp": Cost(round_trips=5, reads=3, writes=10, queued=1),
        "authorizer": Cost(round_trips=2, reads=3, writes=1),
    }
)

CONNECTIONS_LEFT: Final[Mapping[str, int]] = MappingProxyType(
    {
        # Their calls go beside one another, and init's may have been quick enough to share a connection.
        **dict.fromkeys(SIGNING_IN | MAILING | {"auth/verify_otp"}, 1),
        "api/auth/reset-password": 2,
        "mailer": 2,  # nobody waits for it
    }
)
"""How many connections a first event may open, where init does not open all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How many of Python's instructions a function executes."""

    start: float
    """Of init, to that of `import boto3` and one client."""
    event: int
    """Of an event like the one before."""


EXECUTES: Final[Mapping[str, Work]] = MappingProxyType(
    {
        "api/auth/change-password": Work(start=1.37, event=315_700),
        "api/auth/forgot-password": Work(start=1.38, event=136_300),
        "api/auth/google": Work(start=1.71, event=123_000),
        "api/auth/login": Work(start=1.33, event=334_800),
        "api/auth/logout": Work(start=1.26, event=79_400),
        "api/auth/me": Work(start=1.27, event=48_700),
        "api/auth/refresh": Work(start=1.27, event=85_000),
        "api/auth/register": Work(start=1.36, event=112_600),
        "api/auth/reset-password": Work(start=1.36, event=263_800),
        "api/organization": Work(start=1.17, event=30_600),
        "auth/login_with_anonymous": Work(start=1.31, event=88_200),
        "auth/login_with_email_password": Work(start=1.31, event=334_300),
        "auth/logout": Work(start=1.26, event=78_800),
        "auth/otp": Work(start=1.38, event=136_200),
        "auth/register": Work(start=1.43, event=111_900),
        "auth/v1/token": Work(start=1.26, event=84_600),
        "auth/verify_legacy_password": Work(start=1.31, event=334_300),
        "auth/verify_otp": Work(start=1.30, event=251_100),
        "authorizer": Work(start=1.05, event=77_700),
        "default": Work(start=0.54, event=7_000),
        "jwks": Work(start=0.96, event=2_700),
        "mailer": Work(start=1.09, event=190_600),
        "rotation": Work(start=0.27, event=0),
    }
)

SLACK: Final = 1.02
"""By how much they may be exceeded: other releases of Python 3.13 have other instructions in the standard library."""

TRIES: Final = 3
"""How often a function is traced that executes too much: what had to be tried again, on a busy machine, is counted, and
what two threads of a start looked for at once, and botocore made twice."""


@pytest.fixture(scope="module")
def bench(dynamodb_endpoint: str) -> Iterator[Bench]:
    build = build_for(this_machine())
    with benches.started(build.folder, lambda _: None, dynamodb_endpoint=dynamodb_endpoint) as bench:
        yield bench


@pytest.fixture(scope="module")
def base(bench: Bench) -> Trace:
    """What `import boto3` and one client execute."""
    [case] = [case for case in bench.compared() if case.deployed.name == benches.BASE]
    return trace(case, bench.machine)


@pytest.mark.build
@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_import_their_own_business_and_execute_no_more_than_they_did(
    bench: Bench, base: Trace, function: str
) -> None:
    wrong: list[str] = []
    for _ in range(TRIES):
        traced = trace(bench.cases[function], bench.machine)
        wrong = [*foreign(traced.modules, function), *above(traced, EXECUTES[function], base)]
        if not wrong:
            break

    assert wrong == []


def foreign(imported: Collection[str], function: str) -> Iterator[str]:
    for module, allowed in MAY_IMPORT.items():
        if module in imported and function not in allowed:
            yield f"init of {function} imports {module}: let it not, or allow it in MAY_IMPORT"


def above(traced: Trace, most: Work, base: Trace) -> Iterator[str]:
    start = traced.start.all / base.start.all
    if start > most.start * SLACK:
        yield f"its start executes {start:.3f} of boto3's, and may execute {most.start}"
    if traced.again is not None and traced.again.all > most.event * SLACK:
        yield f"an event executes {traced.again.all:_} instructions, and may execute {most.event:_}"


@pytest.mark.build
@pytest.mark.parametrize("function", sorted(set(FUNCTIONS) - {"rotation"}))
def test_events_cost_the_calls_and_units_that_they_did(bench: Bench, function: str) -> None:
    counts = count(bench.cases[function], bench.machine)

    assert list(beyond(counts, function)) == []


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
        ("read units", counted.read_units, most.reads),
        ("write units", counted.write_units, most.writes),
        ("messages", counted.queued, most.queued),
    ):
        if found > allowed:
            yield f"{what} costs {found:g} {name}, and may cost {allowed:g}"


def test_no_pin_is_beyond_its_budget() -> None:
    for function, most in BUDGETS.items():
        for uses in (AGAIN, FIRST_USE):
            assert uses.get(function, NOTHING).round_trips <= most, function


def test_every_pin_is_of_a_function_that_there_is() -> None:
    pinned = {*AGAIN, *FIRST_USE, *CONNECTIONS_LEFT, *(name for names in MAY_IMPORT.values() for name in names)}

    assert set(AGAIN) == set(FUNCTIONS) - {"rotation"}
    assert set(EXECUTES) == set(FUNCTIONS)
    assert pinned - set(FUNCTIONS) == set()


def test_a_cost_beyond_its_pin_is_named() -> None:
    dear = Counted(round_trips=2, waits=2, calls=2, queued=0, read_units=1.0, write_units=3.0, connections=0)

    assert list(more(dear, Cost(round_trips=2, reads=1, writes=1), "it")) == ["it costs 3 write units, and may cost 1"]


def test_work_beyond_its_pin_is_named() -> None:
    much, little = Executed(all=1031, ours=1), Executed(all=1000, ours=1)
    base = Trace(modules=frozenset(), start=little, first=None, again=None)
    pin = Work(start=1.01, event=1010)

    assert list(above(Trace(modules=frozenset(), start=little, first=little, again=little), pin, base)) == []
    assert list(above(Trace(modules=frozenset(), start=much, first=little, again=much), pin, base)) == [
        "its start executes 1.031 of boto3's, and may execute 1.01",
        "an event executes 1_031 instructions, and may execute 1_010",
    ]


@pytest.mark.build
def test_the_bench_measures_what_the_page_has(bench: Bench, record_property: Callable[[str, object], None]) -> None:
    """The bench itself, on a few functions, in one round. What is timed is shown, and fails nothing."""
    chosen = ["authorizer", "api/auth/login", "api/auth/me", "api/auth/refresh"]

    results = benches.run(bench, chosen, 1, lambda _: None)

    for name, most, value in targets(results):
        record_property(TIMED, f"{name}: {value:.2f}, wanted at most {most:g}")
    for function, measured in results["functions"].items():
        assert measured["start_cpu_ms"] > 0.1 * results["base"]["start_cpu_ms"]
        assert 20 < measured["peak_mb"] < 120
        assert (
            0
            < measured["instructions"]["ours"]
            < measured["instructions"]["all"]
            < measured["start_instructions"]["all"]
        )
        assert measured["call_cpu_ms"] > measured["own_cpu_ms"] > 0
        assert measured["again"]["read_units"] == AGAIN[function].reads
        assert (measured["hash_ratio"] is None) == (function not in HASHING)
    assert "| `api/auth/login` |" in page(results)
