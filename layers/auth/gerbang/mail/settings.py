"""What an operator chooses about mails."""

from email.header import Header
from email.utils import formataddr
from typing import Final
from urllib.parse import quote, urlsplit

from gerbang.core.dataclass import dataclass
from gerbang.mail.message import is_one_address

LONGEST_NAME: Final = 64
"""Characters of a name in a header or a greeting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSettings:
    """What an operator chooses about mails.

    Raises:
        ValueError: a setting is wrong; the text begins with the setting's name.
    """

    product_name: str
    """The product's name, shown in every mail; 1 to 64 printable characters."""
    sender_address: str
    """An address that SES has verified, or one of a domain it has."""
    sender_name: str | None = None
    """Shown in place of the sender's address; the product's name unless set. At most 64 printable characters."""
    reply_to: str | None = None
    """Where answers go, and the contact that notices name; the sender's address unless set."""
    password_reset_url: str | None = None
    """The page that takes a reset token, for the link in the mail; without it the mail carries the token itself.

    The token replaces `{token}`. Without `{token}`, `#token=…` is appended: a fragment stays in the browser, and does
    not reach servers' logs or Referer headers (ASVS 14.2.1). It must be https; plain http only for this machine.
    """
    invitation_url: str | None = None
    """The page that takes the token of an invitation to an organization, as `password_reset_url`."""
    configuration_set: str | None = None
    """The SES configuration set to send with, if any: event publishing, suppression, dedicated addresses."""

    def __post_init__(self) -> None:
        """Name the first setting that is wrong."""
        for setting, name in (("product_name", self.product_name), ("sender_name", self.sender_name)):
            if name is not None and not _is_a_name(name):
                raise ValueError(f"{setting} must be 1 to {LONGEST_NAME} printable characters")
        for setting, address in (("sender_address", self.sender_address), ("reply_to", self.reply_to)):
            if address is not None and not is_one_address(address):
                raise ValueError(f"{setting} must be one e-mail address, without a name")
        for setting, url in (
            ("password_reset_url", self.password_reset_url),
            ("invitation_url", self.invitation_url),
        ):
            if url is not None and not _may_carry_token(url):
                raise ValueError(f"{setting} must be an https URL; one with a # must hold {{token}}")

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

    def reset_link(self, token: str) -> str | None:
        """Return the URL of the page that takes a reset token, with the token; None if there is no page."""
        return _link(self.password_reset_url, token)

    def invitation_link(self, token: str) -> str | None:
        """Return the URL of the page that takes an invitation's token, with the token; None if there is no page."""
        return _link(self.invitation_url, token)


def _link(url: str | None, token: str) -> str | None:
    """Return the URL of a page with a token, None if there is no page."""
    if url is None:
        return None
    quoted = quote(token, safe="")
    return url.replace("{token}", quoted) if "{token}" in url else f"{url}#token={quoted}"


def _is_a_name(name: str) -> bool:
    """Return whether an operator's *name* can be in a header and a greeting."""
    return 1 <= len(name) <= LONGEST_NAME and name.isprintable() and bool(name.strip())


def _may_carry_token(url: str) -> bool:
    """Return whether *url* may carry a token: encrypted, and with one place for the token."""
    if not url.isascii() or not url.isprintable() or " " in url:
        return False
    parts = urlsplit(url)
    is_private = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1"})
    return is_private and bool(parts.hostname) and ("{token}" in url or "#" not in url)
