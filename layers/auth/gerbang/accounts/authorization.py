"""Who may call the operator's other APIs: users with an active session, in the organization that they name, if any."""

from gerbang.accounts.organizations import Organizations
from gerbang.core.concurrency import run_concurrently
from gerbang.core.dataclass import dataclass
from gerbang.core.identifiers import botlaunch_id
from gerbang.sessions.assurance import SecondFactorPolicy
from gerbang.sessions.sessions import Authenticated, Sessions


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """What the function behind the authorizer receives."""

    subject: str
    """The account's UUID, the token's `sub`."""
    user_id: str
    """The account's id in BotLaunch's API, `usr_…`."""
    email_verified: bool
    """Whether the user verified their e-mail address: until then it may be another person's."""
    session_id: str
    level: str
    """The session's authenticator assurance level, the token's `aal`: `aal1`, or `aal2` after a second factor."""
    organization_id: str
    role: str
    """The caller's role in the organization; empty, like `organization_id`, if the request named none."""


@dataclass(frozen=True, slots=True)
class Authorizer:
    """Checks each request against the tables, so that a sign-out takes effect at once."""

    sessions: Sessions
    organizations: Organizations
    second_factor: SecondFactorPolicy = SecondFactorPolicy.IF_ENROLLED

    def authorize_person(self, access_token: str) -> Authenticated:
        """Return the account and session of a registered user, for a request without an organization. One round trip.

        Raises:
            InvalidToken, TokenExpired, SessionEnded: the token is not, or no longer, valid.
            NotAPerson: it is a guest's.
            InsufficientLevel: the deployment asks for a second factor, and the session has not shown it.
        """
        authenticated = self.sessions.authenticate_person(access_token)
        self.second_factor.check(authenticated)
        return authenticated

    def authorize(self, access_token: str, organization_id: str | None) -> Caller:
        """Return the caller, with the role in the organization that the request names, if any. Two round trips at most.

        Raises:
            InvalidToken, TokenExpired, SessionEnded: the token is not, or no longer, valid.
            InsufficientLevel: the deployment asks for a second factor, and the session has not shown it.
            NotAMember: they do not belong to that organization.
        """
        claims = self.sessions.read(access_token)
        if not organization_id:
            authenticated, membership = self.sessions.authenticate_claims(claims), None
        else:
            authenticated, membership = run_concurrently(
                lambda: self.sessions.authenticate_claims(claims),
                lambda: self.organizations.membership(organization_id, claims.user_id),
            )
        self.second_factor.check(authenticated)
        return Caller(
            subject=authenticated.user.user_id,
            user_id=botlaunch_id(authenticated.user.user_id),
            email_verified=authenticated.user.email_verified_at is not None,
            session_id=claims.family_id,
            level=authenticated.family.aal,
            organization_id=organization_id or "",
            role="" if membership is None else membership.role,
        )
