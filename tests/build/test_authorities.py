"""Each certificate authority has its own file, which OpenSSL finds by its name."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import authorities
import botocore.httpsession
import pytest
from cryptography import x509
from cryptography.x509.name import _ASN1Type  # pyright: ignore[reportPrivateUsage]
from cryptography.x509.oid import NameOID
from gerbang_bench.certificates import self_signed

LOCALHOST = x509.DNSName("localhost")

BOTOCORES = Path(botocore.httpsession.DEFAULT_CA_BUNDLE)


def named(text: str, kind: _ASN1Type | None = None) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text, kind)])


NAMES = {
    "as written": named("Amazon Root CA 1"),
    "white space and capitals": named("  Go   Daddy\tROOT "),
    "letters beyond ASCII": named("Főtanúsítvány  ÄÖÜ"),
    "PrintableString": named("Starfield ROOT", _ASN1Type.PrintableString),
    "BMPString": named("Őrült  Nagy", _ASN1Type.BMPString),
    "longer than 127 octets": x509.Name(
        [x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.ORGANIZATION_NAME, c * 64)]) for c in "abc"]
    ),
    "two attributes in one set": x509.Name(
        [
            x509.RelativeDistinguishedName(
                [
                    x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tram & Ferry"),
                    x509.NameAttribute(NameOID.COMMON_NAME, "A Root"),
                ]
            )
        ]
    ),
    "not text": x509.Name([x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"\x00A b", _ASN1Type.BitString)]),
}


def server(chain: Path) -> ssl.SSLContext:
    """Return the TLS context of a server with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return context


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Do a TLS handshake in memory."""
    from_server, from_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    serving = server.wrap_bio(from_client, from_server, server_side=True)
    calling = client.wrap_bio(from_server, from_client, server_hostname="localhost")
    for side in (calling, serving, calling, serving):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle of two other authorities, with comments between them as in Mozilla's bundle."""
    others = [self_signed(tmp_path, issued_to=named(name))[0] for name in ("Amazon Root CA 2", "Amazon Root CA 3")]
    bundle = tmp_path / "authorities.pem"
    bundle.write_text("\n# Issuer: one\n".join(["", *others]))
    return bundle


@pytest.mark.parametrize("name", NAMES.values(), ids=list(NAMES))
def test_openssl_finds_an_authority_by_the_name_of_its_file(bundle: Path, name: x509.Name) -> None:
    certificate, chain = self_signed(bundle.parent, issued_to=name, valid_for=LOCALHOST)
    with bundle.open("a") as file:
        file.write(certificate)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    client.load_verify_locations(capath=authorities.apart(bundle))

    shake_hands(server(chain), client)


def test_a_certificate_with_the_name_of_an_authority_and_another_key_is_not_trusted(bundle: Path) -> None:
    _, chain = self_signed(bundle.parent, issued_to=named("Amazon Root CA 2"), valid_for=LOCALHOST)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(capath=authorities.apart(bundle))

    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server(chain), client)


def test_files_of_authorities_with_the_same_name_are_numbered(bundle: Path) -> None:
    with bundle.open("a") as file:
        file.write(self_signed(bundle.parent, issued_to=named("Amazon Root CA 2"))[0])

    numbers = sorted(path.suffix for path in authorities.apart(bundle).iterdir())

    assert numbers == [".0", ".0", ".1"]


def test_every_authority_of_botocore_has_a_file(tmp_path: Path) -> None:
    bundle = tmp_path / "cacert.pem"
    shutil.copyfile(BOTOCORES, bundle)
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusted.load_verify_locations(bundle)

    found = [ssl.PEM_cert_to_DER_cert(path.read_text()) for path in authorities.apart(bundle).iterdir()]

    assert sorted(found) == sorted(trusted.get_ca_certs(binary_form=True))


def _certificates() -> Iterator[str]:
    return authorities.certificates(BOTOCORES.read_text())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl, to compare with it")
def test_subject_hashes_are_the_same_as_openssls() -> None:
    for certificate in _certificates():
        command = ["openssl", "x509", "-noout", "-subject_hash"]
        ran = subprocess.run(command, input=certificate, capture_output=True, text=True, check=True)

        assert authorities.subject_hash(ssl.PEM_cert_to_DER_cert(certificate)) == ran.stdout.strip()
