"""The JWT authorizer of API Gateway's HTTP APIs, implemented from its documented rules.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-jwt-authorizer.html, "Authorizing API requests
with a JWT authorizer". Its settings are those that a SAM template gives it.
"""

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import jwt

KEEPS_KEYS_SECONDS: Final = 2 * 60 * 60
RSA: Final = frozenset({"RS256", "RS384", "RS512"})
"""Currently only RSA-based algorithms are supported."""


class Denied(Exception):
    """The request gets 401, or 403 for a missing scope. The text names the rule that is broken."""


@dataclass(kw_only=True)
class JwtAuthorizer:
    """An authorizer and the keys it has cached."""

    issuer: str
    audience: Sequence[str]
    fetch: Callable[[str], Any]
    """Return the JSON at a URL."""
    now: Callable[[], float] = time.time
    _keys: Mapping[str, Any] = field(default_factory=dict[str, Any])
    _fetched_at: float = 0.0

    def __post_init__(self) -> None:
        """Read the discovery document, as API Gateway does when an authorizer is made."""
        document = self.fetch(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        assert document["issuer"] == self.issuer
        self._jwks_uri = document["jwks_uri"]

    def authorize(self, authorization: str, scopes: Sequence[str] = ()) -> dict[str, Any]:
        """Return the claims that are passed to the function behind a route with these scopes.

        Raises:
            Denied: a rule is broken.
        """
        scheme, _, token = authorization.partition(" ")
        token = token if scheme == "Bearer" else authorization
        try:
            header, claims = (json.loads(_decoded(part)) for part in token.split(".")[:2])
        except ValueError as error:
            raise Denied("no token") from error
        if header.get("alg") not in RSA:
            raise Denied("algorithm")
        key = self._key_set().get(header.get("kid"))
        if key is None:
            raise Denied("kid")
        try:
            jwt.PyJWS().decode(token, jwt.PyJWK(key).key, algorithms=[header["alg"]])
        except jwt.PyJWTError as error:
            raise Denied("signature") from error
        self._check(claims)
        token_scopes = str(claims.get("scope", claims.get("scp", ""))).split()
        if scopes and not set(scopes) & set(token_scopes):
            raise Denied("scope")
        return dict(claims)

    def _check(self, claims: Mapping[str, Any]) -> None:
        audience = claims.get("aud", claims.get("client_id"))
        broken = {
            "iss": claims.get("iss") != self.issuer,
            "aud": not set([audience] if isinstance(audience, str) else audience or []) & set(self.audience),
            "exp": not claims.get("exp", 0) > self.now(),
            "nbf": not claims.get("nbf", 0) < self.now(),
            "iat": not claims.get("iat", 0) < self.now(),
        }
        for name, is_broken in broken.items():
            if is_broken:
                raise Denied(name)

    def _key_set(self) -> Mapping[str, Any]:
        if self.now() - self._fetched_at >= KEEPS_KEYS_SECONDS:
            self._keys = {key["kid"]: key for key in self.fetch(self._jwks_uri)["keys"]}
            self._fetched_at = self.now()
        return self._keys


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
