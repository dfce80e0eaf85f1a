"""Notices: mails about changes of an account. Which kinds there are, whether the change was written, and the text."""

from datetime import datetime
from typing import Final

from gerbang.core.user_agents import read_device
from gerbang.mail import device_notices, email_change, identity_notices
from gerbang.mail.composing import Mails, Recipient
from gerbang.mail.jobs import CLIENT_ADDRESS, PROVIDER, USER_AGENT, MailJob, MailKind
from gerbang.mail.message import Message
from gerbang.storage.accounts import User
from gerbang.storage.profiles import EMAIL

NOTICES: Final = frozenset(
    {
        MailKind.PASSWORD_CHANGED,
        MailKind.PASSWORD_REMOVED,
        MailKind.ACCOUNT_EXISTS,
        MailKind.EMAIL_CHANGE_CURRENT,
        MailKind.IDENTITY_LINKED,
        MailKind.IDENTITY_UNLINKED,
        MailKind.NEW_DEVICE,
    }
)
"""Kinds of mails in the account's language, even if the request had another one."""


def is_written(job: MailJob, user: User) -> bool:
    """Return whether the change that a mail is about was written. Some mails are queued before it."""
    match job.kind:
        case MailKind.PASSWORD_REMOVED:
            return user.password_hash is None
        case MailKind.IDENTITY_LINKED | MailKind.IDENTITY_UNLINKED:
            return identity_notices.is_written(job, user)
        case MailKind.NEW_DEVICE:
            return device_notices.is_written(job, user)
        case _:
            return email_change.is_written(job, user)


def compose(job: MailJob, mails: Mails, to: Recipient, *, at: datetime) -> Message:
    """Return the mail of a notice about a change at an instant."""
    match job.kind:
        case MailKind.PASSWORD_CHANGED:
            return mails.password_changed(to, changed_at=at)
        case MailKind.PASSWORD_REMOVED:
            return mails.password_removed(to)
        case MailKind.IDENTITY_LINKED | MailKind.IDENTITY_UNLINKED:
            return _about_identity(job, mails, to, at)
        case MailKind.NEW_DEVICE:
            device = read_device(job.payload.get(USER_AGENT, ""))
            address = job.payload.get(CLIENT_ADDRESS, "")
            return mails.new_device(to, device=device.short, address=address, signed_in_at=at)
        case _:
            return mails.account_exists(to)


def _about_identity(job: MailJob, mails: Mails, to: Recipient, at: datetime) -> Message:
    provider = job.payload.get(PROVIDER, "")
    if job.kind is MailKind.IDENTITY_LINKED:
        return mails.identity_linked(to, provider=provider, changed_at=at)
    if provider == EMAIL:
        return mails.password_unlinked(to, changed_at=at)
    return mails.identity_unlinked(to, provider=provider, changed_at=at)
