"""gerbang.accounts.oidc_provider.KeyCache (F43)."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event, Thread

import pytest
from gerbang.accounts.oidc import IdTokenVerifier
from gerbang.accounts.oidc_provider import (
    FETCH_INTERVAL,
    FETCH_INTERVAL_WITHOUT_KEYS,
    FRESH_FOR,
    STALE_FOR,
    KeyCache,
    ProviderKeysUnavailable,
    read_key_set,
)
from gerbang.core.errors import DependencyUnavailable

from tests.fakes import FakeClock
from tests.unit.id_tokens import KID, jwk, key_set, signed
from tests.unit.oidc.providers import FakeKeyEndpoint, google_at

NEW_KID = "key-of-april"


@pytest.fixture
def server() -> FakeKeyEndpoint:
    return FakeKeyEndpoint()


@pytest.fixture
def cache(server: FakeKeyEndpoint, clock: FakeClock) -> KeyCache:
    return KeyCache(lambda: read_key_set(server(), google_at()), now=clock)


class TestKeyCache:
    """F43; ASVS 16.5.2 (security.md 111)."""

    def test_keys_are_fetched_once_an_hour(self, cache: KeyCache, server: FakeKeyEndpoint, clock: FakeClock) -> None:
        assert cache.find(KID)
        clock.advance(FRESH_FOR - timedelta(seconds=1))
        assert cache.find(KID)
        assert server.calls == 1

        clock.advance(timedelta(seconds=1))
        assert cache.find(KID)

        assert server.calls == 2

    def test_a_new_key_is_fetched_when_a_token_names_it(
        self, cache: KeyCache, server: FakeKeyEndpoint, clock: FakeClock
    ) -> None:
        assert cache.find(KID)
        clock.advance(FETCH_INTERVAL)
        server.document = key_set(jwk(), jwk(NEW_KID, owner="Google in April"))

        assert cache.find(NEW_KID)
        assert cache.find(KID)
        assert server.calls == 2

    def test_a_withdrawn_key_is_removed_within_the_hour(
        self, cache: KeyCache, server: FakeKeyEndpoint, clock: FakeClock
    ) -> None:
        assert cache.find(KID)
        server.document = key_set(jwk(NEW_KID))
        clock.advance(FRESH_FOR)

        assert cache.find(KID) is None

    @pytest.mark.covers("F43")
    def test_a_thousand_unknown_key_ids_cause_one_fetch_a_minute(
        self, cache: KeyCache, server: FakeKeyEndpoint, clock: FakeClock
    ) -> None:
        assert cache.find(KID)

        for number in range(1000):
            clock.advance(timedelta(seconds=0.3))
            assert cache.find(f"unknown {number}") is None
            assert cache.find(KID)

        assert server.calls == 1 + 5  # in 300 s

    @pytest.mark.covers("F43", "111")
    def test_cached_keys_are_used_for_a_day_while_google_is_down(
        self, cache: KeyCache, server: FakeKeyEndpoint, clock: FakeClock
    ) -> None:
        assert cache.find(KID)
        server.is_down = True
        clock.advance(FRESH_FOR + STALE_FOR - timedelta(seconds=1))
        assert cache.find(KID)

        clock.advance(timedelta(seconds=1))

        with pytest.raises(ProviderKeysUnavailable, match="google: down"):
            cache.find(KID)

    def test_while_google_is_down_keys_are_fetched_once_a_minute(
        self, cache: KeyCache, server: FakeKeyEndpoint, clock: FakeClock
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
        self, cache: KeyCache, server: FakeKeyEndpoint, clock: FakeClock
    ) -> None:
        """It may be Google's newest key, so the client may try again."""
        assert cache.find(KID)
        server.is_down = True
        clock.advance(FETCH_INTERVAL)

        for _ in range(2):
            with pytest.raises(ProviderKeysUnavailable):
                cache.find(NEW_KID)
        assert cache.find(KID)
        assert server.calls == 2

    def test_an_unknown_key_is_not_found_once_google_answers_again(
        self, cache: KeyCache, server: FakeKeyEndpoint, clock: FakeClock
    ) -> None:
        server.is_down = True
        with pytest.raises(ProviderKeysUnavailable):
            cache.find("unknown")
        server.is_down = False
        clock.advance(FETCH_INTERVAL)

        assert cache.find("unknown") is None

    def test_without_keys_the_next_fetch_is_a_few_seconds_later(
        self, cache: KeyCache, server: FakeKeyEndpoint, clock: FakeClock
    ) -> None:
        server.is_down = True
        for _ in range(50):
            with pytest.raises(ProviderKeysUnavailable):
                cache.find(KID)
        assert server.calls == 1

        server.is_down = False
        clock.advance(FETCH_INTERVAL_WITHOUT_KEYS)

        assert cache.find(KID)

    def test_an_invalid_response_does_not_replace_the_keys(
        self, cache: KeyCache, server: FakeKeyEndpoint, clock: FakeClock
    ) -> None:
        assert cache.find(KID)
        server.document = b"<html>captive portal</html>"
        clock.advance(FRESH_FOR)

        assert cache.find(KID)
        assert server.calls == 2

    def test_a_clock_that_is_set_back_does_not_stop_the_fetches(
        self, cache: KeyCache, server: FakeKeyEndpoint, clock: FakeClock
    ) -> None:
        server.is_down = True
        with pytest.raises(ProviderKeysUnavailable):
            cache.find(KID)
        server.is_down = False
        clock.advance(-timedelta(hours=1))

        assert cache.find(KID)

    def test_keys_that_were_preloaded_are_not_fetched_again(self, server: FakeKeyEndpoint, clock: FakeClock) -> None:
        verifier = IdTokenVerifier(google_at(), fetch=server, now=clock)
        verifier.warm()

        assert verifier.verify(signed()).subject
        assert server.calls == 1

    def test_when_preloading_fails_the_first_token_fetches_at_once(
        self, cache: KeyCache, server: FakeKeyEndpoint
    ) -> None:
        """F23."""
        server.is_down = True
        with pytest.raises(ProviderKeysUnavailable):
            cache.warm()
        server.is_down = False

        assert cache.find(KID)
        assert server.calls == 2

    @pytest.mark.parametrize("is_down", [False, True])
    def test_twenty_concurrent_first_tokens_cause_one_fetch(
        self, cache: KeyCache, server: FakeKeyEndpoint, *, is_down: bool
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

    def test_a_caller_with_a_cached_key_does_not_wait_for_the_fetch(
        self, cache: KeyCache, server: FakeKeyEndpoint, clock: FakeClock
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

    def test_missing_keys_are_an_unavailable_dependency(self) -> None:
        assert issubclass(ProviderKeysUnavailable, DependencyUnavailable)
