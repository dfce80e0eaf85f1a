"""A stand-in for Google's sign-in: it makes ID tokens without Google.

It signs ID tokens as Google does (RS256, with a `kid` of a published key set) for every caller. Only this machine can
reach it, and only this machine trusts its keys. With `iss` and `aud` of a provider in `OidcProviders`, its tokens are
that provider's: `OidcProviders="keycloak=http://127.0.0.1:3000/_local/oidc|web"`.
"""

import json
import threading
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

LOCAL_CLIENT_ID: Final = "local.apps.googleusercontent.com"
"""The client id of tokens when the deployment has none of its own."""

_ISSUER: Final = "https://accounts.google.com"
_LIFETIME_SECONDS: Final = 3600  # as Google's
_KEY_ID: Final = "local"
_REQUIRED: Final = ("email", "name", "google_id")


class MissingFields(Exception):
    """A request for a token lacks fields; `names` says which."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Keep the names."""
        super().__init__(", ".join(names))
        self.names: Final = names


class StandInIssuer:
    """Issues ID tokens for one client. Safe to use from several threads."""

    def __init__(self, client_id: str) -> None:
        """Take the client id that tokens are for; the key is made when it is first needed."""
        self._client_id: Final = client_id
        self._lock: Final = threading.Lock()

    @cached_property
    def _made_key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def _key(self) -> rsa.RSAPrivateKey:
        with self._lock:  # cached_property alone could make two in two threads
            return self._made_key

    def id_token(self, request: Mapping[str, Any]) -> str:
        """Return a token for `email`, `name` and `google_id` (`sub`).

        Every other member of *request* becomes a claim and replaces the usual one, to test how a service handles it:
        `aud`, `iss`, `exp`, `email_verified`, `hd`, `nonce`.

        Raises:
            MissingFields: one of the three is missing, empty or not text.
        """
        missing = tuple(name for name in _REQUIRED if not isinstance(request.get(name), str) or not request[name])
        if missing:
            raise MissingFields(missing)
        now = int(time.time())
        claims = {
            "iss": _ISSUER,
            "azp": self._client_id,
            "aud": self._client_id,
            "sub": request["google_id"],
            "email_verified": True,
            "iat": now,
            "exp": now + _LIFETIME_SECONDS,
        }
        claims |= {name: value for name, value in request.items() if name != "google_id"}
        # PyJWT's encode() rejects some claims that a service must reject itself; its JWS layer accepts all.
        header = {"kid": _KEY_ID, "typ": "JWT"}
        payload = json.dumps(claims, separators=(",", ":")).encode()
        return jwt.PyJWS().encode(payload, self._key(), algorithm="RS256", headers=header)

    def key_set(self) -> dict[str, Any]:
        """Return the JWK set (RFC 7517, section 5) that the tokens verify with."""
        public = RSAAlgorithm.to_jwk(self._key().public_key(), as_dict=True)
        return {"keys": [{**public, "alg": "RS256", "use": "sig", "kid": _KEY_ID}]}
