"""`python -m tests.wire.back_door FD`: what `make run` runs, with a door for tests at the socket FD.

Through it a test reaches what no request may: the tables and secrets that moto keeps in this process's memory, the
handlers, which take events as they are, and the mails to one address. One line of JSON in, one out:
`["dynamodb", "PutItem", {...}]` is answered by `{"answer": {...}}`, an error by `{"error": "its class and text"}`.

Some waiting and hashing is left out: a mail that is to be delivered a second later is delivered sooner, and if the
variable HASH_COST is set, passwords are hashed at that cost, which may be below the lowest that can be deployed.
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
"""How long a delayed message is delayed: what it waits for is a write that takes some ten."""

_mailboxes: Final[list[Mailbox]] = []


def main() -> int:
    door = socket.socket(fileno=int(sys.argv.pop()))
    threading.Thread(target=_attend, args=(door,), daemon=True).start()
    with ExitStack() as changes:
        changes.enter_context(patch.object(Message, "delay", _delay))
        changes.enter_context(patch("gerbang_local.server.Mailbox", _mailbox))
        if cost := os.environ.pop("HASH_COST", ""):
            changes.enter_context(patch.object(Settings, "password_hash_cost", int(cost)))
        return gerbang_local.main()


def _delay(message: Message, *, delay_seconds: int) -> None:
    message.delayed_until = unix_time_millis() + min(delay_seconds * 1000, DELAY_MILLISECONDS)


def _mailbox(**options: Any) -> Mailbox:
    made = Mailbox(**options)
    _mailboxes.append(made)
    return made


def _attend(door: socket.socket) -> None:
    with door.makefile("rw", encoding="utf-8") as lines:
        for line in lines:
            try:
                reply = {"answer": _do(*json.loads(line))}
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                reply = {"error": f"{type(error).__name__}: {error}"}
            lines.write(json.dumps(reply, default=str) + "\n")
            lines.flush()
    os._exit(0)  # whoever held the other end is gone, and with them every reason to serve


def _do(service: str, what: str, argument: dict[str, Any]) -> Any:
    if service == "invoke":
        handler = sys.modules[f"gerbang_local.functions.{what}"].handler
        context = Context(
            aws_request_id="by-the-back-door",
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
