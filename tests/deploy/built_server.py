"""`python -m tests.deploy.built_server FOLDER`: like `make run`, but with the functions and layers that SAM has built.

Each function runs in its own process of Lambda's runtime interface client, which starts at the first event. The layers
are unpacked into FOLDER. Options are those of `make run`.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from gerbang_local.functions import Context, LoadedFunction
from gerbang_local.options import Options
from gerbang_local.server import serve
from gerbang_local.stack import Stack
from sam_deploy import this_machine

from tests.build.artefacts import build_for
from tests.deploy.aws_server import served_aws
from tests.deploy.lambda_runtime import BuiltFunctions, Mounts
from tests.wire.server import Server, running


@contextmanager
def running_built(folder: Path, **settings: str) -> Iterator[Server]:
    """Run this server with *settings* in its environment. Skip the test (in CI: fail it) if there is no build."""
    build_for(this_machine())
    with running(folder, "-m", __name__, str(folder), **settings) as server:
        yield server


def main() -> None:
    build = build_for(this_machine())
    mounts, folders = Mounts.of(build, Path(sys.argv.pop())), build.functions
    with ExitStack() as until_the_end:
        aws = until_the_end.enter_context(served_aws())

        def load(stack: Stack) -> dict[str, LoadedFunction]:
            described = {name: replace(one, folder=folders[name]) for name, one in stack.functions.items()}
            built = BuiltFunctions(described, mounts, aws)
            until_the_end.callback(built.end)
            return {
                name: LoadedFunction(described=one, handler=partial(_invoke, built, name))
                for name, one in described.items()
            }

        serve(Options.from_environment(os.environ, sys.argv[1:]), load=load)


def _invoke(built: BuiltFunctions, name: str, event: Mapping[str, Any], _context: Context) -> Any:
    return built.invoke(name, event)


if __name__ == "__main__":
    main()
