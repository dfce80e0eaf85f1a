"""Asking for mail: the same for known and unknown addresses, counted, queued, never sent here.

Where the deployment has no queue (`sam local`), the queue is `gerbang.mail.mailer.InlineQueue`, which delivers at once.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import LogEvent, Severity
from gerbang.limits.rate_limits import Counted, Limit, OnSuccess, RateLimits, TooManyAttempts
from gerbang.mail.jobs import Locale, MailJob, MailKind, MailQueue
from gerbang.storage.users import User


@dataclass(frozen=True, slots=True, kw_only=True)
class MailLimits:
    """How much mail may be asked for; `template.yaml` has the defaults (LimitMail…)."""

    minute: Limit
    """Of one kind, to one address, in a short time."""
    hour: Limit
    """The same, in a longer time."""
    client: Limit
    """Of every kind, from one client address."""
    code_tries: Limit
    """Wrong codes for one address (`CodeSignIn.tries`): at its end, no code is mailed, because none would be taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailService:
    """Takes requests for mail."""

    queue: MailQueue
    rate_limits: RateLimits
    limits: MailLimits
    log_event: LogEvent
    new_id: Callable[[], str]

    def request_code(self, email: str, locale: Locale | None, client_address: str) -> None:
        """Queue a one-time code to an address, as `ask` does."""
        self.ask(MailKind.SIGN_IN_CODE, email, locale, client_address)

    def request_reset(self, email: str, locale: Locale | None, client_address: str) -> None:
        """Queue a password reset token to an address, as `ask` does."""
        self.ask(MailKind.PASSWORD_RESET, email, locale, client_address)

    def ask(self, kind: MailKind, email: str, locale: Locale | None, client_address: str) -> None:
        """Queue a mail to an address, canonical, whether or not anybody has it. One round trip and one queueing.

        Raises:
            TooManyAttempts: to this address, or from this client, too much was asked for; or a code was asked for, and
                the address has used up its tries.
            DependencyUnavailable: it could not be counted or queued; then it was not counted either.
        """
        counted = (
            Counted(self.limits.minute, f"{kind} {email}", OnSuccess.STAYS),
            Counted(self.limits.hour, f"{kind} {email}", OnSuccess.STAYS),
            Counted(self.limits.client, client_address, OnSuccess.STAYS),
        )

        def check_tries() -> None:
            if kind is MailKind.SIGN_IN_CODE:
                self.rate_limits.check(self.limits.code_tries, email)

        with self.rate_limits.attempt(*counted, alongside=check_tries):
            self._enqueue(kind, email, locale)
        self.log_event("mail_asked_for", kind=kind, client=client_address)

    def welcome(self, user: User, locale: Locale | None) -> None:
        """Queue the mail that proves a new account's address; an account is registered once, so it is not counted.

        If it cannot be queued, that is noted and no more: the account stands, and its owner can ask for another.
        """
        self._owe(MailKind.VERIFICATION_CODE, user, locale)
        if user.email is not None:
            self._refill_tries(user.email)

    def notify_password_changed(self, user: User, locale: Locale | None) -> None:
        """Queue the notice that an account has a new password, if its address is verified.

        An address nobody verified may be a stranger's, who is not to be flooded; nor is anybody, so notices are counted
        like an hour's other mails. If it cannot be queued, that is noted and no more: the password stands.
        """
        if user.email is None or user.email_verified_at is None:
            return
        hour = Counted(self.limits.hour, f"{MailKind.PASSWORD_CHANGED} {user.email}", OnSuccess.STAYS)
        try:
            with self.rate_limits.attempt(hour):
                self._enqueue(MailKind.PASSWORD_CHANGED, user.email, locale)
        except (TooManyAttempts, DependencyUnavailable) as error:
            severity = Severity.WARNING if isinstance(error, TooManyAttempts) else Severity.ERROR
            self.log_event("mail_not_queued", severity, kind=MailKind.PASSWORD_CHANGED, user_id=user.user_id)

    def _refill_tries(self, email: str) -> None:
        """Forget wrong codes from before the account was made: its first code must be worth something."""
        try:
            self.rate_limits.forget(Counted(self.limits.code_tries, email, OnSuccess.CLEARED))
        except DependencyUnavailable:
            self.log_event("attempts_not_forgotten", Severity.WARNING, limit=self.limits.code_tries.name)

    def _owe(self, kind: MailKind, user: User, locale: Locale | None) -> None:
        if user.email is None:
            return
        try:
            self._enqueue(kind, user.email, locale)
        except DependencyUnavailable:
            self.log_event("mail_not_queued", Severity.ERROR, kind=kind, user_id=user.user_id)

    def _enqueue(self, kind: MailKind, email: str, locale: Locale | None) -> None:
        self.queue.enqueue(MailJob(job_id=self.new_id(), kind=kind, email=email, locale=locale))
