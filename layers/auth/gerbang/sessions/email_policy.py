"""Whether an account may be used before its e-mail address is verified: the setting `RequireVerifiedEmail`."""

from enum import Enum
from typing import TYPE_CHECKING

from gerbang.core.errors import AuthError

if TYPE_CHECKING:
    from gerbang.storage.accounts import User


class EmailNotVerified(AuthError):
    """The user has authenticated, but must verify the account's e-mail address first."""

    code = "email_not_confirmed"

    def __init__(self, user_id: str) -> None:
        """Keep the user's id for the log."""
        super().__init__(user_id)
        self.user_id = user_id


class UnverifiedAddress(Enum):
    """What happens to accounts without a verified address when they sign in with a password or refresh a session."""

    ACCEPTED = "accepted"
    REFUSED = "refused"

    def refuses(self, user: "User") -> bool:
        """Return whether the account must verify its address first.

        Guests, and accounts to which only identities of providers sign in, have none to verify.
        """
        is_exempt = user.is_anonymous or (user.email is None and bool(user.subjects))
        return self is UnverifiedAddress.REFUSED and user.email_verified_at is None and not is_exempt
