"""Limits on guesses at passwords, the same at every endpoint that takes a password."""

from collections.abc import Callable
from typing import Any, overload

from gerbang.core.concurrency import run_concurrently
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import Severity
from gerbang.limits.rate_limits import Attempt, Counted, Limit, OnSuccess, RateLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInLimits:
    """The limits on attempts with a password; `template.yaml` has the defaults (LimitSignIn…)."""

    account_and_address: Limit
    """Wrong passwords for one account from one client address."""
    address: Limit
    """Wrong passwords from one client address, for all accounts (spraying)."""
    account: Limit
    """Wrong passwords for one account from everywhere; does not stop addresses that have signed in to it before."""


@dataclass(frozen=True, slots=True)
class PasswordAttempts:
    """Counts attempts with a password.

    An *account* is named by its id or, where there is none, by the name that was tried.
    """

    limits: SignInLimits
    rate_limits: RateLimits

    @overload
    def attempt(self, account: str, address: str) -> Attempt[None]: ...
    @overload
    def attempt[T](self, account: str, address: str, *, alongside: Callable[[], T]) -> Attempt[T]: ...
    def attempt(self, account: str, address: str, *, alongside: Callable[[], Any] = lambda: None) -> Attempt[Any]:
        """Count an attempt, as `RateLimits.attempt` does; to be called before the password is hashed.

        Its success forgets the wrong passwords for this account from this address, and makes the address known.

        Raises:
            TooManyAttempts: One of the three limits is reached.
            DependencyUnavailable: The attempt could not be counted.
        """
        return self.rate_limits.attempt(
            self._pair(account, address),
            Counted(self.limits.address, address),
            Counted(self.limits.account, account, spares_known=True),
            alongside=alongside,
        )

    def forget(self, account: str, address: str) -> None:
        """Forget the wrong passwords for an account, after its owner has authenticated in another way.

        The client address becomes known. A failure is logged, not raised: the limits end by themselves.
        """
        everywhere = Counted(self.limits.account, account, OnSuccess.CLEARED)
        try:
            run_concurrently(
                lambda: self.rate_limits.forget(self._pair(account, address)),
                lambda: self.rate_limits.forget(everywhere),
            )
        except DependencyUnavailable:
            self.rate_limits.log_event("attempts_not_forgotten", Severity.WARNING, user_id=account)

    def _pair(self, account: str, address: str) -> Counted:
        return Counted(self.limits.account_and_address, f"{account} {address}", OnSuccess.REMEMBERED)
