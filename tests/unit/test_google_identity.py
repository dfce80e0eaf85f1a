"""gerbang.apis.snapotp.google: the two ways to show a Google identity, and what of it is believed."""

from copy import replace
from typing import Final

import pytest
from gerbang.accounts.identity_sign_in import GOOGLE, VerifiedIdentity
from gerbang.accounts.provider_identity import ProviderIdentity
from gerbang.apis.snapotp.google import IdentityMismatch, IdentityNotProven, signed_identity, vouched_identity
from gerbang.apis.snapotp.requests import GoogleRequest
from gerbang.core.emails import InvalidEmail
from gerbang.http.request import InvalidFields
from gerbang.sessions.api_keys import ApiKeys

from tests.fakes import FakeClock


class SecretKey:
    """The secret API key, where it is kept."""

    def current(self) -> str:
        return "the secret key"


API_KEYS: Final = ApiKeys("the publishable key", SecretKey(), FakeClock())
ADAS: Final = ProviderIdentity(
    provider=GOOGLE,
    issuer="https://accounts.google.com",
    subject="1234",
    email="ada@example.com",
    email_verified=True,
    name="Ada",
    profile={"locale": "id"},
)
VOUCHED: Final = {"google_id": "1234", "email": "Ada@example.com", "name": "Ada"}


def read(**fields: object) -> GoogleRequest:
    return GoogleRequest.read(fields, {})


def identity(vouched: str, /, **beside: str) -> VerifiedIdentity:
    """What a token with a name proves, and fields beside it."""
    verified = replace(ADAS, name=vouched)
    return signed_identity(verified, read(id_token="x.y.z", **beside))


# Google's signature


@pytest.mark.parametrize(
    ("vouched", "name"),
    [
        ("Ada Lovelace", "Ada Lovelace"),
        ("", ""),
        (" \t\n ", ""),
        ("\u200b\u3164", ""),
        ("\0\x1b\u2028", ""),
        ("  Ada Lovelace \u00a0", "Ada Lovelace"),
        ("\n Ada\r\n", "Ada"),
        ("Ada\0 Love\u2029lace", "Ada Lovelace"),
        ("\x1b[31mAda", "[31mAda"),
        ("Jose\u0301", "Jos\u00e9"),
        ("x" * 200, "x" * 200),
        ("x" * 3000, "x" * 200),
        (" " * 3000 + "Ada", "Ada"),
        ("\0x" * 1500, "x" * 200),
        ("\x85\U0001f469" * 1500, "\U0001f469" * 200),
    ],
    ids=lambda text: ascii(text[:20]) + str(len(text)),
)
def test_googles_name_is_made_one_that_we_would_accept(vouched: str, name: str) -> None:
    assert identity(vouched) == VerifiedIdentity(
        provider=GOOGLE,
        subject="1234",
        email="ada@example.com",
        name=name,
        issuer="https://accounts.google.com",
        profile={"locale": "id"},
    )


@pytest.mark.parametrize("vouched", ["", " ", "\0", "\u200b", "\u2028" * 3000], ids=lambda text: ascii(text[:9]))
def test_where_google_has_no_name_the_field_is_taken(vouched: str) -> None:
    assert identity(vouched, name=" Ada ").name == "Ada"


@pytest.mark.parametrize(
    ("vouched", "beside"),
    [
        ("Ada", "Ada"),
        ("  Ada ", "Ada"),
        ("Ada", "  Ada "),
        ("A\0da\n", "Ada"),
        ("Jos\u00e9", "Jose\u0301"),
        ("Jose\u0301", "Jos\u00e9"),
        ("x" * 3000, "x" * 200),
        ("x\0" * 1500, " " + "x" * 200),
    ],
    ids=lambda text: ascii(text[:20]) + str(len(text)),
)
def test_a_name_agrees_with_googles_however_it_is_padded_or_composed(vouched: str, beside: str) -> None:
    assert identity(vouched, name=beside) == identity(vouched)


@pytest.mark.parametrize("beside", ["Eve", "ada", "Ad", "Ada Lovelace", "x" * 200], ids=lambda text: text[:20])
def test_another_name_is_a_mismatch(beside: str) -> None:
    with pytest.raises(IdentityMismatch):
        identity("Ada", name=beside)


@pytest.mark.parametrize(
    "beside",
    [" ", "\u200b", "x" * 201, "x" * 3000, "Ada\0", "A\nda"],
    ids=lambda text: ascii(text[:9]) + str(len(text)),
)
def test_what_is_no_name_is_invalid_whatever_google_says(beside: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        identity(beside, name=beside)

    assert [error.field for error in caught.value.field_errors] == ["name"]


@pytest.mark.parametrize("field", ["google_id", "email", "name"])
def test_an_empty_field_was_not_given(field: str) -> None:
    assert identity("Ada", **{field: ""}).name == "Ada"


def test_the_other_fields_must_agree_too() -> None:
    assert identity("Ada", google_id="1234", email="ADA@example.com").subject == "1234"
    for other in ({"google_id": "4321"}, {"email": "eve@example.com"}):
        with pytest.raises(IdentityMismatch):
            identity("Ada", **other)


def test_an_address_of_googles_that_we_could_not_keep_is_invalid_where_it_is_compared() -> None:
    with pytest.raises(InvalidEmail):
        signed_identity(
            replace(ADAS, email="nobody"),
            read(id_token="x.y.z", email="ada@example.com"),
        )


# A trusted back end


def test_the_secret_key_vouches_for_the_three_fields() -> None:
    vouched = vouched_identity("the secret key", API_KEYS, read(**VOUCHED))

    assert vouched == VerifiedIdentity(provider=GOOGLE, subject="1234", email="Ada@example.com", name="Ada")


@pytest.mark.parametrize("apikey", [None, "", "the publishable key", "another key"])
def test_no_other_key_vouches_for_anything(apikey: str | None) -> None:
    for body in (read(**VOUCHED), read()):
        with pytest.raises(IdentityNotProven):
            vouched_identity(apikey, API_KEYS, body)


def test_every_field_that_is_missing_is_named() -> None:
    with pytest.raises(InvalidFields) as caught:
        vouched_identity("the secret key", API_KEYS, read(email="ada@example.com", name=""))

    assert [error.field for error in caught.value.field_errors] == ["google_id", "name"]


@pytest.mark.parametrize("google_id", ["a b", "é", "x" * 256, "1\n", 7])
def test_what_is_no_google_id_is_invalid(google_id: object) -> None:
    with pytest.raises(InvalidFields) as caught:
        read(**{**VOUCHED, "google_id": google_id})

    assert [error.field for error in caught.value.field_errors] == ["google_id"]
