"""Notices that a way to sign in was linked to an account, or unlinked from it (ASVS 6.3.7)."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from gerbang.core.clock import to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.limits.rate_limits import digest
from gerbang.mail.jobs import PROVIDER, SUBJECT, MailJob, MailKind
from gerbang.mail.service import WRITE_DELAY_SECONDS, MailService
from gerbang.storage.accounts import User
from gerbang.storage.profiles import EMAIL


def is_written(job: MailJob, user: User) -> bool:
    """Return whether the change that a notice is about was written. The notice is queued before it."""
    provider, subject = job.payload.get(PROVIDER, ""), job.payload.get(SUBJECT, "")
    if provider == EMAIL:
        is_linked = user.password_hash is not None
    else:
        is_linked = provider in user.subjects and digest(user.subjects[provider]) == subject
    return is_linked is (job.kind is MailKind.IDENTITY_LINKED)


@dataclass(frozen=True, slots=True)
class IdentityNotices:
    """Queues the notices before the change of the account is written. They are mailed once it is.

    So a notice is queued even if the answer of the write is lost. If the request is repeated and queues a notice
    again, it is mailed once. A failure to queue is only logged. *locale* is the request's.
    """

    mail_service: MailService

    def linking(self, before: User, after: User, provider: str, *, locale: str | None) -> list[Callable[[], None]]:
        """Return the call that queues the notice for an account that a provider's identity is linked to.

        There is none for an account without a verified address: an unverified one may be a stranger's. Nor is there one
        for an account that gets its first address with the identity.
        """
        verified = replace(before, email_verified_at=after.email_verified_at)
        return self._calls(MailKind.IDENTITY_LINKED, verified, provider, after.subjects[provider], locale)

    def unlinking(self, user: User, provider: str, *, locale: str | None) -> list[Callable[[], None]]:
        """Return the call that queues the notice for an account. *user*: before the identity is unlinked."""
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
        return [partial(self.mail_service.queue_notice, job, user_id=user.user_id, delay_seconds=WRITE_DELAY_SECONDS)]
