"""Assembles the service and serves it until SIGINT or SIGTERM."""

import errno
import logging
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, override

import uvicorn
from botocore.exceptions import EndpointConnectionError
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.families import FamilyTable
from gerbang.storage.users import UserTable

from gerbang_local.authorizers import LambdaAuthorizers
from gerbang_local.aws import Aws, Resources, behave_as_in_lambda
from gerbang_local.events import Api
from gerbang_local.functions import CannotLoad, LoadedFunction, load_functions
from gerbang_local.gateway import Gateway, access_log
from gerbang_local.google import LOCAL_CLIENT_ID, StandInIssuer
from gerbang_local.intrinsics import Resolver
from gerbang_local.invoker import Invoker
from gerbang_local.loopback import is_loopback
from gerbang_local.mailbox import Mailbox
from gerbang_local.memory import aws_in_memory
from gerbang_local.operators import SECRET_KEY_RESOURCE, OperatorAccess, outputs_of, publishable_key
from gerbang_local.options import Options
from gerbang_local.pages import CAPTCHA_PATH, CERTS_PATH, Pages
from gerbang_local.queues import QueueReader
from gerbang_local.routes import Router
from gerbang_local.sessions import StoredSessions
from gerbang_local.stack import ACCOUNT_ID, REGION, Stack, read_stack
from gerbang_local.streams import StreamReader
from gerbang_local.template import ParameterValue, Template, chosen_parameters, text_of

# How long requests that are running at the end may take.
_GRACE_SECONDS: Final = 1
# The parser cuts off larger request heads. Smaller ones get the gateway's own 431.
_LARGEST_HEAD_READ: Final = 1024 * 1024
_BACKLOG: Final = 2048
_LOOPBACK: Final = "127.0.0.1"

_CERTS_PARAMETER: Final = "GoogleCertsUrl"
_CAPTCHA_PARAMETER: Final = "CaptchaVerifyUrl"
_CLIENT_IDS_PARAMETER: Final = "GoogleClientIds"
_USERS: Final = "Users"
_SESSIONS: Final = "RefreshTokenFamilies"

type Load = Callable[[Stack], Mapping[str, LoadedFunction]]
"""Returns a stack's functions by logical id."""


class CannotStart(Exception):
    """The service cannot start. The text says why and what to do; the cause, if any, is printed as a traceback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """The parts that are started and stopped."""

    stack: Stack
    gateway: Gateway
    invoker: Invoker
    readers: tuple[QueueReader | StreamReader, ...]


def serve(options: Options, *, load: Load = load_functions) -> None:
    """Serve *options*' template until SIGINT or SIGTERM, with the functions that *load* returns.

    Raises:
        TemplateError: the template, or a parameter, cannot be served.
        CannotStart: the port is in use, a function cannot be loaded, or DynamoDB Local does not answer.
        KeyboardInterrupt: one of the signals came, and everything has ended.
    """
    with ExitStack() as until_the_end:
        listeners = [until_the_end.enter_context(_listening(options.host, options.port))]
        url = _url(listeners[0])
        if not is_loopback(_reached_at(listeners[0])):  # `/_local/` and the key set of the stand-in answer there only
            listeners.append(until_the_end.enter_context(_listening(_LOOPBACK, _port(listeners[0]))))
        local_url = _url(listeners[-1])
        behave_as_in_lambda(dynamodb_endpoint=options.dynamodb_endpoint, lambda_endpoint=options.lambda_endpoint)
        mailbox = Mailbox(now=lambda: datetime.now(UTC))
        until_the_end.enter_context(aws_in_memory(mailbox))
        service = _assemble(options, load, local_url=local_url, mailbox=mailbox)
        until_the_end.callback(service.invoker.stop)
        for reader in service.readers:
            reader.start()
            until_the_end.callback(reader.stop)
        _log_to_stdout(access_log)
        greeting = _greeting(options, service.stack, url=url, local_url=local_url)
        server = _Server(service.gateway, when_ready=lambda: print(greeting, flush=True))
        server.run(sockets=listeners)


def _assemble(options: Options, load: Load, *, local_url: str, mailbox: Mailbox) -> _Service:
    template = Template.parse(options.template.read_text("utf-8"))
    parameters = chosen_parameters(template, options.parameters)
    parameters |= _stand_ins(parameters, overrides=options.parameters, local_url=local_url)
    aws = Aws()
    resources = Resources(aws, template, parameters)
    try:
        resources.make_all()
    except EndpointConnectionError:
        raise CannotStart(
            f"DynamoDB Local does not answer at {options.dynamodb_endpoint}. Start it, or leave DYNAMODB_ENDPOINT out."
        ) from None
    stack = read_stack(resources.resolver, root=options.template.parent)
    try:
        functions = load(stack)
    except CannotLoad as error:
        raise CannotStart(str(error)) from error.__cause__
    invoker = Invoker(functions)
    api = Api(account_id=ACCOUNT_ID, region=REGION)
    client_ids = _listed(parameters.get(_CLIENT_IDS_PARAMETER, ""))
    router = Router(stack.routes)
    pages = Pages(
        mailbox=mailbox,
        issuer=StandInIssuer(client_ids[0] if client_ids else LOCAL_CLIENT_ID),
        routes=router.routes,
        publishable_key=publishable_key(resources.resolver),
        secret_key=resources.secret_value(SECRET_KEY_RESOURCE),
        sessions=_sessions(aws, resources.resolver),
        operators=OperatorAccess(outputs=outputs_of(resources.resolver), dynamodb_endpoint=options.dynamodb_endpoint),
    )
    return _Service(
        stack=stack,
        gateway=Gateway(
            router=router,
            cors=stack.cors,
            authorizers=LambdaAuthorizers(stack.authorizers, invoker, api),
            invoker=invoker,
            api=api,
            pages=pages,
        ),
        invoker=invoker,
        readers=(
            *(QueueReader(trigger, functions[trigger.function], aws.sqs) for trigger in stack.triggers),
            *(StreamReader(trigger, functions[trigger.function], aws.streams) for trigger in stack.stream_triggers),
        ),
    )


def _sessions(aws: Aws, resolver: Resolver) -> StoredSessions | None:
    """Return the reader of sessions, None if the template has no such tables."""
    if not {_USERS, _SESSIONS} <= resolver.template.resources.keys():
        return None
    store = DynamoStore(aws.dynamodb)
    users, families = (text_of(resolver.resolve({"Ref": name})) for name in (_USERS, _SESSIONS))
    return StoredSessions(UserTable(store, users), FamilyTable(store, families), lambda: datetime.now(UTC))


def _stand_ins(
    parameters: Mapping[str, ParameterValue], *, overrides: Mapping[str, str], local_url: str
) -> dict[str, ParameterValue]:
    """Return the parameters of the stand-ins for Google and CAPTCHAs, unless they were set."""
    stand_ins: dict[str, ParameterValue] = {}
    if _CERTS_PARAMETER in parameters and _CERTS_PARAMETER not in overrides:
        stand_ins[_CERTS_PARAMETER] = f"{local_url}{CERTS_PATH}"
    if _CAPTCHA_PARAMETER in parameters and _CAPTCHA_PARAMETER not in overrides:
        stand_ins[_CAPTCHA_PARAMETER] = f"{local_url}{CAPTCHA_PATH}"
    client_ids = parameters.get(_CLIENT_IDS_PARAMETER)
    if client_ids is not None and not _listed(client_ids):
        stand_ins[_CLIENT_IDS_PARAMETER] = [LOCAL_CLIENT_ID] if isinstance(client_ids, list) else LOCAL_CLIENT_ID
    return stand_ins


def _listed(value: ParameterValue) -> list[str]:
    values = value if isinstance(value, list) else value.split(",")
    return [one.strip() for one in values if one.strip()]


# --- the socket and the server ----------------------------------------------------------------------------------------


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yield a socket that listens, so that a port in use stops the start before anything is loaded.

    Raises:
        CannotStart: the port is in use, or cannot be opened.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise CannotStart(f"HOST {host} is not an address of this machine: {error.strerror}.") from None
    family, kind, protocol, _, address = min(found, key=lambda one: one[0] is not socket.AF_INET)
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just closed can be used again
        try:
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CannotStart(
                    f"Port {port} of {host} is taken. Choose another: PORT={port + 1} make run."
                ) from None
            raise CannotStart(
                f"Port {port} of {host} cannot be opened: {error.strerror}. Choose another HOST or PORT."
            ) from None
        yield listener


def _url(listener: socket.socket) -> str:
    """Return the URL at which this machine reaches *listener*."""
    host, port = _reached_at(listener), _port(listener)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _reached_at(listener: socket.socket) -> str:
    host = str(listener.getsockname()[0])
    return {"0.0.0.0": _LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


class _Server(uvicorn.Server):
    """uvicorn with a callback for when it is ready."""

    def __init__(self, gateway: Gateway, *, when_ready: Callable[[], None]) -> None:
        """Take what is served; *when_ready* is called once, as soon as requests are answered."""
        super().__init__(
            uvicorn.Config(
                gateway,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # or X-Forwarded-For would replace the socket's address
                timeout_keep_alive=75,
                timeout_graceful_shutdown=_GRACE_SECONDS,
                h11_max_incomplete_event_size=_LARGEST_HEAD_READ,
                backlog=_BACKLOG,
            )
        )
        self._when_ready: Final = when_ready

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._when_ready()


def _log_to_stdout(logger: logging.Logger) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


# --- the greeting --------------------------------------------------------------------------------------------

_DOCS: Final = "/docs"
_REGISTER: Final = "/api/auth/register"
_REGISTRATION: Final = '{"email": "ada@example.com", "password": "Correct-horse-42", "name": "Ada"}'


def _greeting(options: Options, stack: Stack, *, url: str, local_url: str) -> str:
    paths = {route.path for route in stack.routes}
    if _REGISTER in paths:
        try_it = f"curl -X POST {url}{_REGISTER} -H 'Content-Type: application/json' -d '{_REGISTRATION}'"
    else:
        try_it = f"curl {url}/"
    if options.dynamodb_endpoint is None:
        aws = (
            "AWS runs in memory (moto): accounts, sessions and mails are gone when this ends.\n"
            "  To keep accounts, `make dynamodb`, then DYNAMODB_ENDPOINT=http://127.0.0.1:8000 make run."
        )
    else:
        aws = f"DynamoDB is {options.dynamodb_endpoint}. The rest of AWS runs in memory (moto), as do mails."
    where = "" if local_url.endswith(":3000") else f" PORT={local_url.rpartition(':')[2]}"
    lines = [
        f"Listening at {url}, {len(stack.functions)} functions of {options.template.name}. Press Ctrl-C to stop.",
        *([f"  Try it:        {local_url}{_DOCS}"] if _DOCS in paths else []),
        f"  With curl:     {try_it}",
        f"  Mail arrives:  {local_url}/_local/",
        f"  Accounts:      {local_url}/_local/accounts",
        f"  Import users:  make import-legacy FILE=users.csv LOCAL=1{where}    (docs/legacy-users.md)",
        f'  Change them:   make admin LOCAL=1{where} ARGS="list"',
        f"  {aws}",
        *(f"  {notice}" for notice in stack.notices),
    ]
    return "\n".join(["", *lines, ""])
