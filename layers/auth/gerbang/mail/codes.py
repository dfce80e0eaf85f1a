"""One-time codes and reset tokens, derived from the mail job that asked for them.

Both are HMAC-SHA-256 under keys of their own, not random numbers. So a message delivered twice makes the same code, and
nothing is stored from which a code could be recovered. The tables store another HMAC, under a key that is not in them:
a slow hash would not help, because there are only a million codes (ASVS 6.5.2; docs/decisions/0008-one-time-codes.md).

Both depend on the account's epoch, too. A message that is delivered again after the password was changed, or the
sessions were ended, makes another code, so an old code never works again.
"""

import re
from datetime import timedelta
from typing import Final
from uuid import UUID

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError
from gerbang.core.identifiers import MAC_CHARACTERS, UUID_CHARACTERS, from_base62, to_base62
from gerbang.sessions.keys import KeyedHash, Keys, Purpose
from gerbang.storage.accounts import User

DIGITS: Final = 6
"""20 bits, which is enough where tries are counted (ASVS 6.5.4; NIST SP 800-63B-4, 3.1.3.2)."""

CODE_FORM: Final = re.compile(rf"[0-9]{{{DIGITS}}}")
"""The form of a whole code."""

CODE_LIFETIME: Final = timedelta(minutes=10)
"""NIST SP 800-63B-4, 3.1.3.2; ASVS 6.5.5."""

REMEMBERED: Final = timedelta(days=15)
"""How long spent codes and sent mails are remembered: a day longer than SQS keeps a message at most."""

RESET_LIFETIME: Final = timedelta(minutes=30)
"""OWASP Forgot Password cheat sheet; NIST SP 800-63B-4, 4.2.1.2, allows 24 hours."""

_FORM: Final = re.compile(rf"[0-9A-Za-z]{{{UUID_CHARACTERS + MAC_CHARACTERS}}}")


class InvalidResetToken(AuthError):
    """The token is wrong, spent, expired, replaced by a newer one, or older than the account's last password change."""

    code = "invalid_reset_token"


@dataclass(frozen=True, slots=True)
class CodeMaker:
    """Makes codes from jobs, and compares codes with their stored form."""

    keys: Keys

    def code(self, job_id: str, email: str, *, epoch: int) -> str:
        """Return the code of a job for an account at an epoch: always the same, evenly spread to one part in 10^13.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        mac = self._hash.digest(f"code\0{job_id}\0{email}\0{epoch}")
        return f"{int.from_bytes(mac[:8]) % 10**DIGITS:0{DIGITS}d}"

    def stored_form(self, email: str, code: str) -> str:
        """Return the form in which a code is stored."""
        return self._hash.digest(f"stored\0{email}\0{code}").hex()

    def matches(self, stored: str, email: str, code: str) -> bool:
        """Return whether *stored* was made from this code, under the current or the previous secret."""
        return self._hash.matches(stored, f"stored\0{email}\0{code}")

    @property
    def _hash(self) -> KeyedHash:
        return KeyedHash(self.keys, Purpose.ONE_TIME_CODE)


@dataclass(frozen=True, slots=True)
class ResetTokens:
    """Makes reset tokens from jobs and reads them.

    A token is the account's id and a secret of 256 bits, both in base 62 and of fixed length: letters and digits only,
    because mail programs leave a trailing `-` or `_` out of a link.
    """

    keys: Keys

    def token(self, job_id: str, user: User) -> str:
        """Return the token of a job for an account: 65 letters and digits, the same until the account's epoch rises.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        secret = self._hash.digest(f"reset\0{job_id}\0{user.user_id}\0{user.epoch}")
        account = to_base62(UUID(user.user_id).int, length=UUID_CHARACTERS)
        return account + to_base62(int.from_bytes(secret), length=MAC_CHARACTERS)

    def user_id(self, token: str) -> str:
        """Return the id of the account that a token names. The token is not verified.

        Raises:
            InvalidResetToken: the text does not have the form of a token.
        """
        if not _FORM.fullmatch(token):
            raise InvalidResetToken("malformed")
        try:
            return str(UUID(int=from_base62(token[:UUID_CHARACTERS])))
        except ValueError as error:  # 62^22 is more than 2^128
            raise InvalidResetToken("malformed") from error

    def stored_form(self, token: str) -> str:
        """Return the form in which a token is stored."""
        return self._hash.digest(f"stored\0{token}").hex()

    def matches(self, stored: str, token: str) -> bool:
        """Return whether *stored* was made from this token, under the current or the previous secret."""
        return self._hash.matches(stored, f"stored\0{token}")

    @property
    def _hash(self) -> KeyedHash:
        return KeyedHash(self.keys, Purpose.RESET_TOKEN)
