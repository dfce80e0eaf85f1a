"""Counts the round trips to the database that come one after the other, and password hashes."""

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from copy import replace
from threading import local
from typing import Any

import pytest

from tests.deployment import Deployment
from tests.fakes import Call, PassingStore


class RoundTrips:
    """Counts the sequential round trips up to the current point of the program.

    A call in a thread pool starts with the count at the point where it was submitted. The thread that shuts the pool
    down has waited for all of its calls. So concurrent calls count as much as the longest one of them.
    """

    def __init__(self) -> None:
        self._local = local()

    @property
    def count(self) -> int:
        return int(getattr(self._local, "count", 0))

    @count.setter
    def count(self, count: int) -> None:
        self._local.count = count

    def watch_thread_pools(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ended: dict[ThreadPoolExecutor, list[int]] = defaultdict(list)
        submit, shutdown = ThreadPoolExecutor.submit, ThreadPoolExecutor.shutdown

        def watched_submit(pool: ThreadPoolExecutor, call: Callable[..., Any], *args: Any) -> Future[Any]:
            start = self.count

            def run_from_start() -> Any:
                self.count = start
                try:
                    return call(*args)
                finally:
                    ended[pool].append(self.count)

            return submit(pool, run_from_start)

        def watched_shutdown(pool: ThreadPoolExecutor, **how: Any) -> None:
            shutdown(pool, **how)
            self.count = max(self.count, *ended.pop(pool, [0]))

        monkeypatch.setattr(ThreadPoolExecutor, "submit", watched_submit)
        monkeypatch.setattr(ThreadPoolExecutor, "shutdown", watched_shutdown)


class CountingStore(PassingStore):
    """Forwards every call, and counts it as a round trip."""

    def __init__(self, deployment: Deployment, trips: RoundTrips) -> None:
        super().__init__(deployment.store)
        self._trips = trips

    def _pass[T](self, call: Call, do: Callable[[], T]) -> T:  # type: ignore[explicit-override]
        self._trips.count += 1
        return super()._pass(call, do)


class Budget:
    """Measures what an action on a deployment costs."""

    def __init__(self, deployment: Deployment, trips: RoundTrips, hashes: list[int]) -> None:
        self._trips = trips
        self._hashes = hashes
        self.store = CountingStore(deployment, trips)
        self.deployment = replace(deployment, store=self.store)

    def of(self, action: Callable[[Deployment], object]) -> tuple[int, int]:
        """Return the sequential round trips and the hashes of an action."""
        self._trips.count = 0
        self.store.calls.clear()
        self._hashes.clear()
        action(self.deployment)
        return self._trips.count, len(self._hashes)
