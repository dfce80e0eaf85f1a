"""Clients of AWS services trust whom they should, and nobody else."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from threading import Thread
from typing import override

import pytest
import trim
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import SSLError
from botocore.handlers import BUILTIN_HANDLERS
from botocore.hooks import EventAliaser, HierarchicalEmitter
from botocore.session import get_session
from gerbang.storage import clients
from gerbang_bench.certificates import self_signed

pytestmark = pytest.mark.usefixtures("fresh_clients")


class Tables(BaseHTTPRequestHandler):
    """Answers every request as a DynamoDB without tables would answer ListTables."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"TableNames": []}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving(chain: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    with ThreadingHTTPServer(("127.0.0.1", 0), Tables) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def list_tables(host: str, port: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"https://{host}:{port}")
    listed: list[str] = clients.client("dynamodb").list_tables()["TableNames"]
    return listed


def test_an_authority_that_is_named_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, chain = self_signed(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(chain))

    with serving(chain) as port:
        assert list_tables("127.0.0.1", port, monkeypatch) == []


def test_a_certificate_of_another_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, chain = self_signed(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(chain))

    with serving(chain) as port, pytest.raises(SSLError, match="Hostname mismatch"):
        list_tables("localhost", port, monkeypatch)


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, chain = self_signed(tmp_path)

    with serving(chain) as port, pytest.raises(SSLError, match="self-signed certificate"):
        list_tables("127.0.0.1", port, monkeypatch)


def test_no_event_of_our_services_and_none_that_botocore_handles_for_them_had_another_name() -> None:
    aliases = unchanged_aliases()
    ours = {get_session().get_service_model(name).service_id.hyphenize() for name in trim.AWS_SERVICES}
    assert not ours & aliases.keys()

    aliased: list[str] = []
    recorder = HierarchicalEmitter()
    recorder.register = lambda event_name, *_, **__: aliased.append(event_name)  # type: ignore[method-assign]
    aliaser = EventAliaser(recorder, aliases)
    for event_name, *_ in BUILTIN_HANDLERS:
        aliaser.register(event_name, print)
    changed = {new for (old, *_), new in zip(BUILTIN_HANDLERS, aliased, strict=True) if old != new}
    assert not [name for name in changed if ours & set(name.split("."))]


def unchanged_aliases() -> dict[str, str]:
    """Return botocore's own, of which the clients leave none."""
    spec = find_spec("botocore.utils")
    assert spec is not None
    assert spec.loader is not None
    again = module_from_spec(spec)
    spec.loader.exec_module(again)
    aliases: dict[str, str] = again.EVENT_ALIASES
    assert aliases["email"] == "ses"
    return aliases


def test_an_account_id_that_sam_local_makes_up_is_in_no_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ACCOUNT_ID": "123456789012",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL_DYNAMODB", raising=False)
    hosts: list[str] = []
    dynamodb = clients.client("dynamodb")

    def stop(request: AWSPreparedRequest, **_: object) -> None:
        hosts.append(request.url)
        raise InterruptedError

    dynamodb.meta.events.register("before-send.dynamodb", stop)

    with pytest.raises(InterruptedError):
        dynamodb.list_tables()

    assert hosts == ["https://dynamodb.eu-west-1.amazonaws.com/"]


class Ending(Tables):
    """Ends each connection after its answer, without saying so: as a snapshot's connections have ended."""

    @override
    def do_POST(self) -> None:
        super().do_POST()
        self.close_connection = True


def test_a_connection_that_ended_meanwhile_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Ending) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{server.server_port}")
        restored = clients.client("dynamodb")

        answers = [restored.list_tables()["TableNames"] for _ in range(3)]

        server.shutdown()
    assert answers == [[], [], []]
