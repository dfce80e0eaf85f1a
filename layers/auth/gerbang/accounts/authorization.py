"""Who may call the deployment's other APIs, and as what: a session that stands, and membership of an organisation."""

from dataclasses import dataclass

from gerbang.accounts.organizations import Organizations
from gerbang.core.concurrency import run_concurrently
from gerbang.core.identifiers import botlaunch_id
from gerbang.sessions.sessions import Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What is handed on to the function behind the authorizer."""

    subject: str
    """The account's UUID, the token's `sub`."""
    user_id: str
    """The account as BotLaunch's clients know it, `usr_…`."""
    email_verified: bool
    """Whether the person verified their address: without it, an address is what somebody typed."""
    session_id: str
    organization_id: str
    role: str


@dataclass(frozen=True, slots=True)
class Authorizer:
    """Compares a request with what stands in the tables at this moment."""

    sessions: Sessions
    organizations: Organizations

    def authorize(self, access_token: str, organization_id: str) -> Caller:
        """Return who calls, and as what, in the organisation they named. Two round trips at most.

        Raises:
            InvalidToken, TokenExpired, SessionEnded: the token is worth nothing (any more).
            NotAMember: they do not belong to that organisation.
        """
        claims = self.sessions.read(access_token)
        standing, membership = run_concurrently(
            lambda: self.sessions.authenticate_claims(claims),
            lambda: self.organizations.membership(organization_id, claims.user_id),
        )
        return Caller(
            subject=standing.user.user_id,
            user_id=botlaunch_id(standing.user.user_id),
            email_verified=standing.user.email_verified_at is not None,
            session_id=claims.family_id,
            organization_id=membership.organization_id,
            role=membership.role,
        )
