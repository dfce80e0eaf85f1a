"""gerbang.mail.composing and message: values, names and addresses in mails."""

import time
from datetime import datetime, timedelta, timezone

import pytest
from gerbang.mail.composing import Mails, Recipient
from gerbang.mail.jobs import MailKind
from gerbang.mail.message import MailRejected, Message
from gerbang.mail.settings import MailSettings
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.mail.messages import (
    ANA,
    BARE,
    CHANGED_AT,
    CODE,
    EN,
    HALF_AN_HOUR,
    NOT_ONE_ADDRESS,
    TEN_MINUTES,
    TOKEN,
    Page,
    compose,
    every_message,
)


def test_a_lifetime_is_rounded_down_to_minutes() -> None:
    mail = Mails(settings=BARE).sign_in_code(
        Recipient(address=ANA, locale=EN), code=CODE, valid_for=timedelta(seconds=299)
    )

    assert "4 minutes" in mail.text


def test_the_time_of_a_change_is_in_utc() -> None:
    jakarta = timezone(timedelta(hours=7))

    mail = Mails(settings=BARE).password_changed(
        Recipient(address=ANA, locale=EN), changed_at=datetime(2026, 3, 23, 1, 5, tzinfo=jakarta)
    )

    assert "2026-03-22 18:05 UTC" in mail.text


@pytest.mark.parametrize(
    ("page", "link"),
    [
        ("https://app.example.com/reset", "https://app.example.com/reset#token=a%2Bb%2Fc%3D"),
        ("https://app.example.com/?lang=en", "https://app.example.com/?lang=en#token=a%2Bb%2Fc%3D"),
        ("https://app.example.com/reset?t={token}&x=1", "https://app.example.com/reset?t=a%2Bb%2Fc%3D&x=1"),
        ("https://app.example.com/#/reset/{token}", "https://app.example.com/#/reset/a%2Bb%2Fc%3D"),
        ("http://localhost:5173/reset", "http://localhost:5173/reset#token=a%2Bb%2Fc%3D"),
    ],
)
def test_the_reset_link_is_the_configured_page_with_the_token(page: str, link: str) -> None:
    settings = MailSettings(product_name="Atourin", sender_address="no-reply@example.com", password_reset_url=page)

    mail = Mails(settings=settings).password_reset(
        Recipient(address=ANA, locale=EN), token="a+b/c=", valid_for=HALF_AN_HOUR
    )

    assert link in mail.text.splitlines()
    assert set(Page(mail.html).links) == {link}


# Names: anyone may have registered with the address of another


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert('x')</script>",
        "Ana</p><h1>Pay now</h1><a href='evil'>",
        "\"><img src=x onerror=alert('x')>",
        "Tom & \"Jerry\" <b>'bold'</b>",
        "&lt;b&gt;",
        "${code} $code $${product_name} {token} %s {0}",
    ],
)
@every_message
def test_a_name_is_never_markup_or_template(message: str, name: str) -> None:
    plain, named = Page(compose(message, EN, "Ana").html), Page(compose(message, EN, name).html)

    assert named.tags == plain.tags
    assert named.attributes == plain.attributes


def test_a_name_with_markup_characters_is_shown_unchanged() -> None:
    mail = compose("sign_in_code", EN, 'Tom & "Jerry" <b>')

    assert 'Hi Tom & "Jerry" <b>,' in Page(mail.html).words
    assert 'Hi Tom & "Jerry" <b>,' in mail.text


@pytest.mark.parametrize(
    "name",
    [
        "https://evil.example",
        "Ana http://evil.example/x",
        "javascript:alert(1)",
        "mailto:eve",
        "WWW.evil",
        "evil.example",
        "Win at evil.co now",
        "münchen.example",
        "例え。テスト",
        "evil\uff0eexample",  # a full-width dot
        "evil\uff61example",  # a half-width ideographic one
        "evil.\u200dexample",
        "evil.\u00adexample",
        "evil\uff0fpath",
        "a/b",
        "a\\b",
        "eve@evil.example",
        "eve\uff20evil",
        "+39 055 123456",
        "your code is 123456",
        "1-2-3-4-5-6",
        "You have won a prize, to collect it call the number in your last letter",
        "",
        " \t\r\n",
        "\u200b\u202e",
    ],
)
@every_message
def test_a_name_that_is_a_link_a_number_or_a_message_is_left_out(message: str, name: str) -> None:
    assert compose(message, EN, name) == compose(message, EN)  # ASVS 1.3.7


@pytest.mark.parametrize(
    "name",
    ["Ana", "J.R.R. Tolkien", "Dr. Ana Putri", "O'Neil-Smith Jr.", "Søren 2", "李小龍", "محمد", "Nguyễn Văn A", "A"],
)
def test_an_ordinary_name_is_in_the_greeting(name: str) -> None:
    assert compose("sign_in_code", EN, name).text.startswith(f"Hi {name},\n")


@pytest.mark.parametrize("gap", ["\r\n", "\n\n", "\x0b", "\x85", "\u2028", "\u2029", "\t  "])
def test_line_breaks_in_a_name_become_spaces(gap: str) -> None:
    mail = compose("sign_in_code", EN, f"Ana{gap}Bcc: Eve" if ":" not in gap else gap)

    assert mail == compose("sign_in_code", EN)
    assert compose("sign_in_code", EN, f"Ana{gap}Putri").text.startswith("Hi Ana Putri,\n")


@pytest.mark.parametrize("hidden", ["\x00", "\x1b", "\x7f", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800", "\ue000"])
def test_invisible_characters_are_removed_from_a_name(hidden: str) -> None:
    mail = compose("sign_in_code", EN, f"A{hidden}na")

    assert mail.text.startswith("Hi Ana,\n")
    assert hidden not in mail.html


@pytest.mark.parametrize("name", ["1 " * 100_000, "a." * 100_000, " " * 200_000, "A" * 200_000])
def test_a_very_long_name_takes_no_time(name: str) -> None:
    started = time.perf_counter()

    compose("sign_in_code", EN, name)

    assert time.perf_counter() - started < 1  # ASVS 1.3.12


@given(st.text(max_size=80) | st.text("<>&\"'./:@$ {}\r\n\u202eAn1\ud800", max_size=80))
def test_a_name_changes_only_the_greeting(name: str) -> None:
    plain, named = compose("sign_in_code"), compose("sign_in_code", EN, name)

    assert (named.to, named.subject) == (plain.to, plain.subject)
    assert named.text.split("\n")[1:] == plain.text.split("\n")[1:]
    assert Page(named.html).tags == Page(plain.html).tags
    assert Page(named.html).attributes == Page(plain.html).attributes
    named.text.encode()
    named.html.encode()


# Addresses and headers


@pytest.mark.parametrize("address", [ANA, "a.b+tag@sub.example.co.id", "o'neil@example.com", "x@xn--bcher-kva.example"])
def test_a_plain_address_is_accepted(address: str) -> None:
    mail = Mails(settings=BARE).sign_in_code(Recipient(address=address, locale=EN), code=CODE, valid_for=TEN_MINUTES)

    assert mail.to == address


@pytest.mark.parametrize("address", NOT_ONE_ADDRESS)
@every_message
def test_any_other_address_is_rejected(message: str, address: str) -> None:
    mail = compose(message)

    with pytest.raises(MailRejected) as caught:
        Message(kind=mail.kind, locale=mail.locale, to=address, subject=mail.subject, text=mail.text, html=mail.html)

    assert caught.value.reason == "bad_address"  # ASVS 1.3.11
    assert "@" not in str(caught.value)


@pytest.mark.parametrize("subject", ["Hello\r\nBcc: eve@example.com", "Hello\n", "Hel\x00lo", "Hello\u2028"])
def test_a_subject_is_one_line(subject: str) -> None:
    with pytest.raises(ValueError, match="subject"):
        Message(kind=MailKind.SIGN_IN_CODE, locale=EN, to=ANA, subject=subject, text="", html="")


@every_message
def test_the_repr_of_a_message_has_no_address_and_no_secret(message: str) -> None:
    printed = repr(compose(message))

    assert not any(secret in printed for secret in (ANA, CODE, TOKEN))  # ASVS 16.2.5


def test_the_sender_is_the_contact_if_there_is_no_reply_address() -> None:
    mail = Mails(settings=BARE).password_changed(Recipient(address=ANA, locale=EN), changed_at=CHANGED_AT)

    assert "no-reply@example.com" in mail.text
