"""Calls beside one another: what does not depend on each other's answer waits for the network once, not twice."""

from collections.abc import Callable
from contextvars import copy_context
from threading import Thread


def beside[A, B](first: Callable[[], A], second: Callable[[], B]) -> tuple[A, B]:
    """Return what both calls return, having made them at the same time; both have ended when this returns.

    Both see the caller's context variables, such as the id of the request.

    Raises:
        BaseException: what *first* raised; else what *second* raised.
    """
    answers: list[B] = []
    failures: list[BaseException] = []

    def call_second() -> None:
        try:
            answers.append(second())
        except BaseException as failure:  # noqa: BLE001 - raised again below, in the caller's thread
            failures.append(failure)

    thread = Thread(target=copy_context().run, args=(call_second,))
    thread.start()
    try:
        answer = first()
    finally:
        thread.join()
    if failures:
        raise failures[0]
    return answer, answers[0]


def all_beside[A](calls: list[Callable[[], A]]) -> list[A]:
    """Return what the calls return, in their order, having made them at the same time.

    Raises:
        BaseException: what the first failing of them raised, after all have ended.
    """
    if not calls:
        return []
    if len(calls) == 1:
        return [calls[0]()]
    first, rest = beside(calls[0], lambda: all_beside(calls[1:]))
    return [first, *rest]
