"""The P-256 key of a deployment that signs access tokens with ES256. Imports cryptography: only where it is used."""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""n of NIST P-256 (SP 800-186, section 3.2.1.3)."""


@lru_cache(maxsize=4)
def private_key(seed: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the private key that a seed of 48 random bytes determines.

    The seed as an integer modulo n - 1, plus 1: key generation by extra random bits (FIPS 186-5, appendix A.2.1),
    where 64 bits more than the order's 256 are asked for and 128 given.
    """
    return ec.derive_private_key(int.from_bytes(seed) % (_ORDER - 1) + 1, ec.SECP256R1())
