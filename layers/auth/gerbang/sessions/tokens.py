"""Tokens: JWTs with one purpose each, signed with the deployment's keys and verified completely.

Every reader demands its own `token_use`, `aud`, `iss` and the one configured algorithm (RFC 8725, sections 3.1, 3.8,
3.9, 3.11, 3.12) and looks up the key by `kid` among ours; key material in a header is ignored (3.10). Access and
refresh tokens are signed with different keys, so one can never be used as the other.

PyJWT imports cryptography wherever it finds it. So at run time only `gerbang.components` imports this module, and for
HS256 hides cryptography meanwhile; other modules take errors and claims from `gerbang.sessions.claims`.
(docs/decisions/0013-init.md)
"""

import json
import re
from base64 import urlsafe_b64decode
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import jwt

from gerbang.core.clock import from_epoch, to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.sessions.claims import (
    CLOCK_SKEW,
    NO_CLAIMS,
    AccessClaims,
    InvalidToken,
    RefreshClaims,
    TokenExpired,
    TokenPair,
    role_of,
)
from gerbang.sessions.keys import Algorithm, Keys, MasterKey, Purpose
from gerbang.storage.profiles import shown_app_metadata, shown_user_metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    from gerbang.storage.accounts import User
    from gerbang.storage.families import Family

LONGEST_TOKEN: Final = 11_264
"""Characters; ours have some 700 to 1,000, and up to 10,700 with the largest metadata and claims, all of it in letters
that JSON escapes. API Gateway takes 10,240 bytes of headers. Longer text is rejected unparsed."""

LONGEST_METADATA: Final = 3072
"""Characters of JSON, in ASCII, of the metadata in an access token."""

_COMPACT_FORM: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
"""Three parts of base64url without padding (RFC 7515, sections 2 and 7.1). PyJWT accepts `=`, so that one token would
have several spellings."""

_RS256_KEY_ID: Final = ".rs256"
"""The suffix of RSA key ids: a cache must not confuse an RSA key with another algorithm's key of the same version
(RFC 7517, section 4.5)."""

REFRESH_AUDIENCE: Final = "gerbang:refresh"
"""The audience of refresh tokens: this deployment's refresh endpoints alone."""


class TokenUse(StrEnum):
    """What a token is for, its `token_use` claim."""

    ACCESS = "access"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Signs and reads the deployment's tokens."""

    keys: Keys
    issuer: str
    audience: str
    algorithm: Algorithm
    access_lifetime: timedelta
    carries_user_metadata: bool
    """Whether access tokens carry what their user wrote in `user_metadata`."""
    new_id: "Callable[[], str]"

    def pair(
        self, user: "User", family: "Family", *, at: datetime, extra: "Mapping[str, object]" = NO_CLAIMS
    ) -> TokenPair:
        """Return the tokens of the family's current generation for its user, the access token with *extra* claims.

        The refresh token depends on the family alone: every caller that gets the same generation gets the same text.
        The access token ends with the session at the latest.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        key, access_key = self.keys.current(), self._current_access_key()
        issued_at = from_epoch(to_epoch(at))
        expires_at = min(issued_at + self.access_lifetime, from_epoch(to_epoch(family.expires_at)))
        return TokenPair(
            access_token=self._sign(
                {**extra, **self._access_claims(user, family, issued_at=issued_at, expires_at=expires_at)},
                access_key,
                TokenUse.ACCESS,
                self.algorithm,
            ),
            refresh_token=self._sign_refresh(family, key=key),
            audience=self.audience,
            role=role_of(user, family),
            expires_at=expires_at,
            expires_in=expires_at - issued_at,
        )

    def read_access(self, token: str, *, at: datetime) -> AccessClaims:
        """Verify an access token and return its claims.

        Raises:
            InvalidToken: it is not ours, not an access token, or damaged.
            TokenExpired: it has expired.
            DependencyUnavailable: the keys could not be read.
        """
        claims = self.read_access_even_if_expired(token, at=at)
        if claims.expires_at <= at:
            raise TokenExpired
        return claims

    def read_access_even_if_expired(self, token: str, *, at: datetime) -> AccessClaims:
        """Verify an access token, expired or not, and return its claims. Only to end its session.

        Raises:
            InvalidToken: it is not ours, not an access token, or damaged.
            DependencyUnavailable: the keys could not be read.
        """
        claims = self._read(token, use=TokenUse.ACCESS, audience=self.audience, algorithm=self.algorithm, at=at)
        return AccessClaims(
            user_id=_uuid(claims, "sub"),
            family_id=_uuid(claims, "session_id"),
            generation=_number(claims, "gen"),
            expires_at=_instant(claims, "exp"),
        )

    def read_refresh(self, token: str, *, at: datetime) -> RefreshClaims:
        """Verify a refresh token and return its claims.

        Raises:
            InvalidToken: it is not ours, not a refresh token, damaged, or it has expired: the user has to sign in.
            DependencyUnavailable: the keys could not be read.
        """
        claims = self._read(token, use=TokenUse.REFRESH, audience=REFRESH_AUDIENCE, algorithm=Algorithm.HS256, at=at)
        if _instant(claims, "exp") <= at:
            raise InvalidToken("refresh token expired")
        return RefreshClaims(
            family_id=_uuid(claims, "session_id"),
            user_id=_uuid(claims, "sub"),
            generation=_number(claims, "gen"),
            signed_in_at=_instant(claims, "auth_time"),
        )

    def warm(self) -> None:
        """Read the keys, sign once and read once, so that the first request does not wait for it.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        key = self._current_access_key()
        signed = jwt.encode({}, self._signing(key, TokenUse.ACCESS, self.algorithm), algorithm=self.algorithm)
        jwt.decode(
            signed,
            self._verifying(key, TokenUse.ACCESS, self.algorithm),
            algorithms=[self.algorithm],
            options={"require": []},
        )

    def public_keys(self) -> list[dict[str, str]]:
        """Return the keys with which other services verify access tokens (RFC 7517); none for HS256: its key is secret.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        if self.algorithm is Algorithm.HS256:
            return []
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        published = []
        for key in self.keys.verifying():
            if self.algorithm is Algorithm.RS256 and key.key_pair is None:
                continue
            jwk = algorithm.to_jwk(self._verifying(key, TokenUse.ACCESS, self.algorithm), as_dict=True)
            jwk.pop("key_ops", None)  # `use` says the same, and a key should not have both (RFC 7517, section 4.3)
            published.append(jwk | {"kid": _kid_of(key, self.algorithm), "alg": self.algorithm.value, "use": "sig"})
        return published

    def _access_claims(
        self, user: "User", family: "Family", *, issued_at: datetime, expires_at: datetime
    ) -> dict[str, Any]:
        return {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": user.user_id,
            "iat": to_epoch(issued_at),
            "exp": to_epoch(expires_at),
            "jti": self.new_id(),
            "session_id": family.family_id,
            "gen": family.generation,
            "role": role_of(user, family),
            "aal": family.aal,
            "amr": [{"method": each.method, "timestamp": to_epoch(each.at)} for each in reversed(family.amr)],
            "email": user.email or "",
            "email_verified": user.email_verified_at is not None,
            "phone": "",
            "is_anonymous": user.is_anonymous,
            "token_use": TokenUse.ACCESS,
            **self._metadata(user),
        }

    def _metadata(self, user: "User") -> dict[str, Any]:
        """Return the metadata that goes into access tokens.

        API Gateway takes 10,240 bytes of headers in all. So the user's own metadata, which may have 8 KiB, is left out
        where both have more than `LONGEST_METADATA` characters.
        """
        app_metadata, user_metadata = shown_app_metadata(user), shown_user_metadata(user)
        if not self.carries_user_metadata:
            return {"app_metadata": app_metadata}
        if len(json.dumps([app_metadata, user_metadata])) > LONGEST_METADATA:
            user_metadata = {}
        return {"app_metadata": app_metadata, "user_metadata": user_metadata}

    def _sign_refresh(self, family: "Family", *, key: MasterKey) -> str:
        claims = {
            "iss": self.issuer,
            "aud": REFRESH_AUDIENCE,
            "sub": family.user_id,
            "iat": to_epoch(family.rotated_at),
            "exp": to_epoch(family.expires_at),
            "jti": f"{family.family_id}.{family.generation}",
            "session_id": family.family_id,
            "gen": family.generation,
            "auth_time": to_epoch(family.created_at),
            "token_use": TokenUse.REFRESH,
        }
        return self._sign(claims, key, TokenUse.REFRESH, Algorithm.HS256)

    def _sign(self, claims: dict[str, Any], key: MasterKey, use: TokenUse, algorithm: Algorithm) -> str:
        headers = {"kid": _kid_of(key, algorithm)}
        return jwt.encode(claims, self._signing(key, use, algorithm), algorithm=algorithm, headers=headers)

    def _read(self, token: str, *, use: TokenUse, audience: str, algorithm: Algorithm, at: datetime) -> dict[str, Any]:
        """Verify a token and return its claims. Its expiry is left to the caller."""
        if len(token) > LONGEST_TOKEN or not _COMPACT_FORM.fullmatch(token):
            raise InvalidToken("not of the form of a token")
        try:
            kid = _key_id(token)
            key = self.keys.find(kid.removesuffix(_RS256_KEY_ID)) if isinstance(kid, str) else None
            if key is None or kid != _kid_of(key, algorithm):
                raise InvalidToken("unknown key")
            claims: dict[str, Any] = jwt.decode(
                token,
                self._verifying(key, use, algorithm),
                algorithms=[algorithm],
                audience=audience,
                issuer=self.issuer,
                # Times are compared with our own clock: `iat` below, `exp` by the caller.
                options={
                    "require": ["aud", "exp", "iat", "iss", "jti", "sub"],
                    "strict_aud": True,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise InvalidToken(type(error).__name__) from error
        if claims.get("token_use") != use:
            raise InvalidToken("for another use")
        if _number(claims, "iat") > to_epoch(at + CLOCK_SKEW):
            raise InvalidToken("from the future")
        return claims

    def _current_access_key(self) -> MasterKey:
        return self.keys.current_with_pair() if self.algorithm is Algorithm.RS256 else self.keys.current()

    def _signing(
        self, key: MasterKey, use: TokenUse, algorithm: Algorithm
    ) -> "bytes | EllipticCurvePrivateKey | RSAPrivateKey":
        match algorithm:
            case Algorithm.HS256:
                return self._symmetric(key, use)
            case Algorithm.ES256:
                return self._p256(key)
            case Algorithm.RS256:
                return _rsa(key)

    def _verifying(self, key: MasterKey, use: TokenUse, algorithm: Algorithm) -> Any:
        signing = self._signing(key, use, algorithm)
        return signing if isinstance(signing, bytes) else signing.public_key()

    def _symmetric(self, key: MasterKey, use: TokenUse) -> bytes:
        purpose = Purpose.ACCESS_TOKEN if use is TokenUse.ACCESS else Purpose.REFRESH_TOKEN
        return self.keys.derive(key, purpose)

    def _p256(self, key: MasterKey) -> "EllipticCurvePrivateKey":
        # Imports cryptography: 17 ms of a start of 150 to 200 ms, for ES256 only (docs/decisions/0013-init.md).
        from gerbang.sessions.p256 import private_key  # noqa: PLC0415

        return private_key(self.keys.derive(key, Purpose.SIGNING_KEY_P256, length=48))


def _rsa(key: MasterKey) -> "RSAPrivateKey":
    # Imports cryptography, as `Tokens._p256`.
    from gerbang.sessions.rsa_pair import private_key  # noqa: PLC0415

    if key.key_pair is None:
        raise InvalidToken("its key has no key pair")
    return private_key(key.key_pair)


def _kid_of(key: MasterKey, algorithm: Algorithm) -> str:
    return key.kid + _RS256_KEY_ID if algorithm is Algorithm.RS256 else key.kid


def _key_id(token: str) -> object:
    """Return the header's `kid`, unverified. PyJWT's function for it would parse the whole token a second time."""
    encoded = token.partition(".")[0]
    header: object = json.loads(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    return header.get("kid") if isinstance(header, dict) else None


def _number(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidToken(f"{name} is no number")
    return value


def _instant(claims: dict[str, Any], name: str) -> datetime:
    try:
        return from_epoch(_number(claims, name))
    except (OverflowError, OSError, ValueError) as error:
        raise InvalidToken(f"{name} is out of range") from error


def _uuid(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    try:
        if isinstance(value, str) and str(UUID(value)) == value:
            return value
    except ValueError:
        pass
    raise InvalidToken(f"{name} is no UUID")
