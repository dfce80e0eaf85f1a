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
    """Which sessions the authorizer accepts: the setting `RequireSecondFactor`."""

    NEVER = "never"
    """All."""
    IF_ENROLLED = "if-enrolled"
    """Those of users who have no second factor, and those that have shown it."""
    ALWAYS = "always"
    """Those that have shown a second factor."""

    def check(self, authenticated: "Authenticated") -> None:
        """Check that a session is accepted.

        Raises:
            InsufficientLevel: it must show a second factor first.
        """
        if self is SecondFactorPolicy.ALWAYS and authenticated.family.aal != AAL2:
            raise InsufficientLevel(authenticated.user.user_id)
        if self is SecondFactorPolicy.IF_ENROLLED:
            check_level(authenticated)


def check_level(authenticated: "Authenticated") -> None:
    """Check that a session has shown the second factor, if its user has one.

    Raises:
        InsufficientLevel: the user has a second factor, and the session has not shown it.
    """
    if authenticated.user.has_second_factor and authenticated.family.aal != AAL2:
        raise InsufficientLevel(authenticated.user.user_id)
