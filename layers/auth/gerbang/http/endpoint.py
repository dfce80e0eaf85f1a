"""An endpoint, declared once next to its handler: methods, path, who may call, request, response and errors.

Routing, checks and error rendering come from the declaration, and so do the table of docs/endpoints.md and the tests
that hold for every endpoint. (docs/decisions/0019-endpoints-declared-once.md)
"""

from collections.abc import Callable, Mapping
from dataclasses import field
from http import HTTPStatus
from typing import Any, Final, Literal, Protocol, TypedDict, Unpack

from gerbang.core import init
from gerbang.core.client import Client, network_of
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.core.log import Severity, log_event, request_id
from gerbang.http import cloudfront
from gerbang.http.callers import ANYONE, Caller
from gerbang.http.conditions import Condition
from gerbang.http.errors import Api, ErrorSpecs, code_of
from gerbang.http.request import MethodNotAllowed, Request
from gerbang.http.response import Response
from gerbang.mail.languages import requested_locale

LONGEST_REASON: Final = 200
"""Characters of an error's evidence that go into the log."""

SAM_LOCAL_HINT: Final = "Start `make sam-env`, and give `sam local` the options that it prints."
"""Logged with a 503 under `sam local`, where no stand-in for AWS runs unless it is started."""

_EVIDENCE: Final = ("session_id", "user_id", "limit", "rule")
"""Attributes of errors that go into the log."""


class RequestModel(Protocol):
    """A model of a request's body. `gerbang.apis.fields.Body` is one."""

    @classmethod
    def read(cls, body: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
        """Return the body as a model, or raise `InvalidFields` with everything that is wrong with it."""

    @classmethod
    def prepare(cls) -> None:
        """Do in advance what the first `read` would otherwise do."""


@dataclass(frozen=True, slots=True)
class Call[B, C]:
    """A request that passed the checks of its operation."""

    request: Request
    body: B
    """The request model's instance; None for operations that read no body."""
    caller: C
    """What the operation's kind of caller returned."""

    @property
    def client(self) -> Client:
        """The client as limits count it and sessions remember it."""
        return Client(
            address=network_of(self.request.source_ip),
            device=self.request.user_agent,
            locale=requested_locale(self.request.headers.get("accept-language")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A query parameter or header that an operation's handler reads. Only the documentation uses it."""

    name: str
    description: str
    where: Literal["query", "header"] = "query"
    values: tuple[str, ...] = ()
    """The allowed values; empty: any text."""
    largest: int | None = None
    """The largest value of a number that starts at 1; None: the parameter is text."""
    is_required: bool = False
    example: str | int | None = None


type ApiOf = Api | Callable[[Request], Api]
"""An API, or the function that chooses it by the request."""


class Declaration(TypedDict, total=False):
    """The declaration of an operation besides its method and API: the members of `Operation` that have a default."""

    caller: Caller[Any]
    when: Condition | None
    request: type[RequestModel] | None
    context: Mapping[str, Any]
    parameters: tuple[Parameter, ...]
    response: type | None
    other_responses: tuple[type, ...]
    status: HTTPStatus
    errors: tuple[type[Exception], ...]
    overrides: ErrorSpecs


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of a path in one API. A path may have several: the first whose condition holds is run."""

    method: str
    api: ApiOf
    run: Callable[[Call[Any, Any]], Any]
    summary: str
    caller: Caller[Any] = ANYONE
    when: Condition | None = None
    """None: this operation serves the requests that meet no other operation's condition."""
    request: type[RequestModel] | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    """What the validation of the body needs besides the body, such as the password policy."""
    parameters: tuple[Parameter, ...] = ()
    response: type | None = None
    other_responses: tuple[type, ...] = ()
    """Other forms of the answer, for the documentation."""
    status: HTTPStatus = HTTPStatus.OK
    errors: tuple[type[Exception], ...] = ()
    """The errors that the handler raises, besides those of reading the request and of authenticating the caller."""
    overrides: ErrorSpecs = field(default_factory=dict)
    """Error specs of this operation in place of its API's."""

    def respond(self, request: Request) -> Response:
        """Return the answer to a request."""
        caller = self.caller.authenticate(request)
        body = None if self.request is None else self.request.read(request.body, self.context)
        answer = self.run(Call(request, body, caller))
        return answer if isinstance(answer, Response) else Response(self.status, answer)


class Endpoint:
    """A path and its operations; `handler` is its Lambda handler."""

    def __init__(self, path: str, *aliases: str) -> None:
        """Take the path, with path parameters in braces, and other paths that have the same operations."""
        self.paths: Final = (path, *aliases)
        self.operations: Final[list[Operation]] = []
        self._cloudfront_hashes: tuple[str, ...] = ()

    def operation[F: Callable[[Call[Any, Any]], Any]](
        self, method: str, api: ApiOf, **declared: Unpack[Declaration]
    ) -> Callable[[F], F]:
        """Return the decorator that declares a function as an operation; see `Operation` for what is declared."""

        def declare(run: F) -> F:
            summary = (run.__doc__ or "").partition("\n")[0].rstrip(".")
            self.operations.append(Operation(method=method, api=api, run=run, summary=summary, **declared))
            return run

        return declare

    def get[F: Callable[[Call[Any, Any]], Any]](self, api: ApiOf, **declared: Unpack[Declaration]) -> Callable[[F], F]:
        """Declare an operation of GET."""
        return self.operation("GET", api, **declared)

    def post[F: Callable[[Call[Any, Any]], Any]](self, api: ApiOf, **declared: Unpack[Declaration]) -> Callable[[F], F]:
        """Declare an operation of POST."""
        return self.operation("POST", api, **declared)

    def put[F: Callable[[Call[Any, Any]], Any]](self, api: ApiOf, **declared: Unpack[Declaration]) -> Callable[[F], F]:
        """Declare an operation of PUT."""
        return self.operation("PUT", api, **declared)

    def patch[F: Callable[[Call[Any, Any]], Any]](
        self, api: ApiOf, **declared: Unpack[Declaration]
    ) -> Callable[[F], F]:
        """Declare an operation of PATCH."""
        return self.operation("PATCH", api, **declared)

    def head[F: Callable[[Call[Any, Any]], Any]](self, api: ApiOf, **declared: Unpack[Declaration]) -> Callable[[F], F]:
        """Declare an operation of HEAD."""
        return self.operation("HEAD", api, **declared)

    def delete[F: Callable[[Call[Any, Any]], Any]](
        self, api: ApiOf, **declared: Unpack[Declaration]
    ) -> Callable[[F], F]:
        """Declare an operation of DELETE."""
        return self.operation("DELETE", api, **declared)

    def handler(self) -> init.LambdaHandler:
        """Return the Lambda handler, and end init.

        A request always has an answer, in its API's envelope, and never a stack trace (ASVS 16.5.4). Preflights are
        answered 204; API Gateway adds the CORS headers.
        """
        for operation in self.operations:
            if operation.request is not None:
                init.preload(operation.request.prepare)
        self._cloudfront_hashes = cloudfront.hashes()
        return init.finish_init(self._handle)

    def _handle(self, event: dict[str, Any], _context: object) -> dict[str, Any]:
        request_id.set(str(event.get("requestContext", {}).get("requestId", "")))
        request = Request.from_event(event)
        operation = None
        try:
            if self._cloudfront_hashes:
                request = cloudfront.admit(request, self._cloudfront_hashes)
            if _is_preflight(request):
                return {"statusCode": HTTPStatus.NO_CONTENT.value}
            operation = self.find(request)
            response = operation.respond(request)
        except Exception as error:  # noqa: BLE001 - the one place where everything is caught
            declared = operation or self._default()
            api = declared.api if isinstance(declared.api, Api) else declared.api(request)
            response = api.render(error, request, {} if operation is None else operation.overrides)
            log_error(error, request, response.status)
        return response.to_gateway()

    def find(self, request: Request) -> Operation:
        """Return the operation that a request asks for.

        Raises:
            MethodNotAllowed: there is none with its method.
            MalformedBody, BodyTooLarge, UnsupportedMediaType: the body decides, and cannot be read.
        """
        candidates = [operation for operation in self.operations if operation.method in {request.method, "ANY"}]
        for operation in candidates:
            if operation.when is not None and operation.when(request):
                return operation
        for operation in candidates:
            if operation.when is None:
                return operation
        raise MethodNotAllowed(", ".join(dict.fromkeys(operation.method for operation in self.operations)))

    def _default(self) -> Operation:
        """Return the operation whose API renders errors that are raised before an operation is found."""
        return next(operation for operation in self.operations if operation.when is None)


def _is_preflight(request: Request) -> bool:
    """Return whether a request is a browser's preflight (Fetch standard, CORS-preflight request)."""
    return request.method == "OPTIONS" and {"origin", "access-control-request-method"} <= request.headers.keys()


def log_error(error: Exception, request: Request, status: int) -> None:
    """Log a request that ended in an error. The event is the error's code, *status* that of the answer."""
    evidence = {name: str(getattr(error, name)) for name in _EVIDENCE if getattr(error, name, None)}
    if isinstance(error, AuthError) and str(error):
        evidence["why"] = str(error)[:LONGEST_REASON]
    if isinstance(error, DependencyUnavailable) and init.ON_SAM_LOCAL:
        evidence["hint"] = SAM_LOCAL_HINT
    log_event(
        code_of(error),
        Severity.ERROR if status >= HTTPStatus.INTERNAL_SERVER_ERROR else Severity.WARNING,
        reason=type(error).__name__,
        status=int(status),
        route=request.route,
        client=request.source_ip,
        **evidence,
    )
