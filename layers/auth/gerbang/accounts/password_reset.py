"""Set a forgotten password by a mailed token.

One transaction spends the token, sets the password and raises the epoch, which ends every older session: all of it is
done, or nothing.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from gerbang.accounts.new_password import set_password
from gerbang.accounts.password_check import PasswordCheck
from gerbang.core.client import Client
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.core.log import LogEvent
from gerbang.limits.password_attempts import PasswordAttempts
from gerbang.limits.rate_limits import Counted, Limit, RateLimits, digest
from gerbang.mail.codes import REMEMBERED, InvalidResetToken, ResetTokens
from gerbang.mail.service import MailService
from gerbang.passwords.hashing import Passwords
from gerbang.passwords.policy import PasswordPolicy
from gerbang.storage.accounts import User
from gerbang.storage.one_time_codes import OneTimeCode, OneTimeCodeTable, Slot
from gerbang.storage.records import from_item, to_value
from gerbang.storage.store import Gone, Store
from gerbang.storage.users import UserTable, not_disabled

REPEATABLE_FOR: Final = timedelta(minutes=10)
"""How long a completed change of password may be repeated, and is answered as the first time: the first answer may have
been lost. DynamoDB recognises a repeated transaction for as long (faults.md, D8)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordReset:
    """Sets the password of an account by the token that was mailed to its address."""

    store: Store
    users: UserTable
    codes: OneTimeCodeTable
    tokens: ResetTokens
    passwords: Passwords
    password_check: PasswordCheck
    rate_limits: RateLimits
    limit: Limit
    """Wrong tokens per client address."""
    password_attempts: PasswordAttempts
    mail_service: MailService
    log_event: LogEvent
    now: Clock

    def reset(self, token: str, password: str, *, client: Client, policy: PasswordPolicy) -> None:
        """Set the password, end every session of the account, and mail a notice. It opens no session.

        The mail has reached the owner of the address, so this verifies the address, too. The same token with the same
        password is accepted again for ten minutes, and changes nothing then; the notice is mailed once.

        Raises:
            InvalidResetToken: the token is wrong, spent, replaced or expired.
            UnacceptablePassword: the password breaks the policy; the token is not spent.
            TooManyAttempts: this client address has shown too many wrong tokens, or has repeated a spent one with too
                many wrong passwords.
        """
        with self.rate_limits.attempt(Counted(self.limit, client.address)):
            user, code = self._read(token)
        if code.spent_at is None:
            policy.check(password, about=(user.email, user.username, user.name))
            if self._set(user, code, password):
                self._after(user, client)
                return
            user, code = self._read(token)  # changed meanwhile, perhaps by this request sent twice
        self._check_repeated(user, code, password, client)
        # The first request may have ended before the notice was queued.
        self.mail_service.notify_password_changed(user, client.locale)

    def _set(self, user: User, code: OneTimeCode, password: str) -> bool:
        """Spend the token and set the password; return whether it was done."""
        now = self.now()
        _, changes = set_password(user, self.passwords.hash(password), at=now)
        if user.email_verified_at is None:
            # Factors and devices may be a stranger's, who registered the address (account pre-hijacking).
            removed = {"factors": Gone(), "recovery_codes": Gone(), "devices": to_value(())}
            changes |= {"email_verified_at": to_epoch(now), **removed}
        slot = self.codes.key(Slot.PASSWORD_RESET, user.user_id)
        spending = self.codes.spending(slot, code, at=self.now(), kept=REMEMBERED)
        return not self.store.commit(spending, self.users.changing(user, changes, *not_disabled(now)))

    def _after(self, user: User, client: Client) -> None:
        self.log_event("password_reset", user_id=user.user_id)
        # Wrong guesses of others must not stop the owner, who reads the mail, from signing in with the new password.
        self.password_attempts.forget(user.user_id, client.address)
        changed = replace(user, email_verified_at=user.email_verified_at or self.now(), epoch=user.epoch + 1)
        self.mail_service.notify_password_changed(changed, client.locale)

    def _read(self, token: str) -> tuple[User, OneTimeCode]:
        """Return the account of a token and what is stored of the token, which may be spent."""
        user_id = self.tokens.user_id(token)
        user, code = self._read_both(user_id)
        if user is not None and code is not None and (code.epoch == user.epoch) != (code.spent_at is None):
            # A reset writes both in one transaction; a batch may read one before it and one after (faults.md, D11).
            user, code = self._read_both(user_id)
        if user is None or code is None or user.is_disabled(self.now()):
            raise InvalidResetToken("none")
        if not self.tokens.matches(code.secret_hash, token):
            raise InvalidResetToken("wrong")
        if code.mailed_to is not None and code.mailed_to != digest(user.email or ""):
            raise InvalidResetToken("mailed to an earlier address")
        if code.spent_at is None and (code.expires_at <= self.now() or code.epoch != user.epoch):
            raise InvalidResetToken("outlived")
        return user, code

    def _read_both(self, user_id: str) -> tuple[User | None, OneTimeCode | None]:
        slot = self.codes.key(Slot.PASSWORD_RESET, user_id)
        user_item, code_item = self.store.get_all(self.users.key(user_id), slot)
        return from_item(User, user_item), self.codes.read(code_item)

    def _check_repeated(self, user: User, code: OneTimeCode, password: str, client: Client) -> None:
        """Check that a spent token is presented again in time, with the password that it set.

        This counts as a password attempt at the account, so that a spent token does not help to guess its password.
        """
        if code.spent_at is None or self.now() > code.spent_at + REPEATABLE_FOR:
            raise InvalidResetToken("spent")
        with self.password_attempts.attempt(user.user_id, client.address):
            if not self.password_check.is_right(password, user):
                raise InvalidResetToken("spent, with another password")
