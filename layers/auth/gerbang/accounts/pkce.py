"""Sign-in of clients that use PKCE: a mailed link yields a code, which is exchanged with a verifier for a session.

So a link that is opened on another device, or by a mail scanner, opens no session there.
"""

from collections.abc import Callable
from dataclasses import field, replace
from datetime import timedelta
from typing import Final

from gerbang.accounts.verification import AccountDisabled
from gerbang.core.client import Client
from gerbang.core.clock import Clock
from gerbang.core.concurrency import run_concurrently
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Counted, Limit, RateLimits
from gerbang.sessions.pkce import CodeChallenge
from gerbang.sessions.sessions import Sessions, SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.flow_states import FlowState, FlowStateTable
from gerbang.storage.store import Action, Store
from gerbang.storage.users import UserTable

FLOW_LIFETIME: Final = timedelta(minutes=5)
"""How long an authorization code may be exchanged, as at Supabase. RFC 6749, section 4.1.2, allows ten minutes."""

_REMEMBERED: Final = timedelta(days=1)
"""How long a code that was not exchanged is answered as expired instead of unknown."""


class FlowStateNotFound(AuthError):
    """The authorization code is unknown or was exchanged, or the account has changed since."""

    code = "flow_state_not_found"


class FlowStateExpired(AuthError):
    """The authorization code was not exchanged in time."""

    code = "flow_state_expired"


class BadCodeVerifier(AuthError):
    """The verifier is not the one that the challenge was made from. The authorization code is not spent."""

    code = "bad_code_verifier"


PKCE_ERRORS: Final = (FlowStateNotFound, FlowStateExpired, BadCodeVerifier, AccountDisabled)
"""What `PkceFlows.exchange` raises, except `TooManyAttempts` and `DependencyUnavailable`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationCode:
    """What a link yields instead of a session."""

    code: str = field(repr=False)
    user: User


@dataclass(frozen=True, slots=True, kw_only=True)
class PkceFlows:
    """Makes authorization codes and exchanges them."""

    store: Store
    users: UserTable
    flow_states: FlowStateTable
    sessions: Sessions
    rate_limits: RateLimits
    address_limit: Limit
    """Failures of one client address, shared with passwords and codes."""
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]

    def begin(self, user: User, challenge: CodeChallenge) -> tuple[AuthorizationCode, Action]:
        """Return a new authorization code and the action that stores it, for the transaction that spends a link."""
        code, valid_until = self.new_id(), self.now() + FLOW_LIFETIME
        flow_state = FlowState(
            user_id=user.user_id,
            epoch=user.epoch,
            challenge=challenge.to_text(),
            valid_until=valid_until,
            expires_at=valid_until + _REMEMBERED,
        )
        return AuthorizationCode(code=code, user=user), self.flow_states.creation(code, flow_state)

    def exchange(self, code: str, verifier: str, client: Client) -> SignedIn:
        """Exchange an authorization code for a session, in the transaction that spends it. Three round trips.

        Raises:
            FlowStateNotFound, FlowStateExpired, BadCodeVerifier: the code is invalid, or the verifier is wrong.
            AccountDisabled: its account may not be used.
            TooManyAttempts: this client address has failed too often.
            DependencyUnavailable: the database did not answer.
        """
        with self.rate_limits.attempt(
            Counted(self.address_limit, client.address), alongside=lambda: self.flow_states.find(code)
        ) as attempt:
            user = self._authenticate(attempt.alongside, verifier)
            now = self.now()
            signed_in, opening = self.sessions.begin(replace(user, last_sign_in_at=now), client, "otp")
            signing_in = self.users.signing_in(user, now, client)
            failed, _ = run_concurrently(
                lambda: self.store.commit(self.flow_states.spending(code), signing_in, opening), attempt.succeed
            )
            if failed:
                raise FlowStateNotFound("exchanged meanwhile")
        self.log_event("signed_in", user_id=user.user_id, session_id=signed_in.family_id, method="otp")
        return signed_in

    def _authenticate(self, state: FlowState | None, verifier: str) -> User:
        """Return the account of an authorization code, after checking code and verifier."""
        now = self.now()
        if state is None:
            raise FlowStateNotFound("unknown")
        if now >= state.valid_until:
            raise FlowStateExpired
        if not CodeChallenge.from_text(state.challenge).is_met_by(verifier):
            raise BadCodeVerifier
        user = self.users.find(state.user_id)
        if user is None or user.epoch != state.epoch:
            raise FlowStateNotFound("another epoch")
        if not user.may_sign_in(now):
            raise AccountDisabled(user.user_id)
        return user
