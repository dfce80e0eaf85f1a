"""botocore clients for the tests, one for each service."""

from typing import Any, Final

import botocore.session

_clients: Final[dict[str, Any]] = {}


def client(service: str) -> Any:
    """Return the client of a service. It is cached, because loading the model takes a tenth of a second."""
    if service not in _clients:
        _clients[service] = botocore.session.get_session().create_client(service)
    return _clients[service]


def forget_clients() -> None:
    """Drop all clients, so that later tests create new ones."""
    _clients.clear()
