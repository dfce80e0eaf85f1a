"""Who may make an account: what the operator chose, the same for every API."""

from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError


class SignUpDisabled(AuthError):
    """The deployment takes no new accounts (`SignUpDisabled`)."""

    code = "signup_disabled"


class AnonymousSignInsDisabled(AuthError):
    """The deployment admits no guests (`AnonymousSignIns`)."""

    code = "anonymous_provider_disabled"


class ManualLinkingDisabled(AuthError):
    """The deployment does not let users link and unlink identities (`ManualLinking`)."""

    code = "manual_linking_disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpPolicy:
    """What the operator chose about new accounts."""

    takes_accounts: bool = True
    """Whether new accounts may be made, guests' included (`SignUpDisabled`)."""
    takes_guests: bool = True
    """Whether guests are admitted (`AnonymousSignIns`)."""
    autoconfirm: bool = False
    """Whether Supabase's clients are signed in at sign-up, without a code (`Autoconfirm`)."""
    manual_linking: bool = True
    """Whether users may link identities of providers to their accounts, and unlink them (`ManualLinking`)."""

    def check_linking(self) -> None:
        """Check that users may link and unlink identities.

        Raises:
            ManualLinkingDisabled: they may not.
        """
        if not self.manual_linking:
            raise ManualLinkingDisabled

    def check_account(self) -> None:
        """Check that an account may be made.

        Raises:
            SignUpDisabled: it may not.
        """
        if not self.takes_accounts:
            raise SignUpDisabled

    def check_guest(self) -> None:
        """Check that a guest may be admitted.

        Raises:
            SignUpDisabled, AnonymousSignInsDisabled: no account may be made, or no guest's.
        """
        self.check_account()
        if not self.takes_guests:
            raise AnonymousSignInsDisabled
