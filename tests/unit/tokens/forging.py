"""Tokens with other claims, headers and signatures than the deployment would sign."""

from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest
from gerbang.sessions import p256, rsa_pair
from gerbang.sessions.claims import InvalidToken, TokenPair
from gerbang.sessions.keys import Algorithm, Purpose
from gerbang.sessions.tokens import Tokens

from tests.deployment import Deployment
from tests.fakes import FakeClock
from tests.unit.jwt_parts import claims_of, encoded, header_of


class Forge:
    """Signs any claims with the deployment's own keys, as only a bug of ours could."""

    def __init__(self, deployment: Deployment, pair: TokenPair) -> None:
        self.deployment = deployment
        self.pair = pair

    def access(self, change: dict[str, Any] | None = None, *, without: str = "") -> str:
        return self._signed(self.pair.access_token, change or {}, without, self._access_key())

    def refresh(self, change: dict[str, Any] | None = None, *, without: str = "") -> str:
        return self._signed(self.pair.refresh_token, change or {}, without, self._symmetric(Purpose.REFRESH_TOKEN))

    def access_signed_for_refresh(self, change: dict[str, Any]) -> str:
        header = {"alg": "HS256", "kid": self.deployment.keys.current().kid}
        return self._signed(self.pair.access_token, change, "", self._symmetric(Purpose.REFRESH_TOKEN), header)

    def _signed(
        self, like: str, change: dict[str, Any], without: str, key: Any, header: dict[str, Any] | None = None
    ) -> str:
        header, claims = header_of(like) | (header or {}), claims_of(like) | change
        claims.pop(without, None)
        # Not PyJWT's encode, which rejects some of the claims that reading must reject.
        signing_input = f"{encoded(header)}.{encoded(claims)}"
        return f"{signing_input}.{signature(signing_input, key, header['alg'])}"

    def _access_key(self) -> Any:
        key = self.deployment.keys.current()
        match self.deployment.choices.algorithm:
            case Algorithm.HS256:
                return key.derive(Purpose.ACCESS_TOKEN)
            case Algorithm.ES256:
                return p256.private_key(key.derive(Purpose.SIGNING_KEY_P256, 48))
            case Algorithm.RS256:
                assert key.key_pair is not None
                return rsa_pair.private_key(key.key_pair)

    def _symmetric(self, purpose: Purpose) -> bytes:
        return self.deployment.keys.current().derive(purpose)


def access_kid(kid: str, algorithm: Algorithm) -> str:
    """The key id in access tokens: different for RS256, so that no cache confuses the RSA and the P-256 key."""
    return f"{kid}.rs256" if algorithm is Algorithm.RS256 else kid


def signature(signing_input: str, key: Any, algorithm: str) -> str:
    signer: Any = jwt.get_algorithm_by_name(algorithm)
    raw: bytes = signer.sign(signing_input.encode(), signer.prepare_key(key))
    return urlsafe_b64encode(raw).decode().rstrip("=")


def with_header(token: str, change: dict[str, Any], *, key: Any = None, algorithm: str = "") -> str:
    """The token with another header, signed again if there is a key."""
    _, payload, old = token.split(".")
    signing_input = f"{encoded(header_of(token) | change)}.{payload}"
    return f"{signing_input}.{signature(signing_input, key, algorithm) if algorithm else old}"


def assert_rejected(tokens: Tokens, token: str, clock: FakeClock) -> None:
    for read in (tokens.read_access, tokens.read_access_even_if_expired, tokens.read_refresh):
        with pytest.raises(InvalidToken):
            read(token, at=clock())
