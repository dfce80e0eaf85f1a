"""Servers for the clients, started as `make run` starts them. A pytest process has one of each that its tests use."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from typing import Final

import httpx
import pytest

from tests.clients.gerbang import Gerbang
from tests.wire.server import running

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

type Serve = Callable[[str], str]


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Returns the URL of a server with the given parameters; starts it at the first call."""
    with ExitStack() as running_servers:

        @cache
        def url(parameters: str) -> str:
            folder = tmp_path_factory.mktemp("server")
            server = running_servers.enter_context(running(folder, PARAMETERS=parameters))
            return f"http://127.0.0.1:{server.port}"

        yield url


@pytest.fixture
def parameters() -> str:
    """The parameters of the server. A module that needs others has a fixture of this name."""
    return NO_LIMITS


@pytest.fixture(scope="session")
def connect(serve: Serve) -> Iterator[Callable[[str], Gerbang]]:
    """Returns a server with the given parameters."""
    with ExitStack() as open_connections:

        @cache
        def gerbang(parameters: str) -> Gerbang:
            http = open_connections.enter_context(httpx.Client(base_url=serve(parameters)))
            keys = http.get("/_local/config.json").json()
            key, secret_key = keys["publishable_key"], keys["secret_key"]
            return Gerbang(
                http=http, key=key, secret_key=secret_key, threads=open_connections.enter_context(ThreadPoolExecutor())
            )

        yield gerbang


@pytest.fixture
def gerbang(connect: Callable[[str], Gerbang], parameters: str) -> Gerbang:
    return connect(parameters)
