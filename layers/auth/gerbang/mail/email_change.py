"""The mails of a change of address: a code to the new address, and one to the current address if it is verified."""

from collections.abc import Callable, Sequence
from functools import partial

from gerbang.core.concurrency import run_concurrently
from gerbang.core.dataclass import dataclass
from gerbang.limits.rate_limits import Attempt, Counted, OnSuccess
from gerbang.mail.jobs import EPOCH, GUEST, NEW_EMAIL, MailJob, MailKind
from gerbang.mail.links import LinkRequest, to_payload
from gerbang.mail.service import WRITE_DELAY_SECONDS, MailService
from gerbang.storage.accounts import User
from gerbang.storage.one_time_codes import Slot


def is_written(job: MailJob, user: User) -> bool:
    """Return whether the change that a mail is about was written. The mail is queued before it."""
    new_email = job.payload.get(NEW_EMAIL)
    return (new_email is None or user.new_email == new_email) and user.epoch >= int(job.payload.get(EPOCH, "0"))


def has_pending_change(kind: MailKind, user: User) -> bool:
    """Return whether an account has a change of address that a mail of this kind confirms."""
    return user.new_email is not None and (
        kind is MailKind.EMAIL_CHANGE_NEW or (user.email is not None and user.email_verified_at is not None)
    )


def change_subject(slot: Slot, user: User) -> str:
    """Return the subject of a code that confirms a pending change. The code is invalid for any other change.

    A code for the current address depends on the new one, too, so a code for one change does not confirm the next.
    """
    return f"{user.new_email}" if slot is Slot.EMAIL_CHANGE_NEW else f"{user.email} {user.new_email}"


@dataclass(frozen=True, slots=True)
class EmailChangeMails:
    """Counts and queues the mails of a change of address.

    They are counted by account, that is by its current address, and by new address, for all accounts that ask for it.
    """

    mail_service: MailService

    def look_up[T](self, client_address: str, *, alongside: Callable[[], T]) -> Attempt[T]:
        """Count a request by its client alone, and read whether the new address is taken: it would not be mailed.

        Raises:
            TooManyAttempts: too much was requested from this client.
        """
        return self.mail_service.rate_limits.attempt(self._client(client_address), alongside=alongside)

    def attempt(self, user: User, new_email: str) -> Attempt[None]:
        """Count a request for the mails, as `RateLimits.attempt` does. One round trip.

        Raises:
            TooMuchMail: too much was requested for the account or for the new address.
            TooManyAttempts: one of the addresses has used up its tries.
        """
        present = () if user.email is None else (user.email,)
        counted = self._mails(user.email or user.user_id, new_email)
        return self._attempt(counted, (new_email, *present))

    def request(self, requested: User, locale: str | None, link: LinkRequest | None = None) -> None:
        """Queue the mails of a change that the caller writes next. *requested* is the account after the change.

        They are queued first, as a registration's is, and not sent if the change is not written after all.
        (docs/decisions/0025-mail-is-queued-first.md)

        Raises:
            DependencyUnavailable: one could not be queued; do not write the change.
        """
        new_email, user_id = requested.new_email, requested.user_id
        if new_email is None:
            return
        payload = {NEW_EMAIL: new_email, EPOCH: str(requested.epoch), **to_payload(link)}
        if requested.email is None:
            self._enqueue(MailKind.EMAIL_CHANGE_NEW, new_email, locale, {**payload, GUEST: user_id})
            return
        self._enqueue(MailKind.EMAIL_CHANGE_NEW, requested.email, locale, payload)
        if requested.email_verified_at is not None:
            self._enqueue(MailKind.EMAIL_CHANGE_CURRENT, requested.email, locale, payload)

    def request_again(
        self, email: str, locale: str | None, client_address: str, link: LinkRequest | None = None
    ) -> None:
        """Queue the mails of a pending change again, whether or not the address has an account and a pending change.

        *email* is the account's current address, canonical. One round trip and two queueings.

        Raises:
            TooMuchMail, TooManyAttempts: as `attempt`.
            DependencyUnavailable: it could not be counted or queued; then it was not counted either.
        """
        with self._attempt([*self._mails(email), self._client(client_address)], (email,)):
            self._enqueue(MailKind.EMAIL_CHANGE_NEW, email, locale, to_payload(link))
            self._enqueue(MailKind.EMAIL_CHANGE_CURRENT, email, locale, to_payload(link))

    def _mails(self, *subjects: str) -> list[Counted]:
        limits = self.mail_service.limits
        return [
            Counted(limit, f"{MailKind.EMAIL_CHANGE_NEW} {subject}", OnSuccess.STAYS)
            for subject in subjects
            for limit in (limits.minute, limits.hour)
        ]

    def _client(self, client_address: str) -> Counted:
        return Counted(self.mail_service.limits.client, client_address, OnSuccess.STAYS)

    def _attempt(self, counted: Sequence[Counted], emails: Sequence[str]) -> Attempt[None]:
        """Count, and check that codes are still taken at these addresses: one that is not taken is not mailed."""
        code_tries, rate_limits = self.mail_service.limits.code_tries, self.mail_service.rate_limits

        def check_tries() -> None:
            run_concurrently(*(partial(rate_limits.check, code_tries, email) for email in emails))

        return self.mail_service.attempt(*counted, alongside=check_tries)

    def _enqueue(self, kind: MailKind, email: str, locale: str | None, payload: dict[str, str]) -> None:
        """Queue a mail. Its delivery is delayed, so that the change is usually written by then."""
        delay_seconds = WRITE_DELAY_SECONDS if NEW_EMAIL in payload else 0
        job = MailJob(job_id=self.mail_service.new_id(), kind=kind, email=email, locale=locale, payload=payload)
        self.mail_service.queue.enqueue(job, delay_seconds=delay_seconds)
