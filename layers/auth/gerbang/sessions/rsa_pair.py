"""The RSA key pair of a deployment that signs access tokens with RS256. Imports cryptography: only where it is used."""

from functools import lru_cache
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

KEY_BITS: Final = 2048
"""The minimum of RFC 7518, section 3.3. NIST SP 800-57 part 1, table 2, rates it at 112 bits, good until 2030. Longer
keys make signatures slower and tokens longer."""


def new_key_pair() -> bytes:
    """Return a new private key as PKCS #8 in DER. Takes some 50 to 500 ms: two primes are searched for."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@lru_cache(maxsize=4)
def private_key(der: bytes) -> rsa.RSAPrivateKey:
    """Return the private key of `new_key_pair`.

    It is not checked again: that takes 25 ms, and only our own rotation function writes the secret.

    Raises:
        ValueError: it is not an RSA private key.
    """
    key = load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 - the text of a secret is wrong, not a type
    return key
