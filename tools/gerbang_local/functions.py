"""The functions, loaded into this process and invoked as Lambda's runtime invokes them.

All functions are in one process, so that a start takes seconds and breakpoints work. Each `app.py` is its own module.
Two things differ from Lambda: a handler may run in several threads at once, and a handler that has timed out runs to
its end, and its result is discarded.
"""

import importlib.util
import json
import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from gerbang_local.stack import Function, Stack

_VERSION: Final = "$LATEST"

# The variables of the developer's environment that functions see. The others are the template's, as on Lambda.
_KEPT_VARIABLES: Final = frozenset(
    {"HOME", "LANG", "PATH", "SYSTEMROOT", "TEMP", "TMPDIR", "USERPROFILE"}
    | {"NO_PROXY", "PYTHONHASHSEED", "PYTHONPATH", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"}
)


class CannotLoad(Exception):
    """A function's module cannot be imported, or has no such handler. The cause is the original error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a handler gets in addition to its event.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html; types as Lambda's runtime interface client has
    them (the memory is text).
    """

    aws_request_id: str
    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: str
    deadline: float  # of time.monotonic()
    function_version: str = _VERSION
    log_group_name: str = "local"
    log_stream_name: str = "local"
    identity: None = None
    client_context: None = None
    tenant_id: None = None

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the function has left, in milliseconds."""
        return max(0, int((self.deadline - time.monotonic()) * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFunction:
    """A function ready to be invoked, from any thread."""

    described: Function
    handler: Callable[[Any, Context], Any] = field(repr=False)

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Return the handler's answer to *event*. Both are copied through JSON, as between Lambda and its callers.

        Raises:
            Exception: any that the handler raises; TypeError if its answer is not JSON.
        """
        context = Context(
            aws_request_id=str(uuid.uuid4()),
            function_name=self.described.name,
            invoked_function_arn=self.described.arn,
            memory_limit_in_mb=str(self.described.memory_mb),
            deadline=time.monotonic() + self.described.timeout_seconds,
        )
        return json.loads(json.dumps(self.handler(json.loads(json.dumps(event)), context)))


def load_functions(stack: Stack) -> dict[str, LoadedFunction]:
    """Import every function of *stack*, each under its own name and with its own environment; return them by id.

    Raises:
        CannotLoad: one cannot be imported.
    """
    for layer in {layer: None for function in stack.functions.values() for layer in function.layers}:
        if str(layer) not in sys.path:
            sys.path.insert(0, str(layer))
    loaded = {logical_id: _load(function) for logical_id, function in stack.functions.items()}
    os.environ.update(_agreed([_variables(function) for function in stack.functions.values()]))
    return loaded


def _agreed(environments: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the variables that are the same in all *environments*.

    Libraries (Powertools) read some at each call. Variables that are the same for every function stay set.
    """
    first, *others = environments or [{}]
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}


def _load(function: Function) -> LoadedFunction:
    module_path, _, attribute = function.handler.rpartition(".")
    path = function.folder / f"{module_path.replace('.', '/')}.py"
    try:
        with _environment(function), _own_modules(function):
            handler = getattr(_module(f"gerbang_local.functions.{function.logical_id}", path), attribute)
    except Exception as error:
        raise CannotLoad(f"{function.logical_id}: {path} cannot be loaded: {error}") from error
    return LoadedFunction(described=function, handler=handler)


def _module(name: str, path: os.PathLike[str]) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # as an import would: dataclasses and pydantic look their module up
    spec.loader.exec_module(module)
    return module


def _variables(function: Function) -> dict[str, str]:
    """Return the environment of *function*: Lambda's variables, the template's, and some of the process's."""
    kept = {name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES or name.startswith("AWS_")}
    endpoints = {name: value for name, value in kept.items() if name.startswith("AWS_ENDPOINT_URL")}
    lambdas_own = {
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": _VERSION,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "local",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "LAMBDA_TASK_ROOT": str(function.folder),
        "_HANDLER": function.handler,
    }
    return {**kept, **lambdas_own, **function.environment, **endpoints}


@contextmanager
def _environment(function: Function) -> Iterator[None]:
    """Replace the process's environment by that of *function* while it is imported, which is when settings are read."""
    before = dict(os.environ)
    _replace_environment(_variables(function))
    try:
        yield
    finally:
        _replace_environment(before)


def _replace_environment(variables: Mapping[str, str]) -> None:
    for name in os.environ.keys() - variables.keys():
        del os.environ[name]
    os.environ.update(variables)


@contextmanager
def _own_modules(function: Function) -> Iterator[None]:
    """Let the function import the files next to its `app.py`, then forget them: other functions use the same names."""
    sys.path.insert(0, str(function.folder))
    try:
        yield
    finally:
        sys.path.remove(str(function.folder))
        for name, module in list(sys.modules.items()):
            own = (getattr(module, "__file__", None) or "").startswith(f"{function.folder}{os.sep}")
            if own and not name.startswith("gerbang_local.functions."):
                del sys.modules[name]
