"""A whole run: everything that is needed started, every case measured and counted, the results gathered."""

import os
import platform
import secrets
import signal
import sys
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final

import dynamodb_local
from gerbang_local.google import LOCAL_CLIENT_ID
from sam_deploy import this_machine

from gerbang_bench import builds, scenarios, traffic
from gerbang_bench.builds import Build, BuiltFunction
from gerbang_bench.environments import Deployed
from gerbang_bench.events import Scenario
from gerbang_bench.measuring import (
    Base,
    Case,
    Counts,
    Machine,
    Sample,
    Taken,
    a_core,
    count,
    median,
    ratio,
    rounds,
)
from gerbang_bench.memory import load_of, recommended_mb
from gerbang_bench.stand_ins import StandIns
from gerbang_bench.supabase_scenarios import PASSWORD_GRANT
from gerbang_bench.worlds import World, make_tables, text_of_mail

BASE: Final = "boto3 and one client"
"""What every start is compared with."""

BARE: Final = "bare handler"
HASH: Final = "bare hash"
"""One bcrypt hash of the deployment's cost, and nothing else."""

READ: Final = "bare read"
"""One GetItem of boto3's, of an item that is not there, and nothing else: the least that a call to AWS computes."""

HASHING: Final = frozenset(
    {
        "api/auth/change-password",
        "api/auth/login",
        "api/auth/register",
        "api/auth/reset-password",
        "auth/login_with_email_password",
        "auth/register",
        "auth/v1/signup",
        "auth/verify_legacy_password",
        PASSWORD_GRANT,
    }
)
"""Cases that hash a password: fewer events, since each takes a fifth of a second or two."""

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

_READ_SOURCE: Final = """
import os
import boto3
client = boto3.client("dynamodb")
def handler(event, context):
    client.get_item(TableName=os.environ["USERS_TABLE"], Key={"pk": {"S": "nobody"}, "sk": {"S": "-"}})
    return {}
"""

type Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Everything that is needed, started."""

    functions: Mapping[str, BuiltFunction]
    cases: Mapping[str, Case]
    """Of the functions, by their folders, and by their queries if a function has several."""
    compared: Callable[[], list[Case]]
    """Makes the cases that they are compared with."""
    machine: Machine


@contextmanager
def started(
    folder: Path,
    progress: Progress,
    *,
    only: Collection[str] = (),
    dynamodb_endpoint: str | None = None,
    parameters: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Bench]:
    """Start AWS's stand-ins and yield what can be measured of the build in *folder*, of *only* these functions if any.

    The template's *parameters* are at their defaults but for these. DynamoDB is *dynamodb_endpoint*, or else a DynamoDB
    Local that is started and ends with this process.

    Raises:
        NotBuilt: there is no build.
        UnknownFunction: it has none of a name in *only*.
        dynamodb_local.Unavailable: there is no DynamoDB Local.
    """
    if not (folder / "template.yaml").exists():
        raise builds.NotBuilt(f"There is no build in {folder}: run `make bench`, which makes one.")
    with ExitStack() as stack:
        # Next to the build, so that its files can be linked instead of copied.
        scratch = Path(stack.enter_context(TemporaryDirectory(dir=folder.parent, prefix="bench-"))).resolve()
        core = stack.enter_context(a_core())
        progress("laying out the build")
        overrides = {"Architecture": this_machine(), "GoogleClientIds": LOCAL_CLIENT_ID, **parameters}
        build = Build(folder, scratch, overrides)
        functions = build.functions()
        known = scenarios.cases_of(functions)
        if unknown := sorted(set(only) - set(known)):
            raise builds.UnknownFunction(f"No function is {', '.join(unknown)}; there are {', '.join(known)}.")
        progress("starting DynamoDB")
        if dynamodb_endpoint is None:
            log = stack.enter_context((scratch / "dynamodb.log").open("wb"))
            server = dynamodb_local.start(owner=os.getpid(), log=log)
            stack.callback(os.kill, server.process_id, signal.SIGTERM)
            dynamodb_endpoint = server.endpoint
        make_tables(build.tables(), dynamodb_endpoint)
        texts = {name: secrets.token_hex(32) for name in ("MasterSecret", "SecretApiKey")}
        stand_ins = StandIns(dynamodb_endpoint=dynamodb_endpoint, secrets=texts, scratch=scratch / "tls")
        stack.enter_context(stand_ins)
        variables = dict(ChainMap(*(dict(function.environment) for function in functions.values())))
        variables |= {**stand_ins.variables, "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_endpoint}
        world = stack.enter_context(World(variables, texts["SecretApiKey"], lambda: text_of_mail(stand_ins.mails[-1])))
        stand_ins.google_keys = world.google_keys()
        yield Bench(
            functions=functions,
            cases=_cases(functions, world),
            compared=_compared(functions, scratch),
            machine=Machine(
                runtime=builds.installed(builds.RUNTIME, scratch / "runtime"),
                variables=stand_ins.variables,
                ledger=stand_ins.ledger,
                core=core,
            ),
        )


def _cases(functions: Mapping[str, BuiltFunction], world: World) -> dict[str, Case]:
    return {
        name: Case(
            deployed=Deployed(
                name=name,
                task=function.task,
                opt=function.opt,
                handler=function.handler,
                variables={**function.environment, **scenarios.VARIABLES.get(name, {})},
            ),
            events=partial(scenarios.scenario_of, name, world),
            first_use=partial(scenarios.first_use_of, name, world),
            warm=3 if name in HASHING else 10,
        )
        for name in scenarios.cases_of(functions)
        for function in [functions[scenarios.folder_of(name)]]
    }


def _compared(functions: Mapping[str, BuiltFunction], scratch: Path) -> Callable[[], list[Case]]:
    """Return what makes the cases to compare with, once: only a whole measurement needs them."""

    @cache
    def make() -> list[Case]:
        hashing = functions["api/auth/login"]
        opt = scratch / "boto3"
        builds.installed(builds.BOTO3, opt / "python")
        base = Deployed(name=BASE, task=builds.written(_BASE_SOURCE, scratch / "base"), opt=opt)
        bare = Deployed(name=BARE, task=builds.written(_BARE_SOURCE, scratch / "bare"), opt=scratch / "nothing")
        hashed = Deployed(
            name=HASH,
            task=builds.written(_HASH_SOURCE, scratch / "hash"),
            opt=hashing.opt,
            variables=hashing.environment,
        )
        read = Deployed(
            name=READ, task=builds.written(_READ_SOURCE, scratch / "read"), opt=opt, variables=hashing.environment
        )
        return [
            Case(deployed=one, events=_nothing, first_use=_no_first_use, warm=3 if one is hashed else 10)
            for one in (base, bare, hashed, read)
        ]

    return make


def _no_first_use() -> None:
    return None


def _nothing() -> Scenario:
    while True:
        yield {}


def run(bench: Bench, chosen: Sequence[str], number: int, progress: Progress) -> dict[str, Any]:
    """Measure *chosen* functions in *number* rounds, count their calls, and return all of it as JSON."""
    compared = {case.deployed.name: case for case in bench.compared()}
    base = compared.pop(BASE)
    cases = [*compared.values(), *(bench.cases[name] for name in chosen)]
    samples = rounds(cases, number, bench.machine, progress, base=Base(base.deployed, bench.machine))
    bare, hashed = samples[BARE], samples[HASH]
    base_starts = [one.base for of_one_case in samples.values() for one in of_one_case]
    results: dict[str, Any] = {}
    for name in chosen:
        progress(f"counting what {name} calls and imports")
        results[name] = {
            **timed(samples[name], bare=bare, hashed=hashed),
            **counted(count(bench.cases[name], bench.machine)),
            "memory_mb": bench.functions[scenarios.folder_of(name)].memory_mb,
        }
        results[name]["recommended_mb"] = recommended_mb(name, load_of(results[name]))
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "rounds": number,
        "machine": machine(),
        "versions": builds.versions(),
        "base": {
            "start_ms": median(start.ms for start in base_starts),
            "start_cpu_ms": median(start.cpu_ms for start in base_starts),
            "bare_start_ratio": ratio(bare, lambda start: start.ms),
            "bare_call_cpu_ms": median(_call_cpu_ms(one) for one in bare),
            "hash_cpu_ms": median(_hash_cpu_ms(one) for one in hashed),
            "read_cpu_ms": _own_cpu_ms(samples[READ], bare),
        },
        "functions": results,
    }


def timed(own: Sequence[Sample], *, bare: Sequence[Sample], hashed: Sequence[Sample]) -> dict[str, Any]:
    """Return what a function's samples say of its time and memory, next to those of the cases to compare with.

    Without events, what is said of them is None; without hashes, what is said of those is.
    """
    said: dict[str, Any] = {
        "start_ratio": ratio(own, lambda start: start.ms),
        "start_cpu_ratio": ratio(own, lambda start: start.cpu_ms),
        "start_cpu_ms": median(one.start.cpu_ms for one in own),
        "peak_mb": max(one.peak_mb for one in own),
        **dict.fromkeys(_OF_EVENTS),
    }
    firsts = [one.first for one in own if one.first is not None]
    if not firsts:
        return said
    said |= {
        "first_ms": median(first.invocation.ms for first in firsts),
        "warm_ms": median(median(taken.invocation.ms for taken in one.warm) for one in own),
        "first_over_warm_ms": _first_over_warm(own, lambda taken: taken.ms),
        "first_over_warm_waited_ms": _first_over_warm(own, lambda taken: taken.waited_ms),
        "first_over_warm_cpu_ms": _first_over_warm(own, lambda taken: taken.cpu_ms),
        "waited_ms": median(median(taken.waited_ms for taken in one.warm) for one in own),
        "call_cpu_ms": median(_call_cpu_ms(one) for one in own),
        "own_cpu_ms": _own_cpu_ms(own, bare),
        "logged_bytes": median(taken.invocation.logged_bytes for one in own for taken in one.warm),
        "answered_bytes": median(taken.invocation.answered_bytes for one in own for taken in one.warm),
    }
    if all(_hash_cpu_ms(one) for one in own):
        said["hash_ratio"] = median(taken.hash_ratio for one in own for taken in one.warm)
        said["bare_hash_ratio"] = median(
            _call_cpu_ms(one) / _hash_cpu_ms(bare_hash) for one, bare_hash in zip(own, hashed, strict=True)
        )
    return said


_OF_EVENTS: Final = (
    "first_ms",
    "warm_ms",
    "first_over_warm_ms",
    "first_over_warm_waited_ms",
    "first_over_warm_cpu_ms",
    "waited_ms",
    "call_cpu_ms",
    "own_cpu_ms",
    "logged_bytes",
    "answered_bytes",
    "hash_ratio",
    "bare_hash_ratio",
)


def counted(counts: Counts) -> dict[str, Any]:
    """Return the counts as JSON: those of a first use, if it has its own, and of every further one."""
    return {
        "first_use": None if counts.first_use is None else asdict(counts.first_use),
        "again": None if counts.again is None else asdict(counts.again),
        "secrets_read": counts.secrets_read,
        "connections_first": counts.connections_first,
        "modules": len(counts.modules),
    }


def _own_cpu_ms(own: Sequence[Sample], bare: Sequence[Sample]) -> float:
    return median(
        median(taken.cpu_ms for taken in one.warm) - _call_cpu_ms(none) for one, none in zip(own, bare, strict=True)
    )


def _call_cpu_ms(one: Sample) -> float:
    return median(taken.invocation.cpu_ms for taken in one.warm)


def _hash_cpu_ms(one: Sample) -> float:
    return median(taken.invocation.hash_cpu_ms for taken in one.warm)


def _first_over_warm(own: Sequence[Sample], of: Callable[[Taken], float]) -> float:
    return median(of(one.first) - median(of(taken) for taken in one.warm) for one in own if one.first is not None)


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
