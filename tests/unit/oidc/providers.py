"""Providers of ID tokens, and what tests use in their place."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gerbang.accounts.oidc_provider import Provider, ProviderKeysUnavailable, discovered, google

from tests.unit.id_tokens import WEB, jwk, key_set


def google_at(url: str = "https://www.googleapis.com/oauth2/v3/certs") -> Provider:
    return google(client_ids=frozenset({WEB}), jwks_url=url)


@dataclass
class FakeKeyEndpoint:
    """Answers with a key set in place of a provider, or is down; counts its calls."""

    document: bytes = field(default_factory=lambda: key_set(jwk()))
    is_down: bool = False
    calls: int = 0
    before_answering: Callable[[], object] = field(default=lambda: None)

    def __call__(self) -> bytes:
        self.calls += 1
        self.before_answering()
        if self.is_down:
            raise ProviderKeysUnavailable("google: down")
        return self.document


ISSUER = "https://id.example/realms/shop"


def shop_provider(issuer: str = ISSUER) -> Provider:
    return discovered("custom:shop", issuer=issuer, client_ids=frozenset({"shop-app"}))


def discovery_document(**members: Any) -> bytes:
    """A discovery document."""
    return json.dumps({"issuer": ISSUER, "jwks_uri": "https://keys.example/certs"} | members).encode()
