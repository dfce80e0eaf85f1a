"""The mailer takes a job from the queue, looks the account up, makes the code and sends the mail.

A mail is *owed* if the account, as it is now, should get it. A message delivered twice sends one mail: its job is
claimed before sending and marked as sent after. If the answer of a send is lost, the mail may be sent twice, but with
the same code (F25).
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from gerbang.core.clock import Clock, from_epoch
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import LogEvent, Severity
from gerbang.limits.rate_limits import digest
from gerbang.mail import notices
from gerbang.mail.codes import CODE_LIFETIME, REMEMBERED, RESET_LIFETIME, ResetTokens
from gerbang.mail.composing import Mails, Recipient
from gerbang.mail.email_change import change_subject, has_pending_change
from gerbang.mail.issuing import CodeIssuer, CodeOrder
from gerbang.mail.jobs import (
    GUEST,
    NEW_EMAIL,
    NEW_USER_METADATA,
    NEW_USER_NAME,
    REGISTERED,
    SLOT,
    MailJob,
    MailKind,
)
from gerbang.mail.languages import choose_locale
from gerbang.mail.links import LinkRequest, LinkType
from gerbang.mail.message import MailRejected, Message
from gerbang.mail.notices import NOTICES
from gerbang.mail.organization_invitations import InvitationMails, Invited
from gerbang.mail.ses import Outbox
from gerbang.storage.accounts import Name, User
from gerbang.storage.mail_deliveries import Delivery, MailDeliveryTable
from gerbang.storage.one_time_codes import CodePurpose, OneTimeCode, OneTimeCodeTable, Slot
from gerbang.storage.store import Absent, AnyOf, Condition, Equal
from gerbang.storage.users import UserTable

LEASE: Final = timedelta(seconds=60)
"""How long a claim is valid: longer than the mailer function may run (30 s), and shorter than the time after which a
message is delivered again if the function dies (180 s, the queue's visibility time-out)."""

WRITE_GRACE: Final = timedelta(seconds=60)
"""How long a mail waits for its account to be written: longer than the function that writes it may run (20 s)."""


class MailUnderWay(Exception):
    """Another delivery of the same message is sending the mail. Try again later, in case that fails."""


class AccountNotWritten(Exception):
    """The request that queued the mail has not written its change yet. Try again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailer:
    """Delivers mail jobs."""

    users: UserTable
    codes: OneTimeCodeTable
    deliveries: MailDeliveryTable
    issuer: CodeIssuer
    reset_tokens: ResetTokens
    invitations: InvitationMails
    mails: Mails
    outbox: Outbox
    default_locale: str
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]

    def deliver(self, job: MailJob, *, queued_at: datetime) -> None:
        """Send the mail of a job, if it is owed and was not sent yet.

        Raises:
            DependencyUnavailable, MailUnderWay, AccountNotWritten: the mail is not sent yet; deliver the message again.
        """
        order = self._order(job, queued_at)
        if order is None:
            self.log_event("mail_not_owed", kind=job.kind, job_id=job.job_id)
            return
        nonce = self.new_id()
        try:
            is_sent_now = self._claim_and_send(order, nonce)
        except Exception:
            # Otherwise the next delivery would find this claim. If it cannot be released, it ends by itself.
            with suppress(DependencyUnavailable):
                self.deliveries.release(job.job_id, nonce, at=self.now())
            raise
        if is_sent_now:
            self._record_as_sent(job)

    def _order(self, job: MailJob, queued_at: datetime) -> "_Order | None":
        """Return a job with the account that is owed its mail; None if no mail is owed.

        A registration queues its mail before it writes its account, and the job names the account. An account that
        another registration wrote is not owed this mail. The job of a guest's change of address names the guest.
        A sign-in code may be owed to an address without an account, because redeeming it makes the account.
        """
        if job.kind is MailKind.ORGANIZATION_INVITATION:
            return self._invitation_order(job, queued_at)
        guest, registered = job.payload.get(GUEST), job.payload.get(REGISTERED)
        user_id = guest or self.users.find_id(Name.EMAIL, job.email)
        if user_id is None:
            if registered is not None:
                self._wait(job, queued_at)
            makes_account = job.kind is MailKind.SIGN_IN_CODE and NEW_USER_METADATA in job.payload
            return _Order(job, None, queued_at) if makes_account else None
        user = self.users.find(user_id) if registered in {None, user_id} else None
        if user is None or user.is_disabled(self.now()) or (user.email is None and guest is None):
            return None
        return _Order(job, user, queued_at) if self._is_owed(job, user, queued_at) else None

    def _invitation_order(self, job: MailJob, queued_at: datetime) -> "_Order | None":
        """Return the job of an invitation to an organization, which needs no account.

        The owner of a verified account is greeted by name. A disabled account is not owed the mail.
        """
        invited = self.invitations.find(job, self.now())
        if invited is None:
            self._wait(job, queued_at)
            return None
        user = self.users.find_by_name(Name.EMAIL, job.email)
        if user is not None and user.is_disabled(self.now()):
            return None
        is_known = user is not None and user.email_verified_at is not None
        return _Order(job, user if is_known else None, queued_at, invited)

    def _is_owed(self, job: MailJob, user: User, queued_at: datetime) -> bool:
        """Return whether an account is owed the mail, as the account is now.

        The notice of a removed password is queued before the password is removed; the mails of a change of address,
        and the notices about identities, before the change is written.
        """
        if not notices.is_written(job, user):
            self._wait(job, queued_at)
            return False
        match job.kind:
            case MailKind.VERIFICATION_CODE | MailKind.INVITE:
                return user.email_verified_at is None
            case (
                MailKind.ACCOUNT_EXISTS
                | MailKind.IDENTITY_LINKED
                | MailKind.IDENTITY_UNLINKED
                | MailKind.REAUTHENTICATION_CODE
                | MailKind.NEW_DEVICE
            ):  # an unverified address may be a stranger's
                return user.email_verified_at is not None
            case MailKind.EMAIL_CHANGE_CURRENT | MailKind.EMAIL_CHANGE_NEW:
                return has_pending_change(job.kind, user)
            case _:
                return True

    def _wait(self, job: MailJob, queued_at: datetime) -> None:
        """Raise AccountNotWritten, unless the request that queued the job must have ended by now."""
        if self.now() < queued_at + WRITE_GRACE:
            raise AccountNotWritten(job.job_id)

    def _claim_and_send(self, order: "_Order", nonce: str) -> bool:
        """Send the mail, unless it was sent before; return whether it was sent now, or rejected for good."""
        match self.deliveries.claim(order.job.job_id, nonce, at=self.now(), lease=LEASE, kept=REMEMBERED):
            case Delivery.SENT:
                return False
            case Delivery.UNDER_WAY:
                raise MailUnderWay(order.job.job_id)
            case Delivery.CLAIMED:
                self._send(order)
                return True

    def _send(self, order: "_Order") -> None:
        job, user = order.job, order.user
        fields = {"kind": job.kind, **({"job_id": job.job_id} if user is None else {"user_id": user.user_id})}
        try:
            message = self._message(order)
            if message is not None:
                self.outbox.send(message)
        except MailRejected as rejected:  # for good: another try would not help
            self.log_event("mail_refused", Severity.ERROR, **fields, why=rejected.reason)
        else:
            self.log_event("mail_superseded" if message is None else "mail_sent", **fields)

    def _record_as_sent(self, job: MailJob) -> None:
        """Record that a mail was sent; if that fails, a message that the queue delivers twice sends it twice."""
        try:
            self.deliveries.mark_sent(job.job_id, at=self.now(), kept=REMEMBERED)
        except DependencyUnavailable:
            self.log_event("mail_not_marked_as_sent", Severity.WARNING, kind=job.kind, job_id=job.job_id)

    def _message(self, order: "_Order") -> Message | None:
        """Return the mail to send, its code now the newest of its slot; None if a later job was served already."""
        kind, user, to = order.job.kind, order.user, self._recipient(order)
        match kind:
            case MailKind.PASSWORD_RESET if user is not None:
                return self._reset_mail(order, user, to)
            case MailKind.EMAIL_CHANGE_CURRENT | MailKind.EMAIL_CHANGE_NEW if user is not None:
                return self._change_mail(order, user, to)
            case _ if order.invited is not None:
                return self.invitations.compose(order.invited, self.mails, to)
            case _ if kind in NOTICES:
                return notices.compose(order.job, self.mails, to, at=order.queued_at)
            case _:
                return self._code_mail(order, to, self._kind_of_code(order))

    def _recipient(self, order: "_Order") -> Recipient:
        job, user = order.job, order.user
        if user is None:
            return Recipient(address=job.email, locale=choose_locale(job.locale, self.default_locale))
        languages = (user.locale, job.locale) if job.kind in NOTICES else (job.locale, user.locale)
        locale = choose_locale(*languages, self.default_locale)
        return Recipient(address=user.email or job.email, locale=locale, name=user.name)

    def _kind_of_code(self, order: "_Order") -> "_KindOfCode":
        """Return the slot, purpose and type of link of a job's one-time code, and the method that composes its mail."""
        kind, slot, sign_in, mails = order.job.kind, order.job.payload.get(SLOT), CodePurpose.SIGN_IN, self.mails
        verification, reauthentication = CodePurpose.VERIFICATION, CodePurpose.REAUTHENTICATION
        # Codes for reauthentication have no link: their jobs ask for none.
        fixed: dict[MailKind, tuple[Slot, CodePurpose, LinkType, Callable[..., Message]]] = {
            MailKind.RECOVERY_CODE: (Slot.RECOVERY, sign_in, LinkType.RECOVERY, mails.recovery_code),
            MailKind.VERIFICATION_CODE: (Slot.EMAIL, verification, LinkType.SIGN_UP, mails.verification_code),
            MailKind.INVITE: (Slot.EMAIL, sign_in, LinkType.INVITE, mails.invite),
            MailKind.REAUTHENTICATION_CODE: (
                Slot.REAUTHENTICATION, reauthentication, LinkType.RECOVERY, mails.reauthentication_code
            ),
        }  # fmt: skip
        if kind in fixed:
            return _KindOfCode(*fixed[kind])
        if slot is None:
            return _KindOfCode(Slot.EMAIL, sign_in, LinkType.MAGIC_LINK, mails.sign_in_code)
        if order.user is None or order.user.email_verified_at is None:
            return _KindOfCode(Slot.EMAIL, sign_in, LinkType.SIGN_UP, mails.verification_code)
        return _KindOfCode(Slot(slot), sign_in, LinkType.MAGIC_LINK, mails.sign_in_code)

    def _change_mail(self, order: "_Order", user: User, to: Recipient) -> Message | None:
        """Return the mail with a code that confirms a change of address, to one of the two addresses."""
        job = order.job
        slot, compose = Slot.EMAIL_CHANGE_CURRENT, self.mails.email_change_current
        own_code: tuple[Condition, ...] = ()
        if job.kind is MailKind.EMAIL_CHANGE_NEW:
            slot, compose = Slot.EMAIL_CHANGE_NEW, self.mails.email_change_new
            to = replace(to, address=user.new_email or job.email)
            if NEW_EMAIL not in job.payload:
                # Of accounts that ask for the same new address, the last one may ask for its mail again.
                own_code = (AnyOf((Absent("pk"), Equal("user_id", user.user_id))),)
        issued = self.issuer.issue(
            CodeOrder(
                job_id=job.job_id,
                queued_at=order.queued_at,
                slot=slot,
                email=to.address,
                subject=change_subject(slot, user),
                purpose=CodePurpose.EMAIL_CHANGE,
                epoch=user.epoch,
                user_id=user.user_id,
                link=LinkRequest.from_payload(job.payload),
                link_type=LinkType.EMAIL_CHANGE,
            ),
            *own_code,
        )
        return None if issued is None else compose(to, code=issued.code, valid_for=CODE_LIFETIME, link=issued.link)

    def _code_mail(self, order: "_Order", to: Recipient, kind: "_KindOfCode") -> Message | None:
        job, payload = order.job, order.job.payload if order.user is None else {}
        issued = self.issuer.issue(
            CodeOrder(
                job_id=job.job_id,
                queued_at=order.queued_at,
                slot=kind.slot,
                email=job.email,
                subject=job.email,
                purpose=kind.purpose,
                epoch=order.epoch,
                new_user_metadata=json.loads(payload[NEW_USER_METADATA]) if payload else None,
                new_user_name=payload.get(NEW_USER_NAME, ""),
                link=LinkRequest.from_payload(job.payload),
                link_type=kind.link_type,
            )
        )
        return None if issued is None else kind.compose(to, code=issued.code, valid_for=CODE_LIFETIME, link=issued.link)

    def _reset_mail(self, order: "_Order", user: User, to: Recipient) -> Message | None:
        token = self.reset_tokens.token(order.job.job_id, user)
        stored = OneTimeCode(
            secret_hash=self.reset_tokens.stored_form(token),
            purpose=CodePurpose.PASSWORD_RESET,
            epoch=order.epoch,
            job_id=order.job.job_id,
            issued_at_ms=int(order.queued_at.timestamp() * 1000),
            expires_at=self.now() + RESET_LIFETIME,
            mailed_to=digest(to.address),
        )
        if not self.codes.replace(self.codes.key(Slot.PASSWORD_RESET, user.user_id), stored):
            return None
        return self.mails.password_reset(to, token=token, valid_for=RESET_LIFETIME)


@dataclass(frozen=True, slots=True)
class _KindOfCode:
    """The slot and purpose of a one-time code, the type of its link, and the method that composes its mail."""

    slot: Slot
    purpose: CodePurpose
    link_type: LinkType
    compose: Callable[..., Message]


@dataclass(frozen=True, slots=True)
class _Order:
    """A job, the account that is owed its mail, and when it was queued."""

    job: MailJob
    user: User | None
    """None: no account has the address, and the mail does not need one."""
    queued_at: datetime
    invited: Invited | None = None
    """The invitation, if the mail is one to an organization."""

    @property
    def epoch(self) -> int:
        """The account's epoch."""
        return 0 if self.user is None else self.user.epoch


def sent_at(milliseconds: str) -> datetime:
    """Return the instant of SQS' `SentTimestamp`, milliseconds since 1970 as text."""
    return from_epoch(int(milliseconds) / 1000)
