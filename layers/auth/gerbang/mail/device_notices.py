"""Notices of a sign-in from a device that the account does not know (`gerbang.storage.devices`)."""

from dataclasses import dataclass

from gerbang.core.client import Client
from gerbang.core.errors import DependencyUnavailable
from gerbang.core.log import Severity
from gerbang.core.user_agents import LONGEST_USER_AGENT
from gerbang.limits.rate_limits import Counted, OnSuccess, TooManyAttempts
from gerbang.mail.jobs import CLIENT_ADDRESS, DEVICE, USER_AGENT, MailJob, MailKind
from gerbang.mail.service import WRITE_DELAY_SECONDS, MailService
from gerbang.storage.accounts import User
from gerbang.storage.devices import device_of, is_new_device


def is_written(job: MailJob, user: User) -> bool:
    """Return whether the sign-in that queued a notice was written: then the account knows the device."""
    return job.payload.get(DEVICE, "") in user.devices


@dataclass(frozen=True, slots=True)
class DeviceNotices:
    """Queues the notices, before the sign-in is written: they are mailed once it is."""

    mail_service: MailService

    def tell(self, user: User, client: Client) -> None:
        """Queue the notice of a sign-in, if its device is new to the account and the address is verified.

        An unverified address may be a stranger's. Notices are counted like the other mails of an hour. The notice of
        one device, queued again when the request is repeated, is mailed once. A failure to queue is logged only: the
        sign-in goes on.
        """
        if user.email is None or user.email_verified_at is None or not is_new_device(user, client):
            return
        service, kind, device = self.mail_service, MailKind.NEW_DEVICE, device_of(user.user_id, client)
        job = MailJob(
            job_id=f"{kind}-{user.user_id}-{device}",
            kind=kind,
            email=user.email,
            locale=client.locale,
            payload={
                DEVICE: device,
                USER_AGENT: client.device[:LONGEST_USER_AGENT],
                CLIENT_ADDRESS: client.address,
            },
        )
        try:
            with service.rate_limits.attempt(Counted(service.limits.hour, f"{kind} {user.email}", OnSuccess.STAYS)):
                service.queue.enqueue(job, delay_seconds=WRITE_DELAY_SECONDS)
        except (TooManyAttempts, DependencyUnavailable) as error:
            severity = Severity.WARNING if isinstance(error, TooManyAttempts) else Severity.ERROR
            service.log_event("mail_not_queued", severity, kind=kind, user_id=user.user_id)
