"""Whether an account may be used before its e-mail address is verified: the setting `RequireVerifiedEmail`."""

from enum import Enum
from typing import TYPE_CHECKING

from gerbang.core.errors import AuthError

if TYPE_CHECKING:
    from gerbang.storage.accounts import User


class EmailNotVerified(AuthError):
    """The user is who they say they are, and must verify their e-mail address first."""

    code = "email_not_confirmed"

    def __init__(self, user_id: str) -> None:
        """Keep the user's id for the log."""
        super().__init__(user_id)
        self.user_id = user_id


class UnverifiedAddress(Enum):
    """What the deployment does with an account whose address is not verified: at sign-in by password, at refresh."""

    ACCEPTED = "accepted"
    REFUSED = "refused"

    def refuses(self, user: "User") -> bool:
        """Return whether the account must verify its address first.

        Guests, and accounts to which only identities of providers sign in, have none to verify.
        """
        has_none = user.is_anonymous or (user.email is None and bool(user.subjects))
        return self is UnverifiedAddress.REFUSED and user.email_verified_at is None and not has_none
