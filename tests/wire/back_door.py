"""`python -m tests.wire.back_door FD`: what `make run` runs, with a door for tests at the socket FD.

Through it a test reaches what no request may: the tables and secrets that moto keeps in this process's memory, and the
handlers, which take events as they are. One line of JSON in, one out: `["dynamodb", "PutItem", {...}]` is answered by
`{"answer": {...}}`, an error by `{"error": "its class and text"}`.
"""

import json
import os
import socket
import sys
import threading
import time
from typing import Any

import botocore.session
from gerbang_local import __main__ as gerbang_local
from gerbang_local.functions import Context


def main() -> int:
    door = socket.socket(fileno=int(sys.argv.pop()))
    threading.Thread(target=_attend, args=(door,), daemon=True).start()
    return gerbang_local.main()


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
    client: Any = botocore.session.get_session().create_client(service)
    answer = client._make_api_call(what, argument)
    answer.pop("ResponseMetadata")
    return answer


if __name__ == "__main__":
    sys.exit(main())
