"""Lambda's init: from the first import of ours until the handler stands. What is done in it, no request waits for.

Garbage is not collected meanwhile: what is made in init is hardly ever garbage, and looking for it takes a tenth of the
time. What stands at the end is left out of later collections too. What the first request would find cold is warmed;
nothing unique is made (ids, nonces), and nothing that is warmed can fail a start or hold it up: the request that needs
it tries again by itself (F23).
"""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import environ  # noqa: TID251 - to learn where it runs, which is no setting
from threading import Thread
from time import monotonic
from typing import Any, Final

type LambdaHandler = Callable[[dict[str, Any], Any], dict[str, Any]]
"""A Lambda handler: takes the event and the context, returns the answer."""

ON_LAMBDA: Final = "AWS_LAMBDA_RUNTIME_API" in environ
"""Whether this process is one function in Lambda's runtime; elsewhere (tests, `make run`) this module does nothing."""

ON_SAM_LOCAL: Final = "AWS_SAM_LOCAL" in environ
"""Whether SAM CLI runs the function on a developer's machine."""

LONGEST_WAIT_SECONDS: Final = 3.0
"""For how long init waits for what it warms. Lambda gives init 10 s and then starts it all over again."""

_warming: Final[list[Thread]] = []

if ON_LAMBDA:
    gc.disable()


def preload(work: Callable[[], object]) -> None:
    """Do in init, on another thread, what the first request would have to wait for. A failure is logged and ignored."""
    if ON_LAMBDA:
        thread = Thread(target=_attempt, args=(work,), daemon=True)
        thread.start()
        _warming.append(thread)


def finish_init[H](handler: H) -> H:
    """Wait for all preloads, for `LONGEST_WAIT_SECONDS` at most, and return the handler unchanged: init ends here."""
    until = monotonic() + LONGEST_WAIT_SECONDS
    while _warming:
        _warming.pop().join(max(0.0, until - monotonic()))
    if ON_LAMBDA:
        gc.freeze()
        gc.enable()
    return handler


@contextmanager
def hidden(package: str) -> Iterator[None]:
    """Have imports of a package fail as if it were not there, on Lambda, unless it was imported before."""
    if not ON_LAMBDA or package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment] # as the language reference has it (5.3.1)
    try:
        yield
    finally:
        del sys.modules[package]


def _attempt(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as failure:  # noqa: BLE001 - whatever it is, the first request meets it and answers for it
        from gerbang.core.log import Severity, log_event  # noqa: PLC0415 - imports much, and is not to come first

        log_event("not_warmed", Severity.WARNING, reason=type(failure).__name__)
