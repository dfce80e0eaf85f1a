"""A mail that is ready to send, and the addresses that can be mailed."""

from dataclasses import field

from gerbang.core.dataclass import dataclass
from gerbang.core.emails import InvalidEmail, canonical
from gerbang.mail.jobs import MailKind
from gerbang.mail.languages import Locale


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
        MailRejected: *to* is not one bare address that SES can mail; its local part must be ASCII.
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
    """Return whether *address* is one bare address that may be registered, in ASCII and without a name.

    SES does not support SMTPUTF8 (its Destination type).
    """
    try:
        return address.isascii() and canonical(address) == address.lower()
    except InvalidEmail:
        return False
