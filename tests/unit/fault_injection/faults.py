"""Faults of single calls to the database and the mail queue, and functions whose calls fail with them."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from threading import Lock
from typing import Final, override
from urllib.parse import parse_qsl, urlsplit

from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.jobs import MailJob
from gerbang.storage.store import Key, Store

from tests.fakes import Call, PassingStore
from tests.unit.faulty_runs import CallShape, NthCall, shape_of
from tests.unit.handlers import Answer, Event, environment
from tests.unit.mail_deployment import MailDeployment
from tests.unit.mail_fakes import RecordingQueue


class CallFault(Enum):
    """What goes wrong with one call of a request."""

    THROTTLED = "not executed: throttled, or in conflict until the client gives up"
    ANSWER_LOST = "executed, and its answer lost"
    EXECUTED_TWICE = "executed, its answer lost, and sent once more by the SDK (faults.md, D6)"
    CONFLICT = "sent again until another, identical request has been served (faults.md, D10)"
    DEAD_CONNECTION = "executed, its answer lost, and every later call of the request to the same service fails"
    OUTAGE = "not executed, and every later call of the request to the same service fails, too"


LASTING_FAULTS: Final = (CallFault.DEAD_CONNECTION, CallFault.OUTAGE)
"""Faults that keep a request from giving back the attempts it counted. Its environment does so at the next request."""


@dataclass(kw_only=True)
class FaultPlan:
    """Makes one call of each request fail, until the plan is over; records the calls."""

    failing_call: NthCall | None = None
    """None: no call fails."""
    fault: CallFault = CallFault.THROTTLED
    meanwhile: Callable[[], object] = lambda: None
    """What happens in a conflict."""
    is_over: bool = False
    times_met: int = 0
    """How often the failing call was made."""
    calls: list[CallShape] = field(default_factory=list[CallShape])
    _seen: Counter[CallShape] = field(default_factory=Counter[CallShape])
    _is_down: bool = False
    _lock: Lock = field(default_factory=Lock)

    def new_request(self) -> None:
        """Start to count calls from zero."""
        self._seen.clear()
        self._is_down = False

    def call[T](self, shape: CallShape, do: Callable[[], T]) -> T:
        """Make a call, or let it fail."""
        with self._lock:
            is_here = not self.is_over and self.failing_call == NthCall(shape, self._seen[shape])
            self._seen[shape] += 1
            self.calls.append(shape)
            was_down = self._is_down and _service(shape) == self._failing_service()
            if is_here:
                self.times_met += 1
                self._is_down = self.fault in LASTING_FAULTS
        if was_down:
            raise DependencyUnavailable(self.fault.value)
        return self._call_with_fault(shape, do) if is_here else do()

    def _call_with_fault[T](self, shape: CallShape, do: Callable[[], T]) -> T:
        match self.fault:
            case CallFault.THROTTLED | CallFault.OUTAGE:
                raise DependencyUnavailable(self.fault.value)
            case CallFault.ANSWER_LOST | CallFault.DEAD_CONNECTION:
                do()
                raise DependencyUnavailable(self.fault.value)
            case CallFault.EXECUTED_TWICE:
                answer = do()
                # A transaction sent again carries its client token and is answered as the first time (D8).
                return answer if shape[0] == "commit" else do()
            case CallFault.CONFLICT:
                self.meanwhile()
                return do()

    def _failing_service(self) -> str | None:
        return None if self.failing_call is None else _service(self.failing_call.shape)


def _service(shape: CallShape) -> str:
    return "SQS" if shape[0] == "enqueue" else "DynamoDB"


class PlannedFaultStore(PassingStore):
    """A store whose calls fail as a plan says."""

    def __init__(self, store: Store, plan: FaultPlan) -> None:
        super().__init__(store)
        self._plan = plan

    @override
    def _pass[T](self, call: Call, do: Callable[[], T]) -> T:
        return self._plan.call(shape_of(call), do)


class PlannedFaultQueue:
    """A mail queue whose calls fail as a plan says."""

    def __init__(self, queue: RecordingQueue, plan: FaultPlan) -> None:
        self._queue = queue
        self._plan = plan

    def enqueue(self, job: MailJob, *, delay_seconds: int = 0) -> None:
        shape = shape_of(Call("enqueue", (Key("MailQueue", f"{job.kind}#"),), 0))
        self._plan.call(shape, lambda: self._queue.enqueue(job, delay_seconds=delay_seconds))


def environment_with_faults(
    folder: str, app: MailDeployment, plan: FaultPlan | None = None
) -> Callable[[Event], Answer]:
    """A new execution environment of a function whose calls fail as a plan says; without a plan, none fails."""
    plan = plan or FaultPlan()
    store, queue = PlannedFaultStore(app.base.store, plan), PlannedFaultQueue(app.queue, plan)
    handle = environment(folder, app.with_parts(store=store, mail_queue=queue))

    def serve(event: Event) -> Answer:
        plan.new_request()
        return _as_json_error(handle(event))

    return serve


def _as_json_error(answer: Answer) -> Answer:
    """Return the error that a redirect reports to a browser in the form that other clients get."""
    fragment = dict(parse_qsl(urlsplit(answer.get("headers", {}).get("location", "")).fragment))
    if "error" not in fragment:
        return answer
    is_server_error = fragment["error"] == "server_error"
    status = HTTPStatus.SERVICE_UNAVAILABLE if is_server_error else HTTPStatus.FORBIDDEN
    body = {"code": status, "error_code": fragment["error_code"], "msg": fragment["error_description"]}
    return {"statusCode": status.value, "headers": {"retry-after": "1"}, "body": json.dumps(body)}


def is_unavailable(answer: Answer) -> bool:
    return bool(answer["statusCode"] == HTTPStatus.SERVICE_UNAVAILABLE)
