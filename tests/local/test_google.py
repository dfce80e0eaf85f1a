"""The stand-in for Google: its tokens verify with the key set that it publishes."""

import base64
import json
from typing import Any

import jwt
import pytest
from gerbang_local.google import MissingFields, StandInIssuer

ADA = {"email": "ada@example.com", "name": "Ada", "google_id": "1234"}


@pytest.fixture(scope="module")
def issuer() -> StandInIssuer:
    return StandInIssuer("client.apps.googleusercontent.com")


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return decoded


def test_a_token_verifies_with_the_published_keys(issuer: StandInIssuer) -> None:
    token = issuer.id_token(ADA)

    keys = jwt.PyJWKSet.from_dict(issuer.key_set())
    claims = jwt.decode(
        token,
        keys[jwt.get_unverified_header(token)["kid"]],
        algorithms=["RS256"],
        audience="client.apps.googleusercontent.com",
        issuer="https://accounts.google.com",
    )
    assert (claims["sub"], claims["email"], claims["name"]) == ("1234", "ada@example.com", "Ada")
    assert claims["email_verified"] is True
    assert claims["exp"] - claims["iat"] == 3600
    assert "google_id" not in claims


@pytest.mark.parametrize(
    "claim",
    [{"email_verified": False}, {"aud": "other"}, {"iss": "https://evil.example"}, {"exp": 1}, {"hd": "a.example"}],
)
def test_any_claim_can_be_set(issuer: StandInIssuer, claim: dict[str, Any]) -> None:
    assert claims_of(issuer.id_token(ADA | claim)).items() >= claim.items()


@pytest.mark.parametrize("name", ["email", "name", "google_id"])
@pytest.mark.parametrize("value", [None, "", 7])
def test_missing_fields_are_named(issuer: StandInIssuer, name: str, value: object) -> None:
    with pytest.raises(MissingFields) as caught:
        issuer.id_token(ADA | {name: value})

    assert caught.value.names == (name,)
