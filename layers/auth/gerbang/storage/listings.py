"""The page of a numbered list that each caller read last, in the table of one-time codes.

| partition key | holds |
|---|---|
| `LISTING#<digest of the caller>` | a `Place` |
"""

from datetime import datetime

from gerbang.core.dataclass import dataclass
from gerbang.storage.records import from_item, to_item
from gerbang.storage.store import Key, Put, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The page that was read last. Times are instants in UTC."""

    number: int
    begins: str
    """The cursor of its first account."""
    ends: str | None
    """The cursor of the next page's first account, None if this page is the last one."""
    total: int
    """How many accounts there were when the caller began to read."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ListingTable:
    """The places, in a table with the partition key `pk` and TTL on `expires_at`."""

    store: Store
    table: str

    def find(self, caller: str, at: datetime) -> Place | None:
        """Return the page that a caller read last, None if there is none or it has expired."""
        place = from_item(Place, self.store.get(self._key(caller)))
        return None if place is None or place.expires_at <= at else place

    def keep(self, caller: str, place: Place) -> None:
        """Remember the page that a caller read last."""
        self.store.write(Put(self._key(caller), to_item(place)))

    def _key(self, caller: str) -> Key:
        return Key(self.table, f"LISTING#{caller}")
