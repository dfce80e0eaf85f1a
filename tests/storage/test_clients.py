"""Clients of AWS services: which certificates they trust, which hosts they call, how they reconnect."""

import ssl
from importlib.util import find_spec, module_from_spec
from pathlib import Path
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

from tests.http_servers import Handler, serving

pytestmark = pytest.mark.usefixtures("new_clients")


class Tables(Handler):
    """Answers every request as a DynamoDB without tables would answer ListTables."""

    @override
    def respond(self, body: bytes) -> None:
        self.reply(b'{"TableNames": []}')


def tls(chain: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


def list_tables(host: str, port: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"https://{host}:{port}")
    listed: list[str] = clients.client("dynamodb").list_tables()["TableNames"]
    return listed


def test_a_configured_certificate_authority_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, chain = self_signed(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(chain))

    with serving(Tables, tls(chain)) as port:
        assert list_tables("127.0.0.1", port, monkeypatch) == []


def test_a_certificate_for_another_host_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, chain = self_signed(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(chain))

    with serving(Tables, tls(chain)) as port, pytest.raises(SSLError, match="Hostname mismatch"):
        list_tables("localhost", port, monkeypatch)


def test_a_self_signed_certificate_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, chain = self_signed(tmp_path)

    with serving(Tables, tls(chain)) as port, pytest.raises(SSLError, match="self-signed certificate"):
        list_tables("127.0.0.1", port, monkeypatch)


def test_event_aliases_of_botocore_do_not_concern_our_services() -> None:
    """The clients drop botocore's aliases, so no event of our services may need one."""
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
    """Return the aliases of an unmodified botocore."""
    spec = find_spec("botocore.utils")
    assert spec is not None
    assert spec.loader is not None
    unmodified = module_from_spec(spec)
    spec.loader.exec_module(unmodified)
    aliases: dict[str, str] = unmodified.EVENT_ALIASES
    assert aliases["email"] == "ses"
    return aliases


def test_the_account_id_is_not_part_of_the_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
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


class ClosingTables(Tables):
    """Closes each connection after the response without announcing it, as happens to connections of a snapshot."""

    @override
    def respond(self, body: bytes) -> None:
        super().respond(body)
        self.close_connection = True


def test_a_closed_connection_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(ClosingTables) as port:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", f"http://127.0.0.1:{port}")
        restored = clients.client("dynamodb")

        answers = [restored.list_tables()["TableNames"] for _ in range(3)]

    assert answers == [[], [], []]
