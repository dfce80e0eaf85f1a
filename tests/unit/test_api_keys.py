"""gerbang.sessions.api_keys: which key an `apikey` is; the secret one is read late and cached for five minutes."""

from datetime import timedelta

import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.sessions.api_keys import ApiKeys, InvalidApiKey, KeyKind
from gerbang.sessions.cached_secret import FRESH_FOR

from tests.fakes import FakeClock, FakeSecretText, at_once

PUBLISHABLE = "sb_publishable_0123456789"
SECOND = timedelta(seconds=1)


@pytest.fixture
def source() -> FakeSecretText:
    return FakeSecretText("sb_secret_first")


@pytest.fixture
def keys(source: FakeSecretText, clock: FakeClock) -> ApiKeys:
    return ApiKeys(PUBLISHABLE, source, clock)


def test_both_keys_are_told_apart(keys: ApiKeys, source: FakeSecretText) -> None:
    assert keys.kind_of(PUBLISHABLE) is KeyKind.PUBLISHABLE
    assert keys.kind_of(source.text) is KeyKind.SECRET


@pytest.mark.parametrize("shown", [None, ""])
def test_no_key_is_refused_without_reading_the_secret(keys: ApiKeys, source: FakeSecretText, shown: str | None) -> None:
    with pytest.raises(InvalidApiKey):
        keys.kind_of(shown)

    assert source.reads == 0


@pytest.mark.parametrize(
    "shown",
    [
        "x",
        PUBLISHABLE[:-1],
        PUBLISHABLE + "0",
        PUBLISHABLE.upper(),
        f" {PUBLISHABLE}",
        f"{PUBLISHABLE},{PUBLISHABLE}",
        "sb_secret_",
        "sb_secret_second",
        "clé",
        "\0",
        "x" * 100_000,
    ],
    ids=lambda shown: f"{len(shown)} {shown[:30]!a}",
)
def test_any_other_key_is_refused(keys: ApiKeys, shown: str) -> None:
    with pytest.raises(InvalidApiKey):
        keys.kind_of(shown)


def test_where_no_secret_key_is_set_nothing_passes_for_it(keys: ApiKeys, source: FakeSecretText) -> None:
    source.text = ""

    for shown in (None, "", "x"):
        with pytest.raises(InvalidApiKey):
            keys.kind_of(shown)


def test_the_publishable_key_is_known_without_reading_the_secret_one(keys: ApiKeys, source: FakeSecretText) -> None:
    source.is_unreadable = True

    assert keys.kind_of(PUBLISHABLE) is KeyKind.PUBLISHABLE
    assert source.reads == 0


def test_the_secret_is_read_at_the_first_use_and_kept_for_five_minutes(
    keys: ApiKeys, source: FakeSecretText, clock: FakeClock
) -> None:
    for _ in range(5):
        keys.kind_of(source.text)
        clock.advance(FRESH_FOR / 5)
    assert source.reads == 1

    keys.kind_of(source.text)

    assert (FRESH_FOR, source.reads) == (timedelta(minutes=5), 2)


def test_unknown_keys_do_not_make_us_read_the_secret_again_and_again(keys: ApiKeys, source: FakeSecretText) -> None:
    for number in range(100):
        with pytest.raises(InvalidApiKey):
            keys.kind_of(f"guess {number}")

    assert source.reads == 1


def test_a_new_secret_key_is_known_and_the_old_one_dead_after_five_minutes(
    keys: ApiKeys, source: FakeSecretText, clock: FakeClock
) -> None:
    old = source.text
    keys.kind_of(old)
    source.text = "sb_secret_second"
    clock.advance(FRESH_FOR)

    assert keys.kind_of("sb_secret_second") is KeyKind.SECRET
    with pytest.raises(InvalidApiKey):
        keys.kind_of(old)


def test_a_secret_that_could_never_be_read_is_a_failure_of_ours_and_no_default(
    keys: ApiKeys, source: FakeSecretText
) -> None:
    source.is_unreadable = True  # F23

    for shown in ("sb_secret_first", "x"):
        with pytest.raises(DependencyUnavailable):
            keys.kind_of(shown)

    source.is_unreadable = False
    assert keys.kind_of(source.text) is KeyKind.SECRET


def test_while_the_secret_cannot_be_read_again_the_one_read_last_serves(
    keys: ApiKeys, source: FakeSecretText, clock: FakeClock
) -> None:
    keys.kind_of(source.text)
    source.is_unreadable = True
    clock.advance(FRESH_FOR)

    assert keys.kind_of(source.text) is KeyKind.SECRET
    assert keys.kind_of(source.text) is KeyKind.SECRET

    assert source.reads == 2  # and is not asked for at every call


def test_calls_at_once_read_the_secret_once(keys: ApiKeys, source: FakeSecretText) -> None:
    assert at_once([lambda: keys.kind_of(source.text)] * 20) == [KeyKind.SECRET] * 20

    assert source.reads == 1


def test_neither_key_is_shown_by_repr_or_error(keys: ApiKeys, source: FakeSecretText) -> None:
    keys.kind_of(source.text)
    with pytest.raises(InvalidApiKey) as caught:
        keys.kind_of("a mistyped key")

    assert source.text not in repr(keys)
    assert "a mistyped key" not in f"{caught.value!r}{caught.value}"


ANON = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJl"
SERVICE = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl"


def test_a_deployment_may_have_several_keys_of_each_kind_and_shape(clock: FakeClock) -> None:
    """An old project's JWT goes on, next to its successor."""
    keys = ApiKeys(f"{PUBLISHABLE},{ANON}", FakeSecretText(f"sb_secret_first,{SERVICE}"), clock)

    assert [keys.kind_of(key) for key in (PUBLISHABLE, ANON)] == [KeyKind.PUBLISHABLE] * 2
    assert [keys.kind_of(key) for key in ("sb_secret_first", SERVICE)] == [KeyKind.SECRET] * 2
    for key in (f"{PUBLISHABLE},{ANON}", "", ",", ANON[:-1]):
        with pytest.raises(InvalidApiKey):
            keys.kind_of(key)
