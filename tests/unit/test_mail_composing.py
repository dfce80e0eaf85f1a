"""gerbang.mail.composing and the templates: what mails say, and which addresses they may go to."""

import re
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import override

import pytest
from gerbang.mail.composing import Mails, Recipient
from gerbang.mail.jobs import MailKind
from gerbang.mail.languages import LOCALES, TEMPLATES, Locale
from gerbang.mail.message import MailRejected, Message
from gerbang.mail.settings import MailSettings
from gerbang.mail.template_files import MailTemplateInvalid
from hypothesis import given
from hypothesis import strategies as st

ANA = "ana@example.com"
EN = Locale("en")
CODE = "048213"
TOKEN = "kT3v9Qm2xYp7Lr0aWc5Zn8Bd1Fh6Gj4KsUeIoXtVqRy"
TEN_MINUTES = timedelta(minutes=10)
HALF_AN_HOUR = timedelta(minutes=30)
SEVEN_DAYS = timedelta(days=7)
CHANGED_AT = datetime(2026, 3, 23, 6, 39, 34, tzinfo=UTC)

BARE = MailSettings(product_name="Atourin", sender_address="no-reply@example.com")
LINKED = MailSettings(
    product_name="Atourin",
    sender_address="no-reply@example.com",
    reply_to="help@example.com",
    password_reset_url="https://app.example.com/reset",
    invitation_url="https://app.example.com/join",
)

type Compose = Callable[[Mails, Locale, str | None], Message]

MESSAGES: dict[str, tuple[MailSettings, Compose, list[str]]] = {
    # message: settings, how it is composed, what its text and its HTML must hold
    "sign_in_code": (
        BARE,
        lambda mails, locale, name: mails.sign_in_code(
            Recipient(address=ANA, locale=locale, name=name), code=CODE, valid_for=TEN_MINUTES
        ),
        [CODE, "10", "Atourin"],
    ),
    "verification_code": (
        BARE,
        lambda mails, locale, name: mails.verification_code(
            Recipient(address=ANA, locale=locale, name=name), code=CODE, valid_for=TEN_MINUTES
        ),
        [CODE, "10", "Atourin"],
    ),
    "password_reset_token": (
        BARE,
        lambda mails, locale, name: mails.password_reset(
            Recipient(address=ANA, locale=locale, name=name), token=TOKEN, valid_for=HALF_AN_HOUR
        ),
        [TOKEN, "30", "Atourin"],
    ),
    "password_reset_link": (
        LINKED,
        lambda mails, locale, name: mails.password_reset(
            Recipient(address=ANA, locale=locale, name=name), token=TOKEN, valid_for=HALF_AN_HOUR
        ),
        [f"https://app.example.com/reset#token={TOKEN}", "30", "Atourin"],
    ),
    "password_changed": (
        LINKED,
        lambda mails, locale, name: mails.password_changed(
            Recipient(address=ANA, locale=locale, name=name), changed_at=CHANGED_AT
        ),
        ["2026-03-23 06:39 UTC", "help@example.com", "Atourin"],
    ),
    "password_removed": (
        LINKED,
        lambda mails, locale, name: mails.password_removed(Recipient(address=ANA, locale=locale, name=name)),
        ["help@example.com", "Atourin"],
    ),
    "email_change_current": (
        LINKED,
        lambda mails, locale, name: mails.email_change_current(
            Recipient(address=ANA, locale=locale, name=name), code=CODE, valid_for=TEN_MINUTES
        ),
        [CODE, "10", "help@example.com", "Atourin"],
    ),
    "email_change_new": (
        BARE,
        lambda mails, locale, name: mails.email_change_new(
            Recipient(address=ANA, locale=locale, name=name), code=CODE, valid_for=TEN_MINUTES
        ),
        [CODE, "10", "Atourin"],
    ),
    "recovery_code": (
        BARE,
        lambda mails, locale, name: mails.recovery_code(
            Recipient(address=ANA, locale=locale, name=name), code=CODE, valid_for=TEN_MINUTES
        ),
        [CODE, "10", "Atourin"],
    ),
    "invite": (
        BARE,
        lambda mails, locale, name: mails.invite(
            Recipient(address=ANA, locale=locale, name=name), code=CODE, valid_for=TEN_MINUTES
        ),
        [CODE, "10", "Atourin"],
    ),
    "reauthentication_code": (
        BARE,
        lambda mails, locale, name: mails.reauthentication_code(
            Recipient(address=ANA, locale=locale, name=name), code=CODE, valid_for=TEN_MINUTES
        ),
        [CODE, "10", "Atourin"],
    ),
    "new_device": (
        LINKED,
        lambda mails, locale, name: mails.new_device(
            Recipient(address=ANA, locale=locale, name=name),
            device="Firefox, Ubuntu",
            address="203.0.113.9",
            signed_in_at=CHANGED_AT,
        ),
        ["Firefox, Ubuntu", "203.0.113.9", "2026-03-23 06:39 UTC", "help@example.com", "Atourin"],
    ),
    "organization_invitation": (
        BARE,
        lambda mails, locale, name: mails.organization_invitation(
            Recipient(address=ANA, locale=locale, name=name),
            organization="Acme",
            organization_id="org_1",
            token=TOKEN,
            valid_for=SEVEN_DAYS,
        ),
        ["Acme", TOKEN, "7", "Atourin"],
    ),
    "organization_invitation_link": (
        LINKED,
        lambda mails, locale, name: mails.organization_invitation(
            Recipient(address=ANA, locale=locale, name=name),
            organization="www.evil.example",
            organization_id="org_1",
            token=TOKEN,
            valid_for=SEVEN_DAYS,
        ),
        [f"https://app.example.com/join#token={TOKEN}", "org_1", "7", "Atourin"],
    ),
    "identity_linked": (
        LINKED,
        lambda mails, locale, name: mails.identity_linked(
            Recipient(address=ANA, locale=locale, name=name), provider="google", changed_at=CHANGED_AT
        ),
        ["Google", "2026-03-23 06:39 UTC", "help@example.com", "Atourin"],
    ),
    "identity_unlinked": (
        LINKED,
        lambda mails, locale, name: mails.identity_unlinked(
            Recipient(address=ANA, locale=locale, name=name), provider="custom:my-shop", changed_at=CHANGED_AT
        ),
        ["My Shop", "2026-03-23 06:39 UTC", "help@example.com", "Atourin"],
    ),
    "password_unlinked": (
        LINKED,
        lambda mails, locale, name: mails.password_unlinked(
            Recipient(address=ANA, locale=locale, name=name), changed_at=CHANGED_AT
        ),
        ["2026-03-23 06:39 UTC", "help@example.com", "Atourin"],
    ),
    "account_exists": (
        LINKED,
        lambda mails, locale, name: mails.account_exists(Recipient(address=ANA, locale=locale, name=name)),
        ["help@example.com", "Atourin"],
    ),
}

LINK = "https://auth.example.com/auth/v1/verify?token=abc&type=signup&redirect_to=https%3A%2F%2Fapp.example.com%2F"


def linked(method: str) -> Compose:
    """Compose a mail with a code and a link."""
    return lambda mails, locale, name: getattr(mails, method)(
        Recipient(address=ANA, locale=locale, name=name), code=CODE, valid_for=TEN_MINUTES, link=LINK
    )


CODES_AND_LINKS = {
    "sign_in_link": "sign_in_code",
    "verification_link": "verification_code",
    "recovery_link": "recovery_code",
    "invite_link": "invite",
    "email_change_current_link": "email_change_current",
    "email_change_new_link": "email_change_new",
}
MESSAGES.update(
    {message: (LINKED, linked(method), [LINK, CODE, "10", "Atourin"]) for message, method in CODES_AND_LINKS.items()}
)

every_message = pytest.mark.parametrize("message", MESSAGES)
every_language = pytest.mark.parametrize("locale", sorted(LOCALES))


def compose(message: str, locale: Locale = EN, name: str | None = None) -> Message:
    settings, how, _ = MESSAGES[message]
    return how(Mails(settings=settings), locale, name)


class Page(HTMLParser):
    """An HTML mail as a mail program reads it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()

    @property
    def links(self) -> list[str]:
        return [value for _, name, value in self.attributes if name == "href"]

    @property
    def unclosed(self) -> list[str]:
        return self._open

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in {"meta", "br"}:
            self._open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        if not {"style", "title"} & set(self._open):
            self.words += data


# The templates in the package


@every_message
@every_language
def test_every_language_has_every_message_with_all_values_filled_in(message: str, locale: Locale) -> None:
    wanted = MESSAGES[message][2]

    mail = compose(message, locale, "Ana")

    assert (mail.to, mail.locale) == (ANA, locale)
    assert "Atourin" in mail.subject
    for written in (mail.subject, mail.text, mail.html):
        assert "$" not in written
        assert "None" not in written
    for value in wanted:
        assert value in mail.text
        assert value in Page(mail.html).words


@every_message
@every_language
def test_the_greeting_has_the_name_of_the_reader_if_there_is_one(message: str, locale: Locale) -> None:
    named, unnamed = compose(message, locale, "Ana Putri"), compose(message, locale)

    assert "Ana Putri" in named.text.splitlines()[0]
    assert "Ana Putri" in Page(named.html).words
    assert re.fullmatch(r"\w+[,:]", unnamed.text.splitlines()[0])
    assert unnamed.text.splitlines()[0] in Page(unnamed.html).words


def test_every_kind_of_mail_has_a_message() -> None:
    assert {compose(message).kind for message in MESSAGES} == set(MailKind)


@every_language
def test_a_language_has_exactly_the_templates_of_every_message(locale: Locale) -> None:
    files = {file.name for file in (TEMPLATES / locale).iterdir()}

    assert files == {f"{message}.{form}" for message in MESSAGES for form in ("txt", "html")} | {
        "greeting_named.txt",
        "greeting_unnamed.txt",
    }


@every_message
def test_no_two_languages_share_a_subject_or_a_text(message: str) -> None:
    mails = [compose(message, locale) for locale in sorted(LOCALES)]

    assert len({mail.subject for mail in mails}) == len(mails)
    assert len({mail.text for mail in mails}) == len(mails)


@every_message
@every_language
def test_the_html_is_well_formed_names_its_language_and_loads_nothing(message: str, locale: Locale) -> None:
    settings = MESSAGES[message][0]

    page = Page(compose(message, locale).html)

    assert page.unclosed == []
    assert ("html", "lang", locale) in page.attributes
    assert not {"img", "script", "iframe", "object", "form", "input", "svg", "base", "link"} & set(page.tags)
    assert not {"src", "background", "srcset"} & {name for _, name, _ in page.attributes}
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    for link in page.links:
        pages = (settings.password_reset_url or "mailto:", settings.invitation_url or "mailto:")
        assert link == LINK or link.startswith((*pages, f"mailto:{settings.contact}"))
    assert "url(" not in compose(message, locale).html


@every_message
@every_language
def test_the_html_supports_dark_mode(message: str, locale: Locale) -> None:
    mail = compose(message, locale)

    assert 'name="color-scheme" content="light dark"' in mail.html
    assert "prefers-color-scheme: dark" in mail.html


@pytest.mark.parametrize("message", ["sign_in_code", "verification_code"])
@every_language
def test_the_code_is_the_only_number_in_a_mail(message: str, locale: Locale) -> None:
    mail = compose(message, locale, "Ana 999999")

    assert re.findall(r"\d{4,}", mail.text) == [CODE]
    assert re.findall(r"\d{4,}", mail.html) == [CODE]
    assert CODE in mail.text.splitlines()  # on a line of its own, to be copied


@pytest.mark.parametrize("message", CODES_AND_LINKS)
@every_language
def test_the_link_and_the_code_are_on_separate_lines(message: str, locale: Locale) -> None:
    mail = compose(message, locale, "Ana")

    assert [line for line in mail.text.splitlines() if LINK in line] == [LINK]
    assert CODE in mail.text.splitlines()
    assert set(Page(mail.html).links) >= {LINK}
    assert LINK not in mail.subject


@every_message
@every_language
def test_a_subject_contains_no_secret_and_no_name(message: str, locale: Locale) -> None:
    mail = compose(message, locale, "Ana")

    assert not any(word in mail.subject for word in (CODE, TOKEN, "Ana", ANA))


@pytest.mark.parametrize("message", ["password_changed", "password_removed"])
@every_language
def test_a_notice_has_a_contact_address_and_no_link(message: str, locale: Locale) -> None:
    mail = compose(message, locale)

    assert set(Page(mail.html).links) == {"mailto:help@example.com"}  # SP 800-63B-4, 4.6: a way to object
    assert "://" not in mail.text


# Values


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


# Addresses


@pytest.mark.parametrize("address", [ANA, "a.b+tag@sub.example.co.id", "o'neil@example.com", "x@xn--bcher-kva.example"])
def test_a_plain_address_is_accepted(address: str) -> None:
    mail = Mails(settings=BARE).sign_in_code(Recipient(address=address, locale=EN), code=CODE, valid_for=TEN_MINUTES)

    assert mail.to == address


NOT_ONE_ADDRESS = [
    "",
    "ana",
    "@example.com",
    "ana@",
    "ana@example.com\n",
    "ana@example.com\r\nBcc: eve@example.com",
    "ana@example.com, eve@example.com",
    "ana@example.com;eve@example.com",
    "ana@example.com eve@example.com",
    "ana@eve@example.com",
    "Ana <ana@example.com>",
    "<ana@example.com>",
    '"ana"@example.com',
    "ana(comment)@example.com",
    "ana@[127.0.0.1]",
    "ana\x00@example.com",
    "ana@exämple.com",
    "anä@example.com",  # SES does not support SMTPUTF8
    "=?utf-8?q?ana?=@example.com>",
    "=?utf-8?q?x=40evil.example=3e=20?=@victim.example",
    "ana@xn--0.example",
    "an..a@example.com",
    "a" * 65 + "@example.com",
    "ana@" + "e" * 251,
]


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


# Edited templates


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    return shutil.copytree(TEMPLATES, tmp_path / "mail_templates")


def test_an_edited_template_is_used(edited: Path) -> None:
    (edited / "en" / "sign_in_code.txt").write_text("Subject: Ahoy from ${product_name}\n\n${code} ($$0, ${minutes})\n")

    mail = Mails(settings=BARE, templates=edited).sign_in_code(
        Recipient(address=ANA, locale=EN), code=CODE, valid_for=TEN_MINUTES
    )

    assert (mail.subject, mail.text) == ("Ahoy from Atourin", f"{CODE} ($0, 10)\n")


def test_a_language_is_added_by_adding_its_folder(edited: Path) -> None:
    shutil.copytree(edited / "it", edited / "rm")

    mail = Mails(settings=BARE, templates=edited).sign_in_code(
        Recipient(address=ANA, locale=Locale("rm")), code=CODE, valid_for=TEN_MINUTES
    )

    assert ("html", "lang", "rm") in Page(mail.html).attributes


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("en/sign_in_code.txt", None, "en/sign_in_code.txt: missing"),
        ("en/sign_in_code.html", None, "en/sign_in_code.html: missing"),
        ("layout.html", None, "layout.html: missing"),
        ("en/greeting_named.txt", None, "greeting_named.txt: missing"),
        ("en/sign_in_code.txt", b"\xff\xfe", "not UTF-8"),
        ("en/sign_in_code.txt", b"Your code\n\n${code} ${minutes}", "first line must be 'Subject"),
        ("en/sign_in_code.txt", b"Subject: Your code\n\n", "first line must be 'Subject"),
        ("en/sign_in_code.txt", b"Subject: Your code\n\n${minutes}", "placeholder code is not used"),
        ("en/sign_in_code.txt", b"Subject: Your code\n\n${code} ${minutes} ${cod}", "unknown placeholder cod"),
        ("en/sign_in_code.txt", b"Subject: ${code}\n\n${code} ${minutes}", "Subject: unknown placeholder code"),
        ("en/sign_in_code.txt", b"Subject: Your code\n\n${code} ${minutes} $5", "a \\$ that starts no placeholder"),
        ("en/sign_in_code.html", b"<p>${code}</p>", "placeholder minutes is not used"),
        ("en/sign_in_code.html", b"<p>${code} ${minutes} ${token}</p>", "unknown placeholder token"),
        ("en/greeting_named.txt", b"Hi,", "placeholder name is not used"),
        ("en/greeting_unnamed.txt", b"Hi ${name},", "unknown placeholder name"),
        ("layout.html", b"<html lang=${locale}>${subject} ${product_name}", "placeholder content is not used"),
    ],
)
def test_the_error_names_an_invalid_template(edited: Path, file: str, content: bytes | None, complaint: str) -> None:
    if content is None:
        (edited / file).unlink()
    else:
        (edited / file).write_bytes(content)

    with pytest.raises(MailTemplateInvalid, match=complaint):
        Mails(settings=BARE, templates=edited).sign_in_code(
            Recipient(address=ANA, locale=EN), code=CODE, valid_for=TEN_MINUTES
        )


def test_one_broken_template_does_not_stop_the_others(edited: Path) -> None:
    (edited / "es" / "sign_in_code.txt").unlink()

    mail = Mails(settings=BARE, templates=edited).sign_in_code(
        Recipient(address=ANA, locale=EN), code=CODE, valid_for=TEN_MINUTES
    )

    assert CODE in mail.text
