"""Change the password with the present one.

One transaction sets the password, raises the epoch and carries the caller's session over.
"""

from gerbang.accounts.new_password import set_password
from gerbang.accounts.password_check import PasswordCheck
from gerbang.accounts.password_reset import REPEATABLE_FOR
from gerbang.accounts.sign_in import InvalidCredentials
from gerbang.core.client import Client
from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.core.log import LogEvent
from gerbang.limits.password_attempts import PasswordAttempts
from gerbang.mail.service import MailService
from gerbang.passwords.hashing import Passwords
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.assurance import check_level
from gerbang.sessions.sessions import Sessions
from gerbang.storage.accounts import User
from gerbang.storage.families import FamilyTable
from gerbang.storage.records import from_item
from gerbang.storage.store import Equal, Store
from gerbang.storage.users import UserTable, not_disabled


class WrongPassword(InvalidCredentials):
    """The present password is wrong, or there is none, or it was changed meanwhile."""

    code = "current_password_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChange:
    """Sets the password of a signed-in user who knows the present one (ASVS 6.2.2, 6.2.3)."""

    store: Store
    users: UserTable
    families: FamilyTable
    sessions: Sessions
    passwords: Passwords
    password_check: PasswordCheck
    password_attempts: PasswordAttempts
    mail_service: MailService
    log_event: LogEvent
    now: Clock

    def change(self, access_token: str, *, current: str, new: str, client: Client, policy: PasswordPolicy) -> None:
        """Set the password and end every other session of the account; this one continues with its tokens.

        The same change is accepted again for ten minutes, because its answer may have been lost, and changes nothing
        then. The notice is mailed once.

        Raises:
            InvalidToken, TokenExpired, SessionEnded, NotAPerson: the token is invalid, or a guest's.
            WrongPassword: the present password is wrong, or there is none.
            UnacceptablePassword: the new password breaks the policy.
            TooManyAttempts: there were too many guesses, here or at any other sign-in.
            InsufficientLevel: the account has a second factor, and the session has not shown it.
        """
        authenticated = self.sessions.authenticate_person(access_token)
        check_level(authenticated)
        user, family = authenticated.user, authenticated.family
        policy.check(new, about=(user.email, user.username, user.name))
        with self.password_attempts.attempt(user.user_id, client.address) as attempt:
            if not self.password_check.is_right(current, user) or user.password_hash is None:
                if not self._is_repeated(new, user):
                    raise WrongPassword(user.user_id)
                # The first request may have ended before the notice was queued.
                self.mail_service.notify_password_changed(user, client.locale)
                return
            now = self.now()
            changed, changes = set_password(user, self.passwords.hash(new), at=now)
            same_password = Equal("password_hash", user.password_hash)
            changing = self.users.changing(user, changes, same_password, *not_disabled(now))
            carrying_over = self.families.carry_over(family, epoch=changed.epoch)
            if failures := self.store.commit(changing, carrying_over):
                current_item = None if failures[0] is None else failures[0].item
                if not self._is_repeated(new, from_item(User, current_item)):
                    attempt.give_back()
                    raise WrongPassword(user.user_id)  # changed, reset, disabled or signed out meanwhile
                return
        self.log_event("password_changed", user_id=user.user_id, session_id=family.family_id)
        self.mail_service.notify_password_changed(changed, client.locale)

    def _is_repeated(self, new: str, user: User | None) -> bool:
        """Return whether the account has the new password already, set within the last ten minutes.

        The password is not compared with that of an account that was not changed since: an attempt is one guess there,
        not two.
        """
        now = self.now()
        if user is None or user.is_disabled(now) or now > user.updated_at + REPEATABLE_FOR:
            return False
        return self.password_check.is_right(new, user)
