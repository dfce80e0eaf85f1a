"""gerbang.apis.snapotp.google: the two ways to prove a Google identity, and how its fields are checked."""

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

from tests.fakes import FakeClock, FakeSecretText

API_KEYS: Final = ApiKeys("the publishable key", FakeSecretText("the secret key"), FakeClock())
GOOGLE_IDENTITY: Final = ProviderIdentity(
    provider=GOOGLE,
    issuer="https://accounts.google.com",
    subject="1234",
    email="ada@example.com",
    email_verified=True,
    name="Ada",
    profile={"locale": "id"},
)
FIELDS: Final = {"google_id": "1234", "email": "Ada@example.com", "name": "Ada"}


def read_request(**fields: object) -> GoogleRequest:
    return GoogleRequest.read(fields, {})


def identity_from_token(google_name: str, /, **name_field: str) -> VerifiedIdentity:
    """The identity from a token with a name, and from fields of the request."""
    verified = replace(GOOGLE_IDENTITY, name=google_name)
    return signed_identity(verified, read_request(id_token="x.y.z", **name_field))


# With an ID token of Google


@pytest.mark.parametrize(
    ("google_name", "name"),
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
def test_the_name_from_google_is_cleaned(google_name: str, name: str) -> None:
    assert identity_from_token(google_name) == VerifiedIdentity(
        provider=GOOGLE,
        subject="1234",
        email="ada@example.com",
        name=name,
        issuer="https://accounts.google.com",
        profile={"locale": "id"},
    )


@pytest.mark.parametrize("google_name", ["", " ", "\0", "\u200b", "\u2028" * 3000], ids=lambda text: ascii(text[:9]))
def test_without_a_name_from_google_the_field_is_used(google_name: str) -> None:
    assert identity_from_token(google_name, name=" Ada ").name == "Ada"


@pytest.mark.parametrize(
    ("google_name", "name_field"),
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
def test_a_name_field_matches_after_trimming_and_normalisation(google_name: str, name_field: str) -> None:
    assert identity_from_token(google_name, name=name_field) == identity_from_token(google_name)


@pytest.mark.parametrize("name_field", ["Eve", "ada", "Ad", "Ada Lovelace", "x" * 200], ids=lambda text: text[:20])
def test_another_name_is_a_mismatch(name_field: str) -> None:
    with pytest.raises(IdentityMismatch):
        identity_from_token("Ada", name=name_field)


@pytest.mark.parametrize(
    "name_field",
    [" ", "\u200b", "x" * 201, "x" * 3000, "Ada\0", "A\nda"],
    ids=lambda text: ascii(text[:9]) + str(len(text)),
)
def test_an_invalid_name_field_is_rejected(name_field: str) -> None:
    with pytest.raises(InvalidFields) as caught:
        identity_from_token(name_field, name=name_field)

    assert [error.field for error in caught.value.field_errors] == ["name"]


@pytest.mark.parametrize("field", ["google_id", "email", "name"])
def test_an_empty_field_counts_as_missing(field: str) -> None:
    assert identity_from_token("Ada", **{field: ""}).name == "Ada"


def test_id_and_address_fields_must_match_the_token() -> None:
    assert identity_from_token("Ada", google_id="1234", email="ADA@example.com").subject == "1234"
    for fields in ({"google_id": "4321"}, {"email": "eve@example.com"}):
        with pytest.raises(IdentityMismatch):
            identity_from_token("Ada", **fields)


def test_an_invalid_address_from_google_is_rejected_when_it_is_compared() -> None:
    with pytest.raises(InvalidEmail):
        signed_identity(
            replace(GOOGLE_IDENTITY, email="no address"),
            read_request(id_token="x.y.z", email="ada@example.com"),
        )


# From a trusted back end


def test_with_the_secret_key_the_three_fields_are_accepted() -> None:
    identity = vouched_identity("the secret key", API_KEYS, read_request(**FIELDS))

    assert identity == VerifiedIdentity(provider=GOOGLE, subject="1234", email="Ada@example.com", name="Ada")


@pytest.mark.parametrize("apikey", [None, "", "the publishable key", "another key"])
def test_without_the_secret_key_the_fields_are_rejected(apikey: str | None) -> None:
    for body in (read_request(**FIELDS), read_request()):
        with pytest.raises(IdentityNotProven):
            vouched_identity(apikey, API_KEYS, body)


def test_all_missing_fields_are_reported() -> None:
    with pytest.raises(InvalidFields) as caught:
        vouched_identity("the secret key", API_KEYS, read_request(email="ada@example.com", name=""))

    assert [error.field for error in caught.value.field_errors] == ["google_id", "name"]


@pytest.mark.parametrize("google_id", ["a b", "é", "x" * 256, "1\n", 7])
def test_an_invalid_google_id_is_rejected(google_id: object) -> None:
    with pytest.raises(InvalidFields) as caught:
        read_request(**{**FIELDS, "google_id": google_id})

    assert [error.field for error in caught.value.field_errors] == ["google_id"]
