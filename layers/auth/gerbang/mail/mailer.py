"""The mailer: takes a job from the queue, looks the account up, makes the code, sends. At least once, once if it can.

A message delivered twice sends one mail: its job is claimed before and marked after sending. Where a send's answer
was lost, the mail may go out twice, with the same code (F25): there are never two different live ones.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gerbang.core.clock import Clock, from_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import LogEvent, Severity
from gerbang.limits.rate_limits import digest
from gerbang.mail.codes import CODE_LIFETIME, REMEMBERED, RESET_LIFETIME, CodeMaker, ResetTokens
from gerbang.mail.jobs import Locale, MailJob, MailKind, choose_locale
from gerbang.mail.messages import MailRejected, Mails, Message, Outbox
from gerbang.storage.codes import Code, CodePurpose, CodeTable, Delivery
from gerbang.storage.resets import Reset, ResetTable
from gerbang.storage.users import Name, User, UserTable

LEASE: Final = timedelta(seconds=60)
"""How long a claim holds: longer than the mailer function may run (30 s), and over when a message that it did not
deal with comes again (180 s, the queue's visibility time-out)."""

_PURPOSES: Final = {
    MailKind.SIGN_IN_CODE: CodePurpose.SIGN_IN,
    MailKind.VERIFICATION_CODE: CodePurpose.VERIFICATION,
}


class MailUnderWay(Exception):
    """Another delivery of the same message is sending the mail: look again later whether it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailer:
    """Delivers jobs."""

    users: UserTable
    codes: CodeTable
    maker: CodeMaker
    resets: ResetTable
    reset_tokens: ResetTokens
    mails: Mails
    outbox: Outbox
    default_locale: str
    log_event: LogEvent
    now: Clock

    def deliver(self, job: MailJob, *, queued_at: datetime) -> None:
        """Send the mail of a job, if somebody is owed it and it was not sent yet.

        Raises:
            DependencyUnavailable, MailUnderWay: not yet; the message should come again.
        """
        user = self._addressee(job)
        if user is None:
            self.log_event("mail_not_owed", kind=job.kind, job_id=job.job_id)
            return
        match self.codes.claim_delivery(job.job_id, at=self.now(), lease=LEASE, kept=REMEMBERED):
            case Delivery.SENT:
                return
            case Delivery.UNDER_WAY:
                raise MailUnderWay(job.job_id)
            case Delivery.OURS:
                self._send(job, user, queued_at)

    def _send(self, job: MailJob, user: User, queued_at: datetime) -> None:
        try:
            message = self._message(job, user, queued_at)
            if message is not None:
                self.outbox.send(message)
        except MailRejected as refusal:  # for good: coming again would not help
            self.log_event("mail_refused", Severity.ERROR, kind=job.kind, user_id=user.user_id, why=refusal.reason)
        except DependencyUnavailable:
            self.codes.give_up_claim(job.job_id, at=self.now())
            raise
        else:
            event = "mail_superseded" if message is None else "mail_sent"
            self.log_event(event, kind=job.kind, user_id=user.user_id)
        self.codes.mark_sent(job.job_id, at=self.now(), kept=REMEMBERED)

    def _addressee(self, job: MailJob) -> User | None:
        user_id = self.users.find_id(Name.EMAIL, job.email)
        user = None if user_id is None else self.users.find(user_id)
        return None if user is None or user.email is None or user.disabled_at is not None else user

    def _message(self, job: MailJob, user: User, queued_at: datetime) -> Message | None:
        """Return the mail to send, its code now the newest of the address; None if a newer job has been served."""
        address = user.email or job.email
        locale = choose_locale(job.locale, user.locale, self.default_locale)
        if job.kind is MailKind.PASSWORD_CHANGED:
            return self.mails.password_changed(to=address, locale=locale, changed_at=queued_at, name=user.name)
        if job.kind is MailKind.PASSWORD_RESET:
            return self._reset_mail(job, user, queued_at, locale)
        code = self.maker.code(job.job_id, job.email)
        newest = self.codes.replace(
            digest(job.email),
            Code(
                code_hash=self.maker.stored_form(job.email, code),
                purpose=_PURPOSES[job.kind],
                job_id=job.job_id,
                issued_at_ms=int(queued_at.timestamp() * 1000),
                expires_at=self.now() + CODE_LIFETIME,
            ),
        )
        if not newest:
            return None
        compose = self.mails.sign_in_code if job.kind is MailKind.SIGN_IN_CODE else self.mails.verification_code
        return compose(to=address, locale=locale, code=code, valid_for=CODE_LIFETIME, name=user.name)

    def _reset_mail(self, job: MailJob, user: User, queued_at: datetime, locale: Locale) -> Message | None:
        token = self.reset_tokens.token(job.job_id, user)
        newest = self.resets.replace(
            user.user_id,
            Reset(
                token_hash=self.reset_tokens.stored_form(token),
                epoch=user.epoch,
                job_id=job.job_id,
                issued_at_ms=int(queued_at.timestamp() * 1000),
                expires_at=self.now() + RESET_LIFETIME,
            ),
        )
        if not newest:
            return None
        return self.mails.password_reset(
            to=user.email or job.email, locale=locale, token=token, valid_for=RESET_LIFETIME, name=user.name
        )


@dataclass(frozen=True, slots=True)
class InlineQueue:
    """A mail queue that delivers at once, in the request: for `sam local`, where there is no SQS."""

    mailer: Mailer

    def enqueue(self, job: MailJob) -> None:
        """Deliver a job.

        Raises:
            DependencyUnavailable: it could not be delivered.
        """
        self.mailer.deliver(job, queued_at=self.mailer.now())


def sent_at(milliseconds: str) -> datetime:
    """Return the instant of SQS' `SentTimestamp`, milliseconds since 1970 as text."""
    return from_epoch(int(milliseconds) / 1000)
