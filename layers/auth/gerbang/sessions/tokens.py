"""Tokens: JWTs with one purpose each, signed by the deployment's keys, read with nothing taken on trust.

Every reader demands its own `token_use`, `aud`, `iss` and the one configured algorithm (RFC 8725, sections 3.1, 3.8,
3.9, 3.11, 3.12) and looks the key up by `kid` among ours; key material in a header is never looked at (3.10). Access
and refresh tokens are signed with different keys, so one can never be taken for the other.

PyJWT is imported where it is used: by then `gerbang.container` has decided whether it may find cryptography.
"""
# ruff: noqa: PLC0415

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from gerbang.core.clock import from_epoch, to_epoch
from gerbang.core.errors import AuthError
from gerbang.sessions.keys import Algorithm, Keys, MasterKey, Purpose

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from gerbang.storage.families import Family
    from gerbang.storage.users import User

LONGEST_TOKEN: Final = 4096
"""Characters; ours have some 500. Longer text is refused unread."""

_COMPACT_FORM: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
"""Three parts of base64url without padding (RFC 7515, sections 2 and 7.1). PyJWT would let `=` pass: one token, many
spellings."""

CLOCK_SKEW: Final = timedelta(seconds=60)
"""By how much an `iat` may lie ahead of our clock: other environments' clocks differ (F20). Nothing lives longer."""

REFRESH_AUDIENCE: Final = "gerbang:refresh"
"""The audience of refresh tokens: this deployment's refresh endpoints and nobody else."""


class TokenUse(StrEnum):
    """What a token is for, its `token_use` claim."""

    ACCESS = "access"
    REFRESH = "refresh"


class InvalidToken(AuthError):
    """The token is not ours, is for something else, or was damaged."""

    code = "bad_jwt"


class TokenExpired(AuthError):
    """The access token was good and its time is over: the client should refresh."""

    code = "token_expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessClaims:
    """What is believed of an access token: whose session it is of, and how far that was. The rest is the account's."""

    user_id: str
    family_id: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshClaims:
    """What a refresh token says: a family, the generation it was issued at, and the sign-in it descends from."""

    family_id: str
    user_id: str
    generation: int
    signed_in_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPair:
    """What a client is handed: two tokens and when the first one ends."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    expires_at: datetime
    expires_in: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Signs and reads the deployment's tokens."""

    keys: Keys
    issuer: str
    audience: str
    algorithm: Algorithm
    access_lifetime: timedelta
    new_id: "Callable[[], str]"

    def pair(self, user: "User", family: "Family", *, at: datetime) -> TokenPair:
        """Return the tokens of the family's current generation for its user.

        The refresh token depends on the family alone: whoever is handed the same generation is handed the same text.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        key = self.keys.current()
        expires_at = from_epoch(to_epoch(at + self.access_lifetime))
        return TokenPair(
            access_token=self._sign_access(user, family, key=key, at=at, until=expires_at),
            refresh_token=self._sign_refresh(family, key=key),
            expires_at=expires_at,
            expires_in=self.access_lifetime,
        )

    def read_access(self, token: str, *, at: datetime) -> AccessClaims:
        """Return what an access token of ours says.

        Raises:
            InvalidToken: it is not ours, not an access token, or damaged.
            TokenExpired: its time is over.
            DependencyUnavailable: the keys could not be read.
        """
        claims = self._read(token, use=TokenUse.ACCESS, audience=self.audience, algorithm=self.algorithm, at=at)
        return AccessClaims(
            user_id=_uuid(claims, "sub"),
            family_id=_uuid(claims, "session_id"),
            generation=_number(claims, "gen"),
        )

    def read_refresh(self, token: str, *, at: datetime) -> RefreshClaims:
        """Return what a refresh token of ours says.

        Raises:
            InvalidToken: it is not ours, not a refresh token, damaged, or its time is over.
            DependencyUnavailable: the keys could not be read.
        """
        try:
            claims = self._read(
                token, use=TokenUse.REFRESH, audience=REFRESH_AUDIENCE, algorithm=Algorithm.HS256, at=at
            )
        except TokenExpired as expired:  # "expired" is said of access tokens alone: this client has to sign in
            raise InvalidToken("refresh token expired") from expired
        return RefreshClaims(
            family_id=_uuid(claims, "session_id"),
            user_id=_uuid(claims, "sub"),
            generation=_number(claims, "gen"),
            signed_in_at=from_epoch(_number(claims, "auth_time")),
        )

    def warm(self) -> None:
        """Do what the first request would have to: read the keys, sign and read once.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        import jwt

        key = self.keys.current()
        signed = jwt.encode({}, self._signing(key, TokenUse.ACCESS, self.algorithm), algorithm=self.algorithm)
        jwt.decode(
            signed,
            self._verifying(key, TokenUse.ACCESS, self.algorithm),
            algorithms=[self.algorithm],
            options={"require": []},
        )

    def public_keys(self) -> list[dict[str, str]]:
        """Return the keys that others verify access tokens with (RFC 7517); none for HS256, whose key is secret.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        if self.algorithm is Algorithm.HS256:
            return []
        from jwt.algorithms import ECAlgorithm

        return [
            ECAlgorithm.to_jwk(self._p256(key).public_key(), as_dict=True)
            | {"kid": key.kid, "alg": self.algorithm.value, "use": "sig"}
            for key in self.keys.verifying()
        ]

    def _sign_access(self, user: "User", family: "Family", *, key: MasterKey, at: datetime, until: datetime) -> str:
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": user.user_id,
            "iat": to_epoch(at),
            "exp": to_epoch(until),
            "jti": self.new_id(),
            "session_id": family.family_id,
            "gen": family.generation,
            "role": "anonymous" if user.is_anonymous else "authenticated",
            "email": user.email or "",
            "email_verified": user.email_verified_at is not None,
            "is_anonymous": user.is_anonymous,
            "token_use": TokenUse.ACCESS,
        }
        return self._sign(claims, key, TokenUse.ACCESS, self.algorithm)

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
        import jwt

        return jwt.encode(claims, self._signing(key, use, algorithm), algorithm=algorithm, headers={"kid": key.kid})

    def _read(self, token: str, *, use: TokenUse, audience: str, algorithm: Algorithm, at: datetime) -> dict[str, Any]:
        import jwt

        if len(token) > LONGEST_TOKEN or not _COMPACT_FORM.fullmatch(token):
            raise InvalidToken("not of the form of a token")
        try:
            kid = _named_key(token)
            key = self.keys.find(kid) if isinstance(kid, str) else None
            if key is None:
                raise InvalidToken("unknown key")
            claims: dict[str, Any] = jwt.decode(
                token,
                self._verifying(key, use, algorithm),
                algorithms=[algorithm],
                audience=audience,
                issuer=self.issuer,
                # Times are checked below, by the clock that everything else here goes by.
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
        if _number(claims, "exp") <= to_epoch(at):
            raise TokenExpired
        return claims

    def _signing(self, key: MasterKey, use: TokenUse, algorithm: Algorithm) -> "bytes | EllipticCurvePrivateKey":
        if algorithm is Algorithm.ES256:
            return self._p256(key)
        return self._symmetric(key, use)

    def _verifying(self, key: MasterKey, use: TokenUse, algorithm: Algorithm) -> Any:
        if algorithm is Algorithm.ES256:
            return self._p256(key).public_key()
        return self._symmetric(key, use)

    def _symmetric(self, key: MasterKey, use: TokenUse) -> bytes:
        purpose = Purpose.ACCESS_TOKEN if use is TokenUse.ACCESS else Purpose.REFRESH_TOKEN
        return self.keys.derive(key, purpose)

    def _p256(self, key: MasterKey) -> "EllipticCurvePrivateKey":
        from gerbang.sessions.p256 import private_key  # imports cryptography

        return private_key(self.keys.derive(key, Purpose.SIGNING_KEY_P256, length=48))


def _named_key(token: str) -> object:
    """Return the header's `kid`, unverified: PyJWT would parse the whole token for it, and then once more."""
    from jwt.utils import base64url_decode

    header: object = json.loads(base64url_decode(token.partition(".")[0]))
    return header.get("kid") if isinstance(header, dict) else None


def _number(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidToken(f"{name} is no number")
    return value


def _uuid(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    try:
        if isinstance(value, str) and str(UUID(value)) == value:
            return value
    except ValueError:
        pass
    raise InvalidToken(f"{name} is no UUID")
