"""Servers for the official clients: the server of `make run`, or a server with the built functions.

Each pytest worker starts at most one server of each kind.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import cache
from typing import Final

import httpx
import pytest

from tests.clients.gerbang import Gerbang
from tests.wire.server import Server, running

MANY: Final = "100000/60"
NO_LIMITS: Final = " ".join(
    [
        # Every client here has the same address, and a user who reads mails with a program need not wait a minute.
        f"LimitRegistration={MANY} LimitMailAddress={MANY} LimitMailMinute={MANY} LimitMailHour={MANY}",
        "TokenAlgorithm=ES256",  # so that clients verify access tokens themselves; by default they are HS256
        "RefreshGraceSeconds=0",  # so that every refresh token that comes back is late
        "PasswordHashCost=10",
    ]
)
"""Parameters of the server that most tests use. The others use a server with the default settings."""

type Run = Callable[..., AbstractContextManager[Server]]
"""Runs a server: `running`, or `running_built`."""

type Serve = Callable[[str, Run], str]
type Connect = Callable[[str, Run], Gerbang]


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Returns the URL of a server with the given parameters, run so; starts it at the first call."""
    with ExitStack() as running_servers:

        @cache
        def url(parameters: str, run: Run) -> str:
            folder = tmp_path_factory.mktemp("server")
            server = running_servers.enter_context(run(folder, PARAMETERS=parameters))
            return f"http://127.0.0.1:{server.port}"

        yield url


@pytest.fixture
def parameters() -> str:
    """The parameters of the server. A module that needs others has a fixture of this name."""
    return NO_LIMITS


@pytest.fixture
def run() -> Run:
    """What runs the server. A module that runs another has a fixture of this name."""
    return running


@pytest.fixture(scope="session")
def connect(serve: Serve) -> Iterator[Connect]:
    """Returns a server with the given parameters, run so."""
    with ExitStack() as open_connections:

        @cache
        def gerbang(parameters: str, run: Run) -> Gerbang:
            http = open_connections.enter_context(httpx.Client(base_url=serve(parameters, run)))
            keys = http.get("/_local/config.json").json()
            threads = open_connections.enter_context(ThreadPoolExecutor())
            return Gerbang(http=http, key=keys["publishable_key"], secret_key=keys["secret_key"], threads=threads)

        yield gerbang


@pytest.fixture
def gerbang(connect: Connect, parameters: str, run: Run) -> Gerbang:
    return connect(parameters, run)
