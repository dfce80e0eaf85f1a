"""The part of AWS CLI that docs/operations.md uses, implemented with botocore.

Like the CLI, it raises an error for unknown services, operations and options, and for values of the wrong type.
"""

import io
import json
import socketserver
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, override

import botocore.session
import jmespath  # type: ignore[import-untyped]
from botocore import xform_name
from botocore.validate import validate_parameters

SESSION: Final = botocore.session.Session()
CLI_OPTIONS: Final = frozenset({"--query", "--output"})
NOT_IN_MOTO: Final = frozenset(
    {
        ("acm", "certificate-validated"),
        ("sesv2", "get-account"),
        ("sesv2", "put-account-details"),
        ("sqs", "start-message-move-task"),
    }
)
"""Calls that are validated but not made."""

CLIENT: Final = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect(os.environ["AWS_CLI_SOCKET"])
    server.sendall(json.dumps(sys.argv[1:]).encode() + b"\\n")
    answer = json.loads(server.makefile().readline())
sys.stdout.write(answer["out"])
sys.stderr.write(answer["error"])
sys.exit(1 if answer["error"] else 0)
"""
"""The program `aws`. It starts fast, because botocore runs in the test process, which it asks over a socket."""


@contextmanager
def served(path: Path) -> Iterator[None]:
    """Answer `CLIENT` at a socket, with the AWS in memory of this process."""

    class Handler(socketserver.StreamRequestHandler):
        @override
        def handle(self) -> None:
            answer = {"out": "", "error": ""}
            try:
                answer["out"] = run(json.loads(self.rfile.readline()))
            except BaseException:  # noqa: BLE001 - the client prints it
                trace = io.StringIO()
                traceback.print_exc(file=trace)
                answer["error"] = trace.getvalue()
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield
        server.shutdown()


def run(arguments: Sequence[str]) -> str:
    """Run a command line, and return its output."""
    service, operation, *options = arguments
    client: Any = SESSION.create_client(service)
    model = client.meta.service_model
    if operation == "wait":
        awaited, *options = options
        waiter = client.get_waiter(awaited.replace("-", "_"))
        chosen, _ = parsed(options, model.operation_model(waiter.config.operation).input_shape.members)
        if (service, awaited) not in NOT_IN_MOTO:
            waiter.wait(**chosen, WaiterConfig={"Delay": 0, "MaxAttempts": 3})
        return ""
    names = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(names[operation]).input_shape
    chosen, cli_options = parsed(options, shape.members)
    answer = {} if (service, operation) in NOT_IN_MOTO else called(client, operation.replace("-", "_"), chosen)
    validate_parameters(chosen, shape)
    if "--query" in cli_options:
        answer = jmespath.search(cli_options["--query"], answer)
    return (as_text(answer) if cli_options.get("--output") == "text" else json.dumps(answer, indent=4)) + "\n"


def called(client: Any, method: str, parameters: dict[str, Any]) -> Any:
    if client.can_paginate(method):
        answer = client.get_paginator(method).paginate(**parameters).build_full_result()
    else:
        answer = getattr(client, method)(**parameters)
    answer.pop("ResponseMetadata", None)
    return json.loads(json.dumps(answer, default=str))


def parsed(options: Sequence[str], members: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the parameters of the call and the CLI's own options."""
    by_option = {f"--{xform_name(name, '-')}": (name, shape) for name, shape in members.items()}
    chosen: dict[str, Any] = {}
    cli_options: dict[str, str] = {}
    rest = list(options)
    while rest:
        option = rest.pop(0)
        values = list(taken(rest))
        positive = option.replace("--no-", "--", 1)
        if option in CLI_OPTIONS:
            [cli_options[option]] = values
        elif option in by_option:
            name, shape = by_option[option]
            chosen[name] = True if shape.type_name == "boolean" else value_of(values, shape)
        elif positive in by_option and by_option[positive][1].type_name == "boolean":
            chosen[by_option[positive][0]] = False
        else:
            raise ValueError(f"Unknown options: {option}")
    return chosen, cli_options


def taken(rest: list[str]) -> Iterator[str]:
    while rest and not rest[0].startswith("--"):
        yield rest.pop(0)


def value_of(values: list[str], shape: Any) -> Any:
    text, structured = values[0], shape.type_name in {"list", "map", "structure"}
    if text.startswith("file://"):
        return json.loads(Path(text.removeprefix("file://")).read_text("utf-8"))
    if structured and text.startswith(("{", "[")):
        return json.loads(text)
    if shape.type_name == "list" and shape.member.type_name != "structure":
        return values
    [text] = values
    if not structured:
        return scalar(text, shape)
    of = shape.member if shape.type_name == "list" else shape
    pairs = (one.split("=", 1) for one in text.split(","))
    shorthand = {name: scalar(value, of.members[name]) for name, value in pairs}
    return [shorthand] if shape.type_name == "list" else shorthand


def scalar(text: str, shape: Any) -> Any:
    match shape.type_name:
        case "integer" | "long":
            return int(text)
        case "boolean":
            return {"true": True, "false": False}[text]
        case _:
            return text


def as_text(answer: Any) -> str:
    if isinstance(answer, list):
        separator = "\n" if any(isinstance(one, list | dict) for one in answer) else "\t"
        return separator.join(map(as_text, answer))
    return str(answer)
