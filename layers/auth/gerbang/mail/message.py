"""A mail that is ready to send, and the addresses that can be mailed."""

import re
from dataclasses import dataclass, field
from typing import Final

from gerbang.core.emails import LONGEST_ADDRESS
from gerbang.mail.jobs import MailKind
from gerbang.mail.languages import Locale

# One bare address: dot-atom characters of RFC 5322, section 3.2.3, and an ASCII domain, since SES does not support
# SMTPUTF8 (its Destination type). No quoted local parts: no character that could end an address or a header.
_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")


class MailRejected(Exception):
    """This message will never be delivered, and sending it again would not change that.

    `reason` is `bad_address` or the error code of SES, never text of SES: that can repeat the address.
    """

    def __init__(self, reason: str) -> None:
        """Keep the reason for the log."""
        super().__init__(reason)
        self.reason = reason


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
        """Reject what must not reach a header."""
        if not is_one_address(self.to):
            raise MailRejected("bad_address")
        if not self.subject.isprintable():
            raise ValueError("subject has control characters")


def is_one_address(address: str) -> bool:
    """Return whether *address* is one bare address, with nothing that could make it two or end a header."""
    return len(address) <= LONGEST_ADDRESS and _ADDRESS.fullmatch(address) is not None
