"""Runs independent calls at the same time, so that they wait for the network together."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, overload


@overload
def run_concurrently[A, B](first: Callable[[], A], second: Callable[[], B], /) -> tuple[A, B]: ...
@overload
def run_concurrently[A](*calls: Callable[[], A]) -> tuple[A, ...]: ...
def run_concurrently(*calls: Callable[[], Any]) -> tuple[Any, ...]:
    """Run all calls at the same time, the first one in this thread, and return their results in order.

    Every call sees the caller's context variables, such as the request id. All calls have ended when this returns.

    Raises:
        BaseException: the exception of the first call, in the order given, that raised one.
    """
    if len(calls) <= 1:
        return tuple(call() for call in calls)
    with ThreadPoolExecutor(max_workers=len(calls) - 1) as pool:
        others = [pool.submit(copy_context().run, call) for call in calls[1:]]
        first: Future[Any] = Future()
        try:
            first.set_result(calls[0]())
        except BaseException as error:  # noqa: BLE001 - raised below, when the other calls have ended
            first.set_exception(error)
    return tuple(future.result() for future in (first, *others))
