"""What mails carry: one-time codes and reset tokens, derived from the mail job that asked for them.

Both are HMAC-SHA-256 under keys of their own, not drawn: a message delivered twice makes the same code, and nothing is
stored from which a code could be recovered. What is stored is another HMAC, under a key that is not in the table: a
slow hash would not help, there are only a million codes (ASVS 6.5.2; docs/decisions/0008-one-time-codes.md).
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from gerbang.core.errors import AuthError
from gerbang.sessions.keys import KeyedHash, Keys, Purpose
from gerbang.storage.users import User

DIGITS: Final = 6
"""20 bits, which is enough where tries are counted (ASVS 6.5.4; NIST SP 800-63B-4, 3.1.3.2)."""

CODE_LIFETIME: Final = timedelta(minutes=10)
"""NIST SP 800-63B-4, 3.1.3.2; ASVS 6.5.5."""

REMEMBERED: Final = timedelta(days=15)
"""How long a spent code stays spent and a sent mail sent: a day longer than SQS keeps a message at most."""


RESET_LIFETIME: Final = timedelta(minutes=30)
"""OWASP Forgot Password cheat sheet; NIST SP 800-63B-4, 4.2.1.2, allows 24 hours."""

_ID_BYTES: Final = 16
_FORM: Final = re.compile(r"[A-Za-z0-9_-]{64}")


class InvalidResetToken(AuthError):
    """The token is wrong, spent, replaced by a newer one, outlived by a change of password, or too old."""

    code = "invalid_reset_token"


@dataclass(frozen=True, slots=True)
class CodeMaker:
    """Makes codes from jobs and compares codes with what is stored of them."""

    keys: Keys

    def code(self, job_id: str, email: str) -> str:
        """Return the code of a job: always the same, and evenly spread to one part in 10^13.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        mac = self._hash.digest(f"code\0{job_id}\0{email}")
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


@dataclass(frozen=True, slots=True)
class ResetTokens:
    """Makes reset tokens from jobs and reads them: the account's id, then 256 bits that nobody can guess.

    Derived from the job (HMAC-SHA-256), so that a message delivered twice makes the same token, and from the account's
    epoch: delivered again after the password was changed it makes another, and a spent token never comes back to life.
    What is stored is an HMAC of it under a key that is not in the table.
    """

    keys: Keys

    def token(self, job_id: str, user: User) -> str:
        """Return the token of a job for an account: 64 characters of base64url, the same until its password changes.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        secret = self._hash.digest(f"reset\0{job_id}\0{user.user_id}\0{user.epoch}")
        return urlsafe_b64encode(UUID(user.user_id).bytes + secret).decode("ascii")

    def user_id(self, token: str) -> str:
        """Return whose account a token names; nothing is verified by that.

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
