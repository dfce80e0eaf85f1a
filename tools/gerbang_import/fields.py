"""The fields of one record, found by name in any spelling: `email_verified` is `emailVerified` is `Email Verified`.

A path such as `fields.email` leads into nested objects, also into JSON that is written as text; of a list of plain
values, it takes the first.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Final, cast

from gerbang_import.values import is_none

_OPENING: Final = ("{", "[")


@cache
def fold(name: str) -> str:
    """Return a name without what spellings differ in: case, spaces and punctuation."""
    return "".join(character for character in name.lower() if character.isalnum())


class Fields:
    """Fields by name."""

    __slots__ = ("_folded", "members")

    def __init__(self, members: Mapping[str, object]) -> None:
        """Take a record's members."""
        self.members: Final = members
        self._folded: Final = {
            fold(name): value for name, value in reversed(list(members.items()))
        }  # the first one counts

    def get(self, *paths: str) -> object | None:
        """Return the first value that there is at these paths."""
        for path in paths:
            value = self._at(path)
            if not is_none(value):
                return value
        return None

    def text(self, *paths: str) -> str:
        """Return the first value that there is at these paths, as text; empty if there is none."""
        value = self.get(*paths)
        return "" if value is None else str(value).strip()

    def each(self, path: str) -> tuple["Fields", ...]:
        """Return the objects of a list; of an object, its values that are objects."""
        value = _parsed(self._whole(path))
        if isinstance(value, Mapping):
            value = list(cast("Mapping[str, object]", value).values())
        members = cast("list[object]", value) if isinstance(value, list) else []
        return tuple(Fields(cast("Mapping[str, object]", one)) for one in members if isinstance(one, Mapping))

    def texts(self, path: str) -> tuple[str, ...]:
        """Return the values of a list of plain values; one value is a list of one."""
        value = _parsed(self._whole(path))
        values = cast("list[object]", value) if isinstance(value, list) else [value]
        return tuple(str(one).strip() for one in values if not is_none(one) and not isinstance(one, dict | list))

    def inner(self, path: str) -> "Fields":
        """Return the object at a path; an empty one if there is none."""
        value = _parsed(self._whole(path))
        return Fields(cast("Mapping[str, object]", value) if isinstance(value, Mapping) else {})

    def _at(self, path: str) -> object | None:
        value = self._whole(path)
        if isinstance(value, list):
            members = cast("list[object]", value)
            return members if members and isinstance(members[0], dict | list) else next(iter(members), None)
        return value

    def _whole(self, path: str) -> object | None:
        name, dot, rest = path.partition(".")
        value = self._folded.get(fold(name))
        return self.inner(name)._whole(rest) if dot else value  # noqa: SLF001 - of the same class


def _parsed(value: object) -> object:
    """Return what a text is as JSON, any other value as it is."""
    if isinstance(value, str) and value.lstrip().startswith(_OPENING):
        try:
            return cast("object", json.loads(value))
        except (ValueError, RecursionError):
            return value
    return value
