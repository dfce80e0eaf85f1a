"""Setting another password: by a mailed token when it is forgotten, by the present one when it is not.

Either is one transaction with what it costs: the token is spent in the write that sets the password and raises the
epoch, so there is never a spent token without the password, nor the password without every older session being dead.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from gerbang.clock import Clock, to_epoch
from gerbang.errors import AuthError
from gerbang.journal import Journal
from gerbang.keys import KeyedHash, Keys, Purpose
from gerbang.mail_queue import Locale
from gerbang.mailing import MailDesk
from gerbang.password_policy import PasswordPolicy
from gerbang.passwords import Passwords, replacing
from gerbang.rate_limits import Limit, RateLimits, SignInGuard, uncount
from gerbang.sessions import Client, Sessions
from gerbang.sign_in import InvalidCredentials, is_right
from gerbang.storage.families import FamilyTable
from gerbang.storage.resets import Reset, ResetTable
from gerbang.storage.store import Absent, Equal, Plus, Store
from gerbang.storage.users import User, UserTable, from_item

RESET_LIFETIME: Final = timedelta(minutes=30)
"""OWASP Forgot Password cheat sheet; NIST SP 800-63B-4, 4.2.1.2, allows 24 hours."""

_ID_BYTES: Final = 16
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{64}")


class WrongPassword(InvalidCredentials):
    """The present password is another one, or there is none, or it was changed meanwhile."""


class InvalidResetToken(AuthError):
    """The token is wrong, spent, replaced by a newer one, outlived by a change of password, or too old."""


@dataclass(frozen=True, slots=True)
class ResetTokens:
    """Makes reset tokens from wishes and reads them: the account's id, then 256 bits that nobody can guess.

    Derived from the wish (HMAC-SHA-256), so that a message delivered twice makes the same token, and from the account's
    epoch: delivered again after the password was changed it makes another, and a spent token never comes back to life.
    What is stored is an HMAC of it under a key that is not in the table.
    """

    keys: Keys

    def token(self, wish_id: str, user: User) -> str:
        """Return the token of a wish for an account: 64 characters of base64url, the same until its password changes.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        secret = self._hash.digest(f"reset\0{wish_id}\0{user.user_id}\0{user.epoch}")
        return urlsafe_b64encode(UUID(user.user_id).bytes + secret).decode("ascii")

    def user_id(self, token: str) -> str:
        """Return whose account a token names; nothing is proved by that.

        Raises:
            InvalidResetToken: it is not of the form of a token.
        """
        if not _FORM.fullmatch(token):
            raise InvalidResetToken("malformed")
        try:
            return str(UUID(bytes=urlsafe_b64decode(token)[:_ID_BYTES]))
        except (NotBase64, ValueError) as error:
            raise InvalidResetToken("malformed") from error

    def stored_form(self, token: str) -> str:
        """Return what is stored of a token."""
        return self._hash.digest(f"stored\0{token}").hex()

    def matches(self, stored: str, token: str) -> bool:
        """Say whether a token is the one that *stored* was made from, under the present or the previous secret."""
        return self._hash.matches(stored, f"stored\0{token}")

    @property
    def _hash(self) -> KeyedHash:
        return KeyedHash(self.keys, Purpose.RESET_TOKEN)


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
    guard: SignInGuard
    desk: MailDesk
    journal: Journal
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
        reservation = self.rate_limits.reserve((self.limit, client.address))
        user, reset = self._shown(token)
        # The token is right, whatever becomes of the password.
        uncount(lambda: self.rate_limits.give_back(reservation), self.journal)
        policy.check(password, about=(user.email, user.username, user.name))
        now = self.now()
        changes = replacing(user.password_hash, self.passwords.hash(password), at=now) | {"epoch": Plus(1)}
        if user.email_verified_at is None:
            changes["email_verified_at"] = to_epoch(now)
        spending = self.resets.spending(user.user_id, reset, at=self.now())
        if self.store.commit(spending, self.users.changing(user, changes, Absent("disabled_at"))):
            raise InvalidResetToken("spent meanwhile")
        self.journal.note("password_reset", user_id=user.user_id)
        # Strangers' guesses are forgotten: whoever can read the mail is let in with the new password.
        uncount(lambda: self.guard.reopen(user.user_id, client.address), self.journal, user_id=user.user_id)
        self.desk.tell_of_new_password(replace(user, email_verified_at=user.email_verified_at or now), locale)

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
    guard: SignInGuard
    desk: MailDesk
    journal: Journal
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
        attempt = self.guard.reserve(user.user_id, client.address)
        if not is_right(current, user, passwords=self.passwords, journal=self.journal) or user.password_hash is None:
            raise WrongPassword(user.user_id)
        changes = replacing(user.password_hash, self.passwords.hash(new), at=self.now()) | {"epoch": Plus(1)}
        same_password = Equal("password_hash", user.password_hash)
        changing = self.users.changing(user, changes, same_password, Absent("disabled_at"))
        keeping = self.families.keeping(family, epoch=user.epoch + 1)
        if self.store.commit(changing, keeping):
            raise WrongPassword(user.user_id)  # changed, reset, disabled or signed out meanwhile
        self.journal.note("password_changed", user_id=user.user_id, session_id=family.family_id)
        uncount(lambda: self.guard.succeeded(attempt), self.journal, user_id=user.user_id)
        self.desk.tell_of_new_password(user, locale)
