"""Faults of single calls, and the handler of a function whose calls go wrong: for tests/unit/test_every_call.py."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from copy import replace
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from http import HTTPStatus
from threading import Lock
from typing import Any, Final, override
from urllib.parse import parse_qsl, urlsplit

from gerbang.accounts.id_tokens import IdTokens
from gerbang.accounts.identity_sign_in import GOOGLE
from gerbang.accounts.live_migration import LiveMigration, OldUser
from gerbang.accounts.provider_identity import ProviderIdentity
from gerbang.core.errors import DependencyUnavailable
from gerbang.http.endpoint import Endpoint
from gerbang.http.request import Request
from gerbang.limits.rate_limits import Limit
from gerbang.mail.jobs import MailJob
from gerbang.sessions.api_keys import ApiKeys
from gerbang.storage.store import Item, Key, Store
from gerbang_local.declarations import function_in, without_aws

from tests.deployment import PASSWORD, Choices
from tests.fakes import Call, MemoryStore, PassingStore
from tests.unit.mail_fakes import MailDeployment, Point, RecordingQueue, Shape, mailing_in_memory, shape_of

type Event = dict[str, Any]
type Answer = dict[str, Any]

PUBLISHABLE_KEY: Final = "sb_publishable_tests"
SECRET_KEY: Final = "sb_secret_tests"

OLD_USER: Final = "mira@example.com"
"""The address of whom the old system knows (`LegacyVerifyUrl`)."""

SMALLEST: Final = 3
"""The number of attempts of every limit that a test would otherwise take long to reach."""

_HOUR: Final = timedelta(hours=1)


def _limit(name: str) -> Limit:
    return Limit(name=name, attempts=SMALLEST, window=_HOUR)


CHOICES: Final = Choices(
    account_and_address=_limit("sign_in_account_and_address"),
    registration=_limit("registration"),
    code_tries=_limit("code_tries"),
    reset=_limit("reset"),
    mail_hour=_limit("mail_hour"),
    mail_address=_limit("mail_address"),
    new_device_mail=True,
)

LOWEST: Final = replace(CHOICES, address=_limit("sign_in_address"), account=_limit("sign_in_account"))
"""With every limit low. Half of a limit is never given back (`Counted.far`), which hides that one attempt leaks."""


class Mishap(Enum):
    """What goes wrong with one call of a request."""

    THROTTLED = "refused before it is done: throttled, or in conflict with others until the client gives up"
    ANSWER_LOST = "done, and its answer lost"
    EXECUTED_TWICE = "done, its answer lost, and asked for once more by the SDK (faults.md, D6)"
    CONFLICT = "tried again until another request has been served: the same one, sent twice (faults.md, D10)"
    DEAD_CONNECTION = "done, its answer lost, and every later call of the request to the same service refused"
    OUTAGE = "refused, and every later call of the request to the same service, too"


LASTING: Final = (Mishap.DEAD_CONNECTION, Mishap.OUTAGE)
"""What keeps the request from giving back what it has counted. Its environment does that before the next request."""


@dataclass(kw_only=True)
class Trouble:
    """Lets one call of each request go wrong, until it is over; keeps a list of the calls."""

    point: Point | None = None
    """None: all goes well."""
    mishap: Mishap = Mishap.THROTTLED
    meanwhile: Callable[[], object] = lambda: None
    """What happens in a conflict."""
    is_over: bool = False
    met: int = 0
    """How often the call was met."""
    calls: list[Shape] = field(default_factory=list[Shape])
    _seen: Counter[Shape] = field(default_factory=Counter[Shape])
    _is_down: bool = False
    _lock: Lock = field(default_factory=Lock)

    def new_request(self) -> None:
        """Count calls anew."""
        self._seen.clear()
        self._is_down = False

    def call[T](self, shape: Shape, do: Callable[[], T]) -> T:
        """Make a call, in whatever way it goes wrong."""
        with self._lock:
            is_here = not self.is_over and self.point == Point(shape, self._seen[shape])
            self._seen[shape] += 1
            self.calls.append(shape)
            was_down = self._is_down and self.point is not None and service(shape) == service(self.point.shape)
            if is_here:
                self.met += 1
                self._is_down = self.mishap in LASTING
        if was_down:
            raise DependencyUnavailable(self.mishap.value)
        return self._wrong(shape, do) if is_here else do()

    def _wrong[T](self, shape: Shape, do: Callable[[], T]) -> T:
        match self.mishap:
            case Mishap.THROTTLED | Mishap.OUTAGE:
                raise DependencyUnavailable(self.mishap.value)
            case Mishap.ANSWER_LOST | Mishap.DEAD_CONNECTION:
                do()
                raise DependencyUnavailable(self.mishap.value)
            case Mishap.EXECUTED_TWICE:
                answer = do()
                # A transaction sent again carries its client token and is answered as the first time (D8).
                return answer if shape[0] == "commit" else do()
            case Mishap.CONFLICT:
                self.meanwhile()
                return do()


def service(shape: Shape) -> str:
    """The service that a call is made to."""
    return "SQS" if shape[0] == "enqueue" else "DynamoDB"


class TroubledStore(PassingStore):
    """A store whose calls go wrong."""

    def __init__(self, store: Store, trouble: Trouble) -> None:
        super().__init__(store)
        self._trouble = trouble

    @override
    def _pass[T](self, call: Call, do: Callable[[], T]) -> T:
        return self._trouble.call(shape_of(call), do)


class TroubledQueue:
    """A mail queue whose calls go wrong."""

    def __init__(self, queue: RecordingQueue, trouble: Trouble) -> None:
        self._queue = queue
        self._trouble = trouble

    def enqueue(self, job: MailJob, *, delay_seconds: int = 0) -> None:
        shape = shape_of(Call("enqueue", (Key("MailQueue", f"{job.kind}#"),), 0))
        self._trouble.call(shape, lambda: self._queue.enqueue(job, delay_seconds=delay_seconds))


class KnownSecret:
    """The secret API key, as Secrets Manager has it."""

    def current(self) -> str:
        return SECRET_KEY


class TrustingVerifier:
    """Takes an ID token for the subject that it is about. How tokens are verified: tests/unit/test_oidc.py."""

    def verify(self, id_token: str, **_more: str | None) -> ProviderIdentity:
        return self.verify_with_any_nonce(id_token)

    def verify_with_any_nonce(self, id_token: str) -> ProviderIdentity:
        return ProviderIdentity(
            provider="google",
            issuer="https://accounts.google.com",
            subject=id_token,
            email=f"{id_token}@example.com",
            email_verified=True,
            name="Dan",
        )


class OldSystem:
    """The system that users move in from: it knows one, under the tests' password."""

    def verify(self, email: str, password: str) -> OldUser | None:
        return OldUser(name="Mira", email_verified=True) if (email, password) == (OLD_USER, PASSWORD) else None


def world(choices: Choices = CHOICES) -> MailDeployment:
    """A world of its own in memory, with low limits, the same every time."""
    post = mailing_in_memory()
    base = replace(
        post.base,
        choices=choices,
        client=without_aws,
        api_keys=ApiKeys(PUBLISHABLE_KEY, KnownSecret(), post.base.clock),
        google_verifier=TrustingVerifier(),
        id_tokens=IdTokens({GOOGLE: TrustingVerifier()}),  # type: ignore[dict-item]
    )
    return replace(post, base=base)


def environment(folder: str, post: MailDeployment, trouble: Trouble | None = None) -> Callable[[Event], Answer]:
    """A new environment of the function in a folder below `functions`: takes requests as Lambda does."""
    trouble = trouble or Trouble()
    base = replace(
        post.base, store=TroubledStore(post.base.store, trouble), mail_queue=TroubledQueue(post.queue, trouble)
    )
    moving_in = LiveMigration(
        verifier=OldSystem(),
        creation=base.user_creation,
        users=base.users,
        log_event=base.log_event,
        new_id=base.new_id,
    )
    handler = function_in(folder).load(replace(base, live_migration=moving_in)).handler

    def serve(event: Event) -> Answer:
        trouble.new_request()
        answer: Answer = handler(event, None)
        return as_told(answer)

    return serve


def as_told(answer: Answer) -> Answer:
    """The answer to a browser that opened a link and is told of an error, as any other client is told of it."""
    told = dict(parse_qsl(urlsplit(answer.get("headers", {}).get("location", "")).fragment))
    if "error" not in told:
        return answer
    status = HTTPStatus.SERVICE_UNAVAILABLE if told["error"] == "server_error" else HTTPStatus.FORBIDDEN
    body = {"code": status, "error_code": told["error_code"], "msg": told["error_description"]}
    return {"statusCode": status.value, "headers": {"retry-after": "1"}, "body": json.dumps(body)}


def operation(folder: str, event: Event) -> str:
    """The operation of a function that a request asks for."""
    return _endpoint(folder).find(Request.from_event(event)).run.__name__


def operations(folder: str) -> frozenset[str]:
    """The operations that a function declares."""
    return frozenset(operation.run.__name__ for operation in _endpoint(folder).operations)


def _endpoint(folder: str) -> Endpoint:
    endpoint: Endpoint = function_in(folder).load(world().base).endpoint
    return endpoint


def items(post: MailDeployment, table: str) -> list[Item]:
    """Every item of a table."""
    store = post.base.store
    assert isinstance(store, MemoryStore)
    return store.items(post.base.tables[table])


def counted(post: MailDeployment) -> Mapping[str, int]:
    """How many attempts each counter holds, by its limit."""
    held = Counter[str]()
    for item in items(post, "RateLimits"):
        held[str(item["pk"]).partition("#")[0]] += int(item.get("attempts", 0))
    return {limit: attempts for limit, attempts in held.items() if attempts}


def is_unavailable(answer: Answer) -> bool:
    return bool(answer["statusCode"] == HTTPStatus.SERVICE_UNAVAILABLE)
