"""The pages at `/_local/` contain secrets, so only this machine and the pages themselves may read them."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from gerbang.accounts.id_tokens import ShownIdToken
from gerbang.container import Container
from gerbang_local.loopback import is_loopback, names_loopback

from tests.local.conftest import Served, served, tiny

DISCOVERY = "/_local/oidc/.well-known/openid-configuration"
PRIVATE = [
    "/_local/",
    "/_local/accounts",
    "/_local/config.json",
    "/_local/mailbox.json",
    "/_local/sessions.json?user_id=x",
    "/_local/google/certs",
    DISCOVERY,
]
PERSON = json.dumps({"email": "a@example.com", "name": "A", "google_id": "1"})


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


def ask(at: str, port: int, path: str, *, method: str = "GET", body: str | None = None, **headers: str) -> Answer:
    """Send a request to an address. *headers* replace those of http.client."""
    with closing(http.client.HTTPConnection(at, port, timeout=10)) as connection:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    names = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(answer.status, names, text)


@pytest.fixture(scope="module")
def own_address() -> str:
    """An address of this machine that is not a loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing, but chooses the interface
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = str(probe.getsockname()[0])
    assert not is_loopback(address)
    return address


@pytest.fixture(scope="module")
def everywhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server that listens at every address of this machine."""
    with served(tiny(tmp_path_factory.mktemp("everywhere")), HOST="0.0.0.0") as running:  # noqa: S104 - the case
        yield running


@pytest.mark.parametrize("path", PRIVATE)
def test_other_machines_may_call_the_api_but_not_the_local_pages(
    everywhere: Served, own_address: str, path: str
) -> None:
    forbidden = ask(own_address, everywhere.port, path, Host="localhost")

    assert forbidden.status == 403
    assert "make run" in forbidden.body
    assert ask("127.0.0.1", everywhere.port, path).status == 200
    assert ask(own_address, everywhere.port, "/api/auth/register", method="POST").body == "tiny"


def test_a_forwarded_address_is_ignored(everywhere: Served, own_address: str) -> None:
    forwarded = {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1", "Host": "localhost"}

    assert ask(own_address, everywhere.port, "/_local/config.json", **forwarded).status == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:3000", "localhost.evil.example", "192.0.2.2", "[", ""])
@pytest.mark.parametrize("path", PRIVATE)
def test_dns_rebinding_is_403(everywhere: Served, path: str, host: str) -> None:
    assert ask("127.0.0.1", everywhere.port, path, Host=host).status == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "https://localhost.evil.example", "file://"])
@pytest.mark.parametrize("path", PRIVATE)
def test_a_page_of_another_site_is_403(everywhere: Served, path: str, origin: str) -> None:
    answer = ask("127.0.0.1", everywhere.port, path, Origin=origin)

    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("origin", ["http://localhost:5173", "https://evil.example"])
@pytest.mark.parametrize("path", ["/_local/config.json", "/_local/mailbox.json", "/_local/sessions.json?user_id=x"])
def test_no_other_origin_can_read_keys_and_mails(everywhere: Served, path: str, origin: str) -> None:
    preflight = ask("127.0.0.1", everywhere.port, path, method="OPTIONS", Origin=origin)
    answer = ask("127.0.0.1", everywhere.port, path, Origin=origin)
    own = ask("127.0.0.1", everywhere.port, path)

    for read in (preflight, answer, own):
        assert "access-control-allow-origin" not in read.headers
    assert own.headers["cross-origin-resource-policy"] == "same-origin"
    assert own.headers["x-content-type-options"] == "nosniff"
    assert own.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/_local/", "/_local/accounts"])
def test_the_content_security_policy_allows_only_the_pages_own_scripts(everywhere: Served, path: str) -> None:
    first, second = (ask("127.0.0.1", everywhere.port, path) for _ in range(2))

    policies = [answer.headers["content-security-policy"] for answer in (first, second)]
    assert policies[0] != policies[1]
    for answer, policy in zip((first, second), policies, strict=True):
        assert policy.startswith("default-src 'none'; script-src 'nonce-")
        assert policy.partition("nonce-")[2].partition("'")[0] in answer.body
        assert "color-scheme: light dark" in answer.body


@pytest.mark.parametrize("query", ["", "?user_id=", "?user_id=a&user_id=b"])
def test_sessions_need_exactly_one_user_id(everywhere: Served, query: str) -> None:
    assert ask("127.0.0.1", everywhere.port, f"/_local/sessions.json{query}").status == 400


def test_a_template_without_a_sessions_table_has_no_sessions(everywhere: Served) -> None:
    assert ask("127.0.0.1", everywhere.port, "/_local/sessions.json?user_id=x").body == "[]"


def test_a_front_end_on_another_port_can_get_google_tokens(everywhere: Served) -> None:
    path, origin = "/_local/google/id_token", "http://localhost:5173"

    preflight = ask("127.0.0.1", everywhere.port, path, method="OPTIONS", Origin=origin)
    issued = ask("127.0.0.1", everywhere.port, path, method="POST", body=PERSON, Origin=origin)
    foreign = ask("127.0.0.1", everywhere.port, path, method="POST", body=PERSON, Origin="https://evil.example")

    assert (preflight.status, preflight.headers["access-control-allow-methods"]) == (204, "POST, OPTIONS")
    assert (issued.status, issued.headers["access-control-allow-origin"]) == (200, origin)
    assert issued.headers["vary"] == "origin"
    assert (foreign.status, "id_token" in foreign.body) == (403, False)


def test_the_second_provider_has_a_discovery_document(everywhere: Served) -> None:
    for host in (f"127.0.0.1:{everywhere.port}", f"localhost:{everywhere.port}"):
        answer = ask("127.0.0.1", everywhere.port, DISCOVERY, Host=host)

        assert json.loads(answer.body) == {
            "issuer": f"http://{host}/_local/oidc",
            "jwks_uri": f"http://{host}/_local/google/certs",
        }


def test_tokens_of_the_second_provider_verify_with_its_published_keys(everywhere: Served) -> None:
    issuer = f"http://127.0.0.1:{everywhere.port}/_local/oidc"
    environment = {"OIDC_PROVIDERS": f"keycloak={issuer}|web", "GOOGLE_CERTS_URL": "https://unused.example"}
    fields = {**json.loads(PERSON), "iss": issuer, "aud": "web"}
    answer = ask("127.0.0.1", everywhere.port, "/_local/google/id_token", method="POST", body=json.dumps(fields))
    id_token = ShownIdToken(id_token=json.loads(answer.body)["id_token"], provider="keycloak")

    assert Container(environment).id_tokens.verify(id_token).subject == "1"


def test_the_local_pages_stay_at_loopback_if_host_is_another_address(tmp_path: Path, own_address: str) -> None:
    with served(tiny(tmp_path), HOST=own_address) as running:
        forbidden = ask(own_address, running.port, "/_local/config.json")
        answer = ask("127.0.0.1", running.port, "/_local/config.json")

        assert f"Listening at http://{own_address}:{running.port}" in running.output()
        assert f"Mail arrives:  http://127.0.0.1:{running.port}/_local/" in running.output()
    assert (forbidden.status, answer.status) == (403, 200)


@pytest.mark.parametrize(
    ("address", "is_own"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:192.0.2.2", False),
        ("192.0.2.2", False),
        ("0.0.0.0", False),  # noqa: S104 - compared, not bound
        ("localhost", False),
    ],
)
def test_only_loopback_addresses_are_this_machine(address: str, is_own: bool) -> None:  # noqa: FBT001 - a table
    assert is_loopback(address) is is_own


@pytest.mark.parametrize("authority", ["localhost", "localhost:3000", "LOCALHOST.", "app.localhost:1", "[::1]:3000"])
def test_loopback_names_are_recognized(authority: str) -> None:
    assert names_loopback(authority)
