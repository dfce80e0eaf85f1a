"""Setting another password: by a mailed token when it is forgotten, by the present one when it is not.

Either is one transaction with what it costs: the token is spent in the write that sets the password and raises the
epoch, so there is never a spent token without the password, nor the password without every older session being dead.
"""

from dataclasses import dataclass, replace

from gerbang.accounts.sign_in import InvalidCredentials, is_right
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.log import LogEvent
from gerbang.limits.password_attempts import PasswordAttempts
from gerbang.limits.rate_limits import Counted, Limit, RateLimits
from gerbang.mail.codes import InvalidResetToken, ResetTokens
from gerbang.mail.jobs import Locale
from gerbang.mail.service import MailService
from gerbang.passwords.hashing import Passwords, replacing
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import Client, Sessions
from gerbang.storage.families import FamilyTable
from gerbang.storage.resets import Reset, ResetTable
from gerbang.storage.store import Absent, Equal, Plus, Store
from gerbang.storage.users import User, UserTable, from_item


class WrongPassword(InvalidCredentials):
    """The present password is another one, or there is none, or it was changed meanwhile."""

    code = "current_password_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordReset:
    """Sets the password of whoever shows the token that was mailed to the account's address."""

    store: Store
    users: UserTable
    resets: ResetTable
    tokens: ResetTokens
    passwords: Passwords
    rate_limits: RateLimits
    limit: Limit
    """Of wrong tokens, a client address."""
    password_attempts: PasswordAttempts
    mail_service: MailService
    log_event: LogEvent
    now: Clock

    def reset(
        self, token: str, password: str, *, client: Client, policy: PasswordPolicy, locale: Locale | None
    ) -> None:
        """Set the password, end every session of the account, and mail a notice. Nobody is signed in by it.

        The mail has reached the address's owner, so it proves the address, too.

        Raises:
            InvalidResetToken: the token is not, or no longer, worth anything.
            UnacceptablePassword: the password breaks the policy; the token is not spent.
            TooManyAttempts: this client address has shown too many wrong tokens.
        """
        with self.rate_limits.attempt(Counted(self.limit, client.address)):
            user, reset = self._shown(token)
        policy.check(password, about=(user.email, user.username, user.name))
        now = self.now()
        changes = replacing(user.password_hash, self.passwords.hash(password), at=now) | {"epoch": Plus(1)}
        if user.email_verified_at is None:
            changes["email_verified_at"] = to_epoch(now)
        spending = self.resets.spending(user.user_id, reset, at=self.now())
        if self.store.commit(spending, self.users.changing(user, changes, Absent("disabled_at"))):
            raise InvalidResetToken("spent meanwhile")
        self.log_event("password_reset", user_id=user.user_id)
        # Strangers' guesses are forgotten: whoever can read the mail is let in with the new password.
        self.password_attempts.forget(user.user_id, client.address)
        self.mail_service.notify_password_changed(
            replace(user, email_verified_at=user.email_verified_at or now), locale
        )

    def _shown(self, token: str) -> tuple[User, Reset]:
        user_id = self.tokens.user_id(token)
        user_item, reset_item = self.store.get_all(self.users.key(user_id), self.resets.key(user_id))
        user, reset = from_item(user_item), self.resets.read(reset_item)
        if user is None or reset is None or user.disabled_at is not None:
            raise InvalidResetToken("none")
        if not self.tokens.matches(reset.token_hash, token):
            raise InvalidResetToken("wrong")
        if reset.expires_at <= self.now() or reset.epoch != user.epoch:
            raise InvalidResetToken("outlived")
        return user, reset


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChange:
    """Sets the password of whoever is signed in and knows the present one (ASVS 6.2.2, 6.2.3)."""

    store: Store
    users: UserTable
    families: FamilyTable
    sessions: Sessions
    passwords: Passwords
    password_attempts: PasswordAttempts
    mail_service: MailService
    log_event: LogEvent
    now: Clock

    def change(
        self,
        access_token: str,
        *,
        current: str,
        new: str,
        client: Client,
        policy: PasswordPolicy,
        locale: Locale | None,
    ) -> None:
        """Set the password and end every other session of the account; this one goes on, with the tokens it has.

        Raises:
            InvalidToken, TokenExpired, SessionEnded, NotAPerson: the token is worth nothing, or a guest's.
            WrongPassword: the present password is another, or there is none.
            UnacceptablePassword: the new password breaks the policy.
            TooManyAttempts: there were too many guesses, here or at any other door.
        """
        standing = self.sessions.authenticate_person(access_token)
        user, family = standing.user, standing.family
        policy.check(new, about=(user.email, user.username, user.name))
        with self.password_attempts.attempt(user.user_id, client.address) as attempt:
            if (
                not is_right(current, user, passwords=self.passwords, log_event=self.log_event)
                or user.password_hash is None
            ):
                raise WrongPassword(user.user_id)
            changes = replacing(user.password_hash, self.passwords.hash(new), at=self.now()) | {"epoch": Plus(1)}
            same_password = Equal("password_hash", user.password_hash)
            changing = self.users.changing(user, changes, same_password, Absent("disabled_at"))
            carrying_over = self.families.carry_over(family, epoch=user.epoch + 1)
            if self.store.commit(changing, carrying_over):
                attempt.give_back()
                raise WrongPassword(user.user_id)  # changed, reset, disabled or signed out meanwhile
        self.log_event("password_changed", user_id=user.user_id, session_id=family.family_id)
        self.mail_service.notify_password_changed(user, locale)
