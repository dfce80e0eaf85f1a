"""A store whose batch reads are torn, as DynamoDB's may be: the items are from different moments (D11)."""

from collections.abc import Callable
from typing import override

from gerbang.storage.store import Item, Key, Store

from tests.fakes import PassingStore


class TornStore(PassingStore):
    """Calls a function during the first batch read.

    In the answer, the items of one table are those from before the call, and all others are those from after it.
    """

    def __init__(self, store: Store, *, old: str, happens: Callable[[], object]) -> None:
        """Take the table whose items are read before the call, and the function to call."""
        super().__init__(store)
        self._old = old
        self._happens: Callable[[], object] | None = happens

    @override
    def get_all(self, *keys: Key) -> tuple[Item | None, ...]:
        if self._happens is None:
            return super().get_all(*keys)
        happens, self._happens = self._happens, None
        before = super().get_all(*keys)
        happens()
        after = super().get_all(*keys)
        return tuple(
            then if key.table == self._old else now for key, then, now in zip(keys, before, after, strict=True)
        )
