"""Guests: accounts without a name or a password. They are deleted when their session can no longer be refreshed."""

from collections.abc import Callable, Mapping

from gerbang.accounts.sign_up_policy import SignUpPolicy
from gerbang.core.client import Client
from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Counted, Limit, OnSuccess, RateLimits
from gerbang.sessions.sessions import Sessions, SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.store import Store
from gerbang.storage.users import UserTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Guests:
    """Signs users in without a registered account."""

    store: Store
    users: UserTable
    sessions: Sessions
    rate_limits: RateLimits
    limit: Limit
    """Registrations and guests per client address."""
    policy: SignUpPolicy
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]

    def admit(
        self, client: Client, *, role: str = "anonymous", user_metadata: Mapping[str, object] | None = None
    ) -> SignedIn:
        """Create a guest and sign it in; the tokens of its session have the *role* while it is a guest.

        The account exists for the longest life of its session, so that no refresh has to extend it.

        Raises:
            SignUpDisabled, AnonymousSignInsDisabled: the deployment admits no guests.
            MetadataTooLarge: the metadata is.
            TooManyAttempts: this client address has created too many.
        """
        self.policy.check_guest()
        now = self.now()
        guest = User(
            user_id=self.new_id(),
            name="",
            is_anonymous=True,
            created_at=now,
            updated_at=now,
            last_sign_in_at=now,
            expires_at=now + self.sessions.longest,
            user_metadata=user_metadata or {},
        )
        with self.rate_limits.attempt(Counted(self.limit, client.address, OnSuccess.STAYS)):
            signed_in, opening = self.sessions.begin(guest, client, "anonymous", guest_role=role)
            if self.store.commit(*self.users.creation(guest).values(), opening):
                raise DependencyUnavailable("a random id was drawn twice")
        self.log_event("guest_admitted", user_id=guest.user_id, session_id=signed_in.family_id)
        return signed_in
