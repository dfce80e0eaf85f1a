"""gerbang.sessions.api_keys: which kind of key an `apikey` header contains. test_cached_secret.py tests its cache."""

import pytest
from gerbang.core.errors import DependencyUnavailable
from gerbang.sessions.api_keys import ApiKeys, InvalidApiKey, KeyKind
from gerbang.sessions.cached_secret import FRESH_FOR

from tests.fakes import FakeClock, FakeSecretText

PUBLISHABLE = "sb_publishable_0123456789"


@pytest.fixture
def source() -> FakeSecretText:
    return FakeSecretText("sb_secret_first")


@pytest.fixture
def keys(source: FakeSecretText, clock: FakeClock) -> ApiKeys:
    return ApiKeys(PUBLISHABLE, source, clock)


def test_each_key_has_its_kind(keys: ApiKeys, source: FakeSecretText) -> None:
    assert keys.kind_of(PUBLISHABLE) is KeyKind.PUBLISHABLE
    assert keys.kind_of(source.text) is KeyKind.SECRET


@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_is_rejected_without_reading_the_secret(
    keys: ApiKeys, source: FakeSecretText, key: str | None
) -> None:
    with pytest.raises(InvalidApiKey):
        keys.kind_of(key)

    assert source.reads == 0


@pytest.mark.parametrize(
    "key",
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
    ids=lambda key: f"{len(key)} {key[:30]!a}",
)
def test_an_unknown_key_is_rejected(keys: ApiKeys, key: str) -> None:
    with pytest.raises(InvalidApiKey):
        keys.kind_of(key)


def test_an_empty_secret_key_matches_no_key(keys: ApiKeys, source: FakeSecretText) -> None:
    source.text = ""

    for key in (None, "", "x"):
        with pytest.raises(InvalidApiKey):
            keys.kind_of(key)


def test_the_publishable_key_is_accepted_without_reading_the_secret(keys: ApiKeys, source: FakeSecretText) -> None:
    source.is_unreadable = True

    assert keys.kind_of(PUBLISHABLE) is KeyKind.PUBLISHABLE
    assert source.reads == 0


def test_unknown_keys_do_not_cause_another_read_of_the_secret(keys: ApiKeys, source: FakeSecretText) -> None:
    for number in range(100):
        with pytest.raises(InvalidApiKey):
            keys.kind_of(f"guess {number}")

    assert source.reads == 1


def test_five_minutes_after_a_change_the_new_secret_key_is_accepted_and_the_old_one_rejected(
    keys: ApiKeys, source: FakeSecretText, clock: FakeClock
) -> None:
    old = source.text
    keys.kind_of(old)
    source.text = "sb_secret_second"
    clock.advance(FRESH_FOR)

    assert keys.kind_of("sb_secret_second") is KeyKind.SECRET
    with pytest.raises(InvalidApiKey):
        keys.kind_of(old)


def test_a_secret_that_was_never_read_is_a_dependency_failure(keys: ApiKeys, source: FakeSecretText) -> None:
    source.is_unreadable = True  # F23

    for key in ("sb_secret_first", "x"):
        with pytest.raises(DependencyUnavailable):
            keys.kind_of(key)

    source.is_unreadable = False
    assert keys.kind_of(source.text) is KeyKind.SECRET


def test_keys_are_not_in_the_repr_or_in_errors(keys: ApiKeys, source: FakeSecretText) -> None:
    keys.kind_of(source.text)
    with pytest.raises(InvalidApiKey) as caught:
        keys.kind_of("a mistyped key")

    assert source.text not in repr(keys)
    assert "a mistyped key" not in f"{caught.value!r}{caught.value}"


ANON = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoiYW5vbiJ9.c2lnbmF0dXJl"
SERVICE = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2lnbmF0dXJl"


def test_a_deployment_can_have_several_keys_of_each_kind(clock: FakeClock) -> None:
    """Keys of an old project, which are JWTs, stay valid beside the new ones."""
    keys = ApiKeys(f"{PUBLISHABLE},{ANON}", FakeSecretText(f"sb_secret_first,{SERVICE}"), clock)

    assert [keys.kind_of(key) for key in (PUBLISHABLE, ANON)] == [KeyKind.PUBLISHABLE] * 2
    assert [keys.kind_of(key) for key in ("sb_secret_first", SERVICE)] == [KeyKind.SECRET] * 2
    for key in (f"{PUBLISHABLE},{ANON}", "", ",", ANON[:-1]):
        with pytest.raises(InvalidApiKey):
            keys.kind_of(key)
