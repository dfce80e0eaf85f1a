"""HTTP servers on loopback that answer as a provider, or do not."""

import socket
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import override

type Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def serving(
    answer: Answer, tls: ssl.SSLContext | None = None, others: Mapping[str, Answer] | None = None
) -> Generator[tuple[str, list[str]]]:
    """Serve one response on loopback, and *others* at their paths; yield host and port, and the requested paths."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            status, headers, body = (others or {}).get(self.path, answer)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        @override
        def handle_error(self, request: object, client_address: object) -> None:
            """Log nothing: in some tests the client closes the connection."""

    server = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", paths
    finally:
        server.shutdown()
        server.server_close()
        thread.join(30)


@contextmanager
def slow_server(sent_every_20_ms: bytes) -> Generator[str]:
    """Accept a connection and send the same bytes every 20 ms, or nothing if there are none; yield host and port."""
    is_over = Event()

    def serve(listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            while not is_over.wait(0.02):
                try:
                    connection.sendall(sent_every_20_ms)
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            is_over.set()
            thread.join(30)
