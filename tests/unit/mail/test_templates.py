"""The templates in the package, and templates that an operator has edited."""

import re
import shutil
from pathlib import Path

import pytest
from gerbang.mail.composing import Mails, Recipient
from gerbang.mail.jobs import MailKind
from gerbang.mail.languages import LOCALES, TEMPLATES, Locale
from gerbang.mail.template_files import MailTemplateInvalid

from tests.unit.mail.messages import (
    ANA,
    BARE,
    CODE,
    CODES_AND_LINKS,
    EN,
    LINK,
    MESSAGES,
    TEN_MINUTES,
    TOKEN,
    Page,
    compose,
    every_language,
    every_message,
)


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
