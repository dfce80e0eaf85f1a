"""An account's metadata: JSON that its owner and the operator store with it.

In GoTrue's terms, `user_metadata` is the owner's and `app_metadata` the operator's.
"""

import json
from collections.abc import Mapping
from typing import Final

LARGEST_USER_METADATA: Final = 8 * 1024
"""The largest `user_metadata`, in bytes of JSON (docs/decisions/0024-one-partition-a-person.md)."""

LARGEST_APP_METADATA: Final = 2 * 1024
"""The largest `app_metadata`, in bytes of JSON. Access tokens carry it."""

_LARGEST: Final = {"user_metadata": LARGEST_USER_METADATA, "app_metadata": LARGEST_APP_METADATA}


class MetadataTooLarge(ValueError):
    """An account's `user_metadata` or `app_metadata` would be too large. Nothing was written."""

    def __init__(self, attribute: str, size_bytes: int) -> None:
        """Keep which attribute it is and how large it would be."""
        super().__init__(f"{attribute} has {size_bytes} bytes")
        self.attribute = attribute
        self.size_bytes = size_bytes
        self.largest = _LARGEST[attribute]


def check_metadata(attributes: Mapping[str, object]) -> None:
    """Check the size of the metadata among attributes of an item.

    Raises:
        MetadataTooLarge: it is too large.
    """
    for name, largest in _LARGEST.items():
        text = attributes.get(name)
        if isinstance(text, str) and len(text.encode()) > largest:
            raise MetadataTooLarge(name, len(text.encode()))


def merge(current: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """Return metadata with changes merged at the top level; null removes a member (RFC 7396, without its recursion)."""
    merged = {**current, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def size_of(metadata: Mapping[str, object]) -> int:
    """Return the size of metadata in bytes, as it is stored."""
    return len(json.dumps(metadata, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass"))
