"""`python -m sam_local [start | invoke | env]`: the built functions in Lambda's containers. The default is `start`.

`start` serves the API by `sam local start-api`.

`invoke` takes the logical ids of functions, or none for all functions. It sends each function its events of `events/`,
prints the answers, and ends with status 1 if a function failed. Arguments after `--` go to SAM CLI.

`env` starts the stand-ins for AWS until Ctrl-C, and writes their addresses to the file `ENVIRONMENT`, for a `sam local`
that you start. It invokes the mailer, as built by `sam build`, with the queue's messages.

Settings are those of `make run`: PORT, HOST, DYNAMODB_ENDPOINT, PARAMETERS. `env` listens on STAND_INS_PORT and the two
ports that follow, so that a running `sam local` finds it after a restart. Exit status: 0 after Ctrl-C, 1 with one
sentence after an error.
"""

import argparse
import json
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import dynamodb_local
from gerbang_local.options import InvalidOption, Options
from gerbang_local.stack import Function
from gerbang_local.template import TemplateError

from sam_local.queues import queues_read
from sam_local.sam import BUILT, Sam, SamFailed
from sam_local.stand_ins import NoDynamoDB, PortInUse, StandIns, stand_ins

ENVIRONMENT: Final = ".aws-sam/env.json"
"""Each function's environment, as `sam local --env-vars` takes it."""

_EXPECTED_ERRORS: Final = frozenset({"InvalidRotation", "Unauthorized"})
"""Errors that functions raise because AWS asks for them (docs/decisions/0007-authorizer-401.md)."""


def main(arguments: Sequence[str]) -> int:
    """Run the command of the arguments, and return the exit status."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # both, since a shell in the background ignores SIGINT
        signal.signal(ending, signal.default_int_handler)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    chosen = _arguments(arguments[:end])
    try:
        options = Options.from_environment(os.environ, [])
        if chosen.command == "env":
            return _env(options)
        with stand_ins(options) as aws, Sam.built(options, aws, arguments[end + 1 :]) as sam:
            if chosen.command == "invoke":
                return _invoke(sam, aws, chosen.functions)
            print(f"The API answers at http://{options.host}:{options.port}. Press Ctrl-C to stop.", flush=True)
            print(_greeting(aws), flush=True)
            with queues_read(aws.stack, sam):
                sam.start_api()
    except (InvalidOption, TemplateError, dynamodb_local.Unavailable, NoDynamoDB, PortInUse) as error:
        print(error, file=sys.stderr)
        return 1
    except SamFailed:
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _env(options: Options) -> int:
    file = options.template.parent / ENVIRONMENT
    with stand_ins(options, first_port=options.stand_ins_port) as aws:
        file.parent.mkdir(exist_ok=True)
        sam = Sam(options=options, build=BUILT, variables=file)
        try:
            file.write_text(json.dumps(aws.environments), "utf-8")
            print("AWS is simulated for `sam local` until Ctrl-C. In another terminal:", flush=True)
            print(f"  sam build && sam local start-api {shlex.join(sam.arguments())}", flush=True)
            print(_greeting(aws), flush=True)
            with queues_read(aws.stack, sam):
                signal.pause()
        finally:
            file.unlink(missing_ok=True)
    return 0


def _greeting(aws: StandIns) -> str:
    return "\n".join(
        [
            f"  Mails:            {aws.mails}",
            f"  Publishable key:  {aws.publishable_key}",
            f"  Secret key:       {aws.secret_key}",
        ]
    )


def _invoke(sam: Sam, aws: StandIns, names: Sequence[str]) -> int:
    failed = 0
    for name in names or aws.stack.functions:
        function = aws.stack.functions.get(name)
        if function is None:
            print(f"There is no function {name}.", file=sys.stderr)
            return 1
        for event in events_of(function, sam.options.template.parent):
            answer = sam.invoke(name, event)
            print(f"{name} {event.relative_to(sam.options.template.parent)}\n    {answer}", flush=True)
            failed += is_failure(answer)
    return 1 if failed else 0


def events_of(function: Function, root: Path) -> Iterator[Path]:
    """Yield the events of a function, which are in the folder of `events/` with the same path as its folder."""
    yield from sorted((root / "events" / function.folder.relative_to(root / "functions")).glob("*.json"))


def is_failure(answer: str) -> bool:
    """Return whether the function failed: it raised an unexpected error, or answered 5xx."""
    try:
        parsed: Any = json.loads(answer)
    except ValueError:
        return True
    if not isinstance(parsed, dict):
        return False
    raised = "errorMessage" in parsed and parsed.get("errorType") not in _EXPECTED_ERRORS
    return raised or parsed.get("statusCode", 0) >= HTTPStatus.INTERNAL_SERVER_ERROR


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sam_local", description="The built functions in Lambda's containers.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("start", help="serve the API (the default)")
    commands.add_parser("env", help="simulate AWS for a `sam local` that you start")
    invoke = commands.add_parser("invoke", help="invoke functions with their events")
    invoke.add_argument("functions", nargs="*", metavar="FUNCTION", help="logical ids (default: all functions)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
