"""Requests for mail: the same for known and unknown addresses, counted, queued, never sent here."""

import json
from collections.abc import Callable, Mapping
from typing import Final

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import LogEvent, Severity
from gerbang.limits.rate_limits import Attempt, Counted, Limit, OnSuccess, RateLimits, TooManyAttempts
from gerbang.mail.jobs import NEW_USER_METADATA, NEW_USER_NAME, REGISTERED, SLOT, MailJob, MailKind
from gerbang.mail.links import LinkRequest, to_payload
from gerbang.mail.queue import MailQueue
from gerbang.storage.accounts import User
from gerbang.storage.one_time_codes import Slot

WRITE_DELAY_SECONDS: Final = 1
"""How long the queue delays a mail whose account is being written. Usually it is written by then."""

_CODES: Final = frozenset(
    {
        MailKind.SIGN_IN_CODE,
        MailKind.VERIFICATION_CODE,
        MailKind.RECOVERY_CODE,
        MailKind.REAUTHENTICATION_CODE,
    }
)
"""Mails that carry a one-time code."""


class TooMuchMail(TooManyAttempts):
    """An address was mailed lately, or too often in an hour."""

    code = "over_email_send_rate_limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailLimits:
    """How much mail may be requested; `template.yaml` has the defaults (LimitMail…)."""

    minute: Limit
    """Of one kind, to one address, in a short time."""
    hour: Limit
    """The same, in a longer time."""
    client: Limit
    """Of every kind, from one client address."""
    code_tries: Limit
    """Wrong codes for one address (`CodeSignIn.tries`). Once reached, no code is mailed, because none is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailService:
    """Queues mails."""

    queue: MailQueue
    rate_limits: RateLimits
    limits: MailLimits
    log_event: LogEvent
    new_id: Callable[[], str]

    def request_code(self, email: str, locale: str | None, client_address: str) -> None:
        """Queue a one-time code to an address, as `ask` does."""
        self.ask(MailKind.SIGN_IN_CODE, email, locale, client_address)

    def request_reset(self, email: str, locale: str | None, client_address: str) -> None:
        """Queue a password reset token to an address, as `ask` does."""
        self.ask(MailKind.PASSWORD_RESET, email, locale, client_address)

    def request_code_or_account(
        self,
        email: str,
        locale: str | None,
        client_address: str,
        *,
        name: str,
        metadata: Mapping[str, object] | None,
        link: LinkRequest | None = None,
    ) -> None:
        """Queue a one-time code to an address, as `ask` does: to sign in, or to verify the address if it is not.

        If no account has the address, a code is mailed only if *metadata* is given. Redeeming the code then makes the
        account, with this `user_metadata` and *name*.
        """
        payload: dict[str, str] = {SLOT: Slot.RECOVERY.value, **to_payload(link)}
        if metadata is not None:
            payload |= {NEW_USER_NAME: name, NEW_USER_METADATA: json.dumps(metadata, separators=(",", ":"))}
        self.ask(MailKind.SIGN_IN_CODE, email, locale, client_address, payload)

    def request_verification_again(
        self, email: str, locale: str | None, client_address: str, link: LinkRequest | None = None
    ) -> None:
        """Queue a registration's code again, as `ask` does. It is mailed if the address is not verified."""
        self.ask(MailKind.VERIFICATION_CODE, email, locale, client_address, to_payload(link))

    def request_recovery(
        self, email: str, locale: str | None, client_address: str, link: LinkRequest | None = None
    ) -> None:
        """Queue a one-time code to sign in with when the password is forgotten, as `ask` does."""
        self.ask(MailKind.RECOVERY_CODE, email, locale, client_address, to_payload(link))

    def request_reauthentication(self, email: str, locale: str | None, client_address: str) -> None:
        """Queue a code to a verified address, by which the signed-in user confirms a change, as `ask` does."""
        self.ask(MailKind.REAUTHENTICATION_CODE, email, locale, client_address)

    def ask(
        self,
        kind: MailKind,
        email: str,
        locale: str | None,
        client_address: str,
        payload: Mapping[str, str] | None = None,
    ) -> None:
        """Queue a mail to a canonical address, whether or not an account has it. One round trip and one queueing.

        Raises:
            TooMuchMail, TooManyAttempts: as `counted`.
            DependencyUnavailable: it could not be counted or queued; then it was not counted either.
        """
        with self.counted(kind, email, client_address):
            self._enqueue(kind, email, locale, payload=payload)
        self.log_event("mail_asked_for", kind=kind, client=client_address)

    def counted(self, kind: MailKind, email: str, client_address: str) -> Attempt[None]:
        """Count a mail of one kind to an address and from a client, as `RateLimits.attempt` does.

        Raises:
            TooMuchMail: too much was requested for this address.
            TooManyAttempts: too much was requested from this client; or a code was requested, and the address has used
                up its tries.
            DependencyUnavailable: it could not be counted.
        """

        def check_tries() -> None:
            if kind in _CODES:
                self.rate_limits.check(self.limits.code_tries, email)

        client = Counted(self.limits.client, client_address, OnSuccess.STAYS)
        return self.attempt(*self._cooldown(kind, email), client, alongside=check_tries)

    def attempt(self, *counted: Counted, alongside: Callable[[], None]) -> Attempt[None]:
        """Count as `RateLimits.attempt` does.

        Raises:
            TooMuchMail: the limit that is reached is on the mails to one address.
            TooManyAttempts: it is another limit.
            DependencyUnavailable: the attempt could not be counted.
        """
        try:
            return self.rate_limits.attempt(*counted, alongside=alongside)
        except TooManyAttempts as error:
            if error.limit in {self.limits.minute.name, self.limits.hour.name}:
                raise TooMuchMail(error.limit, error.wait) from None
            raise

    def repeat_verification(self, email: str, locale: str | None, link: LinkRequest | None = None) -> None:
        """Queue again the code that verifies an address, for an account that has not verified it. It is not counted.

        Raises:
            DependencyUnavailable: it could not be queued.
        """
        self._enqueue(MailKind.VERIFICATION_CODE, email, locale, payload=to_payload(link))

    def request_verification(self, user: User, link: LinkRequest | None = None) -> None:
        """Queue the mail that verifies the address of an account that the caller writes next. It is not counted.

        It is queued first, so that a registration which promises a mail is not written without it. If the account is
        not written after all, the mail is not sent. (docs/decisions/0025-mail-is-queued-first.md)

        Raises:
            DependencyUnavailable: it could not be queued; do not write the account.
        """
        if user.email is None:
            return
        self._enqueue(
            MailKind.VERIFICATION_CODE,
            user.email,
            user.locale,
            payload={REGISTERED: user.user_id, **to_payload(link)},
            delay_seconds=WRITE_DELAY_SECONDS,
        )

    def request_invitation(
        self, email: str, locale: str | None, link: LinkRequest, *, user_id: str | None = None
    ) -> None:
        """Queue the invitation of an unverified account. It is not counted.

        *user_id*: the account that the caller writes next, as in `request_verification`; None: it is there.

        Raises:
            TooManyAttempts: the address has used up its tries; its code would not be taken.
            DependencyUnavailable: it could not be queued.
        """
        self.rate_limits.check(self.limits.code_tries, email)
        payload, delay_seconds = link.to_payload(), 0
        if user_id is not None:
            payload[REGISTERED], delay_seconds = user_id, WRITE_DELAY_SECONDS
        self._enqueue(MailKind.INVITE, email, locale, payload=payload, delay_seconds=delay_seconds)

    def notify_password_changed(self, user: User, locale: str | None) -> None:
        """Queue the notice that an account has a new password, if its address is verified. *user*: as changed.

        An unverified address may be a stranger's. The job's id contains the account's epoch, which every change raises:
        if the request is repeated and queues the notice again, it is mailed once. A failure to queue is only logged:
        the password is set. *locale* is the request's.
        """
        if user.email is None or user.email_verified_at is None:
            return
        kind = MailKind.PASSWORD_CHANGED
        job_id = f"{kind}-{user.user_id}-{user.epoch}"
        self.queue_notice(MailJob(job_id=job_id, kind=kind, email=user.email, locale=locale), user_id=user.user_id)

    def queue_notice(self, job: MailJob, *, user_id: str, delay_seconds: int = 0) -> None:
        """Queue a notice, counted towards the mails of its kind in an hour. A failure is only logged."""
        hour = Counted(self.limits.hour, f"{job.kind} {job.email}", OnSuccess.STAYS)
        try:
            with self.rate_limits.attempt(hour):
                self.queue.enqueue(job, delay_seconds=delay_seconds)
        except (TooManyAttempts, DependencyUnavailable) as error:
            severity = Severity.WARNING if isinstance(error, TooManyAttempts) else Severity.ERROR
            self.log_event("mail_not_queued", severity, kind=job.kind, user_id=user_id)

    def forget_wrong_codes(self, user: User) -> None:
        """Forget the wrong codes for the address of an account that has just been made: its first code must work."""
        if user.email is None:
            return
        try:
            self.rate_limits.forget(Counted(self.limits.code_tries, user.email, OnSuccess.CLEARED))
        except DependencyUnavailable:
            self.log_event("attempts_not_forgotten", Severity.WARNING, limit=self.limits.code_tries.name)

    def notify_password_removed(self, user: User, locale: str | None) -> None:
        """Queue the notice that verifying the address removed the password, while that is being written.

        It is mailed once the account has no password, and not if that is never written. A failure to queue is only
        logged: the answer to the request says the same. *locale* is the request's.
        """
        if user.email is None:
            return
        kind = MailKind.PASSWORD_REMOVED
        try:
            self._enqueue(kind, user.email, locale, delay_seconds=WRITE_DELAY_SECONDS)
        except DependencyUnavailable:
            self.log_event("mail_not_queued", Severity.ERROR, kind=kind, user_id=user.user_id)

    def notify_account_exists(self, email: str, locale: str | None) -> None:
        """Queue the notice that the address was registered again, which is mailed if a verified account has it.

        It is counted like a mail that was requested. If it is over a limit or cannot be queued, that is only logged.
        *locale* is the request's.
        """
        kind = MailKind.ACCOUNT_EXISTS
        try:
            with self.rate_limits.attempt(*self._cooldown(kind, email)):
                self._enqueue(kind, email, locale)
        except TooManyAttempts:
            self.log_event("mail_not_queued", Severity.WARNING, kind=kind)
        except DependencyUnavailable:
            self.log_event("mail_not_queued", Severity.ERROR, kind=kind)

    def _cooldown(self, kind: MailKind, email: str) -> tuple[Counted, Counted]:
        """Return the counters of mails of a kind to an address, for all clients together."""
        subject = f"{kind} {email}"
        return (
            Counted(self.limits.minute, subject, OnSuccess.STAYS),
            Counted(self.limits.hour, subject, OnSuccess.STAYS),
        )

    def _enqueue(
        self,
        kind: MailKind,
        email: str,
        locale: str | None,
        *,
        payload: Mapping[str, str] | None = None,
        delay_seconds: int = 0,
    ) -> None:
        job = MailJob(job_id=self.new_id(), kind=kind, email=email, locale=locale, payload=payload or {})
        self.queue.enqueue(job, delay_seconds=delay_seconds)
