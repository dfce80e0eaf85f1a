"""Verifying ID tokens, and why they are rejected."""

from datetime import UTC, datetime
from typing import Any

import pytest
from gerbang.accounts.oidc import IdTokenVerifier
from gerbang.accounts.oidc_provider import Provider, google
from gerbang.accounts.provider_identity import IdTokenFlaw, InvalidIdToken

from tests.unit.id_tokens import ANDROID, WEB, key_set
from tests.unit.oidc.providers import FakeKeyEndpoint

GOOGLE = google(client_ids=frozenset({WEB, ANDROID}), jwks_url="https://www.googleapis.com/oauth2/v3/certs")


def verifier_of(provider: Provider, *jwks: Any) -> IdTokenVerifier:
    return IdTokenVerifier(provider, fetch=FakeKeyEndpoint(key_set(*jwks)), now=lambda: datetime.now(UTC))


def flaw_of(verifier: IdTokenVerifier, token: str, *, nonce: str | None = None) -> IdTokenFlaw:
    with pytest.raises(InvalidIdToken) as caught:
        verifier.verify(token, nonce=nonce)
    assert not token or token not in f"{caught.value!s} {caught.value!r}"
    assert caught.value.__cause__ is None  # PyJWT's messages may quote the token
    return caught.value.flaw
