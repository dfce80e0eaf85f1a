"""Certificate authorities, a file each, named so that OpenSSL finds the one it needs and reads no other.

Reading botocore's 126 takes a start 12 ms of a whole vCPU, and it needs one of them. OpenSSL looks in a folder for the
hash of an issuer's name, in hexadecimal, and a number where several share it (X509_LOOKUP_hash_dir(3)). The hash is the
first four bytes, little-endian, of the SHA-1 of the name in a canonical form: what makes no difference to RFC 5280,
section 7.1, is taken out of it (crypto/x509/x_name.c of OpenSSL, which has had this form since 1.0.0).
"""

import ssl
import sys
from collections import Counter
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path
from typing import Final

_SEQUENCE: Final = 0x30
_SET: Final = 0x31
_VERSION: Final = 0xA0
_UTF8_STRING: Final = 0x0C
_ENCODINGS: Final = {
    _UTF8_STRING: "utf-8",
    0x13: "ascii",  # PrintableString
    0x14: "latin-1",  # T61String, as everybody has taken it
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
"""ASN.1 tags of text to how it is encoded; values of other types are compared as they are."""

_LONG_FORM: Final = 0x80
"""Of a length that does not fit into seven bits."""

_END: Final = "-----END CERTIFICATE-----"


def apart(bundle: Path) -> Path:
    """Write each certificate of a PEM file into a folder beside it, `cacert.pem` into `cacert.d`, and return that."""
    folder = bundle.with_suffix(".d")
    folder.mkdir()
    seen: Counter[str] = Counter()
    for certificate in certificates(bundle.read_text("utf-8")):
        name = subject_hash(ssl.PEM_cert_to_DER_cert(certificate))
        (folder / f"{name}.{seen[name]}").write_text(certificate, "ascii")
        seen[name] += 1
    return folder


def certificates(text: str) -> Iterator[str]:
    """Yield the certificates of a PEM file, without what is written between them."""
    for part in text.split(_END)[:-1]:
        yield part[part.index("-----BEGIN CERTIFICATE-----") :] + _END + "\n"


def subject_hash(certificate: bytes) -> str:
    """Return the hash, as OpenSSL names files by it, of the name that a certificate (DER) was issued to."""
    [(_, to_be_signed), *_] = _elements(next(_elements(certificate))[1])
    fields = [value for tag, value in _elements(to_be_signed) if tag != _VERSION]
    _serial_number, _algorithm, _issuer, _validity, subject, *_ = fields
    canonical = b"".join(_canonical_set(value) for _, value in _elements(subject))
    digest = sha1(canonical, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _canonical_set(attributes: bytes) -> bytes:
    return _element(_SET, b"".join(sorted(_canonical_attribute(value) for _, value in _elements(attributes))))


def _canonical_attribute(attribute: bytes) -> bytes:
    (kind_tag, kind), (tag, value) = _elements(attribute)
    if tag in _ENCODINGS:
        text = value.decode(_ENCODINGS[tag]).encode()
        tag, value = _UTF8_STRING, b" ".join(text.split()).lower()  # of bytes: ASCII white space, ASCII letters
    return _element(_SEQUENCE, _element(kind_tag, kind) + _element(tag, value))


def _elements(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and contents of each element of DER (X.690, section 8.1)."""
    at = 0
    while at < len(encoded):
        tag, length, at = encoded[at], encoded[at + 1], at + 2
        if length & _LONG_FORM:
            octets = length ^ _LONG_FORM
            length, at = int.from_bytes(encoded[at : at + octets]), at + octets
        yield tag, encoded[at : at + length]
        at += length


def _element(tag: int, contents: bytes) -> bytes:
    """Return DER of an element."""
    length = len(contents)
    if length < _LONG_FORM:
        return bytes([tag, length]) + contents
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, _LONG_FORM | len(octets)]) + octets + contents


if __name__ == "__main__":
    apart(Path(sys.argv[1]))
