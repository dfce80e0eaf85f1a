"""Sign-in by a mailed one-time code: six digits, ten minutes, one use, by default five wrong tries an hour per address.

How codes are made and stored: `gerbang.mail.codes`.
"""

import re
from dataclasses import dataclass
from typing import Final

from gerbang.accounts.verification import EarlierCredentials, verify_email
from gerbang.core.client import Client
from gerbang.core.clock import Clock
from gerbang.core.concurrency import run_concurrently
from gerbang.core.errors import AuthError
from gerbang.core.identifiers import NO_ACCOUNT
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Attempt, Counted, Limit, OnSuccess, RateLimits, digest
from gerbang.mail.codes import DIGITS, REMEMBERED, CodeMaker
from gerbang.mail.service import MailService
from gerbang.sessions.sessions import Sessions, SignedIn
from gerbang.storage.one_time_codes import CodePurpose, OneTimeCode, OneTimeCodeTable, Slot
from gerbang.storage.records import from_item
from gerbang.storage.store import Absent, Store
from gerbang.storage.users import Name, User, UserTable

_FORM: Final = re.compile(rf"[0-9]{{{DIGITS}}}")


class InvalidCode(AuthError):
    """The code is wrong, spent, replaced, expired or dead after too many wrong tries, or no account has the address."""

    code = "invalid_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeemed:
    """A session that a code opened, and what verifying the address removed."""

    signed_in: SignedIn
    password_removed: bool
    """Whether the account had a password that was set before the address was verified, and has none now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSignIn:
    """Signs in by the code that was mailed to an address, which verifies the address."""

    store: Store
    users: UserTable
    codes: OneTimeCodeTable
    maker: CodeMaker
    sessions: Sessions
    rate_limits: RateLimits
    tries: Limit
    """Wrong codes an address, whatever the number of codes; a right one clears them."""
    address_limit: Limit
    """Failures of one client address, shared with passwords."""
    mail_service: MailService
    log_event: LogEvent
    now: Clock

    def sign_in(self, email: str, code: str, client: Client) -> Redeemed:
        """Trade the code mailed to a canonical address for a session. Three round trips.

        The code is spent in the transaction that opens the session (F14). If the address was unverified, a code that
        was requested to sign in removes the password and ends the sessions that a stranger may have set up (account
        pre-hijacking), and a mail tells the owner. The code of the registration itself keeps them, unless another
        registration of the address was refused since: then the owner may be the one who was refused.

        Raises:
            InvalidCode: the code is not, or no longer, worth anything.
            TooManyAttempts: the address, whether an account has it or not, has used up its tries; or this client
                address has failed too often.
        """
        if not _FORM.fullmatch(code):
            raise InvalidCode("malformed")
        with self.rate_limits.attempt(
            Counted(self.tries, email, OnSuccess.CLEARED),
            Counted(self.address_limit, client.address),
            alongside=lambda: self.users.find_id(Name.EMAIL, email),
        ) as attempt:
            redeemed = self._redeem(email, code, client, attempt)
        signed_in = redeemed.signed_in
        self.log_event("signed_in", user_id=signed_in.user.user_id, session_id=signed_in.family_id, method="otp")
        return redeemed

    def _redeem(self, email: str, code: str, client: Client, attempt: Attempt[str | None]) -> Redeemed:
        slot = self.codes.key(Slot.EMAIL, digest(email))
        user_item, code_item = self.store.get_all(self.users.key(attempt.alongside or NO_ACCOUNT), slot)
        user, known = from_item(User, user_item), self.codes.read(code_item)
        now = self.now()
        if known is None or known.spent_at is not None or known.expires_at <= now:
            raise InvalidCode("none")
        if user is None or user.disabled_at is not None or user.epoch != known.epoch:
            raise InvalidCode("none")
        if not self.maker.matches(known.secret_hash, email, code):
            raise InvalidCode("wrong")
        earlier = _earlier_credentials(user, known)
        verified, changes = verify_email(user, earlier, at=now, locale=client.locale)
        signed_in, opening = self.sessions.begin(verified, client, "otp")
        spending = self.codes.spending(slot, known, at=now, kept=REMEMBERED)
        # A registration that is refused meanwhile makes the account contested: then nothing is kept.
        uncontested = [Absent("contested_at")] if earlier is EarlierCredentials.KEPT else []
        changing = self.users.changing(user, changes, Absent("disabled_at"), *uncontested)
        password_removed = user.password_hash is not None and verified.password_hash is None
        # The notice is not queued afterwards, because the answer of the transaction may be lost.
        notices = [lambda: self.mail_service.notify_password_removed(user, client.locale)] if password_removed else []
        failed, *_ = run_concurrently(lambda: self.store.commit(spending, changing, opening), attempt.succeed, *notices)
        if failed:
            raise InvalidCode("spent meanwhile")
        return Redeemed(signed_in=signed_in, password_removed=password_removed)


def _earlier_credentials(user: User, code: OneTimeCode) -> EarlierCredentials:
    """Return what redeeming a code does to the password and sessions of an unverified account."""
    vouches = code.purpose is CodePurpose.VERIFICATION and user.contested_at is None
    return EarlierCredentials.KEPT if vouches else EarlierCredentials.DROPPED
