"""A store whose batch reads are torn, as DynamoDB's may be: every item committed, not all at one moment (D11)."""

from collections.abc import Callable
from typing import override

from gerbang.storage.store import Item, Key, Store

from tests.fakes import PassingStore


class TornStore(PassingStore):
    """Hands every call on; while its first batch is being read, something else happens.

    Of that batch the items of one table are as they were before it, all others as they are after it.
    """

    def __init__(self, store: Store, *, old: str, happens: Callable[[], object]) -> None:
        """Take the table whose items are read first, and what happens then."""
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
