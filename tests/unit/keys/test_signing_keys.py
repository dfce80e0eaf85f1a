"""gerbang.sessions.keys: all keys are derived from one secret, which is cached and rotated."""

from datetime import timedelta
from itertools import combinations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from gerbang.core.errors import DependencyUnavailable
from gerbang.sessions.cached_secret import FRESH_FOR
from gerbang.sessions.keys import (
    KNOWN_AFTER,
    PUBLISHED_FOR,
    REREAD_AT_MOST_EVERY,
    Keys,
    MasterKey,
    Purpose,
    hkdf_sha256,
    version_text,
)
from gerbang.sessions.p256 import private_key
from gerbang.storage.secrets import SecretVersions
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import FakeClock, FakeSecret, at_once, with_key_pair

SECOND = timedelta(seconds=1)


@pytest.fixture
def keys(secret: FakeSecret, clock: FakeClock) -> Keys:
    return Keys(secret, clock)


# Derivation


@pytest.mark.parametrize(
    ("secret", "salt", "info", "length", "derived"),
    [
        pytest.param(
            b"\x0b" * 22,
            bytes(range(0x0D)),
            bytes(range(0xF0, 0xFA)),
            42,
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
            id="A.1",
        ),
        pytest.param(
            bytes(range(0x50)),
            bytes(range(0x60, 0xB0)),
            bytes(range(0xB0, 0x100)),
            82,
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
            "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
            id="A.2",
        ),
        pytest.param(
            b"\x0b" * 22,
            b"",
            b"",
            42,
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
            id="A.3",
        ),
    ],
)
def test_hkdf_matches_the_test_vectors_of_rfc_5869(
    secret: bytes, salt: bytes, info: bytes, length: int, derived: str
) -> None:
    assert hkdf_sha256(secret, info=info, length=length, salt=salt).hex() == derived


@given(st.binary(), st.binary(), st.binary(), st.integers(1, 200))
def test_hkdf_matches_another_implementation(secret: bytes, salt: bytes, info: bytes, length: int) -> None:
    other = HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(secret)

    assert hkdf_sha256(secret, info=info, length=length, salt=salt) == other


def test_each_purpose_has_its_own_key() -> None:
    """ASVS 11.2: one label per purpose, so a signature for one is invalid for another."""
    key = MasterKey.from_secret("a secret")
    derived = [key.derive(purpose) for purpose in Purpose]

    assert all(len(each) == 32 for each in derived)
    assert all(one != other for one, other in combinations(derived, 2))
    assert key.secret not in derived


def test_the_key_id_depends_only_on_the_secret() -> None:
    assert MasterKey.from_secret("a secret").kid == MasterKey.from_secret("a secret").kid
    assert MasterKey.from_secret("a secret").kid != MasterKey.from_secret("b secret").kid


def test_the_p256_key_is_derived_from_its_seed_and_in_range() -> None:
    """FIPS 186-5, A.2.1."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    seeds = [bytes(48), b"\xff" * 48, (order - 1).to_bytes(48), (order - 2).to_bytes(48), b"seed" * 12]

    values = [private_key(seed).private_numbers().private_value for seed in seeds]

    assert values == [int.from_bytes(seed) % (order - 1) + 1 for seed in seeds]
    assert values[0] == values[2] == 1
    assert values[3] == order - 1
    assert all(1 <= value < order for value in values)
    assert isinstance(private_key(seeds[0]).curve, ec.SECP256R1)


def test_a_version_contains_a_secret_a_key_pair_and_the_lasting_key() -> None:
    key = MasterKey.from_secret(version_text("a secret", b"a key pair", lasting=b"a lasting key"))

    assert (key.secret, key.key_pair, key.lasting) == (b"a secret", b"a key pair", b"a lasting key")
    assert key.kid == MasterKey.from_secret("a secret").kid
    assert key.derive(Purpose.ONE_TIME_CODE) == MasterKey.from_secret("a secret").derive(Purpose.ONE_TIME_CODE)


def test_the_lasting_key_of_a_first_secret_is_derived_from_it() -> None:
    key = MasterKey.from_secret("a secret")

    assert key.lasting == key.derive(Purpose.LASTING_KEY)
    assert key.lasting != MasterKey.from_secret("another secret").lasting


@pytest.mark.parametrize(
    "text",
    [
        "a secret",
        "{",
        "{}",
        "{a secret}",
        '{"secret": "x"}',
        '{"secret": "x", "rsa": "?", "lasting": "00"}',
        '{"secret": "x", "rsa": ""}',
        '{"secret": "x", "rsa": "", "lasting": "?"}',
        '{"secret": "x", "rsa": "", "lasting": 1}',
        '{"rsa": null, "secret": 1}',
    ],
)
def test_any_other_text_is_a_secret_without_a_key_pair(text: str) -> None:
    """CloudFormation generates the first secret like this, or an operator wrote it."""
    assert (MasterKey.from_secret(text).secret, MasterKey.from_secret(text).key_pair) == (text.encode(), None)


def test_secrets_are_not_in_the_repr() -> None:
    versions = SecretVersions("current text", "previous text")
    key = MasterKey.from_secret(version_text("current text", b"pair text", lasting=b"lasting text"))

    for text_of_object in (repr(versions), str(versions), repr(key), str(key), repr([key]), key.kid):
        assert "text" not in text_of_object


# Rotation: F22, security.md 78


@pytest.mark.covers("F22")
def test_a_new_key_is_published_before_it_signs_for_longer_than_api_gateway_caches_keys() -> None:
    """Two hours (docs/decisions/0037-rs256.md), plus the caches of functions and HTTP clients."""
    assert timedelta(hours=2) + FRESH_FOR + PUBLISHED_FOR == KNOWN_AFTER == timedelta(hours=2, minutes=15)


def test_the_current_version_signs_and_both_verify(keys: Keys, secret: FakeSecret, clock: FakeClock) -> None:
    old = keys.current()
    secret.rotate("second")
    clock.advance(FRESH_FOR)

    new = keys.current()

    assert new.kid != old.kid
    assert keys.verifying() == (new, old)
    assert keys.find(old.kid) == old
    assert keys.find(new.kid) == new


@pytest.mark.covers("F22", "78")
def test_after_a_second_rotation_the_oldest_version_is_unknown(
    keys: Keys, secret: FakeSecret, clock: FakeClock
) -> None:
    oldest = keys.current()
    secret.rotate("second")
    secret.rotate("third")
    clock.advance(FRESH_FOR)

    assert keys.find(oldest.kid) is None


def test_rotating_a_secret_to_itself_keeps_one_key(keys: Keys, secret: FakeSecret) -> None:
    secret.rotate(secret.versions.current)

    assert len(keys.verifying()) == 1


def test_the_secret_is_read_once_in_five_minutes(keys: Keys, secret: FakeSecret, clock: FakeClock) -> None:
    for _ in range(10):
        keys.current()
        keys.verifying()
        keys.find(keys.current().kid)
    assert secret.reads == 1

    clock.advance(FRESH_FOR - SECOND)
    keys.current()
    assert secret.reads == 1

    clock.advance(SECOND)
    keys.current()
    assert secret.reads == 2


def test_an_unknown_key_id_causes_another_read_of_the_secret(keys: Keys, secret: FakeSecret, clock: FakeClock) -> None:
    keys.current()
    secret.rotate("second")
    newest = MasterKey.from_secret(with_key_pair("second"))
    clock.advance(REREAD_AT_MOST_EVERY)

    assert keys.find(newest.kid) == newest
    assert keys.current() == newest


def test_made_up_key_ids_cause_at_most_one_read_in_ten_seconds(
    keys: Keys, secret: FakeSecret, clock: FakeClock
) -> None:
    keys.current()
    for number in range(1000):
        assert keys.find(f"made up {number}") is None
    assert secret.reads == 1

    for _ in range(60):
        clock.advance(SECOND)
        for number in range(10):
            assert keys.find(f"made up {number}") is None

    assert secret.reads == 7


@pytest.mark.covers("F21")
def test_a_clock_that_was_set_back_causes_another_read_of_the_secret(
    keys: Keys, secret: FakeSecret, clock: FakeClock
) -> None:
    """Otherwise a key would stay in use for as long as the clock was set back."""
    keys.current()
    clock.advance(-timedelta(hours=1))

    keys.current()

    assert secret.reads == 2


def test_concurrent_first_uses_read_the_secret_once(keys: Keys, secret: FakeSecret) -> None:
    assert len(set(map(repr, at_once([keys.current] * 20)))) == 1
    assert secret.reads == 1


# The secret cannot be read: F23


@pytest.mark.covers("F23")
def test_an_unreadable_secret_is_a_failure_until_it_can_be_read(keys: Keys, secret: FakeSecret) -> None:
    secret.become_unreadable()
    for ask in (keys.current, keys.verifying, lambda: keys.find("any")):
        with pytest.raises(DependencyUnavailable):
            ask()

    secret.become_readable()

    assert keys.current() == MasterKey.from_secret(with_key_pair(secret.versions.current))


def test_keys_that_were_read_stay_in_use_while_the_secret_is_unreadable(
    keys: Keys, secret: FakeSecret, clock: FakeClock
) -> None:
    first = keys.current()
    secret.become_unreadable()

    for _ in range(3):
        clock.advance(timedelta(days=1))
        assert keys.current() == first
        assert keys.find(first.kid) == first
        assert keys.find("unknown") is None

    assert secret.reads <= 7


def test_a_derived_key_is_the_same_from_the_cache(keys: Keys) -> None:
    key = keys.current()

    for length in (32, 48, 32):
        assert keys.derive(key, Purpose.ACCESS_TOKEN, length) == key.derive(Purpose.ACCESS_TOKEN, length)
    assert keys.derive(key, Purpose.REFRESH_TOKEN) != keys.derive(key, Purpose.ACCESS_TOKEN)
