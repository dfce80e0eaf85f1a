"""Servers for the clients, started as `make run` starts them. A pytest process has one of each that its tests use."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Final

import httpx
import pytest
from supabase_auth.types import Session

from tests.clients.gerbang import Client, Gerbang, stored
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


@pytest.fixture
def gerbang(serve: Serve, parameters: str) -> Iterator[Gerbang]:
    url = serve(parameters)
    key = httpx.get(f"{url}/_local/config.json").json()["publishable_key"]
    with ExitStack() as open_clients:

        def new_client(session: Session | None = None) -> Client:
            client = Client(
                url=f"{url}/auth/v1",
                headers={"apikey": key, "Authorization": f"Bearer {key}"},  # as the package `supabase` sends them
                storage=None if session is None else stored(session),
                auto_refresh_token=False,
            )
            return open_clients.enter_context(client)

        yield Gerbang(url=url, key=key, new_client=new_client)
