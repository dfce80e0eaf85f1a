"""Paths that serve two contracts: the body says which.

At login and register a body with `username` is SnapOTP's; at refresh one with `refresh_token` and no `refreshToken`.
The answer is in that contract, errors included. A body that cannot be read is BotLaunch's.
"""

from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from gerbang.apis import botlaunch, snapotp
from gerbang.http import edge

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gerbang.accounts.registration import NewAccount, Registered
    from gerbang.accounts.sign_in import Credentials
    from gerbang.passwords.policy import Requirement
    from gerbang.sessions.sessions import SignedIn

REFRESH: Final = "/api/auth/refresh"
"""The path at which another member of the body chooses."""


class Contract(Protocol):
    """What both contracts say of registering, signing in and refreshing."""

    def credentials(self, request: edge.Request) -> "Credentials":
        """Return what a sign-in shows."""
        ...

    def password_requirements(self) -> "Sequence[Requirement]":
        """Return what it asks of a password beyond its length."""
        ...

    def new_account(self, request: edge.Request) -> "NewAccount":
        """Return the account that a registration asks for."""
        ...

    def refresh_token_of(self, request: edge.Request) -> str:
        """Return the refresh token that a request wants to trade."""
        ...

    def refreshed(self, session: "SignedIn") -> edge.Response:
        """Return the answer with the next session."""
        ...

    def signed_in(self, session: "SignedIn") -> edge.Response:
        """Return the answer with a session."""
        ...

    def registered(self, made: "Registered") -> edge.Response:
        """Return the answer with a new account's first session."""
        ...

    def render(self, error: Exception, request: edge.Request) -> edge.Response:
        """Return the answer with a refusal."""
        ...


def contract_of(request: edge.Request) -> Contract:
    """Return the contract that a request speaks."""
    if request.path == REFRESH:
        is_snapotp = "refresh_token" in request.body and "refreshToken" not in request.body
    else:
        is_snapotp = "username" in request.body
    return snapotp if is_snapotp else botlaunch


def render(error: Exception, request: edge.Request) -> edge.Response:
    """Word a refusal in the contract that the request speaks."""
    return contract_of(request).render(error, request)


def rehearse(read: "Callable[[Contract, edge.Request], object]") -> None:
    """Have each contract read an empty request while init lasts (`edge.rehearse`)."""
    both: tuple[Contract, Contract] = (botlaunch, snapotp)
    for contract in both:
        edge.rehearse(partial(read, contract))


post = edge.endpoint("POST", render)
"""Makes a handler of POST in whichever contract the body speaks."""
