"""Rounds of starts and invocations, and what they come to.

In each round every case runs once, in random order, between two starts of the base, which its own is compared with:
other work on the machine affects all three equally. The first round is thrown away: it fills the page cache.
"""

import os
import random
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from gerbang_bench.environments import LISTING, Deployed, Environment, Invocation, Start
from gerbang_bench.events import Event, Scenario
from gerbang_bench.scenarios import Unsuccessful, check
from gerbang_bench.stand_ins import Call, Ledger, round_trips, waited_seconds

DELAY_SECONDS: Final = 0.05
"""How long each call is delayed while calls are counted, so that concurrent calls overlap."""

COUNTED_EVENTS: Final = 3
"""How many equal events are counted; the most expensive one is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is measured: something deployed, and its events if it has any."""

    deployed: Deployed
    events: Callable[[], Scenario | None]
    """All equal, so that the first differs from the next only by being the environment's first."""
    first_use: Callable[[], Event | None]
    """The event of a first use (of a token, an identity) where that costs other calls than the next."""
    warm: int
    """How many events after the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """One event of a sample: what came of it, and what it waited for."""

    invocation: Invocation
    waited_ms: float
    """For how long at least one call to AWS's stand-ins was under way."""

    @property
    def ms(self) -> float:
        """How long it took, hash left out."""
        return self.invocation.ms - self.invocation.hash_ms

    @property
    def cpu_ms(self) -> float:
        """What it computed, hash left out, the runtime client's share included."""
        return self.invocation.cpu_ms - self.invocation.hash_cpu_ms

    @property
    def hash_ratio(self) -> float:
        """What it computed, hash included, to that of the hash."""
        return self.invocation.cpu_ms / self.invocation.hash_cpu_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One start of a case, and its invocations."""

    start: Start
    base: Start
    """What the base took just before and just after, on average."""
    first: Taken | None
    warm: tuple[Taken, ...]
    peak_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What one event costs in calls."""

    round_trips: int
    """Calls to DynamoDB that were made one after the other."""
    waits: int
    """Calls to any service that were made one after the other."""
    calls: int
    """Calls to DynamoDB."""
    queued: int
    read_units: float
    write_units: float
    connections: int
    """How many it opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a function costs in calls."""

    first_use: Counted | None
    """None where a first use costs what every other does."""
    again: Counted | None
    """None where nothing invokes the function here."""
    secrets_read: int
    """How many secrets init reads."""
    connections_first: int
    """How many connections to AWS the first event of all opened: those that init left to it."""
    modules: frozenset[str]
    """What init imports, the runtime client's modules among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where functions run: the runtime client, how AWS is reached, the core they have."""

    runtime: Path
    variables: Mapping[str, str]
    ledger: Ledger
    core: int

    def start(self, deployed: Deployed, variables: Mapping[str, str] = MappingProxyType({})) -> Environment:
        """Start an environment, with *variables* in addition to its own."""
        return Environment(deployed, runtime=self.runtime, variables={**self.variables, **variables}, core=self.core)


@contextmanager
def a_core() -> Iterator[int]:
    """Yield the core that functions get; meanwhile this process and those it starts keep to the others, if any."""
    cores = os.sched_getaffinity(0)
    chosen = max(cores)
    os.sched_setaffinity(0, cores - {chosen} or cores)
    try:
        yield chosen
    finally:
        os.sched_setaffinity(0, cores)


@dataclass(slots=True)
class Base:
    """What starts are compared with: it is started before and after each, once between two in a row."""

    deployed: Deployed
    machine: Machine
    _last: Start | None = None

    def around[T](self, measure: Callable[[], T]) -> tuple[T, Start]:
        """Return what *measure* returns, and what the base took just before and just after it, on average."""
        before = self._last or self._start()
        measured = measure()
        after = self._last = self._start()
        return measured, Start(ms=(before.ms + after.ms) / 2, cpu_ms=(before.cpu_ms + after.cpu_ms) / 2)

    def _start(self) -> Start:
        with self.machine.start(self.deployed) as environment:
            return environment.start


def sample(case: Case, machine: Machine, base: Base) -> Sample:
    """Start a case once, between two starts of the base, and hand it its events."""
    (start, taken, peak_mb), around = base.around(partial(_run, case, machine))
    return Sample(start=start, base=around, first=taken[0] if taken else None, warm=tuple(taken[1:]), peak_mb=peak_mb)


def _run(case: Case, machine: Machine) -> tuple[Start, list[Taken], float]:
    with machine.start(case.deployed) as environment:

        def take(event: Event) -> tuple[Taken, Any]:
            taken = _taken(case, machine, environment, event)
            return taken, taken.invocation.answer

        return environment.start, _handed(case, 1 + case.warm, take), environment.peak_mb()


def _handed[R](case: Case, number: int, hand: Callable[[Event], tuple[R, Any]]) -> list[R]:
    """Hand over so many events, each made of the answer to the last, and return what came of them; [] without any."""
    events, results = case.events(), list[R]()
    event = None if events is None else next(events)
    while events is not None and event is not None:
        result, answer = hand(event)
        results.append(result)
        event = events.send(answer) if len(results) < number else None
    return results


def _taken(case: Case, machine: Machine, environment: Environment, event: Event) -> Taken:
    with machine.ledger.counting() as calls:
        invocation = _invoked(case, environment, event)
    return Taken(invocation=invocation, waited_ms=waited_seconds(calls) * 1000)


def count(case: Case, machine: Machine) -> Counts:
    """Start a case, hand it a first use and a few equal events, and return what each costs in calls."""
    with machine.ledger.counting() as calls, machine.start(case.deployed, LISTING) as environment:
        secrets_read = sum(call.operation == "GetSecretValue" for call in calls)
        first_use = case.first_use()
        first_used = None if first_use is None else _count(case, machine, environment, first_use)[0]
        again = _handed(case, COUNTED_EVENTS, lambda event: _count(case, machine, environment, event))
        modules = environment.modules()
    first = first_used or (again[0] if again else None)
    return Counts(
        first_use=first_used,
        again=_dearest(again) if again else None,
        secrets_read=secrets_read,
        connections_first=first.connections if first else 0,
        modules=modules,
    )


def _count(case: Case, machine: Machine, environment: Environment, event: Event) -> tuple[Counted, Any]:
    connections = machine.ledger.connections
    with machine.ledger.counting(delay_seconds=DELAY_SECONDS) as calls:
        answer = _invoked(case, environment, event).answer
    return counted(calls, connections=machine.ledger.connections - connections), answer


def _dearest(events: Sequence[Counted]) -> Counted:
    """Return the most of each."""
    return Counted(
        round_trips=max(one.round_trips for one in events),
        waits=max(one.waits for one in events),
        calls=max(one.calls for one in events),
        queued=max(one.queued for one in events),
        read_units=max(one.read_units for one in events),
        write_units=max(one.write_units for one in events),
        connections=max(one.connections for one in events),
    )


def counted(calls: Sequence[Call], *, connections: int) -> Counted:
    """Return what the calls of one event come to."""
    database = [call for call in calls if call.service.startswith("DynamoDB")]
    return Counted(
        round_trips=round_trips(database),
        waits=round_trips(calls),
        calls=len(database),
        queued=sum(call.operation == "SendMessage" for call in calls),
        read_units=sum(call.read_units for call in database),
        write_units=sum(call.write_units for call in database),
        connections=connections,
    )


def _invoked(case: Case, environment: Environment, event: Event) -> Invocation:
    invocation = environment.invoke(event)
    try:
        check(case.deployed.name, invocation.answer)
    except Unsuccessful as answer:
        raise Unsuccessful(f"{answer}{environment.said()}") from None
    return invocation


def rounds(
    cases: Sequence[Case], number: int, machine: Machine, progress: Callable[[str], None], *, base: Base
) -> dict[str, list[Sample]]:
    """Return *number* samples of each case by its name, in the order of their rounds."""
    samples: dict[str, list[Sample]] = {case.deployed.name: [] for case in cases}
    for number_of_round in range(number + 1):
        for case in random.sample(cases, len(cases)):
            progress(f"round {number_of_round} of {number}: {case.deployed.name}")
            taken = sample(case, machine, base)
            if number_of_round:
                samples[case.deployed.name].append(taken)
    return samples


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def ratio(samples: Sequence[Sample], of: Callable[[Start], float]) -> float:
    """Return the median of the ratios of starts to those of the base next to them."""
    return statistics.median(of(one.start) / of(one.base) for one in samples)
