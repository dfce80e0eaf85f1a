"""A local HTTP server that answers POST requests as a test says, and records them."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, override

type Script = Callable[[BaseHTTPRequestHandler], None]
"""Answers one request."""


@dataclass
class HttpServer:
    """The server. A test may replace its script between requests."""

    script: Script
    url: str = ""
    bodies: list[bytes] = field(default_factory=list[bytes])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])


def answering(body: object, status: int = 200, **headers: str) -> Script:
    """Answer with bytes, or with JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def answering_slowly(handler: BaseHTTPRequestHandler) -> None:
    """Answer byte by byte. Each byte is in time, the whole answer is too late."""
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def not_answering(_: BaseHTTPRequestHandler) -> None:
    time.sleep(1)


@contextmanager
def http_server(script: Script) -> Iterator[HttpServer]:
    """Run a server on a free port."""
    running = HttpServer(script)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            running.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            running.headers.append({name.lower(): value for name, value in self.headers.items()})
            with suppress(OSError):  # the client has closed the connection
                running.script(self)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        running.url = f"http://127.0.0.1:{server.server_port}/verify"
        yield running
        server.shutdown()
