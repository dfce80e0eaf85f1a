"""Rounds of starts and invocations, and what they come to.

In each round every case runs once, in random order, so that whatever else the machine does meets all alike; ratios are
taken within a round. The first round is thrown away: it fills the page cache.
"""

import os
import random
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gerbang_bench.environments import Deployed, Environment, Invocation, Start
from gerbang_bench.scenarios import Scenario, Unsuccessful, check
from gerbang_bench.stand_ins import Call, Ledger, round_trips

HELD_SECONDS: Final = 0.05
"""For how long calls are held while they are counted; those that a function makes beside one another come within it."""


COUNTED_EVENTS: Final = 3
"""How many events are counted: the first use of a token costs more than the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is measured: something deployed, and its events if it has any."""

    deployed: Deployed
    events: Callable[[], Scenario | None]
    warm: int
    """How many events after the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One start of a case, and its invocations."""

    start: Start
    first: Invocation | None
    warm: tuple[Invocation, ...]
    peak_mb: float
    connections_first: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What one event costs in calls."""

    round_trips: int
    calls: int
    queued: int
    read_units: float
    write_units: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where functions run: the runtime client, how AWS is reached, the core they have."""

    runtime: Path
    variables: Mapping[str, str]
    ledger: Ledger
    core: int

    def start(self, deployed: Deployed) -> Environment:
        """Start an environment."""
        return Environment(deployed, runtime=self.runtime, variables=self.variables, core=self.core)


def a_core() -> int:
    """Return the core that functions get; this process keeps to the others, if there are any."""
    cores = os.sched_getaffinity(0)
    chosen = max(cores)
    if len(cores) > 1:
        os.sched_setaffinity(0, cores - {chosen})
    return chosen


def sample(case: Case, machine: Machine) -> Sample:
    """Start a case once and hand it its events."""
    with machine.start(case.deployed) as environment:
        events, connections = case.events(), machine.ledger.connections
        first, connections_first = None, 0
        warm: list[Invocation] = []
        if events is not None:
            event = next(events)
            first = _invoked(case, environment, event)
            connections_first = machine.ledger.connections - connections
            for _ in range(case.warm):
                event = events.send((warm or [first])[-1].answer)
                warm.append(_invoked(case, environment, event))
        return Sample(
            start=environment.start,
            first=first,
            warm=tuple(warm),
            peak_mb=environment.peak_mb(),
            connections_first=connections_first,
        )


def count(case: Case, machine: Machine) -> list[Counted]:
    """Hand a case a few events and return what each cost in calls."""
    counted: list[Counted] = []
    with machine.start(case.deployed) as environment:
        events = case.events()
        if events is None:
            return counted
        event = next(events)
        for _ in range(COUNTED_EVENTS):
            with machine.ledger.counting(hold_seconds=HELD_SECONDS) as calls:
                answer = _invoked(case, environment, event).answer
            counted.append(_counted(calls))
            event = events.send(answer)
    return counted


def _counted(calls: Sequence[Call]) -> Counted:
    database = [call for call in calls if call.service.startswith("DynamoDB")]
    return Counted(
        round_trips=round_trips(database),
        calls=len(database),
        queued=sum(call.operation == "SendMessage" for call in calls),
        read_units=sum(call.read_units for call in database),
        write_units=sum(call.write_units for call in database),
    )


def _invoked(case: Case, environment: Environment, event: Any) -> Invocation:
    invocation = environment.invoke(event)
    try:
        check(case.deployed.name, invocation.answer)
    except Unsuccessful as answer:
        raise Unsuccessful(f"{answer}{environment.said()}") from None
    return invocation


def rounds(
    cases: Sequence[Case], number: int, machine: Machine, progress: Callable[[str], None]
) -> dict[str, list[Sample]]:
    """Return *number* samples of each case by its name, in the order of their rounds."""
    samples: dict[str, list[Sample]] = {case.deployed.name: [] for case in cases}
    for turn in range(number + 1):
        for case in random.sample(cases, len(cases)):
            progress(f"round {turn} of {number}: {case.deployed.name}")
            taken = sample(case, machine)
            if turn:
                samples[case.deployed.name].append(taken)
    return samples


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def ratio(samples: Sequence[Sample], to: Sequence[Sample], of: Callable[[Sample], float]) -> float:
    """Return the median of ratios, each within a round."""
    return statistics.median(of(one) / of(other) for one, other in zip(samples, to, strict=True))
