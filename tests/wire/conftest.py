"""The server that the tests in this folder call over HTTP."""

import json
import socket
from collections.abc import Callable, Iterator

import pytest
from gerbang.passwords.bcrypt_sha256 import CHEAPEST_COST
from gerbang_local.declarations import codes_declared, endpoints

from tests.wire.client import Client, new_clients
from tests.wire.server import Server, ServerControl, running_with_control
from tests.wire.world import Person, World


@pytest.fixture(scope="session", autouse=True)
def many_addresses() -> None:
    """Skip all tests in this folder if clients cannot have different addresses, as on macOS."""
    try:
        with socket.socket() as probe:
            probe.bind(("127.1.2.3", 0))
    except OSError:
        pytest.skip("rate limits count client addresses: these tests need all of 127.0.0.0/8, as on Linux")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, ServerControl]]:
    """One server for each pytest worker, with the default settings except for the cheapest hash."""
    folder = tmp_path_factory.mktemp("server")
    with running_with_control(folder, HASH_COST=str(CHEAPEST_COST)) as (server, control):
        yield server, control
        assert undeclared_errors(server) == set(), "these endpoints gave errors that they do not declare"


def undeclared_errors(server: Server) -> set[tuple[str, str]]:
    """Return the path and the code of every error that an endpoint gave and does not declare."""
    declared = {path: codes_declared(endpoint) for endpoint in endpoints().values() for path in endpoint.paths}
    lines = [json.loads(line) for line in server.output().splitlines() if line.startswith("{")]
    answered = {
        (line["route"].rpartition(" ")[2], line["event"]) for line in lines if {"route", "status"} <= line.keys()
    }
    return {(path, code) for path, code in answered if code not in declared.get(path, frozenset({code}))}


@pytest.fixture(scope="session")
def server(running: tuple[Server, ServerControl]) -> Server:
    return running[0]


@pytest.fixture(scope="session")
def control(running: tuple[Server, ServerControl]) -> ServerControl:
    return running[1]


@pytest.fixture(scope="session")
def new_client(server: Server) -> Callable[[], Client]:
    """Creates clients with unused addresses, so that no test reaches the rate limits of another."""
    return new_clients(server.port, network=1)


@pytest.fixture
def client(new_client: Callable[[], Client]) -> Client:
    return new_client()


@pytest.fixture
def world(server: Server, control: ServerControl, client: Client, new_client: Callable[[], Client]) -> World:
    return World(server=server, control=control, client=client, new_client=new_client)


@pytest.fixture(scope="session")
def shared_person(server: Server, control: ServerControl, new_client: Callable[[], Client]) -> Person:
    """A signed-in account for tests that do not change it. Sharing it saves the time of a registration."""
    return World(server=server, control=control, client=new_client(), new_client=new_client).register()
