"""Reads the template's queues for the built functions, which SAM CLI does not do."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Protocol

from gerbang_local.aws import Aws
from gerbang_local.functions import LoadedFunction
from gerbang_local.queues import QueueReader
from gerbang_local.stack import Function, Stack

START_SECONDS: Final = 120
"""The time that Docker and SAM CLI may take to start a container, in addition to the function's time-out."""


class Invoker(Protocol):
    """Invokes built functions; `sam_local.sam.Sam` does."""

    def invoke(self, function: str, event: Path) -> str:
        """Return a function's answer to an event, as text."""
        ...


@contextmanager
def queues_read(stack: Stack, invoker: Invoker) -> Iterator[None]:
    """Invoke the functions of queues with the messages of these queues, until the block ends."""
    sqs = Aws().sqs
    readers = [QueueReader(one, in_container(stack.functions[one.function], invoker), sqs) for one in stack.triggers]
    for reader in readers:
        reader.start()
    try:
        yield
    finally:
        for reader in readers:
            reader.stop()


def in_container(function: Function, invoker: Invoker) -> LoadedFunction:
    """Return a function that runs in a new container at each call."""

    def handler(event: Mapping[str, Any], _context: object) -> Any:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(event, file)
            file.flush()
            return json.loads(invoker.invoke(function.logical_id, Path(file.name)))

    described = replace(function, timeout_seconds=function.timeout_seconds + START_SECONDS)
    return LoadedFunction(described=described, handler=handler)
