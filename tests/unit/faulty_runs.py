"""Runs an action once for each call to the store that it makes, and each fault of that call."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

from tests.fakes import Call, Fault, FaultyStore, PassingStore
from tests.unit.mail_deployment import MailDeployment

type CallShape = tuple[str, tuple[tuple[str, str], ...]]
"""A call to the store without the ids in it: its method, and the table and kind of each item."""


@dataclass(frozen=True, slots=True)
class NthCall:
    """One of the calls that an action makes: its shape, and how many calls of that shape come before it."""

    shape: CallShape
    nth: int


def shape_of(call: Call) -> CallShape:
    return call.method, tuple((key.table, "#".join(key.pk.split("#")[:-1])) for key in call.keys)


def nth_calls(shapes: list[CallShape]) -> list[NthCall]:
    """Number the calls of each shape."""
    return [NthCall(shape, shapes[:index].count(shape)) for index, shape in enumerate(shapes)]


def calls_of(deployment: MailDeployment, action: Callable[[MailDeployment], object]) -> list[CallShape]:
    """Do an action; return the calls to the store that it made, sorted: concurrent calls have no order."""
    watched = PassingStore(deployment.base.store)
    action(deployment.on(watched))
    return sorted(shape_of(call) for call in watched.calls)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A deployment, and an action on it."""

    deployment: MailDeployment
    act: Callable[[MailDeployment], object]


@dataclass(frozen=True, slots=True)
class FaultyRun:
    """A scenario in which one call failed, and what the action returned or raised."""

    failing_call: NthCall
    fault: Fault
    scenario: Scenario
    outcome: object
    failure: Exception | None

    @property
    def deployment(self) -> MailDeployment:
        """The deployment after the action. Its calls do not fail any more."""
        return self.scenario.deployment


def faulty_runs(scenario: Callable[[], Scenario]) -> Iterator[FaultyRun]:
    """Run a scenario once for each of its calls and each fault, on a new deployment each time."""
    first = scenario()
    calls = nth_calls(calls_of(first.deployment, first.act))
    for failing_call, fault in product(calls, Fault):
        run = scenario()
        store = FaultyStore(run.deployment.base.store, at=_Nth(failing_call), fault=fault)
        outcome, failure = None, None
        try:
            outcome = run.act(run.deployment.on(store))
        except Exception as raised:  # noqa: BLE001 - the test looks at it
            failure = raised
        yield FaultyRun(failing_call, fault, run, outcome, failure)


class _Nth:
    """Recognises the nth call of a shape."""

    def __init__(self, call: NthCall) -> None:
        self._call = call
        self._seen = 0

    def __call__(self, call: Call) -> bool:
        if shape_of(call) != self._call.shape:
            return False
        self._seen += 1
        return self._seen == self._call.nth + 1
