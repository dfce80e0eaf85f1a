"""Sign-up as Supabase's clients know it: a mailed code, and an answer for an address that is registered already.

A sign-up of a verified account's address is answered with a decoy, which looks like a new account, and the owner is
mailed a notice. The answer for an unverified account, which may have been registered in another API, looks the same.
Every sign-up of an address counts as a mail to it, whether or not an account has it.
(docs/decisions/0027-supabase-auth.md)
"""

from collections.abc import Callable

from gerbang.accounts.registration import EmailTaken, NewAccount, Registration
from gerbang.core.client import Client
from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError, DependencyUnavailable
from gerbang.limits.rate_limits import TooManyAttempts
from gerbang.mail.jobs import MailKind
from gerbang.mail.service import MailService
from gerbang.sessions.sessions import SignedIn
from gerbang.storage.accounts import User


class UserAlreadyExists(AuthError):
    """Another account has the address. Sign-ups need no code here, so the answer cannot hide that."""

    code = "user_already_exists"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoy:
    """The answer to a sign-up of a verified account's address: the user that would have been made."""

    user: User


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUp:
    """Makes accounts whose address a mailed code verifies."""

    registration: Registration
    """Mails the code."""
    mail_service: MailService
    now: Clock
    new_id: Callable[[], str]

    def sign_up(self, new: NewAccount, client: Client) -> User | Decoy:
        """Make an account and mail its code, or answer for the account that has the address.

        An account that has not verified the address is mailed its code again; its password and metadata stay.

        Raises:
            SignUpDisabled: the deployment takes no accounts.
            TooMuchMail: the address was mailed a code lately.
            TooManyAttempts: this client has registered too often, or asked for too much mail; or the address has used
                up its tries, so that its code would not be taken.
            MetadataTooLarge: the account's metadata would be.
            DependencyUnavailable: nothing was written, or the mail not queued.
        """
        kind = MailKind.VERIFICATION_CODE
        try:
            with self.mail_service.counted(kind, new.email, client.address), self.registration.counted(client):
                holder = self.registration.find_holder(new)
                if holder is None:
                    try:
                        return self.registration.make(new)
                    except EmailTaken as taken:  # by another request meanwhile
                        holder = taken.holder
                return self._answer_for(holder, new, client)
        except TooManyAttempts:
            self._contest(new, client)
            raise

    def _contest(self, new: NewAccount, client: Client) -> None:
        """Make an unverified account contested, because the sign-up that is told to wait may be the owner's.

        This takes one hash, whether or not an account has the address, and counts as a registration.
        """
        with self.registration.counted(client):
            if self.registration.find_holder(new) is None:
                self.registration.passwords.verify(new.password, None)

    def _answer_for(self, holder: User | None, new: NewAccount, client: Client) -> User | Decoy:
        """Answer for the account that has the address, revealing only the id of an unverified one."""
        if holder is None:
            raise DependencyUnavailable("the account was deleted meanwhile")
        is_verified, now = holder.email_verified_at is not None, self.now()
        user = User(
            user_id=self.new_id() if is_verified else holder.user_id,
            name=new.name,
            email=new.email,
            password_hash="",
            confirmation_sent_at=now,
            user_metadata=new.user_metadata,
            created_at=now,
            updated_at=now,
        )
        if is_verified:
            self.mail_service.notify_account_exists(new.email, client.locale)
            return Decoy(user=user)
        self.mail_service.repeat_verification(new.email, client.locale, new.link)
        return user


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmedSignUp:
    """Makes accounts that are signed in at once (`Autoconfirm`). Their address stays unverified."""

    registration: Registration
    """Sends no mail."""

    def sign_up(self, new: NewAccount, client: Client) -> SignedIn:
        """Make an account and open a session.

        Raises:
            SignUpDisabled, TooManyAttempts, MetadataTooLarge: as `SignUp.sign_up`.
            UserAlreadyExists: another account has the address.
        """
        try:
            return self.registration.register(new, client).signed_in
        except EmailTaken:
            raise UserAlreadyExists from None
