"""gerbang.passwords.policy: what a new password must be, and what is not required."""

import random
import string
import sys
from unicodedata import normalize

import pytest
from gerbang import settings
from gerbang.passwords.policy import (
    LONGEST,
    LONGEST_UNNORMALISED,
    ONE_DIGIT,
    ONE_UPPER_CASE_LETTER,
    REQUIRED_CHARACTERS,
    PasswordPolicy,
    UnacceptablePassword,
    common_passwords,
)

PLAIN = PasswordPolicy()
COMPOSED = PLAIN.asking_for(ONE_UPPER_CASE_LETTER, ONE_DIGIT)
"""BotLaunch's."""

ALICE = ("alice.cooper@example.com", "alice99", "Alice Cooper")


def rule_broken(password: str, policy: PasswordPolicy = COMPOSED, about: tuple[str | None, ...] = ALICE) -> str:
    with pytest.raises(UnacceptablePassword) as caught:
        policy.check(password, about=about)
    assert caught.value.reason
    assert password not in caught.value.reason  # security.md 10: the reason does not quote the password
    assert password not in str(caught.value)
    return caught.value.rule


# Length, in code points: security.md 1, 2, 4


@pytest.mark.covers("1")
def test_seven_characters_are_too_few_and_eight_are_enough() -> None:
    assert rule_broken("Tr0ubé!") == "length"
    COMPOSED.check("Tr0ubé!x", about=ALICE)


@pytest.mark.covers("4")
def test_an_emoji_is_one_character() -> None:
    assert rule_broken("\U0001f600" * 5 + "A1") == "length"
    COMPOSED.check("\U0001f600" * 6 + "A1", about=ALICE)


def test_characters_are_counted_after_normalization() -> None:
    """A letter and its accent, typed apart, are one character (NFC)."""
    assert rule_broken("e\u0301" * 5 + "A1") == "length"
    COMPOSED.check("e\u0301" * 6 + "A1", about=ALICE)


def test_256_characters_are_accepted_and_257_are_not() -> None:
    varied = "".join(chr(0x100 + number) for number in range(LONGEST - 2)) + "A1"

    COMPOSED.check(varied, about=ALICE)
    assert rule_broken(varied + "x") == "length"
    assert rule_broken("A1" + "x" * 1_000_000) == "length"


def test_256_decomposed_characters_are_accepted() -> None:
    """The longest take four code points each, so a text of more than 1,024 has more than 256 characters in NFC."""
    longest = max(map(chr, range(sys.maxunicode + 1)), key=lambda character: len(normalize("NFD", character)))
    assert len(normalize("NFD", longest)) * LONGEST == LONGEST_UNNORMALISED
    varied = "".join(map(chr, range(0x1F80, 0x1F80 + 16))) * 16  # Greek letters with three marks each, some of them

    PLAIN.check(normalize("NFD", varied), about=ALICE)
    PLAIN.check(normalize("NFD", longest) * LONGEST, about=ALICE)
    assert rule_broken(normalize("NFD", longest) * (LONGEST + 1), PLAIN) == "length"


def test_the_minimum_length_can_be_raised() -> None:
    policy = PasswordPolicy(shortest=15)

    assert rule_broken("fourteen chars", policy) == "length"
    policy.check("fifteen charact", about=ALICE)


# Composition: required by one API only (security.md 3, docs/decisions/0005-composition-rules.md)


@pytest.mark.parametrize("password", ["tr0ubador", "tr0ubador ß", "tr0ubador 中"])
def test_botlaunch_requires_an_upper_case_letter(password: str) -> None:
    assert rule_broken(password) == "characters"
    PLAIN.check(password, about=ALICE)


@pytest.mark.parametrize("password", ["Troubador", "Troubador ½", "Troubador Ⅷ", "Troubador ²"])
def test_botlaunch_requires_a_digit(password: str) -> None:
    assert rule_broken(password) == "characters"
    PLAIN.check(password, about=ALICE)


@pytest.mark.covers("3", "13")
@pytest.mark.parametrize(
    "password",
    [
        "Aaa aaa1",
        "Aaa'aaa1",
        'Aaa"aaa1',
        "Аaaaaaa1",  # noqa: RUF001 - the first letter is Cyrillic
        "Aaa\U0001f600aaa1",
        "Émigré 1 café",
        "Пароль 1 длинный",
        "Ünïcödé7",
        "Ärger mit ٣ Ziffern",  # an Arabic digit is one
        "Correct horse 1",
        "\"Quotes' 1\\/",
        "<b>Tags&1</b>",
        "Tab\tand\nline 1",
        "Nul\0 byte 1",
        "\u4f60\u597d\u4f60\u597d A1 \u4f60\u597d",
        "Zero\u200bwidth 1",
    ],
)
def test_any_character_is_accepted(password: str) -> None:
    COMPOSED.check(password, about=ALICE)


@pytest.mark.covers("2", "13")
def test_generated_passwords_are_accepted() -> None:
    """As password managers generate them: 64 printable characters."""
    chance = random.Random(64)  # noqa: S311 - the same in every run
    printable = string.ascii_letters + string.digits + string.punctuation + " "
    for _ in range(200):
        COMPOSED.check("".join(chance.choices(printable, k=62)) + "A1", about=ALICE)


@pytest.mark.parametrize("password", ["yourPassword1", "Secret123!", "newSecurePass1"])
def test_passwords_of_documentation_examples_are_accepted(password: str) -> None:
    """Unless they are common, as "Password123" is."""
    COMPOSED.check(password, about=ALICE)


# Common passwords: security.md 8


@pytest.mark.covers("8")
@pytest.mark.parametrize(
    "password",
    [
        "Password123",
        "Password1",
        "PASSWORD1",
        "password1",
        "Qwerty123",
        "qwertY123",
        "Passw0rd",
        "Abcd1234",
        "Iloveyou1",
        "Welcome1",
    ],
)
def test_common_passwords_are_rejected_in_any_case(password: str) -> None:
    assert rule_broken(password, PLAIN) == "common"


@pytest.mark.covers("8")
@pytest.mark.parametrize("password", ["Password1 of mine", "my Qwerty123", "xPassword1", "Password1x9"])
def test_a_password_that_contains_a_common_one_is_accepted(password: str) -> None:
    COMPOSED.check(password, about=ALICE)


def test_the_list_has_three_thousand_passwords_of_sufficient_length() -> None:
    """ASVS 6.2.4: at least the 3,000 that meet the policy."""
    listed = common_passwords()

    assert len(listed) >= 3000
    assert all(len(password) >= 8 and password == password.casefold() for password in listed)


def test_half_of_the_list_has_letters_and_digits() -> None:
    with_both = [word for word in common_passwords() if any(map(str.isdigit, word)) and any(map(str.isalpha, word))]

    assert len(with_both) == len(common_passwords()) / 2


# The user's own name: security.md 9


@pytest.mark.covers("9")
@pytest.mark.parametrize(
    "password",
    [
        "alice.cooper@example.com",
        "Alice.Cooper1A",
        "1alice.cooper",
        "ALICE99a1",
        "Alice Cooper1",
        "AliceCooper12",
        "Cooper1234",
        "1Alice2X",
        "Gerbang1!",
    ],
)
def test_a_password_made_of_the_users_name_or_the_service_is_rejected(password: str) -> None:
    assert rule_broken(password, PLAIN) == "personal"


@pytest.mark.parametrize("password", ["Alice in wonderland 1", "A cooper makes barrels 7", "Gerbang guards my 1 door"])
def test_a_longer_password_may_contain_a_name(password: str) -> None:
    COMPOSED.check(password, about=ALICE)


def test_the_name_of_the_service_can_be_set() -> None:
    policy = PasswordPolicy(service_name="Atourin Travel")

    assert rule_broken("Atourin12", policy) == "personal"
    assert rule_broken("atourintravel1", policy) == "personal"
    policy.check("Gerbang1!", about=ALICE)


def test_short_names_are_ignored() -> None:
    PLAIN.check("annabcde1", about=("ann@example.com", "bo", "Ann Bo Li"))


def test_names_may_be_missing() -> None:
    PLAIN.check("Correct horse 1", about=(None, "", None))
    PLAIN.check("Correct horse 1")


def test_names_are_normalized_before_comparing() -> None:
    assert rule_broken("ZOE\u0308MULLER1", PLAIN, about=("Zo\u00eb Muller",)) == "personal"


@pytest.mark.parametrize(
    ("required", "accepted", "rejected"),
    [
        ("letters_digits", "violet tram 42", ["violet tram", "4242 4242 77"]),
        ("lower_upper_letters_digits", "Violet tram 42", ["violet tram 42", "VIOLET TRAM 42", "Violet tram"]),
        ("lower_upper_letters_digits_symbols", "Violet-tram 42", ["Violet tram 42", "violet-tram 42"]),
    ],
)
def test_an_operator_can_require_kinds_of_characters(required: str, accepted: str, rejected: list[str]) -> None:
    policy = PasswordPolicy(requirements=REQUIRED_CHARACTERS[required])

    policy.check(accepted)
    for password in rejected:
        with pytest.raises(UnacceptablePassword) as caught:
            policy.check(password)
        assert caught.value.rule == "characters"


def test_requirements_of_an_api_are_added_to_the_operators() -> None:
    policy = PasswordPolicy(requirements=REQUIRED_CHARACTERS["letters_digits"]).asking_for(ONE_UPPER_CASE_LETTER)

    for password in ("violet tram 42", "VIOLET TRAM"):
        with pytest.raises(UnacceptablePassword):
            policy.check(password)
    policy.check("Violet tram 42")


def test_settings_and_policy_have_the_same_requirements() -> None:
    assert {"", *settings.REQUIRED_CHARACTERS} == REQUIRED_CHARACTERS.keys()
