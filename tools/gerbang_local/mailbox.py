"""The mails that SES would send, kept in memory."""

import base64
import email
import email.policy
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Any, Final

_KEPT: Final = 1000
"""How many mails are kept. Older ones are dropped, so that a load test does not fill the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One mail, as its reader sees it. A part that was not sent is empty."""

    to: str  # several addressees are joined by a comma
    subject: str
    text: str
    html: str
    at: datetime

    def to_json(self) -> dict[str, str]:
        """Return the entry of `/_local/mailbox.json`; `at` is RFC 3339 in UTC, to the millisecond."""
        at = self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"to": self.to, "subject": self.subject, "text": self.text, "html": self.html, "at": at}


class Mailbox:
    """Stores the mails of SES v2 `SendEmail`. Safe to use from several threads."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        """Start empty; *now* returns the time of a mail's arrival, in UTC."""
        self._now: Final = now
        self._mails: Final[deque[Mail]] = deque(maxlen=_KEPT)
        self._lock: Final = threading.Lock()

    def receive(self, request: Mapping[str, Any]) -> None:
        """Keep a mail. *request* is the JSON body of `SendEmail`, with `Simple` or `Raw` content.

        Raises:
            ValueError: the content is neither; SES's stored templates are not supported.
        """
        mail = self._mail(request)
        with self._lock:
            self._mails.append(mail)

    def mails(self) -> list[Mail]:
        """Return the mails, the newest last."""
        with self._lock:
            return list(self._mails)

    def _mail(self, request: Mapping[str, Any]) -> Mail:
        destination = request.get("Destination", {})
        kinds = ("ToAddresses", "CcAddresses", "BccAddresses")
        to = ", ".join(address for kind in kinds for address in destination.get(kind) or ())
        match request.get("Content"):
            case {"Simple": {"Subject": {"Data": str(subject)}, "Body": body}}:
                text, html = (body.get(part, {}).get("Data", "") for part in ("Text", "Html"))
            case {"Raw": {"Data": str(data)}}:
                message = email.message_from_bytes(base64.b64decode(data), policy=email.policy.default)
                subject = str(message["Subject"] or "")
                to = to or str(message["To"] or "")
                text, html = (_part(message, kind) for kind in ("plain", "html"))
            case _:
                raise ValueError("a mail has neither Simple nor Raw content")
        return Mail(to=to, subject=subject, text=text, html=html, at=self._now())


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part is not None else ""
