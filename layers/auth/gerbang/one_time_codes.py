"""One-time codes by mail: six digits, ten minutes, one use, and unless set five wrong tries an hour for an address.

The digits are derived from the wish that asked for them (HMAC-SHA-256, a key of their own), not drawn: a message
delivered twice makes the same code, and nothing that would let anybody recover a code is stored. What is stored is
another HMAC of address and code, under a key that is not in the table: a slow hash would not help, there are only a
million codes (ASVS 6.5.2; docs/decisions/0008-one-time-codes.md).
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gerbang.beside import beside
from gerbang.clock import Clock
from gerbang.errors import AuthError
from gerbang.journal import Journal
from gerbang.keys import KeyedHash, Keys, Purpose
from gerbang.proof import Earlier, proving
from gerbang.rate_limits import Limit, RateLimits, Reservation, TooManyAttempts, digest, uncount
from gerbang.sessions import Client, Sessions, SignedIn
from gerbang.storage.codes import CodePurpose, CodeTable
from gerbang.storage.store import Absent, Store
from gerbang.storage.users import Name, UserTable, from_item

DIGITS: Final = 6
"""20 bits, which is enough where tries are counted (ASVS 6.5.4; NIST SP 800-63B-4, 3.1.3.2)."""

LIFETIME: Final = timedelta(minutes=10)
"""NIST SP 800-63B-4, 3.1.3.2; ASVS 6.5.5."""

REMEMBERED: Final = timedelta(days=15)
"""How long a spent code stays spent and a sent mail sent: a day longer than SQS keeps a message at most."""

_FORM: Final = re.compile(rf"[0-9]{{{DIGITS}}}")
_NOBODY: Final = "nobody"


class InvalidCode(AuthError):
    """The code is wrong, spent, replaced, too old or dead after too many wrong tries, or nobody has the address."""


@dataclass(frozen=True, slots=True)
class CodeMaker:
    """Makes codes from wishes and compares codes with what is stored of them."""

    keys: Keys

    def code(self, wish_id: str, email: str) -> str:
        """Return the code of a wish: always the same, and evenly spread to one part in 10^13.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        mac = self._hash.digest(f"code\0{wish_id}\0{email}")
        return f"{int.from_bytes(mac[:8]) % 10**DIGITS:0{DIGITS}d}"

    def stored_form(self, email: str, code: str) -> str:
        """Return what is stored of a code."""
        return self._hash.digest(f"stored\0{email}\0{code}").hex()

    def matches(self, stored: str, email: str, code: str) -> bool:
        """Say whether a code is the one that *stored* was made from, under the present or the previous secret."""
        return self._hash.matches(stored, f"stored\0{email}\0{code}")

    @property
    def _hash(self) -> KeyedHash:
        return KeyedHash(self.keys, Purpose.ONE_TIME_CODE)


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
    journal: Journal
    now: Clock

    def sign_in(self, email: str, code: str, client: Client) -> SignedIn:
        """Trade the code mailed to an address, which is canonical, for a session. Three round trips.

        The code is spent in the transaction that opens the session (F14). Where nobody had proved the address before,
        a code that was asked for to sign in drops the password and ends the sessions that somebody had set up
        (account pre-hijacking); the code of the registration itself vouches for them.

        Raises:
            InvalidCode: the code is not, or no longer, worth anything.
            TooManyAttempts: this client address has failed too often.
        """
        if not _FORM.fullmatch(code):
            raise InvalidCode("malformed")
        user_id, reservation = beside(
            lambda: self.users.find_id(Name.EMAIL, email), lambda: self._take_a_try(email, client)
        )
        address = digest(email)
        user_item, code_item = self.store.get_all(self.users.key(user_id or _NOBODY), self.codes.key(address))
        user, known = from_item(user_item), self.codes.read(code_item)
        now = self.now()
        if known is None or user is None or known.expires_at <= now or user.disabled_at is not None:
            raise InvalidCode("none")
        if not self.maker.matches(known.code_hash, email, code):
            raise InvalidCode("wrong")
        earlier = Earlier.KEPT if known.purpose is CodePurpose.VERIFICATION else Earlier.DROPPED
        proved, changes = proving(user, earlier, at=now)
        signed_in, opening = self.sessions.begin(proved, client, "otp")
        spending = self.codes.spending(address, known, at=now, kept=REMEMBERED)
        if self.store.commit(spending, self.users.changing(user, changes, Absent("disabled_at")), opening):
            raise InvalidCode("spent meanwhile")
        self._clear_tries(email, reservation)
        self.journal.note("signed_in", user_id=user.user_id, session_id=signed_in.family_id, method="otp")
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
        uncount(lambda: beside(lambda: limits.give_back(others), lambda: limits.counters.clear(tries)), self.journal)
