"""gerbang.accounts.id_tokens: which provider verifies an ID token, and which tokens are rejected."""

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from gerbang.accounts.id_tokens import IdTokens, ProviderDisabled, ShownIdToken, UnknownProvider
from gerbang.accounts.oidc import IdTokenVerifier
from gerbang.accounts.oidc_provider import Provider, discovered, google
from gerbang.accounts.provider_identity import IdTokenFlaw, InvalidIdToken
from gerbang.container import Container
from gerbang.provider_settings import InvalidSettings

from tests.unit.id_tokens import WEB, elliptic_jwk, good_claims, jwk, key_set, signed, signed_with_es256, token_with

ISSUER = "https://id.example/realms/shop"
GOOGLE = google(client_ids=frozenset({WEB}), jwks_url="https://www.googleapis.com/oauth2/v3/certs")
KEYCLOAK = discovered("keycloak", issuer=ISSUER, client_ids=frozenset({"web", "ios"}))
SHOP = discovered("custom:shop", issuer="https://shop.example", client_ids=frozenset({"web"}))


def verifier_of(provider: Provider) -> IdTokenVerifier:
    keys = key_set(jwk(), elliptic_jwk("elliptic"))
    return IdTokenVerifier(provider, fetch=lambda: keys, now=lambda: datetime.now(UTC))


ID_TOKENS = IdTokens({provider.name: verifier_of(provider) for provider in (GOOGLE, KEYCLOAK, SHOP)})


def keycloak_token(**claims: Any) -> str:
    return token_with(**{"iss": ISSUER, "aud": "web", **claims})


def flaw_of(request: ShownIdToken) -> IdTokenFlaw:
    with pytest.raises(InvalidIdToken) as caught:
        ID_TOKENS.verify(request)
    return caught.value.flaw


# The provider


def test_a_provider_is_chosen_by_name() -> None:
    for name, token in (
        ("google", signed()),
        ("keycloak", keycloak_token()),
        ("custom:shop", token_with(iss="https://shop.example", aud="web")),
    ):
        assert ID_TOKENS.verify(ShownIdToken(id_token=token, provider=name)).provider == name


def test_a_provider_is_chosen_by_issuer_and_client_id() -> None:
    for issuer, client_id, token, name in (
        (ISSUER, "ios", keycloak_token(), "keycloak"),
        ("https://accounts.google.com", WEB, signed(), "google"),
        ("accounts.google.com", WEB, signed(), "google"),
    ):
        request = ShownIdToken(id_token=token, issuer=issuer, client_id=client_id)
        assert ID_TOKENS.verify(request).provider == name


def test_the_name_takes_precedence_over_issuer_and_client_id() -> None:
    request = ShownIdToken(id_token=signed(), provider="google", issuer=ISSUER, client_id="web")

    assert ID_TOKENS.verify(request).provider == "google"


@pytest.mark.parametrize(
    "name", ["google", "apple", "azure", "facebook", "keycloak", "kakao", "snapchat", "vercel_marketplace", "custom:x"]
)
def test_a_provider_that_is_not_configured_is_disabled(name: str) -> None:
    with pytest.raises(ProviderDisabled) as caught:
        IdTokens({}).verify(ShownIdToken(id_token=signed(), provider=name))

    assert (caught.value.code, str(caught.value)) == ("provider_disabled", name)


@pytest.mark.parametrize(
    "name", ["", "Google", "google ", "myspace", "email", "custom:", "custom:A", "custom:é", "x" * 999]
)
def test_a_provider_that_gotrue_does_not_know_is_a_validation_error(name: str) -> None:
    with pytest.raises(UnknownProvider) as caught:
        ID_TOKENS.verify(ShownIdToken(id_token=signed(), provider=name))

    assert caught.value.code == "validation_failed"
    assert [error.field for error in caught.value.field_errors] == ["provider"]
    assert not name or name not in str(caught.value.field_errors[0].message)


def test_a_configured_provider_that_gotrue_does_not_know_is_accepted() -> None:
    okta = discovered("okta", issuer=ISSUER, client_ids=frozenset({"web"}))

    assert (
        IdTokens({"okta": verifier_of(okta)}).verify(ShownIdToken(id_token=keycloak_token(), provider="okta")).subject
    )


@pytest.mark.parametrize(
    ("issuer", "client_id", "field"),
    [
        (None, None, "provider"),
        (ISSUER, None, "provider"),
        (None, "web", "provider"),
        ("https://evil.example", "web", "issuer"),
        (f"{ISSUER}/", "web", "issuer"),
        (ISSUER, "android", "client_id"),
        (ISSUER, "", "client_id"),
    ],
)
def test_without_a_name_issuer_and_client_id_must_match_a_provider(
    issuer: str | None, client_id: str | None, field: str
) -> None:
    with pytest.raises(UnknownProvider) as caught:
        ID_TOKENS.verify(ShownIdToken(id_token=keycloak_token(), issuer=issuer, client_id=client_id))

    assert [error.field for error in caught.value.field_errors] == [field]


# The token


@pytest.mark.parametrize(
    ("token", "flaw"),
    [
        ("no token", "malformed"),
        (signed({**good_claims(), "iss": ISSUER, "aud": "web"}, by="mallory"), "signature"),
        (keycloak_token(iss="https://accounts.google.com"), "issuer"),
        (keycloak_token(iss="https://shop.example"), "issuer"),
        (keycloak_token(exp=1), "expired"),
        (keycloak_token(aud=WEB), "audience"),
        (keycloak_token(aud=["web", "another"]), "audience"),
        (keycloak_token(nonce="something"), "nonce"),
        (keycloak_token(sub=""), "subject"),
    ],
)
def test_a_token_with_a_flaw_is_rejected(token: str, flaw: str) -> None:
    assert flaw_of(ShownIdToken(id_token=token, provider="keycloak")) == flaw


@pytest.mark.covers("109")
def test_request_and_token_must_have_the_same_nonce_or_none() -> None:
    hashed = hashlib.sha256(b"raw nonce").hexdigest()

    assert ID_TOKENS.verify(
        ShownIdToken(id_token=keycloak_token(nonce=hashed), provider="keycloak", nonce="raw nonce")
    ).subject
    for token, nonce in (
        (keycloak_token(), "raw nonce"),
        (keycloak_token(nonce=hashed), None),
        (keycloak_token(nonce=hashed), hashed),
    ):
        assert flaw_of(ShownIdToken(id_token=token, provider="keycloak", nonce=nonce)) is IdTokenFlaw.NONCE


def test_the_access_token_must_match_the_hash_in_the_id_token() -> None:
    token = keycloak_token(at_hash="77QmUPtjPfzWtF2AnpK9RQ")
    issued = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"

    assert ID_TOKENS.verify(ShownIdToken(id_token=token, provider="keycloak", access_token=issued)).subject
    assert flaw_of(ShownIdToken(id_token=token, provider="keycloak", access_token="x")) is IdTokenFlaw.ACCESS_TOKEN


def test_es256_is_accepted_except_from_google() -> None:
    claims = {**good_claims(), "iss": ISSUER, "aud": "web"}

    assert ID_TOKENS.verify(ShownIdToken(id_token=signed_with_es256(claims, "elliptic"), provider="keycloak")).subject
    token = signed_with_es256(good_claims(), "elliptic")
    assert flaw_of(ShownIdToken(id_token=token, provider="google")) is IdTokenFlaw.ALGORITHM


def test_an_unverified_or_missing_address_is_accepted() -> None:
    for claims in ({"email_verified": False}, {"email_verified": None}, {"email": None}):
        identity = ID_TOKENS.verify(ShownIdToken(id_token=keycloak_token(**claims), provider="keycloak"))
        assert not identity.email_verified


def test_tokens_are_not_in_the_repr() -> None:
    request = ShownIdToken(id_token="secret-1", provider="google", nonce="secret-2", access_token="secret-3")

    assert "secret" not in repr(request)


# The deployment's providers

CERTS = "https://www.googleapis.com/oauth2/v3/certs"


def id_tokens_of(**environment: str) -> IdTokens:
    return Container({"GOOGLE_CERTS_URL": CERTS, **environment}).id_tokens


def test_a_deployment_has_the_providers_that_are_configured() -> None:
    providers = {
        name: verifier.provider
        for name, verifier in id_tokens_of(
            GOOGLE_CLIENT_IDS="web.apps",
            OIDC_PROVIDERS=f"keycloak={ISSUER}|web,ios custom:shop=https://shop.example|web",
        ).verifiers.items()
    }

    assert providers.keys() == {"google", "keycloak", "custom:shop"}
    assert providers["keycloak"] == KEYCLOAK
    assert providers["custom:shop"] == SHOP
    assert providers["google"].client_ids == {"web.apps"}
    assert providers["google"].jwks_url == CERTS
    assert not any(provider.requires_verified_email for provider in providers.values())


def test_a_deployment_without_providers_has_none() -> None:
    assert id_tokens_of().verifiers == {}
    assert id_tokens_of(OIDC_PROVIDERS=f"keycloak={ISSUER}|web").verifiers.keys() == {"keycloak"}
    with pytest.raises(InvalidSettings):
        id_tokens_of(OIDC_PROVIDERS="keycloak")


@pytest.mark.parametrize(
    ("client_ids", "after"),
    [
        ("", "assert 'jwt' not in sys.modules"),
        ("web.apps", "import jwt; container.tokens; jwt.get_algorithm_by_name('RS256')"),
    ],
    ids=["no providers", "google"],
)
def test_cryptography_is_imported_only_in_a_function_with_providers(client_ids: str, after: str) -> None:
    """The program runs as on Lambda, in its own process (docs/decisions/0013-init.md)."""
    environment = {
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",
        "GOOGLE_CERTS_URL": CERTS,
        "GOOGLE_CLIENT_IDS": client_ids,
        "TOKEN_ALGORITHM": "HS256",
        "TOKEN_ISSUER": "test",
        "TOKEN_AUDIENCE": "test",
        "SESSIONS": "access=60 user_metadata=true",
        "MASTER_SECRET": "test",
    }
    program = f"import sys; from gerbang.container import container; container.id_tokens; {after}"

    process = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | environment, capture_output=True, text=True, check=False
    )

    assert (process.returncode, process.stderr) == (0, "")
