"""AWS in memory, for functions that run in processes of their own: what this process's botocore gets, over HTTP.

A call that is tried again, as functions do after 1.5 s, gets the answer to its first try. moto would do its work twice,
since it does not read the `ClientRequestToken` by which DynamoDB knows a transaction again.
"""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, cast, override

from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders
from gerbang_local.stack import REGION
from moto.core.models import botocore_stubber

HOSTS: Final = {
    "DYNAMODB": "dynamodb",
    "EVENTBRIDGE": "events",
    "LAMBDA": "lambda",
    "SECRETS_MANAGER": "secretsmanager",
    "SESV2": "email",
    "SQS": "sqs",
}
"""The services that functions call: as variables of botocore name them, and in AWS's domain names."""

type _Answer = tuple[int, Mapping[str, Any], str | bytes]
"""Status, headers and body."""

_POLL_SECONDS: Final = 0.05
"""How often the server looks whether it is to end."""


@contextmanager
def served_aws() -> Iterator[Mapping[str, str]]:
    """Serve `gerbang_local.memory.aws_in_memory` until the block ends; yield a function's variables that point there.

    One lock around moto and the mailbox are thereby as they are in that block.
    """
    with _Server(("127.0.0.1", 0), _Aws) as server:
        serving = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,))
        serving.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            yield {f"AWS_ENDPOINT_URL_{name}": f"{url}/{host}.{REGION}.amazonaws.com/" for name, host in HOSTS.items()}
        finally:
            server.shutdown()
            serving.join()


class _Server(ThreadingHTTPServer):
    """Has moto's answers, by the id that all tries of a call share."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._answers: Final[dict[str, _Answer]] = {}
        self._one_at_a_time: Final = threading.Lock()

    def answer(self, request: AWSPreparedRequest, call: str) -> _Answer:
        """Return the answer to a try of a call."""
        with self._one_at_a_time:
            if call not in self._answers:
                answer = botocore_stubber.process_request(request)
                assert answer is not None
                self._answers[call] = answer
            return self._answers[call]


class _Aws(BaseHTTPRequestHandler):
    """Answers requests whose path begins with the domain name of a service."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        headers = HTTPHeaders()
        for name, value in self.headers.items():
            headers[name] = value
        body = self.rfile.read(int(self.headers["Content-Length"]))
        request = AWSPreparedRequest("POST", f"https:/{self.path}", headers, body, stream_output=False)
        status, more, text = cast("_Server", self.server).answer(request, self.headers["amz-sdk-invocation-id"])
        content = text.encode() if isinstance(text, str) else text
        self.send_response(status)
        for name, value in {**more, "Content-Length": str(len(content))}.items():
            if name.lower() not in {"date", "server"}:  # sent already
                self.send_header(name, str(value))
        with suppress(ConnectionError):  # the client has stopped waiting, and tries again
            self.end_headers()
            self.wfile.write(content)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        pass
