"""Lambda's init phase, from our first import until the handler is returned. No request waits for work done in it.

Garbage is not collected during init: almost nothing that init makes is garbage, and searching for it takes a tenth of
the time. Objects that exist at the end of init are left out of later collections, too.

Init preloads what the first request would otherwise wait for. It makes nothing that must be unique (ids, nonces). A
preload that fails is ignored, and one that hangs is not waited for: the request that needs it tries again (F23).
"""

import gc
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import environ  # noqa: TID251 - to learn where the code runs, which is not a setting
from threading import Thread
from time import monotonic
from typing import Any, Final

type LambdaHandler = Callable[[dict[str, Any], Any], dict[str, Any]]
"""A Lambda handler: takes the event and the context, returns the response."""

ON_LAMBDA: Final = "AWS_LAMBDA_RUNTIME_API" in environ
"""Whether this process is one function in Lambda's runtime; elsewhere (tests, `make run`) this module does nothing."""

ON_SAM_LOCAL: Final = "AWS_SAM_LOCAL" in environ
"""Whether SAM CLI runs the function on a developer's machine."""

LONGEST_WAIT_SECONDS: Final = 3.0
"""How long init waits for preloads. Lambda gives init 10 s, and then starts it again."""

_preloads: Final[list[Thread]] = []

if ON_LAMBDA:
    gc.disable()


def preload(work: Callable[[], object]) -> None:
    """Do work in init, on another thread, that the first request would wait for. A failure is logged and ignored."""
    if ON_LAMBDA:
        thread = Thread(target=_run_preload, args=(work,), daemon=True)
        thread.start()
        _preloads.append(thread)


def finish_init[H](handler: H) -> H:
    """Wait for all preloads, for `LONGEST_WAIT_SECONDS` at most, and return the handler unchanged: init ends here."""
    until = monotonic() + LONGEST_WAIT_SECONDS
    while _preloads:
        _preloads.pop().join(max(0.0, until - monotonic()))
    if ON_LAMBDA:
        gc.freeze()
        gc.enable()
    return handler


@contextmanager
def hidden(package: str) -> Iterator[None]:
    """Make imports of a package fail as if it were not installed. On Lambda only, and unless it was imported before."""
    if not ON_LAMBDA or package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment] # as the language reference has it (5.3.1)
    try:
        yield
    finally:
        del sys.modules[package]


def _run_preload(work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as failure:  # noqa: BLE001 - the first request meets the same failure, and reports it
        from gerbang.core.log import Severity, log_event  # noqa: PLC0415 - imports a lot, and would come first

        log_event("not_warmed", Severity.WARNING, reason=type(failure).__name__)
