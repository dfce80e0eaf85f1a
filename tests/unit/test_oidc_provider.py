"""gerbang.accounts.oidc_provider: where a provider's keys come from, and what happens when they do not come (F43)."""

import gzip
import json
import socket
import ssl
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, override

import pytest
from gerbang.accounts.oidc import IdTokenVerifier
from gerbang.accounts.oidc_provider import (
    FETCH_INTERVAL,
    FETCH_INTERVAL_WITHOUT_KEYS,
    FRESH_FOR,
    LARGEST_KEY_SET_BYTES,
    STALE_FOR,
    KeyCache,
    KeyEndpoint,
    Provider,
    ProviderKeysUnavailable,
    discovered,
    google,
    read_discovery,
    read_key_set,
)
from gerbang.core.errors import DependencyUnavailable
from gerbang.storage.clients import trust
from gerbang_bench.certificates import self_signed

from tests.unit.id_tokens import KID, WEB, Claims, elliptic_jwk, good_claims, jwk, key_set, signed, signed_with_es256

NEW_KID = "key-of-april"


def google_at(url: str = "https://www.googleapis.com/oauth2/v3/certs") -> Provider:
    return google(client_ids=frozenset({WEB}), jwks_url=url)


@dataclass
class FakeClock:
    """A clock that tests move."""

    at: datetime = datetime(2026, 3, 23, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, span: timedelta) -> None:
        self.at += span


@dataclass
class Google:
    """Takes the place of `KeyEndpoint`; counts its calls."""

    document: bytes = field(default_factory=lambda: key_set(jwk()))
    is_down: bool = False
    calls: int = 0
    before_answering: Callable[[], object] = field(default=lambda: None)

    def __call__(self) -> bytes:
        self.calls += 1
        self.before_answering()
        if self.is_down:
            raise ProviderKeysUnavailable("google: down")
        return self.document


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server() -> Google:
    return Google()


@pytest.fixture
def cache(server: Google, clock: FakeClock) -> KeyCache:
    return KeyCache(lambda: read_key_set(server(), google_at()), now=clock)


class TestKeyCache:
    """F43; ASVS 16.5.2 (security.md 111)."""

    def test_keys_are_fetched_once_an_hour(self, cache: KeyCache, server: Google, clock: FakeClock) -> None:
        assert cache.find(KID)
        clock.advance(FRESH_FOR - timedelta(seconds=1))
        assert cache.find(KID)
        assert server.calls == 1

        clock.advance(timedelta(seconds=1))
        assert cache.find(KID)

        assert server.calls == 2

    def test_a_new_key_is_fetched_when_a_token_names_it(
        self, cache: KeyCache, server: Google, clock: FakeClock
    ) -> None:
        assert cache.find(KID)
        clock.advance(FETCH_INTERVAL)
        server.document = key_set(jwk(), jwk(NEW_KID, owner="Google in April"))

        assert cache.find(NEW_KID)
        assert cache.find(KID)
        assert server.calls == 2

    def test_a_key_that_google_withdrew_is_gone_within_the_hour(
        self, cache: KeyCache, server: Google, clock: FakeClock
    ) -> None:
        assert cache.find(KID)
        server.document = key_set(jwk(NEW_KID))
        clock.advance(FRESH_FOR)

        assert cache.find(KID) is None

    @pytest.mark.covers("F43")
    def test_a_thousand_invented_keys_cost_one_fetch_a_minute(
        self, cache: KeyCache, server: Google, clock: FakeClock
    ) -> None:
        assert cache.find(KID)

        for number in range(1000):
            clock.advance(timedelta(seconds=0.3))
            assert cache.find(f"invented {number}") is None
            assert cache.find(KID)

        assert server.calls == 1 + 5  # in 300 s

    @pytest.mark.covers("F43", "111")
    def test_stale_keys_serve_for_a_day_while_google_is_down(
        self, cache: KeyCache, server: Google, clock: FakeClock
    ) -> None:
        assert cache.find(KID)
        server.is_down = True
        clock.advance(FRESH_FOR + STALE_FOR - timedelta(seconds=1))
        assert cache.find(KID)

        clock.advance(timedelta(seconds=1))

        with pytest.raises(ProviderKeysUnavailable, match="google: down"):
            cache.find(KID)

    def test_while_google_is_down_stale_keys_serve_with_one_fetch_a_minute(
        self, cache: KeyCache, server: Google, clock: FakeClock
    ) -> None:
        assert cache.find(KID)
        clock.advance(FRESH_FOR)
        server.is_down = True

        for _ in range(100):
            assert cache.find(KID)
            clock.advance(timedelta(seconds=3))

        assert server.calls == 1 + 5  # in 300 s

    @pytest.mark.covers("F43", "111")
    def test_an_unknown_key_is_unavailable_while_google_is_down(
        self, cache: KeyCache, server: Google, clock: FakeClock
    ) -> None:
        """It may be Google's newest: nothing is decided, and the client may try again."""
        assert cache.find(KID)
        server.is_down = True
        clock.advance(FETCH_INTERVAL)

        for _ in range(2):
            with pytest.raises(ProviderKeysUnavailable):
                cache.find(NEW_KID)
        assert cache.find(KID)
        assert server.calls == 2

    def test_an_invented_key_is_unknown_once_google_answers_again(
        self, cache: KeyCache, server: Google, clock: FakeClock
    ) -> None:
        server.is_down = True
        with pytest.raises(ProviderKeysUnavailable):
            cache.find("invented")
        server.is_down = False
        clock.advance(FETCH_INTERVAL)

        assert cache.find("invented") is None

    def test_without_keys_the_next_fetch_is_seconds_later_and_not_before(
        self, cache: KeyCache, server: Google, clock: FakeClock
    ) -> None:
        server.is_down = True
        for _ in range(50):
            with pytest.raises(ProviderKeysUnavailable):
                cache.find(KID)
        assert server.calls == 1

        server.is_down = False
        clock.advance(FETCH_INTERVAL_WITHOUT_KEYS)

        assert cache.find(KID)

    def test_a_bad_answer_does_not_displace_the_keys(self, cache: KeyCache, server: Google, clock: FakeClock) -> None:
        assert cache.find(KID)
        server.document = b"<html>captive portal</html>"
        clock.advance(FRESH_FOR)

        assert cache.find(KID)
        assert server.calls == 2

    def test_a_clock_that_is_set_back_does_not_stop_the_fetches(
        self, cache: KeyCache, server: Google, clock: FakeClock
    ) -> None:
        server.is_down = True
        with pytest.raises(ProviderKeysUnavailable):
            cache.find(KID)
        server.is_down = False
        clock.advance(-timedelta(hours=1))

        assert cache.find(KID)

    def test_keys_that_were_fetched_ahead_are_not_fetched_again(self, server: Google, clock: FakeClock) -> None:
        verifier = IdTokenVerifier(google_at(), fetch=server, now=clock)
        verifier.warm()

        assert verifier.verify(signed()).subject
        assert server.calls == 1

    def test_when_fetching_ahead_fails_the_first_token_fetches_at_once(self, cache: KeyCache, server: Google) -> None:
        """F23."""
        server.is_down = True
        with pytest.raises(ProviderKeysUnavailable):
            cache.warm()
        server.is_down = False

        assert cache.find(KID)
        assert server.calls == 2

    @pytest.mark.parametrize("is_down", [False, True])
    def test_twenty_simultaneous_first_tokens_cause_one_fetch(
        self, cache: KeyCache, server: Google, *, is_down: bool
    ) -> None:
        server.is_down = is_down
        server.before_answering = lambda: time.sleep(0.05)

        def is_found(kid: str) -> bool:
            try:
                return cache.find(kid) is not None
            except ProviderKeysUnavailable:
                return False

        with ThreadPoolExecutor(20) as threads:
            found = list(threads.map(is_found, [KID] * 20))

        assert found == [not is_down] * 20
        assert server.calls == 1

    def test_a_caller_whose_key_we_have_does_not_wait_for_the_fetch(
        self, cache: KeyCache, server: Google, clock: FakeClock
    ) -> None:
        assert cache.find(KID)
        is_fetching, answer = Event(), Event()

        def wait() -> None:
            is_fetching.set()
            answer.wait(30)

        server.before_answering = wait
        clock.advance(FRESH_FOR)
        fetcher = Thread(target=cache.find, args=(KID,))
        fetcher.start()
        try:
            assert is_fetching.wait(30)

            with ThreadPoolExecutor(1) as another_thread:
                assert another_thread.submit(cache.find, KID).result(timeout=10)
        finally:
            answer.set()
            fetcher.join(30)
        assert server.calls == 2

    def test_missing_keys_are_no_error_of_the_request(self) -> None:
        assert issubclass(ProviderKeysUnavailable, DependencyUnavailable)


class TestKeySet:
    def test_the_example_of_rfc_7517_has_one_key_for_us(self) -> None:
        """Appendix A.1, written by others: an EC key for encryption is ignored, the RSA key is read."""
        modulus = (
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
            "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
            "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
            "nqDKgw"
        )
        elliptic = {
            "kty": "EC",
            "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "use": "enc",
            "kid": "1",
        }
        theirs = {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"}

        keys = read_key_set(key_set(elliptic, theirs), google_at())

        assert [(kid, key.algorithm_name) for kid, key in keys.items()] == [("2011-04-29", "RS256")]
        assert keys["2011-04-29"].key.key_size == 2048
        assert keys["2011-04-29"].key.public_numbers().e == 65537

    @pytest.mark.parametrize(
        "changed",
        [
            {"kty": "EC"},
            {"kty": None},
            {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"},
            {"use": "enc"},
            {"use": ["sig"]},
            {"alg": "RS512"},
            {"alg": "HS256"},
            {"alg": "unknown"},
            {"kid": 7},
            {"kid": None},
            {"kid": ["key"]},
            {"n": ""},
            {"n": 7},
            {"n": None},
            {"e": "AQ"},
            {"e": "AQAA"},
            {"e": None},
        ],
        ids=str,
    )
    def test_a_key_that_no_id_token_is_signed_with_is_ignored(self, changed: Claims) -> None:
        odd_one = {**jwk(), **changed}

        assert list(read_key_set(key_set(odd_one, jwk("good one")), google_at())) == ["good one"]
        with pytest.raises(ProviderKeysUnavailable):
            read_key_set(key_set(odd_one), google_at())

    def test_keys_for_other_algorithms_than_the_providers_are_ignored(self) -> None:
        assert list(read_key_set(key_set(jwk(), elliptic_jwk("elliptic")), google_at())) == [KID]

    def test_use_and_alg_may_be_missing(self) -> None:
        bare = {name: value for name, value in jwk().items() if name not in {"use", "alg"}}

        assert list(read_key_set(key_set(bare), google_at())) == [KID]

    def test_two_keys_of_one_name_make_the_set_unusable(self) -> None:
        with pytest.raises(ProviderKeysUnavailable):
            read_key_set(key_set(jwk(), jwk(owner="mallory")), google_at())

    @pytest.mark.parametrize(
        "document",
        [
            b"",
            b"\xff",
            b"null",
            b"[]",
            b"7",
            b"{}",
            b'{"keys": null}',
            b'{"keys": {}}',
            b'{"keys": {"kty": "RSA"}}',
            b'{"keys": "text"}',
            b'{"keys": 7}',
            b'{"keys": []}',
            b'{"keys": [null, 7, "text", []]}',
            b'{"keys": [{"kty": "RSA", "alg": ["RS256"]}]}',
            b"[" * LARGEST_KEY_SET_BYTES,
            b'{"keys": ' + b"9" * 5000 + b"}",
            b'{"key-of-march": "-----BEGIN CERTIFICATE-----"}',
        ],
        ids=lambda document: repr(document[:40]),
    )
    def test_a_document_that_is_no_key_set_is_no_answer(self, document: bytes) -> None:
        with pytest.raises(ProviderKeysUnavailable):
            read_key_set(document, google_at())


ISSUER = "https://id.example/realms/shop"


def shop(issuer: str = ISSUER) -> Provider:
    return discovered("custom:shop", issuer=issuer, client_ids=frozenset({"shop-app"}))


def description(**members: Any) -> bytes:
    """A discovery document."""
    return json.dumps({"issuer": ISSUER, "jwks_uri": "https://keys.example/certs"} | members).encode()


class TestDiscovery:
    """OpenID Connect Discovery 1.0, sections 4 and 4.3 (security.md 110)."""

    @pytest.mark.parametrize(
        ("issuer", "url"),
        [
            ("https://id.example", "https://id.example/.well-known/openid-configuration"),
            ("https://id.example/", "https://id.example/.well-known/openid-configuration"),
            (ISSUER, f"{ISSUER}/.well-known/openid-configuration"),
            (f"{ISSUER}/", f"{ISSUER}/.well-known/openid-configuration"),
            ("http://127.0.0.1:3000/x", "http://127.0.0.1:3000/x/.well-known/openid-configuration"),
        ],
    )
    def test_an_issuer_describes_itself_below_its_address(self, issuer: str, url: str) -> None:
        assert shop(issuer).discovery_url == url

    def test_the_document_has_the_address_of_the_keys(self) -> None:
        assert read_discovery(description(), shop()) == "https://keys.example/certs"

    @pytest.mark.covers("110")
    @pytest.mark.parametrize("issuer", [f"{ISSUER}/", ISSUER.upper(), "https://evil.example", "", None, 7, [ISSUER]])
    def test_the_document_must_describe_exactly_the_configured_issuer(self, issuer: object) -> None:
        with pytest.raises(ProviderKeysUnavailable, match="the discovery document describes another issuer"):
            read_discovery(description(issuer=issuer), shop())

    @pytest.mark.covers("110")
    @pytest.mark.parametrize(
        "url",
        [
            "http://keys.example/certs",
            "http://127.0.0.1:9001/certs",
            "http://localhost/certs",
            "file:///etc/passwd",
            "//keys.example/certs",
            "/certs",
            "https://",
            "https://[",
            "https://keys.example/a b",
            "https://keys.example/\r\nX: 1",
            "https://kéys.example/",
            "",
            None,
            7,
            ["https://keys.example/certs"],
        ],
        ids=ascii,
    )
    def test_the_address_of_the_keys_must_be_https(self, url: object) -> None:
        """Http to this machine is no exception for an issuer elsewhere: Lambda's runtime listens here."""
        with pytest.raises(ProviderKeysUnavailable, match="the discovery document has no https address"):
            read_discovery(description(jwks_uri=url), shop())

    @pytest.mark.parametrize("url", ["http://127.0.0.1:3001/certs", "http://localhost/certs", "https://keys.example/"])
    def test_an_issuer_on_this_machine_may_have_its_keys_there(self, url: str) -> None:
        issuer = "http://127.0.0.1:3000/shop"

        assert read_discovery(description(issuer=issuer, jwks_uri=url), shop(issuer)) == url
        with pytest.raises(ProviderKeysUnavailable):
            read_discovery(description(issuer=issuer, jwks_uri="http://keys.example/"), shop(issuer))

    @pytest.mark.parametrize(
        "document",
        [
            b"",
            b"\xff",
            b"null",
            b"[]",
            b"7",
            b'"issuer"',
            b"{}",
            b'{"jwks_uri": "https://keys.example/"}',
            f'{{"issuer": "{ISSUER}"}}'.encode(),
            b"<html>captive portal</html>",
            b"[" * LARGEST_KEY_SET_BYTES,
            b"9" * 5000,
        ],
        ids=lambda document: repr(document[:40]),
    )
    def test_a_document_that_is_no_description_is_no_answer(self, document: bytes) -> None:
        with pytest.raises(ProviderKeysUnavailable, match="custom:shop: answered no discovery document"):
            read_discovery(document, shop())

    @pytest.mark.parametrize(
        "issuer", ["http://id.example", "http://10.0.0.1/", "id.example", "https://", "ftp://127.0.0.1/", ""]
    )
    def test_an_issuer_must_be_https_or_on_this_machine(self, issuer: str) -> None:
        with pytest.raises(ValueError, match="issuer of custom:shop must be https"):
            shop(issuer)

    def test_only_one_issuer_can_be_asked_for_its_keys(self) -> None:
        with pytest.raises(ValueError, match="unpack"):
            Provider(name="two", issuers=frozenset({ISSUER, "https://b.example"}), client_ids=frozenset())


type Answer = tuple[int, dict[str, str], bytes]


@contextmanager
def serving(
    answer: Answer, tls: ssl.SSLContext | None = None, others: Mapping[str, Answer] | None = None
) -> Generator[tuple[str, list[str]]]:
    """Serve one answer on this machine, and *others* at their paths; yield host and port, and the paths asked for."""
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
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        @override
        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: some tests are about clients that hang up."""

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
def dripping(sent_every_20_ms: bytes) -> Generator[str]:
    """Accept a connection and send the same bytes for ever; nothing at all if there are none. Yield host and port."""
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


def endpoint_at(url: str, **chosen: Any) -> KeyEndpoint:
    return KeyEndpoint(provider=google_at(url), **chosen)


class TestKeyEndpoint:
    """security.md 110: a fixed address, bounded time and space, no redirects."""

    def test_a_token_is_verified_with_keys_fetched_over_the_wire(self, clock: FakeClock) -> None:
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
    def test_other_statuses_are_no_keys_and_no_reason_to_try_again(self, status: int) -> None:
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

    def test_nothing_is_unpacked(self) -> None:
        """A small answer must not become a large one."""
        packed = gzip.compress(key_set(jwk()))
        with serving((200, {"Content-Encoding": "gzip"}, packed)) as (host, _):
            assert endpoint_at(f"http://{host}/")() == packed

    def test_an_address_without_a_server_is_unavailable(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]

        with pytest.raises(ProviderKeysUnavailable, match="google: NewConnectionError"):
            endpoint_at(f"http://127.0.0.1:{port}/")()

    def test_an_address_that_never_answers_is_given_up_on_in_time(self) -> None:
        with dripping(b"") as host:
            started_at = time.monotonic()
            with pytest.raises(ProviderKeysUnavailable, match="ReadTimeoutError"):
                endpoint_at(f"http://{host}/", step_timeout=timedelta(seconds=0.2))()

        assert time.monotonic() - started_at < 2

    @pytest.mark.covers("110")
    @pytest.mark.parametrize("bytes_sent", [b"H", b"HTTP/1.1 200 OK\r\nX-Drip: 1\r\n"])
    def test_an_answer_that_drips_is_given_up_on_in_time(self, bytes_sent: bytes) -> None:
        with dripping(bytes_sent) as host:
            started_at = time.monotonic()
            with pytest.raises(ProviderKeysUnavailable):
                endpoint_at(f"http://{host}/", deadline=timedelta(seconds=0.4))()

            assert time.monotonic() - started_at < 2

    def test_a_step_that_has_no_timeout_is_given_up_on_in_time(self) -> None:
        is_over = Event()

        def slow() -> ssl.SSLContext:  # as a name look-up may be
            is_over.wait(30)
            return ssl.create_default_context()

        started_at = time.monotonic()
        try:
            with pytest.raises(ProviderKeysUnavailable, match="no answer in time"):
                endpoint_at("https://keys.example/", trust=slow, deadline=timedelta(seconds=0.2))()
            assert time.monotonic() - started_at < 2
        finally:
            is_over.set()

    def test_by_default_a_fetch_takes_seconds_at_most(self) -> None:
        """F29: 503 within 8 s, whatever hangs; API Gateway itself would give up after 30."""
        endpoint = KeyEndpoint(provider=google_at())

        assert endpoint.step_timeout <= timedelta(seconds=2)
        assert endpoint.deadline <= timedelta(seconds=4)

    @pytest.mark.parametrize("junk", [b"SSH-2.0-OpenSSH_9.6\r\n" * 3, b"HTTP/1.1 two hundred\r\n\r\n"])
    def test_an_address_that_speaks_another_protocol_is_unavailable(self, junk: bytes) -> None:
        with dripping(junk) as host, pytest.raises(ProviderKeysUnavailable):
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
    """The same bounds for the discovery document as for the keys; both are fetched together, once an hour."""

    PATH = "/shop/.well-known/openid-configuration"

    @pytest.mark.covers("110")
    def test_a_token_is_verified_with_keys_whose_address_was_discovered(self, clock: FakeClock) -> None:
        documents: dict[str, Answer] = {"/certs": (200, {}, key_set(jwk(), elliptic_jwk("elliptic")))}
        with serving((404, {}, b""), others=documents) as (host, paths):
            issuer = f"http://{host}/shop"
            documents[self.PATH] = (200, {}, description(issuer=issuer, jwks_uri=f"http://{host}/certs"))
            verifier = IdTokenVerifier(shop(issuer), fetch=KeyEndpoint(provider=shop(issuer)), now=clock)
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
    def test_a_status_other_than_200_is_no_description(self, status: int) -> None:
        with serving((status, {"Location": "/certs"}, description())) as (host, paths):
            with pytest.raises(ProviderKeysUnavailable, match=f"custom:shop: answered {status}"):
                KeyEndpoint(provider=shop(f"http://{host}/shop"))()

            assert paths == [self.PATH]

    def test_a_document_that_is_not_the_issuers_causes_no_fetch_of_keys(self) -> None:
        with serving((200, {}, description(jwks_uri="https://127.0.0.1:1/certs"))) as (host, paths):
            with pytest.raises(ProviderKeysUnavailable, match="another issuer"):
                KeyEndpoint(provider=shop(f"http://{host}/shop"))()

            assert paths == [self.PATH]

    def test_no_more_than_64_kib_are_read(self) -> None:
        with (
            serving((200, {}, description() + b" " * LARGEST_KEY_SET_BYTES)) as (host, _),
            pytest.raises(ProviderKeysUnavailable, match="too much"),
        ):
            KeyEndpoint(provider=shop(f"http://{host}/shop"))()

    def test_both_fetches_together_are_given_up_on_in_time(self) -> None:
        documents: dict[str, Answer] = {}
        with serving((404, {}, b""), others=documents) as (host, _), dripping(b"H") as slow:
            issuer = f"http://{host}/shop"
            documents[self.PATH] = (200, {}, description(issuer=issuer, jwks_uri=f"http://{slow}/certs"))
            started_at = time.monotonic()
            with pytest.raises(ProviderKeysUnavailable, match="no answer in time"):
                KeyEndpoint(provider=shop(issuer), deadline=timedelta(seconds=0.4))()

            assert time.monotonic() - started_at < 2
