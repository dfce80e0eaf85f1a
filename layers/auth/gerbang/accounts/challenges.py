"""Challenges: a client requests one before it sends a code, as Supabase's clients do. None is stored.

The id is a UUID that holds the end of the challenge and an HMAC of session and factor. A code has one use and few tries
(`gerbang.accounts.second_factor`), so a challenge need not be counted or spent.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from gerbang.core.clock import Clock, from_epoch, to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError
from gerbang.sessions.keys import KeyedHash, Keys, Purpose
from gerbang.storage.families import Family

LIFETIME: Final = timedelta(minutes=5)
"""As at Supabase Auth."""

_END_BYTES: Final = 4
_ALL_BYTES: Final = 16


class ChallengeNotFound(AuthError):
    """The challenge is for another session or factor."""

    code = "mfa_challenge_not_found"


class ChallengeExpired(AuthError):
    """The challenge is older than five minutes."""

    code = "mfa_challenge_expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A challenge."""

    challenge_id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Challenges:
    """Makes challenges of a session and a factor, and reads them."""

    keys: Keys
    now: Clock

    def make(self, family: Family, factor_id: str) -> Challenge:
        """Return a new challenge.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        end = to_epoch(self.now() + LIFETIME)
        digest = self._hash.digest(_text(family, factor_id, end))
        return Challenge(challenge_id=str(_id(end, digest)), expires_at=from_epoch(end))

    def check(self, challenge_id: str, family: Family, factor_id: str) -> None:
        """Check that a challenge is for a session and a factor, and has not expired.

        Raises:
            ChallengeNotFound, ChallengeExpired: it is not, or it has.
            DependencyUnavailable: the keys could not be read.
        """
        try:
            presented = UUID(challenge_id)
        except ValueError:
            raise ChallengeNotFound("malformed") from None
        end = int.from_bytes(presented.bytes[:_END_BYTES])
        if presented not in {_id(end, digest) for digest in self._hash.digests(_text(family, factor_id, end))}:
            raise ChallengeNotFound("of another session or factor")
        if to_epoch(self.now()) >= end:
            raise ChallengeExpired

    @property
    def _hash(self) -> KeyedHash:
        return KeyedHash(self.keys, Purpose.FACTOR_CHALLENGE)


def _text(family: Family, factor_id: str, end: int) -> str:
    return f"{family.user_id}\0{family.family_id}\0{factor_id}\0{end}"


def _id(end: int, digest: bytes) -> UUID:
    return UUID(bytes=end.to_bytes(_END_BYTES) + digest[: _ALL_BYTES - _END_BYTES], version=4)
