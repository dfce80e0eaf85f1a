"""gerbang.sessions.cached_secret: a secret is read once, reused for five minutes, and never has a default."""

from datetime import timedelta

import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.sessions.api_keys import ApiKeys, InvalidApiKey, KeyKind
from gerbang.sessions.cached_secret import FRESH_FOR, CachedSecret
from gerbang.sessions.keys import Keys, MasterKey

from tests.fakes import FakeClock, FakeSecret, FakeSecretText, at_once

SECOND = timedelta(seconds=1)


@pytest.fixture
def source() -> FakeSecretText:
    return FakeSecretText("first")


@pytest.fixture
def cached(source: FakeSecretText, clock: FakeClock) -> CachedSecret[str]:
    return CachedSecret(source.current, clock)


def test_a_secret_is_read_at_its_first_use_and_reused_for_five_minutes(
    cached: CachedSecret[str], source: FakeSecretText, clock: FakeClock
) -> None:
    assert source.reads == 0
    for _ in range(5):
        assert cached.get() == "first"
        clock.advance(FRESH_FOR / 5)
    assert source.reads == 1

    source.text = "second"

    assert cached.get() == "second"
    assert (FRESH_FOR, source.reads) == (timedelta(minutes=5), 2)


def test_a_caller_can_demand_a_more_recent_read(
    cached: CachedSecret[str], source: FakeSecretText, clock: FakeClock
) -> None:
    cached.get()
    source.text = "second"
    clock.advance(10 * SECOND - timedelta(microseconds=1))
    assert cached.get(10 * SECOND) == "first"

    clock.advance(timedelta(microseconds=1))

    assert cached.get(10 * SECOND) == "second"


def test_a_secret_that_cannot_be_read_again_stays_in_use_without_a_read_at_every_call(
    cached: CachedSecret[str], source: FakeSecretText, clock: FakeClock
) -> None:
    cached.get()
    source.is_unreadable = True
    clock.advance(timedelta(days=1))

    assert [cached.get() for _ in range(5)] == ["first"] * 5
    assert source.reads == 2


def test_a_secret_that_was_never_read_has_no_default(cached: CachedSecret[str], source: FakeSecretText) -> None:
    """F23."""
    source.is_unreadable = True
    for _ in range(2):
        with pytest.raises(DependencyUnavailable):
            cached.get()

    source.is_unreadable = False

    assert cached.get() == "first"


def test_concurrent_uses_read_the_secret_once(cached: CachedSecret[str], source: FakeSecretText) -> None:
    assert at_once([cached.get] * 20) == ["first"] * 20
    assert source.reads == 1


def test_the_secret_is_not_in_the_repr(cached: CachedSecret[str]) -> None:
    assert cached.get() not in repr(cached)


# A clock that is set back (F21): without a check, a rotated secret would stay in use for just as long.


def test_a_clock_set_back_a_day_does_not_keep_a_rotated_api_key_in_use(
    source: FakeSecretText, clock: FakeClock
) -> None:
    api_keys = ApiKeys("publishable", source, clock)
    assert api_keys.kind_of("first") is KeyKind.SECRET
    clock.advance(-timedelta(days=1))
    source.text = "second"

    for _ in range(2):
        assert api_keys.kind_of("second") is KeyKind.SECRET
        with pytest.raises(InvalidApiKey):
            api_keys.kind_of("first")
        clock.advance(timedelta(hours=3))


def test_a_clock_set_back_a_day_does_not_keep_a_rotated_master_secret_in_use(
    secret: FakeSecret, clock: FakeClock
) -> None:
    keys = Keys(secret, clock)
    old = keys.current()
    clock.advance(-timedelta(days=1))
    secret.rotate("second")
    secret.rotate("third")

    for _ in range(2):
        assert keys.find(MasterKey.from_secret("third").kid) == keys.current()
        assert old not in keys.verifying()
        clock.advance(timedelta(hours=3))
