"""Sign-ins that wait for a second factor: their token, which a client exchanges together with a code for a session."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, cast

from gerbang.core.clock import Clock, from_epoch, to_epoch
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError
from gerbang.sessions.claims import CLOCK_SKEW
from gerbang.sessions.keys import KeyedHash, Keys, Purpose

if TYPE_CHECKING:
    from gerbang.sessions.sessions import Method
    from gerbang.storage.accounts import User

LIFETIME: Final = timedelta(minutes=5)
"""How long a sign-in waits for its second factor: as long as a challenge (`gerbang.accounts.challenges`)."""

LONGEST_TOKEN: Final = 300
"""Characters; ours have some 150."""


class SecondFactorRequired(AuthError):
    """The user has shown one factor, and the sign-in also needs the account's second factor."""

    code = "second_factor_required"

    def __init__(self, user_id: str, mfa_token: str) -> None:
        """Keep the user's id for the log, and the token for the client."""
        super().__init__(user_id)
        self.user_id = user_id
        self.mfa_token = mfa_token


class InvalidFirstFactorToken(AuthError):
    """The token is not ours, has expired, or the account's epoch was raised since."""

    code = "invalid_mfa_token"


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstFactor:
    """A sign-in that waits for the second factor: its account, and how and when the first one was shown."""

    user_id: str
    epoch: int
    """The account's epoch at that time. If it has been raised since, the sign-in cannot be completed."""
    method: "Method"
    at: datetime


@dataclass(frozen=True, slots=True)
class FirstFactors:
    """Makes and reads the tokens of such sign-ins. Nothing is stored: a token is its contents with their HMAC."""

    keys: Keys
    now: Clock

    def waiting(self, user: "User", method: "Method") -> SecondFactorRequired:
        """Return the error that asks for a second factor, with a token that lives for five minutes.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        contents = f"{user.user_id} {user.epoch} {method} {to_epoch(self.now())}"
        encoded = urlsafe_b64encode(contents.encode()).rstrip(b"=").decode("ascii")
        return SecondFactorRequired(user.user_id, f"{encoded}.{self._hash.digest(encoded).hex()}")

    def read(self, token: str) -> FirstFactor:
        """Return the sign-in that a token describes.

        Raises:
            InvalidFirstFactorToken: it is not ours, or it has expired.
            DependencyUnavailable: the keys could not be read.
        """
        encoded, _, mac = token.partition(".")
        if len(token) > LONGEST_TOKEN or not token.isascii() or not self._hash.matches(mac, encoded):
            raise InvalidFirstFactorToken("not ours")
        user_id, epoch, method, at = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode().split()
        first = FirstFactor(user_id=user_id, epoch=int(epoch), method=cast("Method", method), at=from_epoch(int(at)))
        if not first.at - CLOCK_SKEW <= self.now() < first.at + LIFETIME:
            raise InvalidFirstFactorToken("expired")
        return first

    @property
    def _hash(self) -> KeyedHash:
        return KeyedHash(self.keys, Purpose.FIRST_FACTOR_TOKEN)


def waiting(first_factors: FirstFactors | None, user: "User", method: "Method") -> SecondFactorRequired | None:
    """Return `FirstFactors.waiting` of a user who has a second factor, where the API asks for it; None: nothing waits.

    Raises:
        DependencyUnavailable: the keys could not be read.
    """
    return None if first_factors is None or not user.has_second_factor else first_factors.waiting(user, method)
