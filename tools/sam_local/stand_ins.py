"""The stand-ins for AWS that the functions call: the template's tables, queues and secrets, and mails."""

import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch
from urllib.parse import urlsplit

import dynamodb_local
from botocore.exceptions import EndpointConnectionError
from gerbang_local.aws import Aws, Resources, behave_as_in_lambda
from gerbang_local.operators import SECRET_KEY_RESOURCE, publishable_key
from gerbang_local.options import Options
from gerbang_local.stack import Stack, read_stack
from gerbang_local.template import Template, chosen_parameters
from moto.server import ThreadedMotoServer
from moto.sqs.exceptions import SQSException
from moto.sqs.models import SQSBackend

from sam_local.post_office import post_office

HOST: Final = "host.docker.internal"
"""This machine, as containers know it (`sam local --add-host`)."""

_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - containers connect through Docker's bridge; all data is made up
_SECRET_ARN: Final = re.compile(r"arn:aws:secretsmanager:[\w-]+:\d+:secret:([\w-]+)-\w{6}\b")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost", _EVERYWHERE})


class NoDynamoDB(Exception):
    """The DynamoDB Local of DYNAMODB_ENDPOINT does not answer. The text is one sentence."""


class PortInUse(Exception):
    """Another process uses a port of the stand-ins. The text is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIns:
    """The stand-ins, and the functions that call them."""

    stack: Stack
    environments: Mapping[str, Mapping[str, str]]
    """Each function's variables, by logical id; as `sam local --env-vars` takes them."""
    mails: str
    """The URL of the mails that were sent, as seen from this machine."""
    publishable_key: str
    secret_key: str
    """The API keys."""


@contextmanager
def stand_ins(options: Options, *, first_port: int = 0) -> Iterator[StandIns]:
    """Run the stand-ins for the template of *options* until the block ends.

    AWS is simulated on *first_port*, mails are shown on the next port, DynamoDB Local is on the third. 0: any free.

    Raises:
        TemplateError: the template, or a parameter, cannot be served.
        dynamodb_local.Unavailable: DynamoDB Local cannot be started.
        NoDynamoDB: the one of *options* does not answer.
        PortInUse: another process listens on one of the ports.
    """
    ports = [first_port + number if first_port else 0 for number in range(3)]
    for port in ports[:2] if options.dynamodb_endpoint else ports:
        _check_free(port)
    dynamodb = options.dynamodb_endpoint or _dynamodb(options.template.parent / ".aws-sam", ports[2])
    behave_as_in_lambda(dynamodb_endpoint=dynamodb)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address=_EVERYWHERE, port=ports[0], verbose=False)
    moto.start()
    try:
        moto_port = moto.get_host_and_port()[1]
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{moto_port}"
        with post_office(_EVERYWHERE, ports[1]) as mail_port, _empty_messages_rejected():
            resources = _resources(options)
            stack = read_stack(resources.resolver, root=options.template.parent)
            endpoints = {
                "AWS_ENDPOINT_URL_DYNAMODB": as_seen_from_containers(dynamodb),
                "AWS_ENDPOINT_URL_EVENTBRIDGE": f"http://{HOST}:{moto_port}",
                "AWS_ENDPOINT_URL_LAMBDA": as_seen_from_containers(options.lambda_endpoint or "http://127.0.0.1:3001"),
                "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://{HOST}:{moto_port}",
                "AWS_ENDPOINT_URL_SESV2": f"http://{HOST}:{mail_port}",
                "AWS_ENDPOINT_URL_SQS": f"http://{HOST}:{moto_port}",
            }
            yield StandIns(
                stack=stack,
                environments={
                    name: _in_container(one.environment) | endpoints for name, one in stack.functions.items()
                },
                mails=f"http://127.0.0.1:{mail_port}/",
                publishable_key=publishable_key(resources.resolver) or "",
                secret_key=resources.secret_value(SECRET_KEY_RESOURCE) or "",
            )
    finally:
        moto.stop()


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the servers do, so that a restart need not wait
        try:
            probe.bind((_EVERYWHERE, port))
        except OSError:
            raise PortInUse(
                f"Port {port} is in use. Stop what listens there, such as another `make sam-env`, or choose three "
                f"other ports, for example STAND_INS_PORT={port + 100}."
            ) from None


@contextmanager
def _empty_messages_rejected() -> Iterator[None]:
    """Make moto reject empty messages as SQS does: a function's init sends one to open its connection."""
    send_message = SQSBackend.send_message

    def reject_empty(backend: SQSBackend, queue_name: str, message_body: str, *args: Any, **kwargs: Any) -> Any:
        if not message_body:
            raise SQSException("MissingParameter", "The request must contain the parameter MessageBody.")
        return send_message(backend, queue_name, message_body, *args, **kwargs)

    with patch.object(SQSBackend, "send_message", reject_empty):
        yield


def _dynamodb(folder: Path, port: int) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / "dynamodb-local.log"
    with path.open("wb") as log:
        try:
            return dynamodb_local.start(owner=os.getpid(), log=log, port=port or None, address=_EVERYWHERE).endpoint
        except dynamodb_local.Unavailable as error:
            if path.stat().st_size:
                raise dynamodb_local.Unavailable(f"{error} ({path})") from error
            raise


def _resources(options: Options) -> Resources:
    template = Template.parse(options.template.read_text("utf-8"))
    resources = Resources(Aws(), template, chosen_parameters(template, options.parameters))
    try:
        resources.make_all()
    except EndpointConnectionError:
        raise NoDynamoDB(f"DynamoDB Local does not answer at {options.dynamodb_endpoint}.") from None
    return resources


def _in_container(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a function's variables, changed to URLs that containers reach, and to names of secrets instead of ARNs.

    After a restart, names are the same, and ARNs are not.
    """
    return {
        name: as_seen_from_containers(value) if name.endswith("_QUEUE_URL") else _SECRET_ARN.sub(r"\1", value)
        for name, value in environment.items()
    }


def as_seen_from_containers(endpoint: str) -> str:
    """Return an endpoint as containers reach it: one on this machine has another host there."""
    parts = urlsplit(endpoint)
    if parts.hostname not in _LOOPBACK:
        return endpoint
    return parts._replace(netloc=f"{HOST}:{parts.port}" if parts.port else HOST).geturl()
