"""Verify the ID tokens of OpenID providers with PyJWT (OpenID Connect Core 1.0, section 3.1.3.7).

Keys come from the provider's fixed address alone (RFC 8725, section 3.10; ASVS 10.5.3): of what a token's header says
about keys, only `kid` is used, to choose among them. The result says who the user is at the provider. Which account
that is depends on `subject`, never on the address (ASVS 6.8.1, 10.5.2). Reasons: docs/decisions/0021-oidc-verifier.md.
"""

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import jwt

from gerbang.accounts.oidc_provider import KeyCache, Provider, read_key_set
from gerbang.accounts.provider_identity import IdTokenFlaw, InvalidIdToken, ProviderIdentity
from gerbang.core.clock import Clock
from gerbang.core.emails import LONGEST_ADDRESS

LONGEST_ID_TOKEN: Final = 8 * 1024
"""Characters. Google's tokens have about 1,200. Longer text is rejected before any work."""

LONGEST_SUBJECT: Final = 255
"""ASCII characters (OpenID Connect Core 1.0, section 2, `sub`)."""

PROFILE_CLAIMS: Final = ("picture", "given_name", "family_name", "nickname", "preferred_username", "locale")
"""Claims of the profile that are kept (section 5.1), the most useful first."""

LARGEST_PROFILE_BYTES: Final = 2 * 1024
"""Of the profile's claims together, in UTF-8 and JSON. A claim that would exceed it is left out."""

CLOCK_SKEW: Final = timedelta(seconds=60)
"""Leeway for `exp`, `iat` and `nbf` (F20, ASVS 9.2.1)."""

_COMPACT_FORM: Final = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
"""Three parts of unpadded base64url (RFC 7515, section 7.1). PyJWT takes padding too: one token, many spellings."""

_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
"""JSON's escapes can write half a pair (RFC 8259, section 8.2), which cannot be stored as text."""

_FLAWS: Final[Mapping[type[jwt.PyJWTError], IdTokenFlaw]] = {
    jwt.InvalidAlgorithmError: IdTokenFlaw.ALGORITHM,
    jwt.InvalidKeyError: IdTokenFlaw.KEY,
    jwt.InvalidSignatureError: IdTokenFlaw.SIGNATURE,
    jwt.MissingRequiredClaimError: IdTokenFlaw.MISSING_CLAIM,
    jwt.InvalidIssuerError: IdTokenFlaw.ISSUER,
    jwt.InvalidAudienceError: IdTokenFlaw.AUDIENCE,
    jwt.ExpiredSignatureError: IdTokenFlaw.EXPIRED,
    jwt.ImmatureSignatureError: IdTokenFlaw.NOT_YET_VALID,
    jwt.exceptions.InvalidSubjectError: IdTokenFlaw.SUBJECT,
}
"""By exact type. Any other error of PyJWT means a malformed token."""


class IdTokenVerifier:
    """Verifies the ID tokens of one provider."""

    def __init__(self, provider: Provider, *, fetch: Callable[[], bytes], now: Clock) -> None:
        """Take the provider, what fetches its key set (`KeyEndpoint`), and the clock that the keys age by.

        A token's own times are checked by PyJWT, against the system's clock.
        """
        self.provider: Final = provider
        self._keys = KeyCache(lambda: read_key_set(fetch(), provider), now=now)

    def warm(self) -> None:
        """Fetch the keys before a token needs them; without client ids no token does.

        Raises:
            ProviderKeysUnavailable: they could not be fetched.
        """
        if self.provider.client_ids:
            self._keys.warm()

    def verify(self, id_token: str, *, nonce: str | None = None, access_token: str | None = None) -> ProviderIdentity:
        """Return the identity that an ID token is about; its nonce must match the request's (GoTrue's id_token grant).

        Either both have a nonce or neither has one. The token's is the lower-case hex SHA-256 of *nonce*: the app gave
        the provider the hash and sends us the raw text, so an intercepted token is useless. Without nonces, the same
        token is accepted until it expires.

        An *access_token* must be the one that was issued with the ID token, if that has its hash (`at_hash`, section
        3.1.3.8).

        Raises:
            InvalidIdToken: it is not from the provider, not for us, not valid now, not for *nonce* or *access_token*,
                or has no verified address where the provider's configuration requires one.
            ProviderKeysUnavailable: we do not have the key that it names, and could not fetch the keys.
        """
        claims = self._verified_claims(id_token)
        claimed = None if claims.get("nonce") == "" else claims.get("nonce")
        # The caller has the token and so knows both values: a comparison in constant time would hide nothing.
        if claimed != (None if nonce is None else _sha256(nonce).hex()):
            raise InvalidIdToken(IdTokenFlaw.NONCE)
        at_hash = claims.get("at_hash")
        if access_token is not None and at_hash is not None and at_hash != _left_half_of_sha256(access_token):
            raise InvalidIdToken(IdTokenFlaw.ACCESS_TOKEN)
        return self._identity(claims)

    def verify_with_any_nonce(self, id_token: str) -> ProviderIdentity:
        """Return the identity that an ID token is about, with or without a nonce: for an API that has no field for one.

        Raises:
            InvalidIdToken, ProviderKeysUnavailable: as `verify`.
        """
        return self._identity(self._verified_claims(id_token))

    def _verified_claims(self, id_token: str) -> dict[str, Any]:
        """Return the claims of a token that the provider signed for us and that is valid now.

        Every audience must be ours, because each of them could present the token (section 3.1.3.7, item 3). `azp` is
        not compared: tokens of an Android app have its own id there, and ours in `aud`.
        """
        if not self.provider.client_ids:
            raise InvalidIdToken(IdTokenFlaw.AUDIENCE)
        if len(id_token) > LONGEST_ID_TOKEN or not _COMPACT_FORM.fullmatch(id_token):
            raise InvalidIdToken(IdTokenFlaw.MALFORMED)
        try:
            claims = jwt.decode(
                id_token,
                self._key_for(jwt.get_unverified_header(id_token)),
                algorithms=self.provider.algorithms,
                audience=self.provider.client_ids,
                issuer=self.provider.issuers,
                leeway=CLOCK_SKEW,
                options={"require": ["iss", "sub", "aud", "exp", "iat"], "enforce_minimum_key_length": True},
            )
        except jwt.PyJWTError as error:
            raise InvalidIdToken(_FLAWS.get(type(error), IdTokenFlaw.MALFORMED)) from None
        audience = claims["aud"]
        if not self.provider.client_ids.issuperset([audience] if isinstance(audience, str) else audience):
            raise InvalidIdToken(IdTokenFlaw.AUDIENCE)
        return claims

    def _key_for(self, header: dict[str, Any]) -> jwt.PyJWK:
        """Return the key that a token's header names.

        `typ` distinguishes ID tokens from other tokens that a provider signs with the same keys for the same clients,
        such as security events, `secevent+jwt` (RFC 8725, section 3.11; RFC 8417, section 2.3).
        """
        if str(header.get("typ", "JWT")).upper() != "JWT":
            raise InvalidIdToken(IdTokenFlaw.TYPE)
        if header.get("alg") not in self.provider.algorithms:  # PyJWT checks it too, but after we fetch keys
            raise InvalidIdToken(IdTokenFlaw.ALGORITHM)
        key = self._keys.find(header.get("kid", ""))
        if key is None:
            raise InvalidIdToken(IdTokenFlaw.KEY)
        return key

    def _identity(self, claims: dict[str, Any]) -> ProviderIdentity:
        subject = _text(claims, "sub")
        if not subject.strip() or not subject.isascii() or not subject.isprintable() or len(subject) > LONGEST_SUBJECT:
            raise InvalidIdToken(IdTokenFlaw.SUBJECT)
        email = _text(claims, "email")
        is_address = "@" in email and email.isprintable() and len(email) <= LONGEST_ADDRESS
        # Google and Apple have also issued the text "true". Anything else, such as 1 or "True", verifies nothing.
        is_verified = claims.get("email_verified") is True or claims.get("email_verified") == "true"
        if self.provider.requires_verified_email and not is_address:
            raise InvalidIdToken(IdTokenFlaw.ADDRESS)
        if self.provider.requires_verified_email and not is_verified:
            raise InvalidIdToken(IdTokenFlaw.ADDRESS_UNVERIFIED)
        return ProviderIdentity(
            provider=self.provider.name,
            issuer=claims["iss"],
            subject=subject,
            email=email,
            email_verified=is_address and is_verified,
            name=_text(claims, "name"),
            profile=_profile(claims),
        )


def _text(claims: dict[str, Any], name: str) -> str:
    """Return a claim that is text; empty if it is missing, something else, or has half a surrogate pair."""
    value = claims.get(name)
    return value if isinstance(value, str) and not _SURROGATE.search(value) else ""


def _profile(claims: dict[str, Any]) -> dict[str, str]:
    """Return the claims of the profile that are printable text, as many as fit into `LARGEST_PROFILE_BYTES`."""
    profile: dict[str, str] = {}
    left = LARGEST_PROFILE_BYTES
    for name in PROFILE_CLAIMS:
        text = _text(claims, name)
        size = len(json.dumps(text, ensure_ascii=False).encode())
        if text and text.isprintable() and size <= left:
            profile[name] = text
            left -= size
    return profile


def _sha256(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _left_half_of_sha256(text: str) -> str:
    """Return `at_hash` of an access token (section 3.1.3.6), the same for RS256 and ES256."""
    return urlsafe_b64encode(_sha256(text)[:16]).decode().rstrip("=")
