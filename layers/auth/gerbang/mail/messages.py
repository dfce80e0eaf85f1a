"""Mails: composed from the templates of a language, one method a message, and handed to SES.

The texts are files that an operator edits (`mail_templates`, docs/mail.md); this module decides what may go into
them. Three things hold for every message: nothing a user wrote reaches a header but one validated address (ASVS
1.3.11); nothing a user wrote is markup or becomes a link (ASVS 1.3.7); a code, token or link stands in the body only,
never in the subject, because SES repeats subjects in its event records.
"""

import html
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.header import Header
from email.utils import formataddr
from functools import cache
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import quote, urlsplit

from gerbang.core.emails import LONGEST_ADDRESS
from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.jobs import TEMPLATES, Locale, MailKind

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client
    from mypy_boto3_sesv2.type_defs import SendEmailRequestTypeDef

# One bare address: dot-atom characters of RFC 5322, section 3.2.3, and an ASCII domain, since SES knows no SMTPUTF8
# (its Destination type). No quoted local parts: every character that could end an address or a header is left out.
_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")


class MailRejected(Exception):
    """This message will never be delivered, and sending it again would not change that.

    `reason` is `bad_address` or the error code of SES, never text of SES: that can repeat the address.
    """

    def __init__(self, reason: str) -> None:
        """Keep the reason for the log."""
        super().__init__(reason)
        self.reason = reason


class MailTemplateInvalid(Exception):
    """A template is missing, or its placeholders are not those its message has; says which file and what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A mail, ready to send. Its repr shows no address and no content.

    Raises:
        MailRejected: *to* is not one bare address that SES can mail, so not with a local part outside ASCII either.
        ValueError: *subject* has a line break or another control character.
    """

    kind: MailKind
    locale: Locale
    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)
    html: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what must not reach a header."""
        if not _is_one_address(self.to):
            raise MailRejected("bad_address")
        if not self.subject.isprintable():
            raise ValueError("subject has control characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """What an operator chooses about mails.

    Raises:
        ValueError: a setting is wrong; the text begins with the setting's name.
    """

    product_name: str
    """As users know the product, in every mail; 1 to 64 printable characters."""
    sender_address: str
    """An address that SES has verified, or one of a domain it has."""
    sender_name: str | None = None
    """Shown in place of the sender's address; the product's name unless set. At most 64 printable characters."""
    reply_to: str | None = None
    """Where answers go, and whom notices name as the contact; the sender's address unless set."""
    password_reset_url: str | None = None
    """The page that takes a reset token, for the link in the mail; without it the mail carries the token itself.

    `{token}` in it stands for the token. Without `{token}`, `#token=…` is appended: a fragment stays in the browser,
    out of servers' logs and Referer headers (ASVS 14.2.1). Must be https; plain http only to this machine.
    """
    configuration_set: str | None = None
    """The SES configuration set to send with, if any: event publishing, suppression, dedicated addresses."""

    def __post_init__(self) -> None:
        """Name the first setting that is wrong."""
        for setting, words in (("product_name", self.product_name), ("sender_name", self.sender_name)):
            if words is not None and not _is_a_name(words):
                raise ValueError(f"{setting} must be 1 to {_NAME_CHARACTERS} printable characters")
        for setting, address in (("sender_address", self.sender_address), ("reply_to", self.reply_to)):
            if address is not None and not _is_one_address(address):
                raise ValueError(f"{setting} must be one e-mail address, without a name")
        if self.password_reset_url is not None and not _is_a_reset_url(self.password_reset_url):
            raise ValueError("password_reset_url must be an https URL; one with a # must hold {token}")

    @property
    def contact(self) -> str:
        """Return the address for users to write to."""
        return self.reply_to or self.sender_address

    @property
    def sender(self) -> str:
        """Return the sender as the From header has it, the name encoded by RFC 2047 if it needs to be."""
        name = self.sender_name or self.product_name
        if name.isascii():
            return formataddr((name, self.sender_address))
        # As many encoded words of at most 75 characters as it takes (RFC 2047, section 2), on one line.
        return f"{Header(name, 'utf-8', maxlinelen=75).encode(linesep='')} <{self.sender_address}>"


_NAME_CHARACTERS: Final = 64


def _is_a_name(words: str) -> bool:
    """Say whether an operator's *words* can stand in a header and a greeting."""
    return 1 <= len(words) <= _NAME_CHARACTERS and words.isprintable() and bool(words.strip())


def _is_one_address(address: str) -> bool:
    """Say whether *address* is one bare address, with nothing that could make it two or end a header."""
    return len(address) <= LONGEST_ADDRESS and _ADDRESS.fullmatch(address) is not None


def _is_a_reset_url(url: str) -> bool:
    """Say whether *url* may carry a reset token: sent encrypted or not sent, and with one place for the token."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return False
    parts = urlsplit(url)
    is_private = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1"})
    return is_private and bool(parts.hostname) and ("{token}" in url or "#" not in url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mails:
    """Composes every message there is.

    Common to all methods: *to* is the address stored with the account, *locale* the language (`choose_locale`),
    *name* what the user is called, if known; it is left out where it could mislead (`_greetable`).

    Raises, from every method:
        MailRejected: *to* is no address that mail can be sent to.
        MailTemplateInvalid: the template was edited into something unusable, or is missing.
    """

    settings: MailSettings
    templates: Path = TEMPLATES
    """The folder of the templates, one folder a language in it."""

    def sign_in_code(
        self, *, to: str, locale: Locale, code: str, valid_for: timedelta, name: str | None = None
    ) -> Message:
        """Return the mail that brings a code to sign in with; *valid_for* is told in whole minutes, rounded down."""
        values = {"code": code, "minutes": _minutes(valid_for)}
        return self._compose(
            MailKind.SIGN_IN_CODE, template="sign_in_code", to=to, locale=locale, name=name, values=values
        )

    def verification_code(
        self, *, to: str, locale: Locale, code: str, valid_for: timedelta, name: str | None = None
    ) -> Message:
        """Return the mail that brings a new account the code to confirm its address with; *valid_for* as above."""
        values = {"code": code, "minutes": _minutes(valid_for)}
        return self._compose(
            MailKind.VERIFICATION_CODE, template="verification_code", to=to, locale=locale, name=name, values=values
        )

    def password_reset(
        self, *, to: str, locale: Locale, token: str, valid_for: timedelta, name: str | None = None
    ) -> Message:
        """Return the mail that brings a password reset token, *valid_for* as above.

        The token is in a link if the settings have a page for it, else it stands in the mail by itself.
        """
        if self.settings.password_reset_url is None:
            template, carrier = "password_reset_token", {"token": token}
        else:
            template, carrier = "password_reset_link", {"link": _reset_link(self.settings.password_reset_url, token)}
        values = {**carrier, "minutes": _minutes(valid_for)}
        return self._compose(MailKind.PASSWORD_RESET, template=template, to=to, locale=locale, name=name, values=values)

    def password_changed(self, *, to: str, locale: Locale, changed_at: datetime, name: str | None = None) -> Message:
        """Return the notice that the password was changed, with whom to write to if it was someone else.

        It carries no token and no link (SP 800-63B-4, section 4.6; ASVS 6.3.7).
        """
        values = {
            # The one way to write a date that every language reads alike (ISO 8601, a space for the T).
            "changed_at": changed_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "contact": self.settings.contact,
        }
        return self._compose(
            MailKind.PASSWORD_CHANGED, template="password_changed", to=to, locale=locale, name=name, values=values
        )

    def _compose(
        self, kind: MailKind, *, template: str, to: str, locale: Locale, name: str | None, values: Mapping[str, str]
    ) -> Message:
        """Return the message that *template* makes of *values*, each of which it must use, in text and HTML."""
        written = _read_templates(self.templates, locale, template, frozenset(values))
        common = {"greeting": written.greeting(_greetable(name)), "product_name": self.settings.product_name}
        in_text = {**common, **values}
        in_html = {key: html.escape(value) for key, value in in_text.items()}
        subject = written.subject.substitute(in_text)
        page = {
            "locale": locale,
            "subject": html.escape(subject),
            "product_name": in_html["product_name"],
            "content": written.html.substitute(in_html),
        }
        return Message(
            kind=kind,
            locale=locale,
            to=to,
            subject=subject,
            text=written.text.substitute(in_text),
            html=written.layout.substitute(page),
        )


def _minutes(span: timedelta) -> str:
    """Return *span* in whole minutes, rounded down, at least one: never more than is true but for the first minute."""
    return str(max(1, span // timedelta(minutes=1)))


def _reset_link(url: str, token: str) -> str:
    """Return the operator's *url* with the token in its place."""
    quoted = quote(token, safe="")
    return url.replace("{token}", quoted) if "{token}" in url else f"{url}#token={quoted}"


# What mail programs make links of on their own, in names: anything with a scheme, path or address in it, "www.", and
# host names, "evil.example" but not "J.R. Tolkien". Long runs of digits become telephone links, or pass for a code.
_MISLEADING: Final = re.compile(r"[/\\@:]|www\.|[.。][^\W_]{2}|\d[\d .-]{2,}\d", re.IGNORECASE)


def _greetable(name: str | None) -> str | None:
    """Return *name* on one line and without invisible characters; None if it is empty or could mislead the reader.

    Anyone can register another's address under any name, so a name is a stranger's text in a mail of ours (ASVS
    1.3.7). Names longer than 64 characters are messages, not names.
    """
    one_line = " ".join((name or "").split())
    visible = "".join(char for char in one_line if unicodedata.category(char)[0] != "C")
    # Compatibility forms first: a full-width dot or solidus is a dot or solidus to a browser.
    if len(visible) > _NAME_CHARACTERS or _MISLEADING.search(unicodedata.normalize("NFKC", visible)):
        return None
    return visible.strip() or None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Templates:
    """One message's templates in one language, checked."""

    subject: Template
    text: Template
    html: Template
    layout: Template
    greeting_named: Template
    greeting_unnamed: Template

    def greeting(self, name: str | None) -> str:
        """Return the first line of a mail to *name*, or to somebody whose name we do not use."""
        return self.greeting_unnamed.template if name is None else self.greeting_named.substitute(name=name)


@cache
def _read_templates(folder: Path, locale: Locale, name: str, values: frozenset[str]) -> _Templates:
    """Return the templates of message *name*, read once in the life of the process.

    Raises:
        MailTemplateInvalid: a file is missing, not UTF-8 or not in its form, uses a placeholder that the message does
            not have, or leaves out one of *values*.
    """
    language = folder / locale
    allowed = values | {"greeting", "product_name"}
    first_line, _, text = _read(language / f"{name}.txt").partition("\n")
    if not first_line.startswith("Subject: ") or not text.strip():
        raise MailTemplateInvalid(f"{locale}/{name}.txt: the first line must be 'Subject: …', the text follows")
    subject = first_line.removeprefix("Subject: ").strip()
    layout = frozenset({"locale", "subject", "product_name", "content"})
    return _Templates(
        subject=_checked(f"{locale}/{name}.txt: Subject", subject, allowed=frozenset({"product_name"})),
        text=_checked(f"{locale}/{name}.txt", f"{text.strip()}\n", allowed=allowed, required=values),
        html=_checked(f"{locale}/{name}.html", _read(language / f"{name}.html"), allowed=allowed, required=values),
        layout=_checked("layout.html", _read(folder / "layout.html"), allowed=layout, required=layout),
        greeting_named=_checked(
            f"{locale}/greeting_named.txt",
            _read(language / "greeting_named.txt").strip(),
            allowed=frozenset({"name"}),
            required=frozenset({"name"}),
        ),
        greeting_unnamed=_checked(
            f"{locale}/greeting_unnamed.txt", _read(language / "greeting_unnamed.txt").strip(), allowed=frozenset()
        ),
    )


def _read(file: Path) -> str:
    """Return the text of a template."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MailTemplateInvalid(f"{file.parent.name}/{file.name}: missing") from None
    except UnicodeDecodeError:
        raise MailTemplateInvalid(f"{file.parent.name}/{file.name}: not UTF-8") from None


def _checked(source: str, text: str, *, allowed: frozenset[str], required: frozenset[str] = frozenset()) -> Template:
    """Return *text* as a template whose placeholders are all *allowed*, the *required* ones among them."""
    template = Template(text)
    if not template.is_valid():
        raise MailTemplateInvalid(f"{source}: a $ that starts no placeholder; write $$ for the sign itself")
    used = frozenset(template.get_identifiers())
    if unknown := used - allowed:
        raise MailTemplateInvalid(f"{source}: unknown placeholder {', '.join(sorted(unknown))}")
    if unused := required - used:
        raise MailTemplateInvalid(f"{source}: placeholder {', '.join(sorted(unused))} is not used")
    return template


class Outbox(Protocol):
    """Sends messages."""

    def send(self, message: Message) -> None:
        """Return when the message is accepted; accepted is not delivered.

        Raises:
            MailRejected: it never will be; drop it.
            DependencyUnavailable: it was not, or the answer was lost; send the same message again, same code and all.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class SesOutbox:
    """An `Outbox` on SES v2. Writes nothing to the log."""

    client: "SESV2Client"
    settings: MailSettings

    def send(self, message: Message) -> None:
        """Hand the message to SES: one SendEmail, its time-outs and retries those of the client.

        SES has no idempotency token: after a lost answer the same mail may arrive twice.

        Raises:
            MailRejected: SES rejects the message or its address (MessageRejected, BadRequestException).
            DependencyUnavailable: everything else, sending paused, an account suspended, or a sender or configuration
                set that SES does not know included: an operator can mend those, and the mail then still goes out.
        """
        # Here, so that composing costs no botocore; whoever holds a client has loaded it.
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            self.client.send_email(**self._request(message))
        except ClientError as error:  # its text can repeat addresses: only the code goes on
            code = error.response.get("Error", {}).get("Code", "unnamed")
            if code in _FINAL_ERROR_CODES:
                raise MailRejected(code) from None
            raise DependencyUnavailable(f"SES SendEmail: {code}") from None
        except BotoCoreError as error:
            raise DependencyUnavailable(f"SES SendEmail: {type(error).__name__}") from None

    def _request(self, message: Message) -> "SendEmailRequestTypeDef":
        """Return the parameters of SendEmail."""
        request: SendEmailRequestTypeDef = {
            "FromEmailAddress": self.settings.sender,
            "Destination": {"ToAddresses": [message.to]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": message.subject, "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": message.text, "Charset": "UTF-8"},
                        "Html": {"Data": message.html, "Charset": "UTF-8"},
                    },
                    # Keeps holiday responders from answering (RFC 3834, section 5).
                    "Headers": [{"Name": "Auto-Submitted", "Value": "auto-generated"}],
                }
            },
            "EmailTags": [{"Name": "kind", "Value": message.kind}],
        }
        if self.settings.reply_to is not None:
            request["ReplyToAddresses"] = [self.settings.reply_to]
        if self.settings.configuration_set is not None:
            request["ConfigurationSetName"] = self.settings.configuration_set
        return request


_FINAL_ERROR_CODES: Final = frozenset({"MessageRejected", "BadRequestException"})
