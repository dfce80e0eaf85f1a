"""What the functions find in the place of AWS: the template's tables, queues and secrets, and a post office."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import dynamodb_local
from gerbang_local.aws import Aws, Resources, behave_as_in_lambda
from gerbang_local.options import Options
from gerbang_local.stack import Stack, read_stack
from gerbang_local.template import Template, chosen_parameters
from moto.server import ThreadedMotoServer

from sam_local.post_office import post_office

HOST: Final = "host.docker.internal"
"""This machine, as containers know it (`sam local --add-host`)."""

_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - containers come in by Docker's bridge; nothing here is real
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost", _EVERYWHERE})


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIns:
    """The stand-ins, and the functions that are to use them."""

    stack: Stack
    environments: Mapping[str, Mapping[str, str]]
    """Each function's variables, by logical id; as `sam local --env-vars` takes them."""
    mails: str
    """The URL of the mails that were sent, as seen from this machine."""


@contextmanager
def stand_ins(options: Options) -> Iterator[StandIns]:
    """Make the stand-ins that *options*' template asks for, until the block ends.

    Raises:
        TemplateError: the template, or a parameter, cannot be served.
        dynamodb_local.Unavailable: there is no DynamoDB Local to be had.
    """
    dynamodb = options.dynamodb_endpoint or _dynamodb()
    behave_as_in_lambda(dynamodb_endpoint=dynamodb)
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer(ip_address=_EVERYWHERE, port=0, verbose=False)
    moto.start()
    try:
        moto_port = moto.get_host_and_port()[1]
        os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{moto_port}"
        with post_office(_EVERYWHERE) as mail_port:
            stack = _stack(options)
            at_home = {
                "AWS_ENDPOINT_URL_DYNAMODB": as_seen_from_containers(dynamodb),
                "AWS_ENDPOINT_URL_EVENTBRIDGE": f"http://{HOST}:{moto_port}",
                "AWS_ENDPOINT_URL_LAMBDA": as_seen_from_containers(options.lambda_endpoint or "http://127.0.0.1:3001"),
                "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://{HOST}:{moto_port}",
                "AWS_ENDPOINT_URL_SESV2": f"http://{HOST}:{mail_port}",
                "AWS_ENDPOINT_URL_SQS": f"http://{HOST}:{moto_port}",
            }
            yield StandIns(
                stack=stack,
                environments={name: _in_container(one.environment) | at_home for name, one in stack.functions.items()},
                mails=f"http://127.0.0.1:{mail_port}/",
            )
    finally:
        moto.stop()


def _dynamodb() -> str:
    with Path(os.devnull).open("wb") as log:
        return dynamodb_local.start(owner=os.getpid(), log=log, address=_EVERYWHERE).endpoint


def _stack(options: Options) -> Stack:
    template = Template.parse(options.template.read_text("utf-8"))
    resources = Resources(Aws(), template, chosen_parameters(template, options.parameters))
    resources.make_all()
    return read_stack(resources.resolver, root=options.template.parent)


def _in_container(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a function's variables with the URLs of queues as containers reach them."""
    return {
        name: as_seen_from_containers(value) if name.endswith("_QUEUE_URL") else value
        for name, value in environment.items()
    }


def as_seen_from_containers(endpoint: str) -> str:
    """Return an endpoint with the name that containers have for this machine, where it is on this machine."""
    parts = urlsplit(endpoint)
    if parts.hostname not in _LOOPBACK:
        return endpoint
    return parts._replace(netloc=f"{HOST}:{parts.port}" if parts.port else HOST).geturl()
