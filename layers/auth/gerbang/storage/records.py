r"""Convert frozen dataclasses to items and back. The stored fields are the dataclass's own, so none is forgotten.

| type of the field                                 | stored as                              |
|---------------------------------------------------|----------------------------------------|
| `str`, `int`, `bool`                              | the same                               |
| `StrEnum`                                         | its text                               |
| `datetime`                                        | whole seconds since 1970, rounded down |
| `Mapping[str, object]`                            | JSON text                              |
| `tuple[T, ...]` of any of these, or of dataclasses | JSON text                             |
| any of these `\| None`                            | left out of the item when it is None   |
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache, partial
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin

from gerbang.core.clock import from_epoch, to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.storage.store import Item, Value

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def to_value(value: object) -> Value:
    """Return one field's value as it is stored, for conditions and updates.

    Raises:
        TypeError: values of this type cannot be stored.
    """
    match value:
        case StrEnum():
            return value.value
        case str() | bool() | int():
            return value
        case datetime():
            return to_epoch(value)
        case Mapping() | tuple():
            return json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        case _:
            raise TypeError(f"{type(value).__name__} cannot be stored")


def to_item(record: "DataclassInstance") -> dict[str, Value]:
    """Return every field of the record that is not None, as it is stored; the item's key is not added.

    Raises:
        TypeError: a field holds a value of a type that cannot be stored.
    """
    values = ((field.name, getattr(record, field.name)) for field in fields(record))
    return {name: to_value(value) for name, value in values if value is not None}


def from_item[T: "DataclassInstance"](kind: type[T], item: Item | None) -> T | None:
    """Return the record in an item, None if there is no item or it lacks a field that has no default.

    Attributes that are not fields of the record are ignored: keys, and fields of a newer or older version.

    Raises:
        TypeError: the dataclass has a field of a type that cannot be stored.
        ValueError: a stored text is not what the field's type demands.
    """
    if item is None:
        return None
    record: _Record = _record_of(kind)
    if not record.required <= item.keys():
        return None
    return kind(**{name: read(item[name]) for name, read in record.readers.items() if name in item})


@dataclass(frozen=True, slots=True)
class _Record:
    """How to read a dataclass: a function per field, and the fields without a default."""

    readers: Mapping[str, Callable[[Any], Any]]
    required: frozenset[str]


@cache
def _record_of(kind: "type[DataclassInstance]") -> _Record:
    # `field.type` instead of typing.get_type_hints: 7 µs a class instead of 130 µs. It is text in a module
    # that postpones annotations, which `_reader` rejects.
    all_fields = fields(kind)
    required = (f.name for f in all_fields if f.default is MISSING and f.default_factory is MISSING)
    return _Record({f.name: _reader(f.type) for f in all_fields}, frozenset(required))


def _reader(annotation: Any) -> Callable[[Any], Any]:
    """Return the function that reads a stored value of a field's type."""
    if isinstance(annotation, UnionType):
        alternatives = [each for each in get_args(annotation) if each is not NoneType]
        if len(alternatives) == 1:
            return _reader(alternatives[0])
    elif annotation is datetime:
        return from_epoch
    elif isinstance(annotation, type) and (annotation in {str, int, bool} or issubclass(annotation, StrEnum)):
        return annotation
    elif get_origin(annotation) is Mapping:
        return json.loads
    elif get_origin(annotation) is tuple and get_args(annotation)[1:] == (...,):
        element: type[Any] = get_args(annotation)[0]
        read: Callable[[Any], Any] = partial(from_item, element) if is_dataclass(element) else _reader(element)
        return lambda text: tuple(read(each) for each in json.loads(text))
    raise TypeError(f"fields of type {annotation} cannot be stored")


def _plain(value: object) -> Any:
    """Return what `json` can write: mappings as dicts, tuples as lists, records as items."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return to_item(value)
    return to_value(value)
