"""A whole run: everything that is needed started, every case measured and counted, the results gathered."""

import os
import platform
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import dynamodb_local
from gerbang_local.google import LOCAL_CLIENT_ID

from gerbang_bench import builds, scenarios, traffic
from gerbang_bench.builds import Build, BuiltFunction
from gerbang_bench.environments import Deployed
from gerbang_bench.measuring import Case, Counted, Machine, Sample, a_core, count, median, ratio, rounds
from gerbang_bench.memory import Load, recommended_mb
from gerbang_bench.stand_ins import StandIns
from gerbang_bench.worlds import World, make_tables, text_of_mail

BASE: Final = "boto3 and one client"
"""Case b of the first measurements: what every start is compared with."""

BARE: Final = "bare handler"
HASH: Final = "bare hash"
"""One bcrypt hash of the deployment's cost, and nothing else."""

HASHING: Final = frozenset(
    {
        "api/auth/change-password",
        "api/auth/login",
        "api/auth/register",
        "api/auth/reset-password",
        "auth/login_with_email_password",
        "auth/register",
        "auth/verify_legacy_password",
    }
)
"""Functions that hash a password: fewer events, since each takes a fifth of a second."""

_BASE_SOURCE: Final = """
import boto3
client = boto3.client("dynamodb")
def handler(event, context):
    return {}
"""
_BARE_SOURCE: Final = """
def handler(event, context):
    return {}
"""
_HASH_SOURCE: Final = """
import os
import bcrypt
salt = f"$2b${int(os.environ['PASSWORD_HASH_COST']):02d}$".encode() + b"GerbangNobodysSaltOOOO"
def handler(event, context):
    bcrypt.hashpw(b"x" * 44, salt)
    return {}
"""

type Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Everything that is needed, started."""

    functions: dict[str, BuiltFunction]
    cases: dict[str, Case]
    machine: Machine


@contextmanager
def started(folder: Path, progress: Progress) -> Iterator[Bench]:
    """Start AWS's stand-ins and yield what can be measured of the build in *folder*.

    Raises:
        NotBuilt: there is none.
        dynamodb_local.Unavailable: there is no DynamoDB Local.
    """
    with TemporaryDirectory(dir=folder.parent, prefix="bench-") as temporary:
        scratch = Path(temporary).resolve()
        progress("laying out the build")
        overrides = {"Architecture": builds.this_machine(), "GoogleClientIds": LOCAL_CLIENT_ID}
        build = Build(folder, scratch, overrides)
        functions = build.functions()
        progress("starting DynamoDB Local")
        endpoint = os.environ.get("DYNAMODB_ENDPOINT")
        with (scratch / "dynamodb.log").open("wb") as log:
            endpoint = endpoint or dynamodb_local.start(owner=os.getpid(), log=log).endpoint
        make_tables(build.tables(), endpoint)
        texts = {name: secrets.token_hex(32) for name in ("MasterSecret", "SecretApiKey")}
        with StandIns(dynamodb_endpoint=endpoint, secrets=texts, scratch=scratch / "tls") as stand_ins:
            any_function = next(iter(functions.values()))
            variables = {**any_function.environment, **stand_ins.variables, "AWS_ENDPOINT_URL_DYNAMODB": endpoint}
            world = World(variables, lambda: text_of_mail(stand_ins.mails[-1]))
            stand_ins.google_keys = world.google_keys()
            yield Bench(
                functions=functions,
                cases=_cases(functions, world, scratch),
                machine=Machine(
                    runtime=builds.installed(builds.RUNTIME, scratch / "runtime"),
                    variables=stand_ins.variables,
                    ledger=stand_ins.ledger,
                    core=a_core(),
                ),
            )


def _cases(functions: dict[str, BuiltFunction], world: World, scratch: Path) -> dict[str, Case]:
    boto3 = scratch / "boto3"
    builds.installed(builds.BOTO3, boto3 / "python")
    hashing = functions["api/auth/login"]
    own = (
        Deployed(name=BASE, task=builds.written(_BASE_SOURCE, scratch / "base"), opt=boto3),
        Deployed(name=BARE, task=builds.written(_BARE_SOURCE, scratch / "bare"), opt=scratch / "nothing"),
        Deployed(
            name=HASH,
            task=builds.written(_HASH_SOURCE, scratch / "hash"),
            opt=hashing.opt,
            variables=hashing.environment,
        ),
    )
    cases = {one.name: Case(deployed=one, events=_nothing, warm=3) for one in own}
    for folder, function in functions.items():
        deployed = Deployed(
            name=folder,
            task=function.task,
            opt=function.opt,
            handler=function.handler,
            variables=function.environment,
        )
        cases[folder] = Case(
            deployed=deployed,
            events=partial(scenarios.scenario_of, folder, world),
            warm=3 if folder in HASHING else 10,
        )
    return cases


def _nothing() -> scenarios.Scenario:
    while True:
        yield {}


def run(bench: Bench, chosen: Sequence[str], number: int, progress: Progress) -> dict[str, Any]:
    """Measure *chosen* functions in *number* rounds, count their calls, and return all of it as JSON."""
    names = [BASE, BARE, HASH, *chosen]
    samples = rounds([bench.cases[name] for name in names], number, bench.machine, progress)
    results: dict[str, Any] = {}
    for name in chosen:
        progress(f"counting the calls of {name}")
        counted = count(bench.cases[name], bench.machine)
        results[name] = _result(samples[name], samples, counted, bench.functions[name])
    base, bare, hashed = samples[BASE], samples[BARE], samples[HASH]
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rounds": number,
        "machine": machine(),
        "versions": builds.versions(),
        "base": {
            "start_ms": median(one.start.ms for one in base),
            "start_cpu_ms": median(one.start.cpu_ms for one in base),
            "bare_ratio": ratio(bare, base, lambda one: one.start.ms),
            "hash_cpu_ms": median(_warm_cpu_ms(one) for one in hashed),
        },
        "functions": results,
    }


def with_traffic(results: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Return the results with the requests a second that `make run` serves."""
    progress("requests a second through make run")
    served = traffic.measure()
    listed = [
        {"callers": one.callers, "requests_per_second": one.requests_per_second, "errors": one.errors} for one in served
    ]
    return {**results, "traffic": listed}


def machine() -> dict[str, Any]:
    """Return what the measurements were made on."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    models = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    return {
        "processor": ", ".join(sorted(models)) or platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": sys.version.split()[0],
        "load": os.getloadavg()[0],
    }


def _result(
    own: Sequence[Sample], samples: dict[str, list[Sample]], counted: Sequence[Counted], function: BuiltFunction
) -> dict[str, Any]:
    base, hashed = samples[BASE], samples[HASH]
    invoked = own[0].first is not None
    load = Load(
        start_cpu_ms=median(one.start.cpu_ms for one in own),
        call_cpu_ms=median(_warm_cpu_ms(one) for one in own) if invoked else 0.0,
        round_trips=max((one.round_trips for one in counted), default=0),
        peak_mb=max(one.peak_mb for one in own),
    )
    return {
        "start_ratio": ratio(own, base, lambda one: one.start.ms),
        "start_cpu_ratio": ratio(own, base, lambda one: one.start.cpu_ms),
        "start_cpu_ms": load.start_cpu_ms,
        "first_ms": median(one.first.ms for one in own if one.first) if invoked else None,
        "warm_ms": median(_warm_ms(one) for one in own) if invoked else None,
        "first_over_warm_cpu_ms": median(_first_over_warm(one) for one in own) if invoked else None,
        "call_cpu_ms": load.call_cpu_ms if invoked else None,
        "hash_ratio": ratio(own, hashed, _warm_cpu_ms) if invoked and function.folder in HASHING else None,
        "round_trips": load.round_trips,
        "calls": max((one.calls for one in counted), default=0),
        "queued": max((one.queued for one in counted), default=0),
        "read_units": max((one.read_units for one in counted), default=0.0),
        "write_units": max((one.write_units for one in counted), default=0.0),
        "peak_mb": load.peak_mb,
        "memory_mb": function.memory_mb,
        "recommended_mb": recommended_mb(load),
    }


def _warm_ms(one: Sample) -> float:
    return median(invocation.ms for invocation in one.warm)


def _warm_cpu_ms(one: Sample) -> float:
    return median(invocation.cpu_ms for invocation in one.warm)


def _first_over_warm(one: Sample) -> float:
    return (one.first.cpu_ms if one.first else 0.0) - _warm_cpu_ms(one)
