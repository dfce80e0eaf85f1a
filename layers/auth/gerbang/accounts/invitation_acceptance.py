"""Accept an invitation to an organization by the mailed token: with an existing account, or by registering.

The token shows that its bearer reads the mail of the address, so it verifies the address. It is valid for that address
only. Because it is valid for a week, it does not sign in to an existing account: the owner signs in first.
"""

from dataclasses import replace
from datetime import datetime

from gerbang.accounts.organization_invitations import AlreadyMember
from gerbang.accounts.own_organizations import belonging_actions, check_organization_limit
from gerbang.accounts.registration import JoiningFailed, NewAccount, Registration
from gerbang.accounts.verification import EarlierCredentials, verify_email
from gerbang.core.client import Client
from gerbang.core.clock import Clock, to_epoch
from gerbang.core.contention import CHANGE_TRIES, KeptChanging
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError
from gerbang.core.log import LogEvent
from gerbang.limits.rate_limits import Counted, Limit, RateLimits
from gerbang.mail.invitation_tokens import InvitationTokens
from gerbang.mail.organization_invitations import Invited
from gerbang.passwords.policy import PasswordPolicy
from gerbang.sessions.sessions import Authenticated, Sessions, SignedIn
from gerbang.storage.accounts import User
from gerbang.storage.organizations import Invitation, Membership, Organization, OrganizationTable
from gerbang.storage.store import Action, Change, Put, Store
from gerbang.storage.users import UserTable


class InvalidInvitation(AuthError):
    """The token is wrong, or its invitation was accepted, revoked or replaced, or has expired."""

    code = "invalid_invitation"


class InvitedAnother(AuthError):
    """The invitation is for another address than the caller's."""

    code = "invitation_of_another_address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """An organization that a user has joined."""

    organization: Organization
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationAcceptance:
    """Accepts invitations."""

    store: Store
    users: UserTable
    table: OrganizationTable
    tokens: InvitationTokens
    registration: Registration
    """Sends no mail, because the token verifies the address."""
    sessions: Sessions
    rate_limits: RateLimits
    limit: Limit
    """Wrong tokens of one client address."""
    log_event: LogEvent
    now: Clock

    def join(self, token: str, caller: Authenticated, client: Client) -> Joined:
        """Make the caller a member, in the transaction that spends the invitation. This verifies the caller's address.

        Raises:
            InvalidInvitation: the token is wrong, or its invitation is spent, revoked, replaced or expired.
            InvitedAnother: the invitation is for another address.
            AlreadyMember: the caller belongs to the organization.
            TooManyOrganizations: the caller belongs to too many.
            TooManyAttempts: this client address has shown too many wrong tokens.
            SessionEnded: the account was disabled, or its sessions ended, meanwhile.
        """
        invited = self._find(token, client)
        for _ in range(CHANGE_TRIES):
            user = caller.user
            if user.email != invited.invitation.email:
                raise InvitedAnother
            check_organization_limit(self.users, user)
            now = self.now()
            joining = self._joining(invited.invitation, user.user_id, now)
            account = self._account(user, invited.invitation, client, now)
            failed = self.store.commit(*joining, *account)
            if not failed:
                return self._joined(invited, user.user_id)
            _check_failed(failed)
            caller = self.sessions.read_again(caller)
        raise KeptChanging("account")

    def register(
        self, token: str, name: str, password: str, *, client: Client, policy: PasswordPolicy
    ) -> tuple[SignedIn, Joined]:
        """Make the account of the invited address, with a verified address, as a member, and sign it in.

        Raises:
            InvalidInvitation, TooManyAttempts: as `join`; or this client has registered too often.
            UnacceptablePassword: the password breaks the policy; the invitation is not spent.
            EmailTaken: an account has the address. Its owner signs in and joins.
            SignUpDisabled: the deployment takes no accounts.
        """
        invited = self._find(token, client)
        invitation = invited.invitation
        policy.check(password, about=(invitation.email, name))
        new = NewAccount(
            email=EmailAddress(invitation.email_as_typed), password=password, name=name, locale=client.locale
        )

        def joining(user_id: str, at: datetime) -> tuple[Action, ...]:
            record = Put(self.users.organization_key(user_id, invitation.organization_id), {"since": to_epoch(at)})
            return (*self._joining(invitation, user_id, at), record)

        try:
            signed_in = self.registration.register_member(new, client, invitation.organization_id, joining)
        except JoiningFailed:
            raise InvalidInvitation("spent meanwhile") from None
        joined = self._joined(invited, signed_in.user.user_id)
        return replace(signed_in, role=joined.role), joined

    def _find(self, token: str, client: Client) -> Invited:
        """Return the open invitation of a token. Wrong tokens are counted."""
        with self.rate_limits.attempt(Counted(self.limit, client.address)):
            named = self.tokens.read(token)
            if named is None:
                raise InvalidInvitation("malformed")
            organization, invitation = self.table.find_invitation(named.organization_id, named.invitation_id)
            if organization is None or invitation is None or invitation.expires_at <= self.now():
                raise InvalidInvitation("none")
            if not self.tokens.matches(token, invitation):
                raise InvalidInvitation("wrong")
            return Invited(organization=organization, invitation=invitation)

    def _joining(self, invitation: Invitation, user_id: str, at: datetime) -> tuple[Action, ...]:
        """Return the actions that spend an invitation and write the membership, in the order of `_check_failed`."""
        membership = Membership(
            organization_id=invitation.organization_id, user_id=user_id, role=invitation.role, since=at
        )
        return (
            self.table.spending(invitation, at),
            self.table.joining(membership),
            self.table.revising(invitation.organization_id),
        )

    def _account(self, user: User, invitation: Invitation, client: Client, at: datetime) -> tuple[Action, ...]:
        """Return the actions that record the membership on an account, and verify its address."""
        changes: dict[str, Change] = {}
        if user.email_verified_at is None:
            # The caller has signed in to the account and reads its mail, so the credentials are the owner's.
            _, changes = verify_email(user, EarlierCredentials.KEPT, at=at, locale=client.locale)
        return belonging_actions(self.users, user, invitation.organization_id, at=at, changes=changes)

    def _joined(self, invited: Invited, user_id: str) -> Joined:
        ids = {"organization_id": invited.organization.organization_id, "user_id": user_id}
        self.log_event("member_joined", **ids, invitation_id=invited.invitation.invitation_id)
        return Joined(organization=invited.organization, role=invited.invitation.role)


def _check_failed(failed: tuple[object, ...]) -> None:
    """Return if only the actions on the account have failed, which can be tried again.

    Raises:
        AlreadyMember: the membership exists.
        InvalidInvitation: the invitation was spent or changed, or the organization deleted, meanwhile.
    """
    spending, joining, revising, *_ = failed
    if joining is not None:
        raise AlreadyMember
    if spending is not None or revising is not None:
        raise InvalidInvitation("spent meanwhile")
