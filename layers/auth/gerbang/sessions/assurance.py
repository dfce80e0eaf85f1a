"""How well a user must have been authenticated: with one factor, or with two (NIST SP 800-63B-4, AAL1 and AAL2)."""

from enum import StrEnum
from typing import TYPE_CHECKING

from gerbang.core.errors import AuthError
from gerbang.storage.families import AAL2

if TYPE_CHECKING:
    from gerbang.sessions.sessions import Authenticated


class InsufficientLevel(AuthError):
    """The session has the level `aal1`, and this needs a second factor."""

    code = "insufficient_aal"


class SecondFactorPolicy(StrEnum):
    """Whom the authorizer lets through: the setting `RequireSecondFactor`."""

    NEVER = "never"
    """Everyone."""
    IF_ENROLLED = "if-enrolled"
    """Users who have no second factor, and sessions that have shown it."""
    ALWAYS = "always"
    """Sessions that have shown a second factor."""

    def check(self, authenticated: "Authenticated") -> None:
        """Return if a session is let through.

        Raises:
            InsufficientLevel: it must show a second factor first.
        """
        if self is SecondFactorPolicy.ALWAYS and authenticated.family.aal != AAL2:
            raise InsufficientLevel(authenticated.user.user_id)
        if self is SecondFactorPolicy.IF_ENROLLED:
            check_level(authenticated)


def check_level(authenticated: "Authenticated") -> None:
    """Return if a session has shown every factor that its user has.

    Raises:
        InsufficientLevel: the user has a second factor, and the session has not shown it.
    """
    if authenticated.user.has_second_factor and authenticated.family.aal != AAL2:
        raise InsufficientLevel(authenticated.user.user_id)
