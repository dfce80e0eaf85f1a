"""Invitations to an organization. For seven days, the reader of an address's mail can join.

An address has one invitation to an organization at a time. Another one replaces it, and the token of the earlier mail
stops working.
"""

from collections.abc import Callable
from uuid import UUID

from gerbang.accounts.organization_changes import Decision, OrganizationChanges
from gerbang.accounts.organizations import NotAMember
from gerbang.accounts.roles import Permission, Rights, Role, rights_of
from gerbang.core.client import Client
from gerbang.core.clock import Clock
from gerbang.core.dataclass import dataclass
from gerbang.core.emails import EmailAddress
from gerbang.core.errors import AuthError
from gerbang.core.identifiers import INVITATION, public_id
from gerbang.core.log import LogEvent
from gerbang.mail.organization_invitations import INVITATION_LIFETIME, InvitationRequests
from gerbang.storage.accounts import Name
from gerbang.storage.organizations import Invitation, OrganizationTable, Whole
from gerbang.storage.users import UserTable


class NoSuchInvitation(AuthError):
    """The organization has no open invitation with that id."""

    code = "invitation_not_found"


class AlreadyMember(AuthError):
    """The user belongs to the organization already."""

    code = "already_member"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenInvitations:
    """Lists and revokes invitations, for members who may invite."""

    table: OrganizationTable
    organization_changes: OrganizationChanges
    log_event: LogEvent
    now: Clock

    def list(self, organization_id: str, caller_id: str) -> tuple[Invitation, ...]:
        """Return an organization's open invitations, the newest first.

        Raises:
            NotAMember, InsufficientRole: the caller may not see them.
        """
        whole = self.table.read_whole(organization_id)
        role = None if whole is None else whole.role_of(caller_id)
        if whole is None or role is None:
            raise NotAMember(organization_id)
        rights_of(role).demand(Permission.MANAGE)
        return tuple(sorted(self._open(whole), key=lambda each: each.created_at, reverse=True))

    def revoke(self, organization_id: str, caller_id: str, invitation_id: str) -> None:
        """Revoke an open invitation: its token stops working.

        Raises:
            NoSuchInvitation: there is none with this id.
            NotAMember, InsufficientRole: the caller may not invite to its role.
            DependencyUnavailable: the database did not answer.
        """

        def decide(whole: Whole, rights: Rights) -> Decision:
            rights.demand(Permission.MANAGE)
            found = [each for each in self._open(whole) if each.invitation_id == invitation_id]
            if not found:
                raise NoSuchInvitation
            rights.demand(Permission.MANAGE, *(each.role for each in found))
            return Decision(actions=tuple(map(self.table.invitation_deletion, found)))

        self.organization_changes.attempt(organization_id, caller_id, decide)
        ids = {"organization_id": organization_id, "invitation_id": invitation_id}
        self.log_event("invitation_revoked", **ids, by=caller_id)

    def _open(self, whole: Whole) -> tuple[Invitation, ...]:
        now = self.now()
        return tuple(invitation for invitation in whole.invitations if invitation.expires_at > now)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationInvitations:
    """Invites to organizations, for members who may."""

    users: UserTable
    table: OrganizationTable
    organization_changes: OrganizationChanges
    requests: InvitationRequests
    log_event: LogEvent
    now: Clock
    new_id: Callable[[], str]

    def invite(
        self, organization_id: str, caller_id: str, email: EmailAddress, role: Role, client: Client
    ) -> Invitation:
        """Invite an address, with or without an account, to an organization. Its mail is queued first.

        The answer does not reveal whether an account has the address, unless the account is a member.

        Raises:
            NotAMember, InsufficientRole: the caller may not invite to this role.
            AlreadyMember: the account that has the address belongs to the organization.
            TooMuchMail, TooManyAttempts: too many were invited.
            DependencyUnavailable: it was not written, or its mail not queued. The same request works later.
        """
        now = self.now()
        invitation = Invitation(
            invitation_id=public_id(INVITATION, UUID(self.new_id())),
            organization_id=organization_id,
            email=email,
            email_as_typed=email.as_typed,
            role=role,
            invited_by=caller_id,
            created_at=now,
            expires_at=now + INVITATION_LIFETIME,
        )
        is_queued = False

        def decide(whole: Whole, rights: Rights) -> Decision:
            nonlocal is_queued
            rights.demand(Permission.MANAGE, role)
            earlier = [each for each in whole.invitations if each.email == email]
            rights.demand(Permission.MANAGE, *(each.role for each in earlier))
            holder = self.users.find_id(Name.EMAIL, email)
            if holder is not None and whole.role_of(holder) is not None:
                raise AlreadyMember
            if not is_queued:
                self.requests.request(invitation, client.locale)
                is_queued = True
            deletions = map(self.table.invitation_deletion, earlier)
            return Decision(actions=(self.table.invitation_creation(invitation), *deletions))

        with self.requests.counted(email, client.address):
            self.organization_changes.attempt(organization_id, caller_id, decide)
        ids = {"organization_id": organization_id, "invitation_id": invitation.invitation_id}
        self.log_event("member_invited", **ids, by=caller_id)
        return invitation
