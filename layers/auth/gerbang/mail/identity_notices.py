"""Notices that a way to sign in was linked to an account, or unlinked from it (ASVS 6.3.7)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gerbang.core.clock import to_epoch
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import Severity
from gerbang.limits.rate_limits import Counted, OnSuccess, TooManyAttempts, digest
from gerbang.mail.jobs import PROVIDER, SUBJECT, MailJob, MailKind
from gerbang.mail.service import WRITE_DELAY_SECONDS, MailService
from gerbang.storage.accounts import User
from gerbang.storage.profiles import EMAIL


def is_written(job: MailJob, user: User) -> bool:
    """Return whether the request that queued a notice has linked, or unlinked, what the notice is about."""
    provider, subject = job.payload.get(PROVIDER, ""), job.payload.get(SUBJECT, "")
    if provider == EMAIL:
        is_linked = user.password_hash is not None
    else:
        is_linked = provider in user.subjects and digest(user.subjects[provider]) == subject
    return is_linked is (job.kind is MailKind.IDENTITY_LINKED)


@dataclass(frozen=True, slots=True)
class IdentityNotices:
    """Queues the notices, while the account is being changed: they are mailed once that is written.

    So a notice is queued even if the answer of the write is lost. One that is queued again, because the request is
    sent again before the account is changed, is mailed once. Notices are counted like the other mails of an hour. A
    failure to queue is logged only. The *locale* is the request's.
    """

    mail_service: MailService

    def linking(self, before: User, after: User, provider: str, *, locale: str | None) -> list[Callable[[], None]]:
        """Return the call that queues the notice for an account that a provider's identity is linked to.

        There is none for an account without a verified address, which may be a stranger's, nor for one that gets its
        first address with the identity.
        """
        verified = replace(before, email_verified_at=after.email_verified_at)
        return self._calls(MailKind.IDENTITY_LINKED, verified, provider, after.subjects[provider], locale)

    def unlinking(self, user: User, provider: str, *, locale: str | None) -> list[Callable[[], None]]:
        """Return the call that queues the notice for an account, as it still is with the provider's identity."""
        return self._calls(MailKind.IDENTITY_UNLINKED, user, provider, user.subjects.get(provider, ""), locale)

    def _calls(
        self, kind: MailKind, user: User, provider: str, subject: str, locale: str | None
    ) -> list[Callable[[], None]]:
        email = user.email
        if email is None or user.email_verified_at is None:
            return []
        job = MailJob(
            job_id=f"{kind}-{user.user_id}-{to_epoch(user.updated_at)}-{digest(f'{provider} {subject}')[:16]}",
            kind=kind,
            email=email,
            locale=locale,
            payload={PROVIDER: provider, SUBJECT: digest(subject)},
        )
        return [lambda: self._queue(job, user.user_id)]

    def _queue(self, job: MailJob, user_id: str) -> None:
        service = self.mail_service
        hour = Counted(service.limits.hour, f"{job.kind} {job.email}", OnSuccess.STAYS)
        try:
            with service.rate_limits.attempt(hour):
                service.queue.enqueue(job, delay_seconds=WRITE_DELAY_SECONDS)
        except (TooManyAttempts, DependencyUnavailable) as error:
            severity = Severity.WARNING if isinstance(error, TooManyAttempts) else Severity.ERROR
            service.log_event("mail_not_queued", severity, kind=job.kind, user_id=user_id)
