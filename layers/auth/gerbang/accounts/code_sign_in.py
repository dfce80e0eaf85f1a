"""One-time codes by mail: six digits, ten minutes, one use, and unless set five wrong tries an hour for an address.

The digits are derived from the job that asked for them (HMAC-SHA-256, a key of their own), not drawn: a message
delivered twice makes the same code, and nothing that would let anybody recover a code is stored. What is stored is
another HMAC of address and code, under a key that is not in the table: a slow hash would not help, there are only a
million codes (ASVS 6.5.2; docs/decisions/0008-one-time-codes.md).
"""

import re
from dataclasses import dataclass
from typing import Final

from gerbang.accounts.verification import EarlierCredentials, verify_email
from gerbang.core.clock import Clock
from gerbang.core.concurrency import run_concurrently
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Attempt, Counted, Limit, OnSuccess, RateLimits, digest
from gerbang.mail.codes import DIGITS, REMEMBERED, CodeMaker
from gerbang.sessions.sessions import Client, Sessions, SignedIn
from gerbang.storage.codes import CodePurpose, CodeTable
from gerbang.storage.store import Absent, Store
from gerbang.storage.users import Name, UserTable, from_item

_FORM: Final = re.compile(rf"[0-9]{{{DIGITS}}}")
_NO_ACCOUNT: Final = "nobody"


class InvalidCode(AuthError):
    """The code is wrong, spent, replaced, too old or dead after too many wrong tries, or nobody has the address."""

    code = "invalid_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSignIn:
    """Signs in whoever shows the code that was mailed to an address; that proves the address."""

    store: Store
    users: UserTable
    codes: CodeTable
    maker: CodeMaker
    sessions: Sessions
    rate_limits: RateLimits
    tries: Limit
    """Wrong codes an address, whatever the number of codes; a right one clears them."""
    address_limit: Limit
    """Failures of one client address, shared with passwords."""
    log_event: LogEvent
    now: Clock

    def sign_in(self, email: str, code: str, client: Client) -> SignedIn:
        """Trade the code mailed to an address, which is canonical, for a session. Three round trips.

        The code is spent in the transaction that opens the session (F14). Where nobody had verified the address before,
        a code that was asked for to sign in drops the password and ends the sessions that somebody had set up
        (account pre-hijacking); the code of the registration itself vouches for them.

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
            signed_in = self._redeem(email, code, client, attempt)
        self.log_event("signed_in", user_id=signed_in.user.user_id, session_id=signed_in.family_id, method="otp")
        return signed_in

    def _redeem(self, email: str, code: str, client: Client, attempt: Attempt[str | None]) -> SignedIn:
        address, user_id = digest(email), attempt.alongside
        user_item, code_item = self.store.get_all(self.users.key(user_id or _NO_ACCOUNT), self.codes.key(address))
        user, known = from_item(user_item), self.codes.read(code_item)
        now = self.now()
        if known is None or user is None or known.expires_at <= now or user.disabled_at is not None:
            raise InvalidCode("none")
        if not self.maker.matches(known.code_hash, email, code):
            raise InvalidCode("wrong")
        earlier = EarlierCredentials.KEPT if known.purpose is CodePurpose.VERIFICATION else EarlierCredentials.DROPPED
        verified, changes = verify_email(user, earlier, at=now)
        signed_in, opening = self.sessions.begin(verified, client, "otp")
        spending = self.codes.spending(address, known, at=now, kept=REMEMBERED)
        changing = self.users.changing(user, changes, Absent("disabled_at"))
        failed, _ = run_concurrently(lambda: self.store.commit(spending, changing, opening), attempt.succeed)
        if failed:
            raise InvalidCode("spent meanwhile")
        return signed_in
