"""Invitations: an administrator makes an account for an address, and its owner is mailed a code and a link.

The account is made at once, because the answer contains it. Repeating an invitation mails another code, which replaces
the first, until the owner has verified the address.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from gerbang.accounts.changes import set_fields
from gerbang.accounts.registration import EmailTaken
from gerbang.accounts.user_creation import NewUser, UserCreation
from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import LogEvent
from gerbang.mail.links import LinkRequest
from gerbang.mail.service import MailService
from gerbang.storage.accounts import Name, User
from gerbang.storage.store import Absent, ConditionFailed
from gerbang.storage.users import UserTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitations:
    """Invites users."""

    users: UserTable
    creation: UserCreation
    mail_service: MailService
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]

    def invite(self, new: NewUser, locale: str | None, link: LinkRequest) -> User:
        """Make an account that has no password, mail its invitation, and return it; or invite an unverified one again.

        The mail is queued first, as a registration's is (docs/decisions/0025-mail-is-queued-first.md). Mails are not
        counted: the caller holds the secret key. *locale* is the request's language.

        Raises:
            EmailTaken: the address is another account's, and verified.
            MetadataTooLarge: the account's metadata would be.
            TooManyAttempts: the address has used up its tries; its code would not be taken.
            DependencyUnavailable: it was not made, or its mail not queued. The same request works later.
        """
        user = self._invite_existing(new.email, locale, link) or self._make(new, locale, link)
        if user is None:  # the account was made meanwhile: by the same request, sent twice, for example
            user = self._invite_existing(new.email, locale, link)
        if user is None:
            raise DependencyUnavailable("the account was made and deleted meanwhile")
        self.log_event("user_invited", user_id=user.user_id)
        return user

    def _invite_existing(self, email: EmailAddress, locale: str | None, link: LinkRequest) -> User | None:
        """Invite the account that has an address, and return it; None if there is none."""
        existing = find_unverified(self.users, email)
        if existing is None:
            return None
        self.mail_service.request_invitation(email, locale, link)
        return mark_invited(self.users, existing, at=self.now())

    def _make(self, new: NewUser, locale: str | None, link: LinkRequest) -> User | None:
        """Make and invite an account, and return it; None if another one has the address meanwhile."""
        new = replace(new, user_id=self.new_id(), invited_at=self.now())
        self.mail_service.request_invitation(new.email, locale, link, user_id=new.user_id)
        try:
            return self.creation.create(new)
        except EmailTaken:
            return None


def find_unverified(users: UserTable, email: EmailAddress) -> User | None:
    """Return the account that has an address, None if there is none.

    Raises:
        EmailTaken: it has verified the address.
        DependencyUnavailable: the database did not answer.
    """
    user = users.find_by_name(Name.EMAIL, email)
    if user is not None and user.email_verified_at is not None:
        raise EmailTaken(user)
    return user


def mark_invited(users: UserTable, user: User, *, at: datetime) -> User:
    """Record on an unverified account that it was invited; return the changed account.

    Raises:
        DependencyUnavailable: it was changed meanwhile, or the database did not answer.
    """
    invited, changes = set_fields(user, invited_at=at)
    if isinstance(users.change(user, changes, Absent("email_verified_at")), ConditionFailed):
        raise DependencyUnavailable("the account was changed meanwhile")
    return invited
