"""gerbang.mail.languages: the language that a request asks for, and the one that a mail is written in."""

import time

import pytest
from gerbang.mail.languages import LOCALES, choose_locale, requested_locale
from hypothesis import given
from hypothesis import strategies as st


def test_there_are_templates_in_four_languages() -> None:
    assert {"en", "id", "it", "es"} <= LOCALES


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("it", "it"),
        ("IT", "it"),
        ("es-MX", "es"),
        ("es_MX", "es"),  # as Java, iOS and PHP write it
        ("in_ID", "id"),
        ("it_IT, en;q=0.8", "it"),
        ("id-Latn-ID", "id"),
        ("in", "id"),  # Indonesian's old code
        ("in-ID,en;q=0.8", "id"),
        ("it-IT,it;q=0.9,en-US;q=0.8,en;q=0.7", "it"),
        ("en;q=0.4, es;q=0.9, it;q=0.7", "es"),
        ("es;q=0.5, it;q=0.5", "es"),  # equal weights: the header's order
        ("fr, de;q=0.9, id;q=0.1", "id"),
        ("it;q=0, es;q=0.1", "es"),
        ("it ; q=0.2\t,\tes ;q=0.300", "es"),
        ("it;Q=1.000", "it"),
        (",, ,it,", "it"),
        ("*, it;q=0.5", "it"),
    ],
)
def test_the_language_with_the_highest_weight_is_chosen(header: str, chosen: str) -> None:
    assert requested_locale(header) == chosen


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "*",
        "fr",
        "zh-Hant-TW, ja;q=0.3",
        "it;q=0",
        "it;q=2",
        "it;q=0.1234",
        "it;q=-1",
        "it;q=NaN",
        "it;level=1",
        "../it",
        "it/../../etc",
        "italiano",
        "it__IT",
        "_it",
        "it\r\nX-Evil: 1",
        "ìt",
        "-it",
        "it-",
        ";q=1",
        "\x00",
    ],
)
def test_a_header_without_a_supported_language_chooses_none(header: str | None) -> None:
    assert requested_locale(header) is None


@pytest.mark.parametrize(
    ("tags", "chosen"),
    [
        (("it", "es", "id"), "it"),
        ((None, "es", "id"), "es"),
        (("", "fr", "id-ID"), "id"),
        (("es_MX",), "es"),
        (("es-MX",), "es"),
        (("in",), "id"),
        (("in_ID",), "id"),
        (("IN-id",), "id"),
        (("tlh",), "en"),
        ((), "en"),
    ],
)
def test_the_first_supported_language_is_chosen(tags: tuple[str | None, ...], chosen: str) -> None:
    assert choose_locale(*tags) == chosen


def test_only_the_first_kilobyte_of_a_header_is_read() -> None:
    assert requested_locale("fr," * 341 + "it") is None  # "it" reaches past the 1,024th character
    assert requested_locale("it," + "fr," * 100_000) == "it"


def test_a_range_cut_in_two_by_the_limit_is_ignored() -> None:
    header = "es;q=0.1," + "x" * 1010 + ",it-IT-verylong;q=0.0"

    assert requested_locale(header) == "es"


@pytest.mark.parametrize("header", ["a-" * 100_000, "it;q=" + "0" * 200_000, " \t" * 100_000, "it," * 100_000])
def test_a_very_long_header_takes_no_time(header: str) -> None:
    started = time.perf_counter()

    requested_locale(header)
    choose_locale(header, header, header)

    assert time.perf_counter() - started < 1  # ASVS 1.3.12


@given(st.text(), st.none() | st.text())
def test_any_header_leads_to_a_supported_language(header: str, account: str | None) -> None:
    assert choose_locale(requested_locale(header), account, header) in LOCALES
