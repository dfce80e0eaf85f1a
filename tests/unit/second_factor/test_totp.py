"""gerbang.accounts.totp and recovery_codes: codes of authenticator apps (RFC 6238), and codes that replace them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from gerbang.accounts import recovery_codes, totp
from gerbang.sessions.keys import Keys, version_text
from gerbang.storage.secrets import SecretVersions

from tests.fakes import FakeClock, FakeSecret

RFC_SECRET = b"12345678901234567890"


@pytest.fixture
def keys(secret: FakeSecret, clock: FakeClock) -> Keys:
    return Keys(secret, clock)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_codes_are_those_of_rfc_6238(seconds: int, code: str) -> None:
    """Appendix B has eight digits; six are the last six of them (RFC 4226, section 5.3)."""
    at = datetime.fromtimestamp(seconds, UTC)

    assert totp.code_of(RFC_SECRET, totp.step_at(at)) == code[-6:]
    assert totp.step_of(RFC_SECRET, code[-6:], at=at) == seconds // 30


@pytest.mark.parametrize(
    ("step", "code"),
    [(0, "755224"), (1, "287082"), (2, "359152"), (3, "969429"), (4, "338314"), (5, "254676"), (6, "287922")],
)
def test_codes_are_those_of_rfc_4226(step: int, code: str) -> None:
    assert totp.code_of(RFC_SECRET, step) == code


@pytest.mark.covers("205")
def test_a_code_is_valid_one_step_early_or_late(clock: FakeClock) -> None:
    now = totp.step_at(clock())

    found = [totp.step_of(RFC_SECRET, totp.code_of(RFC_SECRET, now + off), at=clock()) for off in range(-2, 3)]

    assert found == [None, now - 1, now, now + 1, None]


@pytest.mark.covers("204")
def test_every_factor_of_every_account_has_its_own_secret(keys: Keys) -> None:
    secrets = {totp.secret_of(keys, user, factor) for user in "ab" for factor in "ab"}

    assert len(secrets) == 4
    assert {len(secret) for secret in secrets} == {20}
    assert totp.secret_of(keys, "a", "a") in secrets


def test_a_secret_is_the_same_after_every_rotation(keys: Keys, secret: FakeSecret, clock: FakeClock) -> None:
    before = totp.secret_of(keys, "a", "a")

    for number in range(3):
        text = version_text(f"secret number {number}", b"", lasting=keys.current().lasting)
        secret.versions = SecretVersions(text)
        clock.advance(timedelta(hours=1))
        keys.current()

    assert totp.secret_of(keys, "a", "a") == before
    assert totp.secret_of(Keys(secret, clock), "a", "a") == before


def test_the_uri_has_all_parameters() -> None:
    uri = urlsplit(totp.uri(RFC_SECRET, issuer="Toko: A&B", account="mira+1@example.com"))

    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert unquote(uri.path) == "/Toko: A&B:mira+1@example.com"
    assert dict(parse_qsl(uri.query)) == {
        "algorithm": "SHA1",
        "digits": "6",
        "issuer": "Toko: A&B",
        "period": "30",
        "secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
    }


def counting_bytes() -> Callable[[int], bytes]:
    numbers = iter(range(100))
    return lambda length: next(numbers).to_bytes(length)


@pytest.mark.covers("203")
def test_there_are_ten_recovery_codes_of_120_bits() -> None:
    codes = recovery_codes.new_codes(counting_bytes())

    assert len(set(codes)) == 10
    assert {len(code.replace("-", "")) for code in codes} == {24}  # of 5 bits each: 120


@pytest.mark.parametrize(("joined", "typed"), [("-", str), ("-", str.upper), ("", str), (" ", str.title)])
def test_a_recovery_code_works_once_in_every_spelling(joined: str, typed: Callable[[str], str]) -> None:
    codes = recovery_codes.new_codes(counting_bytes())
    stored = recovery_codes.hashes_of("mira", codes)
    code = recovery_codes.canonical(typed(codes[3].replace("-", joined)))
    assert code is not None

    left = recovery_codes.without(stored, "mira", code)

    assert left is not None
    assert left == (*stored[:3], *stored[4:])
    assert recovery_codes.without(left, "mira", code) is None
    assert recovery_codes.without(stored, "ketut", code) is None


@pytest.mark.parametrize("typed", ["", "123456", "a" * 23, "a" * 25, "a" * 23 + "1", "\u0131" * 24])
def test_any_other_text_is_no_recovery_code(typed: str) -> None:
    assert recovery_codes.canonical(typed) is None
