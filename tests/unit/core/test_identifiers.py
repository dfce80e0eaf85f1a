"""gerbang.core.identifiers: a UUID as a public id, and back."""

import re
from uuid import UUID

import pytest
from gerbang.core.identifiers import LARGEST_NUMBER, ORGANIZATION, USER, botlaunch_id, public_id, read_public_id
from hypothesis import given
from hypothesis import strategies as st

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def number_of(identifier: str) -> int:
    number = 0
    for digit in identifier.partition("_")[2]:
        number = number * len(ALPHABET) + ALPHABET.index(digit)
    return number


@given(st.uuids())
def test_a_public_id_contains_the_whole_uuid(identifier: UUID) -> None:
    public = public_id(USER, identifier)

    assert UUID(int=number_of(public)) == identifier
    assert re.fullmatch(r"usr_[0-9A-Za-z]{1,22}", public)
    assert public == botlaunch_id(str(identifier))


@given(st.uuids(), st.uuids())
def test_different_accounts_have_different_ids(one: UUID, other: UUID) -> None:
    assert (public_id(USER, one) == public_id(USER, other)) == (one == other)


@given(identifier=st.uuids())
def test_a_public_id_is_read_as_it_was_written(identifier: UUID) -> None:
    assert read_public_id(USER, botlaunch_id(str(identifier))) == identifier


@pytest.mark.parametrize("text", ["", "usr", "usr_", "org_1", "usr_0x", "usr_é", "usr_00", "usr_" + "z" * 22, "usr_ 1"])
def test_a_malformed_public_id_is_rejected(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller does not distinguish several kinds
        read_public_id(USER, text)


def test_public_ids_have_known_values() -> None:
    assert public_id(USER, UUID(int=0)) == "usr_0"
    assert public_id(ORGANIZATION, UUID(int=61)) == "org_z"
    assert public_id(ORGANIZATION, UUID(int=62)) == "org_10"
    assert public_id(USER, UUID(int=2**128 - 1)) == "usr_7n42DGM5Tflk9n8mt7Fhc7"


def test_the_largest_number_fits_thirty_one_bits() -> None:
    assert LARGEST_NUMBER == 2_147_483_647
