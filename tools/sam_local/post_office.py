"""A stand-in for SES that containers can reach. It shows the mails."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override
from uuid import uuid4

from gerbang_local.mailbox import Mailbox


@contextmanager
def post_office(address: str, port: int = 0) -> Iterator[int]:
    """Serve SES v2 `SendEmail`, and the mails as JSON at every path, on *address*; yield the port.

    *port* 0 means any free port.
    """
    mailbox = Mailbox(now=lambda: datetime.now(UTC))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                mailbox.receive(json.loads(body))
            except ValueError as error:
                self._answer(HTTPStatus.BAD_REQUEST, {"message": str(error)})
            else:
                self._answer(HTTPStatus.OK, {"MessageId": str(uuid4())})

        def do_GET(self) -> None:
            self._answer(HTTPStatus.OK, [mail.to_json() for mail in mailbox.mails()])

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: SAM CLI has the log."""

        def _answer(self, status: HTTPStatus, body: Any) -> None:
            content = json.dumps(body, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer((address, port), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
