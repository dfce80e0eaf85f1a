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
from gerbang.limits.rate_limits import Limit, RateLimits, Reservation, TooManyAttempts, digest, uncount
from gerbang.mail.codes import DIGITS, REMEMBERED, CodeMaker
from gerbang.sessions.sessions import Client, Sessions, SignedIn
from gerbang.storage.codes import CodePurpose, CodeTable
from gerbang.storage.records import from_item
from gerbang.storage.store import Absent, Store
from gerbang.storage.users import Name, User, UserTable

_FORM: Final = re.compile(rf"[0-9]{{{DIGITS}}}")
_NO_ACCOUNT: Final = "nobody"


class InvalidCode(AuthError):
    """The code is wrong, spent, replaced, too old or dead after too many wrong tries, or nobody has the address."""


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
            TooManyAttempts: this client address has failed too often.
        """
        if not _FORM.fullmatch(code):
            raise InvalidCode("malformed")
        user_id, reservation = run_concurrently(
            lambda: self.users.find_id(Name.EMAIL, email), lambda: self._take_a_try(email, client)
        )
        address = digest(email)
        user_item, code_item = self.store.get_all(self.users.key(user_id or _NO_ACCOUNT), self.codes.key(address))
        user, known = from_item(User, user_item), self.codes.read(code_item)
        now = self.now()
        if known is None or user is None or known.expires_at <= now or user.disabled_at is not None:
            raise InvalidCode("none")
        if not self.maker.matches(known.code_hash, email, code):
            raise InvalidCode("wrong")
        earlier = EarlierCredentials.KEPT if known.purpose is CodePurpose.VERIFICATION else EarlierCredentials.DROPPED
        verified, changes = verify_email(user, earlier, at=now)
        signed_in, opening = self.sessions.begin(verified, client, "otp")
        spending = self.codes.spending(address, known, at=now, kept=REMEMBERED)
        if self.store.commit(spending, self.users.changing(user, changes, Absent("disabled_at")), opening):
            raise InvalidCode("spent meanwhile")
        self._clear_tries(email, reservation)
        self.log_event("signed_in", user_id=user.user_id, session_id=signed_in.family_id, method="otp")
        return signed_in

    def _take_a_try(self, email: str, client: Client) -> Reservation:
        try:
            return self.rate_limits.reserve((self.tries, email), (self.address_limit, client.address))
        except TooManyAttempts as refusal:
            if refusal.limit == self.tries.name:  # the code is dead, whichever it is
                raise InvalidCode("no tries left") from refusal
            raise

    def _clear_tries(self, email: str, reservation: Reservation) -> None:
        limits, tries = self.rate_limits, self.rate_limits.key(self.tries, email)
        others = reservation.without(tries)
        uncount(
            lambda: run_concurrently(lambda: limits.give_back(others), lambda: limits.counters.clear(tries)),
            self.log_event,
        )
