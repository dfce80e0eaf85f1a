"""Fakes of the mail queue and of SES, and a deployment that uses them."""

import re
from enum import Enum
from typing import TYPE_CHECKING

from gerbang.core.errors import DependencyUnavailable
from gerbang.mail.codes import DIGITS
from gerbang.mail.jobs import MailJob
from gerbang.mail.message import MailRejected, Message

if TYPE_CHECKING:
    from collections.abc import Callable


class RecordingQueue:
    """Records jobs for a test to deliver, or is down."""

    def __init__(self) -> None:
        self.jobs: list[MailJob] = []
        self.delays: list[int] = []
        self.is_down = False

    def enqueue(self, job: MailJob, *, delay_seconds: int = 0) -> None:
        if self.is_down:
            raise DependencyUnavailable("queue")
        self.jobs.append(job)
        self.delays.append(delay_seconds)


class Fate(Enum):
    """What happens to a message that is passed to SES."""

    ACCEPTED = "accepted"
    NOT_SENT = "SES is down, paused or throttled"
    ANSWER_LOST = "accepted, and the answer lost"
    REJECTED = "rejected for good"
    DIED_BEFORE = "the function ended before it was sent"
    DIED_AFTER = "the function ended after it was sent"


class Killed(BaseException):
    """Ends a function as its time-out does: no code of the function runs after it."""


class FakeOutbox:
    """Records messages. Each one has the next fate of a list; when the list is used up, messages are accepted."""

    def __init__(self, *fates: Fate) -> None:
        self.sent: list[Message] = []
        self.fates = list(fates)
        self.while_sending: Callable[[], object] = lambda: None

    def send(self, message: Message) -> None:
        self.while_sending()
        fate = self.fates.pop(0) if self.fates else Fate.ACCEPTED
        if fate is Fate.REJECTED:
            raise MailRejected("MessageRejected")
        if fate is Fate.NOT_SENT:
            raise DependencyUnavailable("SES")
        if fate is Fate.DIED_BEFORE:
            raise Killed
        self.sent.append(message)
        if fate is Fate.DIED_AFTER:
            raise Killed
        if fate is Fate.ANSWER_LOST:
            raise DependencyUnavailable("SES")

    @property
    def last(self) -> Message:
        return self.sent[-1]

    @property
    def codes(self) -> list[str]:
        """The codes that were sent, in order."""
        return [code_in(message) for message in self.sent]

    @property
    def reset_tokens(self) -> list[str]:
        """The reset tokens that were sent, in order."""
        return [token_in(message) for message in self.sent]


def code_in(message: Message) -> str:
    """The one code of a mail."""
    (code,) = re.findall(r"\b[0-9]{6}\b", message.text)
    return str(code)


def wrong_code(code: str) -> str:
    """A code that differs from the right one."""
    return f"{(int(code) + 1) % 10**DIGITS:0{DIGITS}d}"


def token_in(message: Message) -> str:
    """The one reset token of a mail."""
    (token,) = re.findall(r"\b[A-Za-z0-9]{65}\b", message.text)
    return str(token)
