"""Compare a password with an account's."""

from gerbang.core.dataclass import dataclass
from gerbang.core.log import LogEvent, Severity
from gerbang.passwords.bcrypt_sha256 import Verdict
from gerbang.passwords.hashing import Passwords
from gerbang.storage.accounts import User


@dataclass(frozen=True, slots=True)
class PasswordCheck:
    """Compares passwords with those of accounts."""

    passwords: Passwords
    log_event: LogEvent

    def is_right(self, password: str, user: User | None) -> bool:
        """Return whether a password is an account's. No account, or one without a password, costs the same work.

        A stored hash that cannot be read is logged as an error.
        """
        verdict = self.passwords.verify(password, None if user is None else user.password_hash)
        if verdict is Verdict.UNUSABLE and user is not None:
            self.log_event("password_hash_unusable", Severity.ERROR, user_id=user.user_id)
        return verdict is Verdict.RIGHT
