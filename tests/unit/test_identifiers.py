"""gerbang.core.identifiers: one identity in several alphabets."""

import re
from uuid import UUID

from gerbang.core.identifiers import LARGEST_NUMBER, ORGANIZATION, USER, botlaunch_id, public_id
from hypothesis import given
from hypothesis import strategies as st

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def number_of(identifier: str) -> int:
    number = 0
    for digit in identifier.partition("_")[2]:
        number = number * len(ALPHABET) + ALPHABET.index(digit)
    return number


@given(st.uuids())
def test_the_uuid_can_be_told_from_the_public_id(identifier: UUID) -> None:
    public = public_id(USER, identifier)

    assert UUID(int=number_of(public)) == identifier
    assert re.fullmatch(r"usr_[0-9A-Za-z]{1,22}", public)
    assert public == botlaunch_id(str(identifier))


@given(st.uuids(), st.uuids())
def test_different_accounts_have_different_ids(one: UUID, other: UUID) -> None:
    assert (public_id(USER, one) == public_id(USER, other)) == (one == other)


def test_known_answers() -> None:
    assert public_id(USER, UUID(int=0)) == "usr_0"
    assert public_id(ORGANIZATION, UUID(int=61)) == "org_z"
    assert public_id(ORGANIZATION, UUID(int=62)) == "org_10"
    assert public_id(USER, UUID(int=2**128 - 1)) == "usr_7n42DGM5Tflk9n8mt7Fhc7"


def test_the_largest_number_fits_thirty_one_bits() -> None:
    assert LARGEST_NUMBER == 2_147_483_647
