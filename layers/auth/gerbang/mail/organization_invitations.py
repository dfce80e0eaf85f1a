"""The mail of an invitation to an organization."""

from datetime import datetime, timedelta
from typing import Final

from gerbang.core.dataclass import dataclass
from gerbang.limits.rate_limits import Attempt
from gerbang.mail.composing import Mails, Recipient
from gerbang.mail.invitation_tokens import InvitationTokens
from gerbang.mail.jobs import INVITATION, ORGANIZATION, MailJob, MailKind
from gerbang.mail.message import Message
from gerbang.mail.service import WRITE_DELAY_SECONDS, MailService
from gerbang.storage.organizations import Invitation, Organization, OrganizationTable

INVITATION_LIFETIME: Final = timedelta(days=7)
"""How long an invitation can be accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """An invitation and its organization."""

    organization: Organization
    invitation: Invitation


@dataclass(frozen=True, slots=True)
class InvitationRequests:
    """Counts and queues the mails."""

    mail_service: MailService

    def counted(self, email: str, client_address: str) -> Attempt[None]:
        """Count an invitation of an address, from every organisation, as a mail that was requested.

        Raises:
            TooMuchMail, TooManyAttempts, DependencyUnavailable: as `MailService.counted`.
        """
        return self.mail_service.counted(MailKind.ORGANIZATION_INVITATION, email, client_address)

    def request(self, invitation: Invitation, locale: str | None) -> None:
        """Queue the mail of an invitation that the caller writes next; it is not sent if that is not written.

        Raises:
            DependencyUnavailable: it could not be queued; do not write the invitation.
        """
        job = MailJob(
            job_id=self.mail_service.new_id(),
            kind=MailKind.ORGANIZATION_INVITATION,
            email=invitation.email,
            locale=locale,
            payload={ORGANIZATION: invitation.organization_id, INVITATION: invitation.invitation_id},
        )
        self.mail_service.queue.enqueue(job, delay_seconds=WRITE_DELAY_SECONDS)


@dataclass(frozen=True, slots=True)
class InvitationMails:
    """Composes the mails."""

    table: OrganizationTable
    tokens: InvitationTokens

    def find(self, job: MailJob, at: datetime) -> Invited | None:
        """Return the invitation of a job, None if it is not written, or was revoked or accepted, or has expired."""
        organization, invitation = self.table.find_invitation(
            job.payload.get(ORGANIZATION, ""), job.payload.get(INVITATION, "")
        )
        if organization is None or invitation is None or invitation.expires_at <= at or invitation.email != job.email:
            return None
        return Invited(organization=organization, invitation=invitation)

    def compose(self, invited: Invited, mails: Mails, to: Recipient) -> Message:
        """Return the mail of an invitation.

        Raises:
            DependencyUnavailable: the keys could not be read.
        """
        return mails.organization_invitation(
            to,
            organization=invited.organization.name,
            organization_id=invited.organization.organization_id,
            token=self.tokens.token(invited.invitation),
            valid_for=invited.invitation.expires_at - invited.invitation.created_at,
        )
