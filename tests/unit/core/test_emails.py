"""gerbang.core.emails: the canonical form of an address, and which addresses are rejected."""

import time
from contextlib import suppress
from unicodedata import category

import pytest
from gerbang.core.emails import LONGEST_ADDRESS, InvalidEmail, canonical
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.combining_marks import MARKS, is_quicker_than_normalising

ALICE = "alice@example.com"


@pytest.mark.covers("F5", "145")
@pytest.mark.parametrize(
    "typed",
    [
        ALICE,
        "Alice@Example.COM",
        "ALICE@EXAMPLE.COM",
        "  alice@example.com\t\n",
        "\u00a0alice@example.com\u3000",
        "\uff41\uff4c\uff49\uff43\uff45\uff20\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45\uff0e\uff43\uff4f\uff4d",
        "alice@example\uff0ecom",
        "alice@example\u3002com",
        "\U0001d41alice@example.com",  # a bold a
        "alice@exam\u00adple.com",  # invisible in a domain: dropped by UTS 46, as mail servers do
        "al\u2170ce@example.com",
        "\u24d0lice@example.com",
    ],
    ids=ascii,
)
def test_spellings_of_one_address_have_the_same_canonical_form(typed: str) -> None:
    assert canonical(typed) == ALICE


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("\u212aelvin@example.com", "kelvin@example.com"),  # the Kelvin sign
        ("\u017fam@example.com", "sam@example.com"),  # long s
        ("o\ufb03ce@example.com", "office@example.com"),  # a ligature
        ("a+tag@example.com", "a+tag@example.com"),
        ("a.b.c@example.com", "a.b.c@example.com"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("!#$%&'*+-/=?^_`{|}~@example.com", "!#$%&'*+-/=?^_`{|}~@example.com"),
        ("a@b.co", "a@b.co"),
        ("1@1.example", "1@1.example"),
        ("a@xn--mnchen-3ya.de", "a@xn--mnchen-3ya.de"),
        ("a@M\u00fcnchen.de", "a@xn--mnchen-3ya.de"),
        ("a@Mu\u0308nchen.de", "a@xn--mnchen-3ya.de"),
        ("a@\u4f8b\u5b50.\u6d4b\u8bd5", "a@xn--fsqu00a.xn--0zwm56d"),
        ("a@stra\u00dfe.de", "a@xn--strae-oqa.de"),
        ("a@sub.domain.example.museum", "a@sub.domain.example.museum"),
        (f"{'x' * 64}@example.com", f"{'x' * 64}@example.com"),
        (f"a@{'x' * 63}.com", f"a@{'x' * 63}.com"),
    ],
    ids=ascii,
)
def test_an_address_has_a_canonical_form(typed: str, form: str) -> None:
    assert canonical(typed) == form


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.b@example.com", "ab@example.com"),
        ("a+x@example.com", "a@example.com"),
        ("a@stra\u00dfe.de", "a@strasse.de"),
    ],
)
def test_addresses_that_may_belong_to_different_people_stay_different(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "alice",
        "@",
        "@example.com",
        "alice@",
        "alice@example",
        "alice@localhost",
        "alice@.com",
        "alice@example.",
        "alice@example.com.",
        "alice@example..com",
        "alice@-example.com",
        "alice@example-.com",
        "alice@exa_mple.com",
        "alice@127.0.0.1",
        "alice@[127.0.0.1]",
        "alice@[IPv6:::1]",
        "alice@example.123",
        ".alice@example.com",
        "alice.@example.com",
        "al..ice@example.com",
        "=?utf-8?q?x=40evil.example=3e=20?=@victim.example",  # RFC 2047: may be read as another address
        "alice=?utf-8?b?YQ==?=@example.com",
        "alice@xn--0.example",  # no valid A-label
        "al ice@example.com",
        "alice @example.com",
        "alice@ example.com",
        "alice@exam ple.com",
        "alice@bob@example.com",
        '"alice"@example.com',
        '"al ice"@example.com',
        "alice(comment)@example.com",
        "Alice <alice@example.com>",
        "alice@example.com,bob@example.com",
        "alice@example.com;bob@example.com",
        "alice\\@example.com",
        "al\0ice@example.com",
        "alice@example.com\0",
        "alice\r\nBcc: all@example.com",
        "alice@example.com\r\nBcc: all@example.com",
        "alice%0d%0aBcc:all@exam\rple.com",
        "al\tice@example.com",
        "al\u00a0ice@example.com",
        "al\u200bice@example.com",  # zero width
        "al\u00adice@example.com",  # soft hyphen
        "al\u202eice@example.com",  # right-to-left override
        "\u0131stanbul@example.com",  # dotless i
        "\u0130stanbul@example.com",  # dotted I
        "stra\u00dfe@example.com",
        "\u0430lice@example.com",  # Cyrillic a
        "j\u00fcrgen@example.com",
        "\u4f60\u597d@example.com",
        "\ud800@example.com",
        "alice@\ud800.com",
        "alice@x\u0338\u0338\u2260.com",
        "alice@exam\u2044ple.com",
        "alice@example.com/path",
        "alice@example.com:25",
        f"{'x' * 65}@example.com",
        f"a@{'x' * 64}.com",
        f"a@{'x.' * 126}com",
        f"a@{'\u00fc' * 63}.com",
    ],
    ids=lambda typed: ascii(typed)[:40],
)
def test_an_invalid_address_is_rejected(typed: str) -> None:
    with pytest.raises(InvalidEmail):
        canonical(typed)


def test_an_address_has_at_most_254_characters() -> None:
    """RFC 5321, 4.5.3.1.3."""
    local, domain = "x" * 64, ".".join(["y" * 63, "z" * 63, "w" * 57, "com"])
    longest = f"{local}@{domain}"

    assert len(longest) == LONGEST_ADDRESS
    assert canonical(longest) == longest
    with pytest.raises(InvalidEmail):
        canonical(longest.replace("w" * 57, "w" * 58))


@pytest.mark.covers("167")
def test_an_error_does_not_contain_the_address() -> None:
    """Errors are logged."""
    for typed in ("Alice Cooper", "al ice@example.com", "alice@exam_ple.com", "x" * 2000):
        with pytest.raises(InvalidEmail) as caught:
            canonical(typed)
        assert not set(str(caught.value).split()) & set(typed.split())


ODD_TEXTS = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("@.-_+ aA0\r\n\t\0\u212a\uff20\uff0e\u3002\u00df\u200b"))
)


@pytest.mark.covers("143", "145")
@given(
    st.one_of(
        ODD_TEXTS,
        st.tuples(ODD_TEXTS, ODD_TEXTS).map("@".join),
        st.emails(),
        ODD_TEXTS.map(lambda text: f"a@{text}.com"),
    )
)
@example("a@a\u0338.com")
@example("\uff20.\uff20")
@example("a@\u2488com")  # a digit with a full stop
@example("a@xn--a.com")
def test_every_canonical_form_is_plain_and_stable(typed: str) -> None:
    """An accepted address cannot end a header line, be two recipients, or have a second canonical form."""
    try:
        form = canonical(typed)
    except InvalidEmail:
        return

    assert form.isascii()
    assert form == form.lower()
    assert form.count("@") == 1
    assert not any(category(character) in {"Cc", "Zs", "Zl", "Zp"} or character in '<>()[]\\,;:"' for character in form)
    assert len(form) <= LONGEST_ADDRESS
    assert canonical(form) == form


@given(st.emails())
def test_case_and_surrounding_white_space_are_ignored(typed: str) -> None:
    try:
        form = canonical(typed)
    except InvalidEmail:
        return

    assert canonical(f"  {typed.upper()}\n") == form


@pytest.mark.covers("150")
@pytest.mark.parametrize(
    "typed",
    [
        "a" * 200_000,
        "a@" + "a." * 100_000,
        "a." * 100_000 + "@example.com",
        "a@" + "\u00fc" * 200_000,
        "@" * 200_000,
        "\ufdfa" * 200_000,  # one character that folds into eighteen
        " " * 200_000 + ALICE,
        "a@" + "-" * 1000 + ".com",
        "a@" + "xn--" * 250 + ".com",
        "\ufdfa" * 1000,
        "a@" + "\u0327\u0301" * 500 + ".com",
    ],
    ids=lambda typed: ascii(typed)[:16] + f" {len(typed)}",
)
def test_no_text_takes_long_to_check(typed: str) -> None:
    started = time.perf_counter()

    with suppress(InvalidEmail):
        canonical(typed)

    assert time.perf_counter() - started < 0.5


@pytest.mark.covers("150")
def test_combining_marks_are_rejected_before_normalisation() -> None:
    def attempt() -> None:
        with pytest.raises(InvalidEmail):
            canonical(f"{MARKS}@example.com")

    assert is_quicker_than_normalising(attempt)
