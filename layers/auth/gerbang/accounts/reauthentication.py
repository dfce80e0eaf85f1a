"""Reauthentication: what a signed-in user must send along with a new password, where the deployment requires it.

In a session that is older than a day, this is a code that was mailed to the account's address; or it is the present
password. A person who finds an unlocked device has neither. (docs/decisions/0031-linked-identities.md)
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from datetime import timedelta
from typing import Final

from gerbang.accounts.password_change import WrongPassword
from gerbang.accounts.password_check import PasswordCheck
from gerbang.accounts.password_reset import REPEATABLE_FOR
from gerbang.core.client import Client
from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError
from gerbang.limits.password_attempts import PasswordAttempts
from gerbang.limits.rate_limits import Counted, Limit, OnSuccess, RateLimits, digest
from gerbang.mail.codes import DIGITS, REMEMBERED, CodeMaker
from gerbang.sessions.sessions import Authenticated, Sessions
from gerbang.storage.one_time_codes import OneTimeCodeTable, Slot
from gerbang.storage.store import Action, Store

FRESH_FOR: Final = timedelta(hours=24)
"""How long after its sign-in a session needs no code, as at Supabase Auth."""

_FORM: Final = re.compile(rf"[0-9]{{{DIGITS}}}")

_BY_CODE: Final = "otp"
"""The first method of a session that a mailed code opened: its user may have forgotten the password."""


class ReauthenticationNeeded(AuthError):
    """The session is too old to set a password without a code that was mailed."""

    code = "reauthentication_needed"


class InvalidReauthenticationCode(AuthError):
    """The code is wrong, spent, replaced or expired."""

    code = "reauthentication_not_valid"


class CurrentPasswordRequired(AuthError):
    """The present password must be sent with the new one."""

    code = "current_password_required"


REAUTHENTICATION_ERRORS: Final = (
    ReauthenticationNeeded,
    InvalidReauthenticationCode,
    CurrentPasswordRequired,
    WrongPassword,
)
"""What `Reauthentication.checked` raises, except `TooManyAttempts` and `DependencyUnavailable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a request has along with a new password; None: it has no such field."""

    new_password: str = field(repr=False)
    code: str | None = field(default=None, repr=False)
    current_password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reauthentication:
    """Checks what a user sends along with a new password."""

    store: Store
    sessions: Sessions
    codes: OneTimeCodeTable
    maker: CodeMaker
    password_check: PasswordCheck
    password_attempts: PasswordAttempts
    rate_limits: RateLimits
    tries: Limit
    """Wrong codes an address, shared with other codes (`CodeSignIn.tries`)."""
    address_limit: Limit
    """Failures of one client address, shared with passwords."""
    needs_code: bool
    """Whether an old session needs a code (`SecurePasswordChange`)."""
    needs_password: bool
    """Whether the present password is needed (`RequireCurrentPassword`)."""
    now: Clock

    @contextmanager
    def checked(self, caller: Authenticated, shown: Shown, client: Client) -> Iterator[tuple[Action, ...] | None]:
        """Check what was sent; yield the actions that spend it, for the transaction that sets the password.

        Yields None if the session has set this password already, within the last ten minutes. Such a request is sent
        again because its answer was lost, or twice at once, and its code or present password is not valid any more.

        An exception in the block that is not the client's error gives back what was counted.

        Raises:
            ReauthenticationNeeded, InvalidReauthenticationCode: a code is needed, and there is none, or a wrong one.
            CurrentPasswordRequired, WrongPassword: the present password is needed, and it is missing or wrong.
            TooManyAttempts: there were too many wrong codes for the address, or wrong passwords.
        """
        with self._checked_code(caller, shown, client) as spending:
            if spending is None:
                yield None
                return
            with self._checked_password(caller, shown, client) as is_shown:
                yield spending if is_shown else None

    @contextmanager
    def _checked_code(self, caller: Authenticated, shown: Shown, client: Client) -> Iterator[tuple[Action, ...] | None]:
        """Check the code, if one is needed; yield the actions that spend it, None if the request is repeated."""
        user, now = caller.user, self.now()
        if not self.needs_code or now <= caller.family.created_at + FRESH_FOR:
            yield ()
            return
        email, code = user.email, shown.code
        if code is None:
            raise ReauthenticationNeeded
        if email is None or not _FORM.fullmatch(code):
            raise InvalidReauthenticationCode("malformed")
        key = self.codes.key(Slot.REAUTHENTICATION, digest(email))
        with self.rate_limits.attempt(
            Counted(self.tries, email, OnSuccess.CLEARED),
            Counted(self.address_limit, client.address),
            alongside=lambda: self.store.get(key),
        ) as attempt:
            stored, spending = self.codes.read(attempt.alongside), None
            is_live = stored is not None and stored.is_live(now) and stored.epoch == user.epoch
            if stored is not None and is_live and self.maker.matches(stored.secret_hash, email, code):
                spending = (self.codes.spending(key, stored, at=now, kept=REMEMBERED),)
            elif not self._is_repeated(caller, shown):
                raise InvalidReauthenticationCode("none, or wrong")
            attempt.succeed()
            yield spending

    @contextmanager
    def _checked_password(self, caller: Authenticated, shown: Shown, client: Client) -> Iterator[bool]:
        """Check the present password, if it is needed; yield False if the request is repeated."""
        user, amr = caller.user, caller.family.amr
        began_by_code = bool(amr) and amr[0].method == _BY_CODE
        if not self.needs_password or user.password_hash is None or began_by_code:
            yield True
            return
        if shown.current_password is None:
            raise CurrentPasswordRequired
        with self.password_attempts.attempt(user.user_id, client.address) as attempt:
            is_shown = self.password_check.is_right(shown.current_password, user)
            if not is_shown and not self._is_repeated(caller, shown):
                raise WrongPassword(user.user_id)
            attempt.succeed()
            yield is_shown

    def _is_repeated(self, caller: Authenticated, shown: Shown) -> bool:
        """Return whether the session has set the new password already, a short time ago or meanwhile."""
        current = self.sessions.read_again(caller)
        set_at = current.family.password_set_at
        if set_at is None or self.now() > set_at + REPEATABLE_FOR:
            return False
        return self.password_check.is_right(shown.new_password, current.user)
