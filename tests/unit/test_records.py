"""gerbang.storage.records: dataclasses to items and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum

import pytest
from gerbang.storage.records import from_item, to_item, to_value
from gerbang.storage.store import Key, Put

from tests.conftest import Database

AT = datetime(2026, 1, 15, 12, tzinfo=UTC)


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    size: int
    fitted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    plate: str
    seats: int
    is_new: bool
    colour: Colour
    sold_at: datetime
    extras: Mapping[str, object] = field(default_factory=dict[str, object])
    tags: tuple[str, ...] = ()
    wheels: tuple[Wheel, ...] = ()
    owner: str | None = None
    crushed_at: datetime | None = None
    doors: int = 4


CAR = Car(plate="B 1", seats=0, is_new=False, colour=Colour.RED, sold_at=AT)
FULL = Car(
    plate="B 2",
    seats=5,
    is_new=True,
    colour=Colour.RED,
    sold_at=AT,
    extras={"radio": {"bands": ["FM", None]}, "größe": 1.5},
    tags=("a", "b"),
    wheels=(Wheel(size=15, fitted_at=AT), Wheel(size=16, fitted_at=AT)),
    owner="Mira",
    crushed_at=AT,
    doors=5,
)


def test_every_type_of_field_is_stored_as_documented() -> None:
    assert to_item(FULL) == {
        "plate": "B 2",
        "seats": 5,
        "is_new": True,
        "colour": "red",
        "sold_at": 1768478400,
        "extras": '{"radio":{"bands":["FM",null]},"größe":1.5}',
        "tags": '["a","b"]',
        "wheels": '[{"size":15,"fitted_at":1768478400},{"size":16,"fitted_at":1768478400}]',
        "owner": "Mira",
        "crushed_at": 1768478400,
        "doors": 5,
    }


def test_none_is_left_out_and_false_zero_and_empty_values_are_stored() -> None:
    item = to_item(CAR)
    assert item.keys() == {field.name for field in fields(Car)} - {"owner", "crushed_at"}
    assert (item["seats"], item["is_new"], item["extras"], item["tags"]) == (0, False, "{}", "[]")


@pytest.mark.parametrize("car", [CAR, FULL])
def test_a_record_is_read_as_it_was_written(car: Car, database: Database) -> None:
    key = Key(database.tables["Organizations"], car.plate, "CAR")
    database.store.write(Put(key, to_item(car)))
    read = from_item(Car, database.store.get(key))
    assert read == car
    assert read is not None
    assert {type(getattr(read, field.name)) for field in fields(Car)} == {
        type(getattr(car, field.name)) for field in fields(Car)
    }


def test_a_time_is_stored_in_whole_seconds() -> None:
    assert from_item(Car, to_item(replace(CAR, sold_at=AT.replace(microsecond=999_999)))) == CAR


def test_a_field_with_a_default_may_be_missing_from_the_item() -> None:
    item = to_item(FULL)
    for name in ("extras", "tags", "wheels", "owner", "crushed_at", "doors"):
        del item[name]
    assert from_item(Car, item) == replace(CAR, plate="B 2", seats=5, is_new=True)


@pytest.mark.parametrize("missing", ["plate", "seats", "is_new", "colour", "sold_at"])
def test_an_item_without_a_required_field_is_no_record(missing: str) -> None:
    item = to_item(FULL)
    del item[missing]
    assert from_item(Car, item) is None


def test_a_missing_item_is_no_record() -> None:
    assert from_item(Car, None) is None


def test_unknown_attributes_are_ignored() -> None:
    assert from_item(Car, {**to_item(CAR), "pk": "CAR#1", "sk": "-", "wings": 2}) == CAR


def test_an_unknown_enum_value_is_an_error() -> None:
    with pytest.raises(ValueError, match="blue"):
        from_item(Car, {**to_item(CAR), "colour": "blue"})


@dataclass(frozen=True)
class Unstorable:
    ratio: float


@dataclass(frozen=True)
class Ambiguous:
    either: str | int


@pytest.mark.parametrize("kind", [Unstorable, Ambiguous])
def test_a_field_of_an_unsupported_type_is_an_error(kind: type[Unstorable]) -> None:
    with pytest.raises(TypeError, match="cannot be stored"):
        from_item(kind, {"ratio": 1, "either": 1})


def test_a_value_of_an_unsupported_type_is_an_error() -> None:
    with pytest.raises(TypeError, match="float cannot be stored"):
        to_value(1.5)
    with pytest.raises(TypeError, match="float cannot be stored"):
        to_item(Unstorable(1.5))
