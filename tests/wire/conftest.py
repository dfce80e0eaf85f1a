"""The deployment that the tests in this folder talk to over HTTP, as its clients do."""

import itertools
import json
import socket
from collections.abc import Callable, Iterator

import pytest
from gerbang.passwords.bcrypt_sha256 import CHEAPEST_COST
from gerbang_local.declarations import codes_declared, endpoints

from tests.wire.client import Client
from tests.wire.server import BackDoor, Server, running_with_back_door
from tests.wire.world import Person, World


@pytest.fixture(scope="session", autouse=True)
def many_addresses() -> None:
    """Skip every test here where clients cannot have addresses of their own, as on macOS."""
    try:
        with socket.socket() as probe:
            probe.bind(("127.1.2.3", 0))
    except OSError:
        pytest.skip("only 127.0.0.1 is this machine, and limits count addresses: Linux has all of 127.0.0.0/8")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, BackDoor]]:
    """One server a pytest process, with the settings of the template but for the cheapest hash."""
    folder = tmp_path_factory.mktemp("server")
    with running_with_back_door(folder, HASH_COST=str(CHEAPEST_COST)) as (server, door):
        yield server, door
        assert undeclared_errors(server) == set(), "errors that were answered, and that no operation declares"


def undeclared_errors(server: Server) -> set[tuple[str, str]]:
    """Return the path and code of every error that was answered and that its endpoint does not declare."""
    declared = {path: codes_declared(endpoint) for endpoint in endpoints().values() for path in endpoint.paths}
    lines = [json.loads(line) for line in server.output().splitlines() if line.startswith("{")]
    answered = {
        (line["route"].rpartition(" ")[2], line["event"]) for line in lines if {"route", "status"} <= line.keys()
    }
    return {(path, code) for path, code in answered if code not in declared.get(path, frozenset({code}))}


@pytest.fixture(scope="session")
def server(running: tuple[Server, BackDoor]) -> Server:
    return running[0]


@pytest.fixture(scope="session")
def door(running: tuple[Server, BackDoor]) -> BackDoor:
    return running[1]


@pytest.fixture(scope="session")
def new_client(server: Server) -> Callable[[], Client]:
    """Makes clients, each at an address that nobody has used: limits are those of a deployment, and bother no test."""
    numbers = itertools.count(1)

    def new() -> Client:
        number = next(numbers)
        return Client(address=f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}", port=server.port)

    return new


@pytest.fixture
def client(new_client: Callable[[], Client]) -> Client:
    return new_client()


@pytest.fixture
def world(server: Server, door: BackDoor, client: Client, new_client: Callable[[], Client]) -> World:
    return World(server=server, door=door, client=client, new_client=new_client)


@pytest.fixture(scope="session")
def resident(server: Server, door: BackDoor, new_client: Callable[[], Client]) -> Person:
    """Somebody signed in, for tests that change nothing about them: registering is what takes time here."""
    return World(server=server, door=door, client=new_client(), new_client=new_client).register()
