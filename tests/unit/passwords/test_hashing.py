"""gerbang.passwords.hashing and bcrypt_sha256: format, cost, and the same work for every wrong password."""

import time
from importlib import import_module
from typing import Any
from unicodedata import normalize

import pytest
from gerbang.passwords.bcrypt_sha256 import (
    CHEAPEST_COST,
    HIGHEST_COST,
    Verdict,
    hash_text,
    is_current_format,
    verify_text,
)
from gerbang.passwords.hashing import Passwords

bcrypt_sha256: Any = import_module("passlib.hash").bcrypt_sha256  # the other implementation, libpass: it has no types

EIGHTY = "".join(chr(33 + number) for number in range(80))

# Made by libpass 1.9.4 (passlib.hash.bcrypt_sha256) on bcrypt 5.0.0.
KNOWN = {
    "Correct horse 1": "$bcrypt-sha256$v=2,t=2b,r=4$bc8HwwNyn5U.zsYfjm2/g.$vY7X9u0vMfYMSe3ivJqpB8B102C730S",
    EIGHTY: "$bcrypt-sha256$v=2,t=2b,r=5$zDwX5b2KOW.Hj1PFKeUbHe$20Gli080ANi1AbqRjklCX2C1UtFlxue",
    EIGHTY[:72]: "$bcrypt-sha256$v=2,t=2b,r=4$U6SiYkebPbgiE7Y8Jseqne$SaxYsBiyxBRN6E7F0dpw50.AaIwhAZe",
    "Zoë Ångström ½": "$bcrypt-sha256$v=2,t=2b,r=4$dNsHCCIU5Edieyvk2TD9S.$AUaDFYjxlgCDQ7GdNPVjWNKY.4RUP.C",
    "Пароль длинный 1": "$bcrypt-sha256$v=2,t=2b,r=4$EgyzZ3SIMa/ZNpa1cl1g5u$6H/HECA62xoZQQO/yLYJSkKP8iR3g3u",
    "\U0001f600" * 8 + "Aa1": "$bcrypt-sha256$v=2,t=2b,r=4$67cbh2fxBQs8KWsNOUNDXe$84o0.gpUwQZSSyFvbUejhQZopLrHT9S",
    "  spaces  ": "$bcrypt-sha256$v=2,t=2b,r=4$fv1b6LGao5kZtDR/9jAVsu$YoPS.zGS0yOkWQ.sw/QVq8QHayLm7Dy",
    "x" * 256: "$bcrypt-sha256$v=2,t=2b,r=4$KrNgmwApbRyYCWX7iE.OUO$pf1TuHv93DPi6K2dCLJJQZmyDd3UsFS",
    "a\0b": "$bcrypt-sha256$v=2,t=2b,r=4$FAb7FUZbcOhjCgjR4HvT..$4fGdLplc4EvLQ6dThkgIlOadLEO3HF6",
    "\0": "$bcrypt-sha256$v=2,t=2b,r=4$mcVOM.ms.WA30XnGht74nO$8cJAzkniE7U6Ocg0sVF5qTtjEi7Obpu",
    "": "$bcrypt-sha256$v=2,t=2b,r=4$/xnkw.KrvMxil43IZ.aHou$zqyzrCmo3UAk71/oqYQUh1lcLHXhueG",
}
STORED = KNOWN["Correct horse 1"]
OF_COST_10 = "$bcrypt-sha256$v=2,t=2b,r=10$tGI9IHuayCndLk2oDfzAYO$ExZxXlPCfXIAqlViwPMeUdoq1PeI416"  # as above
CHEAP = Passwords(CHEAPEST_COST)


each_known = pytest.mark.parametrize(
    ("password", "stored"), KNOWN.items(), ids=[f"{len(password)} {password[:5]!r}" for password in KNOWN]
)


@each_known
def test_a_hash_of_another_implementation_is_verified(password: str, stored: str) -> None:
    assert CHEAP.verify(password, stored) is Verdict.RIGHT
    assert CHEAP.verify(password + "x", stored) is Verdict.WRONG


@each_known
def test_another_implementation_verifies_our_hashes(password: str, stored: str) -> None:
    """So hashes can be moved to another system."""
    ours = CHEAP.hash(password)

    assert bcrypt_sha256.verify(password, ours)
    assert not bcrypt_sha256.verify(password + "x", ours)
    assert ours != stored


def test_a_hash_has_its_own_salt_and_the_configured_cost() -> None:
    first, second = CHEAP.hash("Correct horse 1"), CHEAP.hash("Correct horse 1")

    assert first != second
    assert first.startswith("$bcrypt-sha256$v=2,t=2b,r=4$")
    assert Passwords(5).hash("Correct horse 1").startswith("$bcrypt-sha256$v=2,t=2b,r=5$")
    assert is_current_format(first)


# The whole password, exactly: security.md 5, 6, 7, 122


@pytest.mark.covers("5")
def test_all_bytes_after_the_72nd_count() -> None:
    assert CHEAP.verify(EIGHTY[:72], KNOWN[EIGHTY]) is Verdict.WRONG
    assert CHEAP.verify(EIGHTY, KNOWN[EIGHTY[:72]]) is Verdict.WRONG
    assert CHEAP.verify(EIGHTY[:-1] + "!", KNOWN[EIGHTY]) is Verdict.WRONG


@pytest.mark.covers("6")
@pytest.mark.parametrize("alias", ["", "a", "a\0", "a\0c", "b", "a\0b\0", "a\0b\0a\0b", "ab"], ids=repr)
def test_nul_bytes_are_ordinary_characters(alias: str) -> None:
    assert CHEAP.verify(alias, KNOWN["a\0b"]) is Verdict.WRONG


@pytest.mark.covers("5")
@pytest.mark.parametrize(
    "alias",
    [
        "correct horse 1",
        "CORRECT HORSE 1",
        " Correct horse 1",
        "Correct horse 1 ",
        "Correct horse 1\n",
        "Correct horse",
    ],
    ids=repr,
)
def test_passwords_are_not_trimmed_or_case_folded(alias: str) -> None:
    assert CHEAP.verify(alias, STORED) is Verdict.WRONG


@pytest.mark.covers("7")
def test_composed_and_decomposed_letters_are_the_same_password() -> None:
    """NFC (NIST SP 800-63B-4), not NFKC, which would change "½"."""
    for form in ("NFC", "NFD"):
        typed = normalize(form, "Zoë Ångström ½")
        assert CHEAP.verify(typed, KNOWN["Zoë Ångström ½"]) is Verdict.RIGHT
        assert bcrypt_sha256.verify("Zoë Ångström ½", CHEAP.hash(typed))
    assert CHEAP.verify("Zoë Ångström 1\u20442", KNOWN["Zoë Ångström ½"]) is Verdict.WRONG


@pytest.mark.covers("17")
def test_a_very_long_password_takes_no_longer() -> None:

    def seconds(password: str) -> float:
        started = time.perf_counter()
        Passwords(8).verify(password, hash_text("another", 8))
        return time.perf_counter() - started

    assert min(seconds("x" * 1_000_000) for _ in range(3)) < 0.5


# The same work for every wrong password: security.md 28, 30


@pytest.mark.parametrize(
    "stored", [None, STORED, hash_text("another", 5)], ids=["no account", "lower cost", "this cost"]
)
def test_a_wrong_password_takes_one_hash_of_the_configured_cost(stored: str | None, hashes: list[int]) -> None:
    assert Passwords(5).verify("wrong", stored) is Verdict.WRONG

    assert sum(2**cost for cost in hashes) == 2**5


def test_a_right_password_takes_one_hash(hashes: list[int]) -> None:
    assert CHEAP.verify("Correct horse 1", STORED) is Verdict.RIGHT

    assert hashes == [4]


@pytest.mark.covers("35")
def test_no_password_matches_the_dummy_hash_of_unknown_accounts(hashes: list[int]) -> None:
    for guess in ("", "password", "." * 31):
        assert CHEAP.verify(guess, None) is Verdict.WRONG
    assert len(hashes) == 3


# Damaged hashes: F40, security.md 121, 124


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "$bcrypt-sha256$v=2,t=2b,r=",
        "$bcrypt-sha256$v=2,t=2b,r=4",
        "$bcrypt-sha256$v=2,t=2b,r=4$$",
        STORED[:-1],
        STORED + ".",
        STORED.replace("bc8Hww", "bc8Hw"),
        STORED.replace("bc8Hww", "bc8H!w"),
        STORED.replace("bc8Hww", "bc8Hé!"),
        STORED.replace("r=4", "r=3"),
        STORED.replace("r=4", "r=-4"),
        STORED.replace("r=4", "r=x"),
        STORED.replace("r=4", "r=\u00b2"),
        STORED.replace("r=4", "r=16"),
        STORED.replace("r=4", "r=31"),
        STORED.replace("r=4", "r=999999999"),
        "junk",
        "\0" * 60,
    ],
    ids=repr,
)
def test_a_damaged_hash_is_unusable_and_takes_the_usual_work(stored: str, hashes: list[int]) -> None:
    assert Passwords(5).verify("Correct horse 1", stored) is Verdict.UNUSABLE

    assert hashes[-1:] == [5]
    assert sum(2**cost for cost in hashes) <= 2**5 + 2**4


def test_a_cost_above_the_highest_is_never_computed() -> None:
    assert HIGHEST_COST == 15
    with pytest.raises(ValueError, match="damaged"):
        verify_text(STORED.replace("r=4", f"r={HIGHEST_COST + 1}"), "x")


def test_a_hash_of_another_scheme_is_not_the_current_format() -> None:
    bare = "$2b$04$bc8HwwNyn5U.zsYfjm2/g.vY7X9u0vMfYMSe3ivJqpB8B102C730S"

    assert not is_current_format(bare)
    with pytest.raises(ValueError, match="not a bcrypt-sha256"):
        verify_text(bare, "x")


# Raising the cost: security.md 18


@pytest.mark.covers("18")
def test_a_hash_of_a_lower_cost_or_legacy_format_needs_a_rehash() -> None:
    assert not CHEAP.needs_rehash(STORED)
    assert Passwords(5).needs_rehash(STORED)
    assert not Passwords(10).needs_rehash(OF_COST_10)
    assert not CHEAP.needs_rehash(OF_COST_10)  # never lowered
    assert CHEAP.needs_rehash("$2y$10$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu")


def test_a_hash_of_a_higher_cost_is_verified() -> None:
    assert CHEAP.verify("Correct horse 1", OF_COST_10) is Verdict.RIGHT
