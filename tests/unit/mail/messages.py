"""Every message that a mail can have, for tests that hold for all of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import override

import pytest
from gerbang.mail.composing import Mails, Recipient
from gerbang.mail.languages import LOCALES, Locale
from gerbang.mail.message import Message
from gerbang.mail.settings import MailSettings

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

type Compose = Callable[[Mails, Recipient], Message]

MESSAGES: dict[str, tuple[MailSettings, Compose, list[str]]] = {
    # message: settings, how it is composed, what its text and its HTML must hold
    "sign_in_code": (
        BARE,
        lambda mails, to: mails.sign_in_code(to, code=CODE, valid_for=TEN_MINUTES),
        [CODE, "10", "Atourin"],
    ),
    "verification_code": (
        BARE,
        lambda mails, to: mails.verification_code(to, code=CODE, valid_for=TEN_MINUTES),
        [CODE, "10", "Atourin"],
    ),
    "password_reset_token": (
        BARE,
        lambda mails, to: mails.password_reset(to, token=TOKEN, valid_for=HALF_AN_HOUR),
        [TOKEN, "30", "Atourin"],
    ),
    "password_reset_link": (
        LINKED,
        lambda mails, to: mails.password_reset(to, token=TOKEN, valid_for=HALF_AN_HOUR),
        [f"https://app.example.com/reset#token={TOKEN}", "30", "Atourin"],
    ),
    "password_changed": (
        LINKED,
        lambda mails, to: mails.password_changed(to, changed_at=CHANGED_AT),
        ["2026-03-23 06:39 UTC", "help@example.com", "Atourin"],
    ),
    "password_removed": (
        LINKED,
        lambda mails, to: mails.password_removed(to),
        ["help@example.com", "Atourin"],
    ),
    "email_change_current": (
        LINKED,
        lambda mails, to: mails.email_change_current(to, code=CODE, valid_for=TEN_MINUTES),
        [CODE, "10", "help@example.com", "Atourin"],
    ),
    "email_change_new": (
        BARE,
        lambda mails, to: mails.email_change_new(to, code=CODE, valid_for=TEN_MINUTES),
        [CODE, "10", "Atourin"],
    ),
    "recovery_code": (
        BARE,
        lambda mails, to: mails.recovery_code(to, code=CODE, valid_for=TEN_MINUTES),
        [CODE, "10", "Atourin"],
    ),
    "invite": (
        BARE,
        lambda mails, to: mails.invite(to, code=CODE, valid_for=TEN_MINUTES),
        [CODE, "10", "Atourin"],
    ),
    "reauthentication_code": (
        BARE,
        lambda mails, to: mails.reauthentication_code(to, code=CODE, valid_for=TEN_MINUTES),
        [CODE, "10", "Atourin"],
    ),
    "new_device": (
        LINKED,
        lambda mails, to: mails.new_device(
            to,
            device="Firefox, Ubuntu",
            address="203.0.113.9",
            signed_in_at=CHANGED_AT,
        ),
        ["Firefox, Ubuntu", "203.0.113.9", "2026-03-23 06:39 UTC", "help@example.com", "Atourin"],
    ),
    "organization_invitation": (
        BARE,
        lambda mails, to: mails.organization_invitation(
            to,
            organization="Acme",
            organization_id="org_1",
            token=TOKEN,
            valid_for=SEVEN_DAYS,
        ),
        ["Acme", TOKEN, "7", "Atourin"],
    ),
    "organization_invitation_link": (
        LINKED,
        lambda mails, to: mails.organization_invitation(
            to,
            organization="www.evil.example",
            organization_id="org_1",
            token=TOKEN,
            valid_for=SEVEN_DAYS,
        ),
        [f"https://app.example.com/join#token={TOKEN}", "org_1", "7", "Atourin"],
    ),
    "identity_linked": (
        LINKED,
        lambda mails, to: mails.identity_linked(to, provider="google", changed_at=CHANGED_AT),
        ["Google", "2026-03-23 06:39 UTC", "help@example.com", "Atourin"],
    ),
    "identity_unlinked": (
        LINKED,
        lambda mails, to: mails.identity_unlinked(to, provider="custom:my-shop", changed_at=CHANGED_AT),
        ["My Shop", "2026-03-23 06:39 UTC", "help@example.com", "Atourin"],
    ),
    "password_unlinked": (
        LINKED,
        lambda mails, to: mails.password_unlinked(to, changed_at=CHANGED_AT),
        ["2026-03-23 06:39 UTC", "help@example.com", "Atourin"],
    ),
    "account_exists": (
        LINKED,
        lambda mails, to: mails.account_exists(to),
        ["help@example.com", "Atourin"],
    ),
}

LINK = "https://auth.example.com/auth/v1/verify?token=abc&type=signup&redirect_to=https%3A%2F%2Fapp.example.com%2F"


def linked(method: str) -> Compose:
    """Compose a mail with a code and a link."""
    return lambda mails, to: getattr(mails, method)(to, code=CODE, valid_for=TEN_MINUTES, link=LINK)


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
    return how(Mails(settings=settings), Recipient(address=ANA, locale=locale, name=name))


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
