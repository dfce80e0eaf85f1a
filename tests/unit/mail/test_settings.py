"""gerbang.mail.settings: an operator's settings for mails."""

from email.header import decode_header, make_header
from email.utils import parseaddr
from typing import Any

import pytest
from gerbang.mail.settings import MailSettings

from tests.unit.mail.messages import NOT_ONE_ADDRESS


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("product_name", ""),
        ("product_name", "  "),
        ("product_name", "A" * 65),
        ("product_name", "Atourin\r\nBcc: eve@example.com"),
        ("sender_name", ""),
        ("sender_name", "Atourin\nX"),
        *[("sender_address", address) for address in NOT_ONE_ADDRESS],
        ("reply_to", "Help <help@example.com>"),
        ("password_reset_url", ""),
        ("password_reset_url", "app.example.com/reset"),
        ("password_reset_url", "http://app.example.com/reset"),
        ("password_reset_url", "http://localhost.evil.example/reset"),
        ("password_reset_url", "javascript:alert(1)"),
        ("password_reset_url", "https://"),
        ("password_reset_url", "https://app.example.com/#/reset"),
        ("password_reset_url", "https://app.example.com/re set"),
        ("password_reset_url", "https://app.example.com/reset\r\n"),
    ],
)
def test_the_error_names_an_invalid_setting(setting: str, value: str) -> None:
    settings: dict[str, Any] = {"product_name": "Atourin", "sender_address": "no-reply@example.com", setting: value}

    with pytest.raises(ValueError, match=f"^{setting} "):
        MailSettings(**settings)


@pytest.mark.parametrize(
    "name",
    [
        "Atourin",
        "Atourin, Inc.",
        'The "Gate" <b>',
        "O'Neil (Test)",
        "Città",
        "Città, S.p.A. <eve@example.com>",
        "アトゥリン",
        "Ä" * 64,
        "🚪" * 64,
        "a@b.example",
    ],
)
def test_the_from_header_has_the_senders_name(name: str) -> None:
    settings = MailSettings(product_name="Atourin", sender_address="no-reply@example.com", sender_name=name)

    header = settings.sender
    encoded, address = parseaddr(header)

    assert header.isascii()
    assert header.isprintable()
    assert all(len(word) <= 75 for word in header.split(" ") if word.startswith("=?"))  # RFC 2047, section 2
    assert (str(make_header(decode_header(encoded))), address) == (name, "no-reply@example.com")


def test_the_from_header_has_the_product_name_by_default() -> None:
    settings = MailSettings(product_name="Atourin", sender_address="no-reply@example.com")

    assert settings.sender == "Atourin <no-reply@example.com>"
