"""Runs functions in threads, and gives up on them when Lambda and API Gateway would.

On Lambda every invocation has processors of its own; here all of them share this machine's. Sixty-four sign-ins at
once, each hashing a password, take as long as they take: time-outs grow by as many as there are to a processor.
"""

import asyncio
import logging
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from gerbang_local.functions import LoadedFunction

# More than anybody's test client sends at once; each waits for a hash or for moto, not for the others.
_THREADS: Final = 128

log: Final = logging.getLogger(__name__)


class FunctionFailed(Exception):
    """The handler raised, or answered what is not JSON, or took longer than the function's Timeout."""

    def __init__(self, message: str) -> None:
        """Take the text of what was raised: an authorizer answers by it."""
        super().__init__(message)
        self.message: Final = message


class NoAnswerInTime(Exception):
    """The caller's own patience ended first. The function goes on."""


@dataclass(slots=True)
class _Run:
    """One invocation, as its thread sees it."""

    function: LoadedFunction
    event: Mapping[str, Any]
    started_at: float | None = None  # of time.monotonic()

    def __call__(self) -> Any:
        self.started_at = time.monotonic()
        return self.function.invoke(self.event)

    def elapsed_seconds(self) -> float:
        """Return for how long the handler has run; waiting for a thread is not its time."""
        return 0.0 if self.started_at is None else time.monotonic() - self.started_at


class Invoker:
    """Invokes functions in threads of its own."""

    def __init__(self, functions: Mapping[str, LoadedFunction]) -> None:
        """Take the functions by logical id."""
        self._functions: Final = functions
        self._pool: Final = ThreadPoolExecutor(_THREADS, thread_name_prefix="function")
        self._under_way = 0

    async def invoke(self, function: str, event: Mapping[str, Any], *, patience_seconds: float) -> Any:
        """Return the function's answer. Why it has none goes to the log, with its traceback.

        Raises:
            FunctionFailed: the handler raised or overran the function's Timeout.
            NoAnswerInTime: *patience_seconds* passed first.
        """
        run = _Run(self._functions[function], event)
        timeout_seconds = run.function.described.timeout_seconds
        limit = min(timeout_seconds, patience_seconds)
        answer = asyncio.get_running_loop().run_in_executor(self._pool, run)
        self._under_way += 1
        answer.add_done_callback(self._count_down)
        while (left := limit * self._crowd() - run.elapsed_seconds()) > 0:
            await asyncio.wait([answer], timeout=left)
            if answer.done():
                return self._answer(function, answer)
        if limit < timeout_seconds:
            log.error("%s gave no answer in %g seconds.", function, limit)
            raise NoAnswerInTime
        log.error("%s: task timed out after %g seconds.", function, limit)
        raise FunctionFailed("timed out")

    def stop(self) -> None:
        """Take no more work; what runs is left to itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _crowd(self) -> float:
        """Return how many invocations there are to a processor; 1 at least."""
        return max(1.0, self._under_way / (os.process_cpu_count() or 1))

    def _count_down(self, _ended: asyncio.Future[Any]) -> None:
        self._under_way -= 1

    @staticmethod
    def _answer(function: str, answer: asyncio.Future[Any]) -> Any:
        error = answer.exception()
        if error is None:
            return answer.result()
        log.error("%s failed.", function, exc_info=error)
        raise FunctionFailed(str(error)) from error
