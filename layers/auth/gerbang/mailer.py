"""The mailer: takes a wish from the queue, looks the account up, makes the code, sends. At least once, once if it can.

A message delivered twice sends one mail: its wish is claimed before and marked after sending. Where a send's answer
was lost, the mail may go out twice, with the same code (F25): there are never two different live ones.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gerbang.clock import Clock, from_epoch
from gerbang.errors import DependencyUnavailable
from gerbang.journal import Journal, Severity
from gerbang.mail import MailRefused, Mails, Message, Outbox
from gerbang.mail_queue import Locale, MailKind, MailWish, choose_locale
from gerbang.one_time_codes import LIFETIME, REMEMBERED, CodeMaker
from gerbang.password_change import RESET_LIFETIME, ResetTokens
from gerbang.rate_limits import digest
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
    """Delivers wishes."""

    users: UserTable
    codes: CodeTable
    maker: CodeMaker
    resets: ResetTable
    reset_tokens: ResetTokens
    mails: Mails
    outbox: Outbox
    default_locale: str
    journal: Journal
    now: Clock

    def deliver(self, wish: MailWish, *, wished_at: datetime) -> None:
        """Send the mail of a wish, if somebody is owed it and it was not sent yet.

        Raises:
            DependencyUnavailable, MailUnderWay: not yet; the message should come again.
        """
        user = self._addressee(wish)
        if user is None:
            self.journal.note("mail_not_owed", kind=wish.kind, wish_id=wish.wish_id)
            return
        match self.codes.claim_delivery(wish.wish_id, at=self.now(), lease=LEASE, kept=REMEMBERED):
            case Delivery.SENT:
                return
            case Delivery.UNDER_WAY:
                raise MailUnderWay(wish.wish_id)
            case Delivery.OURS:
                self._send(wish, user, wished_at)

    def _send(self, wish: MailWish, user: User, wished_at: datetime) -> None:
        try:
            message = self._message(wish, user, wished_at)
            if message is not None:
                self.outbox.send(message)
        except MailRefused as refusal:  # for good: coming again would not help
            self.journal.note(
                "mail_refused", Severity.FAILURE, kind=wish.kind, user_id=user.user_id, why=refusal.reason
            )
        except DependencyUnavailable:
            self.codes.give_up_claim(wish.wish_id, at=self.now())
            raise
        else:
            event = "mail_superseded" if message is None else "mail_sent"
            self.journal.note(event, kind=wish.kind, user_id=user.user_id)
        self.codes.mark_sent(wish.wish_id, at=self.now(), kept=REMEMBERED)

    def _addressee(self, wish: MailWish) -> User | None:
        user_id = self.users.find_id(Name.EMAIL, wish.email)
        user = None if user_id is None else self.users.find(user_id)
        return None if user is None or user.email is None or user.disabled_at is not None else user

    def _message(self, wish: MailWish, user: User, wished_at: datetime) -> Message | None:
        """Return the mail to send, its code now the newest of the address; None if a newer wish has been served."""
        address = user.email or wish.email
        locale = choose_locale(wish.locale, user.locale, self.default_locale)
        if wish.kind is MailKind.PASSWORD_CHANGED:
            return self.mails.password_changed(to=address, locale=locale, changed_at=wished_at, name=user.name)
        if wish.kind is MailKind.PASSWORD_RESET:
            return self._reset_mail(wish, user, wished_at, locale)
        code = self.maker.code(wish.wish_id, wish.email)
        newest = self.codes.replace(
            digest(wish.email),
            Code(
                code_hash=self.maker.stored_form(wish.email, code),
                purpose=_PURPOSES[wish.kind],
                wish_id=wish.wish_id,
                issued_at_ms=int(wished_at.timestamp() * 1000),
                expires_at=self.now() + LIFETIME,
            ),
        )
        if not newest:
            return None
        compose = self.mails.sign_in_code if wish.kind is MailKind.SIGN_IN_CODE else self.mails.verification_code
        return compose(to=address, locale=locale, code=code, valid_for=LIFETIME, name=user.name)

    def _reset_mail(self, wish: MailWish, user: User, wished_at: datetime, locale: Locale) -> Message | None:
        token = self.reset_tokens.token(wish.wish_id, user)
        newest = self.resets.replace(
            user.user_id,
            Reset(
                token_hash=self.reset_tokens.stored_form(token),
                epoch=user.epoch,
                wish_id=wish.wish_id,
                issued_at_ms=int(wished_at.timestamp() * 1000),
                expires_at=self.now() + RESET_LIFETIME,
            ),
        )
        if not newest:
            return None
        return self.mails.password_reset(
            to=user.email or wish.email, locale=locale, token=token, valid_for=RESET_LIFETIME, name=user.name
        )


@dataclass(frozen=True, slots=True)
class InlineQueue:
    """A mail queue that delivers at once, in the request: for `sam local`, where there is no SQS."""

    mailer: Mailer

    def enqueue(self, wish: MailWish) -> None:
        """Deliver a wish.

        Raises:
            DependencyUnavailable: it could not be delivered.
        """
        self.mailer.deliver(wish, wished_at=self.mailer.now())


def sent_at(milliseconds: str) -> datetime:
    """Return the instant of SQS' `SentTimestamp`, milliseconds since 1970 as text."""
    return from_epoch(int(milliseconds) / 1000)
