"""gerbang.core.concurrency: calls run at the same time, and all of them have ended when it returns."""

from collections.abc import Callable
from threading import Barrier, Event

import pytest
from gerbang.core.concurrency import run_concurrently
from gerbang.core.log import request_id


class FirstFailedError(Exception):
    pass


class SecondFailedError(Exception):
    pass


def failing(failure: Exception) -> Callable[[], int]:
    def call() -> int:
        raise failure

    return call


def test_two_results_are_returned_in_order() -> None:
    assert run_concurrently(lambda: 1, lambda: "two") == (1, "two")
    assert run_concurrently(lambda: None, lambda: None) == (None, None)


def test_two_calls_run_at_the_same_time() -> None:
    barrier = Barrier(2)

    assert sorted(run_concurrently(lambda: barrier.wait(5), lambda: barrier.wait(5))) == [0, 1]


def test_many_calls_run_at_the_same_time() -> None:
    barrier = Barrier(7)

    assert sorted(run_concurrently(*[lambda: barrier.wait(5)] * 7)) == list(range(7))


def test_many_results_are_returned_in_order() -> None:
    def returning(number: int) -> Callable[[], int]:
        return lambda: number

    assert run_concurrently(*[returning(number) for number in range(10)]) == tuple(range(10))
    assert run_concurrently(*[lambda: "one"]) == ("one",)
    nothing: list[Callable[[], int]] = []
    assert run_concurrently(*nothing) == ()


def test_every_call_has_the_context_of_the_caller() -> None:
    token = request_id.set("request-7")
    try:
        assert run_concurrently(*[request_id.get] * 3) == ("request-7",) * 3
    finally:
        request_id.reset(token)


def test_when_the_first_call_fails_the_second_one_is_awaited() -> None:
    first_has_failed, second_has_ended = Event(), Event()

    def first() -> int:
        first_has_failed.set()
        raise FirstFailedError

    def second() -> int:
        first_has_failed.wait(5)
        second_has_ended.set()
        return 2

    with pytest.raises(FirstFailedError):
        run_concurrently(first, second)

    assert second_has_ended.is_set()


def test_when_the_second_call_fails_the_first_one_is_awaited() -> None:
    ended: list[int] = []

    with pytest.raises(SecondFailedError):
        run_concurrently(lambda: ended.append(1), failing(SecondFailedError()))

    assert ended == [1]


def test_when_both_calls_fail_the_first_failure_is_raised() -> None:
    with pytest.raises(FirstFailedError):
        run_concurrently(failing(FirstFailedError()), failing(SecondFailedError()))
    with pytest.raises(FirstFailedError):
        run_concurrently(*[lambda: 0, failing(FirstFailedError()), failing(SecondFailedError())])


def test_the_traceback_of_a_failure_contains_the_call() -> None:
    with pytest.raises(SecondFailedError) as caught:
        run_concurrently(lambda: 1, failing(SecondFailedError()))

    assert any(entry.name == "call" for entry in caught.traceback)


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_of_the_second_call_is_raised(interrupt: type[BaseException]) -> None:
    def second() -> int:
        raise interrupt

    with pytest.raises(interrupt):
        run_concurrently(lambda: 1, second)
