"""ID tokens and key sets as a provider issues them. They are made without PyJWT, which verifies them."""

import json
import time
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

WEB: Final = "1234-web.apps.googleusercontent.com"
ANDROID: Final = "1234-android.apps.googleusercontent.com"
KID: Final = "key-of-march"

type Claims = dict[str, Any]


@cache
def private_key(owner: str) -> rsa.RSAPrivateKey:
    """Return the RSA key of an owner, generated at its first use."""
    assert owner
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def elliptic_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def integer(number: int) -> str:
    """Return a number as Base64urlUInt (RFC 7518, section 2)."""
    return base64url(number.to_bytes((number.bit_length() + 7) // 8))


def jwk(kid: str = KID, *, owner: str = "Google", **members: Any) -> dict[str, Any]:
    numbers = private_key(owner).public_key().public_numbers()
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid, "n": integer(numbers.n), "e": "AQAB", **members}


def elliptic_jwk(kid: str, **members: Any) -> dict[str, Any]:
    numbers = elliptic_key().public_key().public_numbers()
    x, y = (base64url(number.to_bytes(32)) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "kid": kid, "x": x, "y": y, **members}


def key_set(*jwks: Any) -> bytes:
    return json.dumps({"keys": list(jwks)}).encode()


def good_claims() -> Claims:
    """Return the claims of a Google token that was issued five seconds ago and is valid for an hour."""
    issued_at = int(time.time()) - 5
    return {
        "iss": "https://accounts.google.com",
        "aud": WEB,
        "azp": WEB,
        "sub": "110169484474386276334",
        "email": "Ana@Example.com",
        "email_verified": True,
        "name": "Ana Pérez",
        "picture": "https://lh3.googleusercontent.com/a/photo=s96-c",
        "locale": "es",
        "iat": issued_at,
        "exp": issued_at + 3600,
    }


def signing_input(header: object, payload: bytes) -> str:
    return f"{base64url(json.dumps(header).encode())}.{base64url(payload)}"


def signed(claims: Claims | bytes | None = None, *, by: str = "Google", **header: Any) -> str:
    """Return a token signed with RS256 (RFC 7518, section 3.3), also if its header names another algorithm."""
    payload = claims if isinstance(claims, bytes) else json.dumps(good_claims() if claims is None else claims).encode()
    text = signing_input({"alg": "RS256", "kid": KID, "typ": "JWT", **header}, payload)
    signature = private_key(by).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{text}.{base64url(signature)}"


def signed_with_es256(claims: Claims, kid: str) -> str:
    """Return a token signed with ES256 (RFC 7518, section 3.4)."""
    text = signing_input({"alg": "ES256", "kid": kid}, json.dumps(claims).encode())
    r, s = utils.decode_dss_signature(elliptic_key().sign(text.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{text}.{base64url(r.to_bytes(32) + s.to_bytes(32))}"


def token_with(**claims: Any) -> str:
    return signed({**good_claims(), **claims})


def token_without(*names: str) -> str:
    return signed({name: value for name, value in good_claims().items() if name not in names})
