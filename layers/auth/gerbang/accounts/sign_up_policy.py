"""Who may make an account: what the operator chose, the same for every API."""

from dataclasses import dataclass

from gerbang.core.errors import AuthError


class SignUpDisabled(AuthError):
    """The deployment takes no new accounts."""

    code = "signup_disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpPolicy:
    """What the operator chose about new accounts."""

    takes_accounts: bool = True
    """Whether new accounts may be made."""

    def check_account(self) -> None:
        """Return if an account may be made.

        Raises:
            SignUpDisabled: it may not.
        """
        if not self.takes_accounts:
            raise SignUpDisabled
