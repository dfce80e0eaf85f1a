"""Concurrent requests."""

from collections import Counter
from collections.abc import Callable, Sequence

from tests import fakes
from tests.wire.client import Answer


def at_once(calls: Sequence[Callable[[], Answer]]) -> list[Answer]:
    """Start all calls at the same moment, each in its own thread. Return their answers in order. None may be a 5xx."""
    answers: list[Answer] = []
    for outcome in fakes.at_once(calls):
        if isinstance(outcome, Exception):
            raise outcome
        answers.append(outcome)
    assert all(answer.status < 500 for answer in answers), statuses(answers)
    return answers


def statuses(answers: Sequence[Answer]) -> Counter[int]:
    """Count the answers by status."""
    return Counter(answer.status for answer in answers)
