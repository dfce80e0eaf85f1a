"""LDIF (RFC 2849) and `/etc/shadow`."""

import base64
import binascii
from collections.abc import Iterator
from typing import Final

from gerbang_import.records import NOT_UTF_8, Lines, Record, Rejection, is_utf_8

SHADOW_FIELDS: Final = ("name", "hash", "changed", "minimum", "maximum", "warning", "inactive", "expires", "reserved")
"""shadow(5); dates are days since 1970."""


def ldif_records(lines: Lines) -> Iterator[Record | Rejection]:
    """Return the entries of an LDIF file; an attribute with several values has a list."""
    number, taken = 0, list[str]()
    for text in lines:
        if text.strip():
            number = number or lines.read
            taken.append(text)
        elif taken:
            yield from _entry(number, taken, lines.read_bytes)
            number, taken = 0, []
    if taken:
        yield from _entry(number, taken, lines.read_bytes)


def _entry(number: int, taken: list[str], end: int) -> Iterator[Record | Rejection]:
    text = "".join(taken)
    if not is_utf_8(text):
        yield Rejection(number, NOT_UTF_8, text=text)
        return
    unfolded = text.replace("\r\n", "\n").replace("\n ", "").splitlines()
    attributes: dict[str, list[str]] = {}
    for line in unfolded:
        name, colon, value = line.partition(":")
        if line.startswith("#"):
            continue
        decoded = _decoded(value[1:]) if value.startswith(":") else value.strip()
        if not colon or decoded is None or value.startswith("<"):  # `<` names another file
            yield Rejection(number, "is not LDIF", text=text)
            return
        attributes.setdefault(name.partition(";")[0].lower(), []).append(decoded)
    if "dn" in attributes:  # not a version line or a comment
        fields = {name: values[0] if len(values) == 1 else values for name, values in attributes.items()}
        yield Record(number, fields, end, text)


def _decoded(value: str) -> str | None:
    try:
        return base64.b64decode(value.strip(), validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return None


def shadow_records(lines: Lines) -> Iterator[Record | Rejection]:
    """Return the entries of `/etc/shadow`."""
    for text in lines:
        parts = text.rstrip("\r\n").split(":")
        if text.startswith("#") or not text.strip():
            continue
        if len(parts) > len(SHADOW_FIELDS) or len(parts) < 2:  # noqa: PLR2004 - a name and a hash
            yield Rejection(lines.read, "is not a line of /etc/shadow", text=text)
        else:
            yield Record(lines.read, dict(zip(SHADOW_FIELDS, parts, strict=False)), lines.read_bytes, text)
