"""The ID tokens that may be traded for a session, by the provider that a request names (GoTrue's id_token grant).

This module does not import PyJWT; the verifiers do. Reasons: docs/decisions/0028-oidc-providers.md.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Final

from gerbang.accounts.provider_identity import InvalidIdToken
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError, FieldError

if TYPE_CHECKING:
    from gerbang.accounts.oidc import IdTokenVerifier
    from gerbang.accounts.provider_identity import ProviderIdentity

_KNOWN: Final = re.compile(
    "google|apple|azure|facebook|keycloak|kakao|snapchat|vercel_marketplace|custom:[a-z][a-z0-9_-]*"
)
"""The providers that GoTrue's clients may name in this grant."""


class UnknownProvider(AuthError):
    """The request names no provider, or one that neither GoTrue nor the deployment has."""

    code = "validation_failed"

    def __init__(self, field: str, message: str) -> None:
        """Keep the field of the request that is missing or wrong, and what is wrong with it."""
        super().__init__(field)
        self.field_errors = (FieldError(field, message),)


class ProviderDisabled(AuthError):
    """GoTrue has the provider, and the deployment is not configured for it."""

    code = "provider_disabled"


ID_TOKEN_ERRORS: Final = (UnknownProvider, ProviderDisabled, InvalidIdToken)
"""What `IdTokens.verify` raises, except `ProviderKeysUnavailable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownIdToken:
    """An ID token and what a request says about it. What is None was not sent."""

    id_token: str = field(repr=False)
    provider: str | None = None
    """The provider's name. Where it is given, `issuer` and `client_id` are not read."""
    issuer: str | None = None
    client_id: str | None = None
    nonce: str | None = field(default=None, repr=False)
    """Raw; the token has its hash."""
    access_token: str | None = field(default=None, repr=False)
    """The provider's access token, issued with the ID token."""


@dataclass(frozen=True, slots=True)
class IdTokens:
    """Verifies ID tokens of the deployment's providers."""

    verifiers: Mapping[str, "IdTokenVerifier"]
    """By the provider's name."""

    def verify(self, shown: ShownIdToken) -> "ProviderIdentity":
        """Return the identity that an ID token is about.

        Raises:
            UnknownProvider: the request names no provider, or an unknown one.
            ProviderDisabled: the provider is not configured.
            InvalidIdToken: the token is not valid, or not for the request's nonce or access token.
            ProviderKeysUnavailable: the provider's keys could not be fetched.
        """
        verifier = self._by_issuer(shown) if shown.provider is None else self._by_name(shown.provider)
        return verifier.verify(shown.id_token, nonce=shown.nonce, access_token=shown.access_token)

    def _by_name(self, name: str) -> "IdTokenVerifier":
        if name in self.verifiers:
            return self.verifiers[name]
        if _KNOWN.fullmatch(name):
            raise ProviderDisabled(name)
        raise UnknownProvider("provider", "Unknown provider")

    def _by_issuer(self, shown: ShownIdToken) -> "IdTokenVerifier":
        """Return the verifier of the provider with the issuer and the client id, which are both required."""
        if shown.issuer is None or shown.client_id is None:
            raise UnknownProvider("provider", "Send provider, or client_id and issuer")
        for verifier in self.verifiers.values():
            if shown.issuer in verifier.provider.issuers:
                if shown.client_id in verifier.provider.client_ids:
                    return verifier
                raise UnknownProvider("client_id", "Unknown client of this issuer")
        raise UnknownProvider("issuer", "Unknown issuer")
