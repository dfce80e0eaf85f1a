"""gerbang.accounts.oidc_provider.KeyEndpoint: fetching keys over HTTP."""

import gzip
import socket
import ssl
import time
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from gerbang.accounts.oidc import IdTokenVerifier
from gerbang.accounts.oidc_provider import (
    FRESH_FOR,
    LARGEST_KEY_SET_BYTES,
    STALE_FOR,
    KeyEndpoint,
    ProviderKeysUnavailable,
)
from gerbang.storage.clients import trust
from gerbang_bench.certificates import self_signed

from tests.fakes import FakeClock
from tests.unit.id_tokens import elliptic_jwk, good_claims, jwk, key_set, signed, signed_with_es256
from tests.unit.oidc.providers import discovery_document, google_at, shop_provider
from tests.unit.oidc.servers import Answer, serving, slow_server


def endpoint_at(url: str, **chosen: Any) -> KeyEndpoint:
    return KeyEndpoint(provider=google_at(url), **chosen)


class TestKeyEndpoint:
    """security.md 110: a fixed address, bounded time and space, no redirects."""

    def test_a_token_is_verified_with_fetched_keys(self, clock: FakeClock) -> None:
        with serving((200, {}, key_set(jwk()))) as (host, paths):
            fetch = endpoint_at(f"http://{host}/oauth2/v3/certs?alt=json")
            verifier = IdTokenVerifier(google_at(), fetch=fetch, now=clock)

            assert verifier.verify(signed()).subject
            assert verifier.verify(signed()).subject

        assert paths == ["/oauth2/v3/certs?alt=json"]

    @pytest.mark.covers("110")
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_not_followed(self, status: int) -> None:
        """ASVS 15.3.2."""
        with (
            serving((200, {}, key_set(jwk()))) as (elsewhere, paths_elsewhere),
            serving((status, {"Location": f"http://{elsewhere}/"}, b"")) as (host, _),
            pytest.raises(ProviderKeysUnavailable, match=str(status)),
        ):
            endpoint_at(f"http://{host}/")()

        assert paths_elsewhere == []

    @pytest.mark.parametrize("status", [204, 206, 400, 403, 404, 429, 500, 503])
    def test_other_statuses_are_an_error_without_a_retry(self, status: int) -> None:
        with serving((status, {"Retry-After": "0"}, key_set(jwk()))) as (host, paths):
            with pytest.raises(ProviderKeysUnavailable, match=str(status)):
                endpoint_at(f"http://{host}/")()

            assert len(paths) == 1

    @pytest.mark.covers("110")
    @pytest.mark.parametrize("headers", [{}, {"Content-Length": "100000000"}])
    def test_no_more_than_64_kib_are_read(self, headers: dict[str, str]) -> None:
        body = key_set(jwk()) + b" " * LARGEST_KEY_SET_BYTES
        with serving((200, headers, body)) as (host, _), pytest.raises(ProviderKeysUnavailable, match="too much"):
            endpoint_at(f"http://{host}/")()

    def test_exactly_64_kib_are_read(self) -> None:
        body = key_set(jwk()).ljust(LARGEST_KEY_SET_BYTES)
        with serving((200, {}, body)) as (host, _):
            assert endpoint_at(f"http://{host}/")() == body

    def test_a_compressed_response_is_not_decompressed(self) -> None:
        """A small response must not become a large one."""
        packed = gzip.compress(key_set(jwk()))
        with serving((200, {"Content-Encoding": "gzip"}, packed)) as (host, _):
            assert endpoint_at(f"http://{host}/")() == packed

    def test_an_address_without_a_server_is_unavailable(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]

        with pytest.raises(ProviderKeysUnavailable, match="google: NewConnectionError"):
            endpoint_at(f"http://127.0.0.1:{port}/")()

    def test_a_server_that_never_answers_times_out(self) -> None:
        with slow_server(b"") as host:
            started_at = time.monotonic()
            with pytest.raises(ProviderKeysUnavailable, match="ReadTimeoutError"):
                endpoint_at(f"http://{host}/", step_timeout=timedelta(seconds=0.2))()

        assert time.monotonic() - started_at < 2

    @pytest.mark.covers("110")
    @pytest.mark.parametrize("bytes_sent", [b"H", b"HTTP/1.1 200 OK\r\nX-Drip: 1\r\n"])
    def test_a_slow_response_times_out(self, bytes_sent: bytes) -> None:
        with slow_server(bytes_sent) as host:
            started_at = time.monotonic()
            with pytest.raises(ProviderKeysUnavailable):
                endpoint_at(f"http://{host}/", deadline=timedelta(seconds=0.4))()

            assert time.monotonic() - started_at < 2

    def test_a_step_without_its_own_time_out_times_out(self) -> None:
        is_over = Event()

        def slow() -> ssl.SSLContext:  # as a DNS look-up may be
            is_over.wait(30)
            return ssl.create_default_context()

        started_at = time.monotonic()
        try:
            with pytest.raises(ProviderKeysUnavailable, match="no answer in time"):
                endpoint_at("https://keys.example/", trust=slow, deadline=timedelta(seconds=0.2))()
            assert time.monotonic() - started_at < 2
        finally:
            is_over.set()

    def test_the_default_time_outs_are_a_few_seconds(self) -> None:
        """F29: a 503 within 8 s, whichever step is slow; API Gateway's own limit is 30 s."""
        endpoint = KeyEndpoint(provider=google_at())

        assert endpoint.step_timeout <= timedelta(seconds=2)
        assert endpoint.deadline <= timedelta(seconds=4)

    @pytest.mark.parametrize("other_protocol", [b"SSH-2.0-OpenSSH_9.6\r\n" * 3, b"HTTP/1.1 two hundred\r\n\r\n"])
    def test_a_server_of_another_protocol_is_unavailable(self, other_protocol: bytes) -> None:
        with slow_server(other_protocol) as host, pytest.raises(ProviderKeysUnavailable):
            endpoint_at(f"http://{host}/", deadline=timedelta(seconds=2))()

    def test_a_certificate_of_an_unknown_authority_is_unavailable(self, tmp_path: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self_signed(tmp_path)[1])
        with serving((200, {}, key_set(jwk())), tls=context) as (host, paths):
            with pytest.raises(ProviderKeysUnavailable, match="SSLError"):
                endpoint_at(f"https://{host}/")()

            assert paths == []

    def test_a_certificate_for_another_name_is_unavailable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        _, chain = self_signed(tmp_path)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(chain))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        with serving((200, {}, key_set(jwk())), tls=context) as (host, paths):
            assert endpoint_at(f"https://{host}/", trust=trust)() == key_set(jwk())
            with pytest.raises(ProviderKeysUnavailable, match="SSLError"):
                endpoint_at(f"https://{host}/".replace("127.0.0.1", "localhost"), trust=trust)()

            assert len(paths) == 1


class TestDiscoveredKeys:
    """The discovery document has the limits of the keys; both are fetched together, once an hour."""

    PATH = "/shop/.well-known/openid-configuration"

    @pytest.mark.covers("110")
    def test_a_token_is_verified_with_discovered_keys(self, clock: FakeClock) -> None:
        documents: dict[str, Answer] = {"/certs": (200, {}, key_set(jwk(), elliptic_jwk("elliptic")))}
        with serving((404, {}, b""), others=documents) as (host, paths):
            issuer = f"http://{host}/shop"
            documents[self.PATH] = (200, {}, discovery_document(issuer=issuer, jwks_uri=f"http://{host}/certs"))
            verifier = IdTokenVerifier(
                shop_provider(issuer), fetch=KeyEndpoint(provider=shop_provider(issuer)), now=clock
            )
            claims = {**good_claims(), "iss": issuer, "aud": "shop-app"}

            assert verifier.verify(signed(claims)).subject
            assert verifier.verify(signed_with_es256(claims, "elliptic")).subject
            assert paths == [self.PATH, "/certs"]
            clock.advance(FRESH_FOR)
            assert verifier.verify(signed(claims)).subject

        assert paths == [self.PATH, "/certs"] * 2
        clock.advance(STALE_FOR - timedelta(seconds=1))
        assert verifier.verify(signed(claims)).subject

    @pytest.mark.parametrize("status", [204, 301, 302, 307, 404, 429, 500])
    def test_a_status_other_than_200_is_an_error(self, status: int) -> None:
        with serving((status, {"Location": "/certs"}, discovery_document())) as (host, paths):
            with pytest.raises(ProviderKeysUnavailable, match=f"custom:shop: answered {status}"):
                KeyEndpoint(provider=shop_provider(f"http://{host}/shop"))()

            assert paths == [self.PATH]

    def test_a_discovery_document_of_another_issuer_causes_no_fetch_of_keys(self) -> None:
        with serving((200, {}, discovery_document(jwks_uri="https://127.0.0.1:1/certs"))) as (host, paths):
            with pytest.raises(ProviderKeysUnavailable, match="another issuer"):
                KeyEndpoint(provider=shop_provider(f"http://{host}/shop"))()

            assert paths == [self.PATH]

    def test_no_more_than_64_kib_are_read(self) -> None:
        with (
            serving((200, {}, discovery_document() + b" " * LARGEST_KEY_SET_BYTES)) as (host, _),
            pytest.raises(ProviderKeysUnavailable, match="too much"),
        ):
            KeyEndpoint(provider=shop_provider(f"http://{host}/shop"))()

    def test_both_fetches_together_time_out(self) -> None:
        documents: dict[str, Answer] = {}
        with serving((404, {}, b""), others=documents) as (host, _), slow_server(b"H") as slow:
            issuer = f"http://{host}/shop"
            documents[self.PATH] = (200, {}, discovery_document(issuer=issuer, jwks_uri=f"http://{slow}/certs"))
            started_at = time.monotonic()
            with pytest.raises(ProviderKeysUnavailable, match="no answer in time"):
                KeyEndpoint(provider=shop_provider(issuer), deadline=timedelta(seconds=0.4))()

            assert time.monotonic() - started_at < 2
