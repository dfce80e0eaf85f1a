"""Runs functions in threads, with the time-outs of Lambda and API Gateway.

On Lambda every invocation has its own processor; here all invocations share this machine's. So a time-out is multiplied
by the number of running invocations per processor: 64 sign-ins at once, which hash passwords, need that time.
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

# More than test clients send at once.
_THREADS: Final = 128

log: Final = logging.getLogger(__name__)


class FunctionFailed(Exception):
    """The handler raised, or its answer is not JSON, or it took longer than the function's Timeout."""

    def __init__(self, message: str) -> None:
        """Take the text of what was raised, which decides the answer of an authorizer."""
        super().__init__(message)
        self.message: Final = message


class NoAnswerInTime(Exception):
    """The caller's own time-out ended first. The function goes on."""


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
        """Return how long the handler has run, without the time that it waited for a thread."""
        return 0.0 if self.started_at is None else time.monotonic() - self.started_at


class Invoker:
    """Invokes functions in its own threads."""

    def __init__(self, functions: Mapping[str, LoadedFunction]) -> None:
        """Take the functions by logical id."""
        self._functions: Final = functions
        self._pool: Final = ThreadPoolExecutor(_THREADS, thread_name_prefix="function")
        self._running = 0

    async def invoke(self, function: str, event: Mapping[str, Any], *, timeout_seconds: float) -> Any:
        """Return the function's answer. An error goes to the log, with its traceback.

        Raises:
            FunctionFailed: the handler raised or overran the function's Timeout.
            NoAnswerInTime: *timeout_seconds*, the caller's own, passed first.
        """
        run = _Run(self._functions[function], event)
        function_seconds = run.function.described.timeout_seconds
        limit = min(function_seconds, timeout_seconds)
        answer = asyncio.get_running_loop().run_in_executor(self._pool, run)
        self._running += 1
        answer.add_done_callback(self._count_down)
        while (left := limit * self._load() - run.elapsed_seconds()) > 0:
            await asyncio.wait([answer], timeout=left)
            if answer.done():
                return self._answer(function, answer)
        if limit < function_seconds:
            log.error("%s gave no answer in %g seconds.", function, limit)
            raise NoAnswerInTime
        log.error("%s: task timed out after %g seconds.", function, limit)
        raise FunctionFailed("timed out")

    def stop(self) -> None:
        """Start no more invocations; running ones are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _load(self) -> float:
        """Return how many invocations run per processor; at least 1."""
        return max(1.0, self._running / (os.process_cpu_count() or 1))

    def _count_down(self, _ended: asyncio.Future[Any]) -> None:
        self._running -= 1

    @staticmethod
    def _answer(function: str, answer: asyncio.Future[Any]) -> Any:
        error = answer.exception()
        if error is None:
            return answer.result()
        log.error("%s failed.", function, exc_info=error)
        raise FunctionFailed(str(error)) from error
