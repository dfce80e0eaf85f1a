"""The project's `dataclass` behaves as the standard library's, but for refusing assignments."""

import dataclasses
import re
from collections.abc import Callable
from dataclasses import field, replace
from pathlib import Path
from typing import Any, override

import gerbang
import pytest
from gerbang.core.dataclass import dataclass


def made_by(decorator: Callable[..., Any], **options: bool) -> Any:
    """Return a class made by a decorator: two numbers and a secret."""

    class Point:
        """A point."""

        x: int
        y: int = field(default=0, compare=False)
        secret: str = field(default="", repr=False)

    return decorator(**options)(Point)


@pytest.fixture(params=[{"kw_only": True}, {"kw_only": True, "slots": True}], ids=["plain", "slots"])
def both(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """Return the same class, made by the standard library and by ours."""
    options = {"frozen": True, **request.param}
    return made_by(dataclasses.dataclass, **options), made_by(dataclass, **options)


def test_values_are_compared_as_the_standard_library_compares_them(both: tuple[Any, Any]) -> None:
    for point in both:
        assert point(x=1, y=2) == point(x=1, y=3)
        assert point(x=1) != point(x=2)
        assert point(x=1) != point(x=1, secret="s")
        assert point(x=1).__eq__((1, 0, "")) is NotImplemented


def test_equal_values_have_the_same_hash(both: tuple[Any, Any]) -> None:
    for point in both:
        assert len({point(x=1, y=2), point(x=1, y=3), point(x=2)}) == 2


def test_the_text_form_is_the_standard_librarys_and_leaves_out_what_is_not_to_be_shown(both: tuple[Any, Any]) -> None:
    standard, ours = both

    assert repr(ours(x=1, secret="s")) == repr(standard(x=1, secret="s"))
    assert "secret" not in repr(ours(x=1, secret="s"))


def test_fields_have_defaults_and_are_replaced_and_wrong_ones_are_refused(both: tuple[Any, Any]) -> None:
    for point in both:
        assert replace(point(x=1), x=2) == point(x=2)
        with pytest.raises(TypeError):
            point(1)
        with pytest.raises(TypeError):
            point(x=1, z=2)


def test_a_class_with_slots_takes_no_other_attributes() -> None:
    point = made_by(dataclass, frozen=True, slots=True)(1)

    with pytest.raises(AttributeError):
        point.z = 1


def test_a_value_that_may_change_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(made_by(dataclass)(1))


def test_methods_that_a_class_has_are_kept() -> None:
    @dataclass(frozen=True)
    class Shy:
        x: int

        @override
        def __repr__(self) -> str:
            return "shy"

    assert repr(Shy(1)) == "shy"


def test_modules_of_the_layer_use_it() -> None:
    package = Path(gerbang.__file__).parent
    imported = re.compile(r"^from dataclasses import .*\bdataclass\b", re.MULTILINE)

    files = [file.name for file in package.rglob("*.py") if imported.search(file.read_text("utf-8"))]

    assert not files
