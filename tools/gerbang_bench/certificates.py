"""Certificates that only their own key vouches for, made as AWS's stand-ins and tests need them."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK: Final = x509.IPAddress(ip_address("127.0.0.1"))

THIS_MACHINE: Final = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])


def self_signed(
    folder: Path, *, issued_to: x509.Name = THIS_MACHINE, valid_for: x509.GeneralName = LOOPBACK
) -> tuple[str, Path]:
    """Return a new certificate as PEM, and a file of it with its private key, as a server loads them."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(issued_to)
        .issuer_name(issued_to)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([valid_for]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    )
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain = folder / "chain.pem"
    chain.write_text(private.decode() + certificate)
    return certificate, chain
