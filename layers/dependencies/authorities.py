"""Writes each certificate authority to its own file, named so that OpenSSL finds the one it needs and reads no other.

Reading all 126 of botocore's takes 12 ms of a whole vCPU at each start, and only one is needed. OpenSSL looks in a
folder for the hash of an issuer's name, in hexadecimal, with a number because several names may share a hash
(X509_LOOKUP_hash_dir(3)). The hash is the first four bytes, little-endian, of the SHA-1 of the name in a canonical
form, without the differences that RFC 5280, section 7.1, ignores (crypto/x509/x_name.c of OpenSSL, since 1.0.0).
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
    0x14: "latin-1",  # T61String, as all implementations read it
    0x16: "ascii",  # IA5String
    0x1A: "ascii",  # VisibleString
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}
"""The encodings of text by its ASN.1 tag. Values of other types are compared unchanged."""

_LONG_FORM: Final = 0x80
"""The bit that marks a length of more than seven bits."""

_END: Final = "-----END CERTIFICATE-----"


def split_bundle(bundle: Path) -> Path:
    """Write the certificates of a PEM file to a folder next to it, such as `cacert.d`, and return the folder."""
    folder = bundle.with_suffix(".d")
    folder.mkdir()
    seen: Counter[str] = Counter()
    for certificate in certificates(bundle.read_text("utf-8")):
        name = subject_hash(ssl.PEM_cert_to_DER_cert(certificate))
        (folder / f"{name}.{seen[name]}").write_text(certificate, "ascii")
        seen[name] += 1
    return folder


def certificates(text: str) -> Iterator[str]:
    """Yield the certificates of a PEM file, without the text between them."""
    for part in text.split(_END)[:-1]:
        yield part[part.index("-----BEGIN CERTIFICATE-----") :] + _END + "\n"


def subject_hash(certificate: bytes) -> str:
    """Return the hash of a certificate's subject by which OpenSSL names files. The certificate is in DER."""
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
    split_bundle(Path(sys.argv[1]))
