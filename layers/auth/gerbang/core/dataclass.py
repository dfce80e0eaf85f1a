"""`dataclass`: the standard library's to type checkers, a quarter of its cost when a class is made.

The standard library writes and compiles, for each class, a comparison, a hash, a text form, and two methods that reject
assignments. A sign-in's start makes a hundred of these classes. Here they share the first three, and mypy and pyright,
which check every line of the project, reject the assignments (docs/decisions/0048-dataclasses.md, with the figures).
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

__all__: Final = ("dataclass",)


def lean_dataclass(*, frozen: bool = False, slots: bool = False, kw_only: bool = False) -> Callable[[type], type]:
    """Return a decorator that makes a class's `__init__` of its fields, as `dataclasses.dataclass` does."""

    def make(cls: type) -> type:
        made: type = dataclasses.dataclass(eq=False, repr=False, slots=slots, kw_only=kw_only)(cls)
        for name, method in {"__eq__": _equals, "__hash__": _hash if frozen else None, "__repr__": _text}.items():
            if name not in vars(cls):
                setattr(made, name, method)
        return made

    return make


def _equals(self: Any, other: object) -> bool:
    return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _compared(value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, field.name) for field in dataclasses.fields(value) if field.compare)


def _text(self: Any) -> str:
    shown = (f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    dataclass = lean_dataclass
