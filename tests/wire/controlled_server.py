"""`python -m tests.wire.controlled_server FD`: the server of `make run`, with a control connection at the socket FD.

Over this connection a test can do what no request can do: call AWS services in this process's memory, invoke handlers
with any event, and read mails. Each command and each reply is one line of JSON. The reply to `["dynamodb", "PutItem",
{...}]` is `{"answer": {...}}`, or `{"error": "class and text"}`.

To save time, delayed mails are delivered sooner, and the variable HASH_COST sets a hash cost that may be below the
lowest that can be deployed.
"""

import json
import os
import socket
import sys
import threading
import time
from contextlib import ExitStack
from functools import cache
from typing import Any, Final
from unittest.mock import patch

import botocore.session
from gerbang.settings import Settings
from gerbang_local import __main__ as gerbang_local
from gerbang_local.functions import Context
from gerbang_local.mailbox import Mailbox
from moto.core.utils import unix_time_millis
from moto.sqs.models import Message

DELAY_MILLISECONDS: Final = 500
"""Maximum delay of a message. The write that it waits for takes about 10 ms."""

_mailboxes: Final[list[Mailbox]] = []


def main() -> int:
    connection = socket.socket(fileno=int(sys.argv.pop()))
    threading.Thread(target=_serve, args=(connection,), daemon=True).start()
    with ExitStack() as changes:
        changes.enter_context(patch.object(Message, "delay", _delay))
        changes.enter_context(patch("gerbang_local.server.Mailbox", _mailbox))
        if cost := os.environ.pop("HASH_COST", ""):
            changes.enter_context(patch.object(Settings, "password_hash_cost", int(cost)))
        return gerbang_local.main()


def _delay(message: Message, *, delay_seconds: int) -> None:
    message.delayed_until = unix_time_millis() + min(delay_seconds * 1000, DELAY_MILLISECONDS)


def _mailbox(**options: Any) -> Mailbox:
    mailbox = Mailbox(**options)
    _mailboxes.append(mailbox)
    return mailbox


def _serve(connection: socket.socket) -> None:
    with connection.makefile("rw", encoding="utf-8") as lines:
        for line in lines:
            try:
                reply = {"answer": _do(*json.loads(line))}
            except Exception as error:  # noqa: BLE001 - the test receives it
                reply = {"error": f"{type(error).__name__}: {error}"}
            lines.write(json.dumps(reply, default=str) + "\n")
            lines.flush()
    os._exit(0)  # the test process has ended


def _do(service: str, what: str, argument: dict[str, Any]) -> Any:
    if service == "invoke":
        handler = sys.modules[f"gerbang_local.functions.{what}"].handler
        context = Context(
            aws_request_id="by-the-test",
            function_name=what,
            invoked_function_arn=what,
            memory_limit_in_mb="512",
            deadline=time.monotonic() + 20,
        )
        return handler(argument, context)
    if service == "mails":
        [mailbox] = _mailboxes
        return [mail.to_json() for mail in mailbox.mails() if mail.to == what]
    answer = _client(service)._make_api_call(what, argument)
    answer.pop("ResponseMetadata")
    return answer


@cache
def _client(service: str) -> Any:
    return botocore.session.get_session().create_client(service)


if __name__ == "__main__":
    sys.exit(main())
