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
    """Empty if the caller named none."""
    role: str
    """The caller's role in the organization; empty if they named none."""


@dataclass(frozen=True, slots=True)
class Authorizer:
    """Checks a request's token and organization against the tables."""

    sessions: Sessions
    organizations: Organizations

    def authorize(self, access_token: str, organization_id: str | None) -> Caller:
        """Return the caller, with their role in the organization if they named one. Two round trips at most.

        Raises:
            InvalidToken, TokenExpired, SessionEnded: the token is not good (any more).
            NotAMember: the caller does not belong to that organization.
        """
        claims = self.sessions.read(access_token)
        if not organization_id:
            active, membership = self.sessions.authenticate_claims(claims), None
        else:
            active, membership = run_concurrently(
                lambda: self.sessions.authenticate_claims(claims),
                lambda: self.organizations.membership(organization_id, claims.user_id),
            )
        return Caller(
            subject=active.user.user_id,
            user_id=botlaunch_id(active.user.user_id),
            email_verified=active.user.email_verified_at is not None,
            session_id=claims.family_id,
            organization_id="" if membership is None else membership.organization_id,
            role="" if membership is None else membership.role,
        )
