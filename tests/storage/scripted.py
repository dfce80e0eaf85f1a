"""A store on DynamoDB whose requests are scripted."""

from collections.abc import Callable
from dataclasses import dataclass, field

from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, EndpointConnectionError, ReadTimeoutError
from gerbang.storage.dynamodb import DynamoStore
from gerbang.storage.store import (
    Absent,
    Delete,
    Equal,
    Key,
    Plus,
    Present,
    Put,
    Update,
)

from tests.wire_faults import Wire, reply

KEY = Key("Users", "USER#1")
OTHER = Key("Organizations", "org_1", "MEMBER#1")
WIRE_ITEM = {"pk": {"S": "USER#1"}, "generation": {"N": "2"}}
SUCCESS = reply()


@dataclass(frozen=True, slots=True)
class ScriptedStore:
    """A store whose requests are scripted, and the pauses it made."""

    wire: Wire
    pauses: list[float] = field(default_factory=list[float])

    @property
    def store(self) -> DynamoStore:
        return DynamoStore(self.wire.client, self.pauses.append)


CALLS: dict[str, Callable[[DynamoStore], object]] = {
    "get": lambda store: store.get(KEY),
    "get_all": lambda store: store.get_all(KEY, OTHER),
    "put": lambda store: store.write(Put(KEY, {"name": "n"}, (Absent("pk"),))),
    "update": lambda store: store.write(Update(KEY, {"generation": Plus(1)}, (Equal("generation", 1),))),
    "delete": lambda store: store.write(Delete(KEY)),
    "commit": lambda store: store.commit(Put(KEY, {"name": "n"}), Update(OTHER, {"n": 1}, (Present("pk"),))),
}

NO_RESPONSE = [
    ReadTimeoutError(endpoint_url="http://dynamodb.invalid"),
    ConnectTimeoutError(endpoint_url="http://dynamodb.invalid"),
    ConnectionClosedError(endpoint_url="http://dynamodb.invalid"),
    EndpointConnectionError(endpoint_url="http://dynamodb.invalid"),
]
